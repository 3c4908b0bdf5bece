//! One answer to a request for parts, against nginx's and against the RFC.

use http::StatusCode;

use crate::allowed::Allowed;
use crate::check::{Check, is_hit};
use crate::passes::cases::{Case, Span, TOO_LARGE, joined};
use crate::passes::parts::{self, Part};
use crate::support::client::Answer;

/// The proxy's answer has to be right by itself, out of the bytes of the whole, and nginx's but for
/// what the table allows.
pub(crate) fn judge(check: &mut Check, case: &Case, whole: &Answer, direct: &Answer, got: &Answer) {
    let length = whole.body.len();
    let spans = case.spans(length as u64);
    let parts = match is_right(whole, spans.as_deref(), got) {
        Ok(parts) => parts,
        Err(wrong) => return check.verdict.differ("range", "a right answer", wrong),
    };
    let verdict = &mut check.verdict;
    match (direct.status.as_u16(), got.status.as_u16()) {
        (206, 206) => {
            let theirs = match parts::of(direct) {
                Ok(theirs) => theirs,
                Err(wrong) => return verdict.differ("range", wrong, "parts"),
            };
            let cut = |parts: &[Part]| -> Vec<Span> {
                parts.iter().map(|part| (part.first, part.last)).collect()
            };
            let (ours, cuts) = (cut(&parts), cut(&theirs));
            if ours != cuts && joined(&ours) == joined(&cuts) {
                verdict.allow(Allowed::Joined);
            } else if theirs != parts {
                verdict.differ("parts", format!("{theirs:?}"), format!("{parts:?}"));
            }
            let several = theirs.len() > 1;
            verdict.fields(
                direct,
                got,
                got.body.len(),
                &|name, _, proxied| match name {
                    "accept-ranges" => added_ranges(proxied),
                    // They are compared as parts.
                    "content-type" | "content-length" | "content-range" if several => {
                        Some(Allowed::Boundary)
                    }
                    _ => None,
                },
            );
        }
        (416, 416) => {
            let range = |answer: &Answer| answer.header("content-range").to_owned();
            if range(direct) != range(got) {
                verdict.differ("content-range", range(direct), range(got));
            }
            verdict.allow(Allowed::Unsatisfied);
        }
        (same, status) if same == status => verdict.answers(direct, got, length),
        (theirs, status) => match excuse(case, whole, spans.as_deref(), theirs, status) {
            Some(why) => verdict.allow(why),
            None => verdict.differ("status", theirs, status),
        },
    }
    if got.status == StatusCode::OK && direct.status != StatusCode::OK {
        verdict.answers(whole, got, length);
    }
}

/// Why the proxy may answer with another status than nginx.
fn excuse(
    case: &Case,
    whole: &Answer,
    spans: Option<&[Span]>,
    direct: u16,
    proxied: u16,
) -> Option<Allowed> {
    let length = whole.body.len() as u64;
    let asked: u64 = spans
        .unwrap_or_default()
        .iter()
        .map(|(first, last)| last - first + 1)
        .sum();
    match (direct, proxied) {
        (416 | 206, 200) if spans.is_none() => Some(Allowed::Malformed),
        (416, 206) if case.range.ends_with(',') => Some(Allowed::Lenient),
        (416, 206) if case.range.contains(TOO_LARGE) => Some(Allowed::Large),
        (200, 416) if length == 0 => Some(Allowed::Nothing),
        (206, 200) if case.range.matches('-').count() > 16 => Some(Allowed::TooMany),
        (200, 206) if whole.headers.contains_key("content-encoding") => Some(Allowed::Compressed),
        (200, 206) if asked > length => Some(Allowed::Overlapping),
        _ => None,
    }
}

fn added_ranges(proxied: &[&[u8]]) -> Option<Allowed> {
    (*proxied == [b"bytes"]).then_some(Allowed::AcceptRanges)
}

/// The parts of an answer to a request for `spans`, or what is wrong with it.
fn is_right(whole: &Answer, spans: Option<&[Span]>, got: &Answer) -> Result<Vec<Part>, String> {
    let length = whole.body.len() as u64;
    match got.status.as_u16() {
        200 if got.body == whole.body => Ok(Vec::new()),
        200 => Err("a 200 of other bytes".to_owned()),
        416 => match spans {
            // What passes the cache by may be nginx's own strictness, and is compared with it.
            Some([_, ..]) if is_hit(got) => Err("416 for what is there".to_owned()),
            _ if got.header("content-range") == format!("bytes */{length}") => Ok(Vec::new()),
            _ => Err(format!("416, {}", got.header("content-range"))),
        },
        206 => {
            let parts = parts::of(got)?;
            for part in &parts {
                let bytes = &whole.body[..];
                let (first, last) = (part.first as usize, part.last as usize);
                if part.of != length || bytes.get(first..=last) != Some(&part.bytes[..]) {
                    return Err(format!("the bytes of {first}-{last}/{}", part.of));
                }
                if part.kind != whole.header("content-type") {
                    return Err(format!("{first}-{last} of type {}", part.kind));
                }
            }
            let got: Vec<_> = parts.iter().map(|part| (part.first, part.last)).collect();
            let asked = joined(spans.unwrap_or_default());
            if joined(&got) != asked {
                return Err(format!("{got:?} for {asked:?}"));
            }
            Ok(parts)
        }
        other => Err(format!("status {other}")),
    }
}
