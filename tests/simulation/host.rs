//! Event Grid, the timer and the Functions host: they bring events and sweeps to processes, again and again.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use aks_stop_guard::domain::StopEvent;
use aks_stop_guard::domain::event::{Parsed, parse};
use jiff::SignedDuration;
use simulator::world::{Deed, ResourceEvent};
use tokio::sync::oneshot;
use tokio::time::{Instant, sleep, sleep_until, timeout};

use crate::fleet::Fleet;
use crate::process::{Held, Process};
use crate::stage::{Stage, State, std};

/// How long Event Grid waits for an answer.
const ANSWER_WITHIN: Duration = Duration::from_secs(30);
/// What an invocation may take in all.
const INVOCATION: Duration = Duration::from_secs(120);
/// After which an event is given up.
const EVENT_LIVES: Duration = Duration::from_secs(24 * 3_600);
/// Event Grid's pauses between two tries, in seconds (source: Event Grid, "Delivery and retry").
const PAUSES: [u64; 8] = [10, 30, 60, 300, 600, 1_800, 3_600, 10_800];

/// The pause between all further tries.
const LAST_PAUSE: u64 = 21_600;

/// Brings every event of Azure to the guard.
pub(crate) async fn deliver_events(stage: Arc<Stage>, fleet: Arc<Fleet>) {
    loop {
        let due = stage.state().world.next_due();
        let changed = stage.azure_changed.notified();
        match due {
            Some(due) => {
                tokio::select! {
                    biased;
                    () = changed => {}
                    () = sleep_until(stage.instant(due) + Duration::from_millis(1)) => {}
                }
            }
            None => changed.await,
        }
        let now = stage.now();
        let events = stage.state().world.take_events(now);
        for event in events.into_iter().filter(|event| event.deed == Deed::Stop) {
            let (copies, lost) = {
                let mut state = stage.state();
                let copies = if state.dice.percent(stage.knobs.duplicates) { 2 } else { 1 };
                let lost = stage.knobs.discovery && state.dice.percent(stage.knobs.lost);
                if lost {
                    stage.trace(&mut state, || {
                        format!("the event of a stop of {} is lost", event.cluster.name)
                    });
                }
                (copies, lost)
            };
            for _ in 0..if lost { 0 } else { copies } {
                stage.state().events_under_way += 1;
                tokio::spawn(deliver(Arc::clone(&stage), Arc::clone(&fleet), event.clone()));
            }
        }
    }
}

async fn deliver(stage: Arc<Stage>, fleet: Arc<Fleet>, event: ResourceEvent) {
    let Parsed::Stop(stop) = parse(&event.event_grid().to_string(), &|_| true) else {
        stage.state().events_under_way -= 1;
        return;
    };
    let delay = {
        let mut state = stage.state();
        let most = stage.knobs.event_delay.as_secs().unsigned_abs();
        if state.dice.percent(60) { SignedDuration::ZERO } else { state.dice.seconds(1, most) }
    };
    sleep(std(delay)).await;
    let given_up_at = Instant::now() + EVENT_LIVES;
    for attempt in 0.. {
        let is_acked = match fleet.pick(&stage) {
            Some(process) => call(&stage, &process, &stop).await,
            None => false,
        };
        if note_answer(&stage, &stop, is_acked) || Instant::now() >= given_up_at {
            break;
        }
        let pause = PAUSES.get(attempt).copied().unwrap_or(LAST_PAUSE);
        sleep(Duration::from_secs(pause)).await;
    }
    stage.state().events_under_way -= 1;
}

/// True if Event Grid hears of a 2xx.
fn note_answer(stage: &Stage, stop: &StopEvent, is_acked: bool) -> bool {
    let now = stage.now();
    let mut state = stage.state();
    stage.trace(&mut state, || format!("event {}: {}", stop.id, if is_acked { "2xx" } else { "5xx" }));
    if is_acked {
        let State { judge, records, cases, .. } = &mut *state;
        judge.on_ack(stop, records, cases, now);
    }
    // The answer may be lost on its way: then the event comes again.
    is_acked && !(state.trouble && state.dice.percent(3))
}

/// One try: true if the host got a 2xx.
async fn call(stage: &Arc<Stage>, process: &Process, stop: &StopEvent) -> bool {
    let (durable, acknowledged) = oneshot::channel();
    let guard = process.guard.clone();
    let (life, event) = (Arc::clone(&process.life), stop.clone());
    let name = format!("p{} event", life.number);
    let stage_of_work = Arc::clone(stage);
    let work = async move {
        let cluster = event.cluster.clone();
        let done = timeout(INVOCATION, guard.take_in(cluster, vec![event], durable)).await;
        let mut state = stage_of_work.state();
        stage_of_work.trace(&mut state, || format!("{name}: {done:?}"));
    };
    tokio::spawn(Held::new(&life, work));
    matches!(timeout(ANSWER_WITHIN, acknowledged).await, Ok(Ok(_)))
}

/// The timer: one process sweeps at a time as a rule, sometimes several do.
pub(crate) async fn sweep(stage: Arc<Stage>, fleet: Arc<Fleet>) {
    loop {
        sleep(std(stage.knobs.sweep_every)).await;
        let (all, is_idle) = {
            let mut state = stage.state();
            let is_idle = !stage.knobs.discovery && !state.records.has_any("open");
            (state.dice.percent(15), is_idle && !state.dice.percent(5))
        };
        if is_idle {
            continue;
        }
        let processes = if all { fleet.alive() } else { fleet.pick(&stage).into_iter().collect() };
        for process in processes {
            if !process.life.sweeping.swap(true, Ordering::Relaxed) {
                tokio::spawn(sweep_one(Arc::clone(&stage), process));
            }
        }
    }
}

async fn sweep_one(stage: Arc<Stage>, process: Process) {
    let life = Arc::clone(&process.life);
    let guard = process.guard.clone();
    let work = async move { timeout(INVOCATION, guard.sweep()).await };
    let swept = Held::new(&life, work).await;
    let mut state = stage.state();
    stage.trace(&mut state, || format!("p{} swept: {swept:?}", life.number));
    life.sweeping.store(false, Ordering::Relaxed);
}
