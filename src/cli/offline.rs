//! What commands that ask nobody need: settings, policies and files.

use std::fs::File;
use std::io::Read;
use std::path::Path;

use anyhow::Context as _;
use jiff::Timestamp;

use super::output;
use crate::case::{Context, Mode, evidence};
use crate::config::{
    CONFIRM_SETTING, Environment, FaultKind, GIVE_UP_AFTER_SETTING, LOOK_EVERY_SETTING, MODE_SETTING,
    PoliciesFault, RETRY_AFTER_SETTING, SUBSCRIPTIONS_SETTING, Settings, TIMEZONE_SETTING, load_policies,
};
use crate::functions::BODY_BYTES_MAX;
use crate::policy::Policies;

/// Longest event that is read, in bytes: as long as a request's body may be.
pub(super) const EVENT_BYTES_MAX: usize = BODY_BYTES_MAX;

/// Settings that an answer depends on.
const NEEDED: [&str; 7] = [
    MODE_SETTING,
    SUBSCRIPTIONS_SETTING,
    TIMEZONE_SETTING,
    CONFIRM_SETTING,
    LOOK_EVERY_SETTING,
    RETRY_AFTER_SETTING,
    GIVE_UP_AFTER_SETTING,
];

/// Settings and policies without a fault that matters.
pub(super) struct Offline {
    pub(super) settings: Settings,
    pub(super) policies: Policies,
}

/// Loads them, or prints all that is wrong.
pub(super) fn load(environment: &Environment, folder: Option<&Path>) -> Option<Offline> {
    let settings = Settings::read(environment);
    let loaded = load_policies(folder.unwrap_or(&settings.policies), &settings.sink_names());
    let (policies, faults) = usable(&settings, loaded);
    for fault in &faults {
        output::error(&format!("error: {fault}\n"));
    }
    policies.filter(|_| faults.is_empty()).map(|policies| Offline { settings, policies })
}

/// The policies, and all faults that matter here. A setting that is missing is none: this asks nobody.
fn usable(
    settings: &Settings,
    loaded: Result<Policies, Vec<PoliciesFault>>,
) -> (Option<Policies>, Vec<String>) {
    let matters = |setting: &str| NEEDED.contains(&setting);
    let mut faults: Vec<String> = settings
        .faults
        .iter()
        .filter(|fault| fault.kind == FaultKind::Invalid && matters(&fault.setting))
        .map(ToString::to_string)
        .collect();
    match loaded {
        Ok(policies) => (Some(policies), faults),
        Err(found) => {
            faults.extend(found.iter().map(ToString::to_string));
            (None, faults)
        }
    }
}

/// What a case is looked at with by a command: nothing is held, nothing is sent.
pub(super) fn context<'a>(
    settings: &'a Settings,
    policies: Option<&'a Policies>,
    mode: Mode,
    now: Timestamp,
) -> Context<'a> {
    Context {
        now,
        mode,
        times: &settings.times,
        policies,
        zone: &settings.zone,
        confirm: settings.confirm,
        hold: None,
        skewed: false,
        start_slot_at: now,
        routes: &settings.routes,
        crowded: &[],
        portal: settings.arm.as_ref().map(|arm| &arm.portal),
        nonce: "",
        program: evidence::PROGRAM,
    }
}

/// A file's text, or that of standard input.
pub(super) fn read(path: &Path, bytes_max: usize) -> anyhow::Result<String> {
    let shown = path.display();
    let mut text = String::new();
    let limit = u64::try_from(bytes_max).unwrap_or(u64::MAX);
    let mut source: Box<dyn Read> = if path == Path::new("-") {
        Box::new(std::io::stdin())
    } else {
        Box::new(File::open(path).with_context(|| format!("`{shown}` can't be opened"))?)
    };
    source
        .by_ref()
        .take(limit)
        .read_to_string(&mut text)
        .with_context(|| format!("`{shown}` can't be read"))?;
    anyhow::ensure!(text.len() < bytes_max, "`{shown}` has {bytes_max} bytes or more");
    Ok(text)
}
