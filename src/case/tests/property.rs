//! Whatever happens, in whatever order: what never happens, and what always does.

mod happening;

use proptest::collection::vec;
use proptest::prelude::*;

use super::super::times::ATTEMPTS_MAX;
use super::super::{CaseId, close, note_start};
use super::*;
use happening::{Happening, SETS, happening};

/// Room that a record needs at most, in bytes: half of what the store takes, so that a case never gets stuck on its size.
const RECORD_BYTES_MAX: usize = 512 * 1_024;

/// A world in which anything may happen, and what was seen of it.
struct Life {
    world: World,
    now: i64,
    policies: Option<usize>,
    log_matches_stops: bool,
    newest_event: Option<Stop>,
    /// The start whose result is not known yet.
    planned: Option<String>,
    /// Starts, each with its case and the newest stop at that time.
    starts: Vec<(CaseId, Timestamp, Intent)>,
    /// All messages, in order.
    told: Vec<Incident>,
    cluster_uid: u32,
    nonces: u32,
}

impl Life {
    fn new() -> Self {
        Self {
            world: World::new(),
            now: 0,
            policies: Some(0),
            log_matches_stops: true,
            newest_event: None,
            planned: None,
            starts: Vec::new(),
            told: Vec::new(),
            cluster_uid: 1,
            nonces: 0,
        }
    }

    fn goes_on(&mut self, happening: Happening) {
        match happening {
            Happening::Wait { seconds } => self.now += seconds,
            Happening::Event { who, ago } => self.hears(stop(who.caller(), self.now - ago)),
            Happening::Again { who } => {
                if let Some(stop) = self.newest_event.clone() {
                    self.hears(Stop { caller: who.caller(), ..stop });
                }
            }
            Happening::Step { arm, slow } => self.steps(arm.look(at(self.now)), slow),
            Happening::Log { operations } => {
                let said = operations
                    .into_iter()
                    .map(|(verb, who, ago)| operation(verb, who.caller(), self.now - ago))
                    .collect();
                self.log_matches_stops = false;
                self.world.log_says(said);
            }
            Happening::LogBroken => {
                self.log_matches_stops = false;
                self.world.log = Err("the activity log answered 503".to_owned());
            }
            Happening::StartResult { state } => {
                if let Some(nonce) = self.planned.take() {
                    note_start(
                        &mut self.world.record,
                        &nonce,
                        state.clone(),
                        at(self.now),
                        &self.world.times,
                    );
                    let start = self.starts.iter_mut().find(|(_, _, intent)| intent.nonce == nonce);
                    start.unwrap().2.state = state;
                }
            }
            Happening::AnotherCluster => {
                self.cluster_uid += 1;
                self.steps(Arm::Stopped.look(at(self.now)), 0);
            }
            Happening::Settings { mode, confirm, hold, skewed } => {
                self.world.mode = mode;
                self.world.confirm = confirm;
                self.world.hold = hold.then(|| "audit by Ada".to_owned());
                self.world.skewed = skewed;
            }
            Happening::NewPolicies { which } => self.policies = which,
            Happening::Counts { by_caller } => {
                self.world.counts = RecentStops { by_caller, in_subscription: by_caller, marked: false };
            }
            Happening::Archive => close::reset(&mut self.world.record),
            Happening::Deliver => self.world.record.outbox.clear(),
        }
    }

    /// As long as nobody said otherwise, the log knows each stop that an event told of.
    fn hears(&mut self, stop: Stop) {
        self.newest_event = Some(stop.clone());
        if self.log_matches_stops
            && let Ok(log) = &mut self.world.log
        {
            let second = stop.time.duration_since(at(0)).as_secs();
            log.operations.push(log_stop(stop.caller.clone(), second));
            log.operations.sort_by_key(|operation| std::cmp::Reverse(operation.began_at));
        }
        let _ = self.world.hears(stop, self.now);
    }

