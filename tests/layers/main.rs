//! Who may know whom: a module imports only from the tiers above its own.
//!
//! The check reads the text of `src/` rather than asking the compiler: every path that begins with
//! `crate::` or `super::` outside comments and test code. `lib.rs` only joins the modules and is
//! left out. The tiers are those of the design; a new module has to be given one here.

mod planted;
mod source;

use std::collections::BTreeSet;
use std::path::Path;

use source::{Source, imports, names_crate, read_sources, without_comments, without_tests};

/// From the base to the face.
const TIERS: [(&str, &[&str]); 6] = [
    ("A base", &["error", "clock", "sync", "event"]),
    ("B model", &["key", "entry", "semantics"]),
    ("C mechanisms", &["local", "shared", "flight", "lock"]),
    ("D engine", &["engine"]),
    ("E control", &["config", "purge"]),
    ("F face", &["middleware", "fuzzing"]),
];

/// Within a tier, modules do not know one another, with these exceptions: (who, whom).
const NEIGHBOURS: [(&str, &str); 6] = [
    ("event", "sync"),
    ("entry", "key"),
    ("semantics", "key"),
    ("semantics", "entry"),
    ("lock", "shared"),
    ("config", "purge"),
];

/// What belongs to some modules alone: (crate, the modules that may know it).
const RESERVED: [(&str, &[&str]); 6] = [
    ("tower_service", &["middleware"]),
    ("tower_layer", &["middleware"]),
    ("http_body", &["middleware"]),
    ("redis", &["shared", "lock"]),
    ("moka", &["local"]),
    ("globset", &["config"]),
];

/// What some modules do without: (module, crate).
const ABSENT: [(&str, &str); 3] = [("key", "tokio"), ("entry", "tokio"), ("semantics", "tokio")];

#[test]
fn modules_import_only_from_the_tiers_above_them() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut files = Vec::new();
    read_sources(&root, &root, &mut files);
    assert!(files.len() > 1, "there are sources to check");
    let wrong = violations(&files);
    assert!(wrong.is_empty(), "\n{}", wrong.join("\n"));
}

fn violations(files: &[Source]) -> Vec<String> {
    let mut tests = BTreeSet::new();
    let mut code = Vec::new();
    for (module, text) in files {
        let (kept, test_modules) = without_tests(&without_comments(text));
        tests.extend(
            test_modules
                .into_iter()
                .map(|name| [&module[..], &[name]].concat()),
        );
        code.push((module, kept));
    }
    code.retain(|(module, _)| !tests.iter().any(|test| module.starts_with(test)));
    let mut wrong = BTreeSet::new();
    for (module, text) in code {
        if let Some(who) = module.first() {
            let file = module.join("::");
            for whom in imports(module, &text) {
                wrong.extend(judge(who, &whom).map(|why| format!("{file}: {why}")));
            }
            for (foreign, _) in RESERVED
                .iter()
                .filter(|(_, may)| !may.contains(&who.as_str()))
            {
                if names_crate(&text, foreign) {
                    wrong.insert(format!("{file}: `{foreign}` is not for this module"));
                }
            }
            for (_, foreign) in ABSENT.iter().filter(|(module, _)| module == who) {
                if names_crate(&text, foreign) {
                    wrong.insert(format!("{file}: does without `{foreign}`"));
                }
            }
        }
    }
    wrong.into_iter().collect()
}

/// Why `who` may not import from `whom`, if it may not.
fn judge(who: &str, whom: &str) -> Option<String> {
    let tier = |name| {
        TIERS
            .iter()
            .position(|(_, modules)| modules.contains(&name))
    };
    let Some(own) = tier(who) else {
        return Some(format!("`{who}` has no tier, give it one in tests/layers"));
    };
    let Some(other) = tier(whom) else {
        return Some(format!(
            "`crate::{whom}` is no module with a tier: import from the module itself"
        ));
    };
    let fine = other < own || who == whom || NEIGHBOURS.contains(&(who, whom));
    let (own, other) = (TIERS[own].0, TIERS[other].0);
    (!fine).then(|| format!("`{who}` ({own}) may not know `{whom}` ({other})"))
}
