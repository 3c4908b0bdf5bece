//! The one list of what there is to set.
//!
//! The names in the environment and in the file follow from it, so that none of the three can fall
//! behind: `--default-ttl`, `BELLWETHER_DEFAULT_TTL`, `default_ttl`.

use clap::{Command, CommandFactory, Parser};

/// An HTTP cache in front of a slow origin: one request refreshes, all others are served.
#[derive(Debug, Parser)]
#[command(name = "reverse_proxy", version, max_term_width = 100, after_help = AFTER)]
struct Flags {
    /// The server to protect: http://HOST[:PORT] or https://HOST[:PORT].
    /// Default: a built-in slow demo origin, to try things out
    #[arg(long, value_name = "URL")]
    origin: Option<String>,

    /// Where to serve; port 0 takes a free one. Default: 127.0.0.1:8080
    #[arg(long, value_name = "ADDR")]
    listen: Option<String>,

    /// The Redis or Valkey that joins several nodes into a fleet: redis://USER:PASSWORD@HOST:PORT/DB
    /// (user, port and database may be left out), redis+unix:///PATH?db=0,
    /// redis+sentinel://HOST,HOST/MASTER, redis+cluster://HOST,HOST; rediss... encrypts.
    /// Default: none, the cache of this process is complete without it
    #[arg(long, value_name = "URL")]
    redis: Option<String>,

    /// Who vouches for a rediss server, in PEM. Default: the certificates of the system
    #[arg(long, value_name = "FILE")]
    redis_ca: Option<String>,

    /// The certificate that is shown to a rediss server, in PEM. Default: none
    #[arg(long, value_name = "FILE")]
    redis_cert: Option<String>,

    /// The key of that certificate, in PEM
    #[arg(long, value_name = "FILE")]
    redis_key: Option<String>,

    /// The lifetime of responses about which the origin says nothing.
    /// Default: none; they are not stored, but for a guess by Last-Modified
    #[arg(long, value_name = "TIME")]
    default_ttl: Option<String>,

    /// The lifetime of responses with these statuses where the origin says nothing:
    /// "404=10s, 500-599=1s". The first that holds counts, and beats --default-ttl.
    /// An error that one client met is then everyone's for that long. Default: none
    #[arg(long, value_name = "LIST")]
    status_ttl: Option<String>,

    /// How long past its freshness a response may be served while one request refreshes it,
    /// where the origin itself does not say. Default: 0s
    #[arg(long, value_name = "TIME")]
    grace: Option<String>,

    /// How long past its freshness a response may be served when the origin answers with an
    /// error, where the origin itself does not say. Default: as long as --grace
    #[arg(long, value_name = "TIME")]
    stale_if_error: Option<String>,

    /// The same for when the origin cannot be reached at all. Default: 60s
    #[arg(long, value_name = "TIME")]
    stale_if_unreachable: Option<String>,

    /// How long what can no longer be served is kept, for the origin to confirm it without a
    /// body. Default: 60s
    #[arg(long, value_name = "TIME")]
    keep: Option<String>,

    /// What becomes of responses that set cookies: "refuse" does not store them, "strip" stores
    /// them without (nobody gets the cookies), "share" gives everyone the same. Default: refuse
    #[arg(long, value_name = "WORD")]
    set_cookie: Option<String>,

    /// The response fields that count in place of Cache-Control, most applicable first (RFC 9213).
    /// Default: CDN-Cache-Control
    #[arg(long, value_name = "LIST")]
    targets: Option<String>,

    /// Obeys no-cache, max-age=0 and their like in requests: every client can then send the
    /// origin as many requests as it likes. Default: false
    #[arg(long, value_name = "BOOL")]
    honor_request_directives: Option<String>,

    /// How long the origin may take for the head of a response, and between two pieces of its
    /// body. Default: 30s
    #[arg(long, value_name = "TIME")]
    fetch_timeout: Option<String>,

    /// Memory for the entries of this process. Default: 256MiB
    #[arg(long, value_name = "SIZE")]
    local_capacity: Option<String>,

    /// The largest response body that is stored; larger ones pass through. Default: 8MiB
    #[arg(long, value_name = "SIZE")]
    max_body_size: Option<String>,

    /// Memory for all bodies together that are being fetched to be stored; in a rush they wait for
    /// their turn. At least as much as --max-body-size. Default: 64MiB
    #[arg(long, value_name = "SIZE")]
    fill_capacity: Option<String>,

