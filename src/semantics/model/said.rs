//! What a response says in its directives (RFC 9111 §5.2.2).

use super::Fields;
use super::text::{Argument, delta_seconds, directives, is_token};

/// The directives of a response.
pub(super) struct Said(Vec<(String, Argument)>);

impl Said {
    pub(super) fn of(fields: &Fields) -> Self {
        Self(directives(fields, "cache-control"))
    }

    fn arguments(&self, name: &str) -> impl Iterator<Item = &Argument> {
        let found = self.0.iter().filter(move |(found, _)| found == name);
        found.map(|(_, argument)| argument)
    }

    /// It is there, whatever its argument.
    pub(super) fn flag(&self, name: &str) -> bool {
        self.arguments(name).next().is_some()
    }

    /// "either the first occurrence should be used or the response should be considered stale"
    /// (§4.2.1): the first; of what is no lifetime, the first that can be read.
    pub(super) fn seconds(&self, name: &str) -> Option<i128> {
        let read = |argument: &Argument| match argument {
            Argument::Given(text) => delta_seconds(text),
            Argument::Missing | Argument::Broken => None,
        };
        if name.ends_with("age") {
            return self.arguments(name).next().and_then(read);
        }
        self.arguments(name).find_map(read)
    }

    /// One of its forms is not a list of fields (§5.2.2.4, §5.2.2.7).
    pub(super) fn unqualified(&self, name: &str) -> bool {
        self.arguments(name)
            .any(|argument| names(argument).is_none())
    }

    /// A qualified form lists this field.
    pub(super) fn withholds(&self, field: &str) -> bool {
        let forms = ["no-cache", "private"].into_iter();
        let mut all = forms
            .flat_map(|name| self.arguments(name))
            .filter_map(names);
        all.any(|names| names.iter().any(|name| name.to_lowercase() == field))
    }
}

fn names(argument: &Argument) -> Option<Vec<String>> {
    let Argument::Given(text) = argument else {
        return None;
    };
    let names = text
        .split(',')
        .map(|name| name.trim_matches([' ', '\t']).to_owned());
    let names: Vec<String> = names.filter(|name| !name.is_empty()).collect();
    let all = !names.is_empty() && names.iter().all(|name| is_token(name));
    all.then_some(names)
}
