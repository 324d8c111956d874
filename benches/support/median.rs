//! How long something takes.

use std::time::{Duration, Instant};

/// The median of so many runs.
pub(crate) fn median(runs: usize, mut run: impl FnMut()) -> Duration {
    let mut took: Vec<Duration> = (0..runs)
        .map(|_| {
            let began = Instant::now();
            run();
            began.elapsed()
        })
        .collect();
    took.sort();
    took.get(runs / 2).copied().unwrap_or_default()
}
