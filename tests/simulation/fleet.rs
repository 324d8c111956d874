//! The processes that are up: the platform starts a new one where one died.

use std::sync::{Arc, Mutex, PoisonError};

use tokio::time::sleep;

use crate::process::Process;
use crate::stage::{Stage, std};

/// The processes.
#[derive(Default)]
pub(crate) struct Fleet {
    running: Mutex<Vec<Process>>,
}

impl Fleet {
    /// Those that live.
    pub(crate) fn alive(&self) -> Vec<Process> {
        let running = self.running.lock().unwrap_or_else(PoisonError::into_inner);
        running.iter().filter(|process| process.life.is_alive()).cloned().collect()
    }

    /// One of them.
    pub(crate) fn pick(&self, stage: &Stage) -> Option<Process> {
        let alive = self.alive();
        let at = usize::try_from(stage.state().dice.below(alive.len() as u64)).unwrap_or(0);
        alive.get(at).cloned()
    }

    fn replace(&self, process: Process) {
        let mut running = self.running.lock().unwrap_or_else(PoisonError::into_inner);
        running.retain(|old| old.life.is_alive());
        running.push(process);
    }
}

/// Keeps one process up.
pub(crate) async fn keep_up(stage: Arc<Stage>, fleet: Arc<Fleet>, slot: u32) {
    for life in 0.. {
        let process = Process::start(&stage, slot + 10 * life);
        let died = Arc::clone(&process.life);
        fleet.replace(process);
        died.died.notified().await;
        let down = stage.state().dice.seconds(1, 300);
        sleep(std(down)).await;
        let now = stage.now();
        stage.state().judge.disturb_all(now);
    }
}
