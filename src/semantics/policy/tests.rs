use http::HeaderValue;
use http::header::{ACCEPT, CACHE_CONTROL, COOKIE, VARY};

use super::*;

fn head(lines: &[(HeaderName, &'static str)]) -> HeaderMap {
    let lines = lines.iter().cloned();
    lines
        .map(|(name, value)| (name, HeaderValue::from_static(value)))
        .collect()
}

fn ignoring(ignore: &[Ignore]) -> Policy {
    Policy {
        ignore: ignore.to_vec(),
        ..Policy::default()
    }
}

#[test]
fn each_ignored_directive_is_gone_and_no_other() {
    let all = "no-store, must-understand, no-cache=\"a\", no-cache, private=\"b\", private, \
               max-age=1, s-maxage=2, must-revalidate, proxy-revalidate, stale-if-error=3";
    let headers = head(&[(CACHE_CONTROL, all)]);
    let heeded = Policy::default().directives(&headers);
    type Change = fn(&mut ResponseDirectives);
    let table: [(Ignore, Change); 6] = [
        (Ignore::NoStore, |d| {
            (d.no_store, d.must_understand) = (false, false);
        }),
        (Ignore::NoCache, |d| {
            d.no_cache = false;
            d.no_cache_fields.clear();
        }),
        (Ignore::Private, |d| {
            d.private = false;
            d.private_fields.clear();
        }),
        (Ignore::Lifetime, |d| {
            (d.max_age, d.s_maxage, d.without_expires) = (None, None, true);
        }),
        (Ignore::MustRevalidate, |d| {
            (d.must_revalidate, d.proxy_revalidate) = (false, false);
        }),
        (Ignore::Vary, |_| {}),
    ];
    for (ignore, change) in table {
        let mut expected = heeded.clone();
        change(&mut expected);
        assert_eq!(ignoring(&[ignore]).directives(&headers), expected);
    }
}

#[test]
fn fields_of_the_settings_choose_variants_beside_those_of_vary() {
    let by = |fields: &[HeaderName]| Policy {
        key_fields: fields.to_vec(),
        ..Policy::default()
    };
    let silent = head(&[]);
    let varying = head(&[(VARY, "cookie")]);
    assert_eq!(by(&[]).vary(&silent), Vary::None);
    assert_eq!(by(&[ACCEPT]).vary(&silent), Vary::Fields(vec![ACCEPT]));
    assert_eq!(
        by(&[ACCEPT]).vary(&varying),
        Vary::Fields(vec![ACCEPT, COOKIE])
    );
    assert_eq!(by(&[ACCEPT]).vary(&head(&[(VARY, "*")])), Vary::Any);
    let ignoring = Policy {
        ignore: vec![Ignore::Vary],
        ..by(&[ACCEPT])
    };
    assert_eq!(
        ignoring.vary(&head(&[(VARY, "*")])),
        Vary::Fields(vec![ACCEPT])
    );
}

#[test]
fn the_first_range_that_holds_a_status_gives_its_lifetime() {
    let policy = Policy {
        status_ttl: vec![
            (404..=404, Duration::from_secs(5)),
            (400..=499, Duration::from_secs(1)),
        ],
        ..Policy::default()
    };
    let ttl = |status| policy.status_ttl(StatusCode::from_u16(status).unwrap());
    assert_eq!(ttl(404), Some(Duration::from_secs(5)));
    assert_eq!(ttl(403), Some(Duration::from_secs(1)));
    assert_eq!(ttl(500), None);
}
