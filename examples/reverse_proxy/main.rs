//! A caching reverse proxy on bellwether's public API.
//!
//! `cargo run --release --example reverse_proxy` starts a demo and says what to try; `--help` has
//! the rest ([`flags`] lists the settings, [`rules`] reads those of the file). One request's way
//! through the modules: [`server`] accepts its connection, [`front`] settles which site it is for
//! ([`host`]) and asks the cache; on a miss the cache asks [`origin`], which puts the fields of
//! this hop in order ([`forward`]) and sends it on, with its body ([`upload`]). What becomes a
//! tunnel ([`websocket`], [`tunnel`]) takes the same way.

mod admin;
mod args;
mod check;
mod demo;
mod flags;
mod forward;
mod front;
mod host;
mod last_words;
mod linger;
mod origin;
mod purge;
mod rarely;
mod rules;
mod server;
mod settings;
mod tier;
mod tunnel;
mod units;
mod upload;
mod websocket;

use std::io::{IsTerminal as _, Write as _};
use std::net::SocketAddr;
use std::process::ExitCode;
use std::sync::Arc;

use bellwether::{Cache, Error};
use http::HeaderValue;
use tikv_jemallocator::Jemalloc;
use tokio::net::TcpListener;
use tower::Layer as _;
use tracing_subscriber::EnvFilter;

use admin::Admin;
use args::{Asked, Given};
use front::Front;
use host::Site;
use origin::{Origin, Upstream};
use purge::Purger;
use settings::Settings;
use tier::Tier;

/// A cache is small things that live long among large ones that do not. The allocator of glibc keeps
/// the gaps between them: with it, an entry takes twice the memory. What this one gives back to the
/// system, and when, is set in `.cargo/config.toml`.
#[global_allocator]
static ALLOCATOR: Jemalloc = Jemalloc;

/// Why the proxy cannot start, in one line.
#[derive(Debug)]
pub(crate) struct Failure {
    code: u8,
    line: String,
}

impl Failure {
    /// What was asked for is wrong: code 2.
    pub(crate) fn usage(line: impl Into<String>) -> Self {
        let line = line.into();
        Self { code: 2, line }
    }

    /// What was asked for cannot be done here and now: code 1.
    pub(crate) fn start(line: impl Into<String>) -> Self {
        let line = line.into();
        Self { code: 1, line }
    }

    pub(crate) fn of_cache(error: &Error, what: &str) -> Self {
        let source = std::error::Error::source(error);
        let source = source
            .map(|source| format!(": {source}"))
            .unwrap_or_default();
        let line = format!("{what}{error}{source}");
        if error.is_config() {
            Self::usage(line)
        } else {
            Self::start(line)
        }
    }
}

#[tokio::main]
async fn main() -> ExitCode {
    match run().await {
        Ok(code) => code,
        Err(Failure { code, line }) => {
            eprintln!("error: {}", line.replace('\n', " "));
            ExitCode::from(code)
        }
    }
}

async fn run() -> Result<ExitCode, Failure> {
    let given = match args::read(std::env::args_os())? {
        Asked::Serve(given) => given,
        Asked::Check(given) => return check(&given).await,
        Asked::Print(text) => {
            let _ = write!(std::io::stdout(), "{text}");
            return Ok(ExitCode::SUCCESS);
        }
    };
    let settings = Settings::read(&given)?;
    start_log("warn,bellwether=info,reverse_proxy=info");

    let name = name(&settings);
    let cache = if settings.passthrough {
        tracing::info!("passthrough: nothing is cached, and what concerns the cache is ignored");
        None
    } else {
        let (cache, tier) = build_cache(&settings, &name).await?;
        tier.into_iter().for_each(tier::report_soon);
        Some(cache)
    };
    let listener = server::bind(settings.listen, "--listen").await?;
    let address = listener
        .local_addr()
        .map_err(|error| Failure::start(error.to_string()))?;
    let admin = match settings.admin {
        Some(admin) => Some(server::bind(admin, "--admin").await?),
        None => None,
    };
    let (target, demo) = match settings.origin {
        Some(target) => (target, false),
        None => (demo::start().await?, true),
    };
    let upstream = Arc::new(Upstream::new(target));
    let host = upstream.target().host.clone();
    if Site::new(address, host.clone()).names_node(host.as_bytes()) {
        let line = format!(
            "--origin: {} is this proxy's own address",
            upstream.target().authority
        );
        return Err(Failure::usage(line));
    }
    if let Some(listener) = admin {
        let admin = Admin::new(cache.clone(), Site::new(address, host.clone()));
        tokio::spawn(admin.serve(listener));
    }
    announce(address);
    if demo {
        demo::explain(address, upstream.target());
    }

    match cache {
        Some(cache) => {
            let purger = Arc::new(Purger::new(cache.clone(), settings.purge));
            serve_cached(listener, &cache, &purger, &upstream, &host, name).await;
        }
        None => serve_uncached(listener, &upstream, &host).await,
    }
    Ok(ExitCode::SUCCESS)
}

