//! `cargo xtask tidy`: checks of the tree itself that no compiler makes.

mod arrows;
mod documents;
mod sources;
mod tree;

use std::process::ExitCode;

fn main() -> ExitCode {
    match std::env::args().nth(1).as_deref() {
        Some("tidy") => tidy(),
        _ => {
            eprintln!("usage: cargo xtask tidy");
            ExitCode::from(2)
        }
    }
}

fn tidy() -> ExitCode {
    let tree = match tree::Tree::read() {
        Ok(tree) => tree,
        Err(error) => {
            eprintln!("tidy: cannot read the tree: {error}");
            return ExitCode::FAILURE;
        }
    };
    let findings: Vec<String> = [sources::check(&tree), arrows::check(&tree), documents::check(&tree)].concat();
    for finding in &findings {
        eprintln!("tidy: {finding}");
    }
    eprintln!("tidy: {} files, {} findings", tree.files.len(), findings.len());
    if findings.is_empty() { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}
