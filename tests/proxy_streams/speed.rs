//! What may not be stored is as fast with the cache as without.

use std::sync::Arc;

use crate::curl::{self, HTTP1, HTTP2};
use crate::memory::MIB;
use crate::origin::{self, Origin};
use crate::support::proxy::Proxy;
use crate::turn;

/// Short, so that there can be many pairs: on a busy machine single ones say little.
const LENGTH: u64 = 64 * MIB;
const ROUNDS: usize = 6;
const BLOCKS: usize = 5;
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
    for (what, version) in [("HTTP/1.1", HTTP1), ("HTTP/2", HTTP2)] {
        let mut ratios = Vec::new();
        // What falls short by chance is judged again, by more pairs.
        for blocks in [BLOCKS, 3 * BLOCKS] {
            for _ in 0..blocks {
                ratios.extend(block(version, &origin).await);
            }
            if median(&mut ratios) >= LEAST {
                break;
            }
        }
        let median = median(&mut ratios);
        println!("{what}: {median:.3} of the speed without the cache, pairs {ratios:.2?}");
        assert!(median >= LEAST, "{what}: {median:.3}, pairs {ratios:.2?}");
    }
}

/// Some pairs between two new processes: of the same program one may be faster for as long as it
/// lives, by where its threads and buffers happen to be.
async fn block(version: &str, origin: &Origin) -> Vec<f64> {
    let cached = Proxy::spawn(&["--origin", &origin.url()]).await;
    let passing = Proxy::spawn(&["--origin", &origin.url(), "--passthrough"]).await;
    // Also what makes the cache know that the page is nobody else's.
    seconds(version, &cached).await;
    seconds(version, &passing).await;
    let mut ratios = Vec::new();
    for round in 0..ROUNDS {
        let (with, without);
        if round % 2 == 0 {
            with = seconds(version, &cached).await;
            without = seconds(version, &passing).await;
        } else {
            without = seconds(version, &passing).await;
            with = seconds(version, &cached).await;
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
