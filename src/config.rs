//! The settings: read from the environment once, into values that need no further checks.
//!
//! **All faults are told at once, and none of them ends the process.** A setting that can't be read falls back to what
//! does no harm: nobody is started, no event is acknowledged that might be lost, and people are told. What each falls back
//! to stands at its field in [`Settings`].

mod azure;
mod duration;
mod environment;
mod fault;
mod guarded;
mod permission;
mod policies;
mod reader;
mod routes;
mod sinks;

use std::collections::BTreeSet;
use std::path::PathBuf;

use jiff::tz::TimeZone;
use tracing::level_filters::LevelFilter;

use crate::azure::Audience;
use crate::case::times::TimesError;
use crate::case::{Confirm, Mode, Routes, Times};
use crate::domain::{ManagementGroup, SubscriptionId};
use crate::incident::{Azure, PreparedSink};
use crate::store::{
    BlobLocation, CONTAINER_SETTING, DEAD_LETTERS_SETTING, EMULATOR_SETTING, Location, LocationError,
    LocationSettings, STATE_SETTING,
};

pub use azure::ArmSettings;
pub use environment::{Environment, from_env};
pub use fault::{Fault, FaultKind};
pub use policies::{PoliciesFault, load_policies, load_policy_files};
pub use sinks::{SinkEntry, SinkFolder, SinkSetting};

use reader::Reader;

/// The port that `serve` listens on (set by the Functions host).
pub const PORT_SETTING: &str = "FUNCTIONS_CUSTOMHANDLER_PORT";
/// What the guard may do.
pub const MODE_SETTING: &str = "STOP_GUARD_MODE";
/// The guarded subscriptions.
pub const SUBSCRIPTIONS_SETTING: &str = "STOP_GUARD_SUBSCRIPTIONS";
/// The management groups whose subscriptions are guarded.
pub const MANAGEMENT_GROUPS_SETTING: &str = "STOP_GUARD_MANAGEMENT_GROUPS";
/// The folder of Cedar policies.
pub const POLICIES_SETTING: &str = "STOP_GUARD_POLICIES";
/// The names of the sinks, and what each gets.
pub const SINKS_SETTING: &str = "STOP_GUARD_SINKS";
/// The sink that gets the incidents of one that is down.
pub const FALLBACK_SINK_SETTING: &str = "STOP_GUARD_FALLBACK_SINK";
/// The zone of `context.local`.
pub const TIMEZONE_SETTING: &str = "STOP_GUARD_TIMEZONE";
/// When the activity log is asked.
pub const CONFIRM_SETTING: &str = "STOP_GUARD_CONFIRM";
/// Divides the protocol's times.
pub const SPEED_UP_SETTING: &str = "STOP_GUARD_SPEED_UP";
/// Between two looks at a cluster.
pub const LOOK_EVERY_SETTING: &str = "STOP_GUARD_LOOK_EVERY";
/// After a start that failed.
pub const RETRY_AFTER_SETTING: &str = "STOP_GUARD_RETRY_AFTER";
/// Until people are asked.
pub const GIVE_UP_AFTER_SETTING: &str = "STOP_GUARD_GIVE_UP_AFTER";
/// Between two runs of discovery.
pub const DISCOVER_EVERY_SETTING: &str = "STOP_GUARD_DISCOVER_EVERY";
/// Which credential is used.
pub const CREDENTIAL_SETTING: &str = "STOP_GUARD_CREDENTIAL";
/// Which Azure.
pub const CLOUD_SETTING: &str = "STOP_GUARD_CLOUD";
/// Where ARM is, if not where the cloud has it.
pub const ARM_ENDPOINT_SETTING: &str = "STOP_GUARD_ARM_ENDPOINT";
/// What tokens for that ARM are for.
pub const ARM_SCOPE_SETTING: &str = "STOP_GUARD_ARM_SCOPE";
/// The folder of sinks' files.
pub const SINK_FILES_SETTING: &str = "STOP_GUARD_SINK_FILES";
/// What the function `Evaluate` tells.
pub const EVALUATE_SETTING: &str = "STOP_GUARD_EVALUATE";
/// Whether incidents say how exposed their cluster is.
pub const POSTURE_SETTING: &str = "STOP_GUARD_POSTURE";
/// What the tokens of those who announce stops and set holds are for.
pub const GRANT_AUDIENCE_SETTING: &str = "STOP_GUARD_GRANT_AUDIENCE";
/// The tenants whose tokens are taken.
pub const GRANT_TENANTS_SETTING: &str = "STOP_GUARD_GRANT_TENANTS";
/// The least important log lines that are written.
pub const LOG_SETTING: &str = "STOP_GUARD_LOG";

