//! The servers that people would otherwise put there, configured as they would for this.

use std::fs;
use std::process::Command;

use crate::server::Server;
use crate::support::{find, free_address, has_cmake, locked, memory_dir, peer, version};

/// What is measured, by name. `None`: it is not installed.
pub(crate) struct Peer {
    pub(crate) name: &'static str,
    pub(crate) version: String,
    pub(crate) server: Option<Server>,
}

const PEERS: &str = include_str!("../peers/Cargo.lock");

/// A server of this build, and the package that says its version.
pub(crate) fn ours(name: &'static str, package: &str, server: Server) -> Peer {
    Peer {
        name,
        version: locked(include_str!("../../Cargo.lock"), package),
        server: Some(server),
    }
}

/// A lock for each key, stale pages served, all in memory.
pub(crate) fn pingora(origin: &str) -> Peer {
    if !has_cmake() {
        return missing("pingora");
    }
    let address = free_address();
    let mut command = Command::new(peer("pingora"));
    command.args([origin, &address]);
    Peer {
        name: "pingora",
        version: locked(PEERS, "pingora"),
        server: Some(Server::silent(command, address, None)),
    }
}

/// The fastest of the caches that are Tower layers too.
pub(crate) fn tower_http_cache(origin: &str) -> Peer {
    Peer {
        name: "tower-http-cache",
        version: locked(PEERS, "tower-http-cache"),
        server: Some(Server::start(tower_http_cache_command(origin))),
    }
}

pub(crate) fn tower_http_cache_command(origin: &str) -> Command {
    let mut command = Command::new(peer("tower_http_cache"));
    command.args([origin, "3600", "60"]);
    command
}

/// nginx with its cache on a file system in memory; with `sendfile`, as its documents advise, and
/// without, which costs it less for what is small.
pub(crate) fn nginx(origin: &str, sendfile: bool) -> Peer {
    let name = match sendfile {
        true => "nginx, sendfile",
        false => "nginx",
    };
    let Some(binary) = find("nginx") else {
        return missing(name);
    };
    let (dir, address) = (memory_dir(), free_address());
    let config = NGINX
        .replace("{address}", &address)
        .replace("{origin}", origin)
        .replace("{sendfile}", if sendfile { "on" } else { "off" });
    fs::write(dir.path().join("nginx.conf"), config).expect("a file can be written");
    let mut command = Command::new(&binary);
    command.arg("-p").arg(dir.path()).args(["-c", "nginx.conf"]);
    Peer {
        name,
        version: version(&binary, "-v"),
        server: Some(Server::silent(command, address, Some(dir))),
    }
}

/// Varnish with its defaults, in memory.
pub(crate) fn varnish(origin: &str) -> Peer {
    let name = "Varnish";
    let Some(binary) = find("varnishd") else {
        return missing(name);
    };
    let (dir, address) = (memory_dir(), free_address());
    let (host, port) = origin.split_once(':').expect("host:port");
    let vcl = VARNISH.replace("{host}", host).replace("{port}", port);
    let file = dir.path().join("bench.vcl");
    fs::write(&file, vcl).expect("a file can be written");
    let mut command = Command::new(&binary);
    command
        .args(["-F", "-j", "none", "-s", "malloc,256m", "-a", &address])
        .arg("-n")
        .arg(dir.path().join("varnish"))
        .arg("-f")
        .arg(&file);
    Peer {
        name,
        version: version(&binary, "-V"),
        server: Some(Server::silent(command, address, Some(dir))),
    }
}

const NGINX: &str = "\
daemon off;
worker_processes 1;
pid nginx.pid;
error_log stderr crit;
events { worker_connections 1024; }
http {
    access_log off;
    sendfile {sendfile};
    keepalive_requests 1000000000;
    keepalive_timeout 600s;
    client_body_temp_path body;
    proxy_temp_path proxy;
    fastcgi_temp_path fastcgi;
    uwsgi_temp_path uwsgi;
    scgi_temp_path scgi;
    proxy_cache_path cache keys_zone=bench:10m max_size=1g inactive=1h use_temp_path=off;
    upstream origin { server {origin}; keepalive 8; }
    server {
        listen {address};
        location / {
            proxy_pass http://origin;
            proxy_http_version 1.1;
            proxy_set_header Connection \"\";
            proxy_cache bench;
            proxy_cache_lock on;
            proxy_cache_use_stale updating;
            proxy_cache_background_update on;
        }
    }
}
";

const VARNISH: &str = "\
vcl 4.1;
backend default { .host = \"{host}\"; .port = \"{port}\"; }
";

fn missing(name: &'static str) -> Peer {
    Peer {
        name,
        version: "not installed".to_owned(),
        server: None,
    }
}
