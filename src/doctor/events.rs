//! Whether Event Grid tells the guard of stops in a subscription.

use serde_json::Value;

use super::{Finding, Standing};
use crate::domain::event::ACTION_SUCCESS;
use crate::domain::{ResourceId, ResourceKind, SubscriptionId};
use crate::posture::read::{at, rows, word, words};
use crate::posture::{Unread, command};

/// The type of topics of subscriptions (source: REST specification, `SystemTopics_ListBySubscription`).
const TOPIC_TYPE: &str = "Microsoft.Resources.Subscriptions";
/// The function that events are delivered to.
const FUNCTION: &str = "/functions/StopActionHandler";
/// The queue that they are delivered to where the network is private.
const QUEUE: &str = "aks-stop-events";
/// The member of an event that the second filter is on.
const OPERATION: &str = "data.operationName";

/// The system topics whose events are those of the subscription itself.
pub fn topics(id: &SubscriptionId, rows: &[Value]) -> Vec<ResourceId> {
    let of = |name: &str, row: &Value| word(row, &["properties", name]).unwrap_or_default();
    let source = format!("/subscriptions/{id}");
    rows.iter()
        .filter(|row| of("topicType", row).eq_ignore_ascii_case(TOPIC_TYPE))
        .filter(|row| of("source", row).trim_end_matches('/').eq_ignore_ascii_case(&source))
        .filter_map(|row| ResourceId::parse(&word(row, &["id"])?).ok())
        .collect()
}

/// What the event subscriptions of these topics come to. The error has the right that would have been needed.
pub fn events(id: &SubscriptionId, read: &Result<Vec<Value>, (Unread, &'static str)>) -> Finding {
    let found = |standing, seen: String| Finding::new("events", standing, seen).about(id);
    let own: Vec<Delivery> = match read {
        Ok(rows) => rows.iter().filter_map(Delivery::read).collect(),
        Err((why, action)) => return Finding::unread("events", id.as_str(), why, action),
    };
    // Any that is whole does; else the best of them is told.
    let Some(best) = own.iter().min_by_key(|one| one.faults().map(|(standing, _)| standing)) else {
        let seen = "no event subscription of this subscription's topic delivers to a guard: stops are found by discovery only";
        return found(Standing::Fault, seen.to_owned()).mend(deploy(id));
    };
    match best.faults() {
        None => found(Standing::Ok, format!("`{}` has both filters and dead-letters", best.name)),
        Some((standing, why)) => found(standing, format!("`{}`: {why}", best.name)).mend(deploy(id)),
    }
}

/// The second half of the deployment makes it as it has to be, as often as it is run.
fn deploy(id: &SubscriptionId) -> String {
    let fixed = "az deployment sub create --name stop-guard-events --location YOUR_REGION --template-file infra/guarded-subscription/main.bicep";
    command(fixed, &["--subscription", id.as_str(), "--parameters", "YOUR_PARAMETERS.bicepparam"])
}

/// An event subscription that delivers to a guard.
struct Delivery {
    name: String,
    state: String,
    takes_type: bool,
    only_type: bool,
    /// The kinds of resources whose stops its filter leaves out.
    deaf_to: Vec<ResourceKind>,
    only_stops: bool,
    has_dead_letter: bool,
}

/// The kinds whose stops are not among these operations.
fn left_out(operations: &[String]) -> impl Iterator<Item = ResourceKind> {
    ResourceKind::ALL
        .into_iter()
        .filter(|kind| !operations.iter().any(|operation| ResourceKind::stopped_by(operation) == Some(*kind)))
}

impl Delivery {
    fn read(row: &Value) -> Option<Self> {
        let p = at(row, &["properties"])?;
        let to =
            at(p, &["destination"]).or_else(|| at(p, &["deliveryWithResourceIdentity", "destination"]))?;
        let is_function = word(to, &["properties", "resourceId"])
            .is_some_and(|id| id.to_ascii_lowercase().ends_with(&FUNCTION.to_ascii_lowercase()));
        let is_queue =
            word(to, &["properties", "queueName"]).is_some_and(|name| name.eq_ignore_ascii_case(QUEUE));
        if !is_function && !is_queue {
            return None;
        }
        let types = words(p, &["filter", "includedEventTypes"]);
        let filters = rows(p, &["filter", "advancedFilters"]);
        let is_own = |filter: &&Value| {
            let is = |name, wanted: &str| {
                word(filter, &[name]).is_some_and(|word| word.eq_ignore_ascii_case(wanted))
            };
            is("operatorType", "StringIn") && is("key", OPERATION)
        };
        let values: Option<Vec<String>> =
            filters.iter().find(is_own).map(|filter| words(filter, &["values"]));
        let has = |words: &[String], wanted: &str| words.iter().any(|word| word.eq_ignore_ascii_case(wanted));
        let dead_letter =
            [&["deadLetterDestination"][..], &["deadLetterWithResourceIdentity", "deadLetterDestination"]];
        Some(Self {
            name: word(row, &["name"]).unwrap_or_default(),
            state: word(p, &["provisioningState"]).unwrap_or_else(|| "Succeeded".to_owned()),
            takes_type: types.is_empty() || has(&types, ACTION_SUCCESS),
            only_type: types.len() == 1,
            // A filter of another kind beside ours lets through less, never more.
            deaf_to: values.iter().flat_map(|values| left_out(values)).collect(),
            only_stops: values
                .is_some_and(|values| values.iter().all(|value| ResourceKind::stopped_by(value).is_some())),
            has_dead_letter: dead_letter.iter().any(|path| at(p, path).is_some_and(Value::is_object)),
        })
    }

    /// What is wrong with it, the worst first.
    fn faults(&self) -> Option<(Standing, String)> {
        if !self.state.eq_ignore_ascii_case("Succeeded") {
            return Some((Standing::Fault, format!("its provisioning state is `{}`", self.state)));
        }
        if !self.takes_type {
            return Some((Standing::Fault, format!("its event types leave out `{ACTION_SUCCESS}`")));
        }
        if let Some(kind) = self.deaf_to.first() {
            let stop = kind.stop_action();
            let why = format!("its filter on `{OPERATION}` leaves out `{stop}`");
            return Some(match kind {
                ResourceKind::ManagedCluster => (Standing::Fault, why),
                // As deployed before there were container groups: it guards clusters as it did.
                ResourceKind::ContainerGroup => {
                    (Standing::Warning, format!("{why}: stops of container groups are not heard"))
                }
            });
        }
        let lacks: Vec<&str> = [
            (!self.only_type).then_some("the filter on the event type"),
            (!self.only_stops).then_some("the filter on the stop operation"),
            (!self.has_dead_letter)
                .then_some("a dead-letter destination: events that can't be delivered are lost"),
        ]
        .into_iter()
        .flatten()
        .collect();
        (!lacks.is_empty()).then(|| (Standing::Warning, format!("it lacks {}", lacks.join(", and "))))
    }
}
