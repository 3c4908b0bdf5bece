//! Variants (RFC 9111 §4.1).

use http::header::{HeaderName, HeaderValue, VARY};

use super::input::{fields, halves, one_field, values};
use crate::semantics::vary::{Value, Vary, cookie, parse, selecting, union};

/// `Vary` lines, an empty line, and the fields of a request.
pub fn vary(bytes: &[u8]) {
    let (rule, request) = halves(bytes);
    let lines = values(rule);
    let names = match parse(&one_field(&VARY, &lines)) {
        Vary::Fields(names) => names,
        Vary::None => vec![],
        Vary::Any => return,
    };
    assert!(names.is_sorted_by(|a, b| a.as_str() < b.as_str()));
    assert!(names.iter().all(|name| name.as_str() != "*"));
    if !names.is_empty() {
        let text = names.iter().map(HeaderName::as_str).collect::<Vec<_>>();
        let text = HeaderValue::try_from(text.join(",")).expect("names are a value");
        let again = parse(&one_field(&VARY, &[text]));
        assert_eq!(again, Vary::Fields(names.clone()));
    }
    assert_eq!(union(&names, &names), names);
    assert_eq!(union(&names[..names.len() / 2], &names), names);

    let request = fields(request);
    // What a client calls like one of our pseudo fields is not looked at.
    let real = request.keys().filter(|name| cookie(name).is_none());
    let all: Vec<_> = real.cloned().collect();
    for (name, value) in selecting(&all, &request) {
        let value = value.expect("a field that is there has a value");
        assert!(!value.iter().any(|byte| matches!(byte, b'\r' | b'\n')));
        normalised(
            name,
            &value,
            &request.get_all(name).iter().collect::<Vec<_>>(),
        );
    }
    for (name, value) in selecting(&names, &request) {
        assert_eq!(value.is_some(), request.contains_key(name));
    }
}

/// Nothing but white space and case is lost, and of one line normalising again takes nothing. (Of
/// several it may: a quotation mark that one line leaves open takes in the next.)
fn normalised(name: &str, value: &Value, lines: &[&HeaderValue]) {
    let bare = |bytes: &[u8]| {
        let kept = bytes.iter().filter(|byte| !matches!(byte, b' ' | b'\t'));
        kept.map(u8::to_ascii_lowercase).collect::<Vec<_>>()
    };
    let given: Vec<_> = lines.iter().map(|line| bare(line.as_bytes())).collect();
    // The lines of a cookie are one that was cut up (RFC 9113 §8.2.3).
    let glue = if name == "cookie" { b';' } else { b',' };
    assert_eq!(bare(value), given.join(&glue));

    if let [_] = lines {
        let name = HeaderName::from_bytes(name.as_bytes()).expect("it was one");
        let once = HeaderValue::from_bytes(value).expect("a normal form is a value");
        let request = one_field(&name, &[once]);
        let names = [name];
        let (_, again) = selecting(&names, &request).next().expect("one field");
        assert_eq!(again.as_deref(), Some(value.as_slice()));
    }
}