/// All settings of the guard itself whose names begin with `STOP_GUARD_`. Any other such name that is no sink's is a slip, and a fault.
const OWN_SETTINGS: [&str; 26] = [
    MODE_SETTING,
    SUBSCRIPTIONS_SETTING,
    MANAGEMENT_GROUPS_SETTING,
    STATE_SETTING,
    CONTAINER_SETTING,
    DEAD_LETTERS_SETTING,
    POLICIES_SETTING,
    SINKS_SETTING,
    FALLBACK_SINK_SETTING,
    TIMEZONE_SETTING,
    CONFIRM_SETTING,
    SPEED_UP_SETTING,
    LOOK_EVERY_SETTING,
    RETRY_AFTER_SETTING,
    GIVE_UP_AFTER_SETTING,
    DISCOVER_EVERY_SETTING,
    CREDENTIAL_SETTING,
    CLOUD_SETTING,
    ARM_ENDPOINT_SETTING,
    ARM_SCOPE_SETTING,
    SINK_FILES_SETTING,
    EVALUATE_SETTING,
    POSTURE_SETTING,
    GRANT_AUDIENCE_SETTING,
    GRANT_TENANTS_SETTING,
    LOG_SETTING,
];

/// Where `serve` listens if the Functions host doesn't say: it does so whenever it starts the handler.
const PORT_DEFAULT: u16 = 8080;
/// The folder of policies if no setting names one: the one that is published with the app.
pub const POLICIES_DEFAULT: &str = "policies";
/// Most that times are divided by: the start request's 20 s become 200 ms, what one on loopback takes on a busy machine.
const SPEED_UP_MAX: i32 = 100;

/// What the function `Evaluate` tells whoever has its key.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Evaluate {
    /// Nothing: it answers that it is off.
    Off,
    /// The verdict and the ids of the policies that determined it.
    #[default]
    Verdict,
    /// The whole explanation: the questions, the facts, the texts of the policies and what would have to differ. A recipe for
    /// evading the policies in the wrong hands.
    Explain,
}

/// What `serve` needs to know before it answers the Functions host's first question. Costs next to nothing, unlike [`Settings::read`],
/// which reads files and tries out the sinks.
#[derive(Debug)]
pub struct FirstSettings {
    /// As in [`Settings`].
    pub port: Result<u16, Fault>,
    /// As in [`Settings`], which tells what is wrong with it.
    pub log: LevelFilter,
}

impl FirstSettings {
    /// Reads them.
    pub fn read(environment: &Environment) -> Self {
        let mut reader = Reader::new(environment);
        Self { log: log(&mut reader), port: port(&reader) }
    }
}

