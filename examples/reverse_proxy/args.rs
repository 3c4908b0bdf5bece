//! The command line, the environment and the file, laid over one another: flags win, then
//! `BELLWETHER_...`, then the file. What a text means is none of this module's business: see
//! [`settings`](crate::settings) and [`rules`](crate::rules). What there is to set: [`flags`].

use std::ffi::OsString;
use std::fmt;
use std::fs;

use clap::ArgMatches;
use clap::error::{ContextKind, ContextValue, ErrorKind};
use clap::parser::ValueSource;
use toml::Value;

use crate::Failure;
use crate::flags::{self, Setting, flag, settings};

const CONFIG: &str = "config";
const RULES: &str = "rule";

/// What the process was asked to do.
pub(crate) enum Asked {
    /// Print this and end: `--help`, `--version`.
    Print(String),
    /// Serve.
    Serve(Given),
    /// Say what is wrong, and end: `--check`.
    Check(Given),
}

/// The texts that were given, each with the place it came from.
#[derive(Debug, Default)]
pub(crate) struct Given {
    texts: Vec<(String, Text)>,
    /// The `[[rule]]` tables of the file.
    pub(crate) rules: Vec<Value>,
    /// The file.
    pub(crate) file: String,
}

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
        let (_, text) = self.texts.iter().find(|(name, _)| name == setting)?;
        Some(text)
    }

    fn add(&mut self, setting: &str, value: String, place: impl fmt::Display) {
        if self.find(setting).is_none() {
            let place = place.to_string();
            self.texts.push((setting.to_owned(), Text { value, place }));
        }
    }
}

/// Reads the command line, the environment and, if one is named, the file.
pub(crate) fn read(line: impl IntoIterator<Item = OsString>) -> Result<Asked, Failure> {
    let mut matches = match flags::command().try_get_matches_from(line) {
        Ok(matches) => matches,
        Err(error) if !error.use_stderr() => return Ok(Asked::Print(error.render().to_string())),
        Err(error) => return Err(Failure::usage(one_line(&error))),
    };
    let mut given = Given::default();
    for source in [ValueSource::CommandLine, ValueSource::EnvVariable] {
        for Setting { name, .. } in settings() {
            if matches.value_source(&name) == Some(source) {
                take(&mut matches, &name, source, &mut given);
            }
        }
    }
    let config = given.find(CONFIG).map(|text| text.value.clone());
    if let Some(path) = config {
        read_file(&path, &mut given)?;
    }
    Ok(if matches.get_flag(flags::CHECK) {
        Asked::Check(given)
    } else {
        Asked::Serve(given)
    })
}

fn take(matches: &mut ArgMatches, setting: &str, source: ValueSource, given: &mut Given) {
    let Some(value) = matches.remove_one::<String>(setting) else {
        return;
    };
    if source == ValueSource::CommandLine {
        given.add(setting, value, flag(setting));
    } else if !value.is_empty() {
        // An empty variable is how orchestrators spell "not set".
        given.add(setting, value, flags::variable(setting));
    }
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
    known.retain(|setting| setting.name != CONFIG);
    for (key, value) in table {
        if key == RULES {
            given.rules = rules(value, path)?;
            continue;
        }
        let Some(setting) = known.iter().find(|setting| setting.name == key) else {
            let known: Vec<_> = known.into_iter().map(|setting| setting.name).collect();
            let known = known.join(", ");
            let what = format!("unknown setting {key} in {path} (there are: {known}, {RULES})");
            return Err(Failure::usage(what));
        };
        let value = text_of(value, setting)
            .map_err(|what| Failure::usage(format!("{key} in {path}: {what}")))?;
        given.add(&key, value, format_args!("{key} in {path}"));
    }
    path.clone_into(&mut given.file);
    Ok(())
}

fn rules(value: Value, path: &str) -> Result<Vec<Value>, Failure> {
    match value {
        Value::Array(rules) if rules.iter().all(Value::is_table) => Ok(rules),
        _ => Err(Failure::usage(format!(
            "{RULES} in {path}: expected tables, each begun by a line [[{RULES}]]"
        ))),
    }
}

/// A value of the file as the text that the command line would have.
fn text_of(value: Value, setting: &Setting) -> Result<String, String> {
    match (value, setting.kind.as_str()) {
        (Value::String(text), _) => Ok(text),
        (Value::Integer(number), _) => Ok(number.to_string()),
        (Value::Boolean(truth), "BOOL") => Ok(truth.to_string()),
        (Value::Array(members), "LIST") if members.iter().all(Value::is_str) => {
            let members: Vec<_> = members.iter().filter_map(Value::as_str).collect();
            Ok(members.join(", "))
        }
        (other, kind) => {
            let expected = match kind {
                "BOOL" => "true or false",
                "LIST" => "a string or a list of strings",
                _ => "a string",
            };
            let article = if other.is_integer() || other.is_array() {
                "an"
            } else {
                "a"
            };
            Err(format!(
                "expected {expected}, found {article} {}",
                other.type_str()
            ))
        }
    }
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
