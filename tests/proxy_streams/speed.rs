//! What may not be stored is as fast with the cache as without.

use std::sync::Arc;

use crate::curl::{self, HTTP1, HTTP2};
use crate::memory::MIB;
use crate::origin::{self, Origin};
use crate::support::proxy::Proxy;
use crate::turn;

const LENGTH: u64 = 256 * MIB;
const ROUNDS: usize = 9;
/// Of the speed without the cache, that with it.
const LEAST: f64 = 0.9;

/// Both proxies run at once and take turns, so that whatever else the machine does meets both; of
/// the ratios of all pairs the one in the middle counts.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_uncacheable_download_is_as_fast_as_without_the_cache() {
    let _turn = turn::alone().await;
    let origin = Origin::start(|_, _| {
        let response = origin::download(LENGTH, &Arc::default());
        async move { response }
    })
    .await;
    let cached = Proxy::spawn(&["--origin", &origin.url()]).await;
    let passing = Proxy::spawn(&["--origin", &origin.url(), "--passthrough"]).await;
    for (what, version) in [("HTTP/1.1", HTTP1), ("HTTP/2", HTTP2)] {
        // Also what makes the cache know that the page is nobody else's.
        seconds(version, &cached).await;
        seconds(version, &passing).await;
        let mut ratios = rounds(ROUNDS, version, &cached, &passing).await;
        if median(&mut ratios) < LEAST {
            // By chance, if it is one: of more pairs less likely.
            ratios.extend(rounds(2 * ROUNDS, version, &cached, &passing).await);
        }
        let median = median(&mut ratios);
        println!("{what}: {median:.3} of the speed without the cache, pairs {ratios:.2?}");
        assert!(median >= LEAST, "{what}: {median:.3}, pairs {ratios:.2?}");
    }
}

async fn rounds(count: usize, version: &str, cached: &Proxy, passing: &Proxy) -> Vec<f64> {
    let mut ratios = Vec::new();
    for round in 0..count {
        let (with, without);
        if round % 2 == 0 {
            with = seconds(version, cached).await;
            without = seconds(version, passing).await;
        } else {
            without = seconds(version, passing).await;
            with = seconds(version, cached).await;
        }
        ratios.push(without / with);
    }
    ratios
}

fn median(ratios: &mut [f64]) -> f64 {
    ratios.sort_by(f64::total_cmp);
    ratios[ratios.len() / 2]
}

async fn seconds(version: &str, proxy: &Proxy) -> f64 {
    let url = format!("{}/large", proxy.url());
    let told = "%{size_download} %{time_total}";
    let got = curl::run(&[version, "-o", "/dev/null", "-w", told, &url]).await;
    let (size, seconds) = got.text().split_once(' ').expect("two numbers");
    assert_eq!(size, LENGTH.to_string());
    seconds.parse().expect("a number")
}
