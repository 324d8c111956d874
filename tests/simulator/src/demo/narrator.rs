//! Tells the story while it happens: from the world's journal, the webhook receiver and the guard's log.

use std::io::Write;
use std::time::Duration;

use jiff::Timestamp;
use serde_json::Value;
use tokio::sync::broadcast;
use tokio::sync::mpsc::Receiver;

use super::card;
use super::cast::{Scene, pipeline};
use super::paint::{Ink, Paint};
use super::scenes::{Act, Cue};
use super::stage::{GUARD, Stage};
use crate::host::log;
use crate::http::now;
use crate::world::{ClusterId, Deed, Entry, Happening, RequestKind, RequestResult};

/// Between two tellings: what happens to many clusters in that time is told in one line.
const EVERY: Duration = Duration::from_millis(300);
/// Columns of a line's subject.
const SUBJECT: usize = 13;

/// Where the story goes.
pub(super) struct Screen<W> {
    pub(super) out: W,
    pub(super) paint: Paint,
    /// Whether a line can be written over, to show that time passes.
    pub(super) is_terminal: bool,
}

impl<W: Write> Screen<W> {
    /// Nobody may be reading any more; the demo goes on, since its exit code still tells.
    pub(super) fn line(&mut self, text: &str) {
        self.clear();
        let _ = writeln!(self.out, "{text}");
    }

    fn progress(&mut self, text: &str) {
        if self.is_terminal {
            self.clear();
            let _ = write!(self.out, "{}", self.paint.text(Ink::Dim, text));
            let _ = self.out.flush();
        }
    }

    pub(super) fn clear(&mut self) {
        if self.is_terminal {
            let _ = write!(self.out, "\r\x1b[2K");
        }
    }
}

/// One thing to tell.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Line {
    at: Timestamp,
    scene: Option<Scene>,
    /// How many clusters this happened to since the last telling.
    count: usize,
    subject: String,
    text: String,
    ink: Option<Ink>,
    card: Vec<String>,
}

/// The teller, and how far it has come.
pub(super) struct Narrator<'a, W> {
    stage: &'a Stage,
    screen: &'a mut Screen<W>,
    cues: Receiver<Cue>,
    guard: broadcast::Receiver<log::Entry>,
    began: Timestamp,
    speed_up: u32,
    entries_told: usize,
    deliveries_told: usize,
    /// The scenes that have begun, in order: a cluster's lines belong to the newest of its scenes.
    begun: Vec<(Timestamp, Scene)>,
}

impl<'a, W: Write> Narrator<'a, W> {
    pub(super) fn new(
        stage: &'a Stage,
        screen: &'a mut Screen<W>,
        cues: Receiver<Cue>,
        speed_up: u32,
    ) -> anyhow::Result<Self> {
        let (_, guard) = stage.host()?.log().follow();
        let (began, entries_told, deliveries_told) = (now(), 0, 0);
        let begun = Vec::new();
        Ok(Self { stage, screen, cues, guard, began, speed_up, entries_told, deliveries_told, begun })
    }

    /// Tells for as long as `story` goes on, and to its end.
    pub(super) async fn tell<T>(&mut self, story: impl Future<Output = T>) -> T {
        tokio::pin!(story);
        loop {
            tokio::select! {
                end = &mut story => {
                    self.tell_news();
                    self.screen.clear();
                    return end;
                }
                () = tokio::time::sleep(EVERY) => self.tell_news(),
            }
        }
    }

    fn tell_news(&mut self) {
        let mut lines = self.cues();
        lines.extend(self.guards_lines());
        lines.extend(self.journal_lines());
        lines.extend(self.cards());
        for line in &mut lines {
            line.scene = line.scene.map(|scene| self.newest(scene, line.at));
        }
        lines.sort_by_key(|line| line.at);
        for line in merged(lines) {
            self.print(&line);
        }
        let progress = self.progress();
        self.screen.progress(&progress);
    }

    fn newest(&self, scene: Scene, at: Timestamp) -> Scene {
        let mut begun =
            self.begun.iter().rev().filter(|(begun_at, _)| *begun_at <= at).map(|(_, begun)| *begun);
        begun.find(|begun| begun.clusters() == scene.clusters()).unwrap_or(scene)
    }

    fn print(&mut self, line: &Line) {
        let paint = self.screen.paint;
        let number = line.scene.map_or(String::new(), |scene| format!("[{}]", scene.number()));
        let clock = paint.text(Ink::Dim, &format!("{:>6}", self.clock(line.at)));
        let text = match line.ink {
            Some(ink) => paint.text(ink, &line.text),
            None => line.text.clone(),
        };
        let number = paint.text(Ink::Cyan, &number);
        self.screen.line(&format!("{clock} {number} {:<SUBJECT$} {text}", line.subject));
        for part in &line.card {
            self.screen.line(part);
        }
    }

    /// Simulated time since the beginning, `m:ss`.
    fn clock(&self, at: Timestamp) -> String {
        let passed = at.duration_since(self.began).as_millis().max(0) * i128::from(self.speed_up) / 1_000;
        format!("{}:{:02}", passed / 60, passed % 60)
    }

    fn progress(&self) -> String {
        let world = self.stage.azure.world();
        let down = world.clusters().filter(|cluster| !cluster.is_running()).count();
        format!("{:>6} … {down} clusters are not running", self.clock(now()))
    }

