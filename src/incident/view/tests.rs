use jiff::tz::TimeZone;

use super::super::tests::samples::{opened, storm};
use super::*;

#[test]
fn times_are_told_in_the_zone_and_in_utc() {
    let view = View::new(&opened(), &TimeZone::get("Europe/Berlin").unwrap());
    assert_eq!(view.at.local, "2026-09-14 20:05:00 CEST");
    assert_eq!(view.at.utc, "2026-09-14T18:05:00Z");
    let facts = view.facts();
    let stopped = facts.iter().find(|fact| fact.name == "Stopped").unwrap();
    assert_eq!(stopped.text, "2026-09-14 20:04:29 CEST (2026-09-14 18:04:29 UTC)");
}

fn story(incident: &Incident) -> String {
    let view = View::new(incident, &TimeZone::UTC);
    view.story(&view.facts()).join("\n")
}

#[test]
fn a_person_reads_what_who_from_where_when_and_why_in_this_order() {
    insta::assert_snapshot!(story(&opened()), @r#"
    Cluster: aks-prod-01 in rg-prod (aaaa0a0a-bb1b-cc2c-dd3d-eeeeee4e4e4e)
    Status: restarting
    Caller: dana@contoso.com (user)
    Ids: object 11112222-bbbb-3333-cccc-4444dddd5555, app 04b07795-8ddb-461a-bbee-02f9e1bf7b46
    From: 203.0.113.24
    Stopped: 2026-09-14 18:04:29 UTC
    Verdict: unauthorised; decided by restart
    Correlation id: dd2135d9-9a79-4a78-ad1a-ae540fdf44e7
    Severity: high
    Mode: act

    Done:
    - Asked ARM to start the cluster (attempt 1).

    Timeline:
    - 2026-09-14 18:04:29 UTC  Stopped.
    "#);
    insta::assert_snapshot!(story(&storm()), @r#"
    Clusters: 12: aks-a, aks-b, 10 more
    Caller: dana@contoso.com (user)
    Ids: object 11112222-bbbb-3333-cccc-4444dddd5555, app 04b07795-8ddb-461a-bbee-02f9e1bf7b46
    From: 203.0.113.24
    Stopped: 2026-09-14 18:04:29 UTC
    Verdict: unauthorised; decided by restart, storm
    Correlation id: dd2135d9-9a79-4a78-ad1a-ae540fdf44e7
    Severity: critical
    Mode: act

    What is left to do:
    - Find out whether dana@contoso.com still controls the account.

    Done:
    - Asked ARM to start the cluster (attempt 1).

    Clusters:
    - aks-a in rg-prod: restored
    - aks-b in rg-prod: held: a hold covers it
    - and 10 more

    Timeline:
    - 2026-09-14 18:04:29 UTC  Stopped.
    "#);
}

#[test]
fn the_least_missed_goes_first_and_is_counted() {
    let view = View::new(&storm(), &TimeZone::UTC);
    let cut = view.without(2);
    assert_eq!((cut.clusters.len(), cut.timeline.len()), (0, 1), "the end of the story stays");
    assert_eq!(cut.cut.clusters, 12);
    let bare = view.without(view.spare());
    assert_eq!(bare.spare(), 0);
    assert_eq!((bare.cut.timeline, bare.cut.done, bare.cut.next, bare.cut.policies), (1, 1, 1, 2));
}

#[test]
fn only_https_addresses_are_links() {
    let mut incident = opened();
    for url in [
        "https://portal.azure.com/#x",
        "http://a.example",
        "javascript:alert(1)",
        "https://a/<b>",
        "https://a/\nb",
    ] {
        incident.links.push(crate::domain::incident::Link { label: "x".to_owned(), url: url.to_owned() });
    }
    let urls: Vec<String> =
        View::new(&incident, &TimeZone::UTC).links.into_iter().map(|link| link.url).collect();
    assert_eq!(urls, ["https://portal.azure.com/#x"]);
}
