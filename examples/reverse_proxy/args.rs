//! The command line, the environment and the file, laid over one another: flags win, then
//! `BELLWETHER_...`, then the file. What a text means is none of this module's business: see
//! [`settings`](crate::settings).
//!
//! The flags of [`Args`] are the one list of what there is to set. The names in the environment
//! and in the file follow from it, so that none of the three can fall behind.

use std::ffi::OsString;
use std::fmt;
use std::fs;

use clap::error::{ContextKind, ContextValue, ErrorKind};
use clap::parser::ValueSource;
use clap::{ArgMatches, CommandFactory, Parser};

use crate::Failure;

/// An HTTP cache in front of a slow origin: one request refreshes, all others are served.
#[derive(Debug, Parser)]
#[command(name = "reverse_proxy", version, max_term_width = 100, after_help = AFTER)]
struct Args {
    /// The server to protect: http://HOST[:PORT] or https://HOST[:PORT].
    /// Default: a built-in slow demo origin, to try things out
    #[arg(
        long,
        value_name = "URL",
        env = "BELLWETHER_ORIGIN",
        hide_env_values = true
    )]
    origin: Option<String>,

    /// Where to serve; port 0 takes a free one. Default: 127.0.0.1:8080
    #[arg(
        long,
        value_name = "ADDR",
        env = "BELLWETHER_LISTEN",
        hide_env_values = true
    )]
    listen: Option<String>,

    /// The Redis that joins several nodes into a fleet, as redis://HOST:PORT.
    /// Default: none, the cache of this process is complete without it
    #[arg(
        long,
        value_name = "URL",
        env = "BELLWETHER_REDIS",
        hide_env_values = true
    )]
    redis: Option<String>,

    /// How long past its freshness a response may be served while one request refreshes it,
    /// where the origin itself does not say. Default: 0s
    #[arg(
        long,
        value_name = "TIME",
        env = "BELLWETHER_GRACE",
        hide_env_values = true
    )]
    grace: Option<String>,

    /// Memory for the entries of this process. Default: 256MiB
    #[arg(
        long,
        value_name = "SIZE",
        env = "BELLWETHER_LOCAL_CAPACITY",
        hide_env_values = true
    )]
    local_capacity: Option<String>,

    /// The largest response body that is stored; larger ones pass through. Default: 8MiB
    #[arg(
        long,
        value_name = "SIZE",
        env = "BELLWETHER_MAX_BODY_SIZE",
        hide_env_values = true
    )]
    max_body_size: Option<String>,

    /// Where to serve GET /health, GET /stats and POST /purge?uri=URL. Whoever reaches it may
    /// purge. Default: closed
    #[arg(
        long,
        value_name = "ADDR",
        env = "BELLWETHER_ADMIN",
        hide_env_values = true
    )]
    admin: Option<String>,

    /// The name of this node, shown in Cache-Status as bellwether/NAME. Default: none
    #[arg(
        long,
        value_name = "NAME",
        env = "BELLWETHER_NODE",
        hide_env_values = true
    )]
    node: Option<String>,

    /// A TOML file with any of the above, dashes written as underscores: grace = "30s"
    #[arg(
        long,
        value_name = "FILE",
        env = "BELLWETHER_CONFIG",
        hide_env_values = true
    )]
    config: Option<String>,
}

const AFTER: &str = "\
A flag beats its BELLWETHER_... variable, which beats the file.
TIME is a number and a unit: 500ms, 30s, 2m, 1h 30m. SIZE: 65536 (bytes), 64KiB, 256MiB, 1GiB.
RUST_LOG sets what is logged to stderr; its default is warn,bellwether=info,reverse_proxy=info.
Once ready, one line goes to stdout: listening on http://ADDR. SIGTERM drains for up to 30 s.

Examples:
  reverse_proxy
      the demo: starts a slow origin, prints what to try
  reverse_proxy --origin http://127.0.0.1:3000 --grace 30s
      protect a server, and answer with a stale page rather than let anybody wait
  reverse_proxy --origin http://app:3000 --listen 0.0.0.0:80 --redis redis://redis:6379 --node a
      one node of a fleet: all nodes together ask the origin once";

const CONFIG: &str = "config";

/// What the process was asked to do.
pub(crate) enum Asked {
    /// Print this and end: `--help`, `--version`.
    Print(String),
    /// Serve.
    Serve(Given),
}

/// The texts that were given, each with the place it came from.
#[derive(Debug, Default)]
pub(crate) struct Given(Vec<(String, Text)>);

