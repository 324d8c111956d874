//! One event's way over the wire up to its start POST.

use std::time::{Duration, Instant};

use serde::Serialize;

use crate::wire::{Ask, Exchange};

/// What an event asked for until its start POST went out, and in how many steps.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(crate) struct Trip {
    /// GETs of the cluster.
    pub(crate) looks: usize,
    /// Start POSTs, those after the first included.
    pub(crate) starts: usize,
    /// Other requests to Azure: tokens, the activity log.
    pub(crate) other_to_azure: usize,
    /// Writes to the store.
    pub(crate) writes: usize,
    /// Of those, how many went one after another with no look at the cluster under way: what they cost in time.
    pub(crate) writes_in_a_row: usize,
    /// Reads of the store, pages of lists included.
    pub(crate) reads: usize,
    /// Of those, how many went one after another.
    pub(crate) reads_in_a_row: usize,
    /// From the invocation to the start POST, microseconds by the proxy's clock.
    pub(crate) until_start_us: u64,
}

impl Trip {
    /// Of an event that was posted at `posted`. `None` if nothing was started.
    pub(crate) fn of(exchanges: &[Exchange], posted: Instant) -> Option<Self> {
        let of = |ask: Ask| exchanges.iter().filter(move |exchange| exchange.ask == ask);
        let start = of(Ask::Start).map(|start| start.began).min()?;
        let before = |asks: &[Ask]| -> Vec<Exchange> {
            exchanges.iter().filter(|e| asks.contains(&e.ask) && e.began < start).copied().collect()
        };
        let looks = before(&[Ask::Look]);
        let writes = before(&[Ask::StoreWrite]);
        let beside_no_look: Vec<Exchange> =
            writes.iter().filter(|write| !looks.iter().any(|look| overlap(look, write))).copied().collect();
        let reads = before(&[Ask::StoreRead, Ask::StoreList]);
        Some(Self {
            looks: looks.len(),
            starts: of(Ask::Start).count(),
            other_to_azure: before(&[Ask::Token, Ask::Log, Ask::Other]).len(),
            writes: writes.len(),
            writes_in_a_row: in_a_row(beside_no_look),
            reads: reads.len(),
            reads_in_a_row: in_a_row(reads),
            until_start_us: u64::try_from((start - posted).as_micros()).unwrap_or(u64::MAX),
        })
    }

    /// How many writes one after another the median event waits for. One after the other by need is so in every event; by
    /// chance, on a busy machine, unrelated ones fall so in some.
    pub(crate) fn usual_writes_in_a_row(trips: &[Self]) -> Option<usize> {
        let mut rows: Vec<usize> = trips.iter().map(|trip| trip.writes_in_a_row).collect();
        rows.sort_unstable();
        rows.get(rows.len() / 2).copied()
    }

    /// The worst of many in each respect.
    pub(crate) fn worst(trips: &[Self]) -> Option<Self> {
        trips.iter().cloned().reduce(|a, b| Self {
            looks: a.looks.max(b.looks),
            starts: a.starts.max(b.starts),
            other_to_azure: a.other_to_azure.max(b.other_to_azure),
            writes: a.writes.max(b.writes),
            writes_in_a_row: a.writes_in_a_row.max(b.writes_in_a_row),
            reads: a.reads.max(b.reads),
            reads_in_a_row: a.reads_in_a_row.max(b.reads_in_a_row),
            until_start_us: a.until_start_us.max(b.until_start_us),
        })
    }
}

fn overlap(a: &Exchange, b: &Exchange) -> bool {
    a.began < b.ended && b.began < a.ended
}

/// The longest row of exchanges each of which began after the one before had ended.
fn in_a_row(mut exchanges: Vec<Exchange>) -> usize {
    exchanges.sort_by_key(|exchange| exchange.ended);
    let mut last_end: Option<Instant> = None;
    let mut count = 0;
    for exchange in exchanges {
        if last_end.is_none_or(|end| exchange.began >= end) {
            last_end = Some(exchange.ended);
            count += 1;
        }
    }
    count
}

