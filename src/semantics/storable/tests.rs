use std::time::UNIX_EPOCH;

use http::HeaderValue;
use http::header::HeaderName;

use super::*;
use crate::semantics::date;

const GET: RequestTraits = RequestTraits {
    authorization: false,
    method_get: true,
};
const AUTHORIZED: RequestTraits = RequestTraits {
    authorization: true,
    ..GET
};
const DAY: Duration = Duration::from_secs(86_400);

const fn secs(secs: u64) -> Duration {
    Duration::from_secs(secs)
}

fn now() -> SystemTime {
    UNIX_EPOCH + secs(1_767_225_600)
}

fn policy() -> Policy {
    Policy {
        keep: secs(60),
        heuristic_cap: DAY,
        ..Policy::default()
    }
}

/// `name: value` lines.
fn head(lines: &[&str]) -> HeaderMap {
    let mut headers = HeaderMap::new();
    for line in lines {
        let (name, value) = line.split_once(':').unwrap();
        let name: HeaderName = name.parse().unwrap();
        headers.append(name, HeaderValue::from_str(value.trim()).unwrap());
    }
    headers
}

fn with(
    request: &RequestTraits,
    status: u16,
    lines: &[&str],
    policy: &Policy,
) -> Result<Lifetime, Refusal> {
    let status = StatusCode::from_u16(status).unwrap();
    judge(request, status, &head(lines), policy, now(), now())
}

fn plain(status: u16, lines: &[&str]) -> Result<Lifetime, Refusal> {
    with(&GET, status, lines, &policy())
}

/// What is to happen: fresh for so many seconds, or refused.
fn fresh(result: Result<Lifetime, Refusal>) -> Result<u64, Refusal> {
    result.map(|lifetime| lifetime.fresh.as_secs())
}

const LONG: &str = "cache-control: max-age=3600";

#[test]
fn any_final_status_with_explicit_freshness_is_stored() {
    for status in [
        200, 201, 203, 204, 299, 301, 302, 303, 307, 308, 400, 403, 404, 410, 499, 500, 502, 503,
        504, 599,
    ] {
        assert_eq!(fresh(plain(status, &[LONG])), Ok(3600), "{status}");
    }
    for status in [100, 101, 103, 304, 600, 999] {
        assert_eq!(plain(status, &[LONG]), Err(Refusal::Status), "{status}");
    }
    assert_eq!(plain(206, &[LONG]), Err(Refusal::Partial));
}

#[test]
fn only_what_get_brought_is_stored() {
    let head = RequestTraits {
        method_get: false,
        ..GET
    };
    assert_eq!(with(&head, 200, &[LONG], &policy()), Err(Refusal::Method));
}

#[test]
fn the_origin_can_refuse_storing() {
    for (control, expected) in [
        ("max-age=3600", Ok(3600)),
        ("max-age=3600, no-store", Err(Refusal::NoStore)),
        ("No-StOrE", Err(Refusal::NoStore)),
        ("no-store, public", Err(Refusal::NoStore)),
        ("private, max-age=3600", Err(Refusal::Private)),
        ("private, s-maxage=3600", Err(Refusal::Private)),
        ("private=\"x\", max-age=3600", Ok(3600)),
        ("private=\"x y\", max-age=3600", Err(Refusal::Private)),
        ("no-cache=\"x\", max-age=3600", Ok(3600)),
        ("foobar, max-age=3600", Ok(3600)),
    ] {
        let line = format!("cache-control: {control}");
        assert_eq!(fresh(plain(200, &[&line])), expected, "{control}");
    }
}

#[test]
fn must_understand_overrides_no_store_where_the_status_is_understood() {
    let line = "cache-control: max-age=3600, no-store, must-understand";
    assert_eq!(fresh(plain(200, &[line])), Ok(3600));
    assert_eq!(plain(599, &[line]), Err(Refusal::Status));
    let line = "cache-control: max-age=3600, must-understand";
    assert_eq!(plain(299, &[line]), Err(Refusal::Status));
}