    /// The largest response body that is shared by way of Redis; a larger one is fetched by each
    /// node that needs it. Default: 1MiB
    #[arg(long, value_name = "SIZE")]
    shared_max_body_size: Option<String>,

    /// Where to serve GET /health, GET /stats, POST /purge?uri=URL, POST /soft-purge?uri=URL and
    /// POST /purge-all. Whoever reaches it may purge. Default: closed
    #[arg(long, value_name = "ADDR")]
    admin: Option<String>,

    /// Opens the method PURGE to whoever sends this as "Authorization: Bearer TOKEN". Better set
    /// as BELLWETHER_PURGE_TOKEN, or in the file: command lines are seen by others.
    /// Default: closed
    #[arg(long, value_name = "TOKEN")]
    purge_token: Option<String>,

    /// Opens it to whoever connects from these addresses or networks, as "127.0.0.1, 10.0.0.0/8".
    /// Default: closed
    #[arg(long, value_name = "LIST")]
    purge_from: Option<String>,

    /// The name of this node, shown in Cache-Status as bellwether/NAME. Default: none
    #[arg(long, value_name = "NAME")]
    node: Option<String>,

    /// Takes the cache out of the way and forwards everything, to compare or to rule the cache out.
    /// What concerns the cache is then ignored: Redis is not connected to, and of --admin only
    /// /health is left. Default: false
    #[arg(long, value_name = "BOOL", num_args = 0..=1, default_missing_value = "true")]
    passthrough: Option<String>,

    /// A TOML file with any of the above, dashes written as underscores: grace = "30s", and with
    /// rules for some requests only: see examples/reverse_proxy/proxy.toml
    #[arg(long, value_name = "FILE")]
    config: Option<String>,

    /// Does not serve. Checks all settings, asks the origin for the head of its first page, and
    /// looks at the Redis: whether it can be reached, permits what is needed, and is set up well.
    /// Says on stdout what it found, and for each problem the cure. Exit code: 0 if there is no
    /// problem (advice is none), 1 if there is one, 2 if a setting cannot be used
    #[arg(long)]
    check: bool,
}

/// What is no setting: only the command line has it.
pub(crate) const CHECK: &str = "check";

const AFTER: &str = "\
A flag beats its BELLWETHER_... variable, which beats the file.
TIME is a number and a unit: 500ms, 30s, 2m, 1h 30m. SIZE: 65536 (bytes), 64KiB, 256MiB, 1GiB.
A LIST is separated by commas. BOOL is true or false.
RUST_LOG sets what is logged to stderr; its default is warn,bellwether=info,reverse_proxy=info.
Once ready, one line goes to stdout: listening on http://ADDR. SIGTERM drains for up to 30 s.
With --redis, what --check says of it is logged at each start; nothing waits for that.

Examples:
  reverse_proxy
      the demo: starts a slow origin, prints what to try
  reverse_proxy --origin http://127.0.0.1:3000 --grace 30s
      protect a server, and answer with a stale page rather than let anybody wait
  reverse_proxy --origin http://app:3000 --listen 0.0.0.0:80 --redis redis://redis:6379 --node a
      one node of a fleet: all nodes together ask the origin once
  reverse_proxy --config proxy.toml --check
      before it goes live: is everything there, and as it should be?";

/// One setting.
#[derive(Debug)]
pub(crate) struct Setting {
    /// As the file spells it.
    pub(crate) name: String,
    /// What kind of value it takes: `TIME`, `LIST`...
    pub(crate) kind: String,
}

/// All settings.
pub(crate) fn settings() -> Vec<Setting> {
    let command = Flags::command();
    let arguments = command.get_arguments();
    let settings = arguments.filter(|arg| arg.get_id() != CHECK).map(|arg| {
        let kind = arg.get_value_names().and_then(|names| names.first());
        Setting {
            name: arg.get_id().to_string(),
            kind: kind.map(ToString::to_string).unwrap_or_default(),
        }
    });
    settings.collect()
}

/// The variable of a setting.
pub(crate) fn variable(name: &str) -> String {
    format!("BELLWETHER_{}", name.to_uppercase())
}

/// The flag of a setting.
pub(crate) fn flag(name: &str) -> String {
    format!("--{}", name.replace('_', "-"))
}

/// The command line, with the variables.
pub(crate) fn command() -> Command {
    Flags::command().mut_args(|arg| {
        if arg.get_id() == CHECK {
            return arg;
        }
        // Leaked once a process: clap keeps names for as long as it lives.
        let name: &'static str = variable(arg.get_id().as_str()).leak();
        arg.env(name).hide_env_values(true)
    })
}
