//! What was done about a case, and what people should do next.

use super::super::model::{Case, Held, IntentState, Outcome};
use super::undid_it;
use crate::domain::ClusterId;

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
    if let Some(outcome) = case.outcome {
        return after_the_end(case, outcome);
    }
    let Some(held) = &case.held else { return Vec::new() };
    let start = format!(
        "If it should run, start it: `az aks start --subscription {} --resource-group '{}' --name {}`. The guard closes this once it runs.",
        cluster.subscription(),
        cluster.resource_group(),
        cluster.name()
    );
    let before = match held {
        Held::Mode { .. } => return vec![start],
        Held::Unconfirmed => {
            return vec![
                "Ask the named caller whether they stopped it: an event without a record in the activity log may be forged."
                    .to_owned(),
            ];
        }
        Held::NotPermitted { .. } => "Decide whether it should run.".to_owned(),
        Held::PolicyError => "Mend the policy: the timeline names it.".to_owned(),
        Held::Hold { .. } => "Lift the hold when it is no longer needed.".to_owned(),
        Held::AttemptsUsed | Held::FailedState => {
            "Look for the failed start in the cluster's activity log: quota, capacity or a failed state.".to_owned()
        }
        Held::Refused { advice, .. } => advice.clone(),
        Held::TooLong { situation: Some(_) } => "Look at the cluster's state and its activity log.".to_owned(),
        Held::TooLong { situation: None } => {
            "Look at the cluster yourself, and find out why the guard can't: the timeline has Azure's answer.".to_owned()
        }
        Held::DamagedRecord => {
            "Find out who or what wrote into the guard's storage: a copy of the damaged record is under `aside/`.".to_owned()
        }
        Held::UnknownCaller => {
            "Find out who stopped it. AKS itself stops clusters without nodes and those of a suspended subscription.".to_owned()
        }
    };
    vec![before, start]
}

fn after_the_end(case: &Case, outcome: Outcome) -> Vec<String> {
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
            vec![
                "Check what ran there: pods that no controller owns don't come back after a stop.".to_owned(),
            ]
        }
        Outcome::Gone => vec!["Find out whether it was meant to be deleted.".to_owned()],
    }
}
