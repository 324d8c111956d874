//! Medians and percentiles.

use serde::Serialize;

/// What is told of many measurements of one thing. None of the numbers is moved by one measurement that another program on the machine
/// disturbed.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub(crate) struct Spread {
    /// One of ten is at most this.
    pub(crate) p10: f64,
    /// Half of them are at most this.
    pub(crate) median: f64,
    /// Nine of ten are at most this.
    pub(crate) p90: f64,
    /// How many there were.
    pub(crate) runs: usize,
}

impl Spread {
    /// By the nearest rank. `None` of nothing.
    pub(crate) fn of(mut values: Vec<f64>) -> Option<Self> {
        values.sort_by(f64::total_cmp);
        let runs = values.len();
        Some(Self { p10: at(&values, 10)?, median: at(&values, 50)?, p90: at(&values, 90)?, runs })
    }

    /// Of one that was measured once, or counted.
    pub(crate) fn once(value: f64) -> Self {
        Self { p10: value, median: value, p90: value, runs: 1 }
    }

    /// Of this, beside the median of something else that was measured in turns with it.
    pub(crate) fn over(self, other: Self) -> Self {
        let by = |value: f64| value / other.median;
        Self { p10: by(self.p10), median: by(self.median), p90: by(self.p90), runs: self.runs }
    }
}

fn at(sorted: &[f64], percent: usize) -> Option<f64> {
    let rank = (sorted.len() * percent).div_ceil(100);
    sorted.get(rank.checked_sub(1)?).copied()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_nearest_rank_is_one_of_the_values() {
        let hundred = (1..=100).rev().map(f64::from).collect();
        assert_eq!(Spread::of(hundred), Some(Spread { p10: 10.0, median: 50.0, p90: 90.0, runs: 100 }));
        assert_eq!(Spread::of(vec![7.0]), Some(Spread::once(7.0)));
        assert_eq!(
            Spread::of(vec![9.0, 1.0, 2.0]),
            Some(Spread { p10: 1.0, median: 2.0, p90: 9.0, runs: 3 })
        );
    }

    #[test]
    fn nothing_has_no_median() {
        assert_eq!(Spread::of(Vec::new()), None);
    }
}
