//! Files are short, and no test is switched off.

use crate::source::tokens;
use crate::{File, assert_found, assert_none, project_files};

/// Lines of a file of the guard or the simulator. The aim is 400; past this a reader loses the thread.
const FILE_LINES_MAX: usize = 450;

/// Files that are longer for a reason: path and reason.
const LONGER_FILES: [(&str, &str); 0] = [];

#[test]
fn files_are_short() {
    assert_none(&long_files(&project_files(), &LONGER_FILES));
}

#[test]
fn no_test_is_switched_off_and_nothing_is_left_to_mend() {
    assert_none(&unfinished(&project_files()));
}

#[test]
fn a_long_file_is_found_and_so_is_an_exception_that_is_over() {
    let lines = |count: usize| "x\n".repeat(count);
    let bad = [
        File::new("src/long.rs", &lines(FILE_LINES_MAX + 1)),
        File::new("src/fits.rs", &lines(FILE_LINES_MAX)),
        File::new("tests/simulator/src/long.rs", &lines(FILE_LINES_MAX + 1)),
        File::new("tests/themes.rs", &lines(FILE_LINES_MAX + 1)),
        File::new("src/table.rs", &lines(FILE_LINES_MAX + 1)),
    ];
    let longer = [("src/table.rs", "one table"), ("src/fits.rs", "was long once")];
    assert_found(
        &long_files(&bad, &longer),
        &["src/long.rs: 451", "tests/simulator/src/long.rs", "src/fits.rs"],
    );
}

#[test]
fn what_is_unfinished_is_found() {
    let mend = concat!("// FIX", "ME later");
    let bad = [
        File::new("tests/a.rs", "#[test]\n#[ignore = \"slow\"]\nfn f() {}"),
        File::new("tests/b.rs", "#[cfg_attr(windows, ignore)]\nfn f() { todo!() }"),
        File::new("src/c.rs", &format!("{mend}\n/// ```ignore\n// an #[ignore] and a todo!() in a comment")),
        File::new("src/d.rs", "fn ignore(todo: bool) -> bool { todo != true }"),
    ];
    assert_found(
        &unfinished(&bad),
        &["tests/a.rs:2", "tests/b.rs:1", "tests/b.rs:2", "src/c.rs:1", "src/c.rs:2"],
    );
}

fn long_files(files: &[File], longer: &[(&str, &str)]) -> Vec<String> {
    let bounded = |file: &&File| {
        file.is_rust() && (file.path.starts_with("src/") || file.path.starts_with("tests/simulator/src/"))
    };
    let is_long = |file: &File| file.text.lines().count() > FILE_LINES_MAX;
    let is_explained = |file: &File| longer.iter().any(|(path, _)| *path == file.path);
    let unexplained = files.iter().filter(bounded).filter(|file| is_long(file) && !is_explained(file));
    let unexplained = unexplained
        .map(|f| format!("{}: {} lines, {FILE_LINES_MAX} at most", f.path, f.text.lines().count()));
    let stale =
        longer.iter().filter(|(path, _)| !files.iter().any(|file| file.path == *path && is_long(file)));
    let stale = stale.map(|(path, _)| format!("{path}: is not long, strike it from LONGER_FILES"));
    unexplained.chain(stale).collect()
}

fn unfinished(files: &[File]) -> Vec<String> {
    files.iter().filter(|file| file.is_rust()).flat_map(unfinished_in).collect()
}

fn unfinished_in(file: &File) -> Vec<String> {
    let tokens = tokens(&file.text);
    let in_code = tokens.iter().enumerate().filter_map(|(at, token)| {
        let text = |n: usize| tokens.get(n).map(|t| t.text);
        let before = at.checked_sub(1).and_then(text);
        match (token.text, before, text(at + 1)) {
            ("ignore", Some("["), _) | ("ignore", Some(","), Some(")")) => {
                Some((token.line, "a test switched off"))
            }
            ("todo" | "unimplemented", _, Some("!")) if text(at + 2) == Some("(") => {
                Some((token.line, "code to be written"))
            }
            _ => None,
        }
    });
    let in_text = file.text.lines().zip(1..).filter_map(|(line, number)| {
        let is_example_switched_off = line.trim_start().starts_with("//") && line.contains("```ignore");
        let is_to_mend = line.contains(concat!("FIX", "ME"));
        (is_example_switched_off || is_to_mend).then_some((number, "left to mend"))
    });
    in_code.chain(in_text).map(|(line, what)| format!("{}:{line}: {what}", file.path)).collect()
}
