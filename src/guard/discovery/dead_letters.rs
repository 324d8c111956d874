//! What Event Grid could not deliver: each dead letter is a hint to look at a cluster, once. Others may be able to write where they lie,
//! so nothing else in them is believed: who stopped the cluster, and when, is asked of the activity log.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use jiff::Timestamp;
use serde_json::value::RawValue;

use crate::case::Baseline;
use crate::case::discovery::Standing;
use crate::domain::event::{self, Parsed};
use crate::domain::{ClusterId, SubscriptionId};
use crate::store::{DeadLetters, Listed, RECORD_BYTES_MAX, StatePath};

use super::super::Guard;
use super::examine::Trouble;
use super::{RUN_BUDGET, Run};

/// Names that one run lists. With more than this the last ones wait until the first are moved aside.
const LISTED_MAX: usize = 5_000;
/// Dead letters that one run follows: each may cost a look and two questions to the activity log.
const FOLLOWED_MAX: usize = 50;
/// Clusters that are taken from one dead letter. Event Grid puts the events of one batch together.
const HINTS_MAX: usize = 50;

/// When this process tried which dead letter that is still there.
pub(super) type Tried = BTreeMap<StatePath, Timestamp>;

impl Guard {
    /// Follows the dead letters, those first that were not tried for longest. One that was followed is moved into the state; where
    /// something went wrong, or the log does not name the stop yet, it stays for the next run.
    pub(super) async fn follow_dead_letters(
        &self,
        guarded: &BTreeSet<SubscriptionId>,
        baselines: &BTreeMap<SubscriptionId, Baseline>,
        began: Duration,
        run: &mut Run,
    ) {
        let Some(letters) = &self.0.dead_letters else { return };
        let listed = match letters.list(LISTED_MAX).await {
            Ok(listing) => listing.entries,
            Err(error) => return run.fail(format_args!("dead letters: {error}")),
        };
        for letter in self.next_letters(listed) {
            if self.0.clock.since_boot().saturating_sub(began) > RUN_BUDGET {
                return;
            }
            if let Err(trouble) = self.follow(letters, &letter, guarded, baselines, run).await {
                run.fail(format_args!("dead letter `{}`: {trouble}", letter.path));
            }
        }
    }

    /// Which to follow in this run. One that is too long to be of Event Grid is left alone, and named once.
    fn next_letters(&self, listed: Vec<Listed>) -> Vec<Listed> {
        let is_long = |letter: &Listed| letter.size > u64::try_from(RECORD_BYTES_MAX).unwrap_or(u64::MAX);
        let (long, mut letters): (Vec<Listed>, Vec<Listed>) = listed.into_iter().partition(is_long);
        for letter in long {
            self.0.foreign.name_once(&letter.path, "it is too long for a dead letter of Event Grid");
        }
        let now = self.now();
        self.discovery_memory(|memory| {
            let tried = &mut memory.tried_letters;
            let there: BTreeSet<&StatePath> = letters.iter().map(|letter| &letter.path).collect();
            tried.retain(|path, _| there.contains(path));
            letters.sort_by_cached_key(|letter| tried.get(&letter.path).copied());
            letters.truncate(FOLLOWED_MAX);
            tried.extend(letters.iter().map(|letter| (letter.path.clone(), now)));
        });
        letters
    }

    /// Looks at what one hints at, then moves it aside.
    async fn follow(
        &self,
        letters: &DeadLetters,
        letter: &Listed,
        guarded: &BTreeSet<SubscriptionId>,
        baselines: &BTreeMap<SubscriptionId, Baseline>,
        run: &mut Run,
    ) -> Result<(), Trouble> {
        let Some(stored) = letters.read(&letter.path).await? else { return Ok(()) };
        let hints = hints(&stored.bytes, &|subscription| guarded.contains(subscription));
        let mut is_settled = true;
        for cluster in hints {
            match self.standing_of(cluster, baselines).await? {
                Some((cluster, Standing::Open)) => {
                    tracing::info!(%cluster, "a dead letter hints at a cluster: it is looked at");
                    // The log is waited for since the letter came.
                    let outcome = self.examine(&cluster, Some(letter.last_modified.min(self.now()))).await?;
                    is_settled &= outcome.is_settled();
                    run.take(&cluster, Ok(outcome));
                }
                Some((_, Standing::HasCase | Standing::InBaseline)) => {}
                // Its subscription was not seen as a whole yet.
                None => is_settled = false,
            }
        }
        if !is_settled {
            return Ok(());
        }
        self.0.store.put(&StatePath::dead_event(&stored.bytes), stored.bytes).await?;
        letters.delete(&letter.path).await?;
        Ok(())
    }
}

/// The clusters of guarded subscriptions that the events in a dead letter say were stopped. Anything else in it hints at nothing.
fn hints(letter: &[u8], guarded: &dyn Fn(&SubscriptionId) -> bool) -> BTreeSet<ClusterId> {
    let several: Result<Vec<&RawValue>, _> = serde_json::from_slice(letter);
    let events = several.or_else(|_| serde_json::from_slice(letter).map(|one| vec![one]));
    let stops =
        events.unwrap_or_default().into_iter().filter_map(|event| match event::parse(event.get(), guarded) {
            Parsed::Stop(stop) => Some(stop.cluster),
            Parsed::Ignored(_) => None,
        });
    stops.take(HINTS_MAX).collect()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const STOP: &str = include_str!("../../../tests/fixtures/events/eventgrid/stop_success_user_cli.json");

    fn names(letter: &str) -> Vec<String> {
        hints(letter.as_bytes(), &|_| true).iter().map(|cluster| cluster.name().to_owned()).collect()
    }

    #[test]
    fn a_dead_letter_hints_at_the_clusters_of_its_stops_once_each() {
        let one: serde_json::Value = serde_json::from_str(STOP).unwrap();
        let one = one.as_array().map_or(one.clone(), |all| all[0].clone());
        let hinted = names(&one.to_string());
        assert_eq!(hinted.len(), 1);
        let other = one.to_string().replace(&hinted[0], "aks-other");
        assert_eq!(names(&format!("[{one},{other},{one},7]")).len(), 2);
        assert!(hints(one.to_string().as_bytes(), &|_| false).is_empty(), "not guarded");
    }

    #[test]
    fn junk_hints_at_nothing() {
        for junk in ["", "null", "[]", "{}", "[[]]", "not json", "[{\"data\":{}}]", "\u{0}"] {
            assert_eq!(names(junk), [""; 0], "{junk}");
        }
    }

    proptest! {
        #[test]
        fn no_bytes_make_the_reader_panic(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
            let _ = hints(&bytes, &|_| true);
        }
    }
}
