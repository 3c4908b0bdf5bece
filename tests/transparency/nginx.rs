//! A real nginx of one's own, on a free loopback port, and what it was asked.

use std::fs::File;
use std::io::ErrorKind;
use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::Mutex;
use std::time::Duration;

use crate::support::client::Client;
use crate::support::until;

const CONFIG: &str = include_str!("nginx.conf");

/// One server over the folder `files`. It ends with this value, also where a test panics.
#[derive(Debug)]
pub(crate) struct Nginx {
    port: u16,
    child: Option<Child>,
    dir: tempfile::TempDir,
    read: Mutex<Read>,
}

/// How far the access log has been read.
#[derive(Debug, Default)]
struct Read {
    bytes: usize,
    marks: usize,
}

/// One line of the access log.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Line {
    /// It came through a proxy.
    pub(crate) through: bool,
    pub(crate) method: String,
    pub(crate) status: u16,
    /// As it was sent.
    pub(crate) target: String,
}

impl Nginx {
    /// Serves what lies in `files`; links are followed.
    pub(crate) fn start(files: &Path) -> Self {
        // The port is free when it is asked for; whoever is faster makes us ask for another.
        for _ in 0..20 {
            let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("a free port");
            let port = listener.local_addr().expect("bound").port();
            drop(listener);
            let mut server = Self {
                port,
                child: None,
                dir: tempfile::tempdir().expect("a temporary directory"),
                read: Mutex::default(),
            };
            if server.launch(files) {
                return server;
            }
        }
        panic!("nginx did not start on any of 20 ports");
    }

    /// `http://host:port`.
    pub(crate) fn url(&self) -> String {
        format!("http://127.0.0.1:{}", self.port)
    }

    /// What was asked since the last time.
    ///
    /// One process with one loop writes the log, a line as soon as the last byte of an answer is
    /// out. So with the line of a request that begins now, those of all before it are there.
    pub(crate) async fn asked(&self, client: &Client) -> Vec<Line> {
        let (from, mark) = {
            let mut read = self.read.lock().expect("nobody panics with it");
            read.marks += 1;
            (read.bytes, format!("/mark/{}", read.marks))
        };
        client.get(&mark).await;
        let mut lines = Vec::new();
        let mut length = 0;
        until("nginx has written its log", || {
            let log = std::fs::read(self.dir.path().join("access.log")).expect("a log");
            length = log.len();
            let text = String::from_utf8_lossy(&log[from..]);
            lines = text.lines().filter_map(Line::parse).collect();
            text.ends_with('\n') && lines.last().is_some_and(|line| line.target == mark)
        })
        .await;
        lines.pop();
        self.read.lock().expect("nobody panics with it").bytes = length;
        lines
    }

    fn launch(&mut self, files: &Path) -> bool {
        let dir = self.dir.path();
        let config = CONFIG
            .replace("{port}", &self.port.to_string())
            .replace("{files}", files.to_str().expect("a plain path"));
        std::fs::write(dir.join("nginx.conf"), config).expect("a configuration");
        let said = File::create(dir.join("stderr.log")).expect("a log");
        let child = Command::new(binary())
            .arg("-p")
            .arg(dir)
            .args(["-c", "nginx.conf"])
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(said)
            .spawn();
        self.child = Some(child.unwrap_or_else(|error| {
            assert!(error.kind() != ErrorKind::NotFound, "{MISSING}");
            panic!("cannot run nginx: {error}")
        }));
        for _ in 0..500 {
            let child = self.child.as_mut().expect("just started");
            if child.try_wait().expect("our own child").is_some() {
                let said = |name| std::fs::read_to_string(dir.join(name)).unwrap_or_default();
                let said = said("stderr.log") + &said("error.log");
                assert!(said.contains("Address already in use"), "nginx: {said}");
                break;
            }
            if TcpStream::connect((Ipv4Addr::LOCALHOST, self.port)).is_ok() {
                return true;
            }
            std::thread::sleep(Duration::from_millis(10));
        }
        self.kill();
        false
    }

    fn kill(&mut self) {
        if let Some(mut child) = self.child.take() {
            child.kill().expect("our own child can be killed");
            child.wait().expect("our own child can be waited for");
        }
    }
}

impl Drop for Nginx {
    fn drop(&mut self) {
        self.kill();
    }
}

impl Line {
    fn parse(line: &str) -> Option<Self> {
        let mut words = line.split(' ');
        Some(Self {
            through: words.next()? == "proxied",
            method: words.next()?.to_owned(),
            status: words.next()?.parse().ok()?,
            target: words.next()?.to_owned(),
        })
    }
}

const MISSING: &str = "there is no nginx: apt-get install nginx-light (or nginx; dnf install nginx, \
     brew install nginx). The test starts one of its own, a service is not needed";

/// Debian puts it where users who are not root do not look.
fn binary() -> PathBuf {
    let path = std::env::var_os("PATH").unwrap_or_default();
    std::env::split_paths(&path)
        .chain([PathBuf::from("/usr/sbin"), PathBuf::from("/usr/local/sbin")])
        .map(|folder| folder.join("nginx"))
        .find(|binary| binary.exists())
        .unwrap_or_else(|| panic!("{MISSING}"))
}
