use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use super::*;

/// Damaged copies of each seed that are tried without a fuzzer.
const DAMAGED: usize = 200;

/// The crate of the fuzz targets; `None` in a package, which comes without it.
fn crate_root() -> Option<PathBuf> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("fuzz");
    root.exists().then_some(root)
}

fn names_in(folder: &Path) -> BTreeSet<String> {
    let entries = fs::read_dir(folder).expect("the folder is there");
    let names = entries.map(|entry| entry.expect("it can be read").path());
    let stem = |path: PathBuf| {
        path.file_stem()
            .map(|stem| stem.to_string_lossy().into_owned())
    };
    names.filter_map(stem).collect()
}

fn seeds(root: &Path, name: &str) -> Vec<(String, Vec<u8>)> {
    let folder = root.join("corpus").join(name);
    let seeds: Vec<_> = fs::read_dir(&folder)
        .unwrap_or_else(|_| panic!("{} has no seeds", folder.display()))
        .map(|entry| entry.expect("it can be read").path())
        .map(|path| (path.display().to_string(), fs::read(&path).expect("a file")))
        .collect();
    assert!(!seeds.is_empty(), "{name}");
    seeds
}

#[test]
fn every_target_has_all_its_parts() {
    let Some(root) = crate_root() else { return };
    let manifest = fs::read_to_string(root.join("Cargo.toml")).expect("a manifest");
    let names: BTreeSet<_> = TARGETS.iter().map(|(name, _)| (*name).to_owned()).collect();
    for name in &names {
        assert!(manifest.contains(&format!("name = \"{name}\"")), "{name}");
    }
    if cfg!(feature = "redis") {
        assert_eq!(names_in(&root.join("fuzz_targets")), names);
        assert_eq!(names_in(&root.join("corpus")), names);
    }
}

/// Whatever a fuzzer found stays found, as a seed.
#[test]
fn every_property_holds_for_its_seeds_and_for_damaged_ones() {
    let Some(root) = crate_root() else { return };
    let mut random = fastrand::Rng::with_seed(1);
    for (name, property) in TARGETS {
        property(b"");
        let seeds = seeds(&root, name);
        for (path, seed) in &seeds {
            println!("{path}");
            property(seed);
            for _ in 0..DAMAGED {
                let damaged = damage(seed, &seeds, &mut random);
                println!("{name} {}", damaged.escape_ascii());
                property(&damaged);
            }
        }
    }
}

fn damage(seed: &[u8], seeds: &[(String, Vec<u8>)], random: &mut fastrand::Rng) -> Vec<u8> {
    let mut bytes = seed.to_vec();
    for _ in 0..random.usize(1..4) {
        let at = random.usize(..=bytes.len());
        match random.u8(..4) {
            0 => bytes.insert(at, random.u8(..)),
            1 => bytes.insert(at, *random.choice(b"\",;= \t\\\n0*").expect("some")),
            2 => drop(bytes.drain(at..bytes.len().min(at + random.usize(..8)))),
            _ => {
                let (_, other) = random.choice(seeds).expect("some");
                let from = random.usize(..=other.len());
                let until = other.len().min(from + random.usize(..16));
                bytes.splice(at..at, other[from..until].iter().copied());
            }
        }
    }
    bytes
}
