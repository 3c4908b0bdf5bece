//! Which of the fields that decide about a request are there: one pass over the names in place of
//! a look-up for each. On a hit that is most of what RFC 9111 costs.

use http::header::HeaderMap;

/// What a request's head has of the fields that a cache acts on.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Seen(u8);

impl Seen {
    const AUTHORIZATION: u8 = 1;
    const CACHE_CONTROL: u8 = 1 << 1;
    const CONNECTION: u8 = 1 << 2;
    const UPGRADE: u8 = 1 << 3;
    const CONDITION: u8 = 1 << 4;
    const RANGE: u8 = 1 << 5;

    pub(crate) fn of(headers: &HeaderMap) -> Self {
        let bit = |name: &str| match name {
            "authorization" => Self::AUTHORIZATION,
            "cache-control" => Self::CACHE_CONTROL,
            "connection" => Self::CONNECTION,
            "upgrade" => Self::UPGRADE,
            "if-none-match" | "if-modified-since" => Self::CONDITION,
            "range" => Self::RANGE,
            _ => 0,
        };
        Self(
            headers
                .keys()
                .fold(0, |seen, name| seen | bit(name.as_str())),
        )
    }

    /// The response may be for this client alone (RFC 9111 §3.5).
    pub(crate) fn authorization(self) -> bool {
        self.0 & Self::AUTHORIZATION != 0
    }

    pub(crate) fn cache_control(self) -> bool {
        self.0 & Self::CACHE_CONTROL != 0
    }

    pub(crate) fn connection(self) -> bool {
        self.0 & Self::CONNECTION != 0
    }

    pub(crate) fn upgrade(self) -> bool {
        self.0 & Self::UPGRADE != 0
    }

    /// One of those that a cache evaluates (RFC 9111 §4.3.2).
    pub(crate) fn condition(self) -> bool {
        self.0 & Self::CONDITION != 0
    }

    pub(crate) fn range(self) -> bool {
        self.0 & Self::RANGE != 0
    }
}

#[cfg(test)]
mod tests {
    use http::header::{
        AUTHORIZATION, CACHE_CONTROL, CONNECTION, HeaderName, HeaderValue, IF_MODIFIED_SINCE,
        IF_NONE_MATCH, RANGE, UPGRADE,
    };

    use super::*;

    type Look = fn(Seen) -> bool;
    const LOOKS: [Look; 6] = [
        Seen::authorization,
        Seen::cache_control,
        Seen::connection,
        Seen::upgrade,
        Seen::condition,
        Seen::range,
    ];

    #[test]
    fn each_field_is_seen_alone_and_beside_others() {
        let fields: [(HeaderName, usize); 7] = [
            (AUTHORIZATION, 0),
            (CACHE_CONTROL, 1),
            (CONNECTION, 2),
            (UPGRADE, 3),
            (IF_NONE_MATCH, 4),
            (IF_MODIFIED_SINCE, 4),
            (RANGE, 5),
        ];
        for (name, index) in fields {
            let many: Vec<HeaderName> = (0..500)
                .map(|number| format!("x-{number}").parse().expect("a name"))
                .collect();
            let few = ["host", "x-range", "if-range", "accept"].map(HeaderName::from_static);
            for others in [&[][..], &few, &many] {
                let mut headers = HeaderMap::new();
                for other in others {
                    headers.insert(other, HeaderValue::from_static("x"));
                }
                assert_eq!(Seen::of(&headers), Seen::default());
                headers.append(&name, HeaderValue::from_static("a"));
                headers.append(&name, HeaderValue::from_static("b"));
                let seen = Seen::of(&headers);
                for (at, look) in LOOKS.iter().enumerate() {
                    assert_eq!(look(seen), at == index, "{name}, look {at}");
                }
            }
        }
    }
}