#[test]
fn answers_to_authorized_requests_are_shared_only_if_they_say_so() {
    for (control, shared) in [
        ("max-age=60", false),
        ("max-age=60, proxy-revalidate", false),
        ("max-age=60, immutable", false),
        ("max-age=60, public", true),
        ("max-age=60, must-revalidate", true),
        ("s-maxage=60", true),
        ("s-maxage=\"60\"", true),
    ] {
        let line = format!("cache-control: {control}");
        let expected = if shared {
            Ok(60)
        } else {
            Err(Refusal::Authorization)
        };
        let result = with(&AUTHORIZED, 200, &[&line], &policy());
        assert_eq!(fresh(result), expected, "{control}");
    }
}

#[test]
fn cookies_are_stored_only_by_order_or_if_they_are_left_out() {
    let cookie = "set-cookie: a=b";
    assert_eq!(plain(200, &[LONG, cookie]), Err(Refusal::SetCookie));
    let ordered = Policy {
        set_cookie: SetCookie::Share,
        ..policy()
    };
    assert_eq!(fresh(with(&GET, 200, &[LONG, cookie], &ordered)), Ok(3600));
    for control in ["no-cache=\"set-cookie\"", "private=\"Set-Cookie\""] {
        let line = format!("cache-control: {control}");
        assert_eq!(fresh(plain(200, &[LONG, cookie, &line])), Ok(3600));
    }
}

#[test]
fn what_varies_by_anything_is_not_stored() {
    assert_eq!(plain(200, &[LONG, "vary: a, *"]), Err(Refusal::VaryAny));
    assert_eq!(fresh(plain(200, &[LONG, "vary: a, b"])), Ok(3600));
}

#[test]
fn only_some_statuses_are_guessed_and_public_permits_all() {
    let changed = "last-modified: Wed, 31 Dec 2025 00:00:00 GMT";
    let date = "date: Thu, 01 Jan 2026 00:00:00 GMT";
    for status in [200, 203, 204, 300, 301, 308, 404, 405, 410, 414, 501] {
        assert_eq!(
            fresh(plain(status, &[changed, date])),
            Ok(8_640),
            "{status}"
        );
    }
    for status in [201, 202, 302, 307, 403, 500, 502, 503, 504, 599] {
        assert_eq!(
            plain(status, &[changed, date]),
            Err(Refusal::NoFreshness),
            "{status}"
        );
        let public = "cache-control: public";
        assert_eq!(
            fresh(plain(status, &[changed, date, public])),
            Ok(8_640),
            "{status}"
        );
    }
    assert_eq!(plain(200, &[date]), Err(Refusal::NoFreshness));
    assert_eq!(
        plain(200, &["etag: \"a\"", date]),
        Err(Refusal::NoFreshness)
    );
}

#[test]
fn the_default_holds_where_the_origin_is_silent() {
    let policy = Policy {
        default_ttl: Some(secs(7)),
        ..policy()
    };
    let changed = "last-modified: Wed, 31 Dec 2025 00:00:00 GMT";
    for (status, lines, expected) in [
        (200, &[][..], Ok(7)),
        (404, &[], Ok(7)),
        (200, &[changed], Ok(7)),
        (200, &["cache-control: must-revalidate"], Ok(7)),
        (200, &["cache-control: max-age=1"], Ok(1)),
        (200, &["expires: 0", "etag: \"a\""], Ok(0)),
        (200, &["cache-control: no-cache", "etag: \"a\""], Ok(0)),
        (200, &["cache-control: no-cache"], Err(Refusal::NoFreshness)),
        (200, &["cache-control: no-store"], Err(Refusal::NoStore)),
        (500, &[], Err(Refusal::NoFreshness)),
        (500, &["cache-control: public"], Ok(7)),
    ] {
        let result = fresh(with(&GET, status, lines, &policy));
        assert_eq!(result, expected, "{status} {lines:?}");
    }
}

