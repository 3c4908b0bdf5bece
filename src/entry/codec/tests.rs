use http::HeaderValue;
use proptest::prelude::*;

use super::*;

const KEY: &[u8] = b"example.com /a?b";
const BODY: &[u8] = b"hello";

fn head() -> Head {
    let mut headers = HeaderMap::new();
    headers.append("content-type", HeaderValue::from_static("text/plain"));
    headers.append("x-list", HeaderValue::from_static("1"));
    headers.append("x-list", HeaderValue::from_bytes(b"\xff").unwrap());
    let mut secret = HeaderValue::from_static("");
    secret.set_sensitive(true);
    headers.append("x-secret", secret);
    Head {
        status: StatusCode::OK,
        headers,
    }
}

fn lifetime() -> Lifetime {
    Lifetime {
        age: Duration::from_micros(1),
        fresh: Duration::from_secs(60),
        stale_while_revalidate: Duration::from_secs(5),
        stale_if_error: Duration::from_secs(9),
        stale_if_unreachable: Duration::from_secs(11),
        keep: Duration::from_secs(7),
    }
}

const COST: Duration = Duration::from_millis(250);

fn sample() -> Bytes {
    encode_response(KEY, &head(), &lifetime(), COST, &BodyDigest::of(BODY))
}

#[test]
fn more_fields_than_fit_into_a_response_are_refused() {
    let with = |count: usize| {
        let mut head = head();
        head.headers.clear();
        for number in 0..count {
            // So long that none takes the place of one that is kept for good.
            let name = HeaderName::try_from(format!("x-{number:090}")).unwrap();
            head.headers.insert(name, HeaderValue::from_static("v"));
        }
        let meta = encode_response(KEY, &head, &lifetime(), COST, &BodyDigest::of(BODY));
        decode(KEY, &meta, BODY)
    };
    assert_eq!(with(MOST_FIELDS + 1), Err(Flaw::Field));
    assert_eq!(with(24_576), Err(Flaw::Field), "a map is full with so many");
    let Ok(Stored::Response { head, .. }) = with(MOST_FIELDS) else {
        panic!("so many are read");
    };
    let headers = crate::entry::Packed::from(head).headers();
    assert_eq!(headers.len(), MOST_FIELDS + 2);
}

/// A meta with this kind and content, and a right digest.
fn sealed(kind: u8, content: &[u8]) -> Bytes {
    let mut meta = Writer::new(kind, KEY);
    meta.put(content);
    meta.finish()
}

#[test]
fn a_response_reads_back() {
    let stored = decode(KEY, &sample(), BODY).unwrap();
    let Stored::Response { head: read, .. } = &stored else {
        panic!("not a response: {stored:?}");
    };
    assert!(read.headers["x-secret"].is_sensitive());
    assert!(!read.headers["x-list"].is_sensitive());
    assert_eq!(
        stored,
        Stored::Response {
            head: head(),
            lifetime: lifetime(),
            cost: COST,
            body: BodyDigest::of(BODY),
        }
    );
}

#[test]
fn a_rule_reads_back() {
    let fields = vec![http::header::ACCEPT, HeaderName::from_static("x-own")];
    let meta = encode_rule(KEY, 7, &fields);
    let expected = Stored::Rule {
        generation: 7,
        fields,
    };
    assert_eq!(decode(KEY, &meta, b""), Ok(expected));
    assert_eq!(decode(KEY, &meta, b"x"), Err(Flaw::BodyLength));
}

#[test]
fn a_renewed_meta_goes_with_the_old_body() {
    let Ok(Stored::Response { body, .. }) = decode(KEY, &sample(), BODY) else {
        panic!("the sample is a response");
    };
    let longer = Lifetime {
        fresh: Duration::from_secs(120),
        ..lifetime()
    };
    let meta = encode_response(KEY, &head(), &longer, COST, &body);
    assert!(decode(KEY, &meta, BODY).is_ok());
}

#[test]
fn what_does_not_belong_is_told_apart() {
    let meta = sample();
    let [older, newer] = [b'1', b'3'].map(|version| {
        let mut meta = meta.to_vec();
        meta[2] = version;
        meta
    });
    let no_status = [0_u8; 2 + 7 * 8 + 4 + 24];
    let mut many = [0_u8; 2 + 7 * 8 + 4 + 24];
    many[1] = 200;
    many[2 + 7 * 8..][..4].copy_from_slice(&u32::MAX.to_be_bytes());
    for (meta, key, body, flaw) in [
        (meta.clone(), KEY, &b"hallo"[..], Flaw::BodyChecksum),
        (meta.clone(), KEY, b"hell", Flaw::BodyLength),
        (meta.clone(), KEY, b"", Flaw::BodyLength),
        (meta.clone(), b"other", BODY, Flaw::OtherKey),
        (older.into(), KEY, BODY, Flaw::Version),
        (newer.into(), KEY, BODY, Flaw::Version),
        (Bytes::new(), KEY, BODY, Flaw::Truncated),
        (Bytes::from_static(b"bw2"), KEY, BODY, Flaw::Truncated),
        (Bytes::from_static(b"bw2r...."), KEY, BODY, Flaw::Truncated),
        (Bytes::from_static(b"HTTP/1.1"), KEY, BODY, Flaw::Magic),
        (sealed(b'?', b""), KEY, BODY, Flaw::Kind),
        (sealed(RESPONSE, b""), KEY, BODY, Flaw::Truncated),
        (sealed(RESPONSE, &no_status), KEY, BODY, Flaw::Status),
        (sealed(RESPONSE, &many), KEY, BODY, Flaw::Truncated),
        (sealed(RULE, &[0; 13]), KEY, b"", Flaw::Trailing),
        (
            sealed(RULE, b"\0\0\0\0\0\0\0\x01\0\0\0\x01\0\x01A"),
            KEY,
            b"",
            Flaw::Field,
        ),
    ] {
        assert_eq!(decode(key, &meta, body), Err(flaw), "{}", flaw.as_str());
    }
}

