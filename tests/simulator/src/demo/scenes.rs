//! What happens in each scene. What has to come of it stands in [`super::check`].

use std::time::Duration;

use anyhow::{Context as _, Result};
use jiff::Timestamp;
use tokio::sync::mpsc::Sender;

use super::cast::{Scene, pipeline};
use super::check;
use super::stage::{GUARD, Stage};
use crate::http::now;
use crate::world::{
    ClusterId, Deed, EventMoment, EventRule, Fault, FaultRule, Happening, NewCluster, PowerState,
    ProvisioningState, RequestKind,
};

/// How long a scene may take, in Azure's time. The longest takes 16 minutes; more is given to a busy machine.
const SCENE_TIMEOUT: Duration = Duration::from_secs(40 * 60);
/// Between two stops of the storm, in Azure's time: ten within a minute.
const STORM_STEP: Duration = Duration::from_secs(6);

/// Something that the story has to mention and no journal shows.
#[derive(Debug, Clone)]
pub(super) struct Cue {
    pub(super) at: Timestamp,
    pub(super) scene: Scene,
    pub(super) what: Act,
}

/// What it is.
#[derive(Debug, Clone)]
pub(super) enum Act {
    /// The scene begins.
    Begins,
    /// Somebody outside of Azure does something.
    Does(String),
}

/// Plays all scenes; those that can be told apart overlap.
pub(super) async fn play(stage: &Stage, cues: &Sender<Cue>, speed_up: u32) -> Result<()> {
    let player = Player { stage, cues, speed_up };
    for scene in Scene::ALL {
        player.build(scene)?;
    }
    let first = async {
        player.unpermitted(Scene::Unpermitted).await?;
        player.repeated().await
    };
    tokio::try_join!(player.permitted(), first)?;
    tokio::try_join!(player.still_stopping(), player.refused())?;
    player.permitted_later().await?;
    tokio::try_join!(player.storm(), player.killed())?;
    Ok(())
}

struct Player<'a> {
    stage: &'a Stage,
    cues: &'a Sender<Cue>,
    speed_up: u32,
}

