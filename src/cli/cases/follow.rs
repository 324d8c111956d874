//! `cases follow`: what happens, as it happens.

mod watch;

use std::time::Duration;

use anyhow::Context as _;

use super::row::tone;
use super::warn;
use crate::cli::operator::{Operator, block_on};
use crate::cli::stored::by_id::case_id;
use crate::cli::{Exit, output};
use crate::config::Environment;
use crate::domain::text::{clean, utc};
use crate::store::{OpenMarker, StoreError};
use watch::{News, Seen, Watch, WatchOne};

/// Seconds between two looks if nothing else is asked for: the guard's own steps are 30 s apart.
const EVERY_SECONDS: u64 = 5;
/// Longest time between two looks at a store that is away.
const AWAY_PAUSE_MAX: Duration = Duration::from_secs(60);
/// Width of clusters' names. Longer ones are not cut.
const CLUSTER: usize = 24;
/// Width of the longest state, `already-running`.
const STATE: usize = 15;
/// Longest line, in characters.
const LINE_CHARS_MAX: usize = 1_000;

/// Arguments of `cases follow`.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  aks-stop-guard cases follow
  aks-stop-guard cases follow 183dfd2ce3e81077fefbe09205c4ed44-1789408810 -o json

One list of the records' versions is asked for at each look, and only records that changed are read; of one case, its record. A store that
is away is said once, and asked again at growing intervals.

Exit codes: 0 the case that is followed is over, 1 there is no such case or the store lets nobody in, 2 wrong arguments, 3 invalid
settings. Without an ID it ends by Ctrl-C.")]
pub(super) struct Args {
    /// One case, to its end; all cases if left out
    #[arg(value_name = "ID", value_parser = case_id)]
    id: Option<OpenMarker>,
    /// Seconds between two looks
    #[arg(long, value_name = "SECONDS", default_value_t = EVERY_SECONDS, value_parser = clap::value_parser!(u64).range(1..=3_600))]
    every: u64,
    /// Lines for people, or one JSON object a line
    #[arg(short, long, value_enum, default_value = "human")]
    output: crate::cli::Format,
}

pub(super) fn run(args: &Args, environment: &Environment) -> anyhow::Result<Exit> {
    let operator = match Operator::open(environment)? {
        Ok(operator) => operator,
        Err(exit) => return Ok(exit),
    };
    let every = Duration::from_secs(args.every);
    let form =
        Form { json: args.output == crate::cli::Format::Json, colour: output::has_colours(environment) };
    let watched = match &args.id {
        Some(id) => Watched::One(WatchOne { id: id.clone(), told: None }),
        None => Watched::All(Watch::default()),
    };
    block_on(follow(&operator, watched, every, form))
}

/// What is followed.
enum Watched {
    All(Watch),
    One(WatchOne),
}

/// How it is told.
#[derive(Debug, Clone, Copy)]
struct Form {
    json: bool,
    colour: bool,
}

async fn follow(
    operator: &Operator,
    mut watched: Watched,
    every: Duration,
    form: Form,
) -> anyhow::Result<Exit> {
    let mut failures = 0;
    let mut was_answered = false;
    loop {
        let mut seen = Seen::default();
        let looked = match &mut watched {
            Watched::All(watch) => watch.look(&operator.store, operator.now(), &mut seen).await,
            Watched::One(watch) => watch.look(&operator.store, operator.now(), &mut seen).await,
        };
        seen.problems.iter().for_each(|problem| warn(problem));
        for news in &seen.news {
            // Nobody reads any more.
            if !output::is_heard(&line(news, form)) {
                return Ok(Exit::Ok);
            }
        }
        match looked {
            Ok(()) => {
                if failures > 0 {
                    output::error("the store answers again\n");
                }
                (failures, was_answered) = (0, true);
            }
            Err(error) if may_pass(&error, was_answered) => {
                if failures == 0 {
                    warn(&format!("{error:#}; asking again until it answers"));
                }
                failures += 1;
            }
            Err(error) => return Err(error).context("nothing can be followed"),
        }
        if let Watched::One(WatchOne { told: Some(told), .. }) = &watched
            && told.is_over
        {
            return Ok(Exit::Ok);
        }
        tokio::time::sleep(pause(every, failures)).await;
    }
}

