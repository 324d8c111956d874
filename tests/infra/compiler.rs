//! The real Bicep compiler, where there is one: `$BICEP`, `bicep` on the path, or the one that the Azure CLI installs. With
//! `GUARD_TEST_BICEP=required` its absence is a failure.

use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::Value;

use crate::snapshot::{parameter_files, root};

/// The compiler, or `None` after a line that says what is not tested.
#[expect(clippy::print_stdout, reason = "what is not tested has to be said")]
fn bicep() -> Option<PathBuf> {
    let named = std::env::var_os("BICEP").map(PathBuf::from);
    let on_path = std::env::var_os("PATH")
        .into_iter()
        .flat_map(|path| std::env::split_paths(&path).map(|folder| folder.join("bicep")).collect::<Vec<_>>());
    let by_azure_cli = std::env::home_dir().map(|home| home.join(".azure/bin/bicep"));
    let found = named.into_iter().chain(on_path).chain(by_azure_cli).find(|path| path.is_file());
    let is_required = std::env::var_os("GUARD_TEST_BICEP") == Some(OsString::from("required"));
    assert!(found.is_some() || !is_required, "the Bicep compiler is required here and was not found");
    if found.is_none() {
        println!(
            "no Bicep compiler: the templates are not compiled, only their committed snapshots are tested"
        );
    }
    found
}

/// Runs the compiler in the project's folder. It must end well and have nothing to say.
fn run(arguments: &[&str]) {
    let Some(bicep) = bicep() else { return };
    let done = Command::new(bicep).current_dir(root()).args(arguments).output().unwrap();
    let told = String::from_utf8_lossy(&done.stderr);
    assert!(done.status.success() && told.trim().is_empty(), "bicep {arguments:?}:\n{told}");
}

#[test]
fn every_template_compiles_without_a_warning() {
    run(&["lint", "--pattern", "infra/**/*.bicep"]);
}

#[test]
fn every_template_is_formatted() {
    let Some(bicep) = bicep() else { return };
    // The compiler writes in place: it gets a copy.
    let copy = tempfile::tempdir().unwrap();
    let files = bicep_files(&root().join("infra"));
    for file in &files {
        let to = copy.path().join(file.strip_prefix(root()).unwrap());
        std::fs::create_dir_all(to.parent().unwrap()).unwrap();
        std::fs::copy(file, to).unwrap();
    }
    for pattern in ["infra/**/*.bicep", "infra/**/*.bicepparam"] {
        let done =
            Command::new(&bicep).current_dir(copy.path()).args(["format", "--pattern", pattern]).output();
        assert!(done.unwrap().status.success(), "bicep format --pattern {pattern}");
    }
    for file in files {
        let formatted =
            std::fs::read_to_string(copy.path().join(file.strip_prefix(root()).unwrap())).unwrap();
        assert_eq!(std::fs::read_to_string(&file).unwrap(), formatted, "bicep format {}", file.display());
    }
}

/// A change of a template shows in a snapshot. `make snapshots` writes them anew.
#[test]
fn the_committed_snapshots_are_what_the_templates_make() {
    for file in parameter_files() {
        let file = file.strip_prefix(root()).unwrap().to_str().unwrap().to_owned();
        let mut arguments = vec!["snapshot", &file, "--mode", "validate"];
        arguments.extend(DEPLOYED_BY);
        if std::fs::read_to_string(root().join(&file)).unwrap().contains("management-group/") {
            arguments.extend(["--management-group-id", "mg-platform"]);
        } else {
            arguments.extend(["--subscription-id", "00000000-0000-0000-0000-000000000001"]);
        }
        run(&arguments);
    }
}

/// An Azure Policy can't name a file: it carries the second half, compiled. `make snapshots` writes it anew.
#[test]
fn the_policy_deploys_the_second_half_as_it_is() {
    let Some(bicep) = bicep() else { return };
    let arguments = ["build", "infra/guarded-subscription/main.bicep", "--stdout"];
    let done = Command::new(bicep).current_dir(root()).args(arguments).output().unwrap();
    let committed = std::fs::read(root().join("infra/management-group/guarded-subscription.json")).unwrap();
    assert_eq!(template(&committed), template(&done.stdout));
}

/// A compiled template without the compiler's own mark.
fn template(json: &[u8]) -> Value {
    fn unmark(value: &mut Value) {
        if let Value::Object(members) = value {
            if let Some(Value::Object(metadata)) = members.get_mut("metadata") {
                metadata.remove("_generator");
            }
            members.values_mut().for_each(unmark);
        } else if let Value::Array(items) = value {
            items.iter_mut().for_each(unmark);
        }
    }
    let mut value = serde_json::from_slice(json).unwrap();
    unmark(&mut value);
    value
}

/// From where a shape is deployed; `make snapshots` says the same.
const DEPLOYED_BY: [&str; 4] =
    ["--tenant-id", "00000000-0000-0000-0000-0000000000ff", "--location", "westeurope"];

fn bicep_files(folder: &Path) -> Vec<PathBuf> {
    let paths = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    let (folders, files): (Vec<_>, Vec<_>) = paths.partition(|path| path.is_dir());
    let here = files
        .into_iter()
        .filter(|file| file.extension().is_some_and(|kind| kind == "bicep" || kind == "bicepparam"));
    here.chain(folders.into_iter().flat_map(|folder| bicep_files(&folder))).collect()
}
