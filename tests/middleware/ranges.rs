//! Parts of what is stored, of what streams in, and of what cannot be stored.

mod cold;
mod hits;
mod own;

use crate::support::{Got, Site, request};

/// A hundred bytes of which no ten in a row occur twice.
const BODY: &str = "00-01-02-03-04-05-06-07-08-09-10-11-12-13-14-15-16-17-18-19-20-21-22-23-24-25-26-27-28-29-30-31-32-+";

async fn ranged(site: &Site, range: &str) -> Got {
    with(site, range, &[]).await
}

async fn with(site: &Site, range: &str, more: &[(&str, &str)]) -> Got {
    let fields = [&[("range", range)], more].concat();
    site.send(request("GET", "/", &fields)).await
}

fn seen_range(site: &Site) -> bool {
    let seen = site.last_seen();
    ["range", "if-range"]
        .iter()
        .any(|name| seen.headers().contains_key(*name))
}

/// Status, `Content-Range`, body.
fn shape(got: &Got) -> (u16, &str, &str) {
    (got.status.as_u16(), got.header("content-range"), &got.body)
}

/// It is that part of [`BODY`], and says so.
#[track_caller]
fn assert_part(got: &Got, first: usize, last: usize) {
    let content_range = format!("bytes {first}-{last}/100");
    assert_eq!(
        shape(got),
        (206, content_range.as_str(), &BODY[first..=last]),
        "{got:?}"
    );
    assert_eq!(got.header("content-length"), (last + 1 - first).to_string());
}

/// It is all of [`BODY`].
#[track_caller]
fn assert_whole(got: &Got) {
    assert_eq!(shape(got), (200, "", BODY), "{got:?}");
}
