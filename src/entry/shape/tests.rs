use super::*;

fn name(text: &str) -> HeaderName {
    text.parse().expect("a name")
}

fn value(text: &str) -> HeaderValue {
    text.parse().expect("a value")
}

fn shape(lines: &[(&str, &str)]) -> Arc<Shape> {
    let lines: Vec<_> = lines.iter().map(|(n, v)| (name(n), value(v))).collect();
    Shape::of(lines.iter().map(|(name, value)| (name, value)))
}

#[test]
fn heads_share_a_shape_if_they_differ_in_values_of_their_own_alone() {
    let lines = |kind, tag| {
        shape(&[
            ("etag", tag),
            ("x-shape-a", tag),
            ("x-shape-a", "2"),
            ("content-type", kind),
        ])
    };
    let first = lines("text/html", "1");
    assert!(Arc::ptr_eq(&first, &lines("text/html", "3")));
    assert!(!Arc::ptr_eq(&first, &lines("text/css", "1")));
    for other in [
        &[
            ("x-shape-a", "1"),
            ("x-shape-a", "2"),
            ("etag", "1"),
            ("content-type", "text/html"),
        ][..],
        &[
            ("etag", "1"),
            ("x-shape-a", "1"),
            ("content-type", "text/html"),
        ],
        &[],
    ] {
        assert!(!Arc::ptr_eq(&first, &shape(other)), "{other:?}");
    }
}

#[test]
fn what_nobody_uses_any_more_makes_room() {
    let mut table = Table::default();
    let lines = |number: usize| -> Box<[Line]> {
        let name = name(&format!("x-{number}"));
        Box::new([Line { name, value: None }])
    };
    let held: Vec<_> = (0..MOST_SHAPES).map(|n| table.shape(lines(n))).collect();
    assert!(held.iter().all(|shape| shape.is_shared()));
    assert!(!table.shape(lines(MOST_SHAPES)).is_shared());
    drop(held);
    assert!(table.shape(lines(MOST_SHAPES)).is_shared());
    assert_eq!(table.shapes.len(), 1);
}

#[test]
fn what_is_kept_for_good_is_bounded_in_number_and_length() {
    let mut table = Table::default();
    for number in 0..MOST_NAMES + 9 {
        let kept = table.name(&name(&format!("x-{number}"))).is_some();
        assert_eq!(kept, number < MOST_NAMES, "{number}");
    }
    let kind = name("content-type");
    for number in 0..MOST_VALUES + 9 {
        let kept = table.value(&kind, &value(&format!("t/{number}"))).is_some();
        assert_eq!(kept, number < MOST_VALUES, "{number}");
    }
    assert!(table.name(&name("x-7")).is_some(), "what is there is found");
    assert!(table.value(&kind, &value("t/7")).is_some());

    let mut table = Table::default();
    assert!(table.name(&name(&"n".repeat(LONGEST_NAME + 1))).is_none());
    assert!(table.name(&name(&"n".repeat(LONGEST_NAME))).is_some());
    assert!(
        table
            .value(&kind, &value(&"v".repeat(LONGEST_VALUE + 1)))
            .is_none()
    );
    assert!(
        table
            .value(&kind, &value(&"v".repeat(LONGEST_VALUE)))
            .is_some()
    );
}

#[test]
fn what_is_secret_or_a_pages_own_or_not_text_is_not_kept_for_good() {
    let mut table = Table::default();
    let mut secret = value("s");
    secret.set_sensitive(true);
    assert!(table.value(&name("via"), &secret).is_none());
    assert!(table.value(&name("etag"), &value("\"v\"")).is_none());
    let bytes = HeaderValue::from_bytes(b"\xe9").expect("a value");
    assert!(table.value(&name("via"), &bytes).is_none());
    assert!(table.values.is_empty());
}
