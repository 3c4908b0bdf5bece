//! The reference: hyper answering a constant.

use std::convert::Infallible;
use std::future::Future;

use bytes::Bytes;
use http_body_util::Full;
use hyper::body::Incoming;
use hyper::service::{Service, service_fn};
use hyper::{Request, Response};
use hyper_util::rt::{TokioExecutor, TokioIo};
use hyper_util::server::conn::auto;
use tokio::net::{TcpListener, TcpStream};

/// Serves until killed. Prints its address when it listens.
pub(crate) fn serve(size: &str) {
    let size: usize = size.parse().expect("a size in bytes");
    let body = Bytes::from(vec![b'x'; size]);
    run(move |stream| {
        let body = body.clone();
        let service = service_fn(move |_: Request<Incoming>| {
            let body = body.clone();
            async move {
                // What an origin's answer carries at the least.
                Ok::<_, Infallible>(
                    Response::builder()
                        .header("content-type", "text/plain")
                        .header("cache-control", "max-age=3600")
                        .body(Full::new(body))
                        .expect("a response"),
                )
            }
        });
        connection(stream, service)
    });
}

/// Accepts connections, each served by a task of its own.
pub(crate) fn run<F>(serve: impl Fn(TcpStream) -> F)
where
    F: Future<Output = ()> + Send + 'static,
{
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(1)
        .enable_all()
        .build()
        .expect("a runtime");
    runtime.block_on(async {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        println!(
            "listening on http://{}",
            listener.local_addr().expect("an address")
        );
        loop {
            if let Ok((stream, _)) = listener.accept().await {
                let _ = stream.set_nodelay(true);
                tokio::spawn(serve(stream));
            }
        }
    });
}

pub(crate) async fn connection<S>(stream: TcpStream, service: S)
where
    S: Service<Request<Incoming>, Response = Response<Full<Bytes>>, Error = Infallible>,
    S::Future: Send + 'static,
{
    let builder = auto::Builder::new(TokioExecutor::new());
    let _ = builder
        .serve_connection(TokioIo::new(stream), service)
        .await;
}
