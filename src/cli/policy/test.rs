//! `policy test`: cases in YAML against policies.

use std::collections::BTreeMap;
use std::fmt;
use std::fmt::Write as _;
use std::path::{Path, PathBuf};

use clap::ValueEnum;
use jiff::SignedDuration;
use jiff::tz::TimeZone;
use serde_json::{Value, json};

use super::case_file::{self, Case, CaseFile, Facts, ResponseWord, VerdictWord};
use super::{junit, words};
use crate::cli::{Exit, offline, output};
use crate::config::{Environment, POLICIES_DEFAULT, POLICIES_SETTING, load_policy_files};
use crate::domain::Severity;
use crate::domain::text::{clean, painted};
use crate::policy::{Answer, Policies, RestartQuestion, StopQuestion};

/// Longest name of a case, in characters.
const NAME_CHARS_MAX: usize = 200;

/// Arguments of `policy test`.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Example, before a change of policies is merged:
  aks-stop-guard policy test policies/tests/*.yaml -o junit > policies.xml

docs/POLICY.md describes the files. Nothing is asked of Azure or of the state.

Exit codes: 0 all as expected, 1 a file of cases can't be read, 3 the policies are invalid, 7 a case came out otherwise
(or, with --require-coverage, no case determined a policy).")]
pub(super) struct Args {
    /// Files of cases, in YAML
    #[arg(required = true, value_name = "FILE")]
    files: Vec<PathBuf>,
    /// The policies for files that name none: a folder or a file, instead of STOP_GUARD_POLICIES
    #[arg(long, value_name = "PATH")]
    policies: Option<PathBuf>,
    /// Fail if there is a policy that no case determined
    #[arg(long)]
    require_coverage: bool,
    /// The form of the answer
    #[arg(short, long, value_enum, default_value = "human")]
    output: Form,
}

/// In which form the results are printed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Form {
    /// For a person
    Human,
    /// For a program
    Json,
    /// For a build server: JUnit XML
    Junit,
}

/// What came of one file.
pub(super) struct FileResult {
    pub(super) name: String,
    pub(super) cases: Vec<CaseResult>,
}

/// What came of one case.
pub(super) struct CaseResult {
    pub(super) name: String,
    pub(super) outcome: Outcome,
}

pub(super) enum Outcome {
    AsExpected,
    Different(Vec<Difference>),
    /// It can't be asked.
    Broken(String),
}

/// One thing that came out otherwise.
pub(super) struct Difference {
    what: &'static str,
    expected: String,
    found: String,
}

impl fmt::Display for Difference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: expected {}, found {}", self.what, self.expected, self.found)
    }
}

/// Policies by where they stand, and whether a case determined them.
type Coverage = BTreeMap<(String, usize, String), bool>;

pub(super) fn run(args: &Args, environment: &Environment) -> anyhow::Result<Exit> {
    let configured = environment.get(POLICIES_SETTING).unwrap_or(POLICIES_DEFAULT);
    let fallback = args.policies.clone().unwrap_or_else(|| configured.into());
    let mut results = Vec::new();
    let mut coverage = Coverage::new();
    for path in &args.files {
        let text = offline::read(path, case_file::FILE_BYTES_MAX)?;
        let file = case_file::read(&text).map_err(|error| error.context(format!("`{}`", path.display())))?;
        let zone = zone(&file).map_err(|error| error.context(format!("`{}`", path.display())))?;
        let near = path.parent().unwrap_or(Path::new(""));
        let named: Vec<PathBuf> = match file.policies.as_slice() {
            [] => vec![fallback.clone()],
            paths => paths.iter().map(|policies| tidy(&near.join(policies))).collect(),
        };
        let policies = match load_policy_files(&named) {
            Ok(policies) => policies,
            Err(faults) => {
                faults.iter().for_each(|fault| output::error(&format!("error: {fault}\n")));
                return Ok(Exit::Invalid);
            }
        };
        results.push(FileResult {
            name: path.display().to_string(),
            cases: file
                .cases
                .iter()
                .map(|case| result(case, near, &policies, &zone, &mut coverage))
                .collect(),
        });
        for (id, source) in policies.sources() {
            coverage.entry((source.file.clone(), source.line, id.to_owned())).or_default();
        }
    }
    let colour = args.output == Form::Human && output::has_colours(environment);
    output::print(&match args.output {
        Form::Human => human(&results, &coverage, colour),
        Form::Json => format!("{:#}\n", as_json(&results, &coverage)),
        Form::Junit => junit::report(&results),
    });
    let failed = count(&results, |outcome| !matches!(outcome, Outcome::AsExpected));
    let uncovered = args.require_coverage && coverage.values().any(|covered| !covered);
    Ok(if failed > 0 || uncovered { Exit::Different } else { Exit::Ok })
}

fn zone(file: &CaseFile) -> anyhow::Result<TimeZone> {
    let Some(name) = &file.zone else { return Ok(TimeZone::UTC) };
    TimeZone::get(name).map_err(|_| anyhow::anyhow!("`{}` is no time zone", clean(name, NAME_CHARS_MAX)))
}

/// `a/tests/../b` as `a/b`: policies are told by their path.
fn tidy(path: &Path) -> PathBuf {
    let mut tidy = PathBuf::new();
    for part in path.components() {
        let steps_out = part == std::path::Component::ParentDir;
        if !(steps_out && tidy.file_name().is_some() && tidy.pop()) {
            tidy.push(part);
        }
    }
    tidy
}

fn result(
    case: &Case,
    near: &Path,
    policies: &Policies,
    zone: &TimeZone,
    coverage: &mut Coverage,
) -> CaseResult {
    let name = clean(&case.name, NAME_CHARS_MAX);
    let facts = case.facts(|event| offline::read(&near.join(event), offline::EVENT_BYTES_MAX));
    let outcome = match facts {
        Err(error) => Outcome::Broken(format!("{error:#}")),
        Ok(facts) => {
            let found = Decision::of(&facts, policies, zone);
            for (id, source) in policies.sources() {
                if found.determined(id) {
                    coverage.insert((source.file.clone(), source.line, id.to_owned()), true);
                }
            }
            match found.differences(case) {
                differences if differences.is_empty() => Outcome::AsExpected,
                differences => Outcome::Different(differences),
            }
        }
    };
    CaseResult { name, outcome }
}

/// What the policies say to one case.
struct Decision {
    stop: Answer,
    /// Asked if the stop was not allowed.
    restart: Option<Answer>,
}

impl Decision {
    fn of(facts: &Facts, policies: &Policies, zone: &TimeZone) -> Self {
        let stop = policies.may_stop(&StopQuestion {
            caller: &facts.caller,
            cluster: &facts.cluster.id,
            facts: Some(&facts.cluster),
            at: facts.at,
            zone,
            counts: facts.counts,
            confirmed: facts.confirmed,
            grant: facts.grant.as_ref(),
        });
        let restart = (!stop.allowed).then(|| {
            policies.may_restart(&RestartQuestion {
                caller: &facts.caller,
                caller_known: facts.caller.is_known(),
                cluster: &facts.cluster.id,
                facts: Some(&facts.cluster),
                at: facts.restart_asked_at,
                stopped_at: facts.at,
                zone,
                counts: facts.counts,
            })
        });
        Self { stop, restart }
    }

    fn verdict(&self) -> VerdictWord {
        if self.stop.allowed { VerdictWord::Authorised } else { VerdictWord::Unauthorised }
    }

    /// An error in either answer starts nothing.
    fn response(&self) -> ResponseWord {
        match &self.restart {
            None => ResponseWord::LeaveStopped,
            Some(restart) if restart.allowed && self.stop.errors.is_empty() => ResponseWord::Restart,
            Some(_) => ResponseWord::Incident,
        }
    }

    fn answers(&self) -> impl Iterator<Item = &Answer> {
        std::iter::once(&self.stop).chain(&self.restart)
    }

    fn severity(&self) -> Option<Severity> {
        self.answers().filter_map(Answer::severity).max()
    }

    fn after(&self) -> SignedDuration {
        let after = self.restart.as_ref().and_then(Answer::after);
        after.and_then(|after| SignedDuration::try_from(after).ok()).unwrap_or_default()
    }

    fn determined(&self, id: &str) -> bool {
        self.answers().any(|answer| answer.policies.iter().any(|policy| policy.id == id))
    }

    fn differences(&self, case: &Case) -> Vec<Difference> {
        let expected = &case.expect;
        let mut all = Vec::new();
        let mut compare = |what, expected: Option<String>, found: String| {
            if let Some(expected) = expected.filter(|expected| *expected != found) {
                all.push(Difference { what, expected, found });
            }
        };
        // Answers list policies in the order of files and lines, which no case should have to know.
        let ids = |ids: &Vec<String>| {
            let mut ids = ids.clone();
            ids.sort();
            words::list(&ids, "no policy")
        };
        compare(
            "verdict",
            expected.verdict.map(|word| word.as_str().to_owned()),
            self.verdict().as_str().to_owned(),
        );
        compare("policies", expected.policies.as_ref().map(ids), ids(&self.stop.ids()));
        compare(
            "response",
            expected.response.map(|word| word.as_str().to_owned()),
            self.response().as_str().to_owned(),
        );
        let restart = self.restart.as_ref().map(Answer::ids).unwrap_or_default();
        compare("restart policies", expected.restart_policies.as_ref().map(ids), ids(&restart));
        let severity = |severity: Severity| severity.as_str().to_owned();
        compare(
            "severity",
            expected.severity.map(severity),
            self.severity().map_or_else(|| "none".to_owned(), severity),
        );
        compare("after", expected.after.map(|after| format!("{after:#}")), format!("{:#}", self.after()));
        let errors: Vec<String> =
            self.answers().flat_map(|answer| &answer.errors).map(ToString::to_string).collect();
        compare("errors", (!errors.is_empty()).then(|| "none".to_owned()), errors.join("; "));
        all
    }
}

fn count(results: &[FileResult], wanted: fn(&Outcome) -> bool) -> usize {
    results.iter().flat_map(|file| &file.cases).filter(|case| wanted(&case.outcome)).count()
}

fn undetermined(coverage: &Coverage) -> impl Iterator<Item = &(String, usize, String)> {
    coverage.iter().filter(|(_, covered)| !**covered).map(|(policy, _)| policy)
}

fn human(results: &[FileResult], coverage: &Coverage, colour: bool) -> String {
    let paint = |code: &str, word: &str| painted(code, word, colour);
    let mut told = String::new();
    for file in results {
        // Writing to a String can't fail.
        let _ = writeln!(told, "{}", file.name);
        for case in &file.cases {
            let (word, details) = match &case.outcome {
                Outcome::AsExpected => (paint("32", "ok  "), Vec::new()),
                Outcome::Different(all) => {
                    (paint("31", "FAIL"), all.iter().map(ToString::to_string).collect())
                }
                Outcome::Broken(why) => (paint("31", "FAIL"), vec![why.clone()]),
            };
            let _ = writeln!(told, "  {word}  {}", case.name);
            for detail in details {
                let _ = writeln!(told, "          {detail}");
            }
        }
    }
    let uncovered: Vec<_> = undetermined(coverage).collect();
    if !uncovered.is_empty() {
        let _ = writeln!(told, "policies that no case determined");
    }
    for (file, line, id) in uncovered {
        let _ = writeln!(told, "  {id} ({file}:{line})");
    }
    let cases = results.iter().map(|file| file.cases.len()).sum::<usize>();
    let failed = count(results, |outcome| !matches!(outcome, Outcome::AsExpected));
    let covered = coverage.values().filter(|covered| **covered).count();
    let _ = writeln!(
        told,
        "{cases} cases, {failed} failed; {covered} of {} policies determined a case",
        coverage.len()
    );
    told
}

fn as_json(results: &[FileResult], coverage: &Coverage) -> Value {
    let case = |case: &CaseResult| match &case.outcome {
        Outcome::AsExpected => json!({ "name": case.name, "ok": true }),
        Outcome::Different(all) => {
            let differences = all.iter().map(|difference| {
                json!({ "of": difference.what, "expected": difference.expected, "found": difference.found })
            });
            json!({ "name": case.name, "ok": false, "differences": differences.collect::<Vec<_>>() })
        }
        Outcome::Broken(why) => json!({ "name": case.name, "ok": false, "error": why }),
    };
    let files = results
        .iter()
        .map(|file| json!({ "file": file.name, "cases": file.cases.iter().map(case).collect::<Vec<_>>() }));
    let uncovered =
        undetermined(coverage).map(|(file, line, id)| json!({ "id": id, "file": file, "line": line }));
    json!({
        "ok": count(results, |outcome| !matches!(outcome, Outcome::AsExpected)) == 0,
        "files": files.collect::<Vec<_>>(),
        "undetermined": uncovered.collect::<Vec<_>>(),
    })
}
