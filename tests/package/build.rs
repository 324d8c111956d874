//! `tools/package` from the build to the zip file, with a cargo that builds what the test wants.

use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use tempfile::TempDir;

use super::{ROOT, unpack, write};

/// What an executable for this C library holds somewhere.
const NEEDS_2_17: &[u8] = b"\x7fELF GLIBC_2.2.5\0 GLIBC_2.17\0";
const NEEDS_2_34: &[u8] = b"\x7fELF GLIBC_2.9\0 GLIBC_2.34\0";
const NEEDS_NONE: &[u8] = b"\x7fELF";

/// A project with the tool in it, and a PATH whose cargo copies `built` to where cargo puts a release.
struct Project {
    folder: TempDir,
}

impl Project {
    fn new(built: &[u8]) -> Self {
        let project = Self { folder: tempfile::tempdir().unwrap() };
        for name in ["tools/package", "host.json", ".funcignore", "LICENSE", "Sweep/function.json"] {
            let text = std::fs::read_to_string(Path::new(ROOT).join(name)).unwrap();
            write(&project.path(name), &text);
        }
        write(&project.path("policies/own.cedar"), "// mine");
        write(&project.path("policies/examples/example.cedar"), "// not mine");
        write(&project.path("built"), "");
        std::fs::write(project.path("built"), built).unwrap();
        project.command(
            "cargo",
            "echo \"$*\" >>\"$HERE/asked\"; while [ \"$1\" != --target ]; do shift; done; folder=target/${2%.2.28}/release\n\
             /bin/mkdir -p \"$folder\" && /bin/cp \"$HERE/built\" \"$folder/aks-stop-guard\"",
        );
        project
    }

    /// With zig, as far as the tool can see.
    fn with_zig(built: &[u8]) -> Self {
        let project = Self::new(built);
        project.command("cargo-zigbuild", "exit 1");
        project
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn command(&self, name: &str, script: &str) {
        let path = self.path("bin").join(name);
        write(&path, &format!("#!/bin/sh\nHERE='{}'\n{script}\n", self.folder.path().display()));
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o755)).unwrap();
    }

    /// Runs the tool with nothing on the PATH but this project's commands: the machine may have zig.
    fn package(&self, arguments: &[&str]) -> Output {
        let tool = self.path("tools/package");
        // The stand-in for cargo builds into the project, whatever this run's own target folder is.
        let mut package = Command::new(python());
        package.arg(tool).args(arguments).env("PATH", self.path("bin")).env_remove("CARGO_TARGET_DIR");
        package.output().unwrap()
    }

    fn asked(&self) -> String {
        std::fs::read_to_string(self.path("asked")).unwrap()
    }
}

/// The interpreter itself, which may be no command of the system's.
fn python() -> PathBuf {
    let said = Command::new("python3").args(["-c", "import sys; print(sys.executable)"]).output().unwrap();
    PathBuf::from(String::from_utf8(said.stdout).unwrap().trim())
}

fn said(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).trim_end().to_owned()
}

#[test]
fn with_zig_the_release_is_built_for_an_old_c_library_staged_and_zipped() {
    let project = Project::with_zig(NEEDS_2_17);
    let output = project.package(&["--portable"]);
    assert!(output.status.success(), "{}", said(&output));
    assert_eq!(
        project.asked(),
        "zigbuild --target x86_64-unknown-linux-gnu.2.28 --release --quiet --locked --package aks-stop-guard --bin aks-stop-guard\n"
    );
    let told = String::from_utf8(output.stdout).unwrap();
    assert!(
        told.starts_with("aks-stop-guard: for x86_64-unknown-linux-gnu, with glibc 2.17 or newer\n"),
        "{told}"
    );
    let entries = unpack(&project.path("target/package/aks-stop-guard.zip"), &project.path("out"));
    let names: Vec<_> = entries.into_keys().collect();
    assert_eq!(
        names,
        ["LICENSE", "Sweep/function.json", "aks-stop-guard", "host.json", "policies/own.cedar"]
    );
    for executable in ["dist/aks-stop-guard", "aks-stop-guard"] {
        let mode = std::fs::metadata(project.path(executable)).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o755, "{executable}");
    }
    // Once more, over what is there.
    assert!(project.package(&["--portable"]).status.success());
}

#[test]
fn without_zig_it_says_that_the_executable_is_not_portable_or_refuses_where_it_has_to_be() {
    let project = Project::new(NEEDS_2_34);
    let output = project.package(&[]);
    assert!(output.status.success(), "{}", said(&output));
    assert_eq!(
        said(&output),
        "warning: without cargo-zigbuild the executable needs a C library as new as this machine's"
    );
    assert!(project.asked().starts_with("build --target x86_64-unknown-linux-gnu --release"));
    assert!(String::from_utf8_lossy(&output.stdout).contains("with glibc 2.34 or newer"));

    let refused = project.package(&["--portable"]);
    assert_eq!(refused.status.code(), Some(1));
    assert_eq!(
        said(&refused),
        "package: cargo-zigbuild is not there: `make package` installs it, or `pip install -r tools/zigbuild-requirements.txt`"
    );
}

#[test]
fn an_executable_that_needs_a_newer_c_library_than_promised_is_not_packed() {
    let project = Project::with_zig(NEEDS_2_34);
    let output = project.package(&["--portable"]);
    assert_eq!(output.status.code(), Some(1));
    assert!(said(&output).ends_with("needs glibc 2.34, newer than the 2.28 promised"), "{}", said(&output));
    assert!(!project.path("dist").exists());
}

#[test]
fn another_target_is_built_as_it_is_named() {
    let project = Project::with_zig(NEEDS_NONE);
    let output = project.package(&["--portable", "--target", "x86_64-unknown-linux-musl"]);
    assert!(output.status.success(), "{}", said(&output));
    assert!(project.asked().starts_with("zigbuild --target x86_64-unknown-linux-musl --release"));
    assert!(String::from_utf8_lossy(&output.stdout).contains("x86_64-unknown-linux-musl, needs no glibc"));
}

#[test]
fn a_package_that_is_too_large_and_a_build_that_fails_are_failures() {
    let mut noise = vec![0; 12_500_000];
    fastrand::Rng::with_seed(8).fill(&mut noise);
    let project = Project::with_zig(&noise);
    let output = project.package(&[]);
    assert_eq!(output.status.code(), Some(1));
    assert!(said(&output).ends_with("more than the 12000000 that a package may have"), "{}", said(&output));

    project.command("cargo", "exit 101");
    let output = project.package(&[]);
    assert_eq!(output.status.code(), Some(1));
    assert!(
        said(&output).starts_with("package: the build failed: cargo zigbuild --target"),
        "{}",
        said(&output)
    );
}
