//! What the guard may do is decided in one place, and a change of mode never arms an old case.

use aks_stop_guard::case::Mode;
use simulator::world::RequestKind;

use crate::sim::{Setup, Sim, mallory, minutes};

#[tokio::test(start_paused = true)]
async fn in_dry_run_nothing_is_started_and_nobody_is_told_but_the_case_says_what_would_have_been() {
    let sim = Sim::new(Setup { mode: Mode::DryRun, ..Setup::default() });
    let (guard, aks) = (sim.process(), sim.cluster("aks-1"));
    sim.stop(&aks, &mallory());
    sim.pass(&[&guard], minutes(60)).await;

    assert_eq!(sim.world.lock().unwrap().journal().requests(RequestKind::Start, None), 0);
    assert_eq!(sim.told(), [""; 0]);
    let case = sim.case(&aks).await.unwrap();
    let story: Vec<_> = case.timeline.iter().map(|line| line.text.as_str()).collect();
    assert!(story.iter().any(|line| line.contains("dry-run: would have raised a")), "{story:#?}");
    assert!(story.iter().any(|line| line.contains("would have started it")), "{story:#?}");
}

#[tokio::test(start_paused = true)]
async fn in_notify_people_are_told_and_nothing_is_started() {
    let sim = Sim::new(Setup { mode: Mode::Notify, ..Setup::default() });
    let (guard, aks) = (sim.process(), sim.cluster("aks-1"));
    sim.stop(&aks, &mallory());
    sim.pass(&[&guard], minutes(60)).await;

    assert_eq!(sim.world.lock().unwrap().journal().requests(RequestKind::Start, None), 0);
    assert!(sim.told()[0].contains("the guard is in mode notify and starts nothing"), "{:?}", sim.told());
}

#[tokio::test(start_paused = true)]
async fn a_case_of_dry_run_is_not_armed_by_a_change_to_act() {
    let mut sim = Sim::new(Setup { mode: Mode::DryRun, ..Setup::default() });
    let (dry, aks) = (sim.process(), sim.cluster("aks-1"));
    sim.stop(&aks, &mallory());
    sim.pass(&[&dry], minutes(10)).await;
    sim.setup.mode = Mode::Act;
    let armed = sim.process();
    sim.pass(&[&armed], minutes(60)).await;

    assert_eq!(sim.starts(&aks), 0);
    assert!(sim.is_held(&aks).await);
}

#[tokio::test(start_paused = true)]
async fn a_guard_that_is_switched_away_from_act_sends_no_start_for_an_open_case() {
    let mut sim = Sim::new(Setup::default());
    let aks = sim.cluster("aks-1");
    let extra = "@id(\"later\") @after(\"20m\")\npermit (principal == Guard::\"self\", action == Action::\"restart\", resource);\n";
    sim.setup.extra = extra.to_owned();
    let acting = sim.process();
    sim.stop(&aks, &mallory());
    sim.pass(&[&acting], minutes(10)).await;
    sim.setup.mode = Mode::Notify;
    let notifying = sim.process();
    sim.pass(&[&notifying], minutes(60)).await;

    assert_eq!(sim.starts(&aks), 0);
}

#[tokio::test(start_paused = true)]
async fn a_broken_guard_records_starts_nothing_says_so_and_acts_when_it_is_mended() {
    let mut sim = Sim::new(Setup { extra: "permit (principal".to_owned(), ..Setup::default() });
    let (broken, aks) = (sim.process(), sim.cluster("aks-1"));
    sim.stop(&aks, &mallory());
    sim.pass(&[&broken], minutes(10)).await;
    assert!(sim.case(&aks).await.is_some(), "the case is durable");
    assert_eq!(sim.starts(&aks), 0);
    assert_eq!(
        sim.told()[0],
        "opened the guard is broken: it records stops, but decides nothing and starts nothing"
    );
    sim.pass(&[&broken], minutes(60)).await;
    assert_eq!(sim.told().len(), 2, "said again once an hour: {:?}", sim.told());

    sim.setup.extra = String::new();
    let mended = sim.process();
    sim.pass(&[&mended], minutes(30)).await;
    assert!(sim.is_running(&aks), "what was recorded is decided now");
    assert!(sim.told().contains(&"resolved the guard works again".to_owned()), "{:?}", sim.told());
}
