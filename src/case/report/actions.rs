//! What was done about a case, and what people should do next.

use super::super::model::{Case, Held, IntentState, Outcome, Stop};
use super::remedy::Trouble;
use super::{commands, undid_it, who};
use crate::domain::{Caller, ClusterId, ResourceKind, Scope, Situation};

/// What the guard did.
pub(super) fn done(case: &Case) -> Vec<String> {
    let Some(intent) = &case.intent else { return vec!["Nothing was started.".to_owned()] };
    let what = match &intent.state {
        // Nobody came to write down what became of it; the outcome was learnt by looking.
        IntentState::Planned if case.outcome.is_some() => {
            "was on its way when the guard's process ended".to_owned()
        }
        IntentState::Planned => "is being sent".to_owned(),
        IntentState::Sent { request_id: Some(id) } => format!("was accepted by Azure (request {id})"),
        IntentState::Sent { request_id: None } => "was accepted by Azure".to_owned(),
        IntentState::Unanswered => "was sent; Azure's answer did not arrive".to_owned(),
        IntentState::Refused { code, .. } => format!("was refused by Azure ({code})"),
        IntentState::PutOff { code, .. } => format!("was put off by Azure ({code})"),
        IntentState::NotSent { why } => format!("was not sent ({why})"),
    };
    vec![format!("Start {} {what}.", intent.n)]
}

/// What is left for people, for this very reason.
pub(super) fn next(cluster: &ClusterId, case: &Case) -> Vec<String> {
    match (case.outcome, &case.held) {
        (Some(outcome), _) => after_the_end(cluster.kind(), case, outcome),
        (None, Some(held)) => Steps { cluster, case }.of(held),
        (None, None) => Vec::new(),
    }
}

/// What people do about a case that waits for them.
struct Steps<'a> {
    cluster: &'a ClusterId,
    case: &'a Case,
}

