//! The processes of a run. Each is killed when its handle is dropped; should this process be killed
//! itself, the scripts see their stdin end, and end as well, the client together with the proxy.

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use tokio::io::{AsyncBufReadExt, AsyncReadExt, BufReader};
use tokio::process::{Child, ChildStdin, Command};

use crate::support::within;

/// A run takes a minute. One that takes this long hangs.
const PATIENCE: Duration = Duration::from_secs(300);

/// A server as a process.
#[derive(Debug)]
pub(crate) struct Server {
    name: &'static str,
    child: Child,
    /// Held open for as long as it is to run: the first wait would close it.
    _stdin: Option<ChildStdin>,
    url: String,
    log: PathBuf,
}

impl Server {
    /// Starts a server that says on its first line of stdout where it is `listening on`. Its stderr
    /// goes to a file in `folder`.
    pub(crate) async fn start(name: &'static str, command: &mut Command, folder: &Path) -> Self {
        let log = folder.join(format!("{name}.log"));
        let stderr = File::create(&log).expect("the folder takes files");
        command
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(stderr)
            .kill_on_drop(true);
        let mut child = command.spawn().expect("the server can be started");
        let stdout = child.stdout.take().expect("stdout is piped");
        let mut stdout = BufReader::new(stdout);
        let mut line = String::new();
        let read = stdout.read_line(&mut line);
        within("the line that says ready", read)
            .await
            .expect("stdout is text");
        let url = line
            .split_whitespace()
            .find(|word| word.starts_with("http"));
        let Some(url) = url.map(|url| url.trim_end_matches('/').to_owned()) else {
            panic!(
                "the {name} is not ready; it said {line:?} and\n{}",
                last(&log)
            );
        };
        // What else it says is of no interest, but a full pipe would block it.
        tokio::spawn(async move {
            let mut buffer = [0; 4096];
            while let Ok(1..) = stdout.read(&mut buffer).await {}
        });
        Self {
            name,
            _stdin: child.stdin.take(),
            child,
            url,
            log,
        }
    }

    /// `http://host:port`.
    pub(crate) fn url(&self) -> &str {
        &self.url
    }

    /// The id of the process.
    pub(crate) fn id(&self) -> String {
        let id = self.child.id().expect("it has not been waited for");
        id.to_string()
    }

    /// Waits for an end that should not come: what there is to say about it.
    pub(crate) async fn end(&mut self) -> String {
        let status = self.child.wait().await.expect("a child can be waited for");
        let (name, last) = (self.name, last(&self.log));
        format!("the {name} ended in the middle of the run ({status}):\n{last}")
    }

    /// Asks it to end, as an operator would, and makes sure that it does so in order.
    pub(crate) async fn stop(mut self) {
        let pid = Pid::from_raw(self.id().parse().expect("a pid is an i32"));
        kill(pid, Signal::SIGTERM).expect("the process has not been waited for");
        let status = within("the end of the server", self.child.wait()).await;
        let status = status.expect("a child can be waited for");
        let (name, last) = (self.name, last(&self.log));
        assert!(status.success(), "the {name} ended with {status}:\n{last}");
    }
}

/// A command for one of the scripts beside this file.
pub(crate) fn node(script: &str) -> Command {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/conformance");
    let mut command = Command::new("node");
    command.arg("--no-warnings").arg(folder.join(script));
    command
}

/// Runs a script to its end: what it wrote to stdout. Its stderr is shown.
pub(crate) async fn output(mut script: Command) -> Vec<u8> {
    script
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .kill_on_drop(true);
    let mut child = script.spawn().expect("node can be started");
    let _stdin = child.stdin.take();
    let output = tokio::time::timeout(PATIENCE, child.wait_with_output()).await;
    let output = output
        .expect("the run hangs")
        .expect("a child can be waited for");
    assert!(
        output.status.success(),
        "the client ended with {}",
        output.status
    );
    output.stdout
}

/// The last lines of a log.
fn last(log: &Path) -> String {
    let text = fs::read_to_string(log).unwrap_or_default();
    let lines: Vec<_> = text.lines().collect();
    lines[lines.len().saturating_sub(20)..].join("\n")
}