/// The settings, and what is wrong with them.
#[derive(Debug)]
pub struct Settings {
    /// `STOP_GUARD_MODE`, `dry-run` by default. If broken: `notify`, so that people get to know.
    pub mode: Mode,
    /// `STOP_GUARD_SUBSCRIPTIONS`; empty if only management groups are guarded. `None` if this or the next is broken, or both are
    /// missing: no event can be taken in, all come again.
    pub subscriptions: Option<BTreeSet<SubscriptionId>>,
    /// `STOP_GUARD_MANAGEMENT_GROUPS`: their subscriptions are guarded too. None by default.
    pub management_groups: BTreeSet<ManagementGroup>,
    /// `STOP_GUARD_STATE` and its relatives. `None` if broken or missing: as above. There is no default, since cases in
    /// memory are lost with the process.
    pub state: Option<Location>,
    /// `STOP_GUARD_DEAD_LETTERS`. `None` if missing or broken: then nobody reads them.
    pub dead_letters: Option<BlobLocation>,
    /// `STOP_GUARD_POLICIES`, `policies` by default.
    pub policies: PathBuf,
    /// The sinks that `STOP_GUARD_SINKS` names, of those in `STOP_GUARD_SINK_FILES` (`sinks` by default): those that can be set up.
    pub sinks: Vec<PreparedSink>,
    /// Which sinks get which incidents: what stands behind the names in `STOP_GUARD_SINKS`, and `STOP_GUARD_FALLBACK_SINK`. If
    /// broken: every sink gets every incident.
    pub routes: Routes,
    /// `STOP_GUARD_TIMEZONE`, UTC by default or if broken.
    pub zone: TimeZone,
    /// `STOP_GUARD_CONFIRM`, `prefer` by default. If broken: `require`, the most careful.
    pub confirm: Confirm,
    /// The protocol's times: `STOP_GUARD_LOOK_EVERY`, `STOP_GUARD_RETRY_AFTER`, `STOP_GUARD_GIVE_UP_AFTER` and
    /// `STOP_GUARD_DISCOVER_EVERY`, all by default if one of them is unsafe, divided by `STOP_GUARD_SPEED_UP`.
    pub times: Times,
    /// `STOP_GUARD_SPEED_UP`: what the times are divided by already, and pauses of other commands are still to be. 1 by default or if
    /// broken.
    pub speed_up: u32,
    /// Where ARM is and who asks it. `None` if broken: it is not asked at all, for another cloud's ARM would say that the
    /// clusters are gone.
    pub arm: Option<ArmSettings>,
    /// `STOP_GUARD_EVALUATE`, `verdict` by default. If broken: `off`, which tells nobody anything.
    pub evaluate: Evaluate,
    /// `STOP_GUARD_POSTURE`: `on` or `off` (by default or if broken).
    pub posture: bool,
    /// `STOP_GUARD_GRANT_AUDIENCE` and `STOP_GUARD_GRANT_TENANTS`: whose tokens the functions `Grant` and `Hold` take. `None` if they
    /// are missing or broken: both functions are off.
    pub audience: Option<Audience>,
    /// `STOP_GUARD_LOG`: `error`, `warn`, `info` (by default or if broken), `debug` or `trace`.
    pub log: LevelFilter,
    /// `FUNCTIONS_CUSTOMHANDLER_PORT`. The one setting without which nothing works.
    pub port: Result<u16, Fault>,
    /// What is wrong. Anything here makes the guard run degraded: it records cases and starts nothing.
    pub faults: Vec<Fault>,
}

