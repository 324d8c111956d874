//! What the page of one case shows: what to do, its timeline as a picture and as a table, and the story as `cases show` tells it.

use jiff::Timestamp;
use serde::Serialize;

use super::case::Shown;
use super::overview::tone_word;
use super::picture::Picture;
use super::site::Problem;
use crate::cli::cases::age::age;
use crate::cli::cases::row::{state, tone};
use crate::cli::cases::show::{receipts, waiting};
use crate::cli::cases::story::{self, Line, Story};
use crate::domain::text::{clean, utc};

/// Longest line, in characters: as `cases show` has them.
const LINE_CHARS_MAX: usize = 2_000;
/// Parts of the story that people need before all others.
const FIRST: [&str; 2] = ["What to do", "Before you do it"];

/// What the template shows.
#[derive(Serialize)]
pub(super) struct CaseView {
    updated: String,
    pub(super) is_open: bool,
    pub(super) cluster: String,
    id: String,
    title: String,
    pub(super) state: &'static str,
    tone: &'static str,
    problems: Vec<Problem>,
    first: Vec<Part>,
    picture: Picture,
    timeline: Vec<Step>,
    rest: Vec<Part>,
}

/// A part of the story.
#[derive(Serialize)]
struct Part {
    head: &'static str,
    lines: Vec<Said>,
}

/// A line, cut where code begins and ends.
#[derive(Serialize)]
struct Said {
    name: Option<String>,
    /// Whether it is code, and the text.
    words: Vec<(bool, String)>,
}

/// A line of the timeline.
#[derive(Serialize)]
struct Step {
    number: usize,
    at: String,
    /// Since the first stop.
    after: String,
    text: String,
}

impl CaseView {
    pub(super) fn of(shown: &Shown, now: Timestamp) -> Self {
        let case = &shown.read.case;
        let record = shown.read.record.as_ref().ok();
        let cluster = shown.read.cluster.as_ref();
        let (receipts, waiting) = (receipts(case, record), waiting(case, record));
        let evidence = &shown.read.evidence;
        let story = Story { case, cluster, receipts, waiting, evidence, now, colour: false };
        let state = state(case);
        let known =
            clean(cluster.map_or("a cluster that is not known", |cluster| cluster.name()), LINE_CHARS_MAX);
        let begun = case.stops.iter().map(|stop| stop.time).min().unwrap_or(case.opened_at);
        let steps = case.timeline.iter().enumerate().map(|(at, entry)| Step {
            number: at + 1,
            at: utc(entry.at),
            after: format!("+{}", age(begun, entry.at)),
            text: clean(&entry.text, LINE_CHARS_MAX),
        });
        let away = shown.problem.iter().map(|why| Problem::new(why, Some(shown.at)));
        let of_record = shown.read.record.as_ref().err();
        let of_record = of_record
            .map(|why| Problem::new(&format!("what sinks were told of late is not known: {why}"), None));
        let parts = story::sections(&story).into_iter().map(Part::of);
        let (first, rest) = parts.partition(|part: &Part| FIRST.contains(&part.head));
        Self {
            updated: utc(shown.at),
            is_open: case.outcome.is_none(),
            title: story::title(&story).unwrap_or_else(|| known.clone()),
            cluster: known,
            id: clean(case.id.as_str(), LINE_CHARS_MAX),
            state,
            tone: tone_word(tone(state)),
            problems: away.chain(of_record).collect(),
            first,
            picture: Picture::of(case, record.and_then(|record| record.history.running_seen_at), now),
            timeline: steps.collect(),
            rest,
        }
    }
}

impl Part {
    fn of(section: story::Section) -> Self {
        Self { head: section.head, lines: section.lines.into_iter().map(Said::of).collect() }
    }
}

impl Said {
    fn of(Line { name, text }: Line) -> Self {
        // Without its second backtick the first begins no code.
        let is_even = text.matches('`').count().is_multiple_of(2);
        let words = match is_even {
            true => text.split('`').enumerate().map(|(n, part)| (n % 2 == 1, part.to_owned())).collect(),
            false => vec![(false, text)],
        };
        Self { name, words }
    }
}
