//! `curl` as a client.

use std::fs::File;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{ExitStatus, Stdio};

use tempfile::TempDir;
use tokio::process::{Child, Command};

use crate::pattern;
use crate::support::within;

pub(crate) const HTTP1: &str = "--http1.1";
pub(crate) const HTTP2: &str = "--http2-prior-knowledge";

/// What a `curl` that has ended left behind.
#[derive(Debug)]
pub(crate) struct Curled {
    pub(crate) status: ExitStatus,
    pub(crate) stdout: Vec<u8>,
    pub(crate) stderr: String,
}

impl Curled {
    /// Its output as text, once it has gone well.
    pub(crate) fn text(&self) -> &str {
        assert!(self.status.success(), "{}: {}", self.status, self.stderr);
        std::str::from_utf8(&self.stdout).expect("the output is text")
    }
}

/// A command that says why it fails, and heeds nothing of this machine's settings.
pub(crate) fn curl(args: &[&str]) -> Command {
    let mut command = Command::new("curl");
    command.args(["-q", "--noproxy", "*", "-sS", "--max-time", "60"]);
    command.args(args).stdin(Stdio::null()).kill_on_drop(true);
    command
}

/// Runs it to its end.
pub(crate) async fn run(args: &[&str]) -> Curled {
    let output = within("curl", curl(args).output()).await;
    let output = output.unwrap_or_else(|error| missing(&error));
    Curled {
        status: output.status,
        stdout: output.stdout,
        stderr: String::from_utf8_lossy(&output.stderr).into_owned(),
    }
}

/// Starts it, with its output to be read.
pub(crate) fn start(args: &[&str]) -> Child {
    let mut command = curl(args);
    let command = command.stdout(Stdio::piped()).stderr(Stdio::inherit());
    command.spawn().unwrap_or_else(|error| missing(&error))
}

fn missing(error: &std::io::Error) -> ! {
    panic!("curl is missing: apt-get install curl ({error})")
}

/// A file of the [`pattern`] that is gone with its folder.
pub(crate) fn file(length: u64) -> (TempDir, PathBuf) {
    let folder = tempfile::tempdir().expect("there is room for a file");
    let path = folder.path().join("upload");
    let mut file = File::create(&path).expect("the folder is ours");
    for piece in pattern::pieces(length) {
        file.write_all(&piece).expect("there is room for a file");
    }
    (folder, path)
}

/// A path as an argument.
pub(crate) fn arg(path: &Path) -> &str {
    path.to_str().expect("a path of ours is text")
}
