//! Which sinks hear of what.

use proptest::prelude::*;

use super::super::routes::{Audience, News, Route, Takes};
use super::*;
use crate::domain::Severity;

fn route(sink: &str, takes: Takes) -> Route {
    Route { sink: sink.to_owned(), takes }
}

/// Everything to the log, what is bad to the pager, and to security only what policies name it for.
fn routes() -> Routes {
    let all = [
        route("log", Takes::From(Severity::Info)),
        route("pager", Takes::From(Severity::High)),
        route("security", Takes::Named),
    ];
    Routes::new(all.into(), None)
}

/// What waits for a sink: state and number of each message.
fn waits_for(record: &Record, sink: &str) -> Vec<(IncidentState, u32)> {
    let waiting = record.outbox.iter().filter(|m| m.pending.iter().any(|pending| pending.sink == sink));
    waiting.map(|message| (message.incident.state, message.incident.sequence)).collect()
}

const OPENED: IncidentState = IncidentState::Opened;
const UPDATED: IncidentState = IncidentState::Updated;
const RESOLVED: IncidentState = IncidentState::Resolved;

#[test]
fn a_sink_gets_incidents_from_its_severity_on() {
    let mut world = World { routes: routes(), ..World::stopped_by(mallory()) };
    world.sees(Arm::Stopped, 10);
    assert_eq!(waits_for(&world.record, "log"), [(OPENED, 0)]);
    assert_eq!(waits_for(&world.record, "pager"), [], "a restart under way is medium");
    assert_eq!(waits_for(&world.record, "security"), []);
}

#[test]
fn an_incident_that_gets_worse_is_opened_where_it_was_not_told_and_ends_everywhere() {
    let mut world = World { routes: routes(), ..World::stopped_by(mallory()) };
    world.sees(Arm::Stopped, 10);
    world.start_came_to(refused("AuthorizationFailed", "grant the role"), 11);
    world.sees(Arm::Stopped, 40);
    assert!(world.held().is_some(), "{:?}", world.record.episode);
    assert_eq!(waits_for(&world.record, "log"), [(OPENED, 0), (UPDATED, 2)]);
    assert_eq!(waits_for(&world.record, "pager"), [(OPENED, 1)], "what needs people is high");
    world.sees(Arm::Running, 600);
    assert_eq!(waits_for(&world.record, "log"), [(OPENED, 0), (UPDATED, 2), (RESOLVED, 3)]);
    assert_eq!(waits_for(&world.record, "pager"), [(OPENED, 1), (RESOLVED, 3)]);
    assert_eq!(waits_for(&world.record, "security"), []);
}

#[test]
fn who_did_not_hear_the_beginning_does_not_hear_the_end() {
    let mut world = World { routes: routes(), ..World::stopped_by(mallory()) };
    world.sees(Arm::Running, 400);
    assert_eq!(waits_for(&world.record, "log"), [(OPENED, 0), (RESOLVED, 1)]);
    assert_eq!(waits_for(&world.record, "pager"), []);
}

#[test]
fn a_policy_that_decided_names_sinks_whatever_their_threshold() {
    let policies = with_default(
        r#"@id("not-at-night") @notify("security, pager")
        forbid (principal, action == Action::"stop", resource) when { context.local.hour >= 18 };"#,
    );
    let mut world = World { routes: routes(), ..World::stopped_by(mallory()) };
    world.steps(&policies, Arm::Stopped.look(at(10)), 10);
    for sink in ["log", "pager", "security"] {
        assert_eq!(waits_for(&world.record, sink), [(OPENED, 0)], "{sink}");
    }
    assert_eq!(world.case().verdict.as_ref().unwrap().notify, ["security", "pager"]);
}

