//! What people do meanwhile: they stop clusters, allowed or not, start them, delete and make them, hold and deploy.

use std::sync::Arc;

use aks_stop_guard::case::Mode;
use aks_stop_guard::domain::grant::{Author, Ended, Way};
use aks_stop_guard::domain::{Hold, Scope};
use bytes::Bytes;
use jiff::{SignedDuration, Timestamp};
use simulator::world::{Caller, ClusterId, Durations, EventMoment, EventRule, NewCluster, World};
use tokio::time::{sleep, sleep_until};

use crate::blobs::Condition;
use crate::fleet::Fleet;
use crate::seed::{Dice, PolicyChoice};
use crate::stage::{Stage, State, cluster, eve, mallory, ops, std};

/// Makes the clusters of a run.
pub(crate) fn make_clusters(stage: &Stage) {
    let now = stage.now();
    let mut state = stage.state();
    for n in 0..stage.knobs.clusters {
        let State { world, dice, .. } = &mut *state;
        make(world, dice, &cluster(n), now);
    }
}

/// The longest that a start takes, seconds.
const STARTING_SECONDS_MAX: i64 = 2_400;

/// T2: a start takes longer than FRESH, LOOK_GAP and QUIET.
fn make(world: &mut World, dice: &mut Dice, id: &ClusterId, now: Timestamp) {
    let start =
        if dice.percent(80) { dice.between(192, 260) } else { dice.between(260, STARTING_SECONDS_MAX) };
    let durations = Durations {
        stop: SignedDuration::from_secs(dice.between(20, 180)),
        start: SignedDuration::from_secs(start),
        ..Durations::default()
    };
    let _ = world.create_cluster(NewCluster { durations, ..NewCluster::new(id.clone()) }, now);
}

/// What happens to one cluster.
pub(crate) async fn handle_cluster(stage: Arc<Stage>, n: u32) {
    let id = cluster(n);
    let mut stops = 0;
    while stops < stage.knobs.stops && wait_for_occasion(&stage).await {
        let now = stage.now();
        let mut state = stage.state();
        let State { world, dice, judge, .. } = &mut *state;
        world.advance(now);
        match world.cluster(&id).map(|cluster| cluster.is_running()) {
            None => {
                make(world, dice, &id, now);
                judge.on_deed(&id, true, now);
            }
            Some(_) if dice.percent(stage.knobs.deletes / 4) => {
                if world.delete(&id, &ops(), now).is_ok() {
                    judge.on_deed(&id, false, now);
                }
            }
            Some(true) => {
                let who = stopper(dice, stage.knobs.unauthorised);
                world.next_event(event_rule(dice));
                if world.stop(&id, &who, now).is_ok() {
                    stops += 1;
                    judge.on_stop(&id, who.authorised, now);
                    stage.trace(&mut state, || format!("{} stops {}", who.name, id.name));
                }
            }
            Some(false) => {
                if dice.percent(stage.knobs.people) && world.start(&id, &mallory(), now).is_ok() {
                    judge.on_deed(&id, false, now);
                    stage.trace(&mut state, || format!("somebody starts {}", id.name));
                }
            }
        }
        drop(state);
        stage.azure_changed.notify_one();
    }
}

fn stopper(dice: &mut Dice, unauthorised: u32) -> Caller {
    if !dice.percent(unauthorised) {
        return ops();
    }
    if dice.percent(70) { mallory() } else { eve() }
}

fn event_rule(dice: &mut Dice) -> EventRule {
    let moment = if dice.percent(70) { EventMoment::End } else { EventMoment::Acceptance };
    EventRule { moment, ..EventRule::default() }
}

/// Waits: for a while, or until what goes on in Azure has just ended. False once people have gone home.
async fn wait_for_occasion(stage: &Stage) -> bool {
    let (pause, until) = {
        let mut state = stage.state();
        let due = state.world.next_due();
        let close = state.dice.percent(40);
        if close { (state.dice.seconds(1, 40), due) } else { (state.dice.seconds(1, 900), None) }
    };
    if let Some(due) = until {
        sleep_until(stage.instant(due)).await;
    }
    sleep(std(pause)).await;
    stage.state().trouble
}