/// `--check`: nothing is opened that others could come in by.
async fn check(given: &Given) -> Result<ExitCode, Failure> {
    let settings = Settings::read(given)?;
    // What there is to say is in the report.
    start_log("error");
    let tier = if settings.passthrough {
        None
    } else {
        let (_, tier) = build_cache(&settings, &name(&settings)).await?;
        tier
    };
    let checked = check::check(&settings, &given.file, tier.as_ref()).await?;
    let mut stdout = std::io::stdout();
    let _ = writeln!(stdout, "{}", checked.lines.join("\n")).and_then(|()| stdout.flush());
    Ok(ExitCode::from(u8::from(checked.problem)))
}

/// The name in `Cache-Status`.
fn name(settings: &Settings) -> String {
    match &settings.node {
        Some(node) => format!("bellwether/{node}"),
        None => "bellwether".to_owned(),
    }
}

async fn serve_cached(
    listener: TcpListener,
    cache: &Cache,
    purger: &Arc<Purger>,
    upstream: &Arc<Upstream>,
    host: &HeaderValue,
    name: String,
) {
    // Leaked once: every request has it at hand without counting references.
    let name: &'static str = name.leak();
    let layer = cache.layer();
    let front = |client: SocketAddr, local: SocketAddr| {
        let origin = Origin::new(Arc::clone(upstream), client.ip());
        let site = Site::new(local, host.clone());
        Front::new(layer.layer(origin), site, Some(name)).purging(Arc::clone(purger), client.ip())
    };
    server::serve(listener, front, stopped()).await;
}

/// `--passthrough`: the same, but for the cache.
async fn serve_uncached(listener: TcpListener, upstream: &Arc<Upstream>, host: &HeaderValue) {
    let front = |client: SocketAddr, local: SocketAddr| {
        let origin = Origin::new(Arc::clone(upstream), client.ip());
        Front::new(origin, Site::new(local, host.clone()), None)
    };
    server::serve(listener, front, stopped()).await;
}

async fn stopped() {
    if let Err(error) = server::stop_signal().await {
        tracing::warn!(%error, "signals cannot be waited for");
        std::future::pending::<()>().await;
    }
}

async fn build_cache(settings: &Settings, name: &str) -> Result<(Cache, Option<Tier>), Failure> {
    let builder = Cache::builder()
        .local_capacity(settings.local_capacity)
        .max_body_size(settings.max_body_size)
        .fill_capacity(settings.fill_capacity)
        .shared_max_body_size(settings.shared_max_body_size)
        .name(name);
    let builder = settings.caching.apply(builder);
    let (builder, tier) = match &settings.redis {
        Some(redis) => {
            let tier = Tier::connect(redis).await?;
            (tier.share(builder), Some(tier))
        }
        None => (builder, None),
    };
    let cache = builder.build();
    let cache = cache.map_err(|error| Failure::of_cache(&error, ""))?;
    Ok((cache, tier))
}

fn start_log(default: &str) {
    let filter = EnvFilter::try_from_default_env().unwrap_or_else(|_| EnvFilter::new(default));
    tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(std::io::stderr)
        .with_ansi(std::io::stderr().is_terminal())
        .init();
}

/// The one line on stdout. Who does not listen to it any more is not our trouble.
fn announce(address: SocketAddr) {
    let mut stdout = std::io::stdout();
    let _ = writeln!(stdout, "listening on http://{address}").and_then(|()| stdout.flush());
}
