//! Reads what a server says of itself. None of it is trusted: what is not understood is left out.

use redis::Value;

/// Most of an answer to `INFO` that is looked at. The servers' own are some 6 KB long.
const MOST: usize = 64 << 10;
/// Most characters of a word that a server says of itself.
const WORD: usize = 40;
/// Most characters of a sentence.
const SENTENCE: usize = 240;

/// The answer to `HELLO`, which needs no right since Redis 7.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Hello {
    /// `redis`, `valkey`.
    pub(super) product: String,
    pub(super) version: String,
    /// `standalone`, `cluster`, `sentinel`.
    pub(super) mode: String,
    /// `master`, `replica`; in `INFO`, `slave`.
    pub(super) role: String,
}

/// What is of interest in an answer to `INFO`.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Info {
    /// What `HELLO` says, too.
    pub(super) hello: Hello,
    /// Only Valkey has one.
    pub(super) valkey: Option<String>,
    pub(super) used: Option<u64>,
    /// 0 for no limit.
    pub(super) limit: Option<u64>,
    pub(super) policy: Option<String>,
    pub(super) replicas: Option<u64>,
    /// Of a replica: where its master is.
    pub(super) master: Option<String>,
    /// Whether it stops taking writes without replicas. Said only by those that do.
    pub(super) wants_replicas: bool,
}

impl Hello {
    pub(super) fn read(said: &Value) -> Self {
        let Value::Map(pairs) = said else {
            return Self::default();
        };
        let find = |name: &str| {
            let mut found = pairs.iter().filter(|(key, _)| text(key) == Some(name));
            let value = found.next().and_then(|(_, value)| text(value));
            value.map(word).unwrap_or_default()
        };
        Self {
            product: find("server"),
            version: find("version"),
            mode: find("mode"),
            role: find("role"),
        }
    }
}

impl Info {
    /// `None` if this is no text.
    pub(super) fn read(said: &Value) -> Option<Self> {
        let text = text(said)?;
        let mut end = text.len().min(MOST);
        while !text.is_char_boundary(end) {
            end -= 1;
        }
        let mut info = Self::default();
        let (mut host, mut port) = (None, None);
        for line in text[..end].lines() {
            let Some((name, value)) = line.split_once(':') else {
                continue;
            };
            match name {
                "redis_version" => {
                    info.hello.product = "redis".into();
                    info.hello.version = word(value);
                }
                "redis_mode" => info.hello.mode = word(value),
                "role" => info.hello.role = word(value),
                "valkey_version" => info.valkey = Some(word(value)),
                "used_memory" => info.used = value.parse().ok(),
                "maxmemory" => info.limit = value.parse().ok(),
                "maxmemory_policy" => info.policy = Some(word(value)),
                "connected_slaves" => info.replicas = value.parse().ok(),
                "min_slaves_good_slaves" => info.wants_replicas = true,
                "master_host" => host = Some(word(value)),
                "master_port" => port = value.parse::<u16>().ok(),
                _ => {}
            }
        }
        let joined = host.zip(port);
        info.master = joined.map(|(host, port)| format!("{host}:{port}"));
        Some(info)
    }
}

/// The text of a value that is one.
pub(super) fn text(value: &Value) -> Option<&str> {
    match value {
        Value::BulkString(bytes) => std::str::from_utf8(bytes).ok(),
        Value::SimpleString(text) | Value::VerbatimString { text, .. } => Some(text),
        _ => None,
    }
}

/// A word that can be shown: it ends where anything stands that is in no version or name.
fn word(text: &str) -> String {
    let fits = |sign: &char| sign.is_ascii_alphanumeric() || "._-+:".contains(*sign);
    text.chars().take_while(fits).take(WORD).collect()
}

/// A sentence that can be shown and logged: one line of a bounded length.
pub(super) fn sentence(text: &str) -> String {
    let plain = |sign: char| if sign.is_control() { ' ' } else { sign };
    text.trim().chars().take(SENTENCE).map(plain).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_of_interest_is_found_and_the_rest_passed_over() {
        let said = "# Server\r\nredis_version:7.2.4\r\nredis_mode:cluster\r\nvalkey_version:8.0.1\r\n\r\n# Memory\r\n\
                    used_memory:1024\r\nmaxmemory:0\r\nmaxmemory_policy:noeviction\r\n\
                    role:slave\r\nmaster_host:10.0.0.1\r\nmaster_port:6379\r\n\
                    connected_slaves:x\r\nmin_slaves_good_slaves:0\r\nno colon\r\n";
        let info = Info {
            hello: Hello {
                product: "redis".into(),
                version: "7.2.4".into(),
                mode: "cluster".into(),
                role: "slave".into(),
            },
            valkey: Some("8.0.1".into()),
            used: Some(1024),
            limit: Some(0),
            policy: Some("noeviction".into()),
            replicas: None,
            master: Some("10.0.0.1:6379".into()),
            wants_replicas: true,
        };
        assert_eq!(Info::read(&Value::SimpleString(said.into())), Some(info));
        assert_eq!(Info::read(&Value::Nil), None);
    }

    #[test]
    fn nothing_of_a_server_can_break_a_line() {
        let said = Value::SimpleString("maxmemory_policy:a\u{1b}[31m\nused_memory:-1".into());
        let info = Info::read(&said).unwrap();
        assert_eq!((info.policy.as_deref(), info.used), (Some("a"), None));
        assert_eq!(sentence("a\nb\u{1b}c "), "a b c");
        assert_eq!(sentence(&"ä".repeat(1_000)).chars().count(), SENTENCE);
        let long = format!("{}\nused_memory:1", "ä".repeat(MOST));
        let info = Info::read(&Value::SimpleString(long)).unwrap();
        assert_eq!(info.used, None);
    }

    #[test]
    fn a_greeting_is_read() {
        let bulk = |text: &str| Value::BulkString(text.into());
        let pairs = [
            ("server", "valkey"),
            ("version", "8.1.0"),
            ("role", "master"),
        ];
        let pairs = pairs.map(|(name, value)| (bulk(name), bulk(value)));
        let hello = Hello::read(&Value::Map(pairs.into()));
        assert_eq!(hello.product, "valkey");
        assert_eq!((&*hello.version, &*hello.mode), ("8.1.0", ""));
        assert_eq!(Hello::read(&Value::Nil), Hello::default());
    }
}
