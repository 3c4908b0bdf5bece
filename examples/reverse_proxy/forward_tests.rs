use http::Request;

use super::*;

const CLIENT: IpAddr = IpAddr::V4(std::net::Ipv4Addr::new(192, 0, 2, 7));

fn forwarded(request: request::Builder) -> (HeaderMap, bool) {
    let (mut head, ()) = request.body(()).unwrap().into_parts();
    drop_nominated(&mut head.headers);
    let upgrades = to_origin(&mut head, CLIENT, &HeaderValue::from_static("origin:3000"));
    (head.headers, upgrades)
}

#[test]
fn fields_of_this_hop_end_here() {
    let (headers, upgrades) = forwarded(
        Request::get("/")
            .header("connection", "close, x-hop")
            .header("connection", "x-other")
            .header("keep-alive", "timeout=5")
            .header("proxy-connection", "keep-alive")
            .header("proxy-authorization", "Basic eA==")
            .header("transfer-encoding", "chunked")
            .header("te", "gzip, trailers;q=0.5")
            .header("x-hop", "1")
            .header("x-other", "1")
            .header("x-end", "1"),
    );
    let mut names: Vec<_> = headers.keys().map(HeaderName::as_str).collect();
    names.sort_unstable();
    let ours = [
        "forwarded",
        "via",
        "x-end",
        "x-forwarded-for",
        "x-forwarded-proto",
    ];
    assert_eq!(names, ours);
    assert!(!upgrades);
}

#[test]
fn trailers_may_still_be_asked_for() {
    let (headers, _) = forwarded(Request::get("/").header("te", "deflate, Trailers"));
    assert_eq!(headers[TE], "trailers");
    assert_eq!(headers[CONNECTION], "te");
}

#[test]
fn the_client_cannot_drop_host() {
    let request = Request::get("/")
        .header("host", "a.example")
        .header("connection", "host, a");
    assert_eq!(forwarded(request).0[HOST], "a.example");
}

#[test]
fn the_client_is_added_to_the_chain() {
    let request = Request::get("/")
        .header("host", "a.example")
        .header("x-forwarded-for", "198.51.100.1")
        .header("x-forwarded-for", "198.51.100.2")
        .header("via", "1.0 fred");
    let (headers, _) = forwarded(request);
    assert_eq!(
        headers[X_FORWARDED_FOR],
        "198.51.100.1, 198.51.100.2, 192.0.2.7"
    );
    assert_eq!(headers[X_FORWARDED_HOST], "a.example");
    assert_eq!(
        headers[FORWARDED],
        "for=192.0.2.7;proto=http;host=\"a.example\""
    );
    let via: Vec<_> = headers.get_all(VIA).iter().collect();
    assert_eq!(via, ["1.0 fred", "1.1 bellwether"]);
}

#[test]
fn a_host_that_only_stands_in_is_no_forwarded_host() {
    let (headers, _) = forwarded(Request::get("/").header("host", "origin:3000"));
    assert!(!headers.contains_key(X_FORWARDED_HOST));
    assert_eq!(headers[FORWARDED], "for=192.0.2.7;proto=http");
}

#[test]
fn what_the_key_does_not_hold_is_not_the_clients_to_say() {
    let request = Request::get("/")
        .header("forwarded", "host=evil.example")
        .header("x-forwarded-host", "evil.example")
        .header("x-original-url", "/evil");
    let (headers, _) = forwarded(request);
    assert!(
        headers
            .values()
            .all(|value| !value.to_str().unwrap().contains("evil"))
    );
}

#[test]
fn what_else_some_origins_act_on_is_not_the_clients_to_say() {
    let claims = [
        "front-end-https",
        "x-forwarded-method",
        "x-forwarded-path",
        "x-forwarded-ssl",
        "x-forwarded-uri",
    ];
    for name in claims {
        for method in ["GET", "POST"] {
            let request = Request::builder().method(method).header(name, "1");
            assert!(!forwarded(request).0.contains_key(name), "{method} {name}");
        }
    }
}

#[test]
fn a_request_that_reads_cannot_ask_for_another_method() {
    for name in [
        "x-http-method",
        "x-http-method-override",
        "x-method-override",
    ] {
        for (method, kept) in [("GET", false), ("HEAD", false), ("POST", true)] {
            let request = Request::builder().method(method).header(name, "DELETE");
            let found = forwarded(request).0.contains_key(name);
            assert_eq!(found, kept, "{method} {name}");
        }
    }
}

#[test]
fn an_upgrade_passes_and_h2c_does_not() {
    let ask = |protocol| {
        let request = Request::get("/").header("connection", "keep-alive, Upgrade");
        forwarded(request.header("upgrade", protocol))
    };
    let (headers, upgrades) = ask("websocket");
    assert!(upgrades && headers[UPGRADE] == "websocket" && headers[CONNECTION] == "upgrade");
    let (headers, upgrades) = ask("h2c");
    assert!(!upgrades && !headers.contains_key(UPGRADE) && !headers.contains_key(CONNECTION));
}

#[test]
fn responses_lose_their_hop_too() {
    let response = http::Response::builder()
        .header("connection", "x-hop")
        .header("x-hop", "1")
        .header("keep-alive", "timeout=5")
        .header("upgrade", "h2")
        .header("trailer", "x-sum")
        .body(());
    let (mut head, ()) = response.unwrap().into_parts();
    to_client(&mut head, false);
    let mut names: Vec<_> = head.headers.keys().map(HeaderName::as_str).collect();
    names.sort_unstable();
    assert_eq!(names, ["trailer", "via"]);
}

fn varied(vary: &'static str) -> Vec<HeaderValue> {
    let response = http::Response::builder().header("vary", vary).body(());
    let (mut head, ()) = response.unwrap().into_parts();
    to_client(&mut head, false);
    head.headers.get_all("vary").iter().cloned().collect()
}

#[test]
fn an_answer_by_what_only_the_origin_saw_is_not_for_the_cache() {
    for vary in [
        "X-Forwarded-For",
        "accept-encoding, x-forwarded-for",
        "forwarded,accept",
        "Via",
        "connection",
        "Upgrade",
        "te",
    ] {
        assert_eq!(varied(vary), [vary, "*"]);
    }
}

/// The origin sees these as the same for all who share a key, whatever the client says.
#[test]
fn an_answer_by_what_the_key_settles_may_be_stored() {
    for vary in [
        "accept-encoding",
        "host, x-forwarded-host",
        "X-Forwarded-Proto",
        "x-original-url",
    ] {
        assert_eq!(varied(vary), [vary]);
    }
}
