//! The shortest way: a cache in front of an axum router. `curl -i http://127.0.0.1:3000/` twice.

use std::time::Duration;

use axum::{Router, http::header, response::IntoResponse, routing::get};
use bellwether::{Cache, MIB};

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let cache = Cache::builder()
        .local_capacity(64 * MIB)
        .grace(Duration::from_secs(30))
        .build()?;
    let app = Router::new().route("/", get(home)).layer(cache.layer());

    let listener = tokio::net::TcpListener::bind("127.0.0.1:3000").await?;
    println!("listening on http://{}", listener.local_addr()?);
    axum::serve(listener, app).await?;
    Ok(())
}

/// Slow, so that it shows: ask many times at once, it runs once.
async fn home() -> impl IntoResponse {
    tokio::time::sleep(Duration::from_secs(1)).await;
    println!("home() ran");
    ([(header::CACHE_CONTROL, "max-age=5")], "hello\n")
}
