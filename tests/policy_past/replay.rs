use std::path::Path;

use aks_stop_guard::case::{Case, CaseId, Episode, Mode, Outcome, Record, Stop};
use aks_stop_guard::domain::{Caller, CallerKind, ClusterId};
use aks_stop_guard::store::{CasePath, OpenMarker, StatePath};
use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};
use simulator::http::now;

use crate::stored_state::State;
use crate::{Done, SUBSCRIPTION, run, timeless};

const ALICE: &str = "11111111-1111-4111-8111-111111111111";

impl State {
    async fn run(&self, arguments: &[&str]) -> Done {
        self.command(&[&["policy", "replay"], arguments].concat()).await
    }

    /// Runs the binary with this state.
    pub(super) async fn command(&self, arguments: &[&str]) -> Done {
        run(arguments, &self.settings()).await
    }

    /// A closed case, and the record of its cluster.
    pub(super) async fn closed(&self, name: &str, stopped_at: Timestamp, authorised: bool) {
        let mut record = Record::new(cluster(name));
        record.generation = record.next_generation(stopped_at);
        let mut case = case(&record, stopped_at, authorised);
        let closed_at = stopped_at + SignedDuration::from_mins(9);
        case.closed_at = Some(closed_at);
        case.outcome = Some(if authorised { Outcome::Authorised } else { Outcome::Restored });
        let marker = OpenMarker { key: record.cluster.key(), generation: record.generation };
        let path = CasePath::new(&marker, closed_at);
        self.store.archive(&path, serde_json::to_vec(&case).unwrap()).await.unwrap();
        self.keep(&record).await;
    }

    /// A case that waits for people.
    pub(super) async fn held(&self, name: &str, stopped_at: Timestamp) {
        let mut record = Record::new(cluster(name));
        record.generation = record.next_generation(stopped_at);
        record.episode = Episode::Held(Box::new(case(&record, stopped_at, false)));
        let marker = OpenMarker { key: record.cluster.key(), generation: record.generation };
        self.store.put(&StatePath::open_marker(&marker), record.cluster.to_string()).await.unwrap();
        self.keep(&record).await;
    }

    async fn keep(&self, record: &Record) {
        let path = StatePath::cluster(&record.cluster.key());
        self.store.put(&path, record.encode().unwrap()).await.unwrap();
    }
}

pub(super) fn cluster(name: &str) -> ClusterId {
    let path = format!("resourceGroups/rg/providers/Microsoft.ContainerService/managedClusters/{name}");
    ClusterId::parse(&format!("/subscriptions/{SUBSCRIPTION}/{path}")).unwrap()
}

fn case(record: &Record, stopped_at: Timestamp, authorised: bool) -> Case {
    let caller = Caller { kind: CallerKind::User, object_id: Some(ALICE.to_owned()), ..Caller::unknown() };
    let stop: Stop = serde_json::from_value(json!({
        "time": stopped_at,
        "caller": caller,
        "event_id": "event",
        "source": "event",
        "confirmed": true,
        "allowed_by": authorised.then_some(["nightly"]),
    }))
    .unwrap();
    let id = CaseId::new(&record.cluster.key(), record.generation);
    let mut case = Case::new(id, Mode::Act, stop, stopped_at);
    case.verdict = serde_json::from_value(json!({
        "stop_time": stopped_at,
        "authorised": authorised,
        "policies": if authorised { vec!["nightly"] } else { Vec::new() },
        "policy_hash": "of then",
    }))
    .unwrap();
    case
}

pub(super) fn days_ago(days: i64) -> Timestamp {
    let second = now().as_second();
    Timestamp::from_second(second).unwrap() - SignedDuration::from_hours(24 * days)
}

fn policies(folder: &Path) -> String {
    let policy = format!(
        "@id(\"alice\")\npermit (principal == Caller::\"{ALICE}\", action == Action::\"stop\", resource);\n"
    );
    std::fs::write(folder.join("alice.cedar"), policy).unwrap();
    folder.display().to_string()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_change_of_policies_is_shown_over_the_cases_that_it_would_change() {
    let state = State::new("replay-change").await;
    state.closed("a", days_ago(3), true).await;
    state.closed("b", days_ago(2), false).await;
    state.held("c", days_ago(1)).await;
    state.closed("old", days_ago(40), false).await;
    let folder = tempfile::tempdir().unwrap();
    let changed = policies(folder.path());

    let done = state.run(&["--policies", &changed]).await;
    assert_eq!((done.code, done.err.as_str()), (7, ""));
    insta::assert_snapshot!(timeless(&done.out), @r"
    3 stops in stored cases, from <time> to <time>: 1 decided as before, 2 otherwise
    not known of that time, asked as absent or 0: tags, location, skuTier, private, kubernetesVersion, context.grant

    <time>  b in rg  by user 11111111-1111-4111-8111-111111111111  DIFFERS
      then  not authorised: no policy allows it
      now   authorised by alice

    <time>  c in rg  by user 11111111-1111-4111-8111-111111111111  DIFFERS
      then  not authorised: no policy allows it
      now   authorised by alice
    ");

    let all = state.run(&["--policies", &changed, "--since", "60d", "--all", "-o", "json"]).await;
    let told: Value = serde_json::from_str(&all.out).unwrap();
    assert_eq!(told["stops"].as_array().unwrap().len(), 4);
    assert_eq!((&told["same"], &told["different"]), (&Value::from(1), &Value::from(3)));

    let same = state.run(&["--policies", &changed, "--baseline", &changed]).await;
    assert_eq!((same.code, same.err.as_str()), (0, ""));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_state_without_cases_says_what_to_do() {
    let state = State::new("replay-empty").await;
    let done = state.run(&[]).await;
    assert_eq!((done.code, done.err.as_str()), (0, ""));
    assert!(done.out.ends_with("there are no cases of that time: try `--from log`\n"), "{}", done.out);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_case_whose_cluster_is_not_known_any_more_is_counted_and_left_out() {
    let state = State::new("replay-lost").await;
    state.closed("a", days_ago(2), true).await;
    state.store.delete(&StatePath::cluster(&cluster("a").key())).await.unwrap();
    let done = state.run(&["-o", "json"]).await;
    let told: Value = serde_json::from_str(&done.out).unwrap();
    assert_eq!((done.code, &told["unreadable"], &told["same"]), (0, &Value::from(1), &Value::from(0)));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn policies_with_a_fault_and_a_state_that_cannot_be_read_are_no_difference() {
    let state = State::new("replay-faults").await;
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("a.cedar"), "permit").unwrap();
    let done = state.run(&["--policies", &folder.path().display().to_string()]).await;
    assert_eq!((done.code, done.out.as_str(), done.err.lines().count()), (3, "", 1));
    let closed = [
        ("STOP_GUARD_STATE", "UseDevelopmentStorage=true"),
        ("AZURITE_BLOB_STORAGE_URL", "http://127.0.0.1:9"),
    ];
    let done = run(&["policy", "replay"], &closed).await;
    assert_eq!((done.code, done.out.as_str(), done.err.lines().count()), (1, "", 1), "{}", done.err);
}
