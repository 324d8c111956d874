use super::*;
use crate::case::StopSource;
use crate::case::model::RestartAnswer;
use crate::policy::{Counts, DEFAULT_POLICIES, Policies, PolicyFile};

/// A stored case of a stop, with what was decided.
fn stored(id: &ClusterId, when: &str, caller: &Caller, authorised: bool) -> Past {
    let mut case = opened(id, when, caller);
    case.stops[0].allowed_by = authorised.then(|| vec!["old".to_owned()]);
    case.verdict = serde_json::from_value(json!({
        "stop_time": at(when),
        "authorised": authorised,
        "policies": if authorised { vec!["old"] } else { Vec::new() },
        "policy_hash": "of then",
    }))
    .unwrap();
    case.restart = (!authorised).then(|| RestartAnswer {
        permitted: true,
        policies: vec!["restart".to_owned()],
        severity: None,
        notify: Vec::new(),
        in_storm: false,
    });
    Past { cluster: id.clone(), case }
}

fn policies(extra: &str) -> Policies {
    Policies::load(&[DEFAULT_POLICIES, PolicyFile { name: "extra.cedar", text: extra }]).unwrap()
}

fn allow(id: &str) -> String {
    format!("@id(\"on-call\") permit (principal == Caller::\"{id}\", action == Action::\"stop\", resource);")
}

fn replayed(past: Vec<Past>, extra: &str) -> Replay {
    let (policies, zone) = (policies(extra), TimeZone::UTC);
    Replay::of(Source::Cases, window(), past, PolicySet { policies: &policies, zone: &zone }, None)
}

#[test]
fn policies_that_say_the_same_make_no_difference_whatever_their_ids() {
    let id = cluster("rg", "a");
    let past = vec![
        stored(&id, "2026-10-01T10:00:00Z", &alice(), true),
        stored(&id, "2026-10-02T10:00:00Z", &pipeline(), false),
    ];
    let replay = replayed(past, &allow(ALICE));
    assert_eq!((replay.same, replay.different), (2, 0));
    assert_eq!(replay.stops[0].now.policies, ["on-call"]);
}