impl Settings {
    /// Reads all settings, and the files of sinks. Does no network I/O; a time zone's rules may come from the system's files.
    pub fn read(environment: &Environment) -> Self {
        let mut reader = Reader::new(environment);
        let folder = SinkFolder::of(environment);
        let known: Vec<&str> = OWN_SETTINGS.into_iter().chain(folder.all_settings()).collect();
        reader.report_unknown(&known);
        let arm = azure::read(&mut reader);
        let on_loopback = arm.as_ref().is_some_and(|arm| arm.endpoint.on_loopback());
        let blob_suffix = azure::blob_suffix(arm.as_ref());
        let mode = mode(&mut reader);
        let guarded = guarded::read(&mut reader);
        let state = state(&mut reader, blob_suffix);
        let dead_letters = dead_letters(&mut reader, state.as_ref(), blob_suffix);
        let zone = zone(&mut reader);
        // Faults are told in this order.
        let sinks = sinks::read(&mut reader, &folder, &zone, &azure::for_sinks(arm.as_ref()));
        let routes = routes::read(&mut reader);
        let confirm = confirm(&mut reader);
        let (times, speed_up) = times(&mut reader, on_loopback);
        Self {
            mode,
            subscriptions: guarded.subscriptions,
            management_groups: guarded.groups,
            state,
            dead_letters,
            policies: reader.get(POLICIES_SETTING).unwrap_or(POLICIES_DEFAULT).into(),
            sinks,
            routes,
            zone,
            confirm,
            times,
            speed_up,
            arm,
            evaluate: evaluate(&mut reader),
            posture: reader.word(POSTURE_SETTING, &[("on", true), ("off", false)], false, false),
            audience: permission::read(&mut reader),
            log: log(&mut reader),
            port: port(&reader),
            faults: reader.faults(),
        }
    }

    /// The names of the sinks that work.
    pub fn sink_names(&self) -> Vec<&str> {
        self.sinks.iter().map(PreparedSink::name).collect()
    }

    /// What templates and tokens of sinks know of Azure.
    pub fn azure_for_sinks(&self) -> Azure {
        azure::for_sinks(self.arm.as_ref())
    }
}

fn mode(reader: &mut Reader<'_>) -> Mode {
    let words = [Mode::DryRun, Mode::Notify, Mode::Act].map(|mode| (mode.as_str(), mode));
    reader.word(MODE_SETTING, &words, Mode::DryRun, Mode::Notify)
}

fn confirm(reader: &mut Reader<'_>) -> Confirm {
    let words = [("prefer", Confirm::Prefer), ("require", Confirm::Require), ("off", Confirm::Off)];
    reader.word(CONFIRM_SETTING, &words, Confirm::Prefer, Confirm::Require)
}

fn evaluate(reader: &mut Reader<'_>) -> Evaluate {
    let words = [("off", Evaluate::Off), ("verdict", Evaluate::Verdict), ("explain", Evaluate::Explain)];
    reader.word(EVALUATE_SETTING, &words, Evaluate::Verdict, Evaluate::Off)
}

fn log(reader: &mut Reader<'_>) -> LevelFilter {
    let words = [
        ("error", LevelFilter::ERROR),
        ("warn", LevelFilter::WARN),
        ("info", LevelFilter::INFO),
        ("debug", LevelFilter::DEBUG),
        ("trace", LevelFilter::TRACE),
    ];
    reader.word(LOG_SETTING, &words, LevelFilter::INFO, LevelFilter::INFO)
}

fn state(reader: &mut Reader<'_>, blob_suffix: &str) -> Option<Location> {
    let Some(state) = reader.get(STATE_SETTING) else {
        reader.missing(
            STATE_SETTING,
            "write `azure://<account>/<container>`, a connection string, or `memory` to try the guard out",
        );
        return None;
    };
    let container = reader.get(CONTAINER_SETTING);
    let emulator_url = reader.get(EMULATOR_SETTING);
    match Location::parse(LocationSettings { state, container, emulator_url, blob_suffix }) {
        Ok(location) => Some(location),
        Err(error) => {
            let setting = match &error {
                LocationError::Container { setting, .. } | LocationError::Endpoint { setting, .. } => setting,
                LocationError::Form | LocationError::Account(_) | LocationError::ConnectionString(_) => {
                    STATE_SETTING
                }
            };
            reader.fault(Fault::saying(setting, FaultKind::Invalid, error.to_string()));
            None
        }
    }
}

fn dead_letters(
    reader: &mut Reader<'_>,
    state: Option<&Location>,
    blob_suffix: &str,
) -> Option<BlobLocation> {
    let given = reader.get(DEAD_LETTERS_SETTING)?;
    // Where the state is broken that is the fault to mend first.
    let found = BlobLocation::dead_letters(given, state?, blob_suffix).ok();
    if found.is_none() {
        let told = "is not `azure://<account>/<container>`, nor the name of a container in the storage account of the state";
        reader.fault(Fault::about(DEAD_LETTERS_SETTING, FaultKind::Invalid, told));
    }
    found
}