#[test]
fn every_flipped_bit_and_every_cut_is_noticed() {
    let meta = sample();
    for at in 0..meta.len() {
        for bit in 0..8 {
            let mut damaged = meta.to_vec();
            damaged[at] ^= 1 << bit;
            assert!(decode(KEY, &damaged.into(), BODY).is_err(), "{at}");
        }
        assert!(decode(KEY, &meta.slice(..at), BODY).is_err(), "{at}");
    }
    for at in 0..BODY.len() {
        let mut damaged = BODY.to_vec();
        damaged[at] ^= 1;
        let flaw = decode(KEY, &meta, &damaged);
        assert_eq!(flaw, Err(Flaw::BodyChecksum));
    }
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// Other nodes may run another version of this crate: whoever changes these bytes has to change
/// the version, too.
#[test]
fn the_format_stays_as_it_is() {
    assert_eq!(hex(&sample()), GOLDEN_RESPONSE.replace(['\n', ' '], ""));
    let rule = encode_rule(KEY, 7, &[http::header::ACCEPT]);
    assert_eq!(hex(&rule), GOLDEN_RULE.replace(['\n', ' '], ""));
}

/// Frame, key, status, six times, cost, number of fields, four fields, body, digest.
const GOLDEN_RESPONSE: &str = "
    62773272
    000000106578616d706c652e636f6d202f613f62
    00c8
    0000000000000001
    0000000003938700
    00000000004c4b40
    0000000000895440
    0000000000a7d8c0
    00000000006acfc0
    000000000003d090
    00000004
    00000c636f6e74656e742d747970650000000a746578742f706c61696e
    000006782d6c6973740000000131
    000006782d6c69737400000001ff
    010008782d73656372657400000000
    0000000000000005
    ea8f163db38682925e4491c5e58d4bb3
    0d180239dd485eb8c540cdb8fc94cb3d
";
/// Frame, key, generation, number of names, one name, digest.
const GOLDEN_RULE: &str = "
    62773276
    000000106578616d706c652e636f6d202f613f62
    0000000000000007
    00000001
    0006616363657074
    23921a32c8423114236cd50629a6c80e
";

fn any_head() -> impl Strategy<Value = Head> {
    let value = proptest::collection::vec(0x20_u8..0x7f, 0..40);
    let field = ("[a-z][a-z0-9-]{0,20}", value, any::<bool>());
    (100_u16..1000, proptest::collection::vec(field, 0..12)).prop_map(|(status, fields)| {
        let mut headers = HeaderMap::new();
        for (name, value, sensitive) in fields {
            let mut value = HeaderValue::from_bytes(&value).unwrap();
            value.set_sensitive(sensitive);
            headers.append(name.parse::<HeaderName>().unwrap(), value);
        }
        Head {
            status: StatusCode::from_u16(status).unwrap(),
            headers,
        }
    })
}

proptest! {
    #[test]
    fn whatever_is_written_reads_back(
        head in any_head(),
        times in any::<[u64; 7]>(),
        key in proptest::collection::vec(any::<u8>(), 0..60),
        body in proptest::collection::vec(any::<u8>(), 0..60),
    ) {
        let [age, fresh, swr, sie, siu, keep, cost] = times.map(Duration::from_micros);
        let lifetime = Lifetime {
            age,
            fresh,
            stale_while_revalidate: swr,
            stale_if_error: sie,
            stale_if_unreachable: siu,
            keep,
        };
        let digest = BodyDigest::of(&body);
        let meta = encode_response(&key, &head, &lifetime, cost, &digest);
        let expected = Stored::Response { head, lifetime, cost, body: digest };
        prop_assert_eq!(decode(&key, &meta, &body), Ok(expected));
    }

    #[test]
    fn random_bytes_are_flawed(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
        prop_assert!(decode(KEY, &bytes.clone().into(), BODY).is_err());
        let framed = [b"bw2r", &bytes[..]].concat();
        prop_assert!(decode(KEY, &framed.into(), BODY).is_err());
    }

    /// Past the digest, too: nothing that it vouches for may panic or take much room.
    #[test]
    fn sealed_random_content_does_not_panic(
        kind in prop::sample::select(&[RESPONSE, RULE][..]),
        content in proptest::collection::vec(any::<u8>(), 0..200),
    ) {
        let _ = decode(KEY, &sealed(kind, &content), b"");
    }

    #[test]
    fn damaged_content_under_a_right_digest_does_not_panic(
        at in 0_usize..300,
        byte: u8,
        cut in 0_usize..300,
    ) {
        let meta = sample();
        let start = 4 + 4 + KEY.len();
        let mut content = meta[start..meta.len() - 16].to_vec();
        let length = content.len();
        content[at % length] = byte;
        content.truncate(length - cut % length);
        let _ = decode(KEY, &sealed(RESPONSE, &content), BODY);
    }
}
