//! The package that is published: what is in it, what is not, its modes, and that the host can start the guard out of it.

#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a test fails by panicking, and so do the functions that tests share"
)]

#[path = "package/build.rs"]
mod build;
#[path = "package/deployment.rs"]
mod deployment;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::time::Duration;

use serde_json::{Value, json};
use simulator::delivery::{Answer, EventGrid, Schema, Subscription};
use simulator::host::log::Level;
use simulator::host::{Host, HostConfig, Queues};
use tempfile::TempDir;

const ROOT: &str = env!("CARGO_MANIFEST_DIR");
const SUBSCRIPTION: &str = "aaaa0a0a-bb1b-cc2c-dd3d-eeeeee4e4e4e";
const STOP: &str = include_str!("fixtures/events/eventgrid/stop_success_user_cli.json");
/// Stands for the executable where nothing is run: the real one takes seconds to pack.
const NO_EXECUTABLE: &str = "not run";
/// Modes of entries as Core Tools writes them: a regular file that all may read and write, and one that all may run.
const DATA: &str = "0o100666";
const EXECUTABLE: &str = "0o100777";

/// `tools/package`, run to its end.
fn tool(arguments: &[&Path]) -> Output {
    let tool = Path::new(ROOT).join("tools/package");
    Command::new("python3").arg(tool).args(arguments).output().unwrap()
}

fn succeeds(arguments: &[&Path]) {
    let output = tool(arguments);
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
}

fn stage(binary: &Path, dist: &Path) {
    succeeds(&[Path::new("stage"), Path::new("--binary"), binary, Path::new("--dist"), dist]);
}

fn zip(folder: &Path, archive: &Path) {
    succeeds(&[Path::new("zip"), folder, archive]);
}

/// An entry of a zip file: its mode, whether the file says that it was made on Unix, and its size.
type Entry = (String, bool, u64);

/// Unpacks a zip file, by another program than the one that made it.
fn unpack(archive: &Path, folder: &Path) -> BTreeMap<String, Entry> {
    let script = Path::new(ROOT).join("tests/package/unpack.py");
    let output = Command::new("python3").arg(script).args([archive, folder]).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let entries: Vec<(String, String, bool, u64)> = serde_json::from_slice(&output.stdout).unwrap();
    entries.into_iter().map(|(name, mode, unix, size)| (name, (mode, unix, size))).collect()
}

fn write(path: &Path, text: &str) {
    std::fs::create_dir_all(path.parent().unwrap()).unwrap();
    std::fs::write(path, text).unwrap();
}

/// A staged folder with something in the executable's place.
fn staged() -> (TempDir, PathBuf) {
    let folder = tempfile::tempdir().unwrap();
    let (binary, dist) = (folder.path().join("built"), folder.path().join("dist"));
    write(&binary, NO_EXECUTABLE);
    stage(&binary, &dist);
    (folder, dist)
}

fn functions() -> Vec<String> {
    let entries = std::fs::read_dir(ROOT).unwrap().map(|entry| entry.unwrap().path());
    let functions = entries.filter(|path| path.join("function.json").is_file());
    functions.map(|path| path.file_name().unwrap().to_str().unwrap().to_owned()).collect()
}

#[test]
fn the_package_holds_the_executable_the_functions_and_the_policies_and_nothing_else() {
    let (folder, dist) = staged();
    let archive = folder.path().join("package.zip");
    zip(&dist, &archive);
    let entries = unpack(&archive, &folder.path().join("out"));
    let mut expected: Vec<String> = functions().iter().map(|name| format!("{name}/function.json")).collect();
    expected.extend(["LICENSE", "aks-stop-guard", "host.json"].map(str::to_owned));
    for (data, needed) in [("policies", true), ("sinks", false)] {
        let Ok(files) = std::fs::read_dir(Path::new(ROOT).join(data)) else {
            assert!(!needed, "{data}");
            continue;
        };
        let files = files.map(|file| file.unwrap().path()).filter(|path| path.is_file());
        expected.extend(files.map(|path| format!("{data}/{}", path.file_name().unwrap().to_str().unwrap())));
    }
    expected.sort();
    assert_eq!(entries.keys().cloned().collect::<Vec<_>>(), expected);
    assert!(
        entries.contains_key("policies/default.cedar")
            && entries.contains_key("StopActionQueue/function.json")
    );
    for (name, (mode, unix, size)) in &entries {
        let expected = if name == "aks-stop-guard" { EXECUTABLE } else { DATA };
        assert_eq!((mode.as_str(), *unix, *size > 0), (expected, true, true), "{name}");
    }
}

