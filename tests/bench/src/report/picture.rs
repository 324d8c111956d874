//! The figures as a picture: a bar for each that has a limit, beside that limit, and curves of what grows. The same figures make the same
//! bytes. Readable on light and on dark ground.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use super::figure::{Figure, Limit};
use crate::machine::Machine;

const WIDTH: f64 = 960.0;
/// Where bars begin and where the limit stands, in pixels from the left.
const BARS_LEFT: f64 = 440.0;
const LIMIT_AT: f64 = 760.0;
/// A bar that is longer is cut here.
const BARS_RIGHT: f64 = 940.0;
const ROW: f64 = 22.0;
const TOP: f64 = 64.0;
/// Size of the field of one family of curves.
const FIELD_WIDTH: f64 = 420.0;
const FIELD_HEIGHT: f64 = 180.0;
const FIELD_GAP: f64 = 40.0;

const STYLE: &str = "\
text{font:12px system-ui,sans-serif;fill:#24292f}.title{font-size:15px;font-weight:600}.dim{fill:#57606a}\
.ok{fill:#1a7f37}.missed{fill:#cf222e}.line{stroke:#57606a;stroke-width:1}.curve{fill:none;stroke:#0969da;stroke-width:2}.dot{fill:#0969da}\
@media (prefers-color-scheme:dark){text{fill:#e6edf3}.dim{fill:#8b949e}.ok{fill:#3fb950}.missed{fill:#f85149}.line{stroke:#8b949e}\
.curve{stroke:#58a6ff}.dot{fill:#58a6ff}}";

/// Draws it.
pub(crate) fn draw(machine: &Machine, figures: &[Figure]) -> String {
    let bars: Vec<&Figure> = figures.iter().filter(|figure| figure.of_limit.is_some()).collect();
    let mut curves: BTreeMap<&str, Vec<(&str, f64, &Figure)>> = BTreeMap::new();
    for figure in figures {
        if let Some(point) = &figure.curve {
            curves.entry(&point.curve).or_default().push((&point.over, point.at, figure));
        }
    }
    let fields_top = TOP + ROW * as_f64(bars.len()) + 30.0;
    let height = fields_top + (FIELD_HEIGHT + FIELD_GAP * 1.5) * as_f64(curves.len().div_ceil(2));
    let mut svg = String::new();
    put(
        &mut svg,
        format_args!(
            "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {WIDTH} {height}\" role=\"img\">\
             <title>What aks-stop-guard costs, beside its limits</title><style>{STYLE}</style>\n"
        ),
    );
    text(&mut svg, (20.0, 24.0), "title", "start", "What aks-stop-guard costs, beside its limits");
    text(&mut svg, (20.0, 42.0), "dim", "start", &machine.line());
    for (number, figure) in bars.iter().enumerate() {
        bar(&mut svg, TOP + ROW * as_f64(number), figure);
    }
    let bottom = TOP + ROW * as_f64(bars.len());
    line(&mut svg, (LIMIT_AT, TOP - 4.0), (LIMIT_AT, bottom));
    text(&mut svg, (LIMIT_AT, bottom + 12.0), "dim", "middle", "limit");
    for (number, (name, points)) in curves.iter().enumerate() {
        let left = 20.0 + (FIELD_WIDTH + FIELD_GAP * 1.5) * as_f64(number % 2);
        let top = fields_top + (FIELD_HEIGHT + FIELD_GAP * 1.5) * as_f64(number / 2);
        field(&mut svg, (left, top), name, points);
    }
    svg.push_str("</svg>\n");
    svg
}

