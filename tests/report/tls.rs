//! Over TLS, and with TLS on one side only.

use std::net::{Ipv4Addr, TcpListener};

use bellwether::shared::{RedisTier, Report};

use crate::support::redis_server::RedisServer;
use crate::{no_problem, problem, report};

/// A server whose certificate vouches for itself, and that certificate; and its two ports.
struct Encrypted {
    server: RedisServer,
    port: u16,
    pem: String,
    _dir: tempfile::TempDir,
}

impl Encrypted {
    fn start(clients: &str) -> Self {
        let made = rcgen::generate_simple_self_signed(["127.0.0.1".to_owned()]).unwrap();
        let (pem, key) = (made.cert.pem(), made.signing_key.serialize_pem());
        let dir = tempfile::tempdir().unwrap();
        let file = |name: &str, text: &str| {
            let path = dir.path().join(name);
            std::fs::write(&path, text).unwrap();
            path.into_os_string().into_string().unwrap()
        };
        let (pem_file, key_file) = (file("cert", &pem), file("key", &key));
        let free = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        let port = free.local_addr().unwrap().port();
        drop(free);
        let text = port.to_string();
        let server = RedisServer::with(&[
            "--tls-cert-file",
            &pem_file,
            "--tls-key-file",
            &key_file,
            "--tls-ca-cert-file",
            &pem_file,
            "--tls-port",
            &text,
            "--tls-auth-clients",
            clients,
        ]);
        Self {
            server,
            port,
            pem,
            _dir: dir,
        }
    }

    async fn trusted(&self, url: &str) -> Report {
        let tier = RedisTier::builder(url).ca_certificate(self.pem.as_str());
        tier.connect().await.unwrap().report().await
    }
}

fn says(report: &Report, words: &[&str]) {
    let line = problem(report).to_string();
    for word in words {
        assert!(line.contains(word), "{word:?} is not in {line}");
    }
}

#[tokio::test]
async fn who_is_trusted_is_described_and_who_is_not_is_a_problem_with_a_cure() {
    let there = Encrypted::start("no");
    let url = format!("rediss://127.0.0.1:{}", there.port);
    let said = there.trusted(&url).await;
    no_problem(&said);
    assert!(said.to_string().contains(", encrypted"), "{said}");
    says(&report(&url).await, &["UnknownIssuer", "--redis-ca FILE"]);
    // By a name that the certificate does not hold for.
    let named = url.replace("127.0.0.1", "localhost");
    let said = there.trusted(&named).await;
    says(&said, &["a certificate that holds for the host"]);
}

#[tokio::test]
async fn a_server_that_asks_for_a_certificate_is_said_to() {
    let there = Encrypted::start("yes");
    let url = format!("rediss://127.0.0.1:{}", there.port);
    let said = there.trusted(&url).await;
    says(&said, &["--redis-cert FILE"]);
}

#[tokio::test]
async fn tls_on_one_side_only_is_guessed() {
    let there = Encrypted::start("no");
    let plain = format!("redis://127.0.0.1:{}", there.port);
    let said = report(&plain).await;
    says(
        &said,
        &["only TLS at this port", "rediss in place of redis"],
    );
    let url = there.server.url().replace("redis://", "rediss://");
    let said = there.trusted(&url).await;
    says(&said, &["no TLS at this port", "tls-port"]);
}
