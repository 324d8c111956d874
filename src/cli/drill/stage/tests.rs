use super::*;
use crate::case::{Audience, Intent, Mode, Stop, Told, Verdict};
use crate::domain::{Caller, ClusterKey, Severity};

fn at(seconds: i64) -> Timestamp {
    Timestamp::from_second(1_800_000_000 + seconds).unwrap()
}

fn group() -> ClusterId {
    let id = "/subscriptions/aaaa0a0a-bb1b-cc2c-dd3d-eeeeee4e4e4e/resourceGroups/rg/providers/Microsoft.ContainerInstance/containerGroups/canary";
    ClusterId::parse(id).unwrap()
}

fn drill() -> Drill {
    Drill::begun(group(), at(0), Some("r-1"))
}

fn case() -> Case {
    let key: ClusterKey = group().key();
    let stop = Stop {
        time: at(0),
        time_known: true,
        caller: Caller::unknown(),
        correlation_id: None,
        event_id: "e-1".to_owned(),
        source: StopSource::Event,
        confirmed: false,
        claimed: None,
        allowed_by: None,
        granted: None,
    };
    Case::new(CaseId::new(&key, 7), Mode::Act, stop, at(3))
}

fn judged(authorised: bool) -> Case {
    let verdict = Verdict {
        stop_time: at(0),
        authorised,
        policies: if authorised { vec!["night".to_owned()] } else { Vec::new() },
        errors: Vec::new(),
        severity: None,
        notify: Vec::new(),
        policy_hash: String::new(),
        asked: None,
    };
    Case { verdict: Some(verdict), ..case() }
}

fn started() -> Case {
    let intent = Intent {
        n: 1,
        nonce: "n".to_owned(),
        look_at: at(4),
        expires_at: at(60),
        state: IntentState::Sent { request_id: None },
    };
    Case { intent: Some(intent), ..judged(false) }
}

fn told(case: &Case, state: IncidentState, seconds: i64) -> Receipt {
    Receipt {
        incident: case.id.to_string(),
        sink: "webhook".to_owned(),
        state,
        sequence: 0,
        at: at(seconds),
        reference: None,
    }
}

fn words(drill: &Drill) -> Vec<(&'static str, i64)> {
    drill.reached.iter().map(|reached| (reached.stage.word(), reached.seconds)).collect()
}

#[test]
fn each_stage_has_the_time_at_which_the_guard_wrote_it_down() {
    let mut drill = drill();
    drill.see(&started(), None, at(9));
    assert_eq!(words(&drill), [("stopped", 0), ("heard", 3), ("judged", 3), ("started", 9)]);
    assert_eq!((drill.missing(), drill.is_over()), (Some(Stage::Told), false));

    let mut record = Record::new(group());
    record.receipts = vec![told(&started(), IncidentState::Opened, 11)];
    drill.see(&started(), Some(&record), at(12));
    let mut ended = started();
    (ended.outcome, ended.closed_at) = (Some(Outcome::Restored), Some(at(30)));
    drill.see(&ended, Some(&record), at(31));
    assert!(!drill.is_over(), "the sink does not know of the end yet");
    record.receipts = vec![told(&ended, IncidentState::Resolved, 33)];
    drill.see(&ended, Some(&record), at(40));
    assert_eq!(words(&drill)[4..], [("told", 11), ("verified", 30), ("resolved", 33)]);
    assert_eq!((drill.missing(), drill.failed), (None, None));
}

#[test]
fn what_can_not_go_on_ends_the_drill_and_says_why() {
    let failed = |case: &Case, record: Option<&Record>| {
        let mut drill = drill();
        drill.see(case, record, at(50));
        assert!(drill.is_over() == drill.failed.is_some());
        drill.failed.unwrap_or_default()
    };
    let ended = |outcome| Case { outcome: Some(outcome), closed_at: Some(at(20)), ..started() };
    assert_eq!(failed(&started(), None), "");
    assert!(failed(&judged(true), None).contains("authorised (by policy night)"));
    assert!(failed(&ended(Outcome::AlreadyRunning), None).contains("somebody else"));
    assert!(failed(&ended(Outcome::Gone), None).contains("deleted"));
    let held = crate::case::Held::Mode { mode: Mode::Notify };
    assert!(failed(&Case { held: Some(held), ..judged(false) }, None).contains("waits for people: canary"));
    let record = Record::new(group());
    assert!(failed(&ended(Outcome::Restored), Some(&record)).contains("no sink that hears of it"));
    let told = Told {
        opened_at: at(4),
        severity: Severity::Critical,
        next_sequence: 0,
        in_storm: true,
        audience: Audience::nobody(),
    };
    let in_storm = Case { told: Some(told), ..ended(Outcome::Restored) };
    assert!(failed(&in_storm, Some(&record)).contains("about several clusters"));
    assert_eq!(failed(&ended(Outcome::Restored), None), "", "the record could not be read this time");
}
