//! What each scene has to come to, and whether it did.

use std::fmt;

use super::cast::Scene;
use super::facts::{self, Incident};
use super::stage::{GUARD, Stage};
use crate::world::{ClusterId, Deed, Happening, RequestKind, World};

/// The state of a scene's clusters, what the guard did to them, and what people were told.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Ending {
    running: usize,
    stopped: usize,
    /// Starts that Azure accepted from the guard.
    starts: usize,
    told: Told,
}

/// What people were told.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Told {
    Nobody,
    /// This many incidents of one cluster each, all resolved.
    Resolved(usize),
    /// One that waits for people, and says what they should do.
    OpenWithAdvice,
    /// One critical incident of this many clusters, resolved. Stops before it was known to be a storm may have incidents of
    /// their own, resolved too.
    Storm(usize),
    /// None of these.
    Other(String),
}

/// How a single stop without permission ends.
const RESTORED: Ending = Ending { running: 1, stopped: 0, starts: 1, told: Told::Resolved(1) };

/// One line of the closing table.
#[derive(Debug, Clone)]
pub(super) struct Row {
    pub(super) scene: Option<Scene>,
    pub(super) expected: String,
    pub(super) got: String,
    pub(super) ok: bool,
}

/// Whether a scene has come to its end.
pub(super) fn has_ended_well(scene: Scene, stage: &Stage) -> bool {
    ending(scene, stage) == expected(scene)
}

/// Whether a scene's one cluster was restarted, and its incident is resolved.
pub(super) fn is_restored(scene: Scene, stage: &Stage) -> bool {
    ending(scene, stage) == RESTORED
}

/// The closing table: a row for each scene, and one for what holds always.
pub(super) fn table(stage: &Stage) -> Vec<Row> {
    let mut rows: Vec<Row> = Scene::ALL.into_iter().map(|scene| row(scene, stage)).collect();
    rows.push(always(stage));
    rows
}

fn row(scene: Scene, stage: &Stage) -> Row {
    let (expected, got) = (expected(scene), ending(scene, stage));
    let broken = broken_promise(scene, stage);
    let ok = expected == got && broken.is_none();
    let got = match broken {
        Some(promise) => format!("{got}; {promise}"),
        None => got.to_string(),
    };
    Row { scene: Some(scene), expected: expected.to_string(), got, ok }
}

fn expected(scene: Scene) -> Ending {
    match scene {
        Scene::Permitted => Ending { running: 0, stopped: 1, starts: 0, told: Told::Nobody },
        Scene::Unpermitted | Scene::Repeated | Scene::StillStopping | Scene::Killed => RESTORED,
        Scene::Refused => Ending { running: 0, stopped: 1, starts: 0, told: Told::OpenWithAdvice },
        Scene::Storm => {
            let count = scene.clusters().len();
            Ending { running: count, stopped: 0, starts: count, told: Told::Storm(count) }
        }
        Scene::PermittedLater => Ending { running: 0, stopped: 1, starts: 1, told: Told::Resolved(1) },
    }
}

fn ending(scene: Scene, stage: &Stage) -> Ending {
    let ids = scene.clusters();
    let incidents = facts::incidents(stage.azure.receiver().deliveries());
    let world = stage.azure.world();
    let running = ids.iter().filter(|id| world.cluster(id).is_some_and(|c| c.is_running())).count();
    Ending {
        running,
        stopped: ids.len() - running,
        starts: ids.iter().map(|id| guards_starts(&world, id)).sum(),
        told: told(&ids, &incidents),
    }
}

/// Starts of the guard that Azure accepted.
fn guards_starts(world: &World, cluster: &ClusterId) -> usize {
    let entries = world.journal().entries.iter();
    entries
        .filter(|entry| entry.who == GUARD && entry.cluster.as_ref() == Some(cluster))
        .filter(|entry| entry.what == Happening::Accepted(Deed::Start))
        .count()
}

