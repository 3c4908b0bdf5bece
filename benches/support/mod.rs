//! What the benches that run whole processes share.

use std::fs;
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::Command;

use tempfile::TempDir;

/// The example, built beside this bench: `cargo bench` does not build it by itself.
pub(crate) fn example(name: &str) -> PathBuf {
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

/// Whether the Rust peers are all built: pingora has a part that takes cmake.
pub(crate) fn has_cmake() -> bool {
    find("cmake").is_some()
}

/// A program of the package of Rust peers, built if it is not.
pub(crate) fn peer(name: &str) -> PathBuf {
    let folder = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("benches/peers");
    let cargo = std::env::var("CARGO").unwrap_or_else(|_| "cargo".to_owned());
    let target = folder.join("target");
    let status = Command::new(cargo)
        .args(["build", "--release", "--quiet", "--manifest-path"])
        .arg(folder.join("Cargo.toml"))
        .arg("--target-dir")
        .arg(&target)
        .args(if has_cmake() {
            &["--all-features"][..]
        } else {
            &[]
        })
        .status()
        .expect("cargo runs");
    assert!(status.success(), "the peers build");
    target.join("release").join(name)
}

/// The number of a package in a lock file's text.
pub(crate) fn locked(lock: &str, package: &str) -> String {
    let lock: toml::Table = lock.parse().expect("cargo wrote it");
    let packages = lock["package"].as_array().expect("a list");
    let mut packages = packages.iter();
    let found = packages.find(|entry| entry["name"].as_str() == Some(package));
    let version = found.and_then(|entry| entry["version"].as_str());
    version.unwrap_or("unknown").to_owned()
}

/// Debian puts servers where users who are not root do not look.
pub(crate) fn find(name: &str) -> Option<PathBuf> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    std::env::split_paths(&path)
        .chain([PathBuf::from("/usr/sbin"), PathBuf::from("/usr/local/sbin")])
        .map(|folder| folder.join(name))
        .find(|binary| binary.exists())
}

/// The number in what it says of itself, on whichever channel.
pub(crate) fn version(binary: &Path, flag: &str) -> String {
    let output = Command::new(binary).arg(flag).output();
    let output = output.expect("it can be run");
    let said = [output.stdout, output.stderr].concat();
    let said = String::from_utf8_lossy(&said);
    let number = said
        .split(|c: char| !(c.is_ascii_digit() || c == '.'))
        .find(|word| word.contains('.'));
    number.unwrap_or("unknown").to_owned()
}

/// A folder in memory, where there is such a thing.
pub(crate) fn memory_dir() -> TempDir {
    let memory = PathBuf::from("/dev/shm");
    let dir = if memory.is_dir() {
        TempDir::new_in(memory)
    } else {
        TempDir::new()
    };
    dir.expect("a temporary folder")
}

pub(crate) fn free_address() -> String {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
    listener.local_addr().expect("it is bound").to_string()
}

/// The processor and the kernel, in the system's own words.
pub(crate) fn machine() -> String {
    let read = |file| fs::read_to_string(file).unwrap_or_default();
    let cpus = read("/proc/cpuinfo");
    let models = cpus
        .lines()
        .filter_map(|line| line.strip_prefix("model name"));
    let model = models.clone().next().unwrap_or(": unknown processor");
    let kernel = read("/proc/sys/kernel/osrelease");
    format!(
        "{} x {}, Linux {}",
        models.count(),
        model.trim_start_matches(['\t', ' ', ':']),
        kernel.trim()
    )
}

/// Where results are kept.
pub(crate) fn results() -> PathBuf {
    let dir = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("benches/results");
    fs::create_dir_all(&dir).expect("a folder can be made");
    dir
}

/// The date of a report.
#[expect(
    clippy::disallowed_methods,
    reason = "the date of a report is the real one"
)]
pub(crate) fn date() -> String {
    httpdate::fmt_http_date(std::time::SystemTime::now())
}
