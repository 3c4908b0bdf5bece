//! A server as a pinned process, with those that it starts itself, and the CPU that the kernel
//! accounts to them.

use std::io::{BufRead, BufReader, Read};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use tempfile::TempDir;

use crate::load;
use crate::support::example;

/// The core of the servers.
const SERVERS: usize = 0;
/// The core of the load.
pub(crate) const LOAD: usize = 1;

pub(crate) struct Server {
    child: Child,
    /// `127.0.0.1:port`
    pub(crate) address: String,
    /// What it has on disk.
    _dir: Option<TempDir>,
}

/// CPU of a server.
#[derive(Clone, Copy, Default)]
pub(crate) struct Spent {
    pub(crate) nanos: u64,
    /// In user space, in clock ticks.
    pub(crate) user: u64,
    /// In the kernel.
    pub(crate) system: u64,
}

impl Server {
    pub(crate) fn bare(size: usize) -> Self {
        Self::start(of_this("bare", &size.to_string()))
    }

    pub(crate) fn floor(origin: &str) -> Self {
        Self::start(of_this("floor", origin))
    }

    pub(crate) fn proxy(origin: &str) -> Self {
        Self::start(proxy(origin))
    }

    /// A server that says where it listens.
    pub(crate) fn start(mut command: Command) -> Self {
        command
            .env("TOKIO_WORKER_THREADS", "1")
            .stdout(Stdio::piped())
            .stderr(Stdio::null());
        Self::started(command)
    }

    fn started(mut command: Command) -> Self {
        let mut child = spawn_pinned(&mut command).expect("the server starts");
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
            _dir: None,
        }
    }

    /// A server that counts its instructions, far slower for that.
    pub(crate) fn counting(of: &Command) -> Self {
        let mut command = Command::new("valgrind");
        command
            .args(["--tool=callgrind", "--callgrind-out-file=/dev/null"])
            .arg(of.get_program())
            .args(of.get_args())
            .env("TOKIO_WORKER_THREADS", "1")
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        Self::started(command)
    }

    /// Ends it; how many it counted.
    pub(crate) fn counted(mut self) -> u64 {
        let mut stderr = self.child.stderr.take().expect("piped");
        let pid = i32::try_from(self.child.id()).expect("a process id");
        kill(Pid::from_raw(pid), Signal::SIGTERM).expect("it runs");
        let mut said = String::new();
        stderr.read_to_string(&mut said).expect("it says it");
        let (_, rest) = said.split_once("Collected :").expect("the count");
        let count = rest.split_whitespace().next();
        count
            .and_then(|count| count.parse().ok())
            .expect("a number")
    }

    /// A server that says nothing when it is ready: it is once `address` can be connected to.
    pub(crate) fn silent(mut command: Command, address: String, dir: Option<TempDir>) -> Self {
        command.stdout(Stdio::null()).stderr(Stdio::null());
        let child = spawn_pinned(&mut command).expect("the server starts");
        let server = Self {
            child,
            address,
            _dir: dir,
        };
        for _ in 0..1_000 {
            if std::net::TcpStream::connect(&server.address).is_ok() {
                return server;
            }
            std::thread::sleep(Duration::from_millis(10));
        }
        panic!("{command:?} does not listen at {}", server.address);
    }

    /// What the kernel has accounted to it so far.
    pub(crate) fn spent(&self) -> Spent {
        let [user, system] = self.ticks();
        Spent {
            nanos: self.cpu_nanos(),
            user,
            system,
        }
    }

    /// All processes of it.
    fn family(&self) -> Vec<u32> {
        let mut family = vec![self.child.id()];
        let mut seen = 0;
        while let Some(parent) = family.get(seen).copied() {
            family.extend(children(parent));
            seen += 1;
        }
        family
    }

    /// The kernel's account of all processes and threads, in nanoseconds.
    fn cpu_nanos(&self) -> u64 {
        self.family().into_iter().map(Self::cpu_nanos_of).sum()
    }

    /// In user space and in the kernel, in clock ticks.
    fn ticks(&self) -> [u64; 2] {
        let of = |process: u32| {
            let stat = std::fs::read_to_string(format!("/proc/{process}/stat"));
            let stat = stat.unwrap_or_default();
            // Behind the name, which may hold spaces: state, and then numbers.
            let rest = stat.rsplit_once(") ").map_or("", |(_, rest)| rest);
            let mut fields = rest.split_whitespace().skip(11);
            [(); 2].map(|()| {
                let field = fields.next().and_then(|ticks| ticks.parse::<u64>().ok());
                field.unwrap_or(0)
            })
        };
        let all = self.family().into_iter().map(of);
        all.fold([0, 0], |sum, one| [sum[0] + one[0], sum[1] + one[1]])
    }

    fn cpu_nanos_of(process: u32) -> u64 {
        let Ok(threads) = std::fs::read_dir(format!("/proc/{process}/task")) else {
            return 0;
        };
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
        // Asked, not forced: those with children of their own end them too.
        let pid = i32::try_from(self.child.id()).expect("a process id");
        let _ = kill(Pid::from_raw(pid), Signal::SIGTERM);
        for _ in 0..500 {
            if !matches!(self.child.try_wait(), Ok(None)) {
                return;
            }
            std::thread::sleep(Duration::from_millis(10));
        }
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// This program as a server: `bare`, of bodies of a size, or `floor`, before an origin.
pub(crate) fn of_this(what: &str, of: &str) -> Command {
    let this = std::env::current_exe().expect("this program");
    let mut command = Command::new(this);
    command.args(["--serve", what, of]);
    command
}

pub(crate) fn proxy(origin: &str) -> Command {
    let mut command = Command::new(example("reverse_proxy"));
    command.args(["--origin", &format!("http://{origin}")]);
    command.args(["--listen", "127.0.0.1:0"]);
    command
}

/// On the servers' core from its first instruction, and with it all that it starts.
fn spawn_pinned(command: &mut Command) -> std::io::Result<Child> {
    load::pin(SERVERS);
    let child = command.spawn();
    load::pin(LOAD);
    child
}

fn children(parent: u32) -> Vec<u32> {
    let Ok(threads) = std::fs::read_dir(format!("/proc/{parent}/task")) else {
        return Vec::new();
    };
    let lists = threads
        .flatten()
        .map(|thread| thread.path().join("children"));
    let lists: String = lists
        .filter_map(|list| std::fs::read_to_string(list).ok())
        .collect();
    let ids = lists.split_whitespace();
    ids.filter_map(|id| id.parse().ok()).collect()
}