fn told(ids: &[ClusterId], all: &[Incident]) -> Told {
    let is_ours = |incident: &&Incident| ids.iter().any(|id| incident.clusters.contains(&id.name));
    let incidents: Vec<&Incident> = all.iter().filter(is_ours).collect();
    let (many, single): (Vec<&Incident>, Vec<&Incident>) =
        incidents.iter().partition(|incident| incident.clusters.len() > 1);
    let all_resolved = incidents.iter().all(|incident| incident.state == "resolved");
    match (many.as_slice(), single.as_slice()) {
        ([], []) => Told::Nobody,
        ([], single) if all_resolved => Told::Resolved(single.len()),
        ([], [one]) if !one.next.is_empty() => Told::OpenWithAdvice,
        ([storm], single) if all_resolved && storm.severity == "critical" && single.len() < ids.len() => {
            Told::Storm(storm.clusters.len())
        }
        (many, single) => {
            let open = incidents.iter().filter(|incident| incident.state != "resolved").count();
            Told::Other(format!("{} incidents, {open} open", many.len() + single.len()))
        }
    }
}

/// What a scene promises beside its ending.
fn broken_promise(scene: Scene, stage: &Stage) -> Option<String> {
    match scene {
        Scene::StillStopping => started_while_stopping(scene, stage),
        Scene::Refused => never_asked(scene, stage),
        Scene::Killed => match stage.host().map(crate::host::Host::handler_starts) {
            Ok(2) => None,
            Ok(count) => Some(format!("the guard was started {count} times")),
            Err(error) => Some(error.to_string()),
        },
        Scene::Storm => started_twice(scene, stage),
        Scene::Permitted | Scene::Unpermitted | Scene::Repeated | Scene::PermittedLater => None,
    }
}

/// A start must be asked for after the stop's end, not before.
fn started_while_stopping(scene: Scene, stage: &Stage) -> Option<String> {
    let ids = scene.clusters();
    let world = stage.azure.world();
    let mut entries =
        world.journal().entries.iter().filter(|e| e.cluster.as_ref().is_some_and(|id| ids.contains(id)));
    let first = entries.find(|entry| match &entry.what {
        Happening::Succeeded(Deed::Stop) | Happening::Request { kind: RequestKind::Start, .. } => true,
        Happening::Request { .. }
        | Happening::Accepted(_)
        | Happening::Refused(..)
        | Happening::Succeeded(_)
        | Happening::Failed(..) => false,
    })?;
    let waited = first.what == Happening::Succeeded(Deed::Stop);
    (!waited).then(|| "a start was asked for while it was stopping".to_owned())
}

fn never_asked(scene: Scene, stage: &Stage) -> Option<String> {
    let world = stage.azure.world();
    let asked: usize =
        scene.clusters().iter().map(|id| world.journal().requests(RequestKind::Start, Some(id))).sum();
    (asked == 0).then(|| "no start was asked for".to_owned())
}

fn started_twice(scene: Scene, stage: &Stage) -> Option<String> {
    let world = stage.azure.world();
    let twice = scene.clusters().iter().filter(|id| guards_starts(&world, id) != 1).count();
    (twice > 0).then(|| format!("{twice} clusters were not started exactly once"))
}

/// What must hold through all scenes.
fn always(stage: &Stage) -> Row {
    let mut faults: Vec<String> =
        stage.azure.world().violations().iter().map(|violation| format!("{violation:?}")).collect();
    let badly_signed = facts::badly_signed(stage.azure.receiver().deliveries());
    if badly_signed > 0 {
        faults.push(format!("{badly_signed} messages are badly signed"));
    }
    let lost = stage.dead_letters().len();
    if lost > 0 {
        faults.push(format!("{lost} events were given up"));
    }
    let ok = faults.is_empty();
    Row {
        scene: None,
        expected: "no stop undone that was allowed, all messages signed, no event lost".to_owned(),
        got: if ok { "so it was".to_owned() } else { faults.join("; ") },
        ok,
    }
}

impl fmt::Display for Ending {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let state = match (self.running, self.stopped) {
            (1, 0) => "runs".to_owned(),
            (0, 1) => "stays stopped".to_owned(),
            (running, 0) => format!("all {running} run"),
            (running, stopped) => format!("{running} run, {stopped} stopped"),
        };
        let starts = match self.starts {
            0 => "no start".to_owned(),
            1 => "1 start".to_owned(),
            starts => format!("{starts} starts"),
        };
        write!(f, "{state}, {starts}, {}", self.told)
    }
}

impl fmt::Display for Told {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Nobody => f.write_str("nobody told"),
            Self::Resolved(1) => f.write_str("1 incident, resolved"),
            Self::Resolved(count) => write!(f, "{count} incidents, resolved"),
            Self::OpenWithAdvice => f.write_str("1 open incident with advice"),
            Self::Storm(count) => write!(f, "1 critical incident of {count} clusters"),
            Self::Other(what) => f.write_str(what),
        }
    }
}
