//! What is tracked builds anywhere: no file knows a registry's host, a path of one machine, or a folder beside the project.

use crate::{File, assert_found, assert_none, project_files};

/// The one file that may look at a folder beside the project, and uses it only if it is there.
const MAY_LOOK_BESIDE: &str = ".ci/run";
const BESIDE: &str = concat!("../", "shared");

/// The hosts are written in halves, since this file is tracked too.
fn registry_hosts() -> [String; 9] {
    [
        ["index.", "crates.io"],
        ["static.", "crates.io"],
        ["//", "crates.io"],
        ["npm", "js.org"],
        ["npm", "js.com"],
        ["pypi", ".org"],
        ["python", "hosted.org"],
        ["deb.", "debian.org"],
        ["security.", "debian.org"],
    ]
    .map(|halves| halves.concat())
}

/// Beginnings of absolute paths that only one machine has, and what may follow all the same: the Functions host's own folders.
fn machine_paths() -> [(String, &'static [&'static str]); 5] {
    [
        (["/ro", "ot/"].concat(), &[]),
        (["/wo", "rk/"].concat(), &[]),
        (["/Us", "ers/"].concat(), &[]),
        (["/ho", "me/"].concat(), &["site/", "LogFiles/"]),
        (["/tmp/", "wt/"].concat(), &[]),
    ]
}

#[test]
fn no_tracked_file_names_a_registry_host_a_machine_path_or_a_folder_beside_the_project() {
    let files = project_files();
    assert!(files.iter().any(|file| file.path == "Cargo.lock"), "Cargo.lock is not among the files read");
    assert_none(&files.iter().flat_map(foreign_names).collect::<Vec<_>>());
}

#[test]
fn the_lock_file_of_npm_says_what_and_not_from_where() {
    let files = project_files();
    let locks: Vec<_> = files.iter().filter(|file| file.path.ends_with("package-lock.json")).collect();
    assert!(!locks.is_empty(), "no package-lock.json is tracked");
    assert_none(&locks.into_iter().flat_map(download_addresses).collect::<Vec<_>>());
}

#[test]
fn foreign_names_are_found() {
    let [index, .., security] = registry_hosts();
    let [(of_root, _), .., (home, _), _] = machine_paths();
    let bad = [
        File::new("a.toml", &format!("x\nregistry = \"https://{}/\"", index.to_uppercase())),
        File::new("b.md", &format!("deb http://{security} x")),
        File::new("c.rs", &format!("include_str!(\"{of_root}x\")\nlet here = \"a{of_root}x\";")),
        File::new("d.json", &format!("{home}site/wwwroot and `{home}me/x`")),
        File::new("e.rs", &format!("read(\"{BESIDE}/x\")")),
        File::new(MAY_LOOK_BESIDE, BESIDE),
    ];
    let found: Vec<_> = bad.iter().flat_map(foreign_names).collect();
    assert_found(&found, &["a.toml:2", "b.md:1", "c.rs:1", "d.json:1", "e.rs:1"]);
}

#[test]
fn a_download_address_in_a_lock_file_is_found() {
    let bad = File::new(
        "tools/package-lock.json",
        "{\n  \"resolved\": \"https://host/x.tgz\",\n  \"integrity\": \"x\"\n}",
    );
    assert_found(&download_addresses(&bad), &["tools/package-lock.json:2"]);
}

fn foreign_names(file: &File) -> Vec<String> {
    let hosts = registry_hosts();
    let paths = machine_paths();
    let complaint = |line: &str| {
        let lower = line.to_lowercase();
        if hosts.iter().any(|host| lower.contains(host)) {
            Some("names a registry's host")
        } else if paths.iter().any(|(start, unless)| has_machine_path(line, start, unless)) {
            Some("names a path of one machine")
        } else if line.contains(BESIDE) && file.path != MAY_LOOK_BESIDE {
            Some("looks beside the project")
        } else {
            None
        }
    };
    let lines = file.text.lines().zip(1..);
    lines.filter_map(|(line, number)| Some(format!("{}:{number}: {}", file.path, complaint(line)?))).collect()
}

/// In the middle of a longer path or a URL the same letters mean nothing.
fn has_machine_path(line: &str, start: &str, unless: &[&str]) -> bool {
    line.match_indices(start).any(|(at, _)| {
        let (before, here) = line.split_at(at);
        let is_absolute = !before.ends_with(|c: char| c.is_alphanumeric() || "._-~}*)".contains(c));
        let is_exempt =
            here.strip_prefix(start).is_some_and(|rest| unless.iter().any(|u| rest.starts_with(u)));
        is_absolute && !is_exempt
    })
}

fn download_addresses(lock: &File) -> Vec<String> {
    let lines = lock.text.lines().zip(1..).filter(|(line, _)| line.trim_start().starts_with("\"resolved\""));
    lines
        .map(|(_, number)| {
            format!("{}:{number}: a download address (tools/.npmrc leaves them out)", lock.path)
        })
        .collect()
}
