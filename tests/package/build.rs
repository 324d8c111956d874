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
        for name in [
            "tools/package",
            "tools/release.py",
            "tools/pgo/layout.ld",
            "host.json",
            ".funcignore",
            "LICENSE",
            "Sweep/function.json",
        ] {
            let text = std::fs::read_to_string(Path::new(ROOT).join(name)).unwrap();
            write(&project.path(name), &text);
        }
        write(&project.path("policies/own.cedar"), "// mine");
        write(&project.path("policies/examples/example.cedar"), "// not mine");
        write(&project.path("built"), "");
        std::fs::write(project.path("built"), built).unwrap();
        project.command("rustc", "echo 'rustc 1.2.3 (of a test)'; echo 'release: 1.2.3'");
        project.command(
            "cargo",
            "echo \"$*\" >>\"$HERE/asked\"; echo \"$CARGO_ENCODED_RUSTFLAGS\" >\"$HERE/flags\"; while [ \"$1\" != --target ]; do shift; done; folder=target/${2%.2.28}/release\n\
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
        self.package_with(arguments, &[])
    }

    fn package_with(&self, arguments: &[&str], variables: &[(&str, &str)]) -> Output {
        let tool = self.path("tools/package");
        // The stand-in for cargo builds into the project, whatever this run's own target folder is.
        let mut package = Command::new(python());
        package.arg(tool).args(arguments).env("PATH", self.path("bin"));
        for of_this_run in ["CARGO_TARGET_DIR", "CARGO_ENCODED_RUSTFLAGS", "RUSTFLAGS"] {
            package.env_remove(of_this_run);
        }
        package.envs(variables.iter().copied()).output().unwrap()
    }

    fn asked(&self) -> String {
        std::fs::read_to_string(self.path("asked")).unwrap()
    }

    /// The flags for rustc that cargo got.
    fn flags(&self) -> Vec<String> {
        let flags = std::fs::read_to_string(self.path("flags")).unwrap();
        flags.trim_end().split('\u{1f}').map(str::to_owned).collect()
    }

    /// Stores a profile for this version of rustc.
    fn profile(&self, rustc: &str) {
        self.store(&format!("{rustc}.profdata"), "a profile");
    }

    fn store(&self, name: &str, content: &str) {
        let packs = "import lzma, sys; open(sys.argv[1], 'wb').write(lzma.compress(sys.argv[2].encode()))";
        let path = self.path(&format!("tools/pgo/x86_64-unknown-linux-gnu-rustc-{name}.xz"));
        assert!(
            Command::new(python()).args(["-c", packs]).arg(path).arg(content).status().unwrap().success()
        );
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
        "zigbuild --target x86_64-unknown-linux-gnu.2.28 --release --quiet --locked --package aks-stop-guard --bins\n"
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
        "warning: without cargo-zigbuild the executable needs a C library as new as this machine's, and goes without a profile: it starts slower"
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
fn a_stored_profile_of_this_rustc_optimises_the_build_beside_the_flags_that_are_set() {
    let project = Project::with_zig(NEEDS_2_17);
    project.profile("1.2.3");
    let output = project.package_with(&[], &[("RUSTFLAGS", "-Ctarget-cpu=native  -g")]);
    assert!(output.status.success(), "{}", said(&output));
    assert_eq!(said(&output), "", "nothing is missing");
    let flags = project.flags();
    assert_eq!(flags[..2], ["-Ctarget-cpu=native", "-g"]);
    let unpacked = flags.iter().find_map(|flag| flag.strip_prefix("-Cprofile-use=")).unwrap();
    assert!(Path::new(unpacked).starts_with(project.path("target").canonicalize().unwrap()), "{unpacked}");
    assert_eq!(std::fs::read(unpacked).unwrap(), b"a profile");
    assert!(flags.iter().any(|flag| flag.ends_with("tools/pgo/layout.ld")), "{flags:?}");
    // What keeps the package below its limit: smaller tables for unwinding, and less inlined.
    for saves_room in ["-Cforce-frame-pointers=yes", "-Cllvm-args=-inlinedefault-threshold=100"] {
        assert!(flags.iter().any(|flag| flag == saves_room), "{flags:?}");
    }
}

#[test]
fn what_runs_often_is_built_at_the_level_of_its_crate_and_all_else_for_the_smallest_size() {
    let project = Project::with_zig(NEEDS_2_17);
    project.profile("1.2.3");
    project.store("1.2.3.often", "_Rfast minsize optsize\n_Rsmall minsize\n");
    let output = project.package(&[]);
    assert!(output.status.success(), "{}", said(&output));
    let flags = project.flags();
    let file = flags.iter().find_map(|flag| flag.strip_prefix('@')).unwrap();
    insta::assert_snapshot!(std::fs::read_to_string(file).unwrap(), @r"
    -Cllvm-args=-force-attribute=minsize
    -Cllvm-args=-force-attribute=optsize
    -Cllvm-args=-force-remove-attribute=_Rfast:minsize
    -Cllvm-args=-force-remove-attribute=_Rfast:optsize
    -Cllvm-args=-force-remove-attribute=_Rsmall:minsize
    ");
}

/// What `llvm-profdata show` tells of functions: of the guard's own crate (level 2), of `http` (`s`) and of `axum` (`z`).
const COUNTS: &str = "Counters:
  _RNvNtCsdx7EgnunFpP_14aks_stop_guard4case7advance:
    Hash: 0x0a4d0ad3efffffff
    Counters: 2
    Block counts: [6000, 0]
  aks_stop_guard.9da4-cgu.0;_RINvNtCs7YQ8mCV4QQf_4http3map3getNtCsdx7EgnunFpP_14aks_stop_guard3cliE:
    Hash: 0x0a4d0ad3efffffff
    Counters: 1
    Block counts: [5999]
  _RNvNtCs7YQ8mCV4QQf_4http3uri5parse:
    Hash: 0x0a4d0ad3efffffff
    Counters: 1
    Block counts: [2500]
  _RNvNtCs7YQ8mCV4QQf_4http3uri5print:
    Hash: 0x0a4d0ad3efffffff
    Counters: 1
    Block counts: [2499]
  _RNvNtCsfJK7CXF3GRr_4axum7routing3new:
    Hash: 0x0a4d0ad3efffffff
    Counters: 1
    Block counts: [999999]
Instrumentation level: IR
Total functions: 5
";

#[test]
fn what_runs_often_for_its_crate_is_found_in_the_counts() {
    let lists = "import sys; sys.dont_write_bytecode = True; sys.path.insert(0, sys.argv[1]); import pgo; \
                 [print(*line) for line in pgo.often(sys.argv[2], pgo.levels()).items()]";
    let output = Command::new(python())
        .args(["-c", lists])
        .arg(Path::new(ROOT).join("tools"))
        .arg(COUNTS)
        .output()
        .unwrap();
    assert!(output.status.success(), "{}", said(&output));
    insta::assert_snapshot!(String::from_utf8(output.stdout).unwrap(), @r"
    _RNvNtCsdx7EgnunFpP_14aks_stop_guard4case7advance ['minsize', 'optsize']
    _RNvNtCs7YQ8mCV4QQf_4http3uri5parse ['minsize']
    ");
}

#[test]
fn a_profile_of_another_rustc_is_left_out_and_that_is_said() {
    let project = Project::with_zig(NEEDS_2_17);
    project.profile("1.2.4");
    let output = project.package(&[]);
    assert!(output.status.success(), "{}", said(&output));
    assert_eq!(
        said(&output),
        "warning: there is no profile of `x86_64-unknown-linux-gnu` for rustc 1.2.3: the executable starts slower, and takes more memory and CPU"
    );
    assert_eq!(project.flags(), [""]);
}

#[test]
fn a_profile_is_stored_for_the_rustc_that_the_workflow_builds_releases_with() {
    let workflow = std::fs::read_to_string(Path::new(ROOT).join(".github/workflows/deploy.yml")).unwrap();
    let rustc = workflow.split("RUSTUP_TOOLCHAIN: \"").nth(1).unwrap().split('"').next().unwrap();
    let profile = format!("tools/pgo/x86_64-unknown-linux-gnu-rustc-{rustc}.profdata.xz");
    assert!(Path::new(ROOT).join(&profile).is_file(), "`{profile}` is missing: `make profile`");
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
    // Nothing else is said then.
    project.profile("1.2.3");
    let output = project.package(&[]);
    assert_eq!(output.status.code(), Some(1));
    assert!(
        said(&output).starts_with("package: the build failed: cargo zigbuild --target"),
        "{}",
        said(&output)
    );
}
