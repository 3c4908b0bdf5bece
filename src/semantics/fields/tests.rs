use std::time::UNIX_EPOCH;

use bytes::Bytes;

use super::{stored as stored_by, *};

fn stored(headers: &HeaderMap) -> HeaderMap {
    stored_by(headers, &ResponseDirectives::of(headers, &[]))
}

fn head(lines: &[(&str, &str)]) -> HeaderMap {
    let mut headers = HeaderMap::new();
    for (name, value) in lines {
        let name: HeaderName = name.parse().unwrap();
        headers.append(name, HeaderValue::from_str(value).unwrap());
    }
    headers
}

#[test]
fn end_to_end_fields_are_stored_in_their_order() {
    let stored = stored(&head(&[
        ("a", "1"),
        ("b", "2"),
        ("connection", "A, close"),
        ("connection", "x y"),
        ("c", "3"),
        ("c", "4"),
        ("age", "7"),
        ("keep-alive", "x"),
        ("proxy-connection", "x"),
        ("proxy-authenticate", "x"),
        ("proxy-authentication-info", "x"),
        ("proxy-authorization", "x"),
        ("te", "x"),
        ("trailer", "x"),
        ("transfer-encoding", "chunked"),
        ("upgrade", "x"),
        ("cache-control", "no-cache=\"d\", private=\"E, f\""),
        ("d", "5"),
        ("e", "6"),
        ("f", "7"),
        ("cache-status", "other; hit"),
    ]));
    let expected = head(&[
        ("b", "2"),
        ("c", "3"),
        ("c", "4"),
        ("cache-control", "no-cache=\"d\", private=\"E, f\""),
        ("cache-status", "other; hit"),
    ]);
    assert_eq!(stored, expected);
}

#[test]
fn stored_values_share_no_bytes_with_what_was_read() {
    let buffer = Bytes::from(b"one secret".to_vec());
    let mut headers = HeaderMap::new();
    let mut secret = HeaderValue::from_maybe_shared(buffer.slice(4..)).unwrap();
    secret.set_sensitive(true);
    headers.insert(
        "x",
        HeaderValue::from_maybe_shared(buffer.slice(..3)).unwrap(),
    );
    headers.insert("y", secret);
    assert!(!buffer.is_unique());

    let stored = stored(&headers);
    drop(headers);
    assert!(buffer.is_unique());
    assert_eq!(stored["x"], "one");
    assert!(!stored["x"].is_sensitive());
    assert!(stored["y"].is_sensitive());
}

#[test]
fn a_missing_date_is_that_of_receipt_and_a_present_one_stays() {
    let mut headers = HeaderMap::new();
    ensure_date(&mut headers, UNIX_EPOCH);
    assert_eq!(headers[DATE], "Thu, 01 Jan 1970 00:00:00 GMT");
    let mut headers = head(&[("date", "x")]);
    ensure_date(&mut headers, UNIX_EPOCH);
    assert_eq!(headers[DATE], "x");
}
