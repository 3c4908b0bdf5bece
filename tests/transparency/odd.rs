//! Files that no package has: odd names, and sizes at the limits.

use std::ffi::OsStr;
use std::fs::File;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;
use std::time::{Duration, SystemTime};

use crate::tree::{MAX_BODY, Page, escape};

/// Makes them in `folder`.
pub(crate) fn plant(folder: &Path) -> Vec<Page> {
    std::fs::create_dir(folder).expect("a folder");
    let max = MAX_BODY as usize;
    let text = "All that is gold does not glitter.\n".repeat(30);
    let named = [
        "a space.txt",
        "two  spaces .html",
        "100%.txt",
        "per%20cent.txt",
        "%2e%2e%2f.txt",
        "plus+plus.css",
        "semi;colon.json",
        "question?mark.txt",
        "hash#tag.md",
        "and&is=.js",
        "quote\"s' and `.txt",
        "back\\slash.txt",
        "brackets[1]{2}(3).xml",
        "a,b:c@d!$*.txt",
        "..dots..",
        ".hidden",
        "no-extension",
        "CAPITALS.HTML",
        "tab\there.txt",
        "größe.html",
        "日本語.css",
        "🦀.json",
    ];
    let named = named.map(|name| (name.as_bytes(), text.clone().into_bytes()));
    let sized: [(&[u8], Vec<u8>); 12] = [
        (b"latin-1 \xe9.txt", text.clone().into_bytes()),
        (b"empty", Vec::new()),
        (b"empty.html", Vec::new()),
        (b"empty.png", Vec::new()),
        (b"one.txt", b"1".to_vec()),
        (b"two.bin", vec![0, 255]),
        (b"zeros.css", vec![0; 300_000]),
        (b"at the limit.bin", noise(max)),
        (b"above the limit.bin", noise(max + 1)),
        (b"at the limit.txt", lines(max)),
        (b"some megabytes.bin", noise(7 << 20)),
        (b"some megabytes.txt", lines(5 << 20)),
    ];
    let made = named.into_iter().chain(sized);
    made.map(|(name, bytes)| {
        let path = folder.join(OsStr::from_bytes(name));
        std::fs::write(&path, &bytes).expect("a file");
        // Long ago: what has just changed has no strong date (RFC 9110 §8.8.2.2).
        let changed = SystemTime::UNIX_EPOCH + Duration::from_secs(1_500_000_000);
        let file = File::options().write(true).open(&path).expect("a file");
        file.set_modified(changed).expect("a time");
        Page {
            path: format!("/odd/{}", escape(name)),
            size: bytes.len() as u64,
            ..Page::default()
        }
    })
    .collect()
}

/// Bytes that no gzip makes smaller, the same each time.
fn noise(length: usize) -> Vec<u8> {
    let mut bytes = vec![0; length];
    blake3::Hasher::new().finalize_xof().fill(&mut bytes);
    bytes
}

/// Text of which gzip makes something, but not little.
fn lines(length: usize) -> Vec<u8> {
    let mut text = Vec::new();
    for byte in noise(length / 8 + 1).chunks(2) {
        text.extend_from_slice(format!("{:?} and some text\n", byte).as_bytes());
    }
    text.truncate(length);
    text
}
