//! `harden`: mends what `posture` finds, one item at a time, with the operator's own rights.

mod items;
mod step;

use anyhow::Context as _;

use self::items::Wanted;
use self::step::{State, Step};
use super::operator::block_on;
use super::policy::{FOR_ARM, tell_faults};
use super::{Exit, Format, output, wiring};
use crate::azure::harden::Patience;
use crate::azure::{Arm, HttpTransport};
use crate::case::Mode;
use crate::config::{Environment, MODE_SETTING, SPEED_UP_SETTING, Settings};
use crate::harden::{Change, Item, Judged};

/// Arguments of `harden`.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Without --apply nothing is sent but reads: each item prints the request that it would send, and what it costs. --apply asks for each one;
with --yes it does not. After a write the item is read back: `done` means that Azure shows it so. What is so already is left alone.

It runs as whoever `az login` logged in (STOP_GUARD_CREDENTIAL=azure-cli), never as the guard. STOP_GUARD_MODE=dry-run, which is the
default, refuses --apply. docs/HARDEN.md lists what each item writes and which rights it needs.

Exit codes: 0 done or planned, 1 something was refused or failed, 2 wrong arguments, 3 settings are invalid.")]
pub(super) struct Args {
    #[command(subcommand)]
    wanted: Wanted,
}

/// How an item is treated.
#[derive(Debug, clap::Args)]
struct How {
    /// Print what would be sent, and send nothing (the default)
    #[arg(long, conflicts_with = "apply")]
    plan: bool,
    /// Send it, after a question for each item
    #[arg(long)]
    apply: bool,
    /// Send it without a question
    #[arg(long, requires = "apply")]
    yes: bool,
    /// The form of the answer
    #[arg(short, long, value_enum, default_value = "human")]
    output: Format,
}

pub(super) fn run(args: Args, environment: &Environment) -> anyhow::Result<Exit> {
    let (items, how) = args.wanted.items();
    let http = HttpTransport::new();
    let settings = Settings::read(environment);
    let mut needed = FOR_ARM.to_vec();
    if how.apply {
        needed.extend([MODE_SETTING, SPEED_UP_SETTING]);
    }
    if tell_faults(&settings, &needed) {
        return Ok(Exit::Invalid);
    }
    let Some((arm, _)) = wiring::arm(&settings, &http) else { return Ok(Exit::Invalid) };
    anyhow::ensure!(
        !how.apply || settings.mode != Mode::DryRun,
        "{MODE_SETTING} is `dry-run`, in which nothing is changed: set it to `act` for this command"
    );
    anyhow::ensure!(
        !how.apply || how.yes || output::can_ask(),
        "there is no terminal to ask on: look at the plan, then give --yes"
    );
    let patience = Patience::default().divided(settings.speed_up);
    let steps = block_on(async { all(&arm, &items, &how, &patience).await })?;
    if how.output == Format::Json {
        output::print(&format!("{}\n", serde_json::to_string_pretty(&steps)?));
    } else if !how.apply && steps.iter().any(|step| step.state == State::Planned) {
        output::print("Nothing was sent. --apply sends it.\n");
    }
    let is_well = steps.iter().all(|step| step.state.is_well());
    Ok(if is_well { Exit::Ok } else { Exit::Failure })
}

/// One item after the other, so that people see what came of the last one before they agree to the next.
async fn all(arm: &Arm, items: &[Item], how: &How, patience: &Patience) -> anyhow::Result<Vec<Step>> {
    let mut steps = Vec::new();
    for item in items {
        let mut step = Step::of(item);
        let before = steps.last().map(|step: &Step| step.state);
        if item.is_further() && before.is_some_and(|state| !state.lets_the_next_be_tried()) {
            step.ends(State::Skipped, "what comes before it is not done");
        } else {
            one(arm, item, how, patience, &mut step).await?;
        }
        if how.output == Format::Human {
            output::print(&step.told(!(how.apply && step.was_shown)));
        }
        steps.push(step);
    }
    Ok(steps)
}

/// One item: looked at, and mended if that is wanted.
async fn one(arm: &Arm, item: &Item, how: &How, patience: &Patience, step: &mut Step) -> anyhow::Result<()> {
    match arm.judge(item).await {
        Err(error) => step.ends(State::Failed, &error.to_string()),
        Ok((_, Judged::Already(told))) => step.ends(State::Already, &told),
        Ok((_, Judged::Busy(why))) => step.ends(State::Busy, &why),
        Ok((_, Judged::Refused(why))) => step.ends(State::Refused, &why),
        Ok((informed, Judged::Change(change))) => {
            step.plans(&change, &arm.written_url(&informed))?;
            if how.apply && agreed(step, how)? {
                apply(arm, item, &change, patience, step).await;
            }
        }
    }
    Ok(())
}

/// Whether the change that was planned may be sent.
fn agreed(step: &mut Step, how: &How) -> anyhow::Result<bool> {
    if how.yes {
        return Ok(true);
    }
    output::error(&step.told(true));
    step.was_shown = true;
    let agrees = output::agrees("Send this? [y/N] ").context("the answer can't be read")?;
    if !agrees {
        step.ends(State::Declined, "nothing was sent");
    }
    Ok(agrees)
}

async fn apply(arm: &Arm, item: &Item, change: &Change, patience: &Patience, step: &mut Step) {
    output::progress(&format!("{}: waiting for Azure", item.subject()));
    let mended = arm.mend(item, change, patience).await;
    output::progress("");
    match mended {
        Ok(told) => step.ends(State::Done, &told),
        Err(error) => step.ends(State::Failed, &error.to_string()),
    }
}
