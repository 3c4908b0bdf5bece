//! `RedisTier` over TLS, with an authority made for the occasion.

use std::net::{Ipv4Addr, TcpListener};
use std::path::Path;

use bellwether::shared::*;
use rcgen::{BasicConstraints, CertificateParams, DnType, IsCa, Issuer, KeyPair, KeyUsagePurpose};

use crate::claims;
use crate::support::faults::{call, store};
use crate::support::proxy::Proxy;
use crate::support::redis_bench::RedisBench;
use crate::support::redis_server::{RedisServer, run, try_run};
use crate::support::{SECOND, rights, until, within};

/// One that vouches for servers and clients.
struct Authority {
    issuer: Issuer<'static, KeyPair>,
    pem: String,
}

impl Authority {
    fn new() -> Self {
        let key = KeyPair::generate().unwrap();
        let mut params = CertificateParams::new([]).unwrap();
        params
            .distinguished_name
            .push(DnType::CommonName, "authority");
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.key_usages = vec![KeyUsagePurpose::KeyCertSign];
        let pem = params.self_signed(&key).unwrap().pem();
        let issuer = Issuer::new(params, key);
        Self { issuer, pem }
    }

    /// A certificate and its key.
    fn vouch_for(&self, name: &str) -> (String, String) {
        let key = KeyPair::generate().unwrap();
        let mut params = CertificateParams::new([name.to_owned()]).unwrap();
        // Of its own, else OpenSSL takes it for one that vouches for itself.
        params.distinguished_name.push(DnType::CommonName, name);
        let certificate = params.signed_by(&key, &self.issuer).unwrap();
        (certificate.pem(), key.serialize_pem())
    }
}

/// A server that asks for a certificate if `strict`, and the port where it speaks TLS.
fn server(authority: &Authority, strict: bool) -> (RedisServer, u16, tempfile::TempDir) {
    let clients = if strict { "yes" } else { "no" };
    server_with(authority, &["--tls-auth-clients", clients])
}

fn server_with(authority: &Authority, more: &[&str]) -> (RedisServer, u16, tempfile::TempDir) {
    let dir = tempfile::tempdir().unwrap();
    let (port, set) = settings(authority, dir.path());
    let words = set.iter();
    let words = words.flat_map(|(name, value)| [format!("--{name}"), value.clone()]);
    let words: Vec<_> = words.collect();
    let mut options: Vec<_> = words.iter().map(String::as_str).collect();
    options.extend(more);
    (RedisServer::with(&options), port, dir)
}