impl Player<'_> {
    /// Makes the clusters of a scene that no scene before it has made.
    fn build(&self, scene: Scene) -> Result<()> {
        let mut world = self.stage.azure.world();
        for id in scene.clusters() {
            if world.cluster(&id).is_none() {
                world.create_cluster(NewCluster::new(id), now())?;
            }
        }
        Ok(())
    }

    fn begin(&self, scene: Scene) {
        self.cue(scene, Act::Begins);
    }

    /// Where the story stands with so many untold cues, one more would not help it.
    fn cue(&self, scene: Scene, what: Act) {
        let _ = self.cues.try_send(Cue { at: now(), scene, what });
    }

    async fn permitted(&self) -> Result<()> {
        self.begin(Scene::Permitted);
        for id in Scene::Permitted.clusters() {
            self.stage.azure.world().stop(&id, &pipeline(), now())?;
            self.until_stopped(&id).await;
        }
        Ok(())
    }

    /// A stop without permission, until it has come to the scene's end.
    async fn unpermitted(&self, scene: Scene) -> Result<()> {
        self.begin(scene);
        self.intrude(scene)?;
        self.until_ended_well(scene).await;
        Ok(())
    }

    fn intrude(&self, scene: Scene) -> Result<()> {
        for id in scene.clusters() {
            self.stage.azure.world().stop(&id, &scene.intruder(), now())?;
        }
        Ok(())
    }

    async fn repeated(&self) -> Result<()> {
        self.begin(Scene::Repeated);
        for id in Scene::Repeated.clusters() {
            self.repeat_first_stop(Scene::Repeated, &id).await?;
        }
        Ok(())
    }

    async fn repeat_first_stop(&self, scene: Scene, id: &ClusterId) -> Result<()> {
        let event = self.stage.repeat_first_stop(id).context("there was no event to repeat")?;
        self.cue(scene, Act::Does("Event Grid delivers its first stop event once more".to_owned()));
        self.until(|stage| stage.times_taken(&event) >= 2).await;
        Ok(())
    }

    async fn still_stopping(&self) -> Result<()> {
        let early = EventRule { moment: EventMoment::Acceptance, ..EventRule::default() };
        self.begin(Scene::StillStopping);
        {
            let mut world = self.stage.azure.world();
            for id in Scene::StillStopping.clusters() {
                world.next_event(early);
                world.stop(&id, &Scene::StillStopping.intruder(), now())?;
            }
        }
        self.until_ended_well(Scene::StillStopping).await;
        Ok(())
    }

    async fn refused(&self) -> Result<()> {
        self.begin(Scene::Refused);
        for id in Scene::Refused.clusters() {
            let rule = FaultRule {
                fault: Fault::Locked,
                on: Some(RequestKind::Start),
                cluster: Some(id),
                times: None,
            };
            self.stage.azure.world().add_fault(rule);
        }
        self.intrude(Scene::Refused)?;
        self.until_ended_well(Scene::Refused).await;
        Ok(())
    }

    async fn storm(&self) -> Result<()> {
        self.begin(Scene::Storm);
        for id in Scene::Storm.clusters() {
            self.stage.azure.world().stop(&id, &Scene::Storm.intruder(), now())?;
            tokio::time::sleep(STORM_STEP / self.speed_up.max(1)).await;
        }
        self.until_ended_well(Scene::Storm).await;
        Ok(())
    }

    async fn permitted_later(&self) -> Result<()> {
        let scene = Scene::PermittedLater;
        self.begin(scene);
        self.intrude(scene)?;
        // As far as its restart goes, this scene is like the one of a single stop.
        self.until(|stage| check::is_restored(scene, stage)).await;
        for id in scene.clusters() {
            self.stage.azure.world().stop(&id, &pipeline(), now())?;
            self.until_stopped(&id).await;
            self.repeat_first_stop(scene, &id).await?;
        }
        Ok(())
    }

    async fn killed(&self) -> Result<()> {
        let scene = Scene::Killed;
        let storm = Scene::Storm.clusters();
        self.until(|stage| storm.iter().all(|id| runs(stage, id, true))).await;
        self.begin(scene);
        self.intrude(scene)?;
        let ids = scene.clusters();
        self.until(|stage| ids.iter().any(|id| start_was_accepted(stage, id))).await;
        let host = self.stage.host()?;
        let pid = host.handler_pid().context("the guard has no process")?;
        host.kill_child().await;
        self.cue(scene, Act::Does(format!("SIGKILL for the guard's process {pid}")));
        self.until_ended_well(scene).await;
        Ok(())
    }

    /// Waits for a condition. If it does not come in time, the closing table says what is missing.
    async fn until(&self, condition: impl Fn(&Stage) -> bool) {
        self.stage.until(SCENE_TIMEOUT / self.speed_up.max(1), condition).await;
    }

    async fn until_stopped(&self, id: &ClusterId) {
        self.until(|stage| runs(stage, id, false)).await;
    }

    async fn until_ended_well(&self, scene: Scene) {
        self.until(|stage| check::has_ended_well(scene, stage)).await;
    }
}

/// Whether it runs, or (`up` = false) is stopped for good.
fn runs(stage: &Stage, id: &ClusterId, up: bool) -> bool {
    let world = stage.azure.world();
    world.cluster(id).is_some_and(|cluster| {
        let state = cluster.state();
        let wanted = if up { PowerState::Running } else { PowerState::Stopped };
        state.provisioning == ProvisioningState::Succeeded
            && state.power == wanted
            && (!up || guard_started(&world.journal().entries, id))
    })
}

fn start_was_accepted(stage: &Stage, id: &ClusterId) -> bool {
    guard_started(&stage.azure.world().journal().entries, id)
}

fn guard_started(entries: &[crate::world::Entry], id: &ClusterId) -> bool {
    entries.iter().any(|entry| {
        entry.who == GUARD
            && entry.cluster.as_ref() == Some(id)
            && entry.what == Happening::Accepted(Deed::Start)
    })
}
