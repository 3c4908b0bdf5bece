//! What no server on one machine can be made to show.

use std::time::Duration;

use super::super::super::url::Host;
use super::super::facts::{Clock, Facts, Place, Seen, Server, Whole};
use super::{Finding, Severity, judge};

fn facts(servers: Vec<Seen>) -> Facts {
    let servers = servers.into_iter().zip(1..).map(|(seen, port)| {
        let name = "10.0.0.1".to_owned();
        let place = Place::Host(Host { name, port });
        let state = Ok(Box::new(seen));
        Server { place, state }
    });
    Facts {
        url: "redis://10.0.0.1:1/0".into(),
        tls: false,
        user: "default".into(),
        watcher: String::new(),
        namespace: "default".into(),
        timeout: Duration::from_millis(100),
        limit: Duration::from_secs(2),
        whole: Whole::Single,
        servers: servers.collect(),
    }
}

fn clocks(clocks: &[(i64, i64)]) -> Vec<Finding> {
    let seen = clocks.iter().map(|&(ahead, within)| Seen {
        clock: Some(Clock { ahead, within }),
        ..Seen::default()
    });
    judge(&facts(seen.collect()))
}

fn only(found: &[Finding]) -> (Severity, String) {
    let [finding] = found else {
        panic!("not one: {found:?}");
    };
    (finding.severity(), finding.to_string())
}

const SECOND: i64 = 1_000_000;

#[test]
fn a_clock_that_differs_from_ours_is_advice_beyond_a_second_and_doubt() {
    for fine in [
        (0, 10),
        (SECOND, 10),
        (-SECOND, 10),
        (3 * SECOND, 2 * SECOND),
    ] {
        assert_eq!(clocks(&[fine]), [], "{fine:?}");
    }
    for (clock, word) in [
        ((SECOND + 100, 10), "1000 ms ahead of this node's"),
        ((-61 * SECOND, 10), "61 s behind this node's"),
        ((i64::MIN, 10), "min behind"),
        ((i64::MAX, i64::MAX / 2), "min ahead"),
    ] {
        let (severity, line) = only(&clocks(&[clock]));
        assert_eq!(severity, Severity::Advice);
        assert!(line.contains(word), "{line}");
    }
}

#[test]
fn masters_apart_are_a_problem_whoever_is_right() {
    assert_eq!(clocks(&[(SECOND / 2, 10), (-SECOND / 2, 10)]), []);
    // Both are within a second of ours, and not of one another.
    let found = clocks(&[(SECOND, 10), (0, 10), (-SECOND, 10)]);
    let (severity, line) = only(&found);
    assert_eq!(severity, Severity::Problem);
    let words = "clock of 10.0.0.1:1 is 2000 ms ahead of the one of 10.0.0.1:3";
    assert!(line.contains(words), "{line}");
    // As far as one can tell.
    assert_eq!(clocks(&[(SECOND, SECOND), (-SECOND, 10)]), []);
    let found = clocks(&[(i64::MAX, 0), (i64::MIN, 0)]);
    assert_eq!(only(&found).0, Severity::Problem);
}

#[test]
fn the_same_of_several_servers_is_said_once_and_problems_come_first() {
    let lacking = || Seen {
        lacks: vec!["+del".into()],
        ..Seen::default()
    };
    let far = Seen {
        round_trip: Some(Duration::from_millis(30)),
        ..Seen::default()
    };
    let found = judge(&facts(vec![far, lacking(), lacking()]));
    let severities: Vec<_> = found.iter().map(Finding::severity).collect();
    assert_eq!(severities, [Severity::Problem, Severity::Advice]);
    let places: Vec<_> = found[0].places().collect();
    assert_eq!(places, ["10.0.0.1:2", "10.0.0.1:3"]);
}

#[test]
fn a_name_that_a_server_made_up_cannot_be_pasted_into_a_shell() {
    let name = "a;$(reboot)\n`x`".to_owned();
    let place = Place::Host(Host { name, port: 1 });
    assert_eq!(place.to_string(), "arebootx:1");
    assert_eq!(
        place.redis_cli(false, "ping"),
        "redis-cli -h arebootx -p 1 ping"
    );
}