/// One event's exchanges as lines for people: when each began and ended after the invocation.
pub(crate) fn picture(exchanges: &[Exchange], posted: Instant) -> Vec<String> {
    let mut sorted = exchanges.to_vec();
    sorted.sort_by_key(|exchange| exchange.began);
    let ms = |at: Instant| at.saturating_duration_since(posted).as_secs_f64() * 1_000.0;
    let line = |e: &Exchange| {
        format!(
            "{:>7.2} ms {:>6.2} ms  {}",
            ms(e.began),
            Duration::as_secs_f64(&(e.ended - e.began)) * 1e3,
            word(e.ask)
        )
    };
    sorted.iter().map(line).collect()
}

fn word(ask: Ask) -> &'static str {
    match ask {
        Ask::Look => "ARM: GET the cluster",
        Ask::Start => "ARM: POST start",
        Ask::Log => "ARM: GET the activity log",
        Ask::Token => "identity: GET a token",
        Ask::Incident => "sink: POST the incident",
        Ask::StoreRead => "store: read",
        Ask::StoreList => "store: list",
        Ask::StoreWrite => "store: write",
        Ask::Other => "something else",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Exchanges by kind, begin and end in milliseconds after `posted`.
    fn exchanges(posted: Instant, list: &[(Ask, u64, u64)]) -> Vec<Exchange> {
        let at = |ms| posted + Duration::from_millis(ms);
        list.iter()
            .map(|(ask, began, ended)| Exchange { ask: *ask, began: at(*began), ended: at(*ended) })
            .collect()
    }

    #[test]
    fn a_write_beside_the_look_costs_no_time_and_one_after_the_start_is_not_on_the_way() {
        let posted = Instant::now();
        let list = [
            (Ask::StoreRead, 1, 2),
            (Ask::Look, 2, 9),
            (Ask::StoreWrite, 2, 3),
            (Ask::StoreWrite, 10, 11),
            (Ask::StoreList, 11, 13),
            (Ask::StoreList, 11, 12),
            (Ask::StoreWrite, 13, 14),
            (Ask::Start, 15, 16),
            (Ask::StoreWrite, 16, 17),
        ];
        let trip = Trip::of(&exchanges(posted, &list), posted).unwrap();
        let expected = Trip {
            looks: 1,
            starts: 1,
            other_to_azure: 0,
            writes: 3,
            writes_in_a_row: 2,
            reads: 3,
            reads_in_a_row: 2,
            until_start_us: 15_000,
        };
        assert_eq!(trip, expected);
    }

    #[test]
    fn a_second_start_is_counted_although_it_comes_later() {
        let posted = Instant::now();
        let trip = Trip::of(&exchanges(posted, &[(Ask::Start, 1, 2), (Ask::Start, 3, 4)]), posted).unwrap();
        assert_eq!(trip.starts, 2);
    }

    #[test]
    fn an_event_that_starts_nothing_has_no_trip() {
        let posted = Instant::now();
        assert_eq!(Trip::of(&exchanges(posted, &[(Ask::Look, 1, 2)]), posted), None);
    }

    #[test]
    fn the_worst_is_taken_in_each_respect() {
        let posted = Instant::now();
        let one = Trip::of(&exchanges(posted, &[(Ask::Look, 1, 2), (Ask::Start, 9, 9)]), posted).unwrap();
        let two =
            Trip::of(&exchanges(posted, &[(Ask::StoreWrite, 1, 2), (Ask::Start, 3, 4)]), posted).unwrap();
        let worst = Trip::worst(&[one, two]).unwrap();
        assert_eq!((worst.looks, worst.writes, worst.until_start_us), (1, 1, 9_000));
    }

    #[test]
    fn a_row_by_chance_does_not_move_the_median() {
        let posted = Instant::now();
        let need = [(Ask::StoreWrite, 1, 2), (Ask::StoreWrite, 1, 2), (Ask::Start, 9, 9)];
        let chance = [(Ask::StoreWrite, 1, 2), (Ask::StoreWrite, 3, 4), (Ask::Start, 9, 9)];
        let trips = [need, chance, need].map(|list| Trip::of(&exchanges(posted, &list), posted).unwrap());
        assert_eq!(Trip::usual_writes_in_a_row(&trips), Some(1));
        assert_eq!(Trip::worst(&trips).unwrap().writes_in_a_row, 2);
    }
}
