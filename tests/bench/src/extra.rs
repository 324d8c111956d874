//! What the library's own benches (`cargo bench`) measured, each run a file of JSON: policies, sinks, growth, a storm.

use std::path::Path;

use anyhow::{Context as _, Result};
use serde::{Deserialize, Serialize};

use crate::machine::Slowness;
use crate::report::{Figure, Limit};
use crate::stats::Spread;

/// One figure, as a bench writes it.
#[derive(Debug, Deserialize)]
pub(crate) struct Measured {
    what: String,
    unit: String,
    p10: f64,
    median: f64,
    p90: f64,
    runs: usize,
    #[serde(default)]
    at_most: Option<f64>,
    #[serde(default)]
    at_least: Option<f64>,
    /// Where it belongs in a picture of growth.
    #[serde(default)]
    curve: Option<Point>,
}

/// A point of a curve: what grows, with what, and how much of that there was.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct Point {
    pub(crate) curve: String,
    pub(crate) over: String,
    pub(crate) at: f64,
}

impl Measured {
    /// As a figure, on a machine that is so slow. Nothing is waited for in what these benches time: a limit in milliseconds is one of CPU
    /// time.
    pub(crate) fn figure(self, slowness: Option<Slowness>) -> Figure {
        let Self { what, unit, p10, median, p90, runs, at_most, at_least, curve } = self;
        let at_most = at_most.map(|limit| match slowness {
            Some(slowness) if unit == "ms" => slowness.limit(limit),
            Some(_) | None => limit,
        });
        let limit = at_most.map(Limit::AtMost).or(at_least.map(Limit::AtLeast)).unwrap_or(Limit::None);
        let mut figure = Figure::of(what, &unit, Spread { p10, median, p90, runs }, limit);
        figure.curve = curve;
        figure
    }
}

/// Reads what is in these files, in their order.
pub(crate) fn read(files: &[impl AsRef<Path>]) -> Result<Vec<Measured>> {
    let mut all = Vec::new();
    for file in files {
        let file = file.as_ref();
        let text =
            std::fs::read_to_string(file).with_context(|| format!("cannot read {}", file.display()))?;
        for line in text.lines().filter(|line| line.starts_with('{')) {
            all.push(serde_json::from_str(line).with_context(|| format!("in {}", file.display()))?);
        }
    }
    Ok(all)
}
