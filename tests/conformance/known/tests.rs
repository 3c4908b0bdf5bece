use super::*;

const LIST: &str = r#"
[[known]]
reason = "ranges are not built yet"
outcome = "opt-fail"
tests = ["range", "suffix"]

[[known]]
reason = "cannot be asked without ranges"
outcome = "dep"
tests = ["range-fields"]
"#;

fn known() -> Known {
    Known::read(LIST).unwrap()
}

fn test(id: &str, kind: Kind, outcome: Outcome) -> Test {
    Test {
        id: id.to_owned(),
        suite: "partial".to_owned(),
        kind,
        outcome,
        detail: Some("seen".to_owned()),
    }
}

/// A run that is as the list says.
fn as_listed() -> Vec<Test> {
    vec![
        test("range", Kind::Optimal, Outcome::OptFail),
        test("suffix", Kind::Optimal, Outcome::OptFail),
        test("range-fields", Kind::Required, Outcome::Dep),
        test("fresh", Kind::Required, Outcome::Pass),
        test("guess", Kind::Check, Outcome::No),
    ]
}

#[test]
fn what_is_listed_is_no_difference_and_checks_never_are() {
    assert_eq!(known().compare(&as_listed()), []);
}

#[test]
fn every_way_of_not_passing_is_new_unless_listed() {
    for outcome in [
        Outcome::Fail,
        Outcome::OptFail,
        Outcome::Setup,
        Outcome::Dep,
        Outcome::Retry,
        Outcome::Harness,
        Outcome::Untested,
    ] {
        let mut tests = as_listed();
        tests[3].outcome = outcome;
        let new = Difference::New {
            id: "fresh".to_owned(),
            outcome,
            detail: "seen".to_owned(),
        };
        assert_eq!(known().compare(&tests), [new]);
    }
}

#[test]
fn what_is_passed_has_to_leave_the_list() {
    let mut tests = as_listed();
    tests[1].outcome = Outcome::Pass;
    let differences = known().compare(&tests);
    let passed = Difference::Passed {
        id: "suffix".to_owned(),
    };
    assert_eq!(differences, [passed]);
    assert!(differences[0].to_string().contains("remove it"));
}

#[test]
fn another_outcome_than_listed_is_a_difference() {
    let mut tests = as_listed();
    tests[2].outcome = Outcome::Fail;
    let changed = Difference::Changed {
        id: "range-fields".to_owned(),
        listed: Outcome::Dep,
        outcome: Outcome::Fail,
        detail: "seen".to_owned(),
    };
    assert_eq!(known().compare(&tests), [changed]);
}

#[test]
fn the_list_names_only_tests_that_have_a_right_answer() {
    let mut tests = as_listed();
    tests.remove(0);
    tests[0].kind = Kind::Check;
    let absent = ["range", "suffix"].map(|id| Difference::Absent { id: id.to_owned() });
    assert_eq!(known().compare(&tests), absent);
}

#[test]
fn a_list_without_reasons_or_with_a_test_twice_is_refused() {
    let blank = LIST.replace("ranges are not built yet", " ");
    assert!(Known::read(&blank).unwrap_err().contains("no reason"));
    let twice = LIST.replace("range-fields", "range");
    assert!(Known::read(&twice).unwrap_err().contains("twice"));
    let typo = LIST.replace("opt-fail", "optional");
    assert!(Known::read(&typo).is_err());
}

#[test]
fn the_updated_list_keeps_reasons_and_leaves_new_ones_to_people() {
    let mut tests = as_listed();
    tests[1].outcome = Outcome::Pass;
    tests[2].outcome = Outcome::Fail;
    let text = known().updated(&tests);
    assert!(text.starts_with("[[known]]\nreason = \"ranges are not built yet\""));
    assert!(!text.contains("suffix"));
    assert!(Known::read(&text).unwrap_err().contains("range-fields"));
    let given = text.replace("reason = \"\"", "reason = \"now it is known\"");
    assert_eq!(Known::read(&given).unwrap().compare(&tests), []);
}