/// Whether asking again may help. What once was answered may be again, whatever is wrong with it now; a case that there never was will
/// not be.
fn may_pass(error: &anyhow::Error, was_answered: bool) -> bool {
    was_answered || matches!(error.downcast_ref(), Some(StoreError::Unavailable(_)))
}

/// How long to wait: longer after each failure.
fn pause(every: Duration, failures: u32) -> Duration {
    let doubled = every.saturating_mul(1_u32.checked_shl(failures).unwrap_or(u32::MAX));
    doubled.min(AWAY_PAUSE_MAX.max(every))
}

fn line(news: &News, form: Form) -> String {
    if form.json {
        // It has no key that is not a text, so it always is JSON.
        return serde_json::to_string(news).unwrap_or_default() + "\n";
    }
    let name = news.cluster.as_ref().map_or("-", |cluster| cluster.name());
    let case = if news.is_first { format!("case {}: ", news.case) } else { String::new() };
    let state = tone(news.state).paint(&format!("{:STATE$}", news.state), form.colour);
    let text = clean(&format!("{case}{}", news.text), LINE_CHARS_MAX);
    format!("{}  {:CLUSTER$}  {state}  {text}\n", utc(news.at), clean(name, LINE_CHARS_MAX))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::case::CaseId;
    use crate::domain::ClusterId;

    #[test]
    fn a_store_that_is_away_is_asked_less_and_less_often_and_every_minute_at_last() {
        let pauses = |every| -> Vec<u64> {
            (0..6).map(|failures| pause(Duration::from_secs(every), failures).as_secs()).collect()
        };
        assert_eq!(pauses(5), [5, 10, 20, 40, 60, 60]);
        assert_eq!(pauses(90), [90; 6], "never more often than asked for");
        assert_eq!(pause(Duration::from_secs(5), 99).as_secs(), 60);
    }

    #[test]
    fn a_line_says_when_which_cluster_where_it_stands_and_what_happened() {
        let id = "/subscriptions/aaaa0a0a-bb1b-cc2c-dd3d-eeeeee4e4e4e/resourceGroups/rg-prod/providers/\
            Microsoft.ContainerService/managedClusters/aks-prod-01";
        let mut news = News {
            at: "2026-09-14T18:00:10Z".parse().unwrap(),
            case: CaseId::new(&ClusterId::parse(id).unwrap().key(), 1_789_408_810),
            cluster: Some(ClusterId::parse(id).unwrap()),
            state: "open",
            text: "stopped by mallory\u{1b}[2J\n (user)".to_owned(),
            is_first: true,
        };
        let told = |news: &News, json| line(news, Form { json, colour: false });
        let first = told(&news, false);
        news.is_first = false;
        insta::assert_snapshot!(first + &told(&news, false) + &told(&news, true), @r#"
        2026-09-14 18:00:10 UTC  aks-prod-01               open             case 183dfd2ce3e81077fefbe09205c4ed44-1789408810: stopped by mallory�[2J� (user)
        2026-09-14 18:00:10 UTC  aks-prod-01               open             stopped by mallory�[2J� (user)
        {"at":"2026-09-14T18:00:10Z","case":"183dfd2ce3e81077fefbe09205c4ed44-1789408810","cluster":"/subscriptions/aaaa0a0a-bb1b-cc2c-dd3d-eeeeee4e4e4e/resourceGroups/rg-prod/providers/Microsoft.ContainerService/managedClusters/aks-prod-01","state":"open","text":"stopped by mallory\u001b[2J\n (user)"}
        "#);
    }

    #[test]
    fn only_a_store_that_is_away_is_waited_for_at_the_beginning() {
        let away = || anyhow::Error::from(StoreError::Unavailable("503".to_owned()));
        let denied = || anyhow::Error::from(StoreError::Denied("403".to_owned()));
        assert!(may_pass(&away(), false) && !may_pass(&denied(), false) && may_pass(&denied(), true));
    }
}
