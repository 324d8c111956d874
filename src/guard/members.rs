//! Who is guarded: the subscriptions of the list, and those that Resource Graph names in the management groups.
//!
//! The groups are asked about when discovery runs, and when an event names a subscription that nobody knows: it is refused only on
//! an answer that is fresh. The last whole answers are in the store, so that nothing drops out while Resource Graph is away.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use jiff::Timestamp;

use crate::azure::GroupReading;
use crate::case::discovery::{GUARDED_MAX, GroupAnswer, Members};
use crate::case::record::RecordError;
use crate::domain::{ManagementGroup, SubscriptionId};
use crate::store::StatePath;

use super::Guard;
use super::records::{Document, GuardError, Loaded, Saved};
use super::shared::Shared;
use super::work::CONFLICTS_MAX;

/// How long Resource Graph may take to tell of all groups: an invocation has 20 s, and its stops have to be stored in them.
const GROUPS_BUDGET: Duration = Duration::from_secs(8);
/// How long a whole answer is fresh enough to refuse an event. So a flood of events from elsewhere asks once a minute.
const FRESH_FOR: Duration = Duration::from_secs(60);
/// How long nobody asks for an event after a question failed, unless Resource Graph wants to be left alone for longer.
const PAUSE_AFTER_FAILURE: Duration = Duration::from_secs(10);
/// Most subscriptions that joined or left at once of which the log tells one by one.
const CHANGES_LOGGED_MAX: usize = 20;

/// What this process knows of the groups.
#[derive(Debug, Default)]
pub(super) struct Board {
    known: Mutex<Known>,
    asking: Shared<Result<(), NotAnswered>>,
}

#[derive(Debug, Default)]
struct Known {
    members: Members,
    /// When the store was read last, since boot.
    read_at: Option<Duration>,
    /// When the last question that got a whole answer was put, since boot.
    answered_at: Option<Duration>,
    /// The failure since then, and until when nobody asks again for an event.
    failed: Option<(Duration, NotAnswered)>,
}

/// Why the groups' subscriptions are not known as they are now.
#[derive(Debug, Clone)]
pub(super) struct NotAnswered {
    pub(super) why: String,
    /// How long Resource Graph wants to be left alone, if it said so.
    pub(super) retry_after: Option<Duration>,
}

impl Document for Members {
    fn encode(&self) -> Result<Vec<u8>, RecordError> {
        Self::encode(self)
    }
    fn set_writer(&mut self, writer: String) {
        self.writer = writer;
    }
}

impl Guard {
    /// Whether a subscription is guarded.
    ///
    /// # Errors
    /// While the setting is broken, or the management groups can't be asked about a subscription that is not known to be in one, nobody
    /// can tell: the event has to come again.
    pub async fn is_guarded(&self, id: &SubscriptionId) -> Result<bool, GuardError> {
        let settings = &self.0.settings;
        let Some(list) = settings.subscriptions.as_ref() else {
            return Err(GuardError::Settings(settings.faults.join("; ")));
        };
        if list.contains(id) {
            return Ok(true);
        }
        if settings.management_groups.is_empty() {
            return Ok(false);
        }
        self.read_members_if_stale().await?;
        if self.is_member(id) {
            return Ok(true);
        }
        let asked = self.ask_groups_unless_fresh().await;
        if self.is_member(id) {
            return Ok(true);
        }
        asked.map(|()| false).map_err(|failed| GuardError::Members(failed.why))
    }

    /// All guarded subscriptions, for discovery: the groups are asked about anew. Without an answer it is who was in them last.
    pub(super) async fn all_guarded(
        &self,
        list: &BTreeSet<SubscriptionId>,
    ) -> (BTreeSet<SubscriptionId>, Option<NotAnswered>) {
        let groups = &self.0.settings.management_groups;
        if groups.is_empty() {
            return (list.clone(), None);
        }
        let failed = self.0.members.asking.ask(self.ask_groups()).await.err();
        let all = self.with_members(|known| known.members.within(groups).chain(list).cloned().collect());
        (all, failed)
    }