/// One given text.
#[derive(Debug)]
pub(crate) struct Text {
    /// What was written.
    pub(crate) value: String,
    /// Where, in the user's words: `--grace`, `BELLWETHER_GRACE`, `grace in proxy.toml`.
    pub(crate) place: String,
}

impl Given {
    /// The text that wins for this setting, if any was given.
    pub(crate) fn find(&self, setting: &str) -> Option<&Text> {
        let (_, text) = self.0.iter().find(|(name, _)| name == setting)?;
        Some(text)
    }

    fn add(&mut self, setting: &str, value: String, place: impl fmt::Display) {
        if self.find(setting).is_none() {
            let place = place.to_string();
            self.0.push((setting.to_owned(), Text { value, place }));
        }
    }
}

/// Reads the command line, the environment and, if one is named, the file.
pub(crate) fn read(line: impl IntoIterator<Item = OsString>) -> Result<Asked, Failure> {
    let mut matches = match Args::command().try_get_matches_from(line) {
        Ok(matches) => matches,
        Err(error) if !error.use_stderr() => return Ok(Asked::Print(error.render().to_string())),
        Err(error) => return Err(Failure::usage(one_line(&error))),
    };
    let mut given = Given::default();
    for source in [ValueSource::CommandLine, ValueSource::EnvVariable] {
        for setting in settings() {
            if matches.value_source(&setting) == Some(source) {
                take(&mut matches, &setting, source, &mut given);
            }
        }
    }
    let config = given.find(CONFIG).map(|text| text.value.clone());
    if let Some(path) = config {
        read_file(&path, &mut given)?;
    }
    Ok(Asked::Serve(given))
}

/// The names of all settings, as the file spells them.
fn settings() -> Vec<String> {
    let command = Args::command();
    let ids = command.get_arguments().map(|arg| arg.get_id().to_string());
    ids.collect()
}

fn take(matches: &mut ArgMatches, setting: &str, source: ValueSource, given: &mut Given) {
    let Some(value) = matches.remove_one::<String>(setting) else {
        return;
    };
    if source == ValueSource::CommandLine {
        given.add(setting, value, flag(setting));
    } else if !value.is_empty() {
        // An empty variable is how orchestrators spell "not set".
        let name = setting.to_uppercase();
        given.add(setting, value, format_args!("BELLWETHER_{name}"));
    }
}

fn flag(setting: &str) -> String {
    format!("--{}", setting.replace('_', "-"))
}

fn read_file(path: &str, given: &mut Given) -> Result<(), Failure> {
    let text = fs::read_to_string(path)
        .map_err(|error| Failure::usage(format!("cannot read the config file {path}: {error}")))?;
    let table: toml::Table = text.parse().map_err(|error: toml::de::Error| {
        let before = error.span().and_then(|span| text.get(..span.start));
        let line = before.map_or(1, |before| before.matches('\n').count() + 1);
        let what = error.message().replace('\n', ", ");
        Failure::usage(format!("{path}, line {line}: {what}"))
    })?;
    let mut known = settings();
    known.retain(|setting| setting != CONFIG);
    for (key, value) in table {
        if !known.contains(&key) {
            let known = known.join(", ");
            let what = format!("unknown setting {key} in {path} (there are: {known})");
            return Err(Failure::usage(what));
        }
        let value = match value {
            toml::Value::String(value) => value,
            toml::Value::Integer(value) => value.to_string(),
            other => {
                let kind = other.type_str();
                let what = format!("{key} in {path}: expected a string, found a {kind}");
                return Err(Failure::usage(what));
            }
        };
        given.add(&key, value, format_args!("{key} in {path}"));
    }
    Ok(())
}

/// Clap explains over several lines; scripts and logs want one.
fn one_line(error: &clap::Error) -> String {
    let text = |kind| match error.get(kind) {
        Some(ContextValue::String(text)) => Some(text.as_str()),
        _ => None,
    };
    let what = text(ContextKind::InvalidArg).unwrap_or("an argument");
    let what = match error.kind() {
        ErrorKind::UnknownArgument => match text(ContextKind::SuggestedArg) {
            Some(near) => format!("unknown argument {what}, did you mean {near}?"),
            None => format!("unknown argument {what}"),
        },
        ErrorKind::InvalidValue => format!("{what}: the value is missing"),
        ErrorKind::ArgumentConflict => format!("{what}: given more than once"),
        ErrorKind::InvalidUtf8 => "an argument or a BELLWETHER_... variable is not UTF-8".into(),
        _ => error.kind().to_string(),
    };
    format!("{what} (see --help)")
}
