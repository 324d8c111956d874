use super::*;

const UID: &str = "uid-1";
const PIPELINE: &str = "33333333-3333-4333-8333-333333333333";
const APP: &str = "44444444-4444-4444-8444-444444444444";

fn at(text: &str) -> Timestamp {
    text.parse().unwrap()
}

fn now() -> Timestamp {
    at("2026-12-01T06:00:00Z")
}

fn hours(hours: i64) -> Timestamp {
    now() + SignedDuration::from_hours(hours)
}

fn cluster() -> ClusterId {
    ClusterId::parse("/subscriptions/aaaa0a0a-bb1b-cc2c-dd3d-eeeeee4e4e4e/resourceGroups/rg/providers/Microsoft.ContainerService/managedClusters/aks").unwrap()
}

fn scope() -> GrantScope {
    GrantScope::Cluster { id: cluster(), resource_uid: UID.to_owned() }
}

fn plan(from: Option<Timestamp>, until: Timestamp) -> Result<Plan, AnnouncementError> {
    Plan::new(scope(), PIPELINE, (from, until), ("nightly", None), now())
}

fn grant() -> Grant {
    let by = Author { id: None, name: None, via: Way::Cli };
    Grant::of(plan(None, hours(2)).unwrap(), "g-1".to_owned(), by, now())
}

fn application() -> Caller {
    Caller {
        kind: CallerKind::ServicePrincipal,
        object_id: Some(PIPELINE.to_owned()),
        app_id: Some(APP.to_owned()),
        ..Caller::unknown()
    }
}

#[test]
fn a_grant_covers_its_time_and_not_a_moment_more() {
    let grant = grant();
    let covers = |at| grant.covers_time_and_caller(&application(), at);
    assert!(covers(now()) && covers(grant.from) && covers(hours(1)));
    assert!(!covers(grant.until) && !covers(grant.from - SignedDuration::from_nanos(1)));
}

#[test]
fn a_grant_that_was_taken_back_covers_the_stops_before_that() {
    let by = Author { id: None, name: None, via: Way::Cli };
    let revoked = Grant { revoked: Some(Ended { at: hours(1), by }), ..grant() };
    assert!(revoked.covers_time_and_caller(&application(), now()));
    assert!(!revoked.covers_time_and_caller(&application(), hours(1)));
}

#[test]
fn an_application_is_granted_by_either_of_its_ids_and_a_person_by_the_object_id_only() {
    let by_app = Grant { caller: APP.to_owned(), ..grant() };
    assert!(by_app.covers_time_and_caller(&application(), now()));
    assert_eq!(ids_of(&application()), [PIPELINE, APP]);
    let person = Caller { kind: CallerKind::User, ..application() };
    assert!(grant().covers_time_and_caller(&person, now()));
    assert!(!by_app.covers_time_and_caller(&person, now()), "many people use the same client");
    assert_eq!(ids_of(&person), [PIPELINE]);
    assert_eq!(ids_of(&Caller::unknown()), [""; 0]);
}

#[test]
fn a_cluster_that_was_made_anew_does_not_inherit_a_grant() {
    assert!(scope().covers(&cluster(), Some(UID), None));
    assert!(!scope().covers(&cluster(), Some("uid-2"), None));
    assert!(!scope().covers(&cluster(), None, None), "not knowing is no yes");
}

#[test]
fn a_tag_counts_where_azure_shows_it() {
    let scope = GrantScope::Tag { name: "Env".to_owned(), value: "dev".to_owned() };
    let with = |name: &str, value: &str| Cluster {
        id: cluster(),
        resource_uid: None,
        provisioning: crate::domain::Provisioning::Succeeded,
        power: crate::domain::Power::Stopped,
        location: None,
        tags: [(name.to_owned(), value.to_owned())].into(),
        sku_tier: None,
        private: None,
        kubernetes_version: None,
        setup: crate::domain::Setup::default(),
        fault: None,
    };
    assert!(scope.covers(&cluster(), None, Some(&with("env", "dev"))));
    assert!(!scope.covers(&cluster(), None, Some(&with("env", "Dev"))));
    assert!(!scope.covers(&cluster(), None, None));
}

#[test]
fn a_grant_ends_within_thirty_days_and_begins_within_the_last_hour() {
    assert!(plan(None, hours(720)).is_ok());
    assert!(matches!(plan(None, hours(721)), Err(AnnouncementError::TooLong(_))));
    assert!(matches!(plan(None, now()), Err(AnnouncementError::Over { .. })));
    assert!(matches!(plan(Some(hours(3)), hours(2)), Err(AnnouncementError::Over { .. })));
    assert!(plan(Some(hours(-1)), hours(2)).is_ok());
    assert!(matches!(plan(Some(hours(-2)), hours(2)), Err(AnnouncementError::TooEarly(_))));
}

#[test]
fn what_somebody_else_stored_counts_only_if_the_guard_could_have_made_it() {
    assert!(grant().is_sound());
    for forged in [
        Grant { until: hours(100_000), ..grant() },
        Grant { from: hours(-100), ..grant() },
        Grant { v: 2, ..grant() },
        Grant { caller: "unknown".to_owned(), ..grant() },
    ] {
        assert!(!forged.is_sound(), "{forged:?}");
    }
}

#[test]
fn what_makes_no_sense_is_refused_with_what_to_mend() {
    let said = |scope, caller: &str, reason: &str, ticket| {
        Plan::new(scope, caller, (None, hours(1)), (reason, ticket), now()).unwrap_err().to_string()
    };
    let everywhere = GrantScope::Within { scope: Scope::Everywhere };
    let unbound = GrantScope::Within { scope: Scope::Cluster(cluster()) };
    let nameless = GrantScope::Tag { name: " ".to_owned(), value: String::new() };
    insta::assert_snapshot!(said(scope(), "bob\n", "x", None), @"`bob�` is no caller: write the object id of a user or an application, or an application's client id (a GUID)");
    insta::assert_snapshot!(said(scope(), PIPELINE, " ", None), @"a reason is needed, of 300 characters at most");
    let long = "t".repeat(201);
    insta::assert_snapshot!(said(scope(), PIPELINE, "x", Some(&long)), @"the ticket is empty or has more than 200 characters");
    insta::assert_snapshot!(said(everywhere, PIPELINE, "x", None), @"a grant is about a cluster, a resource group, a subscription or a tag");
    insta::assert_snapshot!(said(unbound, PIPELINE, "x", None), @"a grant is about a cluster, a resource group, a subscription or a tag");
    insta::assert_snapshot!(said(nameless, PIPELINE, "x", None), @"the tag has no name, or its name or value is longer than Azure allows");
}

#[test]
fn an_author_says_how_far_it_can_be_trusted() {
    let ada = Caller { upn: Some("ada@contoso.com".to_owned()), ..application() };
    insta::assert_snapshot!(Author::verified(&ada), @"ada@contoso.com (33333333-3333-4333-8333-333333333333)");
    insta::assert_snapshot!(Author::by_cli(Some(&application())), @"33333333-3333-4333-8333-333333333333 by CLI");
    insta::assert_snapshot!(Author::by_cli(None), @"CLI, unverified");
}

#[test]
fn a_grant_is_read_back_as_it_was_stored() {
    let stored = serde_json::to_string(&grant()).unwrap();
    assert_eq!(serde_json::from_str::<Grant>(&stored).unwrap(), grant());
}
