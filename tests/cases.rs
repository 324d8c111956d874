//! `cases list`, `cases show`, `cases export` and `cases follow`, run as people run them, over a state in Azurite.

#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    reason = "a test fails by panicking, and so do the functions that tests share"
)]

use std::io::{BufRead as _, BufReader};
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::process::{Command, Stdio};

use aks_stop_guard::case::{Case, Episode, Outcome, Record};
use aks_stop_guard::store::{CasePath, ExhibitPath, OpenMarker, StatePath};
use done::Done;
use serde_json::Value;
use stored_state::State;

#[path = "support/done.rs"]
mod done;

#[path = "support/azurite.rs"]
mod azurite;

#[path = "support/stored_state.rs"]
mod stored_state;

impl State {
    /// An open case, with its marker.
    async fn put(&self, record: &Record) {
        let marker = OpenMarker { key: record.cluster.key(), generation: record.generation };
        self.store.put(&StatePath::open_marker(&marker), record.cluster.lower().to_owned()).await.unwrap();
        self.store.put(&StatePath::cluster(&marker.key), record.encode().unwrap()).await.unwrap();
    }

    fn cases(&self, arguments: &[&str]) -> Done {
        let output = Command::new(env!("CARGO_BIN_EXE_aks-stop-guard"))
            .args([&["cases"], arguments].concat())
            .env_clear()
            .envs(self.settings())
            .stdin(Stdio::null())
            .output()
            .expect("the binary runs");
        Done::of(output)
    }
}

fn fixture(text: &str) -> Record {
    Record::decode(text.as_bytes()).unwrap()
}

#[tokio::test]
async fn an_open_case_is_listed_in_every_form_and_shown() {
    let state = State::new("cases-open").await;
    let none = state.cases(&["list"]);
    assert_eq!((none.code, none.out.as_str(), none.err.as_str()), (0, "", "no cases found\n"));
    assert_eq!(state.cases(&["list", "-o", "json"]).out, "[]\n");
    let record = fixture(include_str!("records/v1_told.json"));
    state.put(&record).await;
    let id = record.case_id().unwrap().as_str();
    let table = state.cases(&["list"]);
    assert_eq!((table.code, table.err.as_str()), (0, ""), "{}", table.out);
    let mut lines = table.out.lines();
    assert!(lines.next().unwrap().ends_with("  AGE"), "{}", table.out);
    assert!(lines.next().unwrap().starts_with(&format!("{id}  aks-prod-01 ")), "{}", table.out);
    assert_eq!(lines.next(), None);
    let json: Value = serde_json::from_str(&state.cases(&["list", "--open", "-o", "json"]).out).unwrap();
    assert_eq!((&json[0]["id"], &json[0]["state"]), (&id.into(), &"restarting".into()));
    let yaml = state.cases(&["list", "-o", "yaml"]).out;
    assert!(yaml.starts_with("- id: ") && yaml.contains("state: restarting\n"), "{yaml}");
    assert_eq!(state.cases(&["list", "--cluster", "another"]).err, "no cases found\n");
    let story = state.cases(&["show", id]);
    assert_eq!((story.code, story.err.as_str()), (0, ""), "{}", story.out);
    assert!(story.out.contains("accepted by Azure, request request-1"), "{}", story.out);
    let told: Value = serde_json::from_str(&state.cases(&["show", id, "-o", "json"]).out).unwrap();
    assert_eq!((&told["case"]["id"], &told["undelivered"][0]["tries"]), (&id.into(), &2.into()));
}

#[tokio::test]
async fn a_closed_case_is_shown_even_where_its_clusters_record_is_damaged() {
    let state = State::new("cases-closed").await;
    let record = fixture(include_str!("records/v1_closing.json"));
    let key = record.cluster.key();
    let marker = OpenMarker { key: key.clone(), generation: record.generation };
    let Episode::Closing(closing) = record.episode else { panic!("it is closing") };
    state.store.archive(&CasePath::new(&marker, closing.closed_at), closing.body).await.unwrap();
    state.store.put(&StatePath::cluster(&key), "{").await.unwrap();
    let story = state.cases(&["show", closing.id.as_str()]);
    assert_eq!(story.code, 1, "{}", story.err);
    assert!(
        story.err.starts_with("warning: what sinks were told of late is not known: the record is damaged"),
        "{}",
        story.err
    );
    assert!(story.out.contains("restored, case "), "{}", story.out);
}

impl State {
    /// The open case of `v1_evidence.json`, with its event. The other pieces of evidence are missing.
    async fn put_with_evidence(&self) -> Record {
        let record = fixture(include_str!("records/v1_evidence.json"));
        self.put(&record).await;
        let case = OpenMarker { key: record.cluster.key(), generation: record.generation };
        let evidence = &record.case().unwrap().evidence;
        let keep = async |sha256: &str, bytes: &'static str| {
            let path = ExhibitPath::new(&case, sha256).unwrap();
            self.store.keep_exhibit(&path, bytes).await.unwrap();
        };
        keep(&evidence.events[0].exhibit.sha256, r#"{"id":"event-0-mallory@contoso.com"}"#).await;
        record
    }
}

/// Runs a program in a folder.
fn run(folder: &Path, program: &str, arguments: &[&str]) -> Done {
    let output = Command::new(program).args(arguments).current_dir(folder).output().expect("it runs");
    Done::of(output)
}

