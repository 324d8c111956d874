//! Who stopped it last? (Rules 11 and 12.)

use super::super::proof::{Evidence, Proof};
use super::super::record::{AuthorisedStop, History};
use super::*;

/// A case whose newest stop was at second 0, watched down since second 10 and looked at just now.
struct Known {
    case: Case,
    history: History,
    log: Option<LogReading>,
    confirm: Confirm,
    second: i64,
    times: Times,
}

impl Known {
    fn new() -> Self {
        let mut world = World::stopped_by(mallory());
        world.sees(Arm::Stopping, 10);
        Self {
            case: world.case().clone(),
            history: History::default(),
            log: None,
            confirm: Confirm::Prefer,
            second: 20,
            times: Times::default(),
        }
    }

    fn log(mut self, mut operations: Vec<PowerOperation>) -> Self {
        operations.sort_by_key(|operation| std::cmp::Reverse(operation.began_at));
        self.log = Some(LogReading { operations });
        self
    }

    fn with(mut self, change: impl FnOnce(&mut Self)) -> Self {
        change(&mut self);
        self
    }

    /// Nothing but the log can prove it.
    fn late() -> Self {
        Self::new().with(|known| known.case.watched_since = Some(at(5_000))).now(5_100)
    }

    fn now(mut self, second: i64) -> Self {
        self.second = second;
        self
    }

    /// A start of ours on a look at that second, of which this became.
    fn after_our_start(mut self, look: i64, state: IntentState) -> Self {
        self.case.episode_attempts = 1;
        self.case.intent = Some(Intent {
            n: 1,
            nonce: "first".to_owned(),
            look_at: at(look),
            expires_at: at(look + 20),
            state,
        });
        self
    }

    fn proof(&self) -> Proof {
        Evidence {
            case: &self.case,
            history: &self.history,
            log: self.log.as_ref(),
            confirm: self.confirm,
            now: at(self.second),
            times: &self.times,
        }
        .proof()
    }

    fn is_not_yet(&self) -> bool {
        matches!(self.proof(), Proof::NotYet(_))
    }
}

#[test]
fn rule_11_a_stop_that_was_fresh_at_the_first_look_of_a_watch_needs_no_log() {
    assert_eq!(Known::new().proof(), Proof::Proven);
}