/// Somebody sets a hold, and lifts it again.
pub(crate) async fn hold(stage: Arc<Stage>) {
    for number in 1_u32.. {
        let path = format!("open/0-holds/ops-{number}.json");
        let (before, lasts) = {
            let mut state = stage.state();
            (state.dice.seconds(60, 3_000), state.dice.seconds(60, 1_800))
        };
        sleep(std(before)).await;
        let now = stage.now();
        {
            let mut state = stage.state();
            if !state.trouble {
                return;
            }
            let _ = state.records.put(&path, everything_held(number, now, lasts, None), &Condition::None);
            state.judge.on_hold(true, now);
            stage.trace(&mut state, || "somebody holds everything".to_owned());
        }
        // Lifted before it ends: whose clock says that it ended is not the question here.
        sleep(std(lasts)).await;
        let mut state = stage.state();
        let lifted = stage.now();
        let bytes = everything_held(number, now, lasts, Some(lifted));
        let _ = state.records.put(&path, bytes, &Condition::None);
        let now = lifted;
        state.judge.on_hold(false, now);
        stage.trace(&mut state, || "the hold is lifted".to_owned());
    }
}

/// A hold as the guard stores it.
#[expect(clippy::unwrap_used, reason = "a hold without a reason or an end is a slip of this file")]
fn everything_held(
    number: u32,
    set_at: Timestamp,
    lasts: SignedDuration,
    lifted_at: Option<Timestamp>,
) -> Bytes {
    let by = Author { id: None, name: None, via: Way::Cli };
    let until = set_at + lasts + SignedDuration::from_secs(60);
    let id = format!("ops-{number}");
    let hold = Hold::new(id, Scope::Everywhere, until, "maintenance", by.clone(), set_at).unwrap();
    let hold = Hold { lifted: lifted_at.map(|at| Ended { at, by }), ..hold };
    serde_json::to_vec(&hold).unwrap().into()
}

/// Other policies or another mode are deployed: old and new processes may run side by side for a while.
pub(crate) async fn deploy(stage: Arc<Stage>, fleet: Arc<Fleet>) {
    loop {
        let pause = stage.state().dice.seconds(120, 4_000);
        sleep(std(pause)).await;
        let old = fleet.alive();
        {
            let now = stage.now();
            let mut state = stage.state();
            if !state.trouble {
                return;
            }
            let ops_may_stop = state.dice.percent(50);
            state.deployed.policy = PolicyChoice { ops_may_stop, ..state.deployed.policy };
            state.deployed.mode = match state.dice.below(6) {
                0 => Mode::DryRun,
                1 => Mode::Notify,
                _ => Mode::Act,
            };
            let is_silent = state.deployed.mode == Mode::DryRun;
            state.judge.on_deploy(is_silent, now);
            let deployed = state.deployed;
            stage.trace(&mut state, || format!("deployed: {deployed:?}"));
        }
        for process in old {
            let overlap = stage.state().dice.seconds(1, 120);
            sleep(std(overlap)).await;
            process.life.kill();
        }
    }
}

/// Machines' clocks jump.
pub(crate) async fn turn_clocks(stage: Arc<Stage>, fleet: Arc<Fleet>) {
    loop {
        let pause = stage.state().dice.seconds(60, 5_000);
        sleep(std(pause)).await;
        if !stage.state().trouble {
            return;
        }
        if let Some(process) = fleet.pick(&stage) {
            let most = stage.knobs.skew * 1_000;
            let skew = stage.state().dice.between(-most, most);
            process.life.set_clock(skew);
            stage.trace(&mut stage.state(), || {
                format!("p{}'s clock is off by {skew} ms", process.life.number)
            });
        }
    }
}
