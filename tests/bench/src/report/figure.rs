//! One figure and its limit, and the table of them.

use std::fmt::Write as _;

use serde::Serialize;

use crate::extra::Point;
use crate::stats::Spread;

/// What a figure may be.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Limit {
    /// For information.
    None,
    AtMost(f64),
    Below(f64),
    AtLeast(f64),
}

/// One measured figure and its limit. The median is what is held against it.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub(crate) struct Figure {
    pub(crate) what: String,
    pub(crate) unit: String,
    pub(crate) measured: Spread,
    pub(crate) limit: Limit,
    /// Measured ÷ limit; none without a limit.
    pub(crate) of_limit: Option<f64>,
    pub(crate) ok: bool,
    /// Where it belongs in the picture of growth.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) curve: Option<Point>,
}

impl Figure {
    pub(crate) fn of(what: impl Into<String>, unit: &str, measured: Spread, limit: Limit) -> Self {
        let value = measured.median;
        let ok = match limit {
            Limit::None => true,
            Limit::AtMost(limit) => value <= limit,
            Limit::Below(limit) => value < limit,
            Limit::AtLeast(limit) => value >= limit,
        };
        let of_limit = match limit {
            Limit::None => None,
            // Of a limit of nothing, nothing is all right and anything is too much.
            Limit::AtMost(limit) | Limit::Below(limit) | Limit::AtLeast(limit) => {
                Some(if limit > 0.0 { value / limit } else { value })
            }
        };
        Self { what: what.into(), unit: unit.to_owned(), measured, limit, of_limit, ok, curve: None }
    }

    /// For information.
    pub(crate) fn told(what: impl Into<String>, unit: &str, measured: Spread) -> Self {
        Self::of(what, unit, measured, Limit::None)
    }

    /// The median, as people read it.
    pub(crate) fn median(&self) -> String {
        shown(self.measured.median, &self.unit)
    }
}

/// The table for people.
pub(crate) fn table(figures: &[Figure]) -> String {
    let rows: Vec<[String; 6]> = figures.iter().map(row).collect();
    let head = ["figure", "median", "p10 to p90", "runs", "limit", ""].map(str::to_owned);
    let mut widths = [0; 6];
    for row in rows.iter().chain([&head]) {
        for (width, cell) in widths.iter_mut().zip(row) {
            *width = (*width).max(cell.chars().count());
        }
    }
    let mut text = String::new();
    for row in [&head].into_iter().chain(&rows) {
        let mut line = String::new();
        for (column, (cell, width)) in row.iter().zip(widths).enumerate() {
            // Writing to a string can't fail.
            let _ = match column {
                0 | 5 => write!(line, "{cell:<width$}  "),
                _ => write!(line, "{cell:>width$}  "),
            };
        }
        text.push_str(line.trim_end());
        text.push('\n');
    }
    text
}

fn row(figure: &Figure) -> [String; 6] {
    let Figure { what, unit, measured, limit, ok, .. } = figure;
    let Spread { p10, p90, runs, .. } = *measured;
    let spread =
        if runs > 1 { format!("{} to {}", number(p10, unit), number(p90, unit)) } else { String::new() };
    let limit = match limit {
        Limit::None => String::new(),
        Limit::AtMost(limit) => format!("≤ {}", limit_shown(*limit, unit)),
        Limit::Below(limit) => format!("< {}", limit_shown(*limit, unit)),
        Limit::AtLeast(limit) => format!("≥ {}", limit_shown(*limit, unit)),
    };
    let word = match (ok, limit.is_empty()) {
        (_, true) => "",
        (true, false) => "ok",
        (false, false) => "MISSED",
    };
    [what.clone(), figure.median(), spread, runs.to_string(), limit, word.to_owned()]
}

fn limit_shown(limit: f64, unit: &str) -> String {
    format!("{limit} {unit}").trim_end().to_owned()
}

fn shown(value: f64, unit: &str) -> String {
    format!("{} {unit}", number(value, unit)).trim_end().to_owned()
}

/// Counts and rates without a fraction, all else with as many places as tell something.
fn number(value: f64, unit: &str) -> String {
    if unit.is_empty() || unit == "/s" || value.abs() >= 1_000.0 {
        return format!("{value:.0}");
    }
    if value.abs() < 0.1 { format!("{value:.3}") } else { format!("{value:.2}") }
}
