//! The folder of policies: its files, and whether the sinks that they name exist.

use std::fs::{self, File};
use std::io::Read as _;
use std::path::{Path, PathBuf};

use super::{POLICIES_SETTING, SINKS_SETTING};
use crate::domain::text;
use crate::policy::{Policies, PolicyFault, PolicyFile};

/// Most bytes that are read of one file: a little more than a policy file may have, so that the loader sees one that is
/// too long as such.
const FILE_BYTES_MAX: u64 = 512 * 1024;
/// Most files that are read: more than a set may have, for the same reason.
const FILES_MAX: usize = 100;
/// Longest path or reason in a message, in characters.
const SHOWN_CHARS_MAX: usize = 200;

/// What is wrong with the policies.
#[derive(Debug, thiserror::Error)]
pub enum PoliciesFault {
    /// The folder, or a file in it, can't be read.
    #[error("`{path}` can't be read ({reason}): check {POLICIES_SETTING}, a folder of `*.cedar` files")]
    Unreadable {
        /// Which.
        path: String,
        /// Why.
        reason: String,
    },
    /// There is not one policy file: such a folder is more likely the wrong one than meant so.
    #[error("`{folder}` holds no `*.cedar` file: check {POLICIES_SETTING}")]
    Empty {
        /// Which.
        folder: String,
    },
    /// A fault in a file.
    #[error(transparent)]
    Policy(PolicyFault),
    /// A policy's `@notify` names a sink that nobody set up.
    #[error("policy `{policy}` notifies `{sink}`, which {SINKS_SETTING} doesn't name")]
    NoSuchSink {
        /// The policy's id.
        policy: String,
        /// The sink.
        sink: String,
    },
}

/// Loads and validates the `*.cedar` and `*.toml` files directly in a folder. `sinks` are those set up; a policy may name no other.
///
/// # Errors
/// All that is wrong.
pub fn load_policies(folder: &Path, sinks: &[&str]) -> Result<Policies, Vec<PoliciesFault>> {
    let files = read_folder(folder)?;
    let files: Vec<PolicyFile<'_>> = files.iter().map(|(name, text)| PolicyFile { name, text }).collect();
    let policies = Policies::load(&files)
        .map_err(|faults| faults.into_iter().map(PoliciesFault::Policy).collect::<Vec<_>>())?;
    let strangers: Vec<PoliciesFault> = policies
        .sinks_named()
        .into_iter()
        .filter(|(_, sink)| !sinks.contains(sink))
        .map(|(policy, sink)| PoliciesFault::NoSuchSink { policy: policy.to_owned(), sink: sink.to_owned() })
        .collect();
    if strangers.is_empty() { Ok(policies) } else { Err(strangers) }
}

/// Loads and validates files and folders of policies as one set, whatever sinks they name: to try policies out.
///
/// # Errors
/// All that is wrong.
pub fn load_policy_files(paths: &[PathBuf]) -> Result<Policies, Vec<PoliciesFault>> {
    let mut files = Vec::new();
    let mut faults = Vec::new();
    for path in paths {
        let read = match path.is_dir() {
            true => read_folder(path),
            false => read_file(path)
                .map(|text| vec![(path.display().to_string(), text)])
                .map_err(|error| vec![unreadable(path, &error)]),
        };
        match read {
            Ok(found) => files.extend(found),
            Err(found) => faults.extend(found),
        }
    }
    if !faults.is_empty() {
        return Err(faults);
    }
    let files: Vec<PolicyFile<'_>> = files.iter().map(|(name, text)| PolicyFile { name, text }).collect();
    Policies::load(&files).map_err(|faults| faults.into_iter().map(PoliciesFault::Policy).collect())
}

