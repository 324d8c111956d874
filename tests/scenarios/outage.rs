//! The guard itself is away, and comes back to what Event Grid kept for it.

use aks_stop_guard::case::Outcome;
use jiff::SignedDuration;
use simulator::world::RequestKind;

use crate::sim::{Setup, Sim, mallory, minutes, ops};

/// S4, as far as events bring the stops back: Event Grid delivers for up to 24 h.
#[tokio::test(start_paused = true)]
async fn after_a_day_away_the_guard_starts_what_is_still_down_and_nothing_that_people_saw_to() {
    let mut sim = Sim::new(Setup { extra: Sim::allow(&ops()), ..Setup::default() });
    sim.delivers = false;
    let [down, started, deleted, permitted] =
        ["aks-down", "aks-started", "aks-deleted", "aks-permitted"].map(|name| sim.cluster(name));
    // A case that was open when the guard went away.
    let before = sim.cluster("aks-before");
    let first = sim.process();
    sim.stop(&before, &mallory());
    sim.clock.advance(minutes(2));
    sim.deliver(&first, sim.stop_events().remove(0)).await.unwrap();

    for cluster in [&down, &started, &deleted, &permitted] {
        sim.stop(cluster, &mallory());
        sim.clock.advance(SignedDuration::from_hours(4));
    }
    sim.start(&started, &ops());
    sim.start(&permitted, &ops());
    sim.clock.advance(SignedDuration::from_hours(1));
    {
        let mut world = sim.world.lock().unwrap();
        world.delete(&deleted, &ops(), aks_stop_guard::clock::Clock::now(&*sim.clock)).unwrap();
    }
    sim.stop(&permitted, &ops());
    sim.clock.advance(SignedDuration::from_hours(7));

    let guard = sim.process();
    let events = sim.stop_events();
    assert_eq!(events.len(), 6);
    // All at once, the newest first, and the last one never: it had its 24 h.
    for event in events.into_iter().take(5).rev() {
        sim.deliver(&guard, event).await.unwrap();
    }
    sim.pass(&[&guard], minutes(90)).await;

    assert!(sim.is_running(&down), "{:?}", sim.told());
    assert!(sim.is_running(&before));
    assert!(!sim.is_running(&permitted), "it was stopped with permission since");
    let guards_starts = sim.world.lock().unwrap().journal().requests(RequestKind::Start, None);
    assert_eq!(guards_starts, 2, "of the one that is down, and of the one before it went away");
    assert_eq!(sim.starts(&started), 1, "only theirs");
    assert!(sim.told().iter().all(|line| !line.contains("storm")), "spread over a day: {:?}", sim.told());
    let outcomes = sim.outcomes().await;
    assert_eq!(outcomes.iter().filter(|outcome| **outcome == Outcome::Restored).count(), 2, "{outcomes:?}");
    assert!(outcomes.contains(&Outcome::Gone), "{outcomes:?}");
    assert!(outcomes.contains(&Outcome::AlreadyRunning), "{outcomes:?}");
    assert!(sim.paths("open").await.is_empty(), "{:?}", sim.paths("open").await);
    sim.assert_no_violation();
}

/// R1: somebody stops it again each time. The budget ends the war, and people are told once.
#[tokio::test(start_paused = true)]
async fn a_war_of_stops_and_starts_ends_with_the_budget() {
    let sim = Sim::new(Setup::default());
    let (guard, aks) = (sim.process(), sim.cluster("aks-1"));
    for _ in 0..6 {
        if sim.is_running(&aks) {
            sim.stop(&aks, &mallory());
        }
        sim.pass(&[&guard], minutes(20)).await;
    }
    assert_eq!(sim.starts(&aks), 3, "the default policies allow three a day");
    assert!(!sim.is_running(&aks));
    assert!(sim.is_held(&aks).await);
    let told = sim.told();
    let opened: Vec<&String> = told.iter().filter(|line| line.starts_with("opened")).collect();
    assert_eq!(opened.len(), 4, "one incident an episode: {told:#?}");
    sim.assert_no_violation();
}