    fn cues(&mut self) -> Vec<Line> {
        let mut lines = Vec::new();
        while let Ok(cue) = self.cues.try_recv() {
            let Cue { at, scene, what } = cue;
            lines.push(match what {
                Act::Begins => {
                    self.begun.push((at, scene));
                    let text = format!("── {} ──", scene.title());
                    Line { at, ink: Some(Ink::Bold), subject: String::new(), ..plain(scene, text) }
                }
                Act::Does(text) => Line { at, ink: Some(Ink::Magenta), ..plain(scene, text) },
            });
        }
        lines
    }

    fn journal_lines(&mut self) -> Vec<Line> {
        let world = self.stage.azure.world();
        let entries = world.journal().entries.get(self.entries_told..).unwrap_or_default();
        self.entries_told += entries.len();
        entries.iter().filter_map(journal_line).collect()
    }

    fn cards(&mut self) -> Vec<Line> {
        let paint = self.screen.paint;
        let receiver = self.stage.azure.receiver();
        let deliveries = receiver.deliveries().get(self.deliveries_told..).unwrap_or_default();
        self.deliveries_told += deliveries.len();
        let line = |delivery: &crate::sink::Delivery| Line {
            at: delivery.at,
            scene: scene_of_incident(&delivery.body),
            count: 1,
            subject: String::new(),
            text: "people are told".to_owned(),
            ink: Some(Ink::Dim),
            card: card::lines(delivery, paint),
        };
        deliveries.iter().map(line).collect()
    }

    fn guards_lines(&mut self) -> Vec<Line> {
        let mut lines = Vec::new();
        loop {
            match self.guard.try_recv() {
                Ok(entry) if entry.category == log::CONSOLE => lines.extend(guards_line(&entry.message)),
                Ok(_) | Err(broadcast::error::TryRecvError::Lagged(_)) => {}
                Err(broadcast::error::TryRecvError::Empty | broadcast::error::TryRecvError::Closed) => {
                    return lines;
                }
            }
        }
    }
}

fn plain(scene: Scene, text: String) -> Line {
    let subject = match scene.clusters().as_slice() {
        [one] => one.name.clone(),
        _ => String::new(),
    };
    Line { at: now(), scene: Some(scene), count: 1, subject, text, ink: None, card: Vec::new() }
}

/// Lines that say the same of several clusters of a scene become one, at the time of the first.
fn merged(lines: Vec<Line>) -> Vec<Line> {
    let mut merged: Vec<Line> = Vec::new();
    for line in lines {
        let same = merged.iter_mut().find(|known| {
            known.scene == line.scene
                && known.text == line.text
                && known.card.is_empty()
                && line.card.is_empty()
                && !line.subject.is_empty()
        });
        match same {
            Some(known) => {
                known.count += 1;
                known.subject = format!("{} clusters", known.count);
            }
            None => merged.push(line),
        }
    }
    merged
}

/// What Azure did, as far as it belongs to the story.
fn journal_line(entry: &Entry) -> Option<Line> {
    let cluster = entry.cluster.as_ref()?;
    let by_guard = entry.who == GUARD;
    let who = if by_guard { "the guard" } else { entry.who.as_str() };
    let (text, ink) = match &entry.what {
        Happening::Accepted(Deed::Stop) => (format!("{who} stops it"), Some(Ink::Yellow)),
        Happening::Accepted(Deed::Start) => (format!("{who} starts it, Azure accepts"), Some(Ink::Cyan)),
        Happening::Succeeded(Deed::Stop) => ("is stopped".to_owned(), Some(Ink::Yellow)),
        Happening::Succeeded(Deed::Start) => ("runs".to_owned(), Some(Ink::Green)),
        Happening::Failed(deed, code) => (format!("{deed:?} failed: {code}"), Some(Ink::Red)),
        Happening::Refused(deed, code) => {
            (format!("Azure refuses {deed:?} to {who}: {code}"), Some(Ink::Red))
        }
        Happening::Request { kind: RequestKind::Start, result: RequestResult::Status(status @ 400..) } => {
            (format!("Azure refuses a start ({status})"), Some(Ink::Red))
        }
        Happening::Request { .. } | Happening::Accepted(_) | Happening::Succeeded(_) => return None,
    };
    Some(Line { at: entry.at, ..about(cluster, text, ink) })
}

fn about(cluster: &ClusterId, text: String, ink: Option<Ink>) -> Line {
    Line {
        at: now(),
        scene: Scene::of(cluster),
        count: 1,
        subject: cluster.name.clone(),
        text,
        ink,
        card: Vec::new(),
    }
}

/// What the guard says of a stop event and of a case's end; the rest of its log is not for this story.
fn guards_line(line: &str) -> Option<Line> {
    let said: Value = serde_json::from_str(line).ok()?;
    let member = |name: &str| said.get(name).and_then(Value::as_str);
    let cluster: ClusterId = member("cluster")?.parse().ok()?;
    let text = match (member("message")?, member("outcome")?) {
        ("stop event", outcome) => {
            format!("the guard hears of a stop by {}: {outcome}", named(member("who")?))
        }
        ("case closed", outcome) => format!("the guard closes the case: {outcome}"),
        _ => return None,
    };
    let at = member("time").and_then(|time| time.parse().ok()).unwrap_or_else(now);
    Some(Line { at, ..about(&cluster, text, None) })
}

/// An identity without a name of its own is known to the log by its object id.
fn named(who: &str) -> String {
    let pipeline = pipeline();
    if who == pipeline.object_id { format!("{} ({who})", pipeline.name) } else { who.to_owned() }
}

fn scene_of_incident(body: &Value) -> Option<Scene> {
    let id: ClusterId = body.pointer("/data/clusters/0/id")?.as_str()?.parse().ok()?;
    Scene::of(&id)
}

#[cfg(test)]
mod tests;
