//! What the guide about locks says is shown by a test, is there.

use std::fs;
use std::path::Path;

#[test]
fn every_test_that_the_guide_names_exists() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let guide = fs::read_to_string(root.join("src/docs/locks.md")).expect("the guide");
    let mut named = 0;
    let mut missing = Vec::new();
    for cell in guide.lines().filter_map(shown_by) {
        let mut file = String::new();
        for word in cell.split([' ', ',', '(', ')']) {
            if word.starts_with("tests/") {
                file = fs::read_to_string(root.join(word)).unwrap_or_default();
            } else if let Some(test) = word.strip_prefix('`') {
                let test = test.trim_end_matches('`');
                named += 1;
                if !file.contains(&format!("fn {test}(")) {
                    missing.push(test.to_owned());
                }
            }
        }
    }
    assert!(named > 20, "the table was not found: {named} tests");
    assert!(missing.is_empty(), "not where the guide says: {missing:?}");
}

/// The last cell of a row of the table of failures.
fn shown_by(line: &str) -> Option<&str> {
    let cell = line.strip_suffix(" |")?.rsplit(" | ").next()?;
    cell.starts_with("tests/").then_some(cell)
}