    fn steps(&mut self, mut look: Result<Look, LookProblem>, slow: i64) {
        if let Ok(Look { found: Found::Cluster(cluster), .. }) = &mut look {
            cluster.resource_uid = Some(format!("uid-{}", self.cluster_uid));
        }
        let before = self.world.record.clone();
        self.now += slow;
        let policies = self.policies.map(|which| &SETS[which]);
        let stepped = self.world.steps_under(policies, look.clone(), at(self.now));
        if let Some(intent) = stepped.start {
            self.starts_well(&before, &intent, &look);
            // A nonce is random: here each start gets one of its own.
            self.nonces += 1;
            let nonce = format!("nonce-{}", self.nonces);
            let Episode::Open(case) = &mut self.world.record.episode else {
                panic!("a start needs an open case")
            };
            case.intent.as_mut().unwrap().nonce.clone_from(&nonce);
            self.starts.push((
                case.id.clone(),
                case.newest_stop_time(),
                Intent { nonce: nonce.clone(), ..intent },
            ));
            self.planned = Some(nonce);
        }
        self.tells_well(&before, stepped.told);
    }

    /// Rules 1, 10, 13, 14, 16, 21, 23 and 27, seen from outside.
    fn starts_well(&self, before: &Record, intent: &Intent, look: &Result<Look, LookProblem>) {
        let world = &self.world;
        let case = world.case();
        let new_ground = before.case().is_some_and(|held| {
            let undecided_or_contradicted = held.verdict.as_ref().is_none_or(|verdict| verdict.authorised);
            case.newest_stop_time() > held.newest_stop_time() || undecided_or_contradicted
        });
        let waited_for_hold = before.case().is_some_and(|held| matches!(held.held, Some(Held::Hold { .. })));
        let is_armed = matches!(before.episode, Episode::Open(_)) || new_ground || waited_for_hold;
        assert!(
            is_armed,
            "rule 21: a held case starts only for what is newly known, or when its hold is over"
        );
        assert_eq!((world.mode, case.mode), (Mode::Act, Mode::Act), "rule 27");
        assert!(world.hold.is_none() && !world.skewed, "rules 1 and 14");
        let look = look.as_ref().unwrap();
        let Found::Cluster(cluster) = &look.found else { panic!("rule 13: started on {look:?}") };
        assert!(matches!(cluster.provisioning, Provisioning::Succeeded | Provisioning::Failed), "rule 13");
        assert_eq!(cluster.power, Power::Stopped, "rule 13");
        let age = at(self.now).duration_since(look.sent_at);
        assert!(age <= world.times.valid, "rule 14: the look was {age:?} old");
        assert_eq!((intent.look_at, intent.expires_at), (look.sent_at, look.sent_at + world.times.valid));
        assert!(self.policies.is_some(), "nothing is started while the policies are broken");
        let verdict = case.verdict.as_ref().unwrap();
        assert!(!verdict.authorised && verdict.errors.is_empty(), "{verdict:?}");
        assert_eq!(verdict.stop_time, case.newest_stop_time(), "rule 9");
        assert!(case.restart.as_ref().unwrap().permitted || self.policies == Some(2));
        assert!(intent.n <= ATTEMPTS_MAX);
        self.is_quiet(intent);
        assert!(world.record.history.starts.contains(&at(self.now)), "rule 23");
    }

    /// Rule 16: every earlier start, whichever case meant it, either expired QUIET ago or certainly was not sent.
    fn is_quiet(&self, intent: &Intent) {
        for (_, _, earlier) in &self.starts {
            let is_past = at(self.now) >= earlier.expires_at + self.world.times.quiet;
            let not_sent = matches!(earlier.state, IntentState::NotSent { .. });
            assert!(is_past || not_sent, "rule 16: {intent:?} too soon after {earlier:?}");
        }
    }

