//! Which sinks get which incidents.

use std::collections::BTreeSet;

use super::fault::{Fault, FaultKind};
use super::reader::{Reader, meant, words};
use super::{FALLBACK_SINK_SETTING, SINKS_SETTING};
use crate::case::{Route, Routes, Takes};
use crate::domain::Severity;

/// The word for a sink that only gets what policies name it for.
const NAMED: &str = "named";

/// The name in a word of `STOP_GUARD_SINKS`: `pager` in `pager:high`.
pub(super) fn name_of(word: &str) -> &str {
    word.split_once(':').map_or(word, |(name, _)| name).trim_end()
}

/// Reads the routes. With any fault every sink gets every incident: what is told once too often harms nobody.
pub(super) fn read(reader: &mut Reader<'_>) -> Routes {
    let words: Vec<&str> = reader.get(SINKS_SETTING).map(words).into_iter().flatten().collect();
    let mut names = BTreeSet::new();
    let mut routes = Vec::new();
    let mut are_good = true;
    for word in &words {
        let sink = name_of(word);
        if !names.insert(sink) {
            reader.invalid(SINKS_SETTING, sink, "is named twice: name each sink once");
            are_good = false;
            continue;
        }
        match takes(word) {
            Some(takes) => routes.push(Route { sink: sink.to_owned(), takes }),
            None => {
                let least: Vec<&str> = Severity::ALL.iter().map(|severity| severity.as_str()).collect();
                let problem = format!(
                    "says neither from which severity on nor `{NAMED}`: behind the colon write one of {}, {NAMED}",
                    least.join(", ")
                );
                reader.invalid(SINKS_SETTING, word, &problem);
                are_good = false;
            }
        }
    }
    if are_good && !routes.is_empty() && routes.iter().all(|route| route.takes == Takes::Named) {
        let told = format!(
            "has `:{NAMED}` on every sink, so nobody would hear that the guard is broken: leave it off one of them"
        );
        reader.fault(Fault::about(SINKS_SETTING, FaultKind::Invalid, &told));
        are_good = false;
    }
    let fallback = fallback(reader, &names);
    if are_good { Routes::new(routes, fallback) } else { Routes::to_all(names) }
}

/// What stands behind the colon; everything where there is none.
fn takes(word: &str) -> Option<Takes> {
    match word.split_once(':').map(|(_, takes)| takes.trim()) {
        None => Some(Takes::From(Severity::Info)),
        Some(NAMED) => Some(Takes::Named),
        Some(severity) => Severity::parse(severity).map(Takes::From),
    }
}

/// The sink that steps in where another is down: one of the others.
fn fallback(reader: &mut Reader<'_>, names: &BTreeSet<&str>) -> Option<String> {
    let name = reader.get(FALLBACK_SINK_SETTING)?;
    if !names.contains(name) {
        let known: Vec<&str> = names.iter().copied().collect();
        let problem = match meant(name, &known) {
            Some(meant) => format!("is not among {SINKS_SETTING}: did you mean `{meant}`?"),
            None => format!(
                "is not among {SINKS_SETTING}: add it there, with `:{NAMED}` if it shall get nothing else"
            ),
        };
        reader.invalid(FALLBACK_SINK_SETTING, name, &problem);
        return None;
    }
    if names.len() == 1 {
        reader.invalid(
            FALLBACK_SINK_SETTING,
            name,
            "is the only sink: there is none that it could stand in for",
        );
        return None;
    }
    Some(name.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Environment;

    fn read_from(sinks: &str, fallback: &str) -> (Routes, String) {
        let environment = Environment::of([(SINKS_SETTING, sinks), (FALLBACK_SINK_SETTING, fallback)]);
        let mut reader = Reader::new(&environment);
        let routes = read(&mut reader);
        let told = reader.faults().iter().map(|fault| format!("{fault}\n")).collect();
        (routes, told)
    }

    fn shown(routes: &Routes) -> Vec<(&str, Takes)> {
        routes.iter().map(|route| (route.sink.as_str(), route.takes)).collect()
    }

    #[test]
    fn behind_a_sinks_name_stands_from_which_severity_on_it_is_told() {
        let (routes, told) = read_from("log, pager:high,security : named", "security");
        assert_eq!(told, "");
        let expected = [
            ("log", Takes::From(Severity::Info)),
            ("pager", Takes::From(Severity::High)),
            ("security", Takes::Named),
        ];
        assert_eq!(shown(&routes), expected);
        assert_eq!(routes.fallback(), Some("security"));
        assert_eq!(read_from("", ""), (Routes::default(), String::new()));
    }

    #[test]
    fn faults_of_routes_name_the_setting_and_then_every_sink_gets_everything() {
        let (routes, told) = read_from("log:loud, pager:high, pager, mail:", "fax");
        insta::assert_snapshot!(told, @r"
        STOP_GUARD_SINKS: `log:loud` says neither from which severity on nor `named`: behind the colon write one of info, low, medium, high, critical, named
        STOP_GUARD_SINKS: `pager` is named twice: name each sink once
        STOP_GUARD_SINKS: `mail:` says neither from which severity on nor `named`: behind the colon write one of info, low, medium, high, critical, named
        STOP_GUARD_FALLBACK_SINK: `fax` is not among STOP_GUARD_SINKS: add it there, with `:named` if it shall get nothing else
        ");
        let all = Takes::From(Severity::Info);
        assert_eq!(shown(&routes), [("log", all), ("mail", all), ("pager", all)]);
    }

    #[test]
    fn a_fallback_that_can_not_step_in_is_a_fault() {
        insta::assert_snapshot!(read_from("log,pager:high", "pagr").1, @"STOP_GUARD_FALLBACK_SINK: `pagr` is not among STOP_GUARD_SINKS: did you mean `pager`?");
        insta::assert_snapshot!(read_from("pager:high", "pager").1, @"STOP_GUARD_FALLBACK_SINK: `pager` is the only sink: there is none that it could stand in for");
    }

    #[test]
    fn somebody_hears_that_the_guard_is_broken() {
        let (routes, told) = read_from("log:named,pager:named", "");
        insta::assert_snapshot!(told, @"STOP_GUARD_SINKS has `:named` on every sink, so nobody would hear that the guard is broken: leave it off one of them");
        assert!(shown(&routes).iter().all(|(_, takes)| *takes == Takes::From(Severity::Info)));
    }
}
