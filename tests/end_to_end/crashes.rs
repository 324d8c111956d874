//! SIGKILL at any moment: each stop still becomes one start and one story.

use std::process::Command;
use std::time::Duration;

use simulator::world::{Caller, ClusterId};

use crate::theatre::{EDGE, RETAIL, Theatre};

/// Hosts that are started one after the other; each is killed with its handler in the end.
const HOSTS: u32 = 3;
/// Times that one host's handler is killed: at three the host gives up.
const KILLS_OF_A_HOST: u32 = 2;
/// The longest time between two kills: what a start takes from its event to its end, at this speed.
const LONGEST_LIFE: Duration = Duration::from_millis(1_500);
/// Fixed, so that a run that fails fails again.
const SEED: u64 = 0x5eed;

/// Chance that repeats: a linear congruential generator.
struct Chance(u64);

impl Chance {
    fn life(&mut self) -> Duration {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        let longest = u64::try_from(LONGEST_LIFE.as_millis()).unwrap();
        Duration::from_millis((self.0 >> 33) % longest)
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn killed_at_random_moments_the_guard_starts_each_stopped_cluster_once_and_closes_every_case() {
    let mut theatre = Theatre::set("e2e-crashes").await;
    let clusters: Vec<ClusterId> = [(RETAIL, "aks-1"), (RETAIL, "aks-2"), (EDGE, "aks-3"), (EDGE, "aks-4")]
        .map(|(subscription, name)| theatre.cluster(subscription, name))
        .into();
    let mut stopped = clusters.iter().zip(1..);
    let mut chance = Chance(SEED);
    let mut kills = 0;
    for host in 0..HOSTS {
        if host > 0 {
            theatre.stage.start_host().await.unwrap();
        }
        // A stop before each of the first kills, so that there is always something under way.
        if let Some((cluster, n)) = stopped.next() {
            theatre.stop(cluster, &Caller::user(&format!("user-{n}")));
        }
        for _ in 0..KILLS_OF_A_HOST {
            tokio::time::sleep(chance.life()).await;
            theatre.stage.host().unwrap().kill_child().await;
            kills += 1;
        }
        tokio::time::sleep(chance.life()).await;
        let process = theatre.stage.take_host().unwrap().orphan().await;
        if let Some(process) = process {
            kill(process);
            kills += 1;
        }
    }
    for (cluster, n) in stopped {
        theatre.stop(cluster, &Caller::user(&format!("user-{n}")));
    }
    theatre.stage.start_host().await.unwrap();
    theatre.until_restored(&clusters).await;
    assert!(kills >= HOSTS * KILLS_OF_A_HOST, "{kills}");
    theatre.curtain();
}

/// SIGKILL.
fn kill(process: u32) {
    let status = Command::new("kill").args(["-KILL", &process.to_string()]).status().unwrap();
    assert!(status.success());
}
