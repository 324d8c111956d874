//! One run: a seed in, what was broken and what was seen out.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use aks_stop_guard::case::Mode;
use jiff::SignedDuration;
use tokio::time::{sleep, timeout};

use crate::fleet::{Fleet, keep_up};
use crate::judge::Broken;
use crate::seed::{Aim, Knobs};
use crate::stage::{Stage, State, std};
use crate::{host, people};

/// How long the guard gets at most once faults are over; it is done earlier as a rule. A case that is late is found before.
const CALM_MAX: SignedDuration = SignedDuration::from_hours(8);
/// Between two looks of the checkers at the whole.
const TICK: Duration = Duration::from_secs(15);

/// How a run ended.
#[derive(Debug)]
pub(crate) struct Outcome {
    pub(crate) knobs: Knobs,
    pub(crate) broken: Option<Broken>,
    pub(crate) lasted: Duration,
    pub(crate) calls: u64,
    pub(crate) starts: usize,
    pub(crate) trace: Vec<String>,
}

impl fmt::Display for Outcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (seed, aim) = (self.knobs.seed, self.knobs.aim.as_str());
        match &self.broken {
            Some(Broken { promise, at, what }) => {
                write!(f, "seed={seed} mode={aim}: {promise:?} broken at {at}: {what}")
            }
            None => write!(
                f,
                "seed={seed} mode={aim}: nothing broken in {} s, {} calls, {} starts",
                self.lasted.as_secs(),
                self.calls,
                self.starts
            ),
        }
    }
}

/// Plays a seed.
pub(crate) fn play(knobs: Knobs, traced: bool) -> Outcome {
    // The only other dice in the process: the jitter of retries, in `backon`.
    fastrand::seed(knobs.seed);
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_time()
        .start_paused(true)
        .build()
        .expect("a runtime needs nothing that could fail");
    runtime.block_on(async {
        let stage = Stage::new(knobs, traced);
        let fleet = Arc::new(Fleet::default());
        stage.trace(&mut stage.state(), || format!("{:?}", stage.knobs));
        people::make_clusters(&stage);
        begin(&stage, &fleet);
        let trouble = std(stage.knobs.trouble);
        let _ = timeout(trouble, watch(&stage)).await;
        if stage.knobs.aim == Aim::Liveness {
            calm_down(&stage, &fleet);
            let _ = timeout(std(CALM_MAX), watch(&stage)).await;
        }
        end(&stage)
    })
}

fn begin(stage: &Arc<Stage>, fleet: &Arc<Fleet>) {
    let knobs = &stage.knobs;
    for slot in 0..knobs.processes {
        tokio::spawn(keep_up(Arc::clone(stage), Arc::clone(fleet), slot));
    }
    for n in 0..knobs.clusters {
        tokio::spawn(people::handle_cluster(Arc::clone(stage), n));
    }
    tokio::spawn(host::deliver_events(Arc::clone(stage), Arc::clone(fleet)));
    tokio::spawn(host::sweep(Arc::clone(stage), Arc::clone(fleet)));
    if knobs.holds {
        tokio::spawn(people::hold(Arc::clone(stage)));
    }
    if knobs.deploys {
        tokio::spawn(people::deploy(Arc::clone(stage), Arc::clone(fleet)));
    }
    if knobs.skew > 1 {
        tokio::spawn(people::turn_clocks(Arc::clone(stage), Arc::clone(fleet)));
    }
}

/// Until a promise is broken, or nothing is left to do.
async fn watch(stage: &Arc<Stage>) {
    loop {
        sleep(TICK).await;
        let now = stage.now();
        let mut state = stage.state();
        let State { judge, world, .. } = &mut *state;
        world.advance(now);
        let all_over = judge.on_tick(world, now);
        let azure_rests = state.world.next_due().is_none();
        let nothing_left = all_over && azure_rests && state.events_under_way == 0;
        if state.judge.broken().is_some() || nothing_left {
            return;
        }
    }
}

/// Nothing goes wrong any more, people go home, and clocks are right.
fn calm_down(stage: &Arc<Stage>, fleet: &Fleet) {
    let mut paused = Duration::ZERO;
    for process in fleet.alive() {
        process.life.mend_clock();
        paused = paused.max(process.life.pause_left());
        if stage.knobs.deploys {
            process.life.kill();
        }
    }
    let now = stage.now();
    let mut state = stage.state();
    state.trouble = false;
    state.deployed.mode = Mode::Act;
    state.judge.on_calm(now + paused);
    stage.trace(&mut state, || "faults are over".to_owned());
}

fn end(stage: &Arc<Stage>) -> Outcome {
    let lasted = stage.elapsed();
    let now = stage.now();
    {
        let mut state = stage.state();
        let State { judge, world, .. } = &mut *state;
        world.advance(now);
        judge.on_end(&stage.knobs, world, now, SignedDuration::try_from(lasted).unwrap_or_default());
    }
    let trace = stage.take_trace();
    let state = stage.state();
    Outcome {
        knobs: stage.knobs.clone(),
        broken: state.judge.broken().cloned(),
        lasted,
        calls: state.judge.calls(),
        starts: state.judge.starts(),
        trace,
    }
}
