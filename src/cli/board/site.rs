//! The pages as HTML: one frame, and in it the part that changes while somebody looks.

use jiff::Timestamp;
use minijinja::value::{Serde, Value};
use minijinja::{Environment, Error, context};
use serde::Serialize;

use super::Board;
use super::case::Shown;
use super::case_view::CaseView;
use super::closed_view::{ClosedView, Filter};
use super::overview::Overview;
use super::server::Page;
use crate::domain::text::{clean, utc};
use crate::page::{self, Inline};
use crate::store::OpenMarker;
use axum::http::StatusCode;

const TEMPLATES: [(&str, &str); 5] = [
    ("frame", include_str!("frame.html")),
    ("overview", include_str!("overview.html")),
    ("closed", include_str!("closed.html")),
    ("case", include_str!("case.html")),
    ("missing", include_str!("missing.html")),
];
const STYLE: &str = include_str!("board.css");
const SCRIPT: &str = include_str!("board.js");

/// Seconds between two updates of a page of what goes on.
const UPDATE_SECONDS: u32 = 5;
/// Seconds between two updates of what changes seldom.
const SELDOM_SECONDS: u32 = 30;
/// Longest text of a problem that is shown, in characters.
const PROBLEM_CHARS_MAX: usize = 1_000;

/// Something that could not be read.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(super) struct Problem {
    what: String,
    /// Since when what is shown in its place is known.
    known_at: Option<String>,
}

impl Problem {
    /// A text may be longer than a page can show, and others' texts are in it.
    pub(super) fn new(what: &str, known_at: Option<Timestamp>) -> Self {
        Self { what: clean(what, PROBLEM_CHARS_MAX), known_at: known_at.map(utc) }
    }
}

/// The templates, and what is the same on all pages.
pub(super) struct Site {
    engine: Environment<'static>,
    root: String,
    style: Inline,
    script: Inline,
}

/// What the frame says of a page.
#[derive(Serialize)]
struct Frame<'a> {
    title: &'a str,
    /// Which page of those that every page leads to.
    here: &'a str,
    /// Seconds between two updates; 0 for a page that does not change.
    every: u32,
    /// The form that asks for what is shown, if there is one.
    filter: Option<&'a Filter>,
}

impl Site {
    /// Pages below this path.
    pub(super) fn new(root: String) -> Result<Self, Error> {
        let mut engine = page::engine();
        for (name, text) in TEMPLATES {
            engine.add_template(name, text)?;
        }
        Ok(Self { engine, root, style: Inline::style(STYLE), script: Inline::script(SCRIPT) })
    }

    /// The content security policy of all answers: this style, this script, which may ask this server, and nothing else.
    pub(super) fn policy(&self) -> String {
        format!(
            "default-src 'none'; style-src '{}'; script-src '{}'; connect-src 'self'; img-src data:; form-action 'self'; base-uri 'none'; frame-ancestors 'none'",
            self.style.source(),
            self.script.source()
        )
    }

    pub(super) fn overview(&self, board: &Board, is_part: bool) -> Result<Page, Error> {
        let known = board.known();
        let view = Overview::of(&known, board.now());
        let frame = Frame { title: "Overview", here: "overview", every: UPDATE_SECONDS, filter: None };
        self.page(&frame, "overview", &view, is_part)
    }

    pub(super) fn closed(&self, board: &Board, filter: &Filter, is_part: bool) -> Result<Page, Error> {
        let view = ClosedView::of(&board.closed(), filter);
        let every = if view.is_reading { UPDATE_SECONDS } else { SELDOM_SECONDS };
        let frame = Frame { title: "Closed cases", here: "closed", every, filter: Some(filter) };
        self.page(&frame, "closed", &view, is_part)
    }

    pub(super) fn case(
        &self,
        id: &OpenMarker,
        case: Result<Shown, String>,
        now: Timestamp,
        is_part: bool,
    ) -> Result<Page, Error> {
        let shown = match case {
            Ok(shown) => shown,
            Err(why) => {
                let frame = Frame { title: "No such case", here: "", every: SELDOM_SECONDS, filter: None };
                let view = context! { id => format!("{}-{}", id.key, id.generation), why => Problem::new(&why, None).what };
                let page = self.page(&frame, "missing", &view, is_part)?;
                return Ok(Page { status: StatusCode::NOT_FOUND, ..page });
            }
        };
        let view = CaseView::of(&shown, now);
        let every = if view.is_open { UPDATE_SECONDS } else { SELDOM_SECONDS };
        let title = format!("{}: {}", view.cluster, view.state);
        let frame = Frame { title: &title, here: "", every, filter: None };
        self.page(&frame, "case", &view, is_part)
    }

    fn page(
        &self,
        frame: &Frame<'_>,
        name: &str,
        view: &impl Serialize,
        is_part: bool,
    ) -> Result<Page, Error> {
        let root = context! { root => &self.root };
        let live = self.engine.get_template(name)?.render(context! { ..Value::from(Serde(view)), ..root })?;
        let html = if is_part {
            live
        } else {
            let inside = context! {
                root => &self.root,
                style => self.style.value(),
                script => self.script.value(),
                // It was made by a template that escapes every value.
                live => Value::from_safe_string(live),
            };
            self.engine.get_template("frame")?.render(context! { ..Value::from(Serde(frame)), ..inside })?
        };
        Ok(Page { status: StatusCode::OK, html })
    }
}
