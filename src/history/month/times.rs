//! How long clusters were down that ran again.

use serde::Serialize;

use super::stopped::Stopped;
use crate::case::{CaseId, Outcome};
use crate::domain::ClusterId;

/// Upper bounds of the classes of time to restore, in minutes. A start of a cluster takes some minutes, and the guard watches for 3 more.
const CLASS_MINUTES: [i64; 7] = [5, 10, 20, 40, 60, 120, 360];

/// How long it took until clusters ran again.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Times {
    /// Of how many stops it is known.
    pub count: usize,
    /// The median, in seconds; of an even number the mean of the two in the middle.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub median_seconds: Option<i64>,
    /// The longest.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub worst: Option<Worst>,
}

/// The longest time to restore.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Worst {
    /// How long.
    pub seconds: i64,
    /// Which cluster.
    pub cluster: ClusterId,
    /// In which case.
    pub case: CaseId,
}

impl Times {
    pub(super) fn of<'a>(stops: impl Iterator<Item = &'a Stopped>) -> Self {
        let mut known: Vec<(i64, &Stopped)> =
            stops.filter_map(|stop| Some((stop.restored_after_seconds?, stop))).collect();
        known.sort_by_key(|(seconds, stop)| (*seconds, stop.at));
        let seconds: Vec<i64> = known.iter().map(|(seconds, _)| *seconds).collect();
        let worst = known.last().map(|(seconds, stop)| Worst {
            seconds: *seconds,
            cluster: stop.cluster.clone(),
            case: stop.case.clone(),
        });
        Self { count: seconds.len(), median_seconds: doubled_median(&seconds).map(|twice| twice / 2), worst }
    }
}

/// Twice the median of numbers in order, so that it is a whole number.
fn doubled_median(sorted: &[i64]) -> Option<i64> {
    let upper = sorted.get(sorted.len() / 2)?;
    let lower = if sorted.len().is_multiple_of(2) { sorted.get(sorted.len() / 2 - 1)? } else { upper };
    Some(lower.saturating_add(*upper))
}

/// Time to restore, of all and by whom it was restored.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Restore {
    /// Of all that ran again.
    pub all: Times,
    /// Of those that the guard started.
    pub by_guard: Times,
    /// Of those that somebody else did.
    pub by_others: Times,
    /// How they are spread.
    pub spread: Vec<Class>,
}

/// One class of times.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Class {
    /// Less than this many minutes, and not in a class before; `None` in the last class.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub under_minutes: Option<i64>,
    /// How many the guard restored.
    pub by_guard: usize,
    /// How many somebody else did.
    pub by_others: usize,
}

impl Restore {
    pub(super) fn of(stops: &[Stopped]) -> Self {
        let by = |outcome| stops.iter().filter(move |stop| stop.outcome == Some(outcome));
        let bounds = CLASS_MINUTES.into_iter().map(Some).chain([None]);
        let mut spread: Vec<Class> =
            bounds.map(|under_minutes| Class { under_minutes, by_guard: 0, by_others: 0 }).collect();
        for stop in stops {
            let Some(seconds) = stop.restored_after_seconds else { continue };
            let fits = |class: &&mut Class| class.under_minutes.is_none_or(|bound| seconds < bound * 60);
            let Some(class) = spread.iter_mut().find(fits) else { continue };
            match stop.outcome {
                Some(Outcome::Restored) => class.by_guard += 1,
                Some(Outcome::AlreadyRunning | Outcome::Authorised | Outcome::Gone) | None => {
                    class.by_others += 1;
                }
            }
        }
        Self {
            all: Times::of(stops.iter()),
            by_guard: Times::of(by(Outcome::Restored)),
            by_others: Times::of(by(Outcome::AlreadyRunning)),
            spread,
        }
    }
}
