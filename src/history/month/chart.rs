//! Charts as rectangles and labels: the page's template only writes them down.

use serde::Serialize;

use super::{Class, Day};
use crate::history::words::count;

/// Size of a chart, in its own units. Small, so that its letters are readable where it is as wide as a phone.
const WIDTH: f64 = 400.0;
const HEIGHT: f64 = 160.0;
/// What the labels need around the bars.
const LEFT: f64 = 26.0;
const TOP: f64 = 8.0;
const BOTTOM: f64 = 20.0;
/// Labels under the bars, at most: more would overlap.
const LABELS_MAX: usize = 8;
/// The share of its place that a bar fills.
const FILLED: f64 = 0.8;

/// One chart of stacked bars.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub(super) struct Chart {
    width: f64,
    height: f64,
    /// The line that the bars stand on, and where it begins.
    base: f64,
    left: f64,
    /// What the axis goes up to.
    top: usize,
    top_y: f64,
    bars: Vec<Bar>,
    labels: Vec<Label>,
}

/// One part of a bar.
#[derive(Debug, Clone, PartialEq, Serialize)]
struct Bar {
    x: f64,
    y: f64,
    width: f64,
    height: f64,
    /// Which series it is of: the page's colours go by it.
    series: &'static str,
    /// What it stands for.
    title: String,
}

#[derive(Debug, Clone, PartialEq, Serialize)]
struct Label {
    x: f64,
    text: String,
    /// Left out where the chart is as narrow as a phone.
    is_minor: bool,
}

/// A place on the axis, with its parts from the bottom up.
struct Column {
    label: String,
    parts: Vec<(&'static str, usize, String)>,
}

/// Stops a day, by whether they were allowed.
pub(super) fn by_day(days: &[Day]) -> Chart {
    let column = |day: &Day| {
        let date = day.date;
        let part =
            |series, number, word| (series, number, format!("{date}: {} {word}", count(number, "stop")));
        Column {
            label: date.strftime("%-d %b").to_string(),
            parts: vec![
                part("authorised", day.rulings.authorised, "authorised"),
                part("unauthorised", day.rulings.unauthorised, "not authorised"),
                part("undecided", day.rulings.undecided, "not decided"),
            ],
        }
    };
    chart(&days.iter().map(column).collect::<Vec<_>>())
}

/// How the times to restore are spread, by who restored.
pub(super) fn by_time(spread: &[Class]) -> Chart {
    let column = |class: &Class| {
        let label = class_label(class);
        let part = |series, number, by| {
            (series, number, format!("{label}: {} restored by {by}", count(number, "stop")))
        };
        let parts =
            vec![part("guard", class.by_guard, "the guard"), part("others", class.by_others, "others")];
        Column { label: short_label(class), parts }
    };
    chart(&spread.iter().map(column).collect::<Vec<_>>())
}

/// `< 5 min`, `< 2 h`, and for the last class `longer`.
pub(super) fn class_label(class: &Class) -> String {
    match class.under_minutes {
        None => "longer".to_owned(),
        Some(minutes) if minutes >= 60 && minutes % 60 == 0 => format!("< {} h", minutes / 60),
        Some(minutes) => format!("< {minutes} min"),
    }
}

/// `<5m`, `<2h`, `longer`: under a bar there is no room for more.
fn short_label(class: &Class) -> String {
    class_label(class).replace(" min", "m").replace(' ', "")
}

fn chart(columns: &[Column]) -> Chart {
    let total = |column: &Column| column.parts.iter().map(|(_, number, _)| number).sum::<usize>();
    let top = columns.iter().map(total).max().unwrap_or(0).max(1);
    let base = HEIGHT - BOTTOM;
    let place = (WIDTH - LEFT) / as_f64(columns.len().max(1));
    let every = columns.len().div_ceil(LABELS_MAX).max(1);
    let (mut bars, mut labels) = (Vec::new(), Vec::new());
    for (n, column) in columns.iter().enumerate() {
        let x = LEFT + place * as_f64(n);
        if n.is_multiple_of(every) {
            // Where some columns have none already, every second one is enough.
            let is_minor = every > 1 && (n / every) % 2 == 1;
            labels.push(Label { x: rounded(x + place / 2.0), text: column.label.clone(), is_minor });
        }
        let mut below = 0;
        for (series, number, title) in column.parts.iter().filter(|(_, number, _)| *number > 0) {
            let height = |number: usize| (base - TOP) * as_f64(number) / as_f64(top);
            below += number;
            bars.push(Bar {
                x: rounded(x + place * (1.0 - FILLED) / 2.0),
                y: rounded(base - height(below)),
                width: rounded(place * FILLED),
                height: rounded(height(*number)),
                series,
                title: title.clone(),
            });
        }
    }
    Chart { width: WIDTH, height: HEIGHT, base, left: LEFT, top, top_y: TOP, bars, labels }
}

/// Counts of stops are far below what an f64 holds exactly.
fn as_f64(number: usize) -> f64 {
    u32::try_from(number).map_or(f64::from(u32::MAX), f64::from)
}

/// To a hundredth of a unit: less can't be seen.
fn rounded(length: f64) -> f64 {
    (length * 100.0).round() / 100.0
}
