//! Which stored response a request selects (RFC 9111 §4.1).

use std::collections::{BTreeMap, BTreeSet};

use super::Fields;
use super::text::{is_token, lines, members, split};

/// The fields that responses nominate; `None` if one of them nominates anything.
pub(super) fn nominated(responses: &[Fields]) -> Option<BTreeSet<String>> {
    let all: Vec<String> = responses
        .iter()
        .flat_map(|response| members(response, "vary"))
        .collect();
    let known = all.iter().all(|name| name != "*" && is_token(name));
    known.then(|| all.iter().map(|name| name.to_lowercase()).collect())
}

/// True if "all the presented request header fields nominated by that Vary field value match those
/// fields in the original request".
pub(super) fn match_in(names: &BTreeSet<String>, original: &Fields, presented: &Fields) -> bool {
    meaning(names, original) == meaning(names, presented)
}

/// What a request has in these fields. "If a header field is absent from a request, it can only
/// match another request if it is also absent there."
fn meaning(names: &BTreeSet<String>, request: &Fields) -> BTreeMap<String, Option<Vec<String>>> {
    let of = |name: &String| {
        let lines = lines(request, name);
        let meaning = (!lines.is_empty()).then(|| field(name, &lines));
        (name.clone(), meaning)
    };
    names.iter().map(of).collect()
}

/// The same for requests that differ in "adding or removing whitespace, where allowed", in
/// "combining multiple header field lines with the same field name", or "in a way that is known to
/// have identical semantics".
fn field(name: &str, lines: &[&str]) -> Vec<String> {
    let trim = |line: &&str| line.trim_matches([' ', '\t']).to_owned();
    match name {
        // Cut into lines at its semicolons, if at all (RFC 9113 §8.2.3).
        "cookie" => vec![lines.iter().map(trim).collect::<Vec<_>>().join("; ")],
        "authorization" => vec![lines.iter().map(trim).collect::<Vec<_>>().join(", ")],
        // Names of types, codings and languages have no case (RFC 9110 §8.3.1, §8.4.1, §8.5.1),
        // names of parameters neither (§5.6.6), but their values may.
        "accept" | "accept-charset" | "accept-encoding" | "accept-language" => {
            let members = lines.iter().flat_map(|line| split(line, ','));
            members.map(|member| negotiable(&member)).collect()
        }
        _ => lines.iter().flat_map(|line| split(line, ',')).collect(),
    }
}

fn negotiable(member: &str) -> String {
    let parts = split(member, ';').into_iter();
    let parts = parts.map(|part| match part.split_once('=') {
        Some((name, value)) => format!("{}={value}", name.to_lowercase()),
        None => part.to_lowercase(),
    });
    parts.collect::<Vec<_>>().join(";")
}
