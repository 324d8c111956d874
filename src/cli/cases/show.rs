//! `cases show`: the whole story of one case.

use anyhow::Context as _;
use serde_json::{Value, json};

use super::row::state;
use super::story::{Story, story};
use super::warn;
use crate::case::outbox::{Message, Receipt};
use crate::case::{Case, Record, sentences_now};
use crate::cli::operator::{Operator, block_on};
use crate::cli::stored::by_id::{Found, case_id, find};
use crate::cli::stored::evidence::{self, read_all};
use crate::cli::{Exit, Format, output};
use crate::config::Environment;
use crate::store::OpenMarker;

/// Arguments of `cases show`.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Example:
  aks-stop-guard cases show 183dfd2ce3e81077fefbe09205c4ed44-1789408810

Exit codes: 0 done, 1 there is no such case or something could not be read, 2 wrong arguments, 3 invalid settings.")]
pub(super) struct Args {
    /// The case's id, as `cases list` and its incident have it
    #[arg(value_name = "ID", value_parser = case_id)]
    id: OpenMarker,
    /// The form of the answer
    #[arg(short, long, value_enum, default_value = "human")]
    output: Format,
}

pub(super) fn run(args: &Args, environment: &Environment) -> anyhow::Result<Exit> {
    let operator = match Operator::open(environment)? {
        Ok(operator) => operator,
        Err(exit) => return Ok(exit),
    };
    let now = operator.now();
    let shown = format!("{}-{}", args.id.key, args.id.generation);
    let (Found { case, record, cluster, .. }, evidence) = block_on(async {
        let found = find(&operator.store, &args.id, now).await?;
        let evidence = read_all(&operator.store, &args.id, &found.case.evidence).await;
        Ok((found, evidence))
    })
    .with_context(|| format!("case `{shown}`"))?;
    let record = match record {
        Ok(record) => Some(record),
        Err(error) => {
            warn(&format!("what sinks were told of late is not known: {error:#}"));
            None
        }
    };
    let cluster = cluster.as_ref();
    let receipts = receipts(&case, record.as_ref());
    let waiting = waiting(&case, record.as_ref());
    match args.output {
        Format::Human => {
            let colour = output::has_colours(environment);
            let evidence = &evidence;
            output::print(&story(&Story { case: &case, cluster, receipts, waiting, evidence, now, colour }));
        }
        Format::Json => {
            let of =
                Story { case: &case, cluster, receipts, waiting, evidence: &evidence, now, colour: false };
            output::print(&format!("{:#}\n", document(&of)?));
        }
    }
    Ok(if record.is_some() { Exit::Ok } else { Exit::Failure })
}

/// What sinks took of the case's incidents. Of one that is over, the case itself knows it up to its end, the record what came later.
pub(in crate::cli) fn receipts<'a>(case: &'a Case, record: Option<&'a Record>) -> Vec<&'a Receipt> {
    let newest = record.into_iter().flat_map(|record| record.receipts_of(&case.id));
    let mut all: Vec<&Receipt> = newest.collect();
    for kept in &case.receipts {
        if !all.iter().any(|newer| newer.sink == kept.sink && newer.incident == kept.incident) {
            all.push(kept);
        }
    }
    all
}

/// What sinks have not taken yet.
pub(in crate::cli) fn waiting<'a>(case: &Case, record: Option<&'a Record>) -> Vec<&'a Message> {
    let is_of_case = |message: &&Message| case.id.has_incident(&message.incident.id);
    record.into_iter().flat_map(|record| &record.outbox).filter(is_of_case).collect()
}

/// A piece of evidence, for programs.
fn told(found: &evidence::Found) -> Value {
    json!({ "name": found.name, "state": found.kept.as_str(), "exhibit": found.exhibit })
}

/// The same for programs.
pub(super) fn document(of: &Story<'_>) -> serde_json::Result<Value> {
    let Story { case, cluster, receipts, waiting, evidence, now, .. } = of;
    let said = cluster.map(|cluster| sentences_now(cluster, case, *now));
    let waiting = waiting.iter().flat_map(|message| {
        message.pending.iter().map(|pending| {
            json!({
                "incident": message.incident.id,
                "state": message.incident.state.as_str(),
                "sink": pending.sink,
                "tries": pending.tries,
                "next_at": pending.next_at,
                "failure": pending.failure,
            })
        })
    });
    Ok(json!({
        "id": case.id,
        "cluster": cluster,
        "state": state(case),
        "title": said.as_ref().map(|said| &said.title),
        "done": said.as_ref().map(|said| &said.done),
        "next": said.as_ref().map(|said| &said.next),
        "warnings": said.as_ref().map(|said| &said.warnings),
        "receipts": output::sorted(receipts)?,
        "undelivered": waiting.collect::<Vec<_>>(),
        "evidence": evidence.iter().map(told).collect::<Vec<_>>(),
        "case": output::sorted(case)?,
    }))
}