#[test]
fn publishing_from_the_projects_folder_publishes_the_same_as_from_dist() {
    let (folder, dist) = staged();
    let project = folder.path().join("project");
    let listed = Command::new("git").args(["ls-files", "-z"]).current_dir(ROOT).output().unwrap();
    assert!(listed.status.success());
    let listed = String::from_utf8(listed.stdout).unwrap();
    for name in listed.split('\0').filter(|name| !name.is_empty()) {
        let target = project.join(name);
        std::fs::create_dir_all(target.parent().unwrap()).unwrap();
        // A file that was deleted and not yet committed is none.
        let _ = std::fs::copy(Path::new(ROOT).join(name), target);
    }
    // What lies in a project that is worked with.
    for junk in [
        "local.settings.json",
        "target/.rustc_info.json",
        "target/debug/.fingerprint/x",
        "target/package/aks-stop-guard.zip",
        "dist/host.json",
        ".venv/bin/python",
        ".tools/azurite/.package-lock.json",
        ".env",
        ".vscode/settings.json",
        "policies/examples/tests/x.yaml",
        "node_modules/.bin/x",
    ] {
        write(&project.join(junk), "{}");
    }
    std::fs::copy(dist.join("aks-stop-guard"), project.join("aks-stop-guard")).unwrap();
    let archives = ["from-dist.zip", "from-project.zip"].map(|name| folder.path().join(name));
    zip(&dist, &archives[0]);
    zip(&project, &archives[1]);
    let [from_dist, from_project] =
        archives.each_ref().map(|archive| unpack(archive, &archive.with_extension("out")));
    assert_eq!(from_project, from_dist);
    let [first, second] = archives.map(|archive| std::fs::read(archive).unwrap());
    assert!(first == second, "the same files make the same bytes");
}

#[test]
fn core_tools_reads_a_pattern_from_the_root_up_to_the_edge_of_a_word() {
    let folder = tempfile::tempdir().unwrap();
    let root = folder.path();
    let host = json!({"version": "2.0", "customHandler": {"description": {"defaultExecutablePath": "run"}}});
    write(&root.join("host.json"), &host.to_string());
    for name in [
        "run",
        "slash/.hidden",
        "slash/shown",
        "word/.hidden",
        "words",
        "deep/word",
        "a.x",
        "deep/b.x",
        "c.x",
    ] {
        write(&root.join(name), "x");
    }
    write(&root.join(".funcignore"), "# a comment\nslash/\r\n/word\n*.x\n!c.x\n");
    let out = tempfile::tempdir().unwrap();
    let archive = out.path().join("package.zip");
    zip(root, &archive);
    let entries: Vec<_> = unpack(&archive, &out.path().join("unpacked")).into_keys().collect();
    assert_eq!(entries, ["c.x", "deep/b.x", "deep/word", "host.json", "run", "slash/.hidden", "words"]);
}

