//! The suite, installed from npm.
//!
//! Its package names `npm` itself among its dependencies, and a template engine for its web pages;
//! a run needs neither. So the few packages of a run are fetched one by one, each at the version
//! and with the contents that were looked at, and none of their scripts is run.

use std::fmt::Write;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use serde::Deserialize;

/// The suite, and what its client needs: (name, version, integrity as npm states it).
const PACKAGES: [(&str, &str, &str); 5] = [
    (
        "http-cache-tests",
        "0.4.5",
        "sha512-DjuwN9nUZXLTW+wav1LRESCZNVxl8SshwOy4z1pxuWbWt5/ay6sM9QQ1lebBaDO6P1IMBoK6mdf+PuVP/QNL8A==",
    ),
    (
        "node-fetch",
        "2.7.0",
        "sha512-c4FRfUm/dbcWZ7U+1Wq0AwCyFL+3nt2bEw05wfxSz+DWpWsitgmSgYmy2dQdWyKC1694ELPqMs/YzUSNozLt8A==",
    ),
    (
        "whatwg-url",
        "5.0.0",
        "sha512-saE57nupxk6v3HY35+jzBwYa0rKSy0XR8JSxZPwgLr7ys0IBzhGviA1/TUGJLmSVqs8pb9AnvICXEuOHLprYTw==",
    ),
    (
        "tr46",
        "0.0.3",
        "sha512-N3WMsuqV66lT30CrXNbEjx4GEwlow3v6rr4mCcv6prnfwhS01rkgyFdjPNBYd9br7LpXV1+Emh01fHnq2Gdgrw==",
    ),
    (
        "webidl-conversions",
        "3.0.1",
        "sha512-2JAn3z8AR6rjK8Sm8orRC0h/bcl/DqL7tRPdGZ4I1CjdF+EaMLmYxBHyXuKL849eucPFhvBoxMsflfOb8kxaeQ==",
    ),
];

/// What `npm pack --json` says of a package.
#[derive(Debug, Deserialize)]
struct Packed {
    name: String,
    filename: String,
    integrity: String,
}

/// The folder of the suite, installed below `folder` unless it already is.
pub(crate) fn suite(folder: &Path) -> PathBuf {
    let modules = folder.join("node_modules");
    // Written last: an installation that was interrupted has none.
    let receipt = modules.join("installed");
    if !fs::read_to_string(&receipt).is_ok_and(|text| text == contents()) {
        let _ = fs::remove_dir_all(&modules);
        install(&modules);
        fs::write(&receipt, contents()).expect("the folder takes files");
    }
    modules.join(PACKAGES[0].0)
}

fn install(modules: &Path) {
    let archives = modules.join("archives");
    fs::create_dir_all(&archives).expect("the target folder takes folders");
    let specs = PACKAGES.map(|(name, version, _)| format!("{name}@{version}"));
    eprintln!("conformance: installing {}", specs.join(", "));
    let mut npm = Command::new("npm");
    npm.args(["pack", "--json", "--ignore-scripts", "--pack-destination"]);
    let json = done(npm.arg(&archives).args(specs));
    let packed: Vec<Packed> = serde_json::from_slice(&json).expect("npm prints what it packed");
    for (name, version, integrity) in PACKAGES {
        let found = packed.iter().find(|packed| packed.name == name);
        let Packed {
            filename,
            integrity: got,
            ..
        } = found.expect("npm packed all");
        assert!(
            got == integrity,
            "{name}@{version} is not what it was: {got}"
        );
        let package = modules.join(name);
        fs::create_dir(&package).expect("the folder is new");
        let mut tar = Command::new("tar");
        tar.args(["-xz", "--strip-components=1", "-C"]).arg(package);
        done(tar.arg("-f").arg(archives.join(filename)));
    }
}

/// All that is installed, in words.
fn contents() -> String {
    let mut text = String::new();
    for (name, version, integrity) in PACKAGES {
        let _ = writeln!(text, "{name}@{version} {integrity}");
    }
    text
}

/// Runs a command to its end: what it wrote to stdout.
fn done(command: &mut Command) -> Vec<u8> {
    let name = command.get_program().to_string_lossy().into_owned();
    let output = command.output();
    let output = output.unwrap_or_else(|error| {
        panic!("cannot start {name}: {error} (`make conformance` says how to install it)")
    });
    let why = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{name}: {}\n{why}", output.status);
    output.stdout
}
