//! The code and the model side by side.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use http::StatusCode;
use http::header::{HeaderMap, HeaderName, HeaderValue};
use proptest::prelude::*;

use super::rules::{Exchange, Stored, Wishes, judge};
use super::{Fields, SECOND, demands, generate, requests, variants};
use crate::clock::Moment;
use crate::entry::{Lifetime, Phase, Windows};
use crate::key::Key;
use crate::semantics::policy::{Policy, SetCookie};
use crate::semantics::request;
use crate::semantics::reuse::{Condition, Demand};
use crate::semantics::seen::Seen;
use crate::semantics::storable::{self, Refusal, RequestTraits};
use crate::semantics::vary::{self, Vary};

/// The only place that knows what the wishes are called in the code.
fn policy(wishes: &Wishes) -> Policy {
    Policy {
        targets: vec![],
        default_ttl: wishes.default_ttl.map(seconds),
        grace: seconds(wishes.grace),
        stale_if_error: wishes.if_error.map(seconds),
        stale_if_unreachable: seconds(wishes.if_unreachable),
        keep: seconds(wishes.keep),
        set_cookie: if wishes.cookies {
            SetCookie::Share
        } else {
            SetCookie::Refuse
        },
        heuristic_cap: seconds(wishes.longest_guess),
        ..Policy::default()
    }
}

fn seconds(seconds: i128) -> Duration {
    micros(seconds * SECOND)
}

fn micros(micros: i128) -> Duration {
    Duration::from_micros(u64::try_from(micros).unwrap())
}

fn date(micros_since_1970: i128) -> SystemTime {
    UNIX_EPOCH + micros(micros_since_1970)
}

fn head(fields: &Fields) -> HeaderMap {
    let field = |(name, value): &(String, String)| {
        (
            name.parse::<HeaderName>().unwrap(),
            HeaderValue::from_str(value).unwrap(),
        )
    };
    let mut headers = HeaderMap::new();
    for (name, value) in fields.iter().map(field) {
        headers.append(name, value);
    }
    headers
}

fn judged(exchange: &Exchange, wishes: &Wishes) -> Result<Lifetime, Refusal> {
    let request = RequestTraits {
        authorization: exchange.authorized,
        method_get: exchange.get,
    };
    storable::judge(
        &request,
        StatusCode::from_u16(exchange.status).unwrap(),
        &head(&exchange.fields),
        &policy(wishes),
        date(exchange.requested),
        date(exchange.received),
    )
}

fn stored(lifetime: &Lifetime) -> Stored {
    let micros = |duration: Duration| i128::try_from(duration.as_micros()).unwrap();
    Stored {
        age: micros(lifetime.age),
        fresh: micros(lifetime.fresh),
        revalidating: micros(lifetime.stale_while_revalidate),
        if_error: micros(lifetime.stale_if_error),
        if_unreachable: micros(lifetime.stale_if_unreachable),
        keep: micros(lifetime.keep),
    }
}

/// All points of time around which the use of a response changes, in microseconds after receipt.
fn edges(stored: &Stored) -> Vec<i128> {
    let expiry = stored.fresh - stored.age;
    let ends = [
        0,
        expiry,
        expiry + stored.revalidating,
        expiry + stored.if_error,
        expiry + stored.if_unreachable,
        stored.servable(),
        stored.servable() + stored.keep,
        SECOND / 2,
    ];
    let around = ends.iter().flat_map(|end| [end - 1, *end, end + 1]);
    around.filter(|passed| *passed >= 0).collect()
}

const RECEIPT: Moment = Moment::from_micros(5_000_000_000);

fn after(passed: i128) -> Moment {
    RECEIPT.plus(micros(passed))
}