fn bar(svg: &mut String, top: f64, figure: &Figure) {
    let of_limit = figure.of_limit.unwrap_or_default();
    let scale = LIMIT_AT - BARS_LEFT;
    let right = (BARS_LEFT + of_limit * scale).clamp(BARS_LEFT + 1.0, BARS_RIGHT);
    let class = if figure.ok { "ok" } else { "missed" };
    text(svg, (BARS_LEFT - 8.0, top + 12.0), "", "end", &figure.what);
    put(
        svg,
        format_args!(
            "<rect class=\"{class}\" x=\"{BARS_LEFT}\" y=\"{:.1}\" width=\"{:.1}\" height=\"12\" rx=\"2\"/>\n",
            top + 2.0,
            right - BARS_LEFT
        ),
    );
    let (Limit::AtMost(limit) | Limit::Below(limit) | Limit::AtLeast(limit)) = figure.limit else { return };
    let word = match figure.limit {
        Limit::AtLeast(_) => "≥",
        Limit::None | Limit::AtMost(_) | Limit::Below(_) => "≤",
    };
    let label = format!("{} ({word} {limit})", figure.median());
    // Beside the bar, or on the free ground left of the limit where the bar is long.
    match right < BARS_RIGHT - 150.0 {
        true => text(svg, (right.max(BARS_LEFT) + 6.0, top + 12.0), "dim", "start", &label),
        false => text(svg, (BARS_RIGHT + 14.0, top + 12.0), "", "end", &label),
    }
}

/// Curves over a logarithmic base, with a logarithmic height.
fn field(svg: &mut String, (left, top): (f64, f64), name: &str, points: &[(&str, f64, &Figure)]) {
    let log = |value: f64| value.max(f64::MIN_POSITIVE).log10();
    let over = points.first().map_or("", |(over, _, _)| over);
    let unit = points.first().map_or("", |(_, _, figure)| figure.unit.as_str());
    text(svg, (left, top + 12.0), "", "start", &format!("{name} ({unit}) over {over}"));
    let (plot_top, plot_bottom) = (top + 24.0, top + FIELD_HEIGHT);
    line(svg, (left, plot_bottom), (left + FIELD_WIDTH, plot_bottom));
    let values = || points.iter().map(|(_, _, figure)| log(figure.measured.median));
    let (low, high) = (values().fold(f64::INFINITY, f64::min), values().fold(f64::NEG_INFINITY, f64::max));
    let (first, last) = points.iter().fold((f64::INFINITY, f64::NEG_INFINITY), |(low, high), (_, at, _)| {
        (low.min(log(*at)), high.max(log(*at)))
    });
    let x = |at: f64| left + 20.0 + (log(at) - first) / (last - first).max(0.1) * (FIELD_WIDTH - 60.0);
    let y = |value: f64| {
        plot_bottom - 16.0 - (log(value) - low) / (high - low).max(0.5) * (plot_bottom - plot_top - 36.0)
    };
    let place = |(_, at, figure): &(&str, f64, &Figure)| (x(*at), y(figure.measured.median));
    let path: Vec<String> = points.iter().map(place).map(|(x, y)| format!("{x:.1},{y:.1}")).collect();
    put(svg, format_args!("<polyline class=\"curve\" points=\"{}\"/>\n", path.join(" ")));
    for point in points {
        let (x, y) = place(point);
        put(svg, format_args!("<circle class=\"dot\" cx=\"{x:.1}\" cy=\"{y:.1}\" r=\"3\"/>\n"));
        text(svg, (x, y - 8.0), "dim", "middle", &point.2.median());
        text(svg, (x, plot_bottom + 14.0), "dim", "middle", &point.1.to_string());
    }
}

fn text(svg: &mut String, (x, y): (f64, f64), class: &str, anchor: &str, words: &str) {
    let words = words.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;");
    put(
        svg,
        format_args!(
            "<text class=\"{class}\" x=\"{x:.1}\" y=\"{y:.1}\" text-anchor=\"{anchor}\">{words}</text>\n"
        ),
    );
}

fn line(svg: &mut String, (x1, y1): (f64, f64), (x2, y2): (f64, f64)) {
    put(
        svg,
        format_args!("<line class=\"line\" x1=\"{x1:.1}\" y1=\"{y1:.1}\" x2=\"{x2:.1}\" y2=\"{y2:.1}\"/>\n"),
    );
}

fn put(svg: &mut String, what: std::fmt::Arguments<'_>) {
    // Writing to a string can't fail.
    let _ = svg.write_fmt(what);
}

#[expect(clippy::cast_precision_loss, reason = "a handful")]
fn as_f64(count: usize) -> f64 {
    count as f64
}