#[test]
fn a_restart_policy_names_sinks_too_and_one_that_did_not_decide_names_none() {
    let policies = with_default(
        r#"@id("quick") @notify("pager") permit (principal == Guard::"self", action == Action::"restart", resource);
        @id("other") @notify("security") permit (principal, action == Action::"stop", resource)
        when { context.local.hour < 6 };"#,
    );
    let mut world = World { routes: routes(), ..World::stopped_by(mallory()) };
    world.steps(&policies, Arm::Stopped.look(at(10)), 10);
    assert_eq!(waits_for(&world.record, "pager"), [(OPENED, 0)]);
    assert_eq!(waits_for(&world.record, "security"), []);
}

#[test]
fn forged_claims_are_told_and_end_for_the_same_sinks() {
    let mut world = World { routes: routes(), ..World::stopped_by(pipeline()) };
    world.log_says(vec![log_stop(mallory(), 0)]);
    world.sees(Arm::Stopped, 300);
    world.routes = Routes::to_all(["log", "pager", "security", "late"]);
    world.sees(Arm::Stopped, 310);
    world.sees(Arm::Running, 900);
    let claims = |sink: &str| {
        let of_sink = world.record.outbox.iter().filter(|m| m.pending.iter().any(|p| p.sink == sink));
        let of_claims = of_sink.filter(|message| message.incident.id.ends_with("-claims"));
        of_claims.map(|message| message.incident.state).collect::<Vec<_>>()
    };
    assert_eq!(claims("pager"), [OPENED, RESOLVED]);
    assert_eq!(claims("late"), [], "set up after the beginning");
}

#[test]
fn an_incident_of_a_version_without_routes_ends_for_every_sink() {
    let mut world = World::stopped_by(mallory());
    world.sees(Arm::Stopped, 10);
    let mut stored: serde_json::Value = serde_json::from_slice(&world.record.encode().unwrap()).unwrap();
    stored["case"]["told"].as_object_mut().unwrap().remove("audience").unwrap();
    world.record = Record::decode(stored.to_string().as_bytes()).unwrap();
    world.routes = routes();
    world.sees(Arm::Running, 600);
    assert_eq!(waits_for(&world.record, "security"), [(RESOLVED, 1)]);
}

#[test]
fn a_sink_without_a_route_gets_everything_and_one_that_does_not_work_nothing() {
    let routes = Routes::new(routes().iter().cloned().collect(), Some("security".to_owned()));
    let working = routes.among(&["pager", "new"]);
    let told: Vec<_> = working.iter().cloned().collect();
    assert_eq!(
        told,
        [route("pager", Takes::From(Severity::High)), route("new", Takes::From(Severity::Info))]
    );
    assert_eq!(working.fallback(), None);
    assert_eq!(routes.among(&["log", "security"]).fallback(), Some("security"));
}

proptest! {
    /// Whatever an incident becomes, each sink hears one beginning, then news, then the end; or nothing at all.
    #[test]
    fn rule_31_every_sink_hears_a_whole_story_or_none(
        story in proptest::collection::vec((0_usize..5, any::<bool>()), 1..8),
    ) {
        let routes = routes();
        let mut audience = Audience::nobody();
        let mut heard: BTreeMap<String, Vec<IncidentState>> = BTreeMap::new();
        for (n, (severity, names_security)) in story.iter().enumerate() {
            let state = match n {
                _ if n + 1 == story.len() => RESOLVED,
                0 => OPENED,
                _ => UPDATED,
            };
            let named = if *names_security { vec!["security".to_owned()] } else { Vec::new() };
            let news = News { state, severity: Severity::ALL[*severity], named: &named, crowded: &[] };
            let hearers = audience.hears(news, &routes);
            for (state, sinks) in [(OPENED, hearers.new), (state, hearers.known)] {
                sinks.into_iter().for_each(|sink| heard.entry(sink).or_default().push(state));
            }
        }
        for (sink, states) in heard {
            prop_assert_eq!(states[0], OPENED, "{}", &sink);
            prop_assert_eq!(states.iter().filter(|state| **state == OPENED).count(), 1);
            prop_assert_eq!(*states.last().unwrap(), RESOLVED);
        }
    }
}
