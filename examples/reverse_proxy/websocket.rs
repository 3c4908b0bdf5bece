//! WebSocket over HTTP/2 (RFC 8441): an extended CONNECT here, an upgrade with HTTP/1.1 at the
//! origin.
//!
//! The two handshakes differ in form only. What HTTP/2 leaves out, the key and its echo, is between
//! us and the origin; subprotocols and extensions pass through, and so do the frames.

use http::header::{
    CACHE_CONTROL, CONNECTION, SEC_WEBSOCKET_ACCEPT, SEC_WEBSOCKET_KEY, SEC_WEBSOCKET_VERSION,
    UPGRADE,
};
use http::{Extensions, HeaderValue, Method, Request, StatusCode, response};
use hyper::ext::Protocol;
use tokio_tungstenite::tungstenite::handshake::client::generate_key;
use tokio_tungstenite::tungstenite::handshake::derive_accept_key;

/// A request that was translated, with what the origin has to answer to our key.
#[derive(Debug, Clone)]
pub(crate) struct Translated(HeaderValue);

/// Makes a WebSocket's CONNECT the request that it would be with HTTP/1.1. Any other is left as it
/// is, and `false`.
pub(crate) fn translate<B>(request: &mut Request<B>) -> bool {
    let protocol = request.extensions_mut().remove::<Protocol>();
    if !protocol.is_some_and(|it| it.as_str().eq_ignore_ascii_case("websocket")) {
        return false;
    }
    let key = generate_key();
    let echo = derive_accept_key(key.as_bytes());
    let (Ok(key), Ok(echo)) = (HeaderValue::from_str(&key), HeaderValue::from_str(&echo)) else {
        return false;
    };
    *request.method_mut() = Method::GET;
    let headers = request.headers_mut();
    headers.insert(UPGRADE, HeaderValue::from_static("websocket"));
    headers.insert(CONNECTION, HeaderValue::from_static("upgrade"));
    headers.insert(SEC_WEBSOCKET_KEY, key);
    headers
        .entry(SEC_WEBSOCKET_VERSION)
        .or_insert(HeaderValue::from_static("13"));
    // A tunnel is never in a cache, and whatever a cache had for a GET would be no answer to this.
    headers.remove(CACHE_CONTROL);
    request.extensions_mut().insert(Translated(echo));
    true
}

impl Translated {
    /// True of a request that [`translate`] has made.
    pub(crate) fn is_in(extensions: &Extensions) -> bool {
        extensions.get::<Self>().is_some()
    }

    /// Makes the origin's answer one to a CONNECT. `None` if that is not possible: to the client
    /// any success is a tunnel, and only a switch with the right echo is one.
    pub(crate) fn answer(&self, head: &mut response::Parts) -> Option<()> {
        if head.status == StatusCode::SWITCHING_PROTOCOLS {
            let echo = head.headers.remove(SEC_WEBSOCKET_ACCEPT);
            let protocol = head.headers.get(UPGRADE)?;
            let right = protocol.as_bytes().eq_ignore_ascii_case(b"websocket");
            if !right || echo.as_ref() != Some(&self.0) {
                return None;
            }
            head.status = StatusCode::OK;
            return Some(());
        }
        (!head.status.is_success()).then_some(())
    }
}

#[cfg(test)]
mod tests {
    use http::{HeaderMap, Response};

    use super::*;

    fn connect(protocol: Option<&'static str>) -> Request<()> {
        let mut request = Request::connect("https://a.example/chat?x=1")
            .header(CACHE_CONTROL, "only-if-cached")
            .body(())
            .unwrap();
        if let Some(protocol) = protocol {
            let protocol = Protocol::from_static(protocol);
            request.extensions_mut().insert(protocol);
        }
        request
    }

    fn answered(translated: &Translated, status: u16, echo: &str) -> Option<(u16, HeaderMap)> {
        let answer = Response::builder()
            .status(status)
            .header(UPGRADE, "WebSocket")
            .header(SEC_WEBSOCKET_ACCEPT, echo);
        let (mut head, ()) = answer.body(()).unwrap().into_parts();
        translated.answer(&mut head)?;
        Some((head.status.as_u16(), head.headers))
    }

    #[test]
    fn each_request_has_a_key_of_its_own_of_16_bytes() {
        let [one, two] = [(); 2].map(|()| {
            let mut request = connect(Some("websocket"));
            assert!(translate(&mut request));
            assert_eq!(request.method(), Method::GET);
            assert_eq!(request.headers()[UPGRADE], "websocket");
            assert_eq!(request.headers()[SEC_WEBSOCKET_VERSION], "13");
            assert!(!request.headers().contains_key(CACHE_CONTROL));
            request.headers()[SEC_WEBSOCKET_KEY].clone()
        });
        assert_ne!(one, two);
        assert!(one.len() == 24 && one.as_bytes().ends_with(b"=="));
    }

    #[test]
    fn only_a_websockets_connect_is_translated() {
        for other in [None, Some("connect-udp"), Some("")] {
            let mut request = connect(other);
            assert!(!translate(&mut request), "{other:?}");
            assert_eq!(request.method(), Method::CONNECT);
        }
    }

    #[test]
    fn only_a_switch_with_the_right_echo_is_a_success() {
        // The example of RFC 6455 §1.3.
        let echo = "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=";
        assert_eq!(derive_accept_key(b"dGhlIHNhbXBsZSBub25jZQ=="), echo);
        let translated = Translated(HeaderValue::from_static(echo));
        let (status, headers) = answered(&translated, 101, echo).expect("a switch");
        assert_eq!(status, 200);
        assert!(!headers.contains_key(SEC_WEBSOCKET_ACCEPT));
        assert!(answered(&translated, 101, "x").is_none());
        assert!(answered(&translated, 200, echo).is_none());
        let (status, _) = answered(&translated, 403, "").expect("a refusal");
        assert_eq!(status, 403);
    }
}
