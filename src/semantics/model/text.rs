//! Field values by their grammar (RFC 9110 §5.5, §5.6).

use super::Fields;

/// The values of the lines of a field.
pub(super) fn lines<'a>(fields: &'a Fields, name: &str) -> Vec<&'a str> {
    let lines = fields
        .iter()
        .filter(|(found, _)| found.to_lowercase() == name);
    lines.map(|(_, value)| value.as_str()).collect()
}

pub(super) fn has(fields: &Fields, name: &str) -> bool {
    !lines(fields, name).is_empty()
}

/// The members of a list: those of all lines, one after the other (§5.3), without the empty ones
/// (§5.6.1.2).
pub(super) fn members(fields: &Fields, name: &str) -> Vec<String> {
    let lines = lines(fields, name).into_iter();
    let members = lines.flat_map(|line| split(line, ','));
    members.filter(|member| !member.is_empty()).collect()
}

/// A line cut at each separator that is not within a quoted string (§5.6.4), white space around
/// the pieces taken off. A quotation mark without a partner is a character like others.
pub(super) fn split(line: &str, separator: char) -> Vec<String> {
    let characters: Vec<char> = line.chars().collect();
    let mut pieces = vec![String::new()];
    let mut at = 0;
    while at < characters.len() {
        let length = quoted_string(&characters[at..]).unwrap_or(1);
        let piece: String = characters[at..at + length].iter().collect();
        if length == 1 && characters[at] == separator {
            pieces.push(String::new());
        } else {
            pieces.last_mut().unwrap().push_str(&piece);
        }
        at += length;
    }
    let trimmed = pieces.iter().map(|piece| piece.trim_matches([' ', '\t']));
    trimmed.map(str::to_owned).collect()
}

/// The length of the quoted string at the front, if there is one.
fn quoted_string(characters: &[char]) -> Option<usize> {
    if characters.first() != Some(&'"') {
        return None;
    }
    let mut at = 1;
    loop {
        match characters.get(at)? {
            '"' => return Some(at + 1),
            '\\' => at += 2,
            _ => at += 1,
        }
    }
}

/// What follows the name of a directive (RFC 9111 §5.2).
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Argument {
    Missing,
    /// A token, or what is inside a quoted string: "either argument syntax" is to be accepted.
    Given(String),
    /// With white space beside the equals sign, which no grammar allows.
    Broken,
}

/// The directives of a field, their names in lower case.
pub(super) fn directives(fields: &Fields, name: &str) -> Vec<(String, Argument)> {
    let directive = |member: String| {
        let Some((name, argument)) = member.split_once('=') else {
            return (member.to_lowercase(), Argument::Missing);
        };
        let bare = name.trim_matches([' ', '\t']);
        if bare != name || argument.trim_matches([' ', '\t']) != argument {
            return (bare.to_lowercase(), Argument::Broken);
        }
        let inside = argument
            .strip_prefix('"')
            .and_then(|rest| rest.strip_suffix('"'));
        let argument = inside.unwrap_or(argument).to_owned();
        (bare.to_lowercase(), Argument::Given(argument))
    };
    members(fields, name).into_iter().map(directive).collect()
}

/// Whole seconds (RFC 9111 §1.2.2): what is too large counts as 2^31.
pub(super) fn delta_seconds(text: &str) -> Option<i128> {
    if text.is_empty() || !text.chars().all(|c| c.is_ascii_digit()) {
        return None;
    }
    let most = 2_i128.pow(31);
    // What has too many digits for 128 bits is too large.
    Some(text.parse().unwrap_or(most).min(most))
}

/// The name of a field is a token (RFC 9110 §5.6.2).
pub(super) fn is_token(text: &str) -> bool {
    let special = "!#$%&'*+-.^_`|~";
    !text.is_empty()
        && text
            .chars()
            .all(|c| c.is_ascii_alphanumeric() || special.contains(c))
}
