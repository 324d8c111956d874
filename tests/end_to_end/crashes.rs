//! SIGKILL at any moment: each stop still becomes one start and one story.

use std::process::Command;
use std::time::Duration;

use simulator::world::{Caller, ClusterId};

use crate::theatre::Theatre;

/// How often a process is killed, unless [`KILLS_SETTING`] says otherwise.
const KILLS: u32 = 42;
/// The environment variable with another number of kills (`make soak`: 200).
const KILLS_SETTING: &str = "GUARD_TEST_KILLS";
/// Times that one host's handler is killed: at three the host gives up. The third kill takes the host with it.
const KILLS_OF_A_HOST: u32 = 3;
/// Stopped clusters in one subscription: fewer than the default policies call a storm.
const STOPS_OF_A_SUBSCRIPTION: u32 = 4;
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
    let hosts = kills_wanted().div_ceil(KILLS_OF_A_HOST);
    let subscriptions: Vec<String> = (0..hosts.div_ceil(STOPS_OF_A_SUBSCRIPTION))
        .map(|n| format!("cccc2c2c-dd3d-ee4e-ff5f-{n:012x}"))
        .collect();
    let mut theatre = Theatre::with_subscriptions("e2e-crashes", &subscriptions).await;
    let clusters: Vec<ClusterId> = (0..hosts)
        .map(|n| {
            let subscription = &subscriptions[usize::try_from(n / STOPS_OF_A_SUBSCRIPTION).unwrap()];
            theatre.cluster(subscription, &format!("aks-{n}"))
        })
        .collect();
    let mut chance = Chance(SEED);
    let mut kills = 0;
    for (cluster, n) in clusters.iter().zip(0..) {
        if n > 0 {
            theatre.stage.start_host().await.unwrap();
        }
        // A stop for each host, so that there is always something under way.
        theatre.stop(cluster, &Caller::user(&format!("user-{n}")));
        for _ in 1..KILLS_OF_A_HOST {
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
    theatre.stage.start_host().await.unwrap();
    theatre.until_restored(&clusters).await;
    assert!(kills >= hosts * (KILLS_OF_A_HOST - 1), "{kills}");
    for cluster in &clusters {
        assert_eq!(theatre.incidents_of(cluster).len(), 1, "{cluster}: one story");
    }
    theatre.curtain();
}

fn kills_wanted() -> u32 {
    #[expect(clippy::disallowed_methods, reason = "the tests' own setting")]
    let wanted = std::env::var(KILLS_SETTING);
    wanted.map_or(KILLS, |kills| kills.parse().expect("a number of kills"))
}

/// SIGKILL.
fn kill(process: u32) {
    let status = Command::new("kill").args(["-KILL", &process.to_string()]).status().unwrap();
    assert!(status.success());
}
