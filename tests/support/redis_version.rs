//! Which server the tests run against: whichever `redis-server` is first on the PATH.

use std::io::Write;
use std::process::Command;
use std::sync::OnceLock;

/// Channels in access rules, and sentinels with users.
pub const CHANNEL_RULES: [u32; 2] = [6, 2];
/// A pause of clients that write, beside that of all.
pub const KINDS_OF_PAUSE: [u32; 2] = [6, 2];
/// Parts of commands can be taken away in access rules.
pub const PART_RULES: [u32; 2] = [7, 0];
/// Who has logged in may say `HELLO` without a right to it.
pub const FREE_HELLO: [u32; 2] = [7, 0];
/// Channels that stay with one part of a cluster.
pub const SHARD_CHANNELS: [u32; 2] = [7, 0];

/// What `redis-server --version` says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Version {
    /// `Redis` or `Valkey`.
    pub product: String,
    /// As `INFO` and the report show it.
    pub text: String,
    numbers: [u32; 2],
}

/// That of the server that the tests start.
pub fn version() -> &'static Version {
    static VERSION: OnceLock<Version> = OnceLock::new();
    VERSION.get_or_init(|| {
        let said = Command::new("redis-server").arg("--version").output();
        let said = said.unwrap_or_else(|error| {
            panic!("cannot run redis-server ({error}): apt-get install redis-server")
        });
        let said = String::from_utf8_lossy(&said.stdout);
        read(&said).unwrap_or_else(|| panic!("no version in {said:?}"))
    })
}

/// Reads `Redis server v=7.0.15 sha=…`.
fn read(said: &str) -> Option<Version> {
    let (product, rest) = said.split_once(" server v=")?;
    let text = rest.split_whitespace().next()?;
    let mut numbers = text.split('.').map(|number| number.parse().ok());
    Some(Version {
        product: product.to_owned(),
        text: text.to_owned(),
        numbers: [numbers.next()??, numbers.next()??],
    })
}

impl Version {
    /// True if this server has what came with that version. Valkey began as Redis 7.2.
    pub fn has(&self, since: [u32; 2]) -> bool {
        self.product == "Valkey" || self.numbers >= since
    }

    /// As the report shows it.
    pub fn shown(&self) -> String {
        format!("{} {}", self.product, self.text)
    }

    /// As the report shows it for a user with the least rights.
    pub fn shown_to_the_least(&self) -> String {
        if self.has(FREE_HELLO) {
            self.shown()
        } else {
            "unknown: HELLO is not permitted (+hello would be enough)".into()
        }
    }
}

/// True if a test applies, else says in words that it was not run: on the terminal, past the
/// capture of what passing tests print, so that `tests/versions` can count it.
#[must_use]
pub fn applies(since: [u32; 2], to_what: &str) -> bool {
    told("NOT RUN", since, to_what)
}

/// The same of a part of a test.
#[must_use]
pub fn applies_in_part(since: [u32; 2], to_what: &str) -> bool {
    told("NOT RUN IN PART", since, to_what)
}

fn told(mark: &str, since: [u32; 2], to_what: &str) -> bool {
    let version = version();
    let has = version.has(since);
    if !has {
        let test = std::thread::current();
        let test = test.name().unwrap_or("a test");
        let [major, minor] = since;
        let line = format!(
            "{mark}: {test}: {to_what} since Redis {major}.{minor}, and this is {}\n",
            version.shown()
        );
        // In one piece, between the lines of others.
        let _ = std::io::stderr().write_all(line.as_bytes());
    }
    has
}
