use jiff::SignedDuration;

use super::*;
use crate::domain::grant::Way;
use crate::domain::scope::ResourceGroupId;

const PIPELINE: &str = "33333333-3333-4333-8333-333333333333";

fn now() -> Timestamp {
    "2026-12-01T06:00:00Z".parse().unwrap()
}

fn hours(hours: i64) -> Timestamp {
    now() + SignedDuration::from_hours(hours)
}

fn by() -> Author {
    Author { id: None, name: None, via: Way::Cli }
}

fn cluster(name: &str) -> ClusterId {
    ClusterId::parse(&format!("/subscriptions/aaaa0a0a-bb1b-cc2c-dd3d-eeeeee4e4e4e/resourceGroups/RG/providers/Microsoft.ContainerService/managedClusters/{name}")).unwrap()
}

fn plan(scope: GrantScope, until: Timestamp) -> Plan {
    Plan::new(scope, PIPELINE, (None, until), ("nightly", None), now()).unwrap()
}

fn of_cluster(name: &str) -> GrantScope {
    GrantScope::Cluster { id: cluster(name), resource_uid: "uid".to_owned() }
}

async fn add(grants: &Grants, scope: GrantScope, until: Timestamp) -> Grant {
    match grants.add(None, plan(scope, until), by(), now()).await.unwrap() {
        Made::New(grant) => grant,
        Made::Known(grant) => panic!("known: {grant:?}"),
    }
}

async fn found(grants: &Grants, name: &str, since: Timestamp) -> usize {
    let callers = BTreeSet::from([PIPELINE.to_owned()]);
    grants.for_decision(callers, &cluster(name), since).await.unwrap().grants.len()
}

#[tokio::test]
async fn a_decision_finds_the_grants_of_the_cluster_and_of_all_that_it_lies_in() {
    let grants = Grants::new(Store::memory());
    let group = ResourceGroupId::of(&ClusterId::parse(cluster("aks").lower()).unwrap());
    for scope in [
        of_cluster("aks"),
        of_cluster("other"),
        GrantScope::resource_group(group),
        GrantScope::in_subscription(cluster("aks").subscription().clone()),
        GrantScope::Tag { name: "env".to_owned(), value: "dev".to_owned() },
    ] {
        add(&grants, scope, hours(2)).await;
    }
    assert_eq!(found(&grants, "AKS", now()).await, 4);
    assert_eq!(found(&grants, "other", now()).await, 4);
    assert_eq!(found(&grants, "third", now()).await, 3);
    let nobody =
        grants.for_decision(BTreeSet::from(["unknown".to_owned()]), &cluster("aks"), now()).await.unwrap();
    assert_eq!(nobody.grants, []);
}

#[tokio::test]
async fn what_ended_before_the_stop_is_not_even_read() {
    let grants = Grants::new(Store::memory());
    add(&grants, of_cluster("aks"), hours(1)).await;
    assert_eq!(found(&grants, "aks", hours(1)).await, 1);
    assert_eq!(found(&grants, "aks", hours(2)).await, 0);
}

#[tokio::test]
async fn a_grant_that_was_taken_back_stays_with_who_did_it() {
    let grants = Grants::new(Store::memory());
    let grant = add(&grants, of_cluster("aks"), hours(2)).await;
    let revoked = grants.revoke(&grant.id, by(), hours(1)).await.unwrap();
    assert_eq!(revoked.revoked, Some(Ended { at: hours(1), by: by() }));
    assert_eq!(grants.revoke(&grant.id, by(), hours(2)).await.unwrap(), revoked, "once is enough");
    assert_eq!(grants.list().await.unwrap(), [revoked]);
    for unknown in ["x", "", "../x", "json"] {
        assert_eq!(grants.revoke(unknown, by(), now()).await, Err(GrantError::Unknown(unknown.to_owned())));
    }
}

#[tokio::test]
async fn a_repeat_with_the_same_id_is_one_grant_and_does_not_bring_a_revoked_one_back() {
    let grants = Grants::new(Store::memory());
    let id = PathName::parse("run-17").unwrap();
    let again = async |at| grants.add(Some(&id), plan(of_cluster("aks"), hours(2)), by(), at).await;
    let Ok(Made::New(first)) = again(now()).await else { panic!("it was not made") };
    assert_eq!(again(hours(1)).await, Ok(Made::Known(first)));
    grants.revoke("run-17", by(), now()).await.unwrap();
    assert_eq!(again(hours(1)).await, Err(GrantError::Revoked));
}

#[tokio::test]
async fn junk_and_forgeries_among_the_grants_grant_nothing_and_hide_nothing() {
    let store = Store::memory();
    let grants = Grants::new(store.clone());
    let good = add(&grants, of_cluster("aks"), hours(2)).await;
    let eternal = Grant { until: hours(100_000), ..good };
    let caller = PathName::parse(PIPELINE).unwrap();
    let put = async |name: &str, bytes: Vec<u8>| {
        store.put(&StatePath::grant(&caller, &PathName::parse(name).unwrap()), bytes).await.unwrap();
    };
    put("junk", b"{}".to_vec()).await;
    put(&format!("0000000001-{TAG}-x"), b"{".to_vec()).await;
    put(&format!("0000000002-{TAG}-x"), serde_json::to_vec(&eternal).unwrap()).await;
    assert_eq!(found(&grants, "aks", now()).await, 1);
}

#[tokio::test]
async fn those_that_are_not_over_come_by_their_end_and_only_so_many() {
    let grants = Grants::new(Store::memory());
    for hour in [3, 1, 2] {
        add(&grants, of_cluster(&format!("aks-{hour}")), hours(hour)).await;
    }
    let ends = async |now, most| {
        let (found, is_cut) = grants.not_over(now, most).await.unwrap();
        (found.iter().map(|grant| grant.until).collect::<Vec<_>>(), is_cut)
    };
    assert_eq!(ends(now(), 10).await, (vec![hours(1), hours(2), hours(3)], false));
    assert_eq!(ends(now(), 2).await, (vec![hours(1), hours(2)], true));
    assert_eq!(ends(hours(2) + SignedDuration::from_secs(1), 10).await, (vec![hours(3)], false));
}
