//! All that may differ between what nginx answers and what comes through the proxy, each with the
//! section that says so. Whatever is not here is a mistake.

/// Why a difference is none.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Allowed {
    Hop,
    Via,
    CacheStatus,
    Age,
    Date,
    Length,
    LengthOfHead,
    Boundary,
    AcceptRanges,
    Unsatisfied,
    Joined,
    TooMany,
    Overlapping,
    Compressed,
    Nothing,
    Malformed,
    Lenient,
    Large,
    NotModified,
    TagOf304,
}

impl Allowed {
    /// Each with what says so, and with what it is about.
    pub(crate) const ALL: [(Self, &'static str, &'static str); 20] = [
        (
            Self::Hop,
            "RFC 9110 §7.6.1; 9112 §6.1",
            "Connection, Keep-Alive and Transfer-Encoding are of one connection",
        ),
        (
            Self::Via,
            "RFC 9110 §7.6.3",
            "the proxy adds itself to Via, after those before it",
        ),
        (
            Self::CacheStatus,
            "RFC 9211 §2",
            "the cache says what it did",
        ),
        (
            Self::Age,
            "RFC 9111 §4, §5.1",
            "what comes out of the store has an Age: the time since its Date",
        ),
        (
            Self::Date,
            "RFC 9110 §6.6.1; 9111 §4.2.3",
            "Date is of the stored response, not of now",
        ),
        (
            Self::Length,
            "RFC 9112 §6.2; 9110 §8.6",
            "Content-Length where nginx sends in chunks: the framing of one hop, if it is right",
        ),
        (
            Self::LengthOfHead,
            "RFC 9110 §8.6, §9.3.2",
            "a HEAD may be told the length of which nginx does not know yet, if it is right",
        ),
        (
            Self::Boundary,
            "RFC 9110 §14.6",
            "the boundary of multipart/byteranges, and its length with that; its parts are equal",
        ),
        (
            Self::AcceptRanges,
            "RFC 9110 §14.3, §15.3.7",
            "a 206 of the stored 200 keeps its Accept-Ranges, nginx leaves it out",
        ),
        (
            Self::Unsatisfied,
            "RFC 9110 §15.5.17",
            "the words of a 416 and the fields about them; Content-Range is equal",
        ),
        (
            Self::Joined,
            "RFC 9110 §15.3.7.2",
            "ranges that overlap or adjoin are sent as one, nginx sends the bytes twice",
        ),
        (
            Self::TooMany,
            "RFC 9110 §14.2, §17.15",
            "more than 16 ranges get the whole, nginx takes any number",
        ),
        (
            Self::Overlapping,
            "RFC 9110 §14.2, §15.3.7.2",
            "ranges that add up to more than the whole: joined, nginx sends the whole",
        ),
        (
            Self::Compressed,
            "RFC 9110 §14.2; 9111 §3.3",
            "parts of a stored compressed body, nginx sends all of what it compresses anew",
        ),
        (
            Self::Nothing,
            "RFC 9110 §14.1.2, §14.2",
            "nothing begins at byte 0 of an empty file: 416, nginx ignores the range",
        ),
        (
            Self::Malformed,
            "RFC 9110 §14.2",
            "a Range of bad syntax is ignored, nginx rejects it or guesses; both may",
        ),
        (
            Self::Lenient,
            "RFC 9110 §5.6.1.2",
            "an empty member of a list is skipped, nginx takes it for bad syntax",
        ),
        (
            Self::Large,
            "RFC 9110 §14.1.2",
            "a number of any size is one, nginx takes those beyond 63 bits for bad syntax",
        ),
        (
            Self::NotModified,
            "RFC 9110 §15.4.5; 9111 §4.3.2",
            "a 304 out of the store has the fields that it must have, nginx sends others too",
        ),
        (
            Self::TagOf304,
            "RFC 9110 §15.4.5",
            "the tag in a 304 is that of the 200, nginx forgets that what it compresses is weak",
        ),
    ];
}
