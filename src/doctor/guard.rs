//! What the guard itself left in its store, and how this machine's clock stands.

use jiff::{SignedDuration, Timestamp};
use serde::Deserialize;

use super::{Finding, Standing};
use crate::domain::{Hold, text};

/// A heartbeat comes every 5 minutes; older than this the timer, the app or the store is dead (docs/OPERATIONS.md, "Heartbeat").
const FRESH_FOR: SignedDuration = SignedDuration::from_mins(15);
/// A clock that is wrong by more is worth mending. The guard itself reckons with Azure's clock, whatever its own says.
const SKEW_MAX: SignedDuration = SignedDuration::from_secs(30);
/// Longest text of the store that is quoted, in characters.
const QUOTED_CHARS_MAX: usize = 50;
/// The form of the blob that is read.
const FORM: u32 = 1;

/// As much of `heartbeat.json` as is judged.
#[derive(Debug, Deserialize)]
struct Heartbeat {
    v: u32,
    at: Timestamp,
    open: u64,
    held: u64,
    failed: u64,
    mode: String,
    degraded: bool,
    /// Older guards don't say.
    version: Option<String>,
}

/// What the guard's last heartbeat says: whether it lives, in which mode, and which version it is. `here` is the version of this program.
pub fn heartbeat(bytes: Option<&[u8]>, now: Timestamp, here: &str) -> Vec<Finding> {
    let Some(bytes) = bytes else {
        let seen = "there is none: no sweep has run over this state";
        return vec![Finding::new("heartbeat", Standing::Fault, seen).mend(APP_STATE)];
    };
    let beat: Heartbeat = match serde_json::from_slice(bytes) {
        Ok(beat) => beat,
        Err(error) => {
            let seen = format!("`heartbeat.json` can't be read: {}", text::clean(&error.to_string(), 200));
            return vec![Finding::new("heartbeat", Standing::Unknown, seen)];
        }
    };
    if beat.v != FORM {
        let seen = format!("`heartbeat.json` has form {}, which this version does not know", beat.v);
        return vec![Finding::new("heartbeat", Standing::Unknown, seen)];
    }
    vec![life(&beat, now), mode(&beat.mode), version(beat.version.as_deref(), here)]
}

const APP_STATE: &str = "az functionapp show --name YOUR_APP --resource-group YOUR_GROUP --query state";

fn life(beat: &Heartbeat, now: Timestamp) -> Finding {
    let age = now.duration_since(beat.at).max(SignedDuration::ZERO);
    let counts = format!("{} open, {} held", beat.open, beat.held);
    if age > FRESH_FOR {
        let seen =
            format!("the last one is {} min old: the timer, the app or the store is dead", age.as_mins());
        return Finding::new("heartbeat", Standing::Fault, seen).mend(APP_STATE);
    }
    let log = "az webapp log tail --name YOUR_APP --resource-group YOUR_GROUP";
    if beat.degraded {
        let seen = "the guard is degraded: a setting, a sink or a policy of the app is broken, and nothing is started";
        return Finding::new("heartbeat", Standing::Fault, seen).mend(log);
    }
    if beat.failed > 0 {
        let seen = format!("{counts}; {} could not be worked on in that sweep", beat.failed);
        return Finding::new("heartbeat", Standing::Warning, seen).mend(log);
    }
    Finding::new("heartbeat", Standing::Ok, format!("{} s ago: {counts}", age.as_secs()))
}

fn mode(mode: &str) -> Finding {
    match mode {
        "act" => Finding::new("mode", Standing::Ok, "act"),
        other => {
            let shown = text::clean(other, QUOTED_CHARS_MAX);
            Finding::new("mode", Standing::Warning, format!("`{shown}`: the guard starts no cluster")).mend(
                "az functionapp config appsettings set --name YOUR_APP --resource-group YOUR_GROUP --settings STOP_GUARD_MODE=act",
            )
        }
    }
}

fn version(there: Option<&str>, here: &str) -> Finding {
    match there {
        Some(there) if there == here => {
            Finding::new("version", Standing::Ok, format!("{here} here and there"))
        }
        Some(there) => {
            let there = text::clean(there, QUOTED_CHARS_MAX);
            Finding::new("version", Standing::Warning, format!("{here} here, {there} there"))
                .mend("func azure functionapp publish YOUR_APP")
        }
        None => {
            let seen = format!("{here} here; the guard is older than heartbeats that tell theirs");
            Finding::new("version", Standing::Unknown, seen)
        }
    }
}

/// What a hold in force means.
pub fn hold(hold: &Hold) -> Finding {
    Finding::new("holds", Standing::Warning, format!("{}: nothing is started; {hold}", hold.scope))
        .mend(crate::posture::command("aks-stop-guard hold lift", &[&hold.id]))
}

/// How far this machine's clock is from Azure's: `offset` is by how much Azure's is ahead.
pub fn clock(offset: Option<SignedDuration>) -> Finding {
    let Some(offset) = offset else {
        return Finding::new("clock", Standing::Unknown, "azure resource manager told no time");
    };
    let seconds = offset.abs().as_secs();
    if seconds == 0 {
        return Finding::new("clock", Standing::Ok, "this machine's is within 2 s of Azure's");
    }
    let side = if offset.is_positive() { "behind" } else { "ahead of" };
    let seen = format!("this machine's is {seconds} s {side} Azure's");
    match offset.abs() > SKEW_MAX {
        true => Finding::new("clock", Standing::Warning, seen).mend("sudo timedatectl set-ntp true"),
        false => Finding::new("clock", Standing::Ok, seen),
    }
}