/// What a server is to be told to speak TLS, its files in `dir`, and the port.
fn settings(authority: &Authority, dir: &Path) -> (u16, [(&'static str, String); 4]) {
    let (certificate, key) = authority.vouch_for("127.0.0.1");
    let file = |name: &str, text: &str| {
        let path = dir.join(name);
        std::fs::write(&path, text).unwrap();
        path.into_os_string().into_string().unwrap()
    };
    // Below 55536: the bus of a cluster has a port that is larger by 10000.
    let free = || TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    let ports = std::iter::repeat_with(|| free().local_addr().unwrap().port());
    let port = { ports }.find(|port| *port < 55_536).unwrap();
    let set = [
        ("tls-cert-file", file("cert", &certificate)),
        ("tls-key-file", file("key", &key)),
        ("tls-ca-cert-file", file("ca", &authority.pem)),
        ("tls-port", port.to_string()),
    ];
    (port, set)
}

fn url(port: u16) -> String {
    format!("rediss://127.0.0.1:{port}")
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_contract_holds_over_tls_with_certificates_on_both_sides() {
    let authority = Authority::new();
    let (server, port, dir) = server(&authority, true);
    let (certificate, key) = authority.vouch_for("node");
    let builder = RedisTier::builder(&url(port))
        .ca_certificate(authority.pem.as_str())
        .client_certificate(certificate, key);
    let ours = [server.url()];
    claims::in_turn!(RedisBench::with((server, dir), builder, &ours).await);
}

#[tokio::test]
async fn a_server_that_nobody_we_trust_vouches_for_is_not_used() {
    let (authority, stranger) = (Authority::new(), Authority::new());
    let (_server, port, _dir) = server(&authority, false);
    let tier = async |pem: &str| {
        let builder = RedisTier::builder(&url(port)).ca_certificate(pem);
        builder.connect().await.expect("no error")
    };
    assert!(!tier(&stranger.pem).await.is_up());
    // Either of two will do.
    let both = stranger.pem.clone() + &authority.pem;
    let trusted = tier(&both).await;
    assert!(trusted.is_up());
    assert_eq!(call(&trusted).await, Ok(false));
    // By another name it is another server.
    let named = RedisTier::builder(&format!("rediss://localhost:{port}"));
    let named = named.ca_certificate(authority.pem.as_str());
    assert!(!named.connect().await.expect("no error").is_up());
}

#[tokio::test]
async fn a_server_that_asks_for_a_certificate_gets_one_or_is_not_used() {
    let authority = Authority::new();
    let (_server, port, _dir) = server(&authority, true);
    let bare = RedisTier::builder(&url(port)).ca_certificate(authority.pem.as_str());
    let tier = bare.clone().connect().await.expect("no error");
    assert!(!tier.is_up());
    let (certificate, _) = authority.vouch_for("node");
    let (_, other_key) = authority.vouch_for("other");
    for (key, named) in [
        ("s3cret", "private key in PEM"),
        (&other_key, "cannot be used"),
    ] {
        let wrong = bare.clone().client_certificate(certificate.as_str(), key);
        assert!(!format!("{wrong:?}").contains("s3cret"));
        let error = wrong.connect().await.expect_err(named);
        assert!(
            error.is_config() && error.to_string().contains(named),
            "{error}"
        );
        assert!(!format!("{error} {error:?}").contains("s3cret"));
    }
}

#[tokio::test]
async fn certificates_for_a_plain_connection_are_a_slip() {
    let authority = Authority::new();
    let builder = RedisTier::builder("redis://a").ca_certificate(authority.pem);
    let error = builder.connect().await.expect_err("a slip");
    assert!(
        error.is_config() && error.to_string().contains("rediss"),
        "{error}"
    );
}

#[tokio::test]
async fn the_proxy_takes_its_certificates_from_files() {
    let authority = Authority::new();
    let (_server, port, dir) = server(&authority, true);
    let (certificate, key) = authority.vouch_for("node");
    for (name, text) in [("node", certificate), ("node-key", key)] {
        std::fs::write(dir.path().join(name), text).unwrap();
    }
    let file = |name: &str| dir.path().join(name).to_str().unwrap().to_owned();
    let (url, ca, certificate, key) = (url(port), file("ca"), file("node"), file("node-key"));
    let flags = ["--redis", &url, "--redis-ca", &ca];
    let identity = ["--redis-cert", &certificate, "--redis-key", &key];
    let proxy = Proxy::spawn(&[flags, identity].concat()).await;
    until("the server is in use", || {
        proxy
            .stderr()
            .contains(&format!("rediss://127.0.0.1:{port}/0 is in use"))
    })
    .await;
    // What is wrong is said in words.
    let stranger = Authority::new();
    std::fs::write(dir.path().join("stranger"), stranger.pem).unwrap();
    let stranger = file("stranger");
    let proxy = Proxy::spawn(&["--redis", &url, "--redis-ca", &stranger]).await;
    until("the server is not trusted", || {
        proxy.stderr().contains("peer certificate")
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_cluster_is_reached_over_tls_at_the_ports_that_it_names() {
    let authority = Authority::new();
    let words = "--cluster-enabled yes --cluster-node-timeout 2000 --tls-cluster yes \
                 --tls-auth-clients no";
    let words: Vec<_> = words.split(' ').collect();
    let nodes: Vec<_> = (0..3).map(|_| server_with(&authority, &words)).collect();
    let mut create = std::process::Command::new("redis-cli");
    create
        .args(["--tls", "--cacert"])
        .arg(nodes[0].2.path().join("ca"));
    create.args(["--cluster", "create"]);
    create.args(nodes.iter().map(|(_, port, _)| format!("127.0.0.1:{port}")));
    let created = create.arg("--cluster-yes").output().unwrap();
    assert!(created.status.success(), "{created:?}");
    for (node, ..) in &nodes {
        let serves = async {
            let info = async || run::<String>(node, &["CLUSTER", "INFO"]).await;
            while !info().await.contains("cluster_state:ok") {
                tokio::time::sleep(SECOND / 50).await;
            }
        };
        within("the cluster to agree", serves).await;
    }
    let url = url(nodes[0].1).replace("rediss", "rediss+cluster");
    let tier = RedisTier::builder(&url).ca_certificate(authority.pem.as_str());
    let tier = tier.connect().await.expect("no error");
    // On all three of them, most likely.
    for _ in 0..30 {
        store(&tier, "b").await;
    }
    for (node, ..) in &nodes {
        assert!(run::<u64>(node, &["DBSIZE"]).await > 0, "{tier:?}");
    }
}

/// How many connections of a tier there are, by its user.
async fn connections(server: &RedisServer) -> usize {
    let list: String = run(server, &["CLIENT", "LIST"]).await;
    let ours = list.lines().filter(|line| line.contains("user=bellwether"));
    ours.count()
}

#[tokio::test]
async fn a_sentinel_and_the_masters_that_it_names_are_reached_over_tls() {
    let (authority, stranger) = (Authority::new(), Authority::new());
    // Among themselves, too: so what the sentinel names are the ports for TLS.
    let mut words = vec!["--tls-auth-clients", "no", "--tls-replication", "yes"];
    words.extend(["--user", "bellwether"]);
    words.extend(rights("bellwether"));
    let (master, port, _master) = server_with(&authority, &words);
    let text = port.to_string();
    words.extend(["--replicaof", "127.0.0.1", &text]);
    let (replica, _, _replica) = server_with(&authority, &words);
    let watch = |voucher: &Authority| {
        let dir = tempfile::tempdir().unwrap();
        let (port, set) = settings(voucher, dir.path());
        let mut file = format!("sentinel monitor mymaster 127.0.0.1 {text} 1\n");
        file += "tls-auth-clients no\ntls-replication yes\n";
        for (name, value) in set {
            file += &format!("{name} {value}\n");
        }
        // It has to reach the servers, whoever vouches for itself.
        let trusted = dir.path().join("ca");
        std::fs::write(trusted, authority.pem.clone() + &voucher.pem).unwrap();
        let url = format!("rediss+sentinel://bellwether:PASSWORD@127.0.0.1:{port}/mymaster");
        (RedisServer::sentinel(&file), url, dir)
    };
    let connect = async |url: &str| {
        let builder = RedisTier::builder(url).ca_certificate(authority.pem.as_str());
        builder.connect().await.expect("no error")
    };
    {
        // Nobody that we trust vouches for this one, so it is not asked.
        let (_strange, url, _dir) = watch(&stranger);
        assert!(!connect(&url).await.is_up());
    }
    let (sentinel, url, _dir) = watch(&authority);
    let tier = connect(&url).await;
    assert!(tier.is_up());
    store(&tier, "b").await;
    assert_eq!(
        (connections(&master).await, connections(&replica).await),
        (2, 0)
    );

    let failed_over = async {
        while try_run::<()>(&sentinel, &["SENTINEL", "FAILOVER", "mymaster"])
            .await
            .is_err()
        {
            tokio::time::sleep(SECOND / 20).await;
        }
        while connections(&replica).await != 2 || !tier.is_up() {
            tokio::time::sleep(SECOND / 20).await;
        }
    };
    within("the failover", failed_over).await;
    let before: u64 = run(&replica, &["DBSIZE"]).await;
    store(&tier, "c").await;
    assert!(run::<u64>(&replica, &["DBSIZE"]).await > before);
    assert_eq!(connections(&master).await, 0);
}
