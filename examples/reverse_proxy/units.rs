//! Times, sizes and addresses as people write them. Each error says what would be right.

use std::net::{IpAddr, SocketAddr, ToSocketAddrs};
use std::ops::RangeInclusive;
use std::time::Duration;

use bellwether::SetCookie;
use bytesize::ByteSize;
use http::HeaderName;
use ipnet::IpNet;

/// Reads `30s`, `2m`, `1h 30m`.
pub(crate) fn time(text: &str, range: RangeInclusive<Duration>) -> Result<Duration, String> {
    let (least, most) = (show_time(*range.start()), show_time(*range.end()));
    let allowed = format!("expected a number and a unit like 30s, from {least} to {most}");
    match humantime::parse_duration(text.trim()) {
        Ok(time) if range.contains(&time) => Ok(time),
        _ => Err(allowed),
    }
}

/// Reads `65536`, `64KiB`, `256MiB`, `1GB`.
pub(crate) fn size(text: &str, range: RangeInclusive<u64>) -> Result<u64, String> {
    let (least, most) = (ByteSize(*range.start()), ByteSize(*range.end()));
    let allowed = format!("expected a size like 64KiB or 256MiB, from {least} to {most}");
    match text.trim().parse() {
        Ok(ByteSize(size)) if range.contains(&size) => Ok(size),
        _ => Err(allowed),
    }
}

/// Reads `127.0.0.1:8080`, `[::1]:8080`, `localhost:8080`.
pub(crate) fn address(text: &str) -> Result<SocketAddr, String> {
    let first = text
        .trim()
        .to_socket_addrs()
        .ok()
        .and_then(|mut all| all.next());
    first.ok_or_else(|| "expected ADDRESS:PORT like 127.0.0.1:8080, ports 0 to 65535".to_owned())
}

/// Reads a node's name. It becomes part of a structured field's token (RFC 9211 §2).
pub(crate) fn name(text: &str) -> Result<String, String> {
    let allowed = |byte: u8| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte);
    if (1..=64).contains(&text.len()) && text.bytes().all(allowed) {
        return Ok(text.to_owned());
    }
    Err("expected 1 to 64 characters of a-z, A-Z, 0-9, - _ and .".to_owned())
}

/// Reads a secret that a client sends in a field.
pub(crate) fn token(text: &str) -> Result<String, String> {
    if (16..=256).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_graphic()) {
        return Ok(text.to_owned());
    }
    Err("expected 16 to 256 letters, digits and signs without spaces".to_owned())
}

/// Reads `127.0.0.1, 10.0.0.0/8, ::1`.
pub(crate) fn networks(text: &str) -> Result<Vec<IpNet>, String> {
    let network = |member: &str| {
        let address = member.parse::<IpAddr>().map(IpNet::from);
        address.or_else(|_| member.parse::<IpNet>())
    };
    let networks = text.split(',').map(|member| network(member.trim()));
    let networks: Result<Vec<_>, _> = networks.collect();
    networks.map_err(|_| "expected addresses and networks like 127.0.0.1, 10.0.0.0/8".to_owned())
}

/// Reads `true` and `false`.
pub(crate) fn truth(text: &str) -> Result<bool, String> {
    let expected = || "expected true or false".to_owned();
    text.trim().parse().map_err(|_| expected())
}

/// Reads `404=10s, 500-599=1s`.
pub(crate) fn statuses(text: &str) -> Result<Vec<(RangeInclusive<u16>, Duration)>, String> {
    const YEAR: Duration = Duration::from_secs(365 * 86_400);
    let lifetime = |member: &str| {
        let (statuses, ttl) = member.split_once('=')?;
        let (first, last) = statuses.split_once('-').unwrap_or((statuses, statuses));
        let (first, last) = (first.trim().parse().ok()?, last.trim().parse().ok()?);
        let ttl = time(ttl, Duration::ZERO..=YEAR).ok()?;
        let fine = (200..=599).contains(&first) && (first..=599).contains(&last);
        fine.then_some((first..=last, ttl))
    };
    let all: Option<Vec<_>> = text.split(',').map(lifetime).collect();
    all.ok_or_else(|| {
        "expected a list like 404=10s, 500-599=1s, with statuses from 200 to 599 and times from \
         0s to 365d"
            .to_owned()
    })
}

