//! The parts that a 206 brings (RFC 9110 §14.4, §14.6).

use bytes::Bytes;

use crate::support::client::Answer;

/// A part of a file.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Part {
    pub(crate) first: u64,
    pub(crate) last: u64,
    /// The length of the whole.
    pub(crate) of: u64,
    /// Of the part where there are several, else of the answer.
    pub(crate) kind: String,
    pub(crate) bytes: Bytes,
}

/// All parts, or why they cannot be read.
pub(crate) fn of(answer: &Answer) -> Result<Vec<Part>, String> {
    let kind = answer.header("content-type");
    match kind.strip_prefix("multipart/byteranges; boundary=") {
        None => Ok(vec![Part::new(
            answer.header("content-range"),
            kind,
            answer.body.clone(),
        )?]),
        Some(_) if answer.headers.contains_key("content-range") => {
            Err("Content-Range beside several parts (RFC 9110 §15.3.7.2)".to_owned())
        }
        Some(boundary) => split(&answer.body, boundary),
    }
}

/// RFC 2046 §5.1.1. What stands before the first and after the last is nobody's.
fn split(body: &Bytes, boundary: &str) -> Result<Vec<Part>, String> {
    let end = |from: usize, what: &[u8]| {
        let rest = &body[from..];
        let at = rest.windows(what.len()).position(|window| window == what);
        at.map(|at| from + at)
            .ok_or_else(|| format!("no {:?} after byte {from}", what.escape_ascii().to_string()))
    };
    let line = format!("--{boundary}");
    let delimiter = format!("\r\n{line}");
    let mut parts = Vec::new();
    // The very first may stand at the beginning.
    let mut at = end(0, line.as_bytes())? + line.len();
    while !body[at..].starts_with(b"--") {
        let head = end(at, b"\r\n\r\n")?;
        let fields = String::from_utf8_lossy(&body[at..head]).into_owned();
        let field = |name: &str| {
            let mut lines = fields
                .split("\r\n")
                .filter_map(|line| line.split_once(": "));
            let found = lines.find(|(given, _)| given.eq_ignore_ascii_case(name));
            found.map_or("", |(_, value)| value).to_owned()
        };
        // By its length: the bytes of a file may look like a delimiter.
        let mut part = Part::new(
            &field("content-range"),
            &field("content-type"),
            Bytes::new(),
        )?;
        let start = head + 4;
        let stop = start + usize::try_from(part.last - part.first + 1).expect("it is in memory");
        if !body
            .get(stop..)
            .is_some_and(|rest| rest.starts_with(delimiter.as_bytes()))
        {
            return Err(format!("no delimiter at byte {stop}"));
        }
        part.bytes = body.slice(start..stop);
        parts.push(part);
        at = stop + delimiter.len();
    }
    Ok(parts)
}

impl Part {
    fn new(content_range: &str, kind: &str, bytes: Bytes) -> Result<Self, String> {
        let numbers = || {
            let (span, of) = content_range.strip_prefix("bytes ")?.split_once('/')?;
            let (first, last) = span.split_once('-')?;
            Some((first.parse().ok()?, last.parse().ok()?, of.parse().ok()?))
        };
        match numbers() {
            Some((first, last, of)) if first <= last && last < of => Ok(Self {
                first,
                last,
                of,
                kind: kind.to_owned(),
                bytes,
            }),
            _ => Err(format!("a bad Content-Range: {content_range:?}")),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_are_cut_by_their_lengths() {
        let body =
            b"\r\n--x\r\nContent-Type: a/b\r\nContent-Range: bytes 0-4/9\r\n\r\n\r\n--x\r\n--x\r\n\
            Content-Range: bytes 8-8/9\r\n\r\nz\r\n--x--\r\n";
        let parts = split(&Bytes::from_static(body), "x").unwrap();
        assert_eq!(parts[0].bytes, "\r\n--x");
        assert_eq!((parts[0].kind.as_str(), parts[0].last), ("a/b", 4));
        assert_eq!((parts[1].first, &parts[1].bytes[..]), (8, &b"z"[..]));
        assert!(split(&Bytes::from_static(&body[..80]), "x").is_err());
    }
}
