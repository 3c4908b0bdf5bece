//! Reads the sources as text: which paths stand in them, outside comments, strings and tests.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

/// A file's module path and its text.
pub(crate) type Source = (Vec<String>, String);

/// Collects all sources below `folder`.
pub(crate) fn read_sources(root: &Path, folder: &Path, files: &mut Vec<Source>) {
    for entry in fs::read_dir(folder).expect("src can be read") {
        let path = entry.expect("src can be read").path();
        if path.is_dir() {
            read_sources(root, &path, files);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            let inside = path.strip_prefix(root).expect("it was found there");
            let parts = inside.with_extension("");
            let parts = parts.iter().map(|part| part.to_string_lossy().into_owned());
            let mut module: Vec<_> = parts.filter(|part| part != "mod").collect();
            if module == ["lib"] {
                module.clear();
            }
            files.push((module, fs::read_to_string(&path).expect("a source is text")));
        }
    }
}

/// The top-level modules that a file names.
pub(crate) fn imports(module: &[String], text: &str) -> BTreeSet<String> {
    let mut found = BTreeSet::new();
    for (at, _) in text.match_indices("crate::") {
        if starts_a_word(text, at) {
            found.extend(firsts(&text[at + "crate::".len()..]));
        }
    }
    for (at, _) in text.match_indices("super::") {
        // Only the first of a chain is counted from: `super::super::x` is one path.
        if !starts_a_word(text, at) || text[..at].ends_with("super::") {
            continue;
        }
        let mut rest = &text[at..];
        let mut up = 0;
        while let Some(after) = rest.strip_prefix("super::") {
            (rest, up) = (after, up + 1);
        }
        if module.len() == up {
            found.extend(firsts(rest));
        }
    }
    found
}

/// The first names of a path, or of each path in its braces.
fn firsts(path: &str) -> Vec<String> {
    let name = |text: &str| {
        let text = text.trim_start();
        let end = text.find(|c: char| !c.is_alphanumeric() && c != '_');
        text[..end.unwrap_or(text.len())].to_owned()
    };
    let Some(group) = path.trim_start().strip_prefix('{') else {
        return vec![name(path)];
    };
    let (mut depth, mut names, mut begin) = (0, Vec::new(), true);
    for (at, c) in group.char_indices() {
        match c {
            '{' => depth += 1,
            '}' if depth == 0 => break,
            '}' => depth -= 1,
            ',' if depth == 0 => begin = true,
            c if begin && !c.is_whitespace() => {
                names.push(name(&group[at..]));
                begin = false;
            }
            _ => {}
        }
    }
    names
}

/// True if a path in the text begins with this crate.
pub(crate) fn names_crate(text: &str, foreign: &str) -> bool {
    let path = format!("{foreign}::");
    let mut found = text.match_indices(&path).map(|(at, _)| at);
    found.any(|at| {
        // `crate::shared::redis::` is a module of ours, `::redis::` is the crate again.
        let before = text[..at].strip_suffix("::");
        starts_a_word(text, at) && before.is_none_or(|before| starts_a_word(before, before.len()))
    })
}

fn starts_a_word(text: &str, at: usize) -> bool {
    !text[..at].ends_with(|c: char| c.is_alphanumeric() || c == '_' || c == '$')
}

/// The text with comments and the insides of strings gone.
pub(crate) fn without_comments(text: &str) -> String {
    let mut kept = String::new();
    let mut rest = text;
    while let Some(c) = rest.chars().next() {
        let skipped = if rest.starts_with("//") {
            rest.find('\n').unwrap_or(rest.len())
        } else if rest.starts_with("/*") {
            rest.find("*/").map_or(rest.len(), |end| end + 2)
        } else if rest.starts_with("r\"") || rest.starts_with("r#\"") {
            let end = if rest.starts_with("r#") { "\"#" } else { "\"" };
            rest[3..]
                .find(end)
                .map_or(rest.len(), |at| at + 3 + end.len())
        } else if c == '"' {
            string_end(rest)
        } else if rest.starts_with("'\"'") {
            3
        } else {
            kept.push(c);
            rest = &rest[c.len_utf8()..];
            continue;
        };
        kept.push(' ');
        rest = &rest[skipped..];
    }
    kept
}

fn string_end(text: &str) -> usize {
    let mut escaped = false;
    for (at, c) in text.char_indices().skip(1) {
        match c {
            _ if escaped => escaped = false,
            '\\' => escaped = true,
            '"' => return at + 1,
            _ => {}
        }
    }
    text.len()
}

/// The text without the items under `#[cfg(test)]`, and the names of the modules among them that
/// stand in files of their own.
pub(crate) fn without_tests(text: &str) -> (String, Vec<String>) {
    let (mut kept, mut modules, mut rest) = (String::new(), Vec::new(), text);
    while let Some(at) = rest.find("#[cfg(") {
        let end = rest[at..].find(']').map_or(rest.len(), |end| at + end + 1);
        let condition = &rest[at..end];
        kept.push_str(&rest[..at]);
        let test = condition.contains("test")
            && !condition.contains("not(")
            && !condition.contains("any(");
        if !test {
            kept.push_str(condition);
            rest = &rest[end..];
            continue;
        }
        let item = &rest[end..];
        let length = item_length(item);
        let head = item[..length].trim().trim_end_matches(';');
        if let Some((_, name)) = head.rsplit_once("mod ").filter(|_| !head.contains('{')) {
            modules.push(name.trim().to_owned());
        }
        rest = &item[length..];
    }
    kept.push_str(rest);
    (kept, modules)
}

/// Until the `;` or the closing brace that ends the item at the start of the text.
fn item_length(text: &str) -> usize {
    let mut depth = 0;
    for (at, c) in text.char_indices() {
        match c {
            '{' => depth += 1,
            '}' => depth -= 1,
            _ => {}
        }
        if depth == 0 && (c == ';' || c == '}') {
            return at + 1;
        }
    }
    text.len()
}
