//! A download that may not be stored passes through, and is kept nowhere.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use crate::curl::{self, HTTP1, HTTP2};
use crate::memory::{MIB, Memory};
use crate::origin::{self, Origin};
use crate::support::proxy::Proxy;
use crate::turn;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_large_download_leaves_the_memory_flat() {
    const LENGTH: u64 = 1024 * MIB;
    let _turn = turn::shared().await;
    let made = Arc::new(AtomicU64::new(0));
    let origin = Origin::start({
        let made = Arc::clone(&made);
        move |request, _| {
            let length = if request.uri().path() == "/warm" {
                1
            } else {
                LENGTH
            };
            let response = origin::download(length, &made);
            async move { response }
        }
    })
    .await;
    for (what, version) in [("HTTP/1.1", HTTP1), ("HTTP/2", HTTP2)] {
        let proxy = Proxy::spawn(&["--origin", &origin.url()]).await;
        let warm = format!("{}/warm", proxy.url());
        curl::run(&[version, "-o", "/dev/null", &warm]).await.text();
        let memory = Memory::of(&proxy);
        made.store(0, Ordering::Relaxed);
        // The first leads, and learns that it is nobody else's; the second knows.
        for round in ["first", "second"] {
            let url = format!("{}/large", proxy.url());
            let size = ["-o", "/dev/null", "-w", "%{http_code} %{size_download}"];
            let args = [&[version][..], &size, &[&url]].concat();
            let got = curl::run(&args).await;
            assert_eq!(got.text(), format!("200 {LENGTH}"), "{what}, {round}");
        }
        assert_eq!(made.load(Ordering::Relaxed), 2 * LENGTH);
        memory.assert_flat(&format!("2 times 1 GiB down, {what}"));
    }
}
