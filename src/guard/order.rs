//! In which order a sweep works on cases. What a subscription gives is short in a storm (ARM's quota of reads, the time of a
//! sweep), and whoever comes too late has to wait for the next sweep.

use std::collections::HashMap;
use std::hash::Hash;

use jiff::Timestamp;

/// What decides about the place of a case.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Place<S> {
    /// Whose quotas its work takes from.
    pub(super) subscription: S,
    /// Whether a start may follow, so that the start's quota goes unused if nobody looks at it.
    pub(super) may_start: bool,
    /// Since when it has been due.
    pub(super) due_at: Option<Timestamp>,
}

/// Puts cases in order:
///
/// * subscriptions take turns, so that a storm in one keeps no other waiting;
/// * in each of them cases that may be started and those that are only watched take turns: else a thousand looks at clusters that
///   can't be started yet, or that start already, would use up the reads that the next start needs; and none of them waits for ever;
/// * of each of these, who waited longest comes first: a sweep that runs out of time must not pass the same ones over each time.
pub(super) fn in_order<T, S: Clone + Eq + Hash>(cases: Vec<T>, place: impl Fn(&T) -> Place<S>) -> Vec<T> {
    let mut cases: Vec<(Place<S>, T)> = cases.into_iter().map(|case| (place(&case), case)).collect();
    cases.sort_by_key(|(place, _)| place.due_at);
    let cases = take_turns(cases, |(place, _)| (place.subscription.clone(), place.may_start));
    let cases = take_turns(cases, |(place, _)| place.subscription.clone());
    cases.into_iter().map(|(_, case)| case).collect()
}

/// The first of each group, then the second of each, and so on.
fn take_turns<T, G: Eq + Hash>(items: Vec<T>, group: impl Fn(&T) -> G) -> Vec<T> {
    let mut sizes: HashMap<G, usize> = HashMap::new();
    let ranked = items.into_iter().map(|item| {
        let rank = sizes.entry(group(&item)).or_default();
        *rank += 1;
        (*rank, item)
    });
    let mut ranked: Vec<(usize, T)> = ranked.collect();
    ranked.sort_by_key(|(rank, _)| *rank);
    ranked.into_iter().map(|(_, item)| item).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    type Case = (char, bool, Option<i64>);

    fn ordered(cases: Vec<Case>) -> Vec<Case> {
        in_order(cases, |(subscription, may_start, due)| Place {
            subscription: *subscription,
            may_start: *may_start,
            due_at: due.and_then(|second| Timestamp::from_second(second).ok()),
        })
    }

    #[test]
    fn who_waited_longest_comes_first_and_who_was_never_read_before_them() {
        let cases = vec![('a', false, Some(2)), ('a', false, None), ('a', false, Some(1))];
        assert_eq!(ordered(cases), [('a', false, None), ('a', false, Some(1)), ('a', false, Some(2))]);
    }

    #[test]
    fn cases_that_may_be_started_are_not_kept_waiting_by_those_that_are_only_watched() {
        let watched = (0..1_000).map(|second| ('a', false, Some(second)));
        let startable = (2_000..2_030).map(|second| ('a', true, Some(second)));
        let order = ordered(watched.chain(startable).collect());
        let last = order.iter().rposition(|(_, may_start, _)| *may_start);
        assert!(last.is_some_and(|last| last < 60), "{last:?}");
    }

    #[test]
    fn cases_that_are_only_watched_get_every_second_place_however_many_may_be_started() {
        let startable = (0..1_000).map(|second| ('a', true, Some(second)));
        let watched = (2_000..2_030).map(|second| ('a', false, Some(second)));
        let order = ordered(startable.chain(watched).collect());
        let last = order.iter().rposition(|(_, may_start, _)| !may_start);
        assert!(last.is_some_and(|last| last < 60), "{last:?}");
    }

    #[test]
    fn a_storm_in_two_subscriptions_keeps_a_third_waiting_for_two_cases() {
        let storm = (0..1_000).map(|second| (if second % 2 == 0 { 'a' } else { 'b' }, true, Some(second)));
        let order = ordered(storm.chain([('c', false, Some(5_000))]).collect());
        assert_eq!(order.iter().position(|(subscription, _, _)| *subscription == 'c'), Some(2));
        assert_eq!(order.len(), 1_001);
    }
}
