//! Every invariant in ARCHITECTURE.md is held by something that exists.
//!
//! The form: a paragraph or list item with the words "Architecture invariant:" ends with one or more notes in backticks,
//! `test: FILE::NAME` (a test function NAME in the tracked file FILE) or `lint: NAME` (a lint or a banned path that
//! Cargo.toml, clippy.toml or deny.toml names).

use crate::source::tokens;
use crate::{File, assert_found, assert_none, project_files};

const DOCUMENT: &str = "ARCHITECTURE.md";
const LEAD: &str = "architecture invariant:";
const LINT_FILES: [&str; 3] = ["Cargo.toml", "clippy.toml", "deny.toml"];

#[test]
fn every_invariant_in_the_architecture_is_held_by_a_test_or_lint_that_exists() {
    let files = project_files();
    if let Some(document) = files.iter().find(|file| file.path == DOCUMENT) {
        assert!(!invariants(&document.text).is_empty(), "{DOCUMENT} states no invariant");
        assert_none(&unheld(&document.text, &files));
    }
}

#[test]
fn an_invariant_that_nothing_holds_is_found() {
    let document = "# Shape\n\
        **Architecture invariant:** held by two. (`test: tests/a.rs::it_holds`,\n`lint: unsafe_code`)\n\n\
        * Architecture invariant: only said.\n\
        * Architecture invariant: no such test. `test: tests/a.rs::it_held`\n\
        * Architecture invariant: no test function. `test: tests/a.rs::helper`\n\
        * Architecture invariant: no such file. `test: tests/b.rs::it_holds`\n\
        * Architecture invariant: no such lint. `lint: unsafe`\n\n\
        A note elsewhere is read as well: `test: tests/a.rs`.";
    let test = "#[tokio::test(flavor = \"current_thread\")]\nasync fn it_holds() {}\nfn helper() {}";
    let files = [File::new("tests/a.rs", test), File::new("Cargo.toml", "unsafe_code = \"forbid\"")];
    assert_found(
        &unheld(document, &files),
        &[
            "only said",
            "`tests/a.rs::it_held`",
            "`tests/a.rs::helper`",
            "`tests/b.rs::it_holds`",
            "`unsafe`",
            "`tests/a.rs`",
        ],
    );
}

fn unheld(document: &str, files: &[File]) -> Vec<String> {
    let bare = invariants(document).into_iter().filter(|invariant| notes(invariant).is_empty());
    let bare =
        bare.map(|invariant| format!("{DOCUMENT}: no note says what holds this: {}", invariant.trim()));
    let dead = notes(document).into_iter().filter(|note| !note.holds(files));
    bare.chain(dead.map(|note| format!("{DOCUMENT}: there is no {note}"))).collect()
}

/// The text of each, up to the end of its paragraph or to the next one.
fn invariants(document: &str) -> Vec<String> {
    let paragraphs = document.split("\n\n");
    paragraphs
        .flat_map(|p| p.to_lowercase().split(LEAD).skip(1).map(str::to_owned).collect::<Vec<_>>())
        .collect()
}

enum Note {
    Test(String),
    Lint(String),
}

impl std::fmt::Display for Note {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Test(name) => write!(f, "test `{name}`"),
            Self::Lint(name) => write!(f, "lint `{name}`"),
        }
    }
}

impl Note {
    fn holds(&self, files: &[File]) -> bool {
        match self {
            Self::Test(name) => name.split_once("::").is_some_and(|(path, function)| {
                files.iter().any(|file| file.path == path && test_functions(&file.text).contains(&function))
            }),
            Self::Lint(name) => {
                let mut lists = files.iter().filter(|file| LINT_FILES.contains(&file.path.as_str()));
                lists.any(|file| names(&file.text, name))
            }
        }
    }
}

/// All that stand in backticks.
fn notes(text: &str) -> Vec<Note> {
    let quoted = text.split('`').skip(1).step_by(2);
    quoted
        .filter_map(|note| {
            let test = note.strip_prefix("test: ").map(|name| Note::Test(name.to_owned()));
            test.or_else(|| note.strip_prefix("lint: ").map(|name| Note::Lint(name.to_owned())))
        })
        .collect()
}

/// `name` as a whole word.
fn names(text: &str, name: &str) -> bool {
    text.split(|c: char| !(c.is_alphanumeric() || "_-:".contains(c))).any(|word| word == name)
}

/// The functions that an attribute makes a test: `#[test]`, `#[tokio::test(…)]`, also within `proptest!`.
fn test_functions(code: &str) -> Vec<&str> {
    let tokens = tokens(code);
    let named = |at: usize| tokens.get(at + 1).map(|name| name.text);
    let functions = tokens.iter().enumerate().filter(|(_, token)| token.text == "fn");
    functions
        .filter(|(at, _)| {
            let before = tokens.iter().take(*at).rev().take_while(|t| !["{", "}", ";"].contains(&t.text));
            let attributes: Vec<_> = before.map(|t| t.text).collect();
            attributes.contains(&"test") && attributes.contains(&"#")
        })
        .filter_map(|(at, _)| named(at))
        .collect()
}
