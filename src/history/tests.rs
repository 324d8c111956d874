mod hostile;
mod learn;
mod month;
mod replay;

use jiff::Timestamp;
use jiff::tz::TimeZone;
use serde_json::json;

use super::*;
use crate::case::{self, Case, CaseId, Mode};
use crate::domain::{Caller, CallerKind, ClusterId, PowerOperation, PowerVerb, ScopeOperation, ScopeReading};

const SUBSCRIPTION: &str = "aaaa0a0a-bb1b-cc2c-dd3d-eeeeee4e4e4e";
const PIPELINE: &str = "22222222-2222-4222-8222-222222222222";
const ALICE: &str = "11111111-1111-4111-8111-111111111111";

fn at(text: &str) -> Timestamp {
    text.parse().unwrap()
}

fn cluster(group: &str, name: &str) -> ClusterId {
    let path = format!("resourceGroups/{group}/providers/Microsoft.ContainerService/managedClusters/{name}");
    ClusterId::parse(&format!("/subscriptions/{SUBSCRIPTION}/{path}")).unwrap()
}

fn pipeline() -> Caller {
    Caller {
        kind: CallerKind::ServicePrincipal,
        object_id: Some(PIPELINE.to_owned()),
        ip: Some("203.0.113.7".parse().unwrap()),
        ..Caller::unknown()
    }
}

fn alice() -> Caller {
    Caller {
        kind: CallerKind::User,
        object_id: Some(ALICE.to_owned()),
        upn: Some("alice@contoso.com".to_owned()),
        ip: Some("192.0.2.10".parse().unwrap()),
        ..Caller::unknown()
    }
}

fn operation(cluster: &ClusterId, verb: PowerVerb, at: Timestamp, caller: &Caller) -> ScopeOperation {
    ScopeOperation {
        cluster: cluster.clone(),
        operation: PowerOperation {
            verb,
            began_at: at,
            last_seen_at: at,
            caller: caller.clone(),
            correlation_id: None,
            operation_id: None,
        },
        role: Some("Contributor".to_owned()),
    }
}

fn stop(cluster: &ClusterId, when: &str, caller: &Caller) -> ScopeOperation {
    operation(cluster, PowerVerb::Stop, at(when), caller)
}

fn start(cluster: &ClusterId, when: &str, caller: &Caller) -> ScopeOperation {
    operation(cluster, PowerVerb::Start, at(when), caller)
}

/// A stored case of one stop: nothing decided, nothing done.
fn opened(id: &ClusterId, when: &str, caller: &Caller) -> Case {
    let time = at(when);
    let stop: case::Stop = serde_json::from_value(json!({
        "time": time,
        "caller": caller,
        "event_id": when,
        "source": "event",
    }))
    .unwrap();
    let number = u64::try_from(time.as_second()).unwrap();
    Case::new(CaseId::new(&id.key(), number), Mode::Act, stop, time)
}

fn window() -> Window {
    Window { since: at("2026-10-01T00:00:00Z"), until: at("2026-11-01T00:00:00Z") }
}

fn learned(operations: Vec<ScopeOperation>, zone: &str) -> Learned {
    let mut operations = operations;
    operations.sort_by_key(|op| op.operation.began_at);
    let reading = ScopeReading { operations, unusable: 0, is_cut: false };
    Learned::from(&reading, window(), &TimeZone::get(zone).unwrap())
}