#[test]
fn what_is_never_fresh_is_stored_only_if_it_is_of_some_use() {
    for control in ["max-age=0", "max-age=x", "no-cache", "no-cache, max-age=60"] {
        let line = format!("cache-control: {control}");
        let refused = Err(Refusal::NoFreshness);
        assert_eq!(plain(200, &[&line]), refused, "{control}");
        for validator in [
            "etag: \"a\"",
            "last-modified: Wed, 31 Dec 2025 00:00:00 GMT",
        ] {
            let lifetime = plain(200, &[&line, validator]).unwrap();
            assert_eq!(lifetime.fresh, Duration::ZERO, "{control}");
            assert_eq!(lifetime.keep, secs(60), "{control}");
        }
        let forgetful = Policy {
            keep: Duration::ZERO,
            ..policy()
        };
        let result = with(&GET, 200, &[&line, "etag: \"a\""], &forgetful);
        assert_eq!(result, refused, "{control}");
    }
    let windows = "cache-control: max-age=0, stale-while-revalidate=5";
    assert_eq!(fresh(plain(200, &[windows])), Ok(0));
    // It arrived too old.
    assert_eq!(plain(200, &[LONG, "age: 3600"]), Err(Refusal::NoFreshness));
    // The validator is not stored.
    let withheld = "cache-control: max-age=0, no-cache=\"etag\"";
    assert_eq!(
        plain(200, &[withheld, "etag: \"a\""]),
        Err(Refusal::NoFreshness)
    );
}

#[test]
fn staleness_needs_consent_and_can_be_forbidden() {
    let generous = Policy {
        grace: secs(30),
        stale_if_error: Some(secs(50)),
        ..policy()
    };
    for (control, own, by_policy) in [
        ("max-age=1", (0, 0), (30, 50)),
        ("max-age=1, stale-while-revalidate=5", (5, 0), (30, 50)),
        ("max-age=1, stale-while-revalidate=90", (90, 0), (90, 50)),
        ("max-age=1, stale-if-error=5", (0, 5), (30, 5)),
        ("max-age=1, stale-if-error=0", (0, 0), (30, 0)),
        (
            "max-age=1, must-revalidate, stale-if-error=5",
            (0, 0),
            (0, 0),
        ),
        ("max-age=1, proxy-revalidate", (0, 0), (0, 0)),
        ("s-maxage=1, stale-while-revalidate=5", (0, 0), (0, 0)),
        ("no-cache, stale-if-error=5", (0, 0), (0, 0)),
        ("max-age=1, no-cache=\"x\"", (0, 0), (30, 50)),
    ] {
        let lines = [&*format!("cache-control: {control}"), "etag: \"a\""];
        for (policy, expected) in [(&policy(), own), (&generous, by_policy)] {
            let lifetime = with(&GET, 200, &lines, policy).unwrap();
            let found = (
                lifetime.stale_while_revalidate.as_secs(),
                lifetime.stale_if_error.as_secs(),
            );
            assert_eq!(found, expected, "{control}");
        }
    }
}

#[test]
fn age_counts_the_way_and_the_caches_before() {
    let received = now() + secs(3);
    let headers = head(&[LONG, "age: 10", "date: Thu, 01 Jan 2026 00:00:00 GMT"]);
    let lifetime = judge(&GET, StatusCode::OK, &headers, &policy(), now(), received).unwrap();
    assert_eq!(lifetime.age, secs(13));
}

#[test]
fn a_freshened_response_is_as_old_as_its_304() {
    let old = "date: Wed, 31 Dec 2025 00:00:00 GMT";
    let merged = Head {
        status: StatusCode::OK,
        headers: head(&[LONG, "etag: \"a\"", old]),
    };
    let judged = |lines: &[&str]| {
        let not_modified = head(lines);
        judge_freshened(&GET, &merged, &not_modified, &policy(), now(), now())
            .unwrap()
            .age
            .as_secs()
    };
    assert_eq!(judged(&[]), 0);
    assert_eq!(judged(&["age: 9"]), 9);
    assert_eq!(judged(&["date: Wed, 31 Dec 2025 23:59:55 GMT"]), 5);
    let date = date::render(now()).unwrap();
    assert_eq!(judged(&[&format!("date: {}", date.to_str().unwrap())]), 0);
}

// ===== what the settings say over the origin =====

const fn fresh_of(lifetime: &Lifetime) -> u64 {
    lifetime.fresh.as_secs()
}

