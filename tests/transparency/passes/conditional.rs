//! Clients that have the file already, or another version of it.

use std::sync::Arc;

use crate::allowed::Allowed;
use crate::check::is_hit;
use crate::pass::{Tally, pass};
use crate::stage::{Ask, Stage};

/// What a 304 must have if the 200 would have it (RFC 9110 §15.4.5).
const NEEDED: [&str; 6] = [
    "cache-control",
    "content-location",
    "date",
    "etag",
    "expires",
    "vary",
];

/// Both variants are stored.
pub(crate) async fn warm(stage: &Arc<Stage>) -> Tally {
    let mut tally = pass(
        "conditional",
        stage,
        &stage.pages,
        |mut check, page| async move {
            for (whole, gzip) in [(page.plain(), false), (page.gzip(), true)] {
                let (tag, changed) = (whole.header("etag"), whole.header("last-modified"));
                let fields = [
                    ("if-none-match", tag.to_owned()),
                    (
                        "if-none-match",
                        format!("\"x\", W/{}", tag.trim_start_matches("W/")),
                    ),
                    ("if-none-match", "*".to_owned()),
                    ("if-none-match", "\"another\"".to_owned()),
                    ("if-modified-since", changed.to_owned()),
                    (
                        "if-modified-since",
                        "Mon, 01 Jan 2001 00:00:00 GMT".to_owned(),
                    ),
                    ("if-modified-since", "nonsense".to_owned()),
                ];
                // In turn, or it would take long.
                for (name, value) in fields.into_iter().cycle().skip(page.number % 7).take(3) {
                    let ask = Ask::get(&page.path).with(name, value);
                    let ask = if gzip { ask.gzip() } else { ask };
                    let direct = check.direct(&ask).await;
                    let got = check.through(&ask).await;
                    if direct.status == 304 && got.status == 304 {
                        check.verdict.fields(&direct, &got, 0, &excuse);
                        check.verdict.bodies(&[], &got.body);
                        // What passes the cache by is nginx's own, and its sin.
                        let needed = NEEDED.iter().filter(|name| **name != "date");
                        for name in needed.filter(|_| is_hit(&got)) {
                            let there = whole.header(name) == got.header(name);
                            check.claim(&ask, &got, &format!("the {name} of the 200"), there);
                        }
                        check.close(&ask, &got);
                    } else {
                        check.same(&ask, &direct, &got, whole.body.len());
                    }
                    check.claim(&ask, &got, "a hit", is_hit(&got) || !page.fits());
                }
            }
            check
        },
    )
    .await;
    for page in stage.pages.iter().filter(|page| page.fits()) {
        tally.asked_just(&page.path, &[]);
    }
    tally
}

fn excuse(name: &str, direct: &[&[u8]], proxied: &[&[u8]]) -> Option<Allowed> {
    match name {
        // Claimed of each answer: it is that of the 200.
        "etag" => {
            let weak = proxied.first()?.strip_prefix(b"W/");
            (weak == direct.first().copied()).then_some(Allowed::TagOf304)
        }
        "vary" if direct.is_empty() => Some(Allowed::NotModified),
        _ if NEEDED.contains(&name) => None,
        _ if proxied.is_empty() => Some(Allowed::NotModified),
        _ => None,
    }
}
