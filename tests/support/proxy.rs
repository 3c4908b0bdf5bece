//! `reverse_proxy` as a process.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Output, Stdio};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use tokio::io::{AsyncBufReadExt, AsyncReadExt, BufReader, Lines};
use tokio::process::{Child, ChildStdout, Command};

use super::client::Client;
use super::within;

/// A running proxy. Dropping it kills the process.
#[derive(Debug)]
pub(crate) struct Proxy {
    child: Child,
    pid: Pid,
    address: SocketAddr,
    stdout: Lines<BufReader<ChildStdout>>,
    stderr: Arc<Mutex<String>>,
}

impl Proxy {
    /// Starts a proxy on a free port and waits until it is ready.
    pub(crate) async fn spawn(args: &[&str]) -> Self {
        let mut command = command();
        command.args(args);
        Self::start(command).await
    }

    /// Starts a proxy from a command that [`command`] began.
    pub(crate) async fn start(mut command: Command) -> Self {
        command.stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn().expect("the proxy can be started");
        let pid = child.id().expect("it has not been waited for");
        let stdout = child.stdout.take().expect("stdout is piped");
        let stderr = collect(&mut child);
        let mut stdout = BufReader::new(stdout).lines();
        let line = within("the line that says ready", stdout.next_line()).await;
        let line = line.expect("stdout is text");
        let address = line
            .as_deref()
            .and_then(|line| line.strip_prefix("listening on http://"));
        let Some(address) = address else {
            let said = stderr
                .lock()
                .unwrap_or_else(PoisonError::into_inner)
                .clone();
            panic!("the proxy is not ready; stdout: {line:?}, stderr: {said}");
        };
        let address = address.parse().expect("the line ends with an address");
        let pid = Pid::from_raw(pid.try_into().expect("a pid is an i32"));
        Self {
            child,
            pid,
            address,
            stdout,
            stderr,
        }
    }

    /// The process.
    pub(crate) fn pid(&self) -> Pid {
        self.pid
    }

    /// Where it listens.
    pub(crate) fn address(&self) -> SocketAddr {
        self.address
    }

    /// `http://host:port`.
    pub(crate) fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// A client with connections of its own.
    pub(crate) fn client(&self) -> Client {
        Client::new(self.url())
    }

    /// What it has written to stderr so far.
    pub(crate) fn stderr(&self) -> String {
        self.stderr
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }

    /// SIGTERM: please end.
    pub(crate) fn terminate(&self) {
        self.signal(Signal::SIGTERM);
    }

    /// SIGKILL: it is gone, whatever it did.
    pub(crate) fn kill(&self) {
        self.signal(Signal::SIGKILL);
    }

    /// SIGSTOP: frozen, with its connections open.
    pub(crate) fn stop(&self) {
        self.signal(Signal::SIGSTOP);
    }

    /// SIGCONT: goes on where it was.
    pub(crate) fn cont(&self) {
        self.signal(Signal::SIGCONT);
    }

    fn signal(&self, signal: Signal) {
        kill(self.pid, signal).expect("the process has not been waited for");
    }

    /// Waits for its end: the exit code, and what else came on stdout.
    pub(crate) async fn end(mut self) -> (Option<i32>, Vec<String>) {
        let status = within("the end of the proxy", self.child.wait()).await;
        let mut lines = Vec::new();
        while let Ok(Some(line)) = self.stdout.next_line().await {
            lines.push(line);
        }
        (status.expect("a child can be waited for").code(), lines)
    }
}

/// A command for the proxy on a free port, untouched by the environment of the tests.
pub(crate) fn command() -> Command {
    let mut command = Command::new(binary());
    for (name, _) in std::env::vars_os() {
        if name.to_string_lossy().starts_with("BELLWETHER_") || name == "RUST_LOG" {
            command.env_remove(name);
        }
    }
    command
        .env("BELLWETHER_LISTEN", "127.0.0.1:0")
        .kill_on_drop(true);
    command
}

/// Runs the proxy where it is expected to end by itself.
pub(crate) async fn run(command: &mut Command) -> Output {
    let output = within("a proxy that should not serve", command.output()).await;
    output.expect("the proxy can be started")
}

/// Runs it, expects it to refuse in one line, and gives that line.
pub(crate) async fn refusal(command: &mut Command, code: i32) -> String {
    let output = run(command).await;
    let stderr = String::from_utf8(output.stderr).expect("stderr is text");
    assert_eq!(output.status.code(), Some(code), "{stderr}");
    assert_eq!(stderr.lines().count(), 1, "one line: {stderr}");
    assert!(stderr.starts_with("error: "), "{stderr}");
    assert!(output.stdout.is_empty());
    stderr
}

fn binary() -> &'static Path {
    static BINARY: OnceLock<PathBuf> = OnceLock::new();
    BINARY.get_or_init(|| example("reverse_proxy"))
}

/// Next to this test in `target`: `<profile>/deps/test-hash` and `<profile>/examples/NAME`.
pub(crate) fn example(name: &str) -> PathBuf {
    let test = std::env::current_exe().expect("a test knows its own path");
    let profile = test.ancestors().nth(2);
    let profile = profile.expect("tests are built into <profile>/deps");
    build(profile, name);
    let file = format!("{name}{}", std::env::consts::EXE_SUFFIX);
    let binary = profile.join("examples").join(file);
    assert!(
        binary.exists(),
        "there is no {}: run `cargo build --example {name}` first",
        binary.display()
    );
    binary
}

/// Brings the binary up to date, which `cargo test --test NAME` leaves undone: a test of the proxy
/// as it was yesterday proves nothing. Costs a fraction of a second when there is nothing to do.
fn build(profile: &Path, name: &str) {
    let Some(cargo) = std::env::var_os("CARGO") else {
        return;
    };
    let mut command = std::process::Command::new(cargo);
    command.args(["build", "--quiet", "--example", name]);
    command.current_dir(env!("CARGO_MANIFEST_DIR"));
    // What cargo tells a test about its package would look to build scripts like a changed world,
    // and everything would be built anew.
    for (name, _) in std::env::vars_os() {
        let text = name.to_string_lossy();
        let about = [
            "CARGO_PKG_",
            "CARGO_MANIFEST_",
            "CARGO_BIN_",
            "CARGO_CRATE_",
            "CARGO_PRIMARY_",
        ];
        if about.iter().any(|about| text.starts_with(about)) {
            command.env_remove(name);
        }
    }
    if let Some(target) = profile.parent() {
        command.arg("--target-dir").arg(target);
    }
    if profile.ends_with("release") {
        command.arg("--release");
    }
    if cfg!(not(feature = "redis")) {
        command.arg("--no-default-features");
    }
    if cfg!(feature = "tls") {
        command.args(["--features", "tls"]);
    }
    let output = command.output().expect("cargo can be started");
    let why = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{name} cannot be built:\n{why}");
}

/// Reads stderr all the time: a full pipe would block the proxy.
fn collect(child: &mut Child) -> Arc<Mutex<String>> {
    let mut pipe = child.stderr.take().expect("stderr is piped");
    let text = Arc::new(Mutex::new(String::new()));
    let shared = Arc::clone(&text);
    tokio::spawn(async move {
        let mut buffer = [0; 4096];
        while let Ok(count @ 1..) = pipe.read(&mut buffer).await {
            let read = String::from_utf8_lossy(&buffer[..count]);
            shared
                .lock()
                .unwrap_or_else(PoisonError::into_inner)
                .push_str(&read);
        }
    });
    text
}
