//! The sinks that the settings name: what each gets, and where it goes.

use std::fmt::Write as _;

use serde::Serialize;

use crate::case::Takes;
use crate::config::Settings;
use crate::domain::Severity;
use crate::incident::Receiver;

/// One sink, as `check` tells it.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Row {
    name: String,
    /// The least severity that it gets, or `named`.
    takes: &'static str,
    /// It stands in for one that is down.
    fallback: bool,
    /// Its file and settings are in order.
    ok: bool,
    /// The hosts that its messages go to; null for one that is secret.
    hosts: Vec<Option<String>>,
}

/// The sinks, in the order of the setting.
pub(super) fn rows(settings: &Settings) -> Vec<Row> {
    let row = |route: &crate::case::Route| {
        let sink = settings.sinks.iter().find(|sink| sink.name() == route.sink);
        Row {
            name: route.sink.clone(),
            takes: match route.takes {
                Takes::From(least) => least.as_str(),
                Takes::Named => "named",
            },
            fallback: settings.routes.fallback() == Some(route.sink.as_str()),
            ok: sink.is_some(),
            hosts: sink.map(|sink| sink.receivers().into_iter().map(host).collect()).unwrap_or_default(),
        }
    };
    settings.routes.iter().map(row).collect()
}

fn host(receiver: Receiver) -> Option<String> {
    match receiver {
        Receiver::Host(host) => Some(host),
        Receiver::Secret => None,
    }
}

/// The sinks as lines for people.
pub(super) fn human(rows: &[Row]) -> String {
    if rows.is_empty() {
        return "sinks     none: nobody is told of incidents\n".to_owned();
    }
    let name_width = rows.iter().map(|row| row.name.len()).max().unwrap_or_default();
    let gets_width = rows.iter().map(|row| row.gets().len()).max().unwrap_or_default();
    let mut told = String::new();
    for (at, row) in rows.iter().enumerate() {
        let label = if at == 0 { "sinks" } else { "" };
        let (name, gets, goes) = (&row.name, row.gets(), row.goes());
        // Writing to a String can't fail.
        let _ = writeln!(told, "{label:<10}{name:name_width$}  {gets:gets_width$}  {goes}");
    }
    told
}

impl Row {
    fn gets(&self) -> String {
        let incidents = match Severity::parse(self.takes) {
            None => "what policies name it for".to_owned(),
            Some(Severity::Info) => "all incidents".to_owned(),
            Some(least) => format!("incidents from {least} on"),
        };
        format!("{incidents}{}", if self.fallback { "; the fallback" } else { "" })
    }

    fn goes(&self) -> String {
        let place = |host: &Option<String>| host.clone().unwrap_or_else(|| "a secret address".to_owned());
        let places = self.hosts.iter().map(place).collect::<Vec<_>>().join(" and ");
        if self.ok { format!("to {places}") } else { "broken: nothing is sent".to_owned() }
    }
}
