//! How many instructions a start and an event take, beside stored figures: nothing gets slower, or faster, unseen.
//!
//! Instructions are counted by valgrind's callgrind, which runs one thread at a time on a processor of its own making, so that neither the
//! machine's speed nor its load matters. What does: the compiler, the C library's string functions, the random seeds of hash maps, and
//! which thread takes which task. Together these stay within a few in a hundred, and the figures have room for ten.
//!
//! `INSTRUCTIONS_KEEP=<folder>` keeps callgrind's own files there, for `callgrind_annotate`: where the instructions go.
//!
//! `tools/search` runs this, since the guard has to be optimised for it. `INSTRUCTIONS=new tools/search --test instructions` stores the
//! figures anew; the difference belongs into the commit that caused it.

#![expect(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use simulator::host::envelope;
use simulator::host::json::Value;
use simulator::host::wire::Client;
use simulator::http::{Azure, now};
use simulator::ports::free_port;
use simulator::sink::Receiver;
use simulator::world::{AssignedIdentity, Caller, ClusterId, Deed, NewCluster, Settings};

/// The stored figures, one a line: what, then how many.
const STORED: &str = "tests/instructions.txt";
/// How far a figure may be from the stored one, in hundredths of it.
const ROOM_PERCENT: u64 = 10;
/// Events before the counted ones: connections, token and policies are there by then.
const WARM_UP: usize = 2;
/// Counted events. With those before them fewer than make a storm, which is told otherwise.
const COUNTED: usize = 6;
/// What takes longer than this has failed. Some seconds on an idle machine.
const DEADLINE: Duration = Duration::from_secs(180);
/// Between two looks at what is waited for.
const POLL_EVERY: Duration = Duration::from_millis(5);
/// How long the guard is left alone before it is ended: what it still writes then is there.
const SETTLE: Duration = Duration::from_millis(500);

const SUBSCRIPTION: &str = "aaaa0a0a-bb1b-cc2c-dd3d-eeeeee4e4e4e";
const INVOCATION: &str = "00000000-0000-4000-8000-00000000bec4";

/// What functions are called that run in the threads which put the guard together and nowhere else.
const PUT_TOGETHER: [&str; 2] = ["put_together", "try_out"];

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_start_and_an_event_take_as_many_instructions_as_the_stored_figures_say() {
    let answered = run(0, false).await;
    let started = run(0, true).await;
    let warm = run(WARM_UP, true).await;
    let all = run(WARM_UP + COUNTED, true).await;
    let figures = [
        ("start to the first answer", answered.beside_putting_together),
        ("start until events are taken in", started.total),
        ("one stop that nobody allowed", (all.total - warm.total) / COUNTED as u64),
    ];
    if std::env::var_os("INSTRUCTIONS").is_some_and(|wanted| wanted == "new") {
        std::fs::write(root().join(STORED), written(&figures)).unwrap();
        return;
    }
    let stored = std::fs::read_to_string(root().join(STORED)).unwrap();
    let faults: Vec<String> =
        figures.iter().filter_map(|(what, count)| fault(&stored, what, *count)).collect();
    assert!(
        faults.is_empty(),
        "{}\nIf that is meant: `INSTRUCTIONS=new tools/search --test instructions` stores the new figures in {STORED}; say in the \
         commit what they come from. (They were counted with {}.)",
        faults.join("\n"),
        stored.lines().next().unwrap_or_default().trim_start_matches("# "),
    );
}

#[test]
fn a_figure_that_left_its_room_on_either_side_is_a_fault() {
    let stored = "# x\na start: 1000\n";
    assert_eq!(fault(stored, "a start", 1_100), None);
    assert_eq!(fault(stored, "a start", 900), None);
    assert_eq!(
        fault(stored, "a start", 1_111).unwrap(),
        "a start: 1111 instructions, 111 % of the stored 1000"
    );
    assert_eq!(fault(stored, "a start", 889).unwrap(), "a start: 889 instructions, 88 % of the stored 1000");
    assert_eq!(fault(stored, "an end", 1).unwrap(), "an end: 1 instructions, and no stored figure");
}

