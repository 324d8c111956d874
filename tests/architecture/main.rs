//! Holds what ARCHITECTURE.md promises about the shape of the code, by reading the text of the code.
//!
//! Each checker is a function from text to findings, and is itself shown to find what it looks for on a made-up bad
//! input: a test that can't fail holds nothing. The reader is a tokenizer and no compiler: a path hidden behind a macro
//! or behind `use std as s` is not seen.

mod code;
mod invariants;
mod modules;
mod purity;
mod source;
mod tracked;

use std::path::Path;

/// The folder of Cargo.toml; every path in a finding is relative to it.
const ROOT: &str = env!("CARGO_MANIFEST_DIR");

/// A text file of the project.
struct File {
    /// Relative to the project's folder, with `/`.
    path: String,
    text: String,
}

impl File {
    fn new(path: &str, text: &str) -> Self {
        Self { path: path.to_owned(), text: text.to_owned() }
    }

    fn is_rust(&self) -> bool {
        self.path.ends_with(".rs")
    }
}

/// What git tracks, and what it would track after `git add`. A file that is no UTF-8 is read with replacement characters.
fn project_files() -> Vec<File> {
    let listing = std::process::Command::new("git")
        .args(["ls-files", "-z", "--cached", "--others", "--exclude-standard"])
        .current_dir(ROOT)
        .output();
    let succeeded = listing.as_ref().is_ok_and(|output| output.status.success());
    assert!(succeeded, "git can't list the tracked files: {listing:?}");
    let listing = listing.map(|output| output.stdout).unwrap_or_default();
    let mut paths: Vec<_> =
        String::from_utf8_lossy(&listing).split_terminator('\0').map(str::to_owned).collect();
    paths.sort();
    paths.dedup();
    paths.into_iter().filter_map(read).collect()
}

/// Nothing for a file that git still lists although it is deleted.
fn read(path: String) -> Option<File> {
    let bytes = std::fs::read(Path::new(ROOT).join(&path)).ok()?;
    Some(File { path, text: String::from_utf8_lossy(&bytes).into_owned() })
}

/// The guard's own code, without its tests folder and without the simulator.
fn guard_sources() -> Vec<File> {
    let sources: Vec<_> =
        project_files().into_iter().filter(|f| f.is_rust() && f.path.starts_with("src/")).collect();
    assert!(sources.iter().any(|f| f.path == "src/lib.rs"), "src/lib.rs is not among the files read");
    sources
}

fn assert_none(findings: &[String]) {
    assert!(findings.is_empty(), "{} findings:\n{}", findings.len(), findings.join("\n"));
}

/// For negative controls: the checker found exactly these, in this order; each is a part of its finding.
fn assert_found(findings: &[String], expected: &[&str]) {
    let fits = findings.len() == expected.len() && findings.iter().zip(expected).all(|(f, e)| f.contains(e));
    assert!(fits, "expected {expected:#?}\nfound {findings:#?}");
}
