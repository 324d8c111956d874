//! How many incidents began for each sink of late. Per process, like the pace of starts (rule 33).

use std::collections::{HashMap, VecDeque};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

/// Beginnings that are remembered of one sink: more in one minute are the same storm.
const REMEMBERED_MAX: usize = 1_000;

/// The incidents that began lately, by sink.
#[derive(Debug, Default)]
pub(super) struct Crowd(Mutex<HashMap<String, VecDeque<Beginning>>>);

#[derive(Debug)]
struct Beginning {
    incident: String,
    /// Since boot.
    at: Duration,
    grouped: bool,
}

impl Beginning {
    /// Whether it was too long ago to count.
    fn is_over(&self, cap: Cap, now: Duration) -> bool {
        now.saturating_sub(self.at) >= cap.within
    }
}

/// How many incidents of their own a sink gets, and in which time.
#[derive(Debug, Clone, Copy)]
pub(super) struct Cap {
    pub(super) incidents: usize,
    pub(super) within: Duration,
}

impl Crowd {
    /// The sinks that would get another incident in their group now. Nothing is counted by asking.
    pub(super) fn full(&self, cap: Cap, now: Duration) -> Vec<String> {
        let crowd = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let is_full = |lately: &VecDeque<Beginning>| {
            let begun = lately.iter().rev().take_while(|beginning| !beginning.is_over(cap, now));
            begun.take(cap.incidents).count() == cap.incidents
        };
        crowd.iter().filter(|(_, lately)| is_full(lately)).map(|(sink, _)| sink.clone()).collect()
    }

    /// Counts an incident's beginning for these sinks. Returns those that had too many lately: they get it in their group. Looking
    /// and counting are one step, so that however many cases are worked on at the same time, no more than the cap pass. Whoever asks
    /// again for the same incident, because others changed its record, gets the same answer and is not counted twice.
    ///
    /// What is grouped counts as well, so that a storm is one incident until it lets up, not ten more a minute.
    pub(super) fn enter<'s>(
        &self,
        incident: &str,
        sinks: impl Iterator<Item = &'s str>,
        cap: Cap,
        now: Duration,
    ) -> Vec<String> {
        let mut crowd = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let mut full = Vec::new();
        for sink in sinks {
            let lately = crowd.entry(sink.to_owned()).or_default();
            while lately.front().is_some_and(|first| first.is_over(cap, now)) {
                lately.pop_front();
            }
            let known = lately.iter().find(|beginning| beginning.incident == incident);
            let grouped = known.map_or(lately.len() >= cap.incidents, |beginning| beginning.grouped);
            if known.is_none() {
                lately.push_back(Beginning { incident: incident.to_owned(), at: now, grouped });
            }
            if lately.len() > REMEMBERED_MAX {
                lately.pop_front();
            }
            if grouped {
                full.push(sink.to_owned());
            }
        }
        full
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const CAP: Cap = Cap { incidents: 3, within: Duration::from_secs(60) };

    fn enters(crowd: &Crowd, incident: &str, sink: &str, second: u64) -> bool {
        crowd.enter(incident, [sink].into_iter(), CAP, Duration::from_secs(second)).is_empty()
    }

    #[test]
    fn so_many_incidents_a_minute_are_told_one_by_one_and_the_others_together() {
        let crowd = Crowd::default();
        let alone = (0..10).filter(|n| enters(&crowd, &n.to_string(), "pager", 5)).count();
        assert_eq!(alone, 3);
        assert!(enters(&crowd, "x", "chat", 5), "each sink by itself");
    }

    #[test]
    fn a_storm_that_goes_on_is_told_together_until_it_lets_up() {
        let crowd = Crowd::default();
        let alone = (0..100).filter(|n| enters(&crowd, &n.to_string(), "pager", *n)).count();
        assert_eq!(alone, 3, "one a second, for longer than a minute");
        assert!(enters(&crowd, "later", "pager", 160));
    }

    #[test]
    fn asking_who_is_full_counts_nothing_and_says_what_the_next_one_gets() {
        let crowd = Crowd::default();
        let full = |second| crowd.full(CAP, Duration::from_secs(second));
        for n in 0..3 {
            assert_eq!(full(n), Vec::<String>::new());
            assert!(enters(&crowd, &n.to_string(), "pager", n));
        }
        assert_eq!(full(3), ["pager"]);
        assert!(enters(&crowd, "x", "chat", 3), "each sink by itself");
        assert_eq!(full(3), ["pager"]);
        assert!(!enters(&crowd, "3", "pager", 3));
        assert_eq!((full(60), full(61)), (vec!["pager".to_owned()], Vec::new()), "three are left, then two");
    }

    #[test]
    fn who_asks_again_for_an_incident_gets_the_same_answer_and_is_not_counted_twice() {
        let crowd = Crowd::default();
        for _ in 0..5 {
            assert!(enters(&crowd, "a", "pager", 1));
        }
        assert!(enters(&crowd, "b", "pager", 2) && enters(&crowd, "c", "pager", 2));
        assert!(!enters(&crowd, "d", "pager", 3) && !enters(&crowd, "d", "pager", 3));
        assert!(enters(&crowd, "a", "pager", 4));
    }
}
