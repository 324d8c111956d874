use jiff::SignedDuration;

use super::*;
use crate::domain::ClusterId;
use crate::domain::grant::Way;

fn now() -> Timestamp {
    "2026-12-01T06:00:00Z".parse().unwrap()
}

fn by() -> Author {
    Author { id: None, name: None, via: Way::Cli }
}

fn cluster() -> ClusterId {
    ClusterId::parse("/subscriptions/aaaa0a0a-bb1b-cc2c-dd3d-eeeeee4e4e4e/resourceGroups/rg/providers/Microsoft.ContainerService/managedClusters/aks").unwrap()
}

async fn on(holds: &Holds, at: Timestamp) -> Option<String> {
    crate::guard::board::covering(&holds.list().await.unwrap(), &cluster(), at)
}

fn later() -> Timestamp {
    now() + SignedDuration::from_hours(2)
}

async fn set(holds: &Holds, id: Option<&PathName>) -> Result<Made<Hold>, HoldError> {
    holds.add(id, Scope::Everywhere, later(), "audit", (by(), now())).await
}

#[tokio::test]
async fn a_hold_covers_until_it_is_lifted_or_over() {
    let holds = Holds::new(Store::memory());
    let Ok(Made::New(hold)) = set(&holds, None).await else { panic!("it was not set") };
    let said = on(&holds, now()).await;
    assert_eq!(said.as_deref(), Some("held by CLI, unverified until 2026-12-01T08:00:00Z: audit"));
    assert_eq!(on(&holds, later()).await, None);
    holds.lift(&hold.id, by(), now()).await.unwrap();
    assert_eq!(on(&holds, now()).await, None);
}

#[tokio::test]
async fn a_repeat_with_the_same_id_is_one_hold_and_does_not_bring_a_lifted_one_back() {
    let holds = Holds::new(Store::memory());
    let id = PathName::parse("deploy-1").unwrap();
    assert!(matches!(set(&holds, Some(&id)).await, Ok(Made::New(_))));
    assert!(matches!(set(&holds, Some(&id)).await, Ok(Made::Known(_))));
    let lifted = holds.lift("deploy-1", by(), now()).await.unwrap();
    assert_eq!(set(&holds, Some(&id)).await, Err(HoldError::Over));
    holds.move_away(&lifted).await.unwrap();
    assert_eq!(holds.list().await.unwrap(), []);
    assert_eq!(set(&holds, Some(&id)).await, Err(HoldError::Over));
}

#[tokio::test]
async fn what_lies_among_the_holds_and_can_not_be_read_holds_everything_until_it_is_lifted() {
    for bytes in ["", "{}", "[]", r#"{"v":1}"#, "\u{0}"] {
        let store = Store::memory();
        store.put(&StatePath::hold(&PathName::parse("x").unwrap()), bytes.as_bytes().to_vec()).await.unwrap();
        let holds = Holds::new(store);
        assert_eq!(on(&holds, now()).await.as_deref(), Some("the hold `x` can't be read"), "{bytes}");
        holds.lift("x", by(), now()).await.unwrap();
        assert_eq!(on(&holds, now()).await, None, "{bytes}");
    }
}

#[tokio::test]
async fn a_hold_of_a_newer_version_holds_everything() {
    let store = Store::memory();
    let hold = Hold::new("h".to_owned(), Scope::Cluster(cluster()), later(), "audit", by(), now()).unwrap();
    let newer = Hold { v: 2, ..hold };
    store
        .put(&StatePath::hold(&PathName::parse("h").unwrap()), serde_json::to_vec(&newer).unwrap())
        .await
        .unwrap();
    assert!(on(&Holds::new(store), later()).await.is_some());
}

#[tokio::test]
async fn lifting_what_is_not_there_says_so() {
    let holds = Holds::new(Store::memory());
    for id in ["x", "../holds", ""] {
        assert_eq!(holds.lift(id, by(), now()).await, Err(HoldError::Unknown(id.to_owned())));
    }
}
