use http::header::SET_COOKIE;

use super::*;

fn head(lines: &[(&str, &str)]) -> Head {
    let mut headers = HeaderMap::new();
    for (name, value) in lines {
        let name: HeaderName = name.parse().expect("a name");
        let value = HeaderValue::from_bytes(value.as_bytes()).expect("a value");
        headers.append(name, value);
    }
    Head {
        status: StatusCode::OK,
        headers,
    }
}

fn several() -> Head {
    let mut head = head(&[
        ("set-cookie", "a=1"),
        ("etag", "\"v1\""),
        ("set-cookie", "b=2"),
        ("x-empty", ""),
        ("x-name", "obs-text \u{e9}"),
        ("vary", "accept"),
        ("set-cookie", "c=3"),
    ]);
    let secret = head.headers.get_mut("x-name").expect("it was put there");
    secret.set_sensitive(true);
    head
}

#[test]
fn it_says_the_same_in_the_same_order() {
    let head = several();
    let packed = Packed::from(head.clone());
    assert_eq!(packed.head(), head);
    let lines = || head.headers.iter();
    assert!(packed.iter().eq(lines()));
    assert!(packed.headers().iter().take(lines().count()).eq(lines()));
    let sensitive = packed.headers()["x-name"].is_sensitive();
    assert!(sensitive && !packed.headers()["etag"].is_sensitive());
}

#[test]
fn lines_are_found_as_in_a_map() {
    let head = several();
    let packed = Packed::from(head.clone());
    for name in [
        "set-cookie",
        "etag",
        "x-empty",
        "x-name",
        "vary",
        "age",
        "x-other",
    ] {
        let name: HeaderName = name.parse().expect("a name");
        assert_eq!(packed.line(&name), head.headers.get(&name), "{name}");
        assert!(
            packed.lines(&name).eq(head.headers.get_all(&name)),
            "{name}"
        );
    }
    assert_eq!(packed.lines(&SET_COOKIE).count(), 3);
}

#[test]
fn a_hit_fills_its_room_and_does_not_grow_its_map() {
    let mut headers = Packed::from(several()).headers();
    let room = headers.capacity();
    headers.insert(AGE, HeaderValue::from_static("1"));
    headers.insert(CACHE_STATUS, HeaderValue::from_static("a; hit"));
    assert_eq!(headers.capacity(), room);
}

#[test]
fn our_own_fields_come_where_there_is_room_and_behind_those_of_nearer_caches() {
    let [age, ours] = ["1", "a; hit"].map(HeaderValue::from_static);
    let nearer = ("cache-status", "b; hit");
    for lines in [
        &[("x-first", "1"), nearer, ("x-last", "2")][..],
        &[("x-first", "1")],
        &[],
    ] {
        let packed = Packed::from(head(lines));
        let mut expected = head(lines).headers;
        expected.insert(AGE, age.clone());
        expected.append(CACHE_STATUS, ours.clone());
        assert_eq!(packed.headers_with(age.clone(), ours.clone()), expected);
    }
    let headers = Packed::from(head(&[nearer])).headers();
    assert_eq!(
        headers.get_all(CACHE_STATUS).iter().count(),
        1,
        "an empty one is not put there"
    );
}

#[test]
fn an_age_that_should_not_be_there_is_left_out() {
    let packed = Packed::from(head(&[
        ("etag", "\"v1\""),
        ("age", "1"),
        ("age", "2"),
        ("x-last", "v"),
    ]));
    assert_eq!(packed.head(), head(&[("etag", "\"v1\""), ("x-last", "v")]));
    let headers = packed.headers();
    assert_eq!(
        (&headers["x-last"], &headers[AGE]),
        (
            &"v".parse().expect("a value"),
            &HeaderValue::from_static("")
        )
    );
}

#[test]
fn it_keeps_nothing_of_the_values_that_it_is_made_of() {
    let read = bytes::Bytes::from(vec![b'v'; 100]);
    let mut head = head(&[]);
    let value = HeaderValue::from_maybe_shared(read.slice(10..20)).expect("a value");
    head.headers.insert("x-slice", value);
    let packed = Packed::from(head);
    assert!(read.is_unique());
    assert_eq!(packed.headers()["x-slice"], "v".repeat(10));
}

#[test]
fn a_head_with_names_of_its_own_weighs_more() {
    let long = "n".repeat(100);
    let own = Packed::from(head(&[(&long, "value")]));
    let shared = Packed::from(head(&[("etag", "value")]));
    assert!(own.size() > shared.size() + 100);
}
