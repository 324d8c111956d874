//! Medians and percentiles.

use serde::Serialize;

/// What is told of many measurements of one thing. Neither number is moved by one measurement that another program on the
/// machine disturbed.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub(crate) struct Spread {
    /// Half of them are at most this.
    pub(crate) median: f64,
    /// 19 of 20 are at most this.
    pub(crate) p95: f64,
}

impl Spread {
    /// By the nearest rank. `None` of nothing.
    pub(crate) fn of(mut values: Vec<f64>) -> Option<Self> {
        values.sort_by(f64::total_cmp);
        Some(Self { median: at(&values, 50)?, p95: at(&values, 95)? })
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
        assert_eq!(Spread::of(hundred), Some(Spread { median: 50.0, p95: 95.0 }));
        assert_eq!(Spread::of(vec![7.0]), Some(Spread { median: 7.0, p95: 7.0 }));
        assert_eq!(Spread::of(vec![9.0, 1.0, 2.0]), Some(Spread { median: 2.0, p95: 9.0 }));
    }

    #[test]
    fn nothing_has_no_median() {
        assert_eq!(Spread::of(Vec::new()), None);
    }
}