#[test]
fn an_imposed_lifetime_is_for_successes_and_redirections_and_beats_the_origins() {
    let imposing = Policy {
        ttl: Some(secs(7)),
        ..policy()
    };
    let judged = |status, lines: &[&str]| {
        let judged = with(&GET, status, lines, &imposing);
        judged.as_ref().map(fresh_of).map_err(|refusal| *refusal)
    };
    assert_eq!(judged(200, &[]), Ok(7));
    assert_eq!(judged(200, &["cache-control: max-age=60"]), Ok(7));
    assert_eq!(judged(301, &[]), Ok(7));
    // An error, and a status that is not cacheable by itself: as the origin says.
    assert_eq!(judged(404, &["cache-control: max-age=60"]), Ok(60));
    assert_eq!(judged(302, &[]), Err(Refusal::NoFreshness));
    // What forbids storing or using stays in force.
    assert_eq!(
        judged(200, &["cache-control: no-store"]),
        Err(Refusal::NoStore)
    );
    assert_eq!(
        judged(200, &["cache-control: private"]),
        Err(Refusal::Private)
    );
    assert_eq!(
        judged(200, &["cache-control: no-cache", "etag: \"a\""]),
        Ok(0)
    );
}

#[test]
fn a_lifetime_by_status_fills_the_origins_silence_only() {
    let negative = Policy {
        status_ttl: vec![(404..=404, secs(5)), (500..=599, secs(1))],
        default_ttl: Some(secs(30)),
        ..policy()
    };
    let judged = |status, lines: &[&str]| {
        let judged = with(&GET, status, lines, &negative);
        judged.as_ref().map(fresh_of).map_err(|refusal| *refusal)
    };
    assert_eq!(judged(404, &[]), Ok(5));
    assert_eq!(judged(404, &["cache-control: max-age=60"]), Ok(60));
    assert_eq!(
        judged(404, &["cache-control: no-store"]),
        Err(Refusal::NoStore)
    );
    assert_eq!(judged(500, &[]), Ok(1));
    assert_eq!(judged(200, &[]), Ok(30));
    assert_eq!(judged(403, &[]), Err(Refusal::NoFreshness));
}

#[test]
fn a_targeted_field_counts_in_place_of_cache_control_and_expires() {
    let expires = "expires: Thu, 01 Jan 2026 01:00:00 GMT";
    let date = "date: Thu, 01 Jan 2026 00:00:00 GMT";
    let private = "cache-control: private, no-store";
    let lifetime = plain(
        200,
        &[private, "cdn-cache-control: max-age=9", date, expires],
    );
    assert_eq!(lifetime.as_ref().map(fresh_of), Ok(9));
    assert_eq!(
        plain(
            200,
            &["cdn-cache-control: no-store", "cache-control: max-age=9"]
        ),
        Err(Refusal::NoStore)
    );
    // Neither `max-age` nor, now, `Expires`: nothing to go by.
    let silent = plain(302, &["cdn-cache-control: must-revalidate", date, expires]);
    assert_eq!(silent, Err(Refusal::NoFreshness));
    // An invalid one does not count.
    let invalid = plain(200, &["cdn-cache-control: max-age=9,", private]);
    assert_eq!(invalid, Err(Refusal::NoStore));
}

#[test]
fn an_unreachable_origin_lets_stale_be_served_unless_the_response_has_its_own_say() {
    let policy = Policy {
        stale_if_unreachable: secs(60),
        ..policy()
    };
    for (control, expected) in [
        ("max-age=1", 60),
        ("max-age=1, stale-if-error=5", 5),
        ("max-age=1, stale-if-error=0", 0),
        ("max-age=1, must-revalidate", 0),
        ("max-age=1, proxy-revalidate", 0),
        ("s-maxage=1", 0),
    ] {
        let line = format!("cache-control: {control}");
        let lifetime = with(&GET, 200, &[&line], &policy).unwrap();
        assert_eq!(lifetime.stale_if_unreachable, secs(expected), "{control}");
    }
}

#[test]
fn a_cookie_is_stored_only_if_it_is_to_be_stripped_or_shared() {
    let lines = ["cache-control: max-age=1", "set-cookie: a=b"];
    for (set_cookie, stored) in [
        (SetCookie::Refuse, false),
        (SetCookie::Strip, true),
        (SetCookie::Share, true),
    ] {
        let policy = Policy {
            set_cookie,
            ..policy()
        };
        assert_eq!(with(&GET, 200, &lines, &policy).is_ok(), stored);
    }
}
