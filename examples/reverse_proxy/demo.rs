//! A slow origin to try things out with, for want of a real one.

use std::collections::HashMap;
use std::convert::Infallible;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use http::{HeaderValue, Request, Response, header};
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use tokio::net::TcpListener;
use tokio::time::sleep;

use crate::Failure;
use crate::server::bind;
use crate::settings::Target;

const LATENCY: Duration = Duration::from_millis(300);

/// How often each page was made.
type Counters = Arc<Mutex<HashMap<String, u64>>>;

/// Starts the demo origin on a free loopback port.
pub(crate) async fn start() -> Result<Target, Failure> {
    let listener = bind((Ipv4Addr::LOCALHOST, 0).into(), "the demo origin").await?;
    let address = listener
        .local_addr()
        .map_err(|error| Failure::start(error.to_string()))?;
    tokio::spawn(serve(listener));
    Target::parse(&format!("http://{address}")).map_err(Failure::start)
}

async fn serve(listener: TcpListener) {
    let counters = Counters::default();
    loop {
        let Ok((stream, _)) = listener.accept().await else {
            sleep(Duration::from_millis(50)).await;
            continue;
        };
        let counters = Arc::clone(&counters);
        let service = service_fn(move |request| answer(request, Arc::clone(&counters)));
        let connection = http1::Builder::new().serve_connection(TokioIo::new(stream), service);
        tokio::spawn(connection);
    }
}

async fn answer(
    request: Request<Incoming>,
    counters: Counters,
) -> Result<Response<String>, Infallible> {
    let path = request.uri().path();
    let count = {
        let mut counters = counters.lock().unwrap_or_else(PoisonError::into_inner);
        let count = counters.entry(path.to_owned()).or_default();
        *count += 1;
        *count
    };
    sleep(LATENCY).await;
    let cache_control = if path == "/nostore" {
        "no-store"
    } else {
        "max-age=5, stale-while-revalidate=30"
    };
    let mut response = Response::new(format!("{path}: copy {count}, made by the origin\n"));
    let headers = response.headers_mut();
    let plain = HeaderValue::from_static("text/plain; charset=utf-8");
    headers.insert(header::CONTENT_TYPE, plain);
    headers.insert(
        header::CACHE_CONTROL,
        HeaderValue::from_static(cache_control),
    );
    Ok(response)
}

/// Says what to try, on stderr: stdout is for scripts.
pub(crate) fn explain(proxy: SocketAddr, origin: &Target) {
    let origin = &origin.authority;
    eprintln!(
        "\
No --origin given, so here is a demo. Its origin, http://{origin}, takes 300 ms a page;
pages are fresh for 5 s, and may then be served stale for 30 s while one request refreshes them.

Try in another terminal:
  seq 200 | xargs -P 50 -I_ curl -s http://{proxy}/ | sort | uniq -c
      200 clients, and the origin made the page once
  curl -i http://{proxy}/
      Cache-Status says who answered: a hit, and its time to live. Again after 5 s: answered
      at once with the stale page, while one request fetches the new one
  curl -i http://{proxy}/nostore
      may not be stored: every client gets its own, and none waits for another

Ctrl-C ends it. With a server of your own: --origin http://127.0.0.1:3000 (more in --help)"
    );
}
