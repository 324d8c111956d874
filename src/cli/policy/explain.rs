//! `policy explain`: why policies decide as they do.

use std::path::PathBuf;

use anyhow::Context as _;
use jiff::Timestamp;
use jiff::tz::TimeZone;
use serde_json::{Value, json};

use super::words;
use crate::case::{Case, Episode, Mode, Record, explain::questions};
use crate::cli::{Exit, Format, evaluate, offline, output};
use crate::config::{Environment, Settings};
use crate::policy::{Explained, Policies};
use crate::store::RECORD_BYTES_MAX;

/// Arguments of `policy explain`.
#[derive(Debug, clap::Args)]
#[command(
    group = clap::ArgGroup::new("about").required(true),
    after_help = "\
Examples, for an event and for a case or a record as the store holds it:
  aks-stop-guard policy explain --event stop.json --cluster cluster.json
  az storage blob download --auth-mode login --account-name <account> --container-name <container>-cases \\
    --name <case>.json --file case.json
  aks-stop-guard policy explain --case case.json

Nothing is asked of Azure or of the state. What is told is a recipe for evading the policies: mind who reads it.

Exit codes: 0 explained, 1 it failed, 3 the settings or the policies are invalid."
)]
pub(super) struct Args {
    /// An event: Event Grid schema or CloudEvents 1.0, JSON (`-`: from standard input)
    #[arg(long, value_name = "FILE", group = "about")]
    event: Option<PathBuf>,
    /// A stored case: a cluster's record, or a case from the archive, JSON (`-`: from standard input)
    #[arg(long, value_name = "FILE", group = "about")]
    case: Option<PathBuf>,
    /// The cluster as a GET of ARM gives it; for an event
    #[arg(long, value_name = "FILE", requires = "event")]
    cluster: Option<PathBuf>,
    /// The folder of policies, instead of STOP_GUARD_POLICIES
    #[arg(long, value_name = "DIR")]
    policies: Option<PathBuf>,
    /// When it is asked, RFC 3339; by default right at the stop, for a case when it was last looked at
    #[arg(long, value_name = "TIME")]
    at: Option<Timestamp>,
    /// The form of the answer
    #[arg(short, long, value_enum, default_value = "human")]
    output: Format,
}

pub(super) fn run(args: &Args, environment: &Environment) -> anyhow::Result<Exit> {
    let Some(offline) = offline::load(environment, args.policies.as_deref()) else {
        return Ok(Exit::Invalid);
    };
    match (&args.event, &args.case) {
        (Some(event), _) => {
            let asked = evaluate::Asked {
                event,
                cluster: args.cluster.as_deref(),
                mode: Some(Mode::Act),
                at: args.at,
            };
            match evaluate::decide(&asked, environment, &offline)? {
                evaluate::Decided::Explained(decided) => {
                    let told = decided.json()?;
                    print(args, &decided.human(), told, &decided.questions);
                }
                evaluate::Decided::Ignored(why) => {
                    print(args, &format!("ignored   {why}\n"), json!({ "ignored": why }), &[]);
                }
            }
        }
        (None, Some(path)) => {
            let text = offline::read(path, RECORD_BYTES_MAX)?;
            let case = stored(&text).with_context(|| format!("`{}`", path.display()))?;
            of_case(args, &case, &offline.settings, &offline.policies)?;
        }
        (None, None) => anyhow::bail!("there is nothing to explain"),
    }
    Ok(Exit::Ok)
}

fn print(args: &Args, head: &str, mut told: Value, questions: &[Explained]) {
    output::print(&match args.output {
        Format::Human => {
            let questions: Vec<String> = questions.iter().map(words::question).collect();
            format!("{head}\n{}", questions.join("\n"))
        }
        Format::Json => {
            if let Some(members) = told.as_object_mut() {
                members.insert("questions".to_owned(), json!(questions));
            }
            format!("{told:#}\n")
        }
    });
}

/// The case in a record or in the archive, with what sinks took of it.
fn stored(text: &str) -> anyhow::Result<Case> {
    match Record::decode(text.as_bytes()) {
        Ok(record) => match &record.episode {
            Episode::Open(case) | Episode::Held(case) => {
                let receipts = record.receipts_of(&case.id).cloned().collect();
                Ok(Case { receipts, ..case.as_ref().clone() })
            }
            Episode::Closing(closing) => Ok(closing.case()?),
            Episode::None => anyhow::bail!("the record holds no case: closed ones are in the archive"),
        },
        Err(_) => serde_json::from_slice(text.as_bytes()).context("neither a record nor a case"),
    }
}

fn of_case(args: &Args, case: &Case, settings: &Settings, policies: &Policies) -> anyhow::Result<()> {
    let verdict = case.verdict.as_ref().context("the case has no verdict yet")?;
    let asked = verdict.asked.as_deref().context(
        "the case does not hold the facts that its verdict was asked with: it was stored by a version that kept none",
    )?;
    let named = asked.zone.as_deref().and_then(|zone| TimeZone::get(zone).ok());
    let zone = named.unwrap_or_else(|| settings.zone.clone());
    let now = args.at.or(case.last_look_at).unwrap_or(case.opened_at);
    let questions = questions(case, policies, &zone, now);
    let same = verdict.policy_hash == policies.hash();
    let word = if verdict.authorised { "authorised" } else { "not authorised" };
    let receipts: String = case.receipts.iter().map(|receipt| format!("told      {receipt}\n")).collect();
    let head = format!(
        "case      {}\ncluster   {}\nverdict   {word}: {}\npolicies  {}\n{receipts}",
        case.id,
        asked.cluster,
        words::list(&verdict.policies, "no policy"),
        if same {
            format!("{}, those that decided it", policies.hash())
        } else {
            format!("{}: others than {}, which decided it", policies.hash(), verdict.policy_hash)
        },
    );
    let mut told = json!({
        "case": case.id.as_str(),
        "cluster": asked.cluster.to_string(),
        "authorised": verdict.authorised,
        "policies": verdict.policies,
        "policyHash": policies.hash(),
        "decidedByTheSamePolicies": same,
    });
    if let Some(members) = told.as_object_mut().filter(|_| !case.receipts.is_empty()) {
        members.insert("told".to_owned(), output::sorted(&case.receipts)?);
    }
    print(args, &head, told, &questions);
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::stored;

    #[test]
    fn a_case_on_its_record_comes_with_what_sinks_took_of_it() {
        let case = stored(include_str!("../../../tests/records/v1_told.json")).unwrap();
        let told: Vec<String> = case.receipts.iter().map(ToString::to_string).collect();
        assert_eq!(told, ["mail: opened at 2026-09-14T18:15:30Z, https://mail.example/i/17"]);
    }
}