#[test]
fn people_read_which_stops_would_be_decided_otherwise_and_by_which_policies() {
    let id = cluster("rg", "a");
    let past = vec![
        stored(&id, "2026-10-01T10:00:00Z", &alice(), true),
        stored(&id, "2026-10-02T10:00:00Z", &alice(), false),
        stored(&id, "2026-10-03T10:00:00Z", &pipeline(), true),
        Past {
            case: Case { verdict: None, ..stored(&id, "2026-10-04T10:00:00Z", &alice(), true).case },
            cluster: id,
        },
    ];
    let replay = replayed(past, &allow(ALICE));
    insta::assert_snapshot!(replay.human(false), @r"
    4 stops in stored cases, from 2026-10-01T00:00:00Z to 2026-11-01T00:00:00Z: 1 decided as before, 2 otherwise
    not decided then: 1
    not known of that time, asked as absent or 0: tags, location, skuTier, private, kubernetesVersion, context.grant

    2026-10-02T10:00:00Z  a in rg  by alice@contoso.com (user 11111111-1111-4111-8111-111111111111)  DIFFERS
      then  not authorised: no policy allows it; restart permitted by restart
      now   authorised by on-call

    2026-10-03T10:00:00Z  a in rg  by service-principal 22222222-2222-4222-8222-222222222222  DIFFERS
      then  authorised by old
      now   not authorised: no policy allows it; restart permitted by restart

    2026-10-04T10:00:00Z  a in rg  by alice@contoso.com (user 11111111-1111-4111-8111-111111111111)
      then  nothing was decided
      now   authorised by on-call
    ");
    assert_eq!(replay.human(true).matches("\n  now ").count(), 4);
}

#[test]
fn what_policies_of_that_time_allowed_is_asked_anew() {
    let past = vec![stored(&cluster("rg", "a"), "2026-10-01T10:00:00Z", &alice(), true)];
    assert_eq!(replayed(past, "").different, 1);
}

#[test]
fn a_restart_that_is_forbidden_by_the_change_is_a_difference() {
    let past = vec![stored(&cluster("lab", "a"), "2026-10-01T10:00:00Z", &alice(), false)];
    let forbid = "@id(\"lab-is-manual\") forbid (principal == Guard::\"self\", action == Action::\"restart\", resource);";
    let replay = replayed(past, forbid);
    assert_eq!(replay.different, 1);
    let restart = replay.stops[0].now.restart.as_ref().unwrap();
    assert_eq!((restart.permitted, restart.policies.as_slice()), (false, &["lab-is-manual".to_owned()][..]));
}

#[test]
fn storms_are_counted_from_the_stops_that_the_policies_leave_unauthorised() {
    let storm = || {
        let stops = 0..12;
        let id = |n| cluster("rg", &format!("a{n}"));
        stops
            .map(|n| stored(&id(n), &format!("2026-10-01T10:{n:02}:00Z"), &alice(), false))
            .collect::<Vec<_>>()
    };
    let in_storm = |replay: &Replay| {
        let restarts = replay.stops.iter().filter_map(|row| row.now.restart.as_ref());
        restarts.filter(|restart| restart.in_storm).count()
    };
    // The fifth stop by one caller within an hour is the first one of the storm.
    assert_eq!(in_storm(&replayed(storm(), "")), 8);
    assert_eq!(in_storm(&replayed(storm(), &allow(ALICE))), 0);
}

#[test]
fn of_a_damaged_record_nothing_is_replayed() {
    let mut past = stored(&cluster("rg", "a"), "2026-10-01T10:00:00Z", &alice(), false);
    past.case.stops[0].source = StopSource::DamagedRecord;
    let replay = replayed(vec![past], "");
    assert_eq!((replay.stops.len(), replay.unreadable), (0, 1));
}

#[test]
fn stops_of_the_log_are_compared_with_other_policies() {
    let operations = vec![stop(&cluster("rg", "a"), "2026-10-01T10:00:00Z", &alice())];
    let reading = ScopeReading { operations, unusable: 0, is_cut: false };
    let past: Vec<Past> = PastStop::all(&reading).iter().map(Past::of_log).collect();
    let (before, after, zone) = (policies(""), policies(&allow(ALICE)), TimeZone::UTC);
    let set = |policies| PolicySet { policies, zone: &zone };
    let alone = Replay::of(Source::Log, window(), past.clone(), set(&after), None);
    assert_eq!((alone.different, alone.undecided), (0, 1));
    let compared = Replay::of(Source::Log, window(), past, set(&after), Some(set(&before)));
    assert_eq!((compared.different, compared.undecided), (1, 0));
}

/// A stop that a tag and a grant allowed, with what the guard knew.
fn stored_with_facts() -> Past {
    let id = cluster("rg", "a");
    let mut past = stored(&id, "2026-10-01T10:00:00Z", &alice(), true);
    past.case.verdict.as_mut().unwrap().asked = serde_json::from_value(json!({
        "cluster": id,
        "facts": {
            "id": id, "provisioning": "succeeded", "power": "stopped", "tags": { "sleeps": "yes" },
        },
        "counts": serde_json::to_value(Counts::default()).unwrap(),
        "grant": { "id": "g-1", "granted_by": "dana", "until": "2026-10-01T12:00:00Z", "reason": "work" },
    }))
    .unwrap();
    past
}

#[test]
fn a_case_is_decided_again_with_what_the_guard_knew_then() {
    let granted = replayed(vec![stored_with_facts()], "");
    assert_eq!((granted.same, granted.unknown), (1, [].as_slice()));
    assert_eq!(granted.stops[0].now.policies, ["granted"]);

    let by_tag = "@id(\"asleep\") forbid (principal, action == Action::\"stop\", resource) when { resource.hasTag(\"sleeps\") };";
    let forbidden = replayed(vec![stored_with_facts()], by_tag);
    assert_eq!(
        (forbidden.different, forbidden.stops[0].now.policies.as_slice()),
        (1, ["asleep".to_owned()].as_slice())
    );

    let without = replayed(vec![stored(&cluster("rg", "a"), "2026-10-02T10:00:00Z", &alice(), true)], "");
    assert_eq!((without.different, without.unknown.is_empty()), (1, false));
}