/// Reads `CDN-Cache-Control, Surrogate-Control`.
pub(crate) fn fields(text: &str) -> Result<Vec<HeaderName>, String> {
    text.split(',').map(|name| field(name.trim())).collect()
}

/// Reads the name of a field.
pub(crate) fn field(text: &str) -> Result<HeaderName, String> {
    let expected = || "expected names of fields, like CDN-Cache-Control".to_owned();
    text.parse().map_err(|_| expected())
}

/// Reads `refuse`, `strip`, `share`.
pub(crate) fn set_cookie(text: &str) -> Result<SetCookie, String> {
    match text.trim() {
        "refuse" => Ok(SetCookie::Refuse),
        "strip" => Ok(SetCookie::Strip),
        "share" => Ok(SetCookie::Share),
        _ => Err("expected refuse, strip or share".to_owned()),
    }
}

/// Whole days read better than the months that `humantime` would make of them.
fn show_time(time: Duration) -> String {
    match time.as_secs() {
        secs if secs > 0 && secs % 86_400 == 0 => format!("{}d", secs / 86_400),
        _ => humantime::format_duration(time).to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn units_are_read_as_people_write_them() {
        let day = Duration::ZERO..=Duration::from_secs(86_400);
        assert_eq!(time("90s", day.clone()), Ok(Duration::from_secs(90)));
        assert_eq!(time("1h 30m", day.clone()), Ok(Duration::from_secs(5_400)));
        assert_eq!(time("0s", day), Ok(Duration::ZERO));
        assert_eq!(size("64KiB", 0..=1 << 20), Ok(65_536));
        assert_eq!(size("65536", 0..=1 << 20), Ok(65_536));
        assert_eq!(address("127.0.0.1:0"), Ok(([127, 0, 0, 1], 0).into()));
        assert_eq!(name("node-1.eu"), Ok("node-1.eu".to_owned()));
        assert_eq!(truth(" true"), Ok(true));
        assert_eq!(
            statuses("404=10s,500 - 599 = 1m"),
            Ok(vec![
                (404..=404, Duration::from_secs(10)),
                (500..=599, Duration::from_secs(60))
            ])
        );
        let names = ["cdn-cache-control", "x"].map(HeaderName::from_static);
        assert_eq!(fields("CDN-Cache-Control, x"), Ok(names.to_vec()));
        assert_eq!(set_cookie("strip"), Ok(SetCookie::Strip));
    }

    #[test]
    fn an_error_names_the_range() {
        let day = Duration::ZERO..=Duration::from_secs(86_400);
        for bad in ["", "30", "-1s", "2d", "soon"] {
            let error = time(bad, day.clone()).unwrap_err();
            assert!(error.contains("from 0s to 1d"), "{bad}: {error}");
        }
        for bad in ["", "2MiB", "-1", "lots"] {
            let error = size(bad, 1024..=1 << 20).unwrap_err();
            assert!(error.contains("from 1.0 KiB to 1.0 MiB"), "{bad}: {error}");
        }
        for bad in ["", "8080", "127.0.0.1:99999"] {
            assert!(address(bad).is_err(), "{bad}");
        }
        for bad in ["", "a b", "a;b", "\u{e9}"] {
            assert!(name(bad).is_err(), "{bad}");
        }
        for bad in [
            "",
            "404",
            "404=5",
            "404=1s,",
            "99=1s",
            "500-600=1s",
            "500-404=1s",
        ] {
            let error = statuses(bad).unwrap_err();
            assert!(error.contains("like 404=10s, 500-599=1s"), "{bad}: {error}");
        }
        for bad in ["", "a,", "a b", "a, ,b"] {
            assert!(fields(bad).is_err(), "{bad}");
        }
        assert!(truth("yes").is_err() && set_cookie("Keep").is_err());
    }
}
