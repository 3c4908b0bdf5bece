//! The processes of one run: nodes, and a Redis where they share one.

use std::fs;
use std::io::{BufRead, BufReader, Read, Write};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use tempfile::TempDir;

use crate::redis_server::RedisServer;
use crate::scenario::Mode;
use crate::support::{example, find, free_address, has_cmake, memory_dir, peer};

/// One node.
struct Node {
    child: Child,
    address: String,
    admin: Option<String>,
    _dir: Option<TempDir>,
}

pub(crate) struct Fleet {
    nodes: Vec<Node>,
    pub(crate) redis: Option<RedisServer>,
}

/// What nodes are run from.
#[derive(Clone)]
pub(crate) struct Programs {
    pub(crate) proxy: PathBuf,
    pub(crate) tower_http_cache: Option<PathBuf>,
    pub(crate) pingora: Option<PathBuf>,
    /// For tower-http-cache, which has to be told.
    pub(crate) fresh: Option<u64>,
}

impl Programs {
    /// Builds what these modes need.
    pub(crate) fn build(modes: &[Mode]) -> Self {
        let built = |mode, name| modes.contains(&mode).then(|| peer(name));
        Self {
            proxy: example("reverse_proxy"),
            tower_http_cache: built(Mode::TowerHttpCache, "tower_http_cache"),
            pingora: built(Mode::Pingora, "pingora"),
            fresh: None,
        }
    }

    fn peer(of: Option<&PathBuf>) -> Command {
        Command::new(of.expect("it was built"))
    }
}

/// Whether what a mode needs is installed.
pub(crate) fn is_there(mode: Mode) -> bool {
    match mode {
        Mode::Nginx => find("nginx").is_some(),
        Mode::Varnish => find("varnishd").is_some(),
        Mode::Pingora => has_cmake(),
        _ => true,
    }
}

impl Fleet {
    /// `origin`: where the pages come from.
    pub(crate) fn start(mode: Mode, nodes: usize, programs: &Programs, origin: &str) -> Self {
        let redis = mode.has_redis().then(RedisServer::start);
        let url = redis.as_ref().map(RedisServer::url);
        let node = |_| match mode {
            Mode::Plain => {
                let this = std::env::current_exe().expect("this program");
                let mut command = Command::new(this);
                command.args(["--plain", origin]);
                Node::telling(command, None)
            }
            Mode::TowerHttpCache => {
                let mut command = Programs::peer(programs.tower_http_cache.as_ref());
                command.args([origin, &programs.fresh.unwrap_or(0).to_string(), "60"]);
                Node::telling(command, None)
            }
            Mode::Pingora => {
                let address = free_address();
                let mut command = Programs::peer(programs.pingora.as_ref());
                command.args([origin, &address]);
                Node::silent(command, address, None)
            }
            Mode::Nginx => nginx(origin),
            Mode::Varnish => varnish(origin),
            Mode::None | Mode::Process | Mode::Lease | Mode::Stale => {
                let admin = free_address();
                let mut command = Command::new(&programs.proxy);
                command
                    .env("TOKIO_WORKER_THREADS", "1")
                    .args(["--origin", &format!("http://{origin}")])
                    .args(["--listen", "127.0.0.1:0", "--admin", &admin]);
                match &url {
                    Some(url) => command.args(["--redis", url]),
                    None if mode == Mode::None => command.arg("--passthrough"),
                    None => &mut command,
                };
                Node::telling(command, Some(admin))
            }
        };
        Self {
            nodes: (0..nodes).map(node).collect(),
            redis,
        }
    }

    pub(crate) fn addresses(&self) -> Vec<String> {
        self.nodes.iter().map(|node| node.address.clone()).collect()
    }

    /// Kills one, as a crash would.
    pub(crate) fn kill(&mut self, node: usize) {
        let child = &mut self.nodes[node].child;
        child.kill().expect("our own child can be killed");
        child.wait().expect("our own child can be waited for");
    }

    /// Has everything purged, by the first node; again, if Redis was not there to hear of it.
    pub(crate) async fn purge_all(&self) {
        let admin = self.nodes[0].admin.clone().expect("it is one of ours");
        loop {
            let admin = admin.clone();
            let asked = tokio::task::spawn_blocking(move || post(&admin, "/purge-all"));
            let answer = asked.await.expect("no panic");
            if answer.expect("the admin port answers").contains("200 OK") {
                return;
            }
        }
    }
}