    /// Opened first and resolved last, each once, numbered without gaps, and never in dry-run.
    fn tells_well(&mut self, before: &Record, told: Vec<Incident>) {
        let case_mode = before.case().map_or(Mode::Act, |case| case.mode);
        if self.world.mode == Mode::DryRun || case_mode == Mode::DryRun {
            let opened = told.iter().any(|incident| incident.state == IncidentState::Opened);
            assert!(!opened, "opened in dry-run: {told:?}");
        }
        self.told.extend(told);
        let by_case = self.world.record.case().map(|case| case.id.to_string());
        for incident in &self.told {
            let of_it: Vec<&Incident> = self.told.iter().filter(|other| other.id == incident.id).collect();
            for (n, message) in of_it.iter().enumerate() {
                assert_eq!(usize::try_from(message.sequence).unwrap(), n, "{of_it:?}");
                assert_eq!(message.state == IncidentState::Opened, n == 0, "{of_it:?}");
                let is_last = n + 1 == of_it.len();
                assert!(message.state != IncidentState::Resolved || is_last, "{of_it:?}");
            }
            let is_open = of_it.last().is_some_and(|last| last.state != IncidentState::Resolved);
            let of_open_case = by_case
                .as_ref()
                .is_some_and(|id| incident.id == *id || incident.id == format!("{id}-claims"));
            assert_eq!(is_open, of_open_case, "an incident is open as long as its case: {of_it:?}");
        }
    }

    /// What holds of the record after everything.
    fn is_well(&self) {
        let record = &self.world.record;
        let bytes = record.encode().unwrap();
        assert!(bytes.len() < RECORD_BYTES_MAX, "{} bytes", bytes.len());
        assert_eq!(Record::decode(&bytes).as_ref(), Ok(record));
        match &record.episode {
            Episode::Open(case) => assert_eq!(case.held, None),
            Episode::Held(case) => assert!(case.held.is_some()),
            Episode::None | Episode::Closing(_) => {}
        }
        if let Some(case) = record.case() {
            assert!(!case.stops.is_empty() && case.stops.is_sorted_by_key(|stop| stop.time));
            assert!(case.episode_attempts <= ATTEMPTS_MAX);
            let wait = case.next_at.duration_since(at(self.now));
            assert!(wait <= self.world.times.held_look_every, "it is looked at again in {wait:?}");
        }
    }

    /// Of one episode at most three starts may have reached Azure, or been refused for good: those that were put off are none.
    fn attempts_are_bounded(&self) {
        for (case, stop, _) in &self.starts {
            let of_it = self.starts.iter().filter(|(id, at, _)| (id, at) == (case, stop));
            let counted = of_it.filter(|(_, _, intent)| match &intent.state {
                IntentState::Planned | IntentState::Sent { .. } | IntentState::Unanswered => true,
                IntentState::Refused { .. } => true,
                IntentState::PutOff { .. } | IntentState::NotSent { .. } => false,
            });
            assert!(counted.count() <= usize::try_from(ATTEMPTS_MAX).unwrap(), "{:?}", self.starts);
        }
    }

    /// A case that is left alone ends, or waits for people, and its incident is resolved at its end.
    fn ends_when_the_cluster_runs(&mut self) {
        self.policies = Some(0);
        self.world.mode = Mode::Act;
        for _ in 0..12 {
            self.now += 400;
            self.goes_on(Happening::Step { arm: Arm::Running, slow: 0 });
            self.is_well();
            self.goes_on(Happening::Archive);
        }
        assert_eq!(self.world.record.episode, Episode::None, "it runs for an hour and more");
        for incident in &self.told {
            let last = self.told.iter().rfind(|other| other.id == incident.id);
            assert_eq!(last.map(|last| last.state), Some(IncidentState::Resolved));
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn whatever_happens_the_rules_hold(happenings in vec(happening(), 1..90)) {
        let mut life = Life::new();
        for happening in happenings {
            life.goes_on(happening);
            life.is_well();
        }
        life.attempts_are_bounded();
        life.ends_when_the_cluster_runs();
    }
}