fn name(phase: Phase) -> &'static str {
    match phase {
        Phase::Fresh => "fresh",
        Phase::Stale => "stale",
        Phase::OnError => "on-error",
        Phase::IfUnreachable => "if-unreachable",
        Phase::Kept => "kept",
        Phase::Dead => "dead",
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 2_000, ..ProptestConfig::default() })]

    /// RFC 9111 §3, §4.2.1, §4.2.3, §4.2.4.
    #[test]
    fn a_response_is_judged_as_the_rfc_says(
        exchange in generate::exchange(),
        wishes in generate::wishes(),
    ) {
        match (judge(&exchange, &wishes), judged(&exchange, &wishes)) {
            (Ok(expected), Ok(found)) => prop_assert_eq!(stored(&found), expected),
            (Err(reasons), Err(found)) => {
                prop_assert!(reasons.contains(&found.as_str()), "{:?} of {:?}", found, reasons);
            }
            (expected, found) => prop_assert!(false, "{:?} but {:?}", found, expected),
        }
    }

    /// RFC 9111 §4.2, §4.2.4; RFC 5861.
    #[test]
    fn what_is_stored_is_used_as_long_as_the_rfc_says(
        exchange in generate::exchange(),
        wishes in generate::wishes(),
    ) {
        let (Ok(expected), Ok(found)) = (judge(&exchange, &wishes), judged(&exchange, &wishes)) else {
            return Ok(());
        };
        let windows = Windows::from_receipt(RECEIPT, &found);
        for passed in edges(&expected) {
            let (now, use_) = (after(passed), expected.at(passed));
            prop_assert_eq!(name(windows.phase(now)), use_, "after {}us", passed);
            let on_error = ["fresh", "stale", "on-error"].contains(&use_);
            prop_assert_eq!(windows.usable_on_error(now, false), on_error);
            let unreachable = on_error || use_ == "if-unreachable";
            prop_assert_eq!(windows.usable_on_error(now, true), unreachable);

            let age = (expected.age + passed).div_euclid(SECOND);
            prop_assert_eq!(i128::from(windows.age_secs(now)), age);
            let ttl = (expected.fresh - expected.age - passed).div_euclid(SECOND);
            prop_assert_eq!(i128::from(windows.ttl_secs(now)), ttl);
        }
    }

    /// Another node reads from the shared tier how much freshness is left, in milliseconds, and
    /// makes the same of it.
    #[test]
    fn other_nodes_use_it_for_as_long(
        exchange in generate::exchange(),
        wishes in generate::wishes(),
        passed_ms in prop_oneof![0_i64..20_000, Just(0)],
    ) {
        let Ok(found) = judged(&exchange, &wishes) else { return Ok(()) };
        let here = Windows::from_receipt(RECEIPT, &found);
        // No more than ten years are written.
        let kept_ms = found.fresh_left().as_millis().min(10 * 365 * 86_400_000);
        let kept_ms = i64::try_from(kept_ms).unwrap();
        let asked = RECEIPT.plus_millis(passed_ms);
        let there = Windows::from_remaining(asked, kept_ms - passed_ms, &found);
        for (here, there) in [
            (here.born, there.born),
            (here.fresh_until, there.fresh_until),
            (here.stale_until, there.stale_until),
            (here.error_until, there.error_until),
            (here.unreachable_until, there.unreachable_until),
            (here.keep_until, there.keep_until),
        ] {
            let less = here.as_micros() - there.as_micros();
            prop_assert!((0..1_000).contains(&less), "{}us less", less);
        }
    }

    /// RFC 9111 §5.2.1.
    #[test]
    fn a_client_gets_what_it_demands(
        exchange in generate::exchange(),
        wishes in generate::wishes(),
        request in requests::demands(),
    ) {
        let headers = head(&request);
        let only_if_cached = demands::only_if_cached(&request);
        prop_assert_eq!(request::only_if_cached(&headers, Seen::of(&headers)), only_if_cached);
        let demand = Demand::of(&headers);
        prop_assert_eq!(demand.is_some_and(|demand| demand.only_if_cached()), only_if_cached);
        let Ok(expected) = judge(&exchange, &wishes) else { return Ok(()) };
        for passed in edges(&expected) {
            let left = expected.fresh - expected.age - passed;
            let condition = Condition {
                age: micros(expected.age + passed),
                fresh_for: micros(left.max(0)),
                stale_for: micros(0.max(-left)),
            };
            // Just at its end it is stale, though by no time at all.
            if left == 0 { continue }
            let Some(content) = demands::content(&request, &expected, passed) else { continue };
            let found = demand.is_none_or(|demand| demand.accepts(&condition));
            prop_assert_eq!(found, content, "after {}us: {:?}", passed, condition);
        }
    }

    /// RFC 9111 §4.1.
    #[test]
    fn a_request_selects_the_variant_of_its_equals(
        responses in prop::collection::vec(generate::list("Vary", generate::varying(), 3), 1..3),
        (original, presented) in requests::twins(),
    ) {
        let mut fields = vec![];
        for response in &responses {
            match vary::parse(&head(response)) {
                Vary::None => {}
                Vary::Fields(more) => fields = vary::union(&fields, &more),
                Vary::Any => {
                    prop_assert_eq!(variants::nominated(&responses), None);
                    return Ok(());
                }
            }
        }
        let names = variants::nominated(&responses);
        prop_assert!(names.is_some(), "anything is nominated");
        let names = names.unwrap();
        let found: Vec<_> = fields.iter().map(HeaderName::as_str).collect();
        prop_assert!(names.iter().eq(&found), "{:?} but {:?}", found, names);

        let url = Key::primary("host", "/");
        let key = |request: &HeaderMap| url.variant(1, vary::selecting(&fields, request));
        let expected = variants::match_in(&names, &original, &presented);
        // Where a line is empty the code may tell apart what is the same, which is safe.
        let blank = [&original, &presented].into_iter().flatten().any(|(_, line)| line.is_empty());
        let found = key(&head(&original)) == key(&head(&presented));
        prop_assert!(found == expected || (expected && blank), "{} but {}", found, expected);
    }
}
