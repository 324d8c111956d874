//! What a bench found: a line for people, and one of JSON that `tests/bench` takes into its table.

use std::time::Duration;

use serde_json::json;

/// One figure.
pub(crate) struct Told {
    line: serde_json::Value,
}

impl Told {
    /// Of many runs: tenth, half and nine tenths of them are at most this.
    pub(crate) fn runs(what: &str, unit: &str, mut values: Vec<f64>) -> Self {
        values.sort_by(f64::total_cmp);
        let at =
            |percent: usize| values.get((values.len() * percent).div_ceil(100).saturating_sub(1)).copied();
        let line = json!({
            "what": what, "unit": unit, "p10": at(10), "median": at(50), "p90": at(90), "runs": values.len(),
        });
        Self { line }
    }

    /// With something more: `at_most` or `at_least` for its median, or the `curve` that it is a point of.
    #[must_use]
    pub(crate) fn with(mut self, name: &str, value: serde_json::Value) -> Self {
        if let Some(members) = self.line.as_object_mut() {
            members.insert(name.to_owned(), value);
        }
        self
    }

    /// Prints it.
    #[expect(clippy::print_stdout, reason = "it prints what it measured")]
    pub(crate) fn print(self) {
        println!("{}", self.line);
    }
}

/// Milliseconds of so many runs.
pub(crate) fn timed_ms(runs: usize, mut run: impl FnMut()) -> Vec<f64> {
    let once = |_| {
        let began = std::time::Instant::now();
        run();
        ms(began.elapsed())
    };
    (0..runs).map(once).collect()
}

/// A time in milliseconds.
pub(crate) fn ms(duration: Duration) -> f64 {
    duration.as_secs_f64() * 1e3
}