/// Names, as people can open them, and texts.
fn read_folder(folder: &Path) -> Result<Vec<(String, String)>, Vec<PoliciesFault>> {
    let paths = paths(folder).map_err(|error| vec![unreadable(folder, &error)])?;
    if paths.is_empty() {
        return Err(vec![PoliciesFault::Empty { folder: shown(folder) }]);
    }
    let mut files = Vec::new();
    let mut faults = Vec::new();
    for path in paths {
        match read_file(&path) {
            Ok(text) => files.push((path.display().to_string(), text)),
            Err(error) => faults.push(unreadable(&path, &error)),
        }
    }
    if faults.is_empty() { Ok(files) } else { Err(faults) }
}

fn paths(folder: &Path) -> std::io::Result<Vec<PathBuf>> {
    let mut paths = Vec::new();
    for entry in fs::read_dir(folder)? {
        let path = entry?.path();
        // An editor's `.default.cedar` and the like are no policies.
        let is_hidden = path.file_name().is_some_and(|name| name.to_string_lossy().starts_with('.'));
        let is_policy = path.extension().is_some_and(|extension| extension == "cedar" || extension == "toml");
        if is_policy && !is_hidden {
            paths.push(path);
        }
    }
    paths.sort();
    paths.truncate(FILES_MAX);
    Ok(paths)
}

fn read_file(path: &Path) -> std::io::Result<String> {
    let mut text = String::new();
    File::open(path)?.take(FILE_BYTES_MAX).read_to_string(&mut text)?;
    Ok(text)
}

fn unreadable(path: &Path, error: &std::io::Error) -> PoliciesFault {
    PoliciesFault::Unreadable { path: shown(path), reason: text::clean(&error.to_string(), SHOWN_CHARS_MAX) }
}

fn shown(path: &Path) -> String {
    text::clean(&path.display().to_string(), SHOWN_CHARS_MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn folder(files: &[(&str, &str)]) -> tempfile::TempDir {
        let folder = tempfile::tempdir().unwrap();
        for (name, text) in files {
            fs::write(folder.path().join(name), text).unwrap();
        }
        folder
    }

    fn faults(folder: &Path) -> Vec<String> {
        let prefix = format!("{}/", folder.display());
        let faults = load_policies(folder, &["webhook"]).unwrap_err();
        faults.iter().map(|fault| fault.to_string().replace(&prefix, "")).collect()
    }

    #[test]
    fn only_cedar_files_directly_in_the_folder_are_policies() {
        let folder = folder(&[("a.cedar", ""), ("b.txt", "x"), (".c.cedar", "x"), ("d.cedar.off", "x")]);
        fs::create_dir(folder.path().join("examples")).unwrap();
        fs::write(folder.path().join("examples/e.cedar"), "x").unwrap();
        assert_eq!(load_policies(folder.path(), &[]).unwrap().len(), 0);
    }

    #[test]
    fn a_policy_may_name_only_sinks_that_are_set_up() {
        let text =
            r#"@id("a") @notify("webhook,pager") permit (principal, action == Action::"stop", resource);"#;
        let folder = folder(&[("a.cedar", text)]);
        assert_eq!(
            faults(folder.path()),
            ["policy `a` notifies `pager`, which STOP_GUARD_SINKS doesn't name"]
        );
    }

    #[test]
    fn a_folder_without_policies_is_taken_for_the_wrong_one() {
        let folder = folder(&[]);
        let told = faults(folder.path());
        assert!(told[0].ends_with("holds no `*.cedar` file: check STOP_GUARD_POLICIES"), "{told:?}");
        let told = faults(&folder.path().join("absent"));
        assert!(told[0].contains("can't be read (No such file"), "{told:?}");
    }

    #[test]
    fn a_file_that_is_no_text_or_too_long_is_told_with_its_name() {
        let folder = folder(&[("long.cedar", &"/".repeat(600 * 1024))]);
        fs::write(folder.path().join("raw.cedar"), [0xff]).unwrap();
        assert!(faults(folder.path())[0].starts_with("`raw.cedar` can't be read"));
        fs::remove_file(folder.path().join("raw.cedar")).unwrap();
        assert_eq!(faults(folder.path()), ["long.cedar:1:1: the file has more than 262144 bytes"]);
    }
}
