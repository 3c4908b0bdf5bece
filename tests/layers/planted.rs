//! The checker itself, on planted text: a check that cannot fail is none.

use crate::violations;

fn check(module: &str, text: &str) -> Vec<String> {
    let module = module.split("::").map(str::to_owned).collect();
    violations(&[(module, text.to_owned())])
}

#[test]
fn what_stands_above_may_be_imported() {
    assert!(check("entry::record", "use crate::clock::Moment;").is_empty());
    assert!(check("entry", "use crate::key::EntryId;").is_empty());
    assert!(
        check(
            "middleware::layer",
            "use crate::{engine::Engine, error::{Error, ErrorKind}};"
        )
        .is_empty()
    );
    assert!(
        check(
            "shared::redis::codec",
            "use crate::shared::redis::keys; use super::super::memory;"
        )
        .is_empty()
    );
}

#[test]
fn a_planted_violation_is_found() {
    for (module, text) in [
        ("clock", "use crate::key::EntryId;"),
        ("key", "use crate::entry::Fence;"),
        ("clock", "fn f() { let _ = crate::engine::plan(); }"),
        (
            "shared::redis",
            "use crate::{error::Error, engine::{plan, Step}};",
        ),
        (
            "shared::redis",
            "use crate::{\n    error::Error,\n    flight::Table,\n};",
        ),
        ("engine::drive", "pub(crate) use crate::middleware::layer;"),
        ("engine::drive", "use super::super::middleware::layer;"),
        ("clock", "use super::key::EntryId;"),
        ("config", "#[cfg(not(test))]\nuse crate::middleware::layer;"),
        (
            "config",
            "#[cfg(feature = \"redis\")]\nuse crate::middleware::layer;",
        ),
        ("novelty", "use crate::error::Error;"),
        ("engine", "use crate::Error;"),
        ("engine", "use tower_service::Service;"),
        ("semantics::vary", "use tokio::time::sleep;"),
        ("middleware", "use redis::Client;"),
        ("middleware", "use ::redis::Client;"),
        (
            "local",
            "#[cfg(test)]\nmod tests { use crate::engine::plan; }\nuse crate::engine::plan;",
        ),
    ] {
        let found = check(module, text);
        assert_eq!(found.len(), 1, "{module}: {text}: {found:?}");
    }
}

#[test]
fn comments_strings_and_tests_are_no_imports() {
    for text in [
        "/// See [`engine`](crate::engine::plan).\nfn f() {}",
        "/* crate::engine */",
        "const S: &str = \"crate::engine\"; const R: &str = r#\"crate::\"engine\"#;",
        "#[cfg(test)]\nmod tests {\n    use crate::engine::plan;\n    fn f() { if true {} }\n}",
        "#[cfg(all(test, bellwether_loom))]\nmod tests { use crate::engine::plan; }",
        "#[cfg(test)]\nuse crate::engine::plan;",
        "let quote = '\"'; // crate::engine::plan",
        "macro_rules! m { () => { $crate::engine::plan() } }",
    ] {
        assert!(check("clock", text).is_empty(), "{text}");
    }
}

#[test]
fn a_test_module_in_a_file_of_its_own_is_left_out() {
    let path = |path: &str| path.split("::").map(str::to_owned).collect::<Vec<_>>();
    let files = [
        (path("clock"), "#[cfg(test)]\nmod tests;".to_owned()),
        (path("clock::tests"), "use crate::engine::plan;".to_owned()),
    ];
    assert!(violations(&files).is_empty());
}
