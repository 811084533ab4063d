//! Plays every transcript of `conversations/` against one running system, each with fresh users.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use harness::Dev;
use harness::transcript::Player;
use std::collections::HashMap;
use std::fs;
use std::path::{Path, PathBuf};

#[test]
fn every_transcript_plays() {
    let files = transcripts();
    assert!(!files.is_empty(), "no transcripts were found");
    let dev = Dev::start(2 * files.len(), &[]);
    let mut failures = Vec::new();
    for (at, file) in files.iter().enumerate() {
        let variables = variables(&dev, 2 * at + 1);
        let text = fs::read_to_string(file).expect("a transcript is text");
        if let Err(error) = Player::new(&dev, variables).play(&text) {
            failures.push(format!("{}: {error}", file.display()));
        }
    }
    assert!(failures.is_empty(), "{} of {} transcripts failed:\n{}", failures.len(), files.len(), failures.join("\n"));
    println!("{} transcripts played", files.len());
    dev.stop();
}

fn variables(dev: &Dev, first: usize) -> HashMap<String, String> {
    let (one, two) = (dev.user(first), dev.user(first + 1));
    let plain = STANDARD.encode(format!("\0{}\0{}", one.address, one.password));
    let name = one.address.split('@').next().unwrap_or_default().to_owned();
    let pairs = [
        ("user", &one.address),
        ("name", &name),
        ("password", &one.password),
        ("plain", &plain),
        ("user2", &two.address),
        ("password2", &two.password),
    ];
    pairs.into_iter().map(|(name, value)| (name.to_owned(), value.clone())).collect()
}

/// All files, or those whose path contains the environment's TRANSCRIPT.
fn transcripts() -> Vec<PathBuf> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("conversations");
    let only = std::env::var("TRANSCRIPT").unwrap_or_default();
    let mut files: Vec<PathBuf> = ["imap", "pop3", "smtp"]
        .iter()
        .flat_map(|protocol| fs::read_dir(root.join(protocol)).expect("a folder of transcripts"))
        .map(|entry| entry.expect("a folder can be read").path())
        .filter(|path| path.extension().is_some_and(|end| end == "txt") && path.to_string_lossy().contains(&only))
        .collect();
    files.sort();
    files
}
