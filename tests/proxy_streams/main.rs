//! What is too long to be kept flows through the proxy: uploads, downloads, events, tunnels.
//!
//! One file per claim. The proxy is a process of its own, and most clients are `curl`. Nothing here
//! needs Redis. The memory of the proxy is read from `/proc`, hence Linux.
#![cfg(target_os = "linux")]

#[path = "../support/mod.rs"]
mod support;

mod curl;
mod downloads;
mod duplex;
mod events;
mod expect;
mod memory;
mod origin;
mod passthrough;
mod pattern;
mod refusals;
mod slow_clients;
mod speed;
mod stalled_origin;
mod trailers;
mod turn;
mod uploads;
mod websocket;
