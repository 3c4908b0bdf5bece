//! A server as a pinned process, and the CPU that the kernel accounts to it.

use std::io::{BufRead, BufReader};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use nix::sched::{CpuSet, sched_setaffinity};
use nix::unistd::Pid;

use crate::load;

pub(crate) struct Server {
    child: Child,
    /// `127.0.0.1:port`
    pub(crate) address: String,
}

/// What a request costs.
#[derive(Clone, Copy)]
pub(crate) struct Cost {
    pub(crate) micros: f64,
    pub(crate) rate: f64,
}

impl Server {
    pub(crate) fn bare(size: usize) -> Self {
        let this = std::env::current_exe().expect("this program");
        let mut command = Command::new(this);
        command.arg("--serve").arg(size.to_string());
        Self::start(command)
    }

    pub(crate) fn proxy(origin: &str) -> Self {
        let mut command = Command::new(example("reverse_proxy"));
        command.args([
            "--origin",
            &format!("http://{origin}"),
            "--listen",
            "127.0.0.1:0",
        ]);
        Self::start(command)
    }

    fn start(mut command: Command) -> Self {
        command
            .env("TOKIO_WORKER_THREADS", "1")
            .stdout(Stdio::piped())
            .stderr(Stdio::null());
        let mut child = command.spawn().expect("the server starts");
        pin(child.id(), 0);
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
        Self { child, address }
    }

    /// Under full load for so long.
    pub(crate) fn cpu_per_request(&self, secs: u64) -> Cost {
        let before = self.cpu_nanos();
        let requests = load::run(&self.address, 64, Duration::from_secs(secs));
        let spent = self.cpu_nanos() - before;
        Cost {
            micros: spent as f64 / 1_000.0 / requests as f64,
            rate: requests as f64 / secs as f64,
        }
    }

    /// The kernel's account of all threads, in nanoseconds.
    fn cpu_nanos(&self) -> u64 {
        let tasks = format!("/proc/{}/task", self.child.id());
        let threads = std::fs::read_dir(tasks).expect("it runs");
        let of_thread = |path: PathBuf| -> u64 {
            let text = std::fs::read_to_string(path.join("schedstat")).unwrap_or_default();
            text.split_whitespace()
                .next()
                .and_then(|nanos| nanos.parse().ok())
                .unwrap_or(0)
        };
        threads
            .flatten()
            .map(|thread| of_thread(thread.path()))
            .sum()
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// The example, built beside this bench: `cargo bench` does not build it by itself.
fn example(name: &str) -> PathBuf {
    let this = std::env::current_exe().expect("this program");
    let profile = this
        .parent()
        .and_then(|deps| deps.parent())
        .expect("target/<profile>/deps");
    let built = profile.join("examples").join(name);
    let cargo = std::env::var("CARGO").unwrap_or_else(|_| "cargo".to_owned());
    let status = Command::new(cargo)
        .args(["build", "--release", "--quiet", "--example", name])
        .status()
        .expect("cargo runs");
    assert!(status.success(), "the example builds");
    built
}

fn pin(process: u32, core: usize) {
    let mut set = CpuSet::new();
    set.set(core).expect("a core");
    let pid = Pid::from_raw(i32::try_from(process).expect("a process id"));
    // Threads started later inherit it; those that run already are few and idle.
    sched_setaffinity(pid, &set).expect("it may be pinned");
}