fn zone(reader: &mut Reader<'_>) -> TimeZone {
    let Some(name) = reader.get(TIMEZONE_SETTING) else { return TimeZone::UTC };
    // The common one needs no file.
    if name.eq_ignore_ascii_case("UTC") {
        return TimeZone::UTC;
    }
    TimeZone::get(name).unwrap_or_else(|_| {
        reader.invalid(
            TIMEZONE_SETTING,
            name,
            "is no time zone: write a name of the IANA database, like `Europe/Berlin`",
        );
        TimeZone::UTC
    })
}

/// The times, divided, and by what.
fn times(reader: &mut Reader<'_>, on_loopback: bool) -> (Times, u32) {
    let defaults = Times::default();
    let times = Times {
        look_every: duration::read(reader, LOOK_EVERY_SETTING, defaults.look_every),
        retry_after: duration::read(reader, RETRY_AFTER_SETTING, defaults.retry_after),
        give_up_after: duration::read(reader, GIVE_UP_AFTER_SETTING, defaults.give_up_after),
        discover_every: duration::read(reader, DISCOVER_EVERY_SETTING, defaults.discover_every),
        ..defaults
    };
    // One at a time, so that each that is unsafe is told.
    for one in [
        Times { look_every: times.look_every, ..Times::default() },
        Times { retry_after: times.retry_after, ..Times::default() },
        Times { give_up_after: times.give_up_after, ..Times::default() },
        Times { discover_every: times.discover_every, ..Times::default() },
    ] {
        if let Err(error) = one.check() {
            reader.fault(unsafe_time(error));
        }
    }
    let safe = if times.check().is_ok() { times } else { Times::default() };
    let speed_up = speed_up(reader, on_loopback);
    (safe.divided(speed_up), speed_up.unsigned_abs())
}

fn unsafe_time(error: TimesError) -> Fault {
    let setting = match error {
        TimesError::RetryAfter => RETRY_AFTER_SETTING,
        TimesError::GiveUpAfter => GIVE_UP_AFTER_SETTING,
        TimesError::DiscoverEvery => DISCOVER_EVERY_SETTING,
        TimesError::LookEvery | TimesError::Quiet | TimesError::Watch => LOOK_EVERY_SETTING,
    };
    Fault::saying(setting, FaultKind::Invalid, error.to_string().replace('`', ""))
}

fn speed_up(reader: &mut Reader<'_>, on_loopback: bool) -> i32 {
    let Some(text) = reader.get(SPEED_UP_SETTING) else { return 1 };
    match text.parse::<i32>() {
        Ok(1) => 1,
        Ok(factor) if (1..=SPEED_UP_MAX).contains(&factor) && on_loopback => factor,
        Ok(factor) if (1..=SPEED_UP_MAX).contains(&factor) => {
            let told = format!(
                "is for demos and tests, with {ARM_ENDPOINT_SETTING} on this machine only: remove it"
            );
            reader.fault(Fault::about(SPEED_UP_SETTING, FaultKind::Invalid, &told));
            1
        }
        Ok(_) | Err(_) => {
            let problem = format!("is no number from 1 to {SPEED_UP_MAX}");
            reader.invalid(SPEED_UP_SETTING, text, &problem);
            1
        }
    }
}

fn port(reader: &Reader<'_>) -> Result<u16, Fault> {
    let Some(text) = reader.get(PORT_SETTING) else { return Ok(PORT_DEFAULT) };
    text.parse().map_err(|_| {
        let told = format!("`{}` is no port: write a number from 0 to 65535", reader::shown(text));
        Fault::about(PORT_SETTING, FaultKind::Invalid, &told)
    })
}

#[cfg(test)]
mod tests;
