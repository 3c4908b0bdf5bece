//! The stored form of entries.

use std::time::Duration;

use bytes::Bytes;
use http::StatusCode;

use super::input::{fields, number};
use crate::clock::Moment;
use crate::entry::codec::{BodyDigest, Stored, decode, encode_response, encode_rule};
use crate::entry::{Head, Lifetime, Phase, Windows};

const KEY: &[u8] = b"k";
const BODY: &[u8] = b"body";

/// What is written reads back; what reads is written back, and is of use.
pub fn codec(bytes: &[u8]) {
    codec_reads(bytes);
    for stored in sealed(bytes).iter().flat_map(read) {
        assert_eq!(read(&write(&stored)), Some(stored));
    }
    written(bytes);
}

/// Reads input as a meta, and as what a right digest vouches for. For counting how much that
/// allocates: besides copies of the input, which are a few times its size.
pub fn codec_reads(bytes: &[u8]) {
    assert!(
        read(&Bytes::copy_from_slice(bytes)).is_none(),
        "a forged digest"
    );
    for meta in sealed(bytes) {
        let _ = read(&meta);
    }
}

/// As a rule, as a response, and as the part of a response that comes before the body's digest:
/// no fuzzer guesses that.
fn sealed(content: &[u8]) -> [Bytes; 3] {
    let seal = |kind: u8, parts: &[&[u8]]| {
        let length = u32::try_from(KEY.len()).expect("one byte");
        let start = [b"bw2", &[kind][..], &length.to_be_bytes(), KEY].concat();
        let mut meta = [&start[..], &parts.concat()].concat();
        let digest = blake3::hash(&meta);
        meta.extend_from_slice(&digest.as_bytes()[..16]);
        Bytes::from(meta)
    };
    let length = (BODY.len() as u64).to_be_bytes();
    let digest = blake3::hash(BODY);
    let body = [&length[..], &digest.as_bytes()[..16]].concat();
    [
        seal(b'v', &[content]),
        seal(b'r', &[content]),
        seal(b'r', &[content, &body]),
    ]
}

/// A rule has no body.
fn read(meta: &Bytes) -> Option<Stored> {
    decode(KEY, meta, BODY)
        .or_else(|_| decode(KEY, meta, b""))
        .ok()
}

fn write(stored: &Stored) -> Bytes {
    match stored {
        Stored::Response {
            head,
            lifetime,
            cost,
            body,
        } => {
            usable(lifetime);
            encode_response(KEY, head, lifetime, *cost, body)
        }
        Stored::Rule { generation, fields } => encode_rule(KEY, *generation, fields),
    }
}

/// No lengths of time, whatever they are, break the order of the windows.
fn usable(lifetime: &Lifetime) {
    let received = Moment::from_micros(1_000_000);
    for windows in [
        Windows::from_receipt(received, lifetime),
        Windows::from_remaining(received, i64::MAX, lifetime),
        Windows::from_remaining(received, i64::MIN, lifetime),
    ] {
        assert!(windows.born <= windows.fresh_until || lifetime.age > lifetime.fresh);
        assert!(windows.fresh_until <= windows.stale_until);
        assert!(windows.fresh_until <= windows.error_until);
        assert!(windows.fresh_until <= windows.unreachable_until);
        let error_until = windows.error_until.max(windows.unreachable_until);
        assert!(windows.stale_until.max(error_until) <= windows.keep_until);
        let end = windows.keep_until;
        assert_eq!(windows.phase(end), Phase::Dead);
        assert!(!windows.usable_on_error(end, true));
        let _ = (windows.age_secs(received), windows.ttl_secs(received));
    }
}

/// A status, seven times, and lines of fields.
fn written(bytes: &[u8]) {
    let mut rest = bytes;
    let status = u16::try_from(number(&mut rest) % 1000).ok();
    let Some(status) = status.and_then(|status| StatusCode::from_u16(status).ok()) else {
        return;
    };
    let [age, fresh, swr, sie, siu, keep, cost] =
        [(); 7].map(|()| Duration::from_micros(number(&mut rest)));
    let stored = Stored::Response {
        head: Head {
            status,
            headers: fields(rest),
        },
        lifetime: Lifetime {
            age,
            fresh,
            stale_while_revalidate: swr,
            stale_if_error: sie,
            stale_if_unreachable: siu,
            keep,
        },
        cost,
        body: BodyDigest::of(BODY),
    };
    assert_eq!(read(&write(&stored)), Some(stored));
}
