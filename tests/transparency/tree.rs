//! The files to serve: documentation and the like of this very machine.

use std::collections::BTreeMap;
use std::ffi::OsStr;
use std::fs::File;
use std::io;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;

use crate::odd;
use crate::support::client::Answer;

/// The claim is about at least so many.
pub(crate) const LEAST: usize = 2_000;
/// More would only take longer.
const MOST: usize = 3_000;
/// The limit that the proxy is given. Some files are larger.
pub(crate) const MAX_BODY: u64 = 1 << 20;
const MOST_LARGE: usize = 16;
const LARGEST: u64 = 10 << 20;
/// Of those that are not large.
const MOST_BYTES: u64 = 96 << 20;

/// The folder that nginx serves, and what is asked of it.
#[derive(Debug)]
pub(crate) struct Tree {
    dir: tempfile::TempDir,
    pub(crate) pages: Vec<Page>,
}

/// One file, and how nginx itself answers for it.
#[derive(Debug, Default)]
pub(crate) struct Page {
    /// The path by which it is asked for.
    pub(crate) path: String,
    pub(crate) size: u64,
    /// Its place among all pages.
    pub(crate) number: usize,
    /// The answer to a GET.
    pub(crate) plain: OnceLock<Answer>,
    /// The answer to a GET that accepts gzip.
    pub(crate) gzip: OnceLock<Answer>,
}

impl Page {
    pub(crate) fn plain(&self) -> &Answer {
        self.plain.get().expect("asked for before all passes")
    }

    pub(crate) fn gzip(&self) -> &Answer {
        self.gzip.get().expect("asked for before all passes")
    }

    /// True if it is small enough to be stored.
    pub(crate) fn fits(&self) -> bool {
        self.size <= MAX_BODY
    }
}

impl Tree {
    /// Links what this machine has into one folder, beside some files that are made for it.
    pub(crate) fn plant() -> Self {
        let dir = tempfile::tempdir().expect("a temporary directory");
        let mut found = Vec::new();
        for (name, root) in roots() {
            let before = found.len();
            gather(&root, &root, name, &mut found);
            if found.len() > before {
                symlink(&root, dir.path().join(name)).expect("a link");
            }
        }
        let chosen = choose(found);
        assert!(
            chosen.len() >= LEAST,
            "only {} files to serve, {LEAST} are needed: install documentation, such as `rustup \
             component add rust-docs`, or apt-get install rust-doc where /usr/share/doc is kept",
            chosen.len()
        );
        let mut pages: Vec<_> = chosen.into_iter().map(Found::page).collect();
        pages.extend(odd::plant(&dir.path().join("odd")));
        for (number, page) in pages.iter_mut().enumerate() {
            page.number = number;
        }
        Self { dir, pages }
    }

    /// The folder to serve.
    pub(crate) fn root(&self) -> &Path {
        self.dir.path()
    }
}

/// Where documentation is, and files of other kinds, with the names that they get.
fn roots() -> Vec<(&'static str, PathBuf)> {
    let mut roots = Vec::new();
    // The documents of Rust itself: HTML, scripts, fonts and pictures.
    let rustc = std::env::var_os("RUSTC").unwrap_or_else(|| "rustc".into());
    if let Ok(output) = Command::new(rustc).args(["--print", "sysroot"]).output() {
        let sysroot = output.stdout.trim_ascii_end();
        let sysroot = Path::new(OsStr::from_bytes(sysroot));
        roots.push(("rust", sysroot.join("share/doc")));
    }
    for (name, root) in [
        ("doc", "/usr/share/doc"),
        ("zoneinfo", "/usr/share/zoneinfo"),
        ("icons", "/usr/share/icons"),
        ("man", "/usr/share/man"),
        ("include", "/usr/include"),
    ] {
        roots.push((name, PathBuf::from(root)));
    }
    roots
}

/// A file that could be served.
struct Found {
    root: &'static str,
    /// Below the root.
    path: PathBuf,
    size: u64,
}

impl Found {
    fn page(self) -> Page {
        let path = Path::new(self.root).join(self.path);
        Page {
            path: format!("/{}", escape(path.as_os_str().as_bytes())),
            size: self.size,
            ..Page::default()
        }
    }
}

/// All that can be read below `folder`. Links are left out: they are other names of the same.
fn gather(root: &Path, folder: &Path, name: &'static str, found: &mut Vec<Found>) {
    let Ok(entries) = std::fs::read_dir(folder) else {
        return;
    };
    for entry in entries.filter_map(Result::ok) {
        let path = entry.path();
        match entry.file_type() {
            Ok(kind) if kind.is_dir() => gather(root, &path, name, found),
            Ok(kind) if kind.is_file() => {
                if let Ok(size) = readable(&path)
                    && size <= LARGEST
                {
                    let path = path.strip_prefix(root).expect("below it").to_owned();
                    found.push(Found {
                        root: name,
                        path,
                        size,
                    });
                }
            }
            _ => {}
        }
    }
}

fn readable(path: &Path) -> io::Result<u64> {
    Ok(File::open(path)?.metadata()?.len())
}

/// So many of them that all kinds are there: in turn one of each root and extension. The same
/// files for the same machine.
fn choose(found: Vec<Found>) -> Vec<Found> {
    let (large, small): (Vec<_>, Vec<_>) = found.into_iter().partition(|f| f.size > MAX_BODY);
    let mut chosen = take(large, MOST_LARGE, u64::MAX);
    chosen.extend(take(small, MOST - chosen.len(), MOST_BYTES));
    chosen
}

fn take(files: Vec<Found>, most: usize, most_bytes: u64) -> Vec<Found> {
    let mut kinds = BTreeMap::<_, Vec<_>>::new();
    for file in files {
        let extension = file.path.extension().map(OsStr::to_owned);
        kinds.entry((file.root, extension)).or_default().push(file);
    }
    let mut kinds: Vec<_> = kinds.into_values().collect();
    for kind in &mut kinds {
        // Anything but by name or folder.
        kind.sort_by_cached_key(|file| *blake3::hash(file.path.as_os_str().as_bytes()).as_bytes());
    }
    let (mut chosen, mut bytes) = (Vec::new(), 0);
    while chosen.len() < most && !kinds.is_empty() {
        kinds.retain_mut(|kind| {
            let Some(file) = kind.pop() else {
                return false;
            };
            if chosen.len() < most && bytes + file.size <= most_bytes {
                bytes += file.size;
                chosen.push(file);
            }
            true
        });
    }
    chosen
}

/// A path as it is sent (RFC 3986 §2).
pub(crate) fn escape(path: &[u8]) -> String {
    let mut escaped = String::new();
    for &byte in path {
        if byte.is_ascii_alphanumeric() || b"/-._~+,:@".contains(&byte) {
            escaped.push(char::from(byte));
        } else {
            escaped.push_str(&format!("%{byte:02X}"));
        }
    }
    escaped
}