fn post(address: &str, path: &str) -> std::io::Result<String> {
    let mut stream = std::net::TcpStream::connect(address)?;
    write!(
        stream,
        "POST {path} HTTP/1.1\r\nhost: {address}\r\nconnection: close\r\n\r\n"
    )?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer)?;
    Ok(answer)
}

impl Node {
    /// One that says where it listens.
    fn telling(mut command: Command, admin: Option<String>) -> Self {
        let mut child = command
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .expect("the node starts");
        let mut line = String::new();
        let stdout = child.stdout.take().expect("piped");
        BufReader::new(stdout)
            .read_line(&mut line)
            .expect("it says where it listens");
        let address = line
            .trim()
            .trim_start_matches("listening on http://")
            .to_owned();
        assert!(address.contains(':'), "it listens: {line:?}");
        Self {
            child,
            address,
            admin,
            _dir: None,
        }
    }

    /// One that says nothing: it is ready once it can be connected to.
    fn silent(mut command: Command, address: String, dir: Option<TempDir>) -> Self {
        let child = command
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .expect("the node starts");
        let node = Self {
            child,
            address,
            admin: None,
            _dir: dir,
        };
        for _ in 0..1_000 {
            if std::net::TcpStream::connect(&node.address).is_ok() {
                return node;
            }
            std::thread::sleep(Duration::from_millis(10));
        }
        panic!("{command:?} does not listen at {}", node.address);
    }
}

impl Drop for Node {
    fn drop(&mut self) {
        // Asked, not forced: those with children of their own end them too.
        if let (Ok(None), Ok(pid)) = (self.child.try_wait(), i32::try_from(self.child.id())) {
            let _ = kill(Pid::from_raw(pid), Signal::SIGTERM);
        }
        for _ in 0..300 {
            if !matches!(self.child.try_wait(), Ok(None)) {
                return;
            }
            std::thread::sleep(Duration::from_millis(10));
        }
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

pub(crate) const NGINX: &str = "\
daemon off;
worker_processes 1;
pid nginx.pid;
error_log stderr crit;
events { worker_connections 8192; }
http {
    access_log off;
    keepalive_requests 1000000000;
    client_body_temp_path body;
    proxy_temp_path proxy;
    fastcgi_temp_path fastcgi;
    uwsgi_temp_path uwsgi;
    scgi_temp_path scgi;
    proxy_cache_path cache keys_zone=bench:50m max_size=1g inactive=1h use_temp_path=off;
    upstream origin { server {origin}; keepalive 64; }
    server {
        listen {address};
        location / {
            proxy_pass http://origin;
            proxy_http_version 1.1;
            proxy_set_header Connection \"\";
            proxy_cache bench;
            proxy_cache_lock on;
            proxy_cache_use_stale updating error timeout http_503;
            proxy_cache_background_update on;
        }
    }
}
";

fn nginx(origin: &str) -> Node {
    let (dir, address) = (memory_dir(), free_address());
    let config = NGINX
        .replace("{address}", &address)
        .replace("{origin}", origin);
    fs::write(dir.path().join("nginx.conf"), config).expect("a file can be written");
    let mut command = Command::new(find("nginx").expect("it is there"));
    command.arg("-p").arg(dir.path()).args(["-c", "nginx.conf"]);
    Node::silent(command, address, Some(dir))
}

pub(crate) const VARNISH: &str = "\
vcl 4.1;
backend default { .host = \"{host}\"; .port = \"{port}\"; }
sub vcl_backend_response {
    # It reads stale-while-revalidate as grace by itself.
    if (beresp.status == 503 && bereq.is_bgfetch) { return (abandon); }
}
";

fn varnish(origin: &str) -> Node {
    let (dir, address) = (memory_dir(), free_address());
    let (host, port) = origin.split_once(':').expect("host:port");
    let vcl = VARNISH.replace("{host}", host).replace("{port}", port);
    let file = dir.path().join("bench.vcl");
    fs::write(&file, vcl).expect("a file can be written");
    let mut command = Command::new(find("varnishd").expect("it is there"));
    command
        .args(["-F", "-j", "none", "-s", "malloc,256m", "-a", &address])
        .arg("-n")
        .arg(dir.path().join("varnish"))
        .arg("-f")
        .arg(&file);
    Node::silent(command, address, Some(dir))
}
