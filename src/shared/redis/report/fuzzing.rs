//! What has to hold for whatever servers say of themselves; see `crate::fuzzing`.

use std::time::Duration;

use redis::Value;

use super::super::url::Host;
use super::Report;
use super::facts::{Clock, Facts, Place, Refusal, Seen, Sentinel, Server, Watching, Whole};
use super::info::{Hello, Info, sentence, text};

/// Puts the same items wherever a server has a say. The report is then made and written, and
/// nothing but its own line ends is in it that could move a cursor.
pub(in super::super) fn facts(items: &[Value]) {
    let array = Value::Array(items.to_vec());
    let pairs: Vec<_> = items
        .windows(2)
        .map(|two| (two[0].clone(), two[1].clone()))
        .collect();
    let map = Value::Map(pairs);
    let first = text(&items[0]).unwrap_or_default();
    let mut watching = Watching::default();
    watching.read("GET-MASTER-ADDR-BY-NAME", array.clone());
    watching.read("MASTER", map.clone());
    let seen = Seen {
        hello: Hello::read(&map),
        info: Info::read(&Value::SimpleString(lines(items))),
        clock: Clock::read(&array, Duration::MAX / 2, Duration::from_secs(1))
            .or_else(|| Clock::read(&array, Duration::ZERO, Duration::ZERO)),
        refusal: Some(Refusal {
            code: sentence(first),
            text: sentence(&lines(items)),
        }),
        ..Seen::default()
    };
    let master = watching.master.clone();
    let place = Place::Host(master.unwrap_or_else(|| Host {
        name: first.to_owned(),
        port: 1,
    }));
    let facts = Facts {
        url: "redis+sentinel://a:1/m/0".into(),
        tls: false,
        user: "default".into(),
        watcher: "default".into(),
        namespace: "default".into(),
        timeout: Duration::from_millis(100),
        limit: Duration::from_secs(2),
        whole: Whole::Watched {
            master: "m".into(),
            sentinels: vec![Sentinel {
                place: place.clone(),
                state: Ok(watching),
            }],
        },
        servers: vec![Server {
            place,
            state: Ok(Box::new(seen)),
        }],
    };
    let report = Report::of(facts);
    let written = report.to_string();
    assert!(
        !written
            .chars()
            .any(|sign| sign.is_control() && sign != '\n')
    );
    for finding in report.findings() {
        assert!(!finding.to_string().chars().any(char::is_control));
    }
}

fn lines(items: &[Value]) -> String {
    let texts: Vec<_> = items
        .iter()
        .map(|item| text(item).unwrap_or_default())
        .collect();
    texts.join("\n")
}
