//! Which sinks an incident is for: by how bad it is, and by whom policies name.

use serde::{Deserialize, Serialize};

use crate::domain::{IncidentState, Severity};
use crate::mutant::Mutant;

/// What a sink gets of its own accord.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Takes {
    /// Incidents of at least this severity.
    From(Severity),
    /// Only those whose policies name it (`@notify`).
    Named,
}

/// One sink and what it gets.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Route {
    /// The sink's name.
    pub sink: String,
    /// What it gets.
    pub takes: Takes,
}

/// Where incidents go. Every sink that works has one route.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Routes {
    routes: Vec<Route>,
    fallback: Option<String>,
    incidents_a_minute: usize,
}

/// Incidents of its own that a sink gets in a minute. People can take in no more at night, and the receivers throttle soon after
/// (Slack takes one message a second, Teams workflows four); what is more is a storm, and told as one incident.
pub const INCIDENTS_A_MINUTE: usize = 10;

impl Default for Routes {
    fn default() -> Self {
        Self::new(Vec::new(), None)
    }
}

/// What an incident is at the time of a message: this chooses who gets it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct News<'a> {
    /// Where the incident is in its life.
    pub state: IncidentState,
    /// How bad it is.
    pub severity: Severity,
    /// Sinks that the determining policies name.
    pub named: &'a [String],
    /// Sinks that got too many incidents lately: they hear of another one in their group.
    pub crowded: &'a [String],
}

impl Routes {
    /// These routes, with the sink that steps in where another is down.
    pub fn new(routes: Vec<Route>, fallback: Option<String>) -> Self {
        Self { routes, fallback, incidents_a_minute: INCIDENTS_A_MINUTE }
    }

    /// The same with another cap on the incidents that a sink gets in a minute.
    #[must_use]
    pub fn with_cap(self, incidents_a_minute: usize) -> Self {
        Self { incidents_a_minute, ..self }
    }

    /// Incidents of its own that a sink gets in a minute.
    pub fn incidents_a_minute(&self) -> usize {
        self.incidents_a_minute
    }

    /// Every one of these sinks gets every incident.
    pub fn to_all<S: Into<String>>(sinks: impl IntoIterator<Item = S>) -> Self {
        let takes = Takes::From(Severity::Info);
        let routes = sinks.into_iter().map(|sink| Route { sink: sink.into(), takes }).collect();
        Self::new(routes, None)
    }

    /// The same for sinks that work: others have nothing delivered to them, and one without a route gets everything.
    #[must_use]
    pub fn among(&self, working: &[&str]) -> Self {
        let takes = |sink: &str| self.routes.iter().find(|route| route.sink == sink).map(|route| route.takes);
        let routes = working.iter().map(|sink| Route {
            sink: (*sink).to_owned(),
            takes: takes(sink).unwrap_or(Takes::From(Severity::Info)),
        });
        let fallback = self.fallback.clone().filter(|sink| working.contains(&sink.as_str()));
        Self::new(routes.collect(), fallback).with_cap(self.incidents_a_minute)
    }

    /// The routes, in the order of the setting.
    pub fn iter(&self) -> impl Iterator<Item = &Route> {
        self.routes.iter()
    }

    /// The sink that gets the incidents of one that is down.
    pub fn fallback(&self) -> Option<&str> {
        self.fallback.as_deref()
    }

    /// The sinks that an incident is for.
    fn of<'r>(&'r self, news: News<'r>) -> impl Iterator<Item = &'r str> {
        let is_for = move |route: &&Route| {
            let by_severity = match route.takes {
                Takes::From(least) => news.severity >= least,
                Takes::Named => false,
            };
            by_severity || news.named.contains(&route.sink)
        };
        self.routes.iter().filter(is_for).map(|route| route.sink.as_str())
    }
}

/// Who hears of one incident.
///
/// A sink that got its beginning gets its updates and its end; one that did not, gets neither.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Audience {
    /// Those that were told. `None` on an incident of a version that told every sink.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    told: Option<Vec<String>>,
    /// Those that hear of it in their group, and get no messages of its own.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    grouped: Vec<String>,
}

/// Who gets one message, and as what.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Hearers {
    /// They know of the incident.
    pub known: Vec<String>,
    /// They hear of it for the first time: for them it is opened now.
    pub new: Vec<String>,
}

impl Audience {
    /// That of a new incident.
    pub fn nobody() -> Self {
        Self { told: Some(Vec::new()), grouped: Vec::new() }
    }

    /// Whether nothing is known of it: it is not stored then.
    pub fn is_unknown(&self) -> bool {
        self.told.is_none()
    }

    /// Those that were told; `None` on an incident of a version that told every sink.
    pub fn told(&self) -> Option<&[String]> {
        self.told.as_deref()
    }

    /// Those that hear of it in their group.
    pub fn grouped(&self) -> &[String] {
        &self.grouped
    }

    /// Whether a sink hears of it, by itself or in its group.
    pub fn knows(&self, sink: &str) -> bool {
        let is_it = |known: &String| known == sink;
        self.told.as_ref().is_none_or(|told| told.iter().any(is_it)) || self.grouped.iter().any(is_it)
    }

    /// From now on this sink hears of it, too.
    pub fn add(&mut self, sink: &str) {
        if !self.knows(sink) {
            self.told.get_or_insert_default().push(sink.to_owned());
        }
    }

    /// Who gets this message. Nobody hears of an incident for the first time by its end.
    pub fn hears(&mut self, news: News<'_>, routes: &Routes) -> Hearers {
        let told = self.told.get_or_insert_with(|| routes.iter().map(|route| route.sink.clone()).collect());
        let known = told.clone();
        if news.state == IncidentState::Resolved {
            let all = || routes.iter().map(|route| route.sink.clone()).collect();
            let known = if Mutant::EndToAll.is_on() { all() } else { known };
            return Hearers { known, new: Vec::new() };
        }
        let unheard = routes.of(news).map(str::to_owned);
        let unheard = unheard.filter(|sink| !known.contains(sink) && !self.grouped.contains(sink));
        let (crowded, new): (Vec<String>, Vec<String>) =
            unheard.partition(|sink| news.crowded.contains(sink));
        told.extend(new.iter().cloned());
        self.grouped.extend(crowded);
        Hearers { known, new }
    }
}