#[test]
fn rule_11_a_watch_proves_nothing_where_any_of_its_conditions_is_missing() {
    type Change = (&'static str, fn(&mut Known));
    let changes: [Change; 9] = [
        ("too old at the first look", |known| known.case.watched_since = Some(at(180))),
        ("no unbroken watch", |known| known.case.watched_since = None),
        ("far ahead of our clock", |known| known.case.watched_since = Some(at(-31))),
        ("no time in the event", |known| known.case.stops[0].time_known = false),
        ("the second attempt", |known| known.case.episode_attempts = 1),
        ("an authorised stop in the history", |known| {
            known.history.authorised =
                Some(AuthorisedStop { stop_time: at(-9_000), caller: pipeline(), correlation_id: None });
        }),
        ("an authorised stop in the case", |known| {
            let allowed = Stop { allowed_by: Some(vec!["pipeline".to_owned()]), ..stop(pipeline(), -500) };
            known.case.stops.insert(0, allowed);
        }),
        ("another stop since", |known| known.case.stops.push(stop(trudy(), 50))),
        ("the log is always asked", |known| known.confirm = Confirm::Require),
    ];
    for (what, change) in changes {
        assert_eq!(Known::new().with(change).proof(), Proof::AskLog, "{what}");
    }
}

#[test]
fn rule_11_the_edge_of_fresh_is_fresh_and_so_is_a_clock_that_runs_ahead_a_little() {
    for since in [179, 0, -30] {
        let known = Known::new().with(|known| known.case.watched_since = Some(at(since)));
        assert_eq!(known.proof(), Proof::Proven, "first look {since} s after the stop");
    }
}

#[test]
fn rule_11_without_confirmation_nothing_is_asked() {
    let known = Known::late().with(|known| known.confirm = Confirm::Off);
    assert_eq!(known.proof(), Proof::Proven);
}

#[test]
fn rule_11_the_log_proves_a_stop_that_it_names_last() {
    assert_eq!(Known::late().proof(), Proof::AskLog);
    assert_eq!(Known::late().log(vec![log_stop(mallory(), 0)]).proof(), Proof::Proven);
    let with_an_earlier_start = vec![log_start(trudy(), -4_000), log_stop(mallory(), 0)];
    assert_eq!(Known::late().log(with_an_earlier_start).proof(), Proof::Proven);
}

#[test]
fn counterexample_2_a_start_that_the_log_names_last_is_not_ours_to_undo() {
    let log = vec![log_stop(mallory(), 0), log_start(trudy(), 1_000)];
    assert!(Known::late().log(log.clone()).is_not_yet());
    assert!(Known::late().log(log).now(900_000).is_not_yet(), "not by waiting either");
}

#[test]
fn rule_11_a_stop_that_the_log_names_last_and_that_is_another_proves_nothing() {
    let other = Stop { correlation_id: Some("other".to_owned()), ..stop(trudy(), 0) };
    let known = Known::late().with(|known| known.case.stops = vec![other]);
    assert_ne!(known.log(vec![log_stop(mallory(), 0)]).now(800).proof(), Proof::Proven);
}

#[test]
fn rule_12_a_log_without_a_record_is_waited_for_and_then_nobody_can_be_named() {
    for log in [vec![], vec![log_start(trudy(), -4_000)], vec![log_stop(trudy(), -4_000)]] {
        assert!(Known::late().log(log.clone()).now(900).is_not_yet(), "{log:?}");
        assert_eq!(Known::late().log(log).now(901).proof(), Proof::NoRecord);
    }
}

#[test]
fn rule_11_require_watches_the_cluster_down_for_as_long_as_the_log_may_lag() {
    let known = |second| {
        Known::new()
            .with(|known| known.confirm = Confirm::Require)
            .log(vec![log_stop(mallory(), 0)])
            .now(second)
    };
    assert!(known(20).is_not_yet());
    assert!(known(909).is_not_yet(), "watched since second 10");
    assert_eq!(known(910).proof(), Proof::Proven);
}

#[test]
fn rule_11_a_second_attempt_is_proven_by_the_log_and_an_unbroken_watch_over_our_start() {
    let log = vec![log_stop(mallory(), 0)];
    let known = Known::new().after_our_start(10, sent()).log(log.clone()).now(400);
    assert_eq!(known.proof(), Proof::Proven, "a start that came to something would have been seen");
    let broken = Known::new()
        .with(|known| known.case.watched_since = Some(at(300)))
        .after_our_start(10, sent())
        .log(log);
    assert!(broken.is_not_yet(), "the log may not show our start yet");
}

#[test]
fn rule_11_after_the_lag_the_log_alone_excludes_our_start() {
    let known = |second| {
        Known::new()
            .with(|known| known.case.watched_since = Some(at(300)))
            .after_our_start(10, sent())
            .log(vec![log_stop(mallory(), 0)])
            .now(second)
    };
    assert!(known(30 + 899).is_not_yet());
    assert_eq!(known(30 + 900).proof(), Proof::Proven);
}

#[test]
fn rule_11_a_start_that_certainly_did_not_happen_needs_no_such_care() {
    for state in [put_off("Busy"), IntentState::NotSent { why: "late".to_owned() }] {
        let known = Known::new()
            .with(|known| known.case.watched_since = Some(at(300)))
            .after_our_start(10, state.clone())
            .log(vec![log_stop(mallory(), 0)])
            .now(310);
        assert_eq!(known.proof(), Proof::Proven, "{state:?}");
    }
    for state in [IntentState::Planned, IntentState::Unanswered, sent()] {
        let known = Known::new()
            .with(|known| known.case.watched_since = Some(at(300)))
            .after_our_start(10, state.clone())
            .log(vec![log_stop(mallory(), 0)])
            .now(310);
        assert!(known.is_not_yet(), "{state:?}");
    }
}

#[test]
fn rule_11_our_own_start_last_in_the_log_has_failed_once_the_cluster_was_watched_down_long_enough() {
    let known = |since, second| {
        Known::new()
            .with(|known| known.case.watched_since = Some(at(since)))
            .after_our_start(10, sent())
            .log(vec![log_stop(mallory(), 0), log_start(Caller::unknown(), 12)])
            .now(second)
    };
    assert_eq!(known(10, 912).proof(), Proof::Proven);
    assert!(known(10, 911).is_not_yet(), "AKS needs 15 minutes after a failed start");
    assert!(known(100, 912).is_not_yet(), "not watched for long enough: it may have run meanwhile");
}

#[test]
fn rule_11_a_start_of_somebody_else_after_ours_is_never_taken_for_ours() {
    let known = Known::new()
        .after_our_start(10, sent())
        .log(vec![log_stop(mallory(), 0), log_start(trudy(), 200)])
        .now(5_000);
    assert!(known.is_not_yet());
}

#[test]
fn rule_11_a_start_of_ours_that_landed_late_is_ours() {
    let known = Known::new()
        .after_our_start(10, sent())
        .log(vec![log_stop(mallory(), 0), log_start(Caller::unknown(), 140)])
        .now(1_100);
    assert_eq!(known.proof(), Proof::Proven, "T1: it may land until QUIET after its intent expired");
}

#[test]
fn rule_11_a_start_of_ours_before_a_later_intent_is_ours() {
    let known = Known::new()
        .with(|known| known.history.starts = vec![at(10)])
        .after_our_start(400, put_off("Busy"))
        .log(vec![log_stop(mallory(), 0), log_start(Caller::unknown(), 12)])
        .now(1_400);
    assert_eq!(known.proof(), Proof::Proven, "what came of the earlier one is the log's last word");
}
