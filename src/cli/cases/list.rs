//! `cases list`: a line a case, printed as soon as it is read.

use anyhow::Context as _;
use clap::ValueEnum;
use jiff::{SignedDuration, Timestamp};
use tokio::sync::mpsc;

use super::row::{Summary, head, row};
use super::warn;
use crate::cli::operator::{Operator, block_on};
use crate::cli::policy::since;
use crate::cli::stored::walk::{Seen, WAITING_MAX, Wanted, Which, walk};
use crate::cli::{Exit, output};
use crate::config::Environment;

/// Arguments of `cases list`.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  aks-stop-guard cases list --open -o wide
  aks-stop-guard cases list --since 7d --cluster aks-prod-01

AGE is the time since the case was opened. Among the cases that were closed on one day, in UTC, the one that was opened last comes
first.

Exit codes: 0 done, 1 something could not be read, 2 wrong arguments, 3 invalid settings.")]
pub(super) struct Args {
    /// Closed cases that ended within this time, like 7d or 12h; open ones are always listed
    #[arg(long, value_name = "TIME", default_value = "30d", value_parser = since)]
    since: SignedDuration,
    /// Only those of this cluster: its name, or its resource id
    #[arg(long, value_name = "CLUSTER", value_parser = Which::parse)]
    cluster: Option<Which>,
    /// Only those that are not over
    #[arg(long, conflicts_with = "since")]
    open: bool,
    /// The form of the answer
    #[arg(short, long, value_enum, default_value = "table")]
    output: Form,
}

/// In which form cases are listed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Form {
    /// For a person
    Table,
    /// With more columns
    Wide,
    /// For a program
    Json,
    /// For a program, or a person
    Yaml,
}

pub(super) fn run(args: Args, environment: &Environment) -> anyhow::Result<Exit> {
    let operator = match Operator::open(environment)? {
        Ok(operator) => operator,
        Err(exit) => return Ok(exit),
    };
    let now = operator.now();
    let since = now.checked_sub(args.since).context("the calendar does not go back that far")?;
    let wanted = Wanted { closed_since: Some(since).filter(|_| !args.open), now, cluster: args.cluster };
    let colour = output::has_colours(environment);
    let writer = Writer { form: args.output, now, colour, rows: 0, problems: 0 };
    let writer = block_on(async {
        let (tell, heard) = mpsc::channel(WAITING_MAX);
        // A thread of its own: where a pager waits, requests go on.
        let writing = tokio::task::spawn_blocking(move || writer.write(heard));
        walk(&operator.store, &wanted, tell).await;
        writing.await.context("the list broke off")
    })?;
    if writer.rows == 0 && writer.problems == 0 && matches!(writer.form, Form::Table | Form::Wide) {
        output::error("no cases found\n");
    }
    Ok(if writer.problems == 0 { Exit::Ok } else { Exit::Failure })
}

/// Prints what comes, and counts it.
struct Writer {
    form: Form,
    now: Timestamp,
    colour: bool,
    rows: usize,
    problems: usize,
}

impl Writer {
    /// Until nothing more comes, or nobody reads what is printed.
    fn write(mut self, mut heard: mpsc::Receiver<Seen>) -> Self {
        while let Some(seen) = heard.blocking_recv() {
            let found = match seen {
                Seen::Case(found) => found,
                Seen::Problem(what) => {
                    self.problems += 1;
                    warn(&what);
                    continue;
                }
            };
            let text = self.told(&Summary::of(&found));
            self.rows += 1;
            if !output::is_heard(&text) {
                return self;
            }
        }
        output::print(self.end());
        self
    }

    /// The next row, and what stands before the first.
    fn told(&self, case: &Summary) -> String {
        let is_first = self.rows == 0;
        match self.form {
            Form::Table | Form::Wide => {
                let wide = self.form == Form::Wide;
                let head = if is_first { head(wide) } else { String::new() };
                head + &row(case, wide, self.now, self.colour)
            }
            Form::Json => {
                let before = if is_first { "[\n" } else { ",\n" };
                // A summary has no key that is not a text, so it always is JSON.
                before.to_owned() + &serde_json::to_string(case).unwrap_or_default()
            }
            // A list with one entry; one after another they are one list.
            Form::Yaml => serde_saphyr::to_string(&[case]).unwrap_or_default(),
        }
    }

    fn end(&self) -> &'static str {
        match (self.form, self.rows) {
            (Form::Table | Form::Wide, _) => "",
            (Form::Yaml, 1..) => "",
            (Form::Json | Form::Yaml, 0) => "[]\n",
            (Form::Json, 1..) => "\n]\n",
        }
    }
}
