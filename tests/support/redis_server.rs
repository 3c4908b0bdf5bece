//! A real `redis-server` of one's own, on a free loopback port, without persistence.

use std::io::{Read, Write};
use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

/// One server. It ends with this value.
#[derive(Debug)]
pub struct RedisServer {
    port: u16,
    /// The text of the configuration file, if it has one.
    file: Option<String>,
    options: Vec<String>,
    /// What is set in its environment.
    environment: Vec<(&'static str, PathBuf)>,
    child: Option<Child>,
    dir: tempfile::TempDir,
}

impl RedisServer {
    /// Starts one and waits until it answers.
    pub fn start() -> Self {
        Self::with(&[])
    }

    /// Starts one with more options, as on the command line.
    pub fn with(options: &[&str]) -> Self {
        let rest = ["--save", "", "--appendonly", "no"];
        Self::of(None, &[&rest, options].concat(), 65_535)
    }

    /// Starts a sentinel with this configuration.
    pub fn sentinel(file: &str) -> Self {
        Self::of(Some(file.to_owned()), &["--sentinel"], 65_535)
    }

    /// Starts one with this set in its environment.
    pub fn start_in(environment: &[(&'static str, PathBuf)]) -> Self {
        let options = ["--save", "", "--appendonly", "no"];
        Self::all(None, &options, 65_535, environment)
    }

    /// Starts one with a configuration file or without, on a port of at most `highest`.
    pub fn of(file: Option<String>, options: &[&str], highest: u16) -> Self {
        Self::all(file, options, highest, &[])
    }

    fn all(
        file: Option<String>,
        options: &[&str],
        highest: u16,
        environment: &[(&'static str, PathBuf)],
    ) -> Self {
        // The port is free when it is asked for; whoever is faster makes us ask for another.
        for _ in 0..200 {
            let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("a free port");
            let port = listener.local_addr().expect("bound").port();
            drop(listener);
            if port > highest {
                continue;
            }
            let mut server = Self {
                port,
                file: file.clone(),
                options: options.iter().map(ToString::to_string).collect(),
                environment: environment.to_vec(),
                child: None,
                dir: tempfile::tempdir().expect("a temporary directory"),
            };
            if server.launch() {
                return server;
            }
        }
        panic!("redis-server did not start on any of 200 ports");
    }

    /// The URL of database 0.
    pub fn url(&self) -> String {
        format!("redis://127.0.0.1:{}", self.port)
    }

    pub fn port(&self) -> u16 {
        self.port
    }

    /// Where it runs.
    pub fn dir(&self) -> &std::path::Path {
        self.dir.path()
    }

    /// Freezes it: it keeps its connections and answers nothing.
    pub fn stop(&self) {
        self.signal(Signal::SIGSTOP);
    }

    /// Ends the freeze.
    pub fn cont(&self) {
        self.signal(Signal::SIGCONT);
    }

    /// Kills it, as a crash would.
    pub fn kill(&mut self) {
        if let Some(mut child) = self.child.take() {
            child.kill().expect("our own child can be killed");
            child.wait().expect("our own child can be waited for");
        }
    }

    /// Starts it again on the same port, empty.
    pub fn restart(&mut self) {
        self.kill();
        for _ in 0..20 {
            if self.launch() {
                return;
            }
        }
        panic!("redis-server did not start again on port {}", self.port);
    }

    fn signal(&self, signal: Signal) {
        let child = self.child.as_ref().expect("it runs");
        let pid = i32::try_from(child.id()).expect("a pid");
        kill(Pid::from_raw(pid), signal).expect("our own child takes signals");
    }

    fn launch(&mut self) -> bool {
        let mut command = Command::new("redis-server");
        if let Some(file) = &self.file {
            let path = self.dir.path().join("conf");
            std::fs::write(&path, file).expect("a file in a directory of our own");
            command.arg(path);
        }
        let child = command
            .args(["--port", &self.port.to_string(), "--bind", "127.0.0.1"])
            .args(["--daemonize", "no"])
            .arg("--dir")
            .arg(self.dir.path())
            .args(&self.options)
            .envs(self.environment.iter().cloned())
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap_or_else(|error| {
                panic!("cannot run redis-server ({error}): apt-get install redis-server")
            });
        self.child = Some(child);
        for _ in 0..500 {
            if ping(self.port) {
                return true;
            }
            let child = self.child.as_mut().expect("just started");
            if child.try_wait().expect("our own child").is_some() {
                break;
            }
            std::thread::sleep(Duration::from_millis(10));
        }
        self.kill();
        false
    }
}

fn ping(port: u16) -> bool {
    let Ok(mut stream) = TcpStream::connect((Ipv4Addr::LOCALHOST, port)) else {
        return false;
    };
    let second = Some(Duration::from_secs(1));
    stream.set_read_timeout(second).expect("a timeout");
    let mut reply = [0; 5];
    stream.write_all(b"PING\r\n").is_ok()
        && stream.read_exact(&mut reply).is_ok()
        // One that wants a password first is up, too, and one that loads says so.
        && [b"+PONG", b"-NOAU", b"-LOAD"].contains(&&reply)
}

impl Drop for RedisServer {
    fn drop(&mut self) {
        // Also ends a frozen one: no process can hold SIGKILL off.
        self.kill();
    }
}

/// Runs one command on a connection of its own.
pub async fn run<T: redis::FromRedisValue>(server: &RedisServer, words: &[&str]) -> T {
    try_run(server, words).await.expect("a reply")
}

/// The same, where it may fail.
pub async fn try_run<T: redis::FromRedisValue>(
    server: &RedisServer,
    words: &[&str],
) -> redis::RedisResult<T> {
    let client = redis::Client::open(server.url()).expect("a URL");
    let mut link = client.get_multiplexed_async_connection().await?;
    let mut cmd = redis::cmd(words[0]);
    for word in &words[1..] {
        cmd.arg(word);
    }
    cmd.query_async(&mut link).await
}