impl Steps<'_> {
    fn of(&self, held: &Held) -> Vec<String> {
        match held {
            Held::Mode { .. } => vec![self.start()],
            Held::Unconfirmed => vec![format!(
                "Ask {} whether they stopped it: an event without a record in the activity log may be forged{}.",
                self.caller(),
                self.log()
            )],
            Held::NotPermitted { .. } => self.then_start("Decide whether it should run."),
            Held::PolicyError => self.then_start(
                "Mend the policy that the timeline names, test it with `aks-stop-guard check` and deploy it.",
            ),
            Held::Hold { .. } => self.then_start(
                "The guard goes on by itself when the hold is over. If it is not needed any more, `aks-stop-guard hold list` shows its id, and \
                 `aks-stop-guard hold lift <id>` lifts it.",
            ),
            Held::AttemptsUsed => self.then_start(&self.why_it_failed()),
            Held::Refused { code, advice, lock } => {
                self.then_start(&self.remedy(code, self.cluster.kind().start_action(), lock.as_ref()).unwrap_or_else(|| advice.clone()))
            }
            Held::FailedState => self.failed(),
            Held::TooLong { situation: Some(situation) } => self.too_long(*situation),
            Held::TooLong { situation: None } => {
                let known = self.case.fault.as_deref().and_then(|code| self.remedy(code, self.cluster.kind().read_action(), None));
                self.then_start(&known.unwrap_or_else(|| {
                    "Look at the cluster yourself, and find out why the guard can't: the timeline has Azure's answer.".to_owned()
                }))
            }
            Held::DamagedRecord => self.then_start(
                "Find out who or what wrote into the guard's storage: a copy of the damaged record is under `aside/`.",
            ),
            Held::UnknownCaller => vec![
                format!("Find out who stopped it{}.", self.log()),
                self.stopped_by_azure(),
                self.start(),
            ],
        }
    }

    /// When Azure itself stops such a resource.
    fn stopped_by_azure(&self) -> String {
        let state = commands::subscription_state(self.cluster.subscription());
        match self.cluster.kind() {
            ResourceKind::ManagedCluster => format!(
                "AKS itself stops clusters that had no nodes for 30 days, and those of a suspended subscription: see {state}."
            ),
            ResourceKind::ContainerGroup => {
                format!("Azure may have stopped it with its subscription: see {state}.")
            }
        }
    }

    fn start(&self) -> String {
        format!(
            "If it should run, start it: {}. The guard closes this once it runs.",
            commands::start(self.cluster)
        )
    }

    fn then_start(&self, first: &str) -> Vec<String> {
        vec![first.to_owned(), self.start()]
    }

    fn caller(&self) -> String {
        let known = self.case.newest_stop().map(|stop| &stop.caller).filter(|caller| caller.is_known());
        known.map_or_else(|| "the named caller".to_owned(), who)
    }

    /// How to see the stop's records, in brackets.
    fn log(&self) -> String {
        let command = |stop: &Stop| format!(" ({})", commands::activity_log(self.cluster, stop));
        self.case.newest_stop().map(command).unwrap_or_default()
    }

    fn remedy(&self, code: &str, action: &'static str, lock: Option<&Scope>) -> Option<String> {
        Trouble { code, action, cluster: self.cluster, setup: &self.case.setup, lock }.remedy()
    }

    /// What Azure says of the operation that failed: its code's remedy, else how to see it.
    fn why_it_failed(&self) -> String {
        let known = self
            .case
            .fault
            .as_deref()
            .and_then(|code| self.remedy(code, self.cluster.kind().start_action(), None));
        known.unwrap_or_else(|| format!("See why it failed: {}.", commands::last_operation(self.cluster)))
    }

    /// A start of a cluster that counts as running would be refused: what is half-way is brought into line instead.
    fn failed(&self) -> Vec<String> {
        if self.case.last_situation == Some(Situation::FailedRunning) {
            let reconcile = commands::reconcile(self.cluster);
            return vec![
                self.why_it_failed(),
                match self.cluster.kind() {
                    ResourceKind::ManagedCluster => {
                        format!(
                            "Then let AKS bring it into line: {reconcile}. The guard closes this once it runs."
                        )
                    }
                    ResourceKind::ContainerGroup => {
                        format!("Then restart it: {reconcile}. The guard closes this once it runs.")
                    }
                },
            ];
        }
        self.then_start(&self.why_it_failed())
    }

    fn too_long(&self, situation: Situation) -> Vec<String> {
        let operation = commands::last_operation(self.cluster);
        match situation {
            Situation::Stopping => self.then_start(&self.slow_stop(&operation)),
            Situation::Starting => vec![format!(
                "Its start takes unusually long; another one would be refused. See how far it is: {operation}. Ask Azure support if it doesn't move."
            )],
            Situation::Busy => self.then_start(&format!(
                "Wait for the operation that is under way, or end it: {operation} shows it."
            )),
            Situation::Deleting => vec![format!("Find out whether it is meant to be deleted{}.", self.log())],
            Situation::Unknown => self.then_start(&format!(
                "See what state it is in: {}. Ask Azure support if Azure doesn't say.",
                commands::state(self.cluster)
            )),
            Situation::FailedRunning => self.failed(),
            Situation::Running | Situation::Startable | Situation::FailedStopped => {
                self.then_start(&self.what_kept_it())
            }
        }
    }

    fn slow_stop(&self, operation: &str) -> String {
        let why = match self.cluster.kind() {
            ResourceKind::ManagedCluster => "; pod disruption budgets can hold it up",
            ResourceKind::ContainerGroup => "",
        };
        format!(
            "Its stop takes unusually long, and until it is over Azure refuses a start{why}. See how far it is: {operation}."
        )
    }

    /// Why a cluster that could be started was not: Azure put the start off, or the timeline says it.
    fn what_kept_it(&self) -> String {
        let put_off = match self.case.intent.as_ref().map(|intent| &intent.state) {
            Some(IntentState::PutOff { code, .. }) => {
                self.remedy(code, self.cluster.kind().start_action(), None)
            }
            Some(
                IntentState::Planned
                | IntentState::Sent { .. }
                | IntentState::Unanswered
                | IntentState::Refused { .. }
                | IntentState::NotSent { .. },
            )
            | None => None,
        };
        put_off.unwrap_or_else(|| "See in the timeline what kept the guard from starting it.".to_owned())
    }
}

fn after_the_end(kind: ResourceKind, case: &Case, outcome: Outcome) -> Vec<String> {
    let authorised = case.verdict.as_ref().is_some_and(|verdict| verdict.authorised);
    match outcome {
        Outcome::Authorised if undid_it(case, outcome) => {
            vec!["Ask whoever stopped it whether it should be down, and stop it again if so.".to_owned()]
        }
        Outcome::Authorised => Vec::new(),
        Outcome::AlreadyRunning | Outcome::Restored | Outcome::Gone if authorised => {
            vec!["Find out who sent an event about a stop that never was.".to_owned()]
        }
        Outcome::AlreadyRunning | Outcome::Restored => {
            let check = match kind {
                ResourceKind::ManagedCluster => {
                    "Check what ran there: pods that no controller owns don't come back after a stop."
                }
                ResourceKind::ContainerGroup => {
                    "Check what ran there: its containers began anew, without what they kept on their own disks, and its address may be another."
                }
            };
            let mut next = vec![check.to_owned()];
            next.extend(case.newest_stop().and_then(|stop| ask(&stop.caller)));
            next
        }
        Outcome::Gone => vec!["Find out whether it was meant to be deleted.".to_owned()],
    }
}

/// So that it doesn't happen again; nobody can ask a caller without a name.
fn ask(caller: &Caller) -> Option<String> {
    caller.is_known().then(|| {
        format!(
            "Ask {} why it was stopped. Planned stops are announced with `aks-stop-guard grant add`.",
            who(caller)
        )
    })
}