    fn is_member(&self, id: &SubscriptionId) -> bool {
        self.with_members(|known| {
            known.members.within(&self.0.settings.management_groups).any(|one| one == id)
        })
    }

    fn with_members<T>(&self, with: impl FnOnce(&mut Known) -> T) -> T {
        with(&mut self.0.members.known.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// What another process wrote down is learnt within a period of discovery.
    async fn read_members_if_stale(&self) -> Result<(), GuardError> {
        let now = self.0.clock.since_boot();
        let keeps = Duration::try_from(self.times().discover_every).unwrap_or_default();
        let read_at = self.with_members(|known| known.read_at);
        if read_at.is_some_and(|at| now.saturating_sub(at) < keeps) {
            return Ok(());
        }
        match self.load_members().await {
            Ok(_) => Ok(()),
            // Whoever was guarded is guarded: the store is needed for the rest of the work anyway.
            Err(error) if read_at.is_some() => {
                tracing::warn!(%error, "who is in the management groups can't be read; what is known of it counts");
                Ok(())
            }
            Err(error) => Err(error),
        }
    }

    /// Reads what is stored, and takes it in.
    async fn load_members(&self) -> Result<Loaded<Members>, GuardError> {
        let path = StatePath::management_groups();
        let began = self.0.clock.since_boot();
        let loaded = match self.0.store.read(&path).await? {
            None => Loaded { document: Members::new(), etag: None },
            Some(stored) => match Members::decode(&stored.bytes) {
                Ok(document) => Loaded { document, etag: Some(stored.etag) },
                Err(error @ RecordError::Damaged(_)) => {
                    tracing::error!(%error, %path, "who was in the management groups is damaged: it starts anew");
                    Loaded { document: Members::new(), etag: Some(stored.etag) }
                }
                Err(error @ RecordError::Newer { .. }) => {
                    return Err(GuardError::Record { key: path.to_string(), error });
                }
            },
        };
        self.with_members(|known| {
            known.members.take_all(&loaded.document);
            known.read_at = Some(began);
        });
        Ok(loaded)
    }

    async fn ask_groups_unless_fresh(&self) -> Result<(), NotAnswered> {
        let now = self.0.clock.since_boot();
        let (answered_at, failed) = self.with_members(|known| (known.answered_at, known.failed.clone()));
        if answered_at.is_some_and(|at| now.saturating_sub(at) < FRESH_FOR) {
            return Ok(());
        }
        match failed {
            Some((until, failed)) if now < until => Err(failed),
            Some(_) | None => self.0.members.asking.ask(self.ask_groups()).await,
        }
    }

    /// Asks Resource Graph about each group. Whole answers are used at once and then written down; where there is none, the last one
    /// counts on.
    async fn ask_groups(&self) -> Result<(), NotAnswered> {
        let began = self.0.clock.since_boot();
        let asked = self.ask_each_group(began).await;
        let kept = self.keep_answers(&asked.answers).await;
        let failed = asked.failed.or_else(|| {
            let why = kept.err()?.to_string();
            Some(NotAnswered {
                why: format!("who is in the management groups can't be kept: {why}"),
                retry_after: None,
            })
        });
        self.with_members(|known| match &failed {
            None => (known.answered_at, known.failed) = (Some(began), None),
            Some(failed) => {
                let pause = failed.retry_after.unwrap_or_default().max(PAUSE_AFTER_FAILURE);
                known.failed = Some((self.0.clock.since_boot().saturating_add(pause), failed.clone()));
            }
        });
        failed.map_or(Ok(()), Err)
    }

    async fn ask_each_group(&self, began: Duration) -> Asked {
        let mut asked = Asked::default();
        for group in &self.0.settings.management_groups {
            let left = GROUPS_BUDGET.saturating_sub(self.0.clock.since_boot().saturating_sub(began));
            let asked_at = self.now();
            let reading = self.0.arm.subscriptions_in(group, left).await;
            match whole(group, reading, asked_at) {
                Ok(answer) => {
                    asked.answers.insert(group.clone(), answer);
                }
                Err(failed) => {
                    tracing::warn!(why = failed.why, "who is in a management group is not known");
                    let is_left_alone = failed.retry_after.is_some();
                    asked.failed.get_or_insert(failed);
                    if is_left_alone {
                        break;
                    }
                }
            }
        }
        if let Some(too_many) = self.too_many(&asked.answers) {
            return Asked { answers: BTreeMap::new(), failed: Some(too_many) };
        }
        asked
    }

    fn too_many(&self, answers: &BTreeMap<ManagementGroup, GroupAnswer>) -> Option<NotAnswered> {
        let listed = self.0.settings.subscriptions.iter().flatten();
        let all: BTreeSet<_> =
            answers.values().flat_map(|answer| &answer.subscriptions).chain(listed).collect();
        (all.len() > GUARDED_MAX).then(|| NotAnswered {
            why: format!(
                "the management groups and the list hold {} subscriptions, at most {GUARDED_MAX} are guarded: name smaller groups, \
                 and deploy a second guard for the others",
                all.len()
            ),
            retry_after: None,
        })
    }

    /// Takes answers in, here and in the store. One that somebody else stored meanwhile and that is younger counts.
    async fn keep_answers(&self, answers: &BTreeMap<ManagementGroup, GroupAnswer>) -> Result<(), GuardError> {
        let groups = &self.0.settings.management_groups;
        self.with_members(|known| {
            for (group, answer) in answers {
                known.members.take(group, answer);
            }
        });
        for conflict in 0..=CONFLICTS_MAX {
            let Loaded { mut document, etag } = self.load_members().await?;
            let stored: BTreeSet<SubscriptionId> = document.within(groups).cloned().collect();
            let news = answers.iter().filter(|(group, answer)| document.take(group, answer)).count();
            if news == 0 {
                return Ok(());
            }
            document.keep_only(groups);
            if let Saved::Done(_) =
                self.save(&StatePath::management_groups(), &mut document, etag.as_ref()).await?
            {
                log_changes(&stored, &document.within(groups).cloned().collect());
                return Ok(());
            }
            self.pause(conflict).await;
        }
        Err(GuardError::Contended(StatePath::management_groups().to_string()))
    }
}

/// What Resource Graph said of the groups in one go.
#[derive(Debug, Default)]
struct Asked {
    answers: BTreeMap<ManagementGroup, GroupAnswer>,
    /// The first thing that went wrong.
    failed: Option<NotAnswered>,
}

/// A reading that says all. An empty one does not: whoever lost the right to see a group is shown nothing, without an error, and that
/// must not end the guarding of it.
fn whole(
    group: &ManagementGroup,
    reading: GroupReading,
    asked_at: Timestamp,
) -> Result<GroupAnswer, NotAnswered> {
    if let Some(why) = reading.unfinished {
        let retry_after = why.retry_after();
        return Err(NotAnswered { why: format!("management group `{group}`: {why}"), retry_after });
    }
    if reading.subscriptions.is_empty() {
        let why = format!(
            "resource graph shows no subscription in management group `{group}`: check its id, and that the guard's identity has its \
             role there"
        );
        return Err(NotAnswered { why, retry_after: None });
    }
    Ok(GroupAnswer { asked_at, subscriptions: reading.subscriptions.into_iter().collect() })
}

fn log_changes(before: &BTreeSet<SubscriptionId>, after: &BTreeSet<SubscriptionId>) {
    for id in after.difference(before).take(CHANGES_LOGGED_MAX) {
        tracing::info!(subscription = %id, "a subscription is guarded by its management group: it needs an event subscription");
    }
    for id in before.difference(after).take(CHANGES_LOGGED_MAX) {
        tracing::warn!(subscription = %id, "a subscription left its management group, or the guard may not see it any more");
    }
    let (joined, left) = (after.difference(before).count(), before.difference(after).count());
    tracing::info!(joined, left, guarded = after.len(), "the management groups' subscriptions changed");
}