#[tokio::test]
async fn a_case_is_exported_as_an_archive_whose_checksums_hold() {
    let state = State::new("cases-export").await;
    let record = state.put_with_evidence().await;
    let id = record.case_id().unwrap().as_str();
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("case.tar");
    let to = file.to_str().unwrap();
    let done = state.cases(&["export", id, "--to", to]);
    assert_eq!((done.code, done.out.as_str()), (0, ""), "{}", done.err);
    let named: Vec<&str> = done.err.lines().filter_map(|line| line.split(": ").nth(1)).collect();
    assert_eq!(named[..2], ["activity-log", "look-before-start-1"], "what is missing is named: {}", done.err);
    assert_eq!(std::fs::metadata(&file).unwrap().permissions().mode() & 0o777, 0o600);

    assert_eq!(run(folder.path(), "tar", &["-xf", "case.tar"]).code, 0);
    let inside = folder.path().join(id);
    let checked = run(&inside, "sha256sum", &["--strict", "-c", "SHA256SUMS"]);
    assert_eq!(checked.code, 0, "{}{}", checked.out, checked.err);
    insta::assert_snapshot!(checked.out, @"
    README.txt: OK
    case.json: OK
    evidence/event-1.json: OK
    incident.json: OK
    story.json: OK
    story.txt: OK
    ");
    let read = |name: &str| std::fs::read_to_string(inside.join(name)).unwrap();
    assert_eq!(read("evidence/event-1.json"), r#"{"id":"event-0-mallory@contoso.com"}"#);
    assert_eq!(serde_json::from_str::<Case>(&read("case.json")).unwrap(), *record.case().unwrap());
    assert!(read("README.txt").contains("evidence/event-1.json: an event that told of a stop, 36 bytes\n"));

    let again = state.cases(&["export", id, "--to", to]);
    assert_eq!(
        (again.code, again.err.contains("is there already: --force replaces it")),
        (1, true),
        "{}",
        again.err
    );
    assert_eq!(state.cases(&["export", id, "--to", to, "--force"]).code, 0);
    let piped = state.cases(&["export", id, "--to", "-"]);
    assert!(piped.code == 0 && piped.out.starts_with(&format!("{id}/")), "{}", piped.err);
}

#[tokio::test]
async fn a_closed_case_makes_the_same_archive_every_time_with_the_very_bytes_of_its_own() {
    let state = State::new("cases-export-closed").await;
    let record = fixture(include_str!("records/v1_closing.json"));
    let marker = OpenMarker { key: record.cluster.key(), generation: record.generation };
    let Episode::Closing(closing) = record.episode.clone() else { panic!("it is closing") };
    state.store.archive(&CasePath::new(&marker, closing.closed_at), closing.body.clone()).await.unwrap();
    let mut ended = record;
    ended.episode = Episode::None;
    state.store.put(&StatePath::cluster(&marker.key), ended.encode().unwrap()).await.unwrap();
    let folder = tempfile::tempdir().unwrap();
    let export = |name: &str| {
        let path = folder.path().join(name);
        let done = state.cases(&["export", closing.id.as_str(), "--to", path.to_str().unwrap()]);
        assert_eq!(done.code, 0, "{}", done.err);
        std::fs::read(path).unwrap()
    };
    assert_eq!(export("a.tar"), export("b.tar"));
    assert_eq!(run(folder.path(), "tar", &["-xf", "a.tar"]).code, 0);
    let case = std::fs::read_to_string(folder.path().join(closing.id.as_str()).join("case.json")).unwrap();
    assert_eq!(case, closing.body);
}

#[tokio::test]
async fn a_case_is_followed_to_its_end_line_by_line() {
    let state = State::new("cases-follow").await;
    let mut record = fixture(include_str!("records/v1_told.json"));
    state.put(&record).await;
    let mut followed = Command::new(env!("CARGO_BIN_EXE_aks-stop-guard"))
        .args(["cases", "follow", record.case_id().unwrap().as_str(), "--every", "1", "-o", "json"])
        .env_clear()
        .envs(state.settings())
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .spawn()
        .expect("the binary runs");
    let mut lines = BufReader::new(followed.stdout.take().unwrap()).lines();
    let mut next = || serde_json::from_str::<Value>(&lines.next().unwrap().unwrap()).unwrap();
    let past: Vec<Value> = (0..6).map(|_| next()).collect();
    assert!(past.iter().any(|line| line["text"] == "Azure accepted the start"), "{past:#?}");
    let Episode::Open(case) = &mut record.episode else { panic!("it is open") };
    let at = "2026-09-14T18:12:00Z".parse().unwrap();
    case.note(at, "the cluster runs again");
    (case.outcome, case.closed_at) = (Some(Outcome::Restored), Some(at));
    let marker = OpenMarker { key: record.cluster.key(), generation: record.generation };
    state.store.archive(&CasePath::new(&marker, at), serde_json::to_vec(&case).unwrap()).await.unwrap();
    record.episode = Episode::None;
    state.store.put(&StatePath::cluster(&marker.key), record.encode().unwrap()).await.unwrap();
    let last = next();
    assert_eq!((&last["text"], &last["state"]), (&"the cluster runs again".into(), &"restored".into()));
    assert!(followed.wait().unwrap().success(), "it ends with the case");
}

#[tokio::test]
async fn a_case_that_there_is_not_is_an_error_that_names_it() {
    let state = State::new("cases-none").await;
    let id = format!("{}-1789408810", "0".repeat(32));
    let done = state.cases(&["show", &id]);
    assert_eq!((done.code, done.out.as_str()), (1, ""));
    assert_eq!(done.err, format!("error: case `{id}`: the state has no record of its cluster\n"));
    assert_eq!(state.cases(&["show", "storm-17"]).code, 2);
    let followed = state.cases(&["follow", &id]);
    assert_eq!(followed.code, 1, "there is nothing to wait for: {}", followed.err);
}
