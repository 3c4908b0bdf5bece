//! Parts of files: of stored ones, of ones that are not there yet, and of compressed ones.

use std::sync::Arc;

use http::StatusCode;

use crate::allowed::Allowed;
use crate::check::{Check, is_hit};
use crate::pass::{Tally, pass};
use crate::passes::cases::{self, Case, Span, TOO_LARGE, joined};
use crate::passes::gzip::is_compressed;
use crate::passes::parts::{self, Part};
use crate::stage::{Ask, Stage};
use crate::support::client::Answer;

/// Cases for each page; the next page gets the next ones.
const EACH: usize = 7;

/// Everything that is small enough is stored.
pub(crate) async fn warm(stage: &Arc<Stage>) -> Tally {
    let mut tally = pass(
        "ranges",
        stage,
        &stage.pages,
        |mut check, page| async move {
            let cases = cases::of(page.plain());
            let chosen = cases.iter().cycle().skip(page.number * EACH % cases.len());
            for case in chosen.take(EACH) {
                let ask = case.ask(Ask::get(&page.path));
                let direct = check.direct(&ask).await;
                let got = check.through(&ask).await;
                judge(&mut check, case, page.plain(), &direct, &got);
                check.close(&ask, &got);
                check.claim(&ask, &got, "a hit", is_hit(&got) == page.fits());
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

/// Nothing is stored under this name yet: one range brings in the whole, for all that come after.
pub(crate) async fn cold(stage: &Arc<Stage>) -> Tally {
    let pages: Vec<_> = stage.pages.iter().step_by(3).cloned().collect();
    let target = |path: &str| format!("{path}?copy=range");
    let mut tally = pass("ranges cold", stage, &pages, |mut check, page| async move {
        let length = page.size;
        let case = Case {
            range: format!("bytes={}-{}", length / 3, length / 2),
            if_range: None,
        };
        let ask = case.ask(Ask::get(target(&page.path)));
        let direct = check.direct(&ask).await;
        let got = check.through(&ask).await;
        judge(&mut check, &case, page.plain(), &direct, &got);
        check.close(&ask, &got);
        if page.fits() {
            let ask = Ask::get(target(&page.path));
            let got = check.through(&ask).await;
            check.same(&ask, page.plain(), &got, page.plain().body.len());
        }
        check
    })
    .await;
    for page in pages.iter().filter(|page| page.fits()) {
        tally.asked_just(&target(&page.path), &[200]);
    }
    tally
}

/// The compressed variants are stored.
pub(crate) async fn gzip(stage: &Arc<Stage>) -> Tally {
    let pages = stage.pages.iter().filter(|page| is_compressed(page));
    let pages: Vec<_> = pages.step_by(3).cloned().collect();
    pass("ranges gzip", stage, &pages, |mut check, page| async move {
        let whole = page.gzip();
        let length = whole.body.len() as u64;
        for range in [
            format!("bytes={}-{}", length / 3, length / 2),
            "bytes=-10".to_owned(),
            "bytes=0-9,-10".to_owned(),
        ] {
            let case = Case {
                range,
                if_range: None,
            };
            let ask = case.ask(Ask::get(&page.path).gzip());
            let direct = check.direct(&ask).await;
            let got = check.through(&ask).await;
            judge(&mut check, &case, whole, &direct, &got);
            check.close(&ask, &got);
        }
        check
    })
    .await
}

impl Case {
    fn ask(&self, ask: Ask) -> Ask {
        let ask = ask.with("range", &self.range);
        match &self.if_range {
            Some(validator) => ask.with("if-range", validator),
            None => ask,
        }
    }
}

/// The proxy's answer has to be right by itself, out of the bytes of the whole, and nginx's but for
/// what the table allows.
fn judge(check: &mut Check, case: &Case, whole: &Answer, direct: &Answer, got: &Answer) {
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
            if theirs == parts {
            } else if joined(&cut(&theirs)) == joined(&cut(&parts)) && cut(&theirs) != cut(&parts) {
                verdict.allow(Allowed::Joined);
            } else {
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