#[test]
fn what_can_not_be_packed_is_said_in_one_line_and_deletes_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let somebodys = folder.path().join("somebodys");
    write(&somebodys.join("thesis.txt"), "years of work");
    let binary = folder.path().join("built");
    let refused = |arguments: &[&Path]| {
        let output = tool(arguments);
        assert_eq!(output.status.code(), Some(1));
        let said = String::from_utf8(output.stderr).unwrap();
        said.replace(folder.path().to_str().unwrap(), "").trim_end().to_owned()
    };
    let (stage, flag, dist) = (Path::new("stage"), Path::new("--binary"), Path::new("--dist"));
    assert_eq!(
        refused(&[stage, flag, &binary, dist, &somebodys]),
        "package: there is no executable at `/built`"
    );
    write(&binary, NO_EXECUTABLE);
    assert_eq!(
        refused(&[stage, flag, &binary, dist, &somebodys]),
        "package: `/somebodys` is not empty and holds no host.json: name another folder"
    );
    assert_eq!(std::fs::read_to_string(somebodys.join("thesis.txt")).unwrap(), "years of work");
    let host = json!({"customHandler": {"description": {"defaultExecutablePath": "./run"}}});
    write(&somebodys.join("host.json"), &host.to_string());
    let archive = folder.path().join("x.zip");
    assert_eq!(
        refused(&[Path::new("zip"), &somebodys, &archive]),
        "package: `defaultExecutablePath` in host.json is `./run`, and has to be a plain name"
    );
    assert!(!archive.exists());
}

async fn within(wait: impl Future<Output = ()>) {
    tokio::time::timeout(Duration::from_secs(30), wait).await.expect("it takes a moment");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_host_starts_the_guard_out_of_the_unpacked_package_and_it_serves_all_functions() {
    let folder = tempfile::tempdir().unwrap();
    let (dist, archive) = (folder.path().join("dist"), folder.path().join("package.zip"));
    stage(Path::new(env!("CARGO_BIN_EXE_aks-stop-guard")), &dist);
    zip(&dist, &archive);
    let app = folder.path().join("wwwroot");
    unpack(&archive, &app);

    let queues = Queues::default();
    let mut config = HostConfig::new(&app);
    config.queues = queues.clone();
    config.settings = [
        ("STOP_GUARD_MODE", "dry-run"),
        ("STOP_GUARD_SUBSCRIPTIONS", SUBSCRIPTION),
        ("STOP_GUARD_STATE", "memory"),
        ("STOP_GUARD_CREDENTIAL", "azure-cli"),
        // Nobody listens there: a look at the cluster fails, and its stop is stored all the same.
        ("STOP_GUARD_ARM_ENDPOINT", "http://127.0.0.1:9"),
        ("StopActionQueue", "UseDevelopmentStorage=true"),
    ]
    .map(|(name, value)| (name.to_owned(), value.to_owned()))
    .to_vec();
    let host = Host::start(config).await.unwrap();
    assert!(host.ready().await, "{:?}", host.log().entries());

    let grid =
        EventGrid::new(Subscription::new(host.webhook_url("StopActionHandler"), Schema::EventGrid)).unwrap();
    let delivery: Value = serde_json::from_str(&STOP.replace("/stop/action", "/start/action")).unwrap();
    let other = delivery[0].clone();
    grid.publish(vec![other.clone()]);
    within(grid.idle()).await;
    assert_eq!(grid.attempts()[0].answer, Answer::Status(202));
    queues.put("aks-stop-events", other.to_string());
    let worked_off = async {
        while !queues.messages("aks-stop-events").is_empty() {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    tokio::time::timeout(std::time::Duration::from_secs(30), worked_off)
        .await
        .expect("the queue is worked off");
    assert_eq!(queues.messages("aks-stop-events-poison"), []);

    let entries = host.log().entries();
    let serving = entries.iter().find(|entry| entry.message.contains("serving on 127.0.0.1")).unwrap();
    let serving: Value = serde_json::from_str(&serving.message).unwrap();
    // The policies of the package, found from the folder that the host starts the guard in.
    assert!(!serving["policies"].to_string().contains("null"), "{serving}");
    assert!(entries.iter().all(|entry| !entry.message.contains("degraded")), "{entries:?}");
    assert!(entries.iter().all(|entry| entry.level != Level::Fail), "{entries:?}");
    assert!(entries.iter().all(|entry| !entry.message.contains("failed indexing")), "{entries:?}");
}
