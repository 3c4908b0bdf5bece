//! A client that reads slowly holds the origin back, and is not cut off for it.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use blake3::Hasher;
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use tokio::io::AsyncReadExt;
use tokio::time::sleep;

use crate::curl::{self, HTTP1, HTTP2};
use crate::memory::{MIB, Memory};
use crate::origin::{self, Origin};
use crate::support::proxy::Proxy;
use crate::support::{until, within};
use crate::{pattern, turn};

/// What sockets of two connections and the buffers of both ends may hold on a loopback.
const UNDERWAY: u64 = 48 * MIB;

async fn stage(length: u64, more: &[&str]) -> (Origin, Proxy, Arc<AtomicU64>) {
    let made = Arc::new(AtomicU64::new(0));
    let origin = Origin::start({
        let made = Arc::clone(&made);
        move |_, _| {
            let response = origin::download(length, &made);
            async move { response }
        }
    })
    .await;
    let url = origin.url();
    let proxy = Proxy::spawn(&[&["--origin", &url][..], more].concat()).await;
    (origin, proxy, made)
}

#[tokio::test]
async fn a_slow_reader_holds_the_origin_back() {
    const LENGTH: u64 = 1024 * MIB;
    let _turn = turn::shared().await;
    for (what, version) in [("HTTP/1.1", HTTP1), ("HTTP/2", HTTP2)] {
        let (_origin, proxy, made) = stage(LENGTH, &[]).await;
        let memory = Memory::of(&proxy);
        let url = proxy.url();
        let slow = ["--limit-rate", "1M", "-o", "/dev/null"];
        let client = curl::start(&[&[version][..], &slow, &[&url]].concat());
        until("the download has begun", || {
            made.load(Ordering::Relaxed) > 0
        })
        .await;
        sleep(Duration::from_secs(2)).await;
        let made = made.load(Ordering::Relaxed);
        assert!(made < UNDERWAY, "{what}: the origin has sent {made} bytes");
        memory.assert_flat(&format!("a client at 1 MB/s, {what}"));
        drop(client);
    }
}

/// Stops for longer than the origin would be waited for, and then goes on.
#[tokio::test]
async fn a_client_that_pauses_gets_all_of_it_in_the_end() {
    const LENGTH: u64 = 96 * MIB;
    let _turn = turn::shared().await;
    for (what, version) in [("HTTP/1.1", HTTP1), ("HTTP/2", HTTP2)] {
        let (_origin, proxy, made) = stage(LENGTH, &["--fetch-timeout", "500ms"]).await;
        let memory = Memory::of(&proxy);
        let mut client = curl::start(&[version, "--limit-rate", "64M", &proxy.url()]);
        let mut output = client.stdout.take().expect("it is piped");
        let (mut length, mut hasher) = (0, Hasher::new());
        let mut buffer = vec![0; 256 << 10];
        let pid = client.id().expect("it runs");
        let pid = Pid::from_raw(pid.try_into().expect("a pid is an i32"));
        let mut paused = false;
        loop {
            let read = within("more of the download", output.read(&mut buffer)).await;
            let count = read.expect("a pipe can be read");
            if count == 0 {
                break;
            }
            hasher.update(&buffer[..count]);
            length += count as u64;
            if !paused && length > 8 * MIB {
                paused = true;
                kill(pid, Signal::SIGSTOP).expect("it runs");
                sleep(Duration::from_millis(1500)).await;
                let made = made.load(Ordering::Relaxed);
                assert!(made < LENGTH, "{what}: the pause held nothing back");
                kill(pid, Signal::SIGCONT).expect("it runs");
            }
        }
        let status = within("curl", client.wait()).await.expect("it runs");
        assert!(status.success(), "{what}: {status}");
        assert!(paused && length == LENGTH, "{what}: {length} bytes");
        assert_eq!(hasher.finalize(), pattern::hash(LENGTH), "{what}");
        memory.assert_flat(&format!("a client that pauses, {what}"));
    }
}
