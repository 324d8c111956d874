//! `cases list` and `cases show`, run as people run them, over a state in Azurite.

#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "a test fails by panicking, and so do the functions that tests share"
)]

use std::process::{Command, Stdio};

use aks_stop_guard::case::{Episode, Record};
use aks_stop_guard::store::{CasePath, OpenMarker, StatePath};
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

#[tokio::test]
async fn a_case_that_there_is_not_is_an_error_that_names_it() {
    let state = State::new("cases-none").await;
    let id = format!("{}-1789408810", "0".repeat(32));
    let done = state.cases(&["show", &id]);
    assert_eq!((done.code, done.out.as_str()), (1, ""));
    assert_eq!(done.err, format!("error: case `{id}`: the state has no record of its cluster\n"));
    assert_eq!(state.cases(&["show", "storm-17"]).code, 2);
}