/// What is wrong with a figure.
fn fault(stored: &str, what: &str, count: u64) -> Option<String> {
    let figure =
        stored.lines().find_map(|line| line.strip_prefix(what)?.strip_prefix(": ")?.parse::<u64>().ok());
    let Some(figure) = figure else {
        return Some(format!("{what}: {count} instructions, and no stored figure"));
    };
    let is_near = count.abs_diff(figure) * 100 <= figure * ROOM_PERCENT;
    (!is_near).then(|| {
        format!("{what}: {count} instructions, {} % of the stored {figure}", count * 100 / figure.max(1))
    })
}

fn written(figures: &[(&str, u64)]) -> String {
    let rustc = Command::new("rustc").arg("--version").output().unwrap();
    let mut text = format!("# {}, profile of tools/search\n", String::from_utf8_lossy(&rustc.stdout).trim());
    for (what, count) in figures {
        writeln!(text, "{what}: {count}").unwrap();
    }
    text
}

/// Instructions of one life of the guard.
#[derive(Debug, Clone, Copy)]
struct Counted {
    total: u64,
    /// Of those, what the threads took that did not put the guard together: this is what the first answer waits for.
    beside_putting_together: u64,
}

/// A life: a start up to the first answer; and, if `ready`, until events are taken in; then so many stops.
async fn run(stops: usize, ready: bool) -> Counted {
    let azure =
        Azure::serve(Settings { speed_up: 60, ..Settings::default() }, Receiver::new(None), 0).await.unwrap();
    let site = "/subscriptions/00000000-0000-4000-8000-000000000000/resourceGroups/rg-guard/providers/Microsoft.Web/sites/func";
    let identity = AssignedIdentity { caller: Caller::system_identity("guard", site), user_assigned: false };
    azure.world().assign_identity(identity);
    let folder = tempfile::tempdir().unwrap();
    let port = free_port().unwrap();
    std::fs::write(folder.path().join("roots.pem"), one_root()).unwrap();
    let mut guard = Guard(guard(&azure, port, folder.path()).spawn().unwrap());
    let host = Client::new(port);
    let began = Instant::now();
    while host.ping(&[]).await.is_err() {
        poll(began, "the guard did not answer").await;
    }
    if ready {
        // Of no use, but its answer waits for settings and policies.
        invoke(&host, &body(&Value::parse(r#"{"id":"no-stop"}"#).unwrap())).await;
    }
    for number in 0..stops {
        let cluster = ClusterId::new(SUBSCRIPTION, "rg-count", &format!("aks-{number}"));
        let event = stop(&azure, &cluster, &format!("user{number}"));
        invoke(&host, &body(&event)).await;
        let began = Instant::now();
        while azure.receiver().deliveries().len() <= number {
            poll(began, "nobody was told of the stop").await;
        }
        assert_eq!(azure.world().journal().accepted(Deed::Start, &cluster), 1, "one start of {cluster}");
    }
    if ready {
        tokio::time::sleep(SETTLE).await;
    }
    guard.end();
    if let Some(kept) = std::env::var_os("INSTRUCTIONS_KEEP") {
        keep(
            folder.path(),
            &PathBuf::from(kept).join(format!("{stops}-stops{}", if ready { "" } else { "-first-answer" })),
        );
    }
    counted(folder.path())
}

fn keep(from: &Path, to: &Path) {
    std::fs::create_dir_all(to).unwrap();
    for entry in std::fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        std::fs::copy(entry.path(), to.join(entry.file_name())).unwrap();
    }
}

async fn poll(began: Instant, failed: &str) {
    assert!(began.elapsed() < DEADLINE, "{failed}");
    tokio::time::sleep(POLL_EVERY).await;
}

/// As Event Grid does: again, as long as it is not acknowledged. Under valgrind on a busy machine the first TLS set-up alone can take
/// longer than an invocation may.
async fn invoke(host: &Client, body: &str) {
    let began = Instant::now();
    loop {
        let answer = host.invoke("StopActionHandler", INVOCATION, &[], body).await.unwrap();
        let text = String::from_utf8_lossy(&answer.body);
        assert!(!text.contains("degraded"), "{text}");
        match answer.status {
            200 => return,
            status => poll(began, &format!("{status} {text}")).await,
        }
    }
}

fn body(event: &Value) -> String {
    envelope::event("event", event, envelope::sys("StopActionHandler", now())).compact()
}

/// A cluster is made, and stopped by somebody who may not.
fn stop(azure: &Azure, cluster: &ClusterId, who: &str) -> Value {
    let mut world = azure.world();
    world.create_cluster(NewCluster::new(cluster.clone()), now()).unwrap();
    world.stop(cluster, &Caller::user(who), now()).unwrap();
    world.finish_operations(now());
    let events = world.take_events(now());
    let event = events.iter().find(|event| event.cluster == *cluster && event.deed == Deed::Stop).unwrap();
    Value::parse(&event.event_grid().to_string()).unwrap()
}

/// The guard under callgrind, with the settings of a real one and its state in memory.
fn guard(azure: &Azure, port: u16, folder: &Path) -> Command {
    let url = azure.url();
    let (valgrind, library) = valgrind();
    let mut command = Command::new(valgrind);
    command
        .env_clear()
        .envs(library.map(|library| ("VALGRIND_LIB", library)))
        .args(["--tool=callgrind", "--separate-threads=yes", "--vgdb=no"])
        .arg(format!("--callgrind-out-file={}", folder.join("counts").display()))
        .arg(env!("CARGO_BIN_EXE_aks-stop-guard"))
        .env("SSL_CERT_FILE", folder.join("roots.pem"))
        .env("FUNCTIONS_CUSTOMHANDLER_PORT", port.to_string())
        .env("STOP_GUARD_MODE", "act")
        .env("STOP_GUARD_SUBSCRIPTIONS", SUBSCRIPTION)
        .env("STOP_GUARD_POLICIES", root().join("policies"))
        .env("STOP_GUARD_STATE", "memory")
        .env("STOP_GUARD_ARM_ENDPOINT", url)
        .env("STOP_GUARD_CREDENTIAL", "managed-identity")
        .env("IDENTITY_ENDPOINT", format!("{url}/msi/token"))
        .env("IDENTITY_HEADER", Settings::default().identity_secret)
        .env("STOP_GUARD_SINKS", "webhook")
        .env("STOP_GUARD_SINK_FILES", root().join("sinks"))
        .env("STOP_GUARD_WEBHOOK_URL", format!("{url}/webhook"))
        .stdout(Stdio::null())
        .stderr(Stdio::null());
    command
}

/// The first of the machine's root certificates: how many there are must not count.
fn one_root() -> String {
    const ROOTS: &str = "/etc/ssl/certs/ca-certificates.crt";
    const END: &str = "-----END CERTIFICATE-----\n";
    let Ok(all) = std::fs::read_to_string(ROOTS) else {
        panic!("no `{ROOTS}` (Debian: apt-get install ca-certificates)")
    };
    all.split_inclusive(END).next().unwrap_or_default().to_owned()
}

/// The machine's valgrind and its own library, or those that `make tools` unpacked.
fn valgrind() -> (PathBuf, Option<PathBuf>) {
    let unpacked = root().join(".tools/valgrind/usr");
    if unpacked.join("bin/valgrind").exists() {
        return (unpacked.join("bin/valgrind.bin"), Some(unpacked.join("libexec/valgrind")));
    }
    let path = std::env::var_os("PATH").unwrap_or_default();
    let found = std::env::split_paths(&path).map(|folder| folder.join("valgrind")).find(|file| file.exists());
    let Some(found) = found else {
        panic!("there is no valgrind: run `make tools` (Debian: apt-get install valgrind)")
    };
    (found, None)
}

/// The guard's process, which must not outlive a test that failed.
struct Guard(Child);

impl Guard {
    /// A signal that it doesn't catch: valgrind then writes its counts.
    fn end(&mut self) {
        let id = self.0.id().to_string();
        assert!(Command::new("kill").args(["-ABRT", &id]).status().unwrap().success());
        self.0.wait().unwrap();
    }
}

impl Drop for Guard {
    fn drop(&mut self) {
        // It may have ended already.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// Adds up the counts of all threads: a file each.
fn counted(folder: &Path) -> Counted {
    let mut counted = Counted { total: 0, beside_putting_together: 0 };
    for entry in std::fs::read_dir(folder).unwrap() {
        let text = std::fs::read_to_string(entry.unwrap().path()).unwrap();
        let Some(total) =
            text.lines().find_map(|line| line.strip_prefix("totals: ")?.trim().parse::<u64>().ok())
        else {
            continue;
        };
        counted.total += total;
        if !PUT_TOGETHER.iter().any(|name| text.contains(name)) {
            counted.beside_putting_together += total;
        }
    }
    assert!(counted.beside_putting_together > 0, "callgrind counted nothing");
    counted
}

fn root() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
}
