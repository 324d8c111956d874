//! What to do about a case, given its verdict and what ARM shows: the protocol's decision table.

use jiff::{SignedDuration, Timestamp};

use super::mode::Mode;
use super::model::{Case, Held, IntentState, Outcome, RestartAnswer};
use super::proof::{Confirm, Evidence, Proof};
use super::record::Record;
use super::step::{Context, Facts};
use super::times::ATTEMPTS_MAX;
use super::verdict::{Asker, newest_episode};
use crate::domain::{Cluster, Found, LogReading, Look, Situation};
use crate::mutant::Mutant;
use crate::policy::{Answer, RestartQuestion};

/// What to do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Plan {
    /// Ask the activity log, then plan again.
    AskLog,
    /// It is over.
    Close(Outcome),
    /// Look again then.
    Wait { until: Timestamp, why: String },
    /// People are needed.
    Hold(Held),
    /// Send a start.
    Start,
}

/// Plans one step.
pub(super) struct Planner<'a> {
    pub(super) record: &'a Record,
    pub(super) look: &'a Look,
    pub(super) facts: &'a Facts,
    pub(super) context: &'a Context<'a>,
    pub(super) asker: &'a Asker<'a>,
    pub(super) cluster: Option<&'a Cluster>,
}

impl Planner<'_> {
    pub(super) fn plan(&self, case: &mut Case) -> Plan {
        let authorised = case.verdict.as_ref().is_some_and(|verdict| verdict.authorised);
        if authorised { self.authorised(case) } else { self.unauthorised(case) }
    }

    /// Nothing is done about an authorised stop, so there is no haste: the log must agree first (rule 29).
    fn authorised(&self, case: &Case) -> Plan {
        if self.context.confirm == Confirm::Off || self.log_agrees(case) {
            return Plan::Close(Outcome::Authorised);
        }
        if let Some(outcome) = self.ended(case).filter(|_| case.held.is_some()) {
            return Plan::Close(outcome);
        }
        let waited = self.context.now.duration_since(case.newest_stop_time().max(case.opened_at));
        let too_long = waited > self.context.times.confirm_give_up_after;
        match (&self.facts.log, self.log_is_due(case)) {
            (None, true) => Plan::AskLog,
            (Some(_), _) | (None, false) if too_long => Plan::Hold(Held::Unconfirmed),
            (Some(Err(problem)), _) => {
                self.wait(self.context.times.log_every, format!("can't ask the activity log: {problem}"))
            }
            (Some(Ok(_)), _) | (None, false) => self
                .wait(self.context.times.log_every, "waiting for the activity log to confirm who stopped it"),
        }
    }

    /// How the case ends by what the look shows, whatever the verdict.
    fn ended(&self, case: &Case) -> Option<Outcome> {
        match self.cluster.map(Cluster::situation) {
            None => Some(Outcome::Gone),
            Some(Situation::Running) => match self.running(case) {
                Plan::Close(outcome) => Some(outcome),
                Plan::AskLog | Plan::Wait { .. } | Plan::Hold(_) | Plan::Start => None,
            },
            Some(
                Situation::Startable
                | Situation::Stopping
                | Situation::Starting
                | Situation::FailedStopped
                | Situation::FailedRunning
                | Situation::Busy
                | Situation::Deleting
                | Situation::Unknown,
            ) => None,
        }
    }

    /// The log must name the very stop that was allowed: its record of another one close by proves nothing.
    fn log_agrees(&self, case: &Case) -> bool {
        let mut episode = newest_episode(&case.stops, self.context.times).iter();
        episode.any(|stop| stop.allowed_by.is_some() && stop.confirmed)
    }

    fn log(&self) -> Option<&LogReading> {
        self.facts.log.as_ref().and_then(|log| log.as_ref().ok())
    }

    fn log_is_due(&self, case: &Case) -> bool {
        self.facts.log.is_none()
            && case
                .log_asked_at
                .is_none_or(|asked| self.context.now.duration_since(asked) >= self.context.times.log_every)
    }

    fn wait(&self, time: SignedDuration, why: impl Into<String>) -> Plan {
        Plan::Wait { until: self.context.now + time, why: why.into() }
    }

    fn unauthorised(&self, case: &mut Case) -> Plan {
        let restart = self.may_restart(case, true);
        case.restart = Some(view(&restart));
        let times = self.context.times;
        let plan = match (&self.look.found, self.cluster.map(Cluster::situation)) {
            (Found::Gone, _) | (Found::Cluster(_), None) => Plan::Close(Outcome::Gone),
            (_, Some(Situation::Running)) => self.running(case),
            (_, Some(Situation::Stopping)) => self.wait(times.look_every, "waiting for the stop to finish"),
            (_, Some(Situation::Starting)) => self.wait(times.look_every, "it is starting: watching"),
            (_, Some(Situation::Busy)) => {
                self.wait(times.look_every, "another operation is under way: waiting")
            }
            (_, Some(Situation::Deleting)) => self.wait(times.look_every, "it is being deleted: waiting"),
            (_, Some(Situation::Unknown)) => {
                self.wait(times.look_every, "Azure doesn't say what state it is in")
            }
            (_, Some(Situation::FailedRunning)) => Plan::Hold(Held::FailedState),
            (_, Some(Situation::FailedStopped)) if case.episode_attempts > 0 && !self.is_blocked(case) => {
                Plan::Hold(Held::FailedState)
            }
            (_, Some(Situation::Startable | Situation::FailedStopped)) => self.startable(case, &restart),
        };
        self.or_give_up(case, plan, after(&restart))
    }

    /// Waiting has an end: then people are asked, and the guard goes on watching. A delay that a policy wants is no waiting.
    fn or_give_up(&self, case: &Case, plan: Plan, delay: SignedDuration) -> Plan {
        let since = case.waits_since().max(case.newest_stop_time() + delay);
        let waited = self.context.now.duration_since(since);
        let is_running = case.last_situation == Some(Situation::Running);
        match plan {
            Plan::Wait { .. } if !is_running && waited > self.context.times.give_up_after => {
                Plan::Hold(case.held.clone().unwrap_or(Held::TooLong { situation: case.last_situation }))
            }
            plan @ (Plan::AskLog | Plan::Close(_) | Plan::Wait { .. } | Plan::Hold(_) | Plan::Start) => plan,
        }
    }

    /// ARM may show Running for a while after it accepted a stop (rule 17, counterexample 6). Where the time of a stop is not known, that
    /// while begins at the first look after it was heard of at the latest: our clock, by which it was dated, may have been behind.
    fn running(&self, case: &Case) -> Plan {
        let final_from =
            case.newest_stop_time().max(case.up_since.unwrap_or(Timestamp::MIN)) + self.context.times.settle;
        if self.look.sent_at >= final_from || Mutant::NoSettling.is_on() {
            let outcome = if case.may_have_started() { Outcome::Restored } else { Outcome::AlreadyRunning };
            return Plan::Close(outcome);
        }
        let soon = self.context.now + self.context.times.look_every;
        Plan::Wait {
            until: soon.min(final_from.max(self.context.now)),
            why: "it still shows as running".to_owned(),
        }
    }

    fn startable(&self, case: &Case, restart: &Answer) -> Plan {
        if let Some(held) = case.held.clone().or_else(|| self.cannot_start(case)) {
            return Plan::Hold(held);
        }
        if self.is_blocked(case) {
            return self
                .wait(self.context.times.look_every, "waiting until an earlier start can't land any more");
        }
        if let Some(held) = not_permitted(restart) {
            return Plan::Hold(held);
        }
        if let Some(plan) = self.not_before(case, restart) {
            return plan;
        }
        match self.evidence(case).proof() {
            Proof::Proven => self.start(case),
            Proof::AskLog if self.log_is_due(case) => Plan::AskLog,
            // The log is asked less often than looks are due: a watch has no longer gaps while it is waited for.
            Proof::AskLog => self.wait(self.context.times.look_every, "waiting for the activity log"),
            Proof::NotYet(why) => self.wait(self.context.times.look_every, why),
            Proof::NoRecord => match not_permitted(&self.may_restart(case, false)) {
                None => self.start(case),
                Some(Held::PolicyError) => Plan::Hold(Held::PolicyError),
                Some(_) => Plan::Hold(Held::UnknownCaller),
            },
        }
    }

    /// Everything speaks for a start; the mode has the last word, so that a case says what would have been done (rule 27).
    fn start(&self, case: &Case) -> Plan {
        match case.mode.min(self.context.mode) {
            Mode::Act => Plan::Start,
            mode @ (Mode::DryRun | Mode::Notify) => Plan::Hold(Held::Mode { mode }),
        }
    }

    /// What no waiting mends.
    fn cannot_start(&self, case: &Case) -> Option<Held> {
        if let Some(reason) = self.context.hold {
            return Some(Held::Hold { reason: reason.to_owned() });
        }
        let verdict_failed = case.verdict.as_ref().is_some_and(|verdict| !verdict.errors.is_empty());
        if verdict_failed {
            return Some(Held::PolicyError);
        }
        if let Some(IntentState::Refused { code, advice, lock }) =
            case.intent.as_ref().filter(|_| case.episode_attempts > 0).map(|intent| &intent.state)
        {
            return Some(Held::Refused { code: code.clone(), advice: advice.clone(), lock: lock.clone() });
        }
        (case.episode_attempts >= ATTEMPTS_MAX && !self.is_blocked(case)).then_some(Held::AttemptsUsed)
    }

    /// An intent that has not expired for QUIET blocks every other, whosever (rule 16). One that certainly was not sent
    /// does not.
    fn is_blocked(&self, case: &Case) -> bool {
        // Earlier records have it in the case only.
        let own = case.intent.as_ref().filter(|intent| !matches!(intent.state, IntentState::NotSent { .. }));
        let newest = self.record.history.start_expires_at.max(own.map(|intent| intent.expires_at));
        !Mutant::NoDeadline.is_on()
            && newest.is_some_and(|expires_at| self.context.now < expires_at + self.context.times.quiet)
    }

    fn may_restart(&self, case: &Case, caller_known: bool) -> Answer {
        let unknown = crate::domain::Caller::unknown();
        let caller = case.newest_stop().map_or(&unknown, |stop| &stop.caller);
        let known = caller_known && caller.is_known();
        self.asker.policies.may_restart(&RestartQuestion {
            caller: if known { caller } else { &unknown },
            caller_known: known,
            cluster: self.asker.cluster,
            facts: self.cluster,
            at: self.context.now,
            stopped_at: case.newest_stop_time(),
            zone: self.context.zone,
            counts: self.asker.counts,
        })
    }

    fn not_before(&self, case: &Case, restart: &Answer) -> Option<Plan> {
        let context = self.context;
        if context.skewed {
            return Some(self.wait(context.times.look_every, "this machine's clock is too far from Azure's"));
        }
        let by_policy = case.newest_stop_time() + after(restart);
        if context.now < by_policy {
            let until = by_policy.min(context.now + context.times.look_every);
            return Some(Plan::Wait { until, why: "the policy delays the start".to_owned() });
        }
        if let Some(until) = self.after_failure(case).filter(|until| context.now < *until) {
            let until = until.min(context.now + context.times.look_every);
            return Some(Plan::Wait { until, why: "waiting before the next attempt".to_owned() });
        }
        let stale = context.now > self.look.sent_at + context.times.valid;
        if stale {
            return Some(Plan::Wait {
                until: context.now,
                why: "the look is too old: looking again".to_owned(),
            });
        }
        (context.now < context.start_slot_at).then(|| Plan::Wait {
            until: context.start_slot_at,
            why: "waiting for its turn to start".to_owned(),
        })
    }

    /// After a start that ARM accepted and that brought nothing, AKS advises at least 15 minutes. After one that ARM put off, what
    /// ARM said.
    fn after_failure(&self, case: &Case) -> Option<Timestamp> {
        let intent = case.intent.as_ref()?;
        match &intent.state {
            IntentState::Sent { .. } => Some(intent.look_at + self.context.times.retry_after),
            IntentState::PutOff { until, .. } => *until,
            IntentState::Planned
            | IntentState::Unanswered
            | IntentState::Refused { .. }
            | IntentState::NotSent { .. } => None,
        }
    }

    fn evidence<'e>(&'e self, case: &'e Case) -> Evidence<'e> {
        Evidence {
            case,
            history: &self.record.history,
            log: self.log(),
            confirm: self.context.confirm,
            now: self.context.now,
            times: self.context.times,
        }
    }
}

/// How long the policies want a restart delayed. A day at most: they are not loaded with more.
fn after(restart: &Answer) -> SignedDuration {
    restart.after().and_then(|after| SignedDuration::try_from(after).ok()).unwrap_or_default()
}

fn not_permitted(answer: &Answer) -> Option<Held> {
    if !answer.errors.is_empty() {
        Some(Held::PolicyError)
    } else if answer.allowed {
        None
    } else {
        Some(Held::NotPermitted { policies: ids(answer) })
    }
}

fn ids(answer: &Answer) -> Vec<String> {
    answer.policies.iter().map(|policy| policy.id.clone()).collect()
}

fn view(answer: &Answer) -> RestartAnswer {
    RestartAnswer {
        permitted: answer.allowed,
        policies: ids(answer),
        severity: answer.severity(),
        notify: answer.notify().into_iter().map(str::to_owned).collect(),
        in_storm: answer.group().is_some(),
    }
}
