//! A sign of life for alerts outside: what each sweep did, as one log line, and every few minutes as one blob.

use std::sync::PoisonError;

use jiff::Timestamp;
use serde::Serialize;

use crate::store::StatePath;

use super::Guard;
use super::sweep::Swept;

/// The form of the blob. A reader that finds another number should say so.
const VERSION: u32 = 1;

/// What this process remembers of its heartbeats.
#[derive(Debug, Default)]
pub(super) struct Beats {
    last_at: Option<Timestamp>,
    /// Stops that only discovery found, since then.
    discovered: usize,
}

/// The blob.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct Heartbeat {
    v: u32,
    at: Timestamp,
    open: usize,
    due: usize,
    held: usize,
    /// Age of the oldest open case, in seconds; null without one.
    oldest_seconds: Option<i64>,
    /// Since this process's heartbeat before.
    discovered: usize,
    failed: usize,
    mode: &'static str,
    /// Something in the settings, the sinks or the policies is broken.
    degraded: bool,
    /// Which guard this is. Heartbeats of older ones lack it.
    version: &'static str,
}

impl Guard {
    /// Tells what a sweep did. Returns why the blob could not be written, if it could not: that harms no case.
    pub(super) async fn beat(&self, swept: &Swept) -> Option<String> {
        let now = self.now();
        let oldest_seconds = swept.oldest.map(|oldest| now.duration_since(oldest).as_secs().max(0));
        let failed = swept.failed.len();
        tracing::info!(
            open = swept.open,
            due = swept.due,
            held = swept.held,
            oldest_seconds,
            discovered = swept.discovered,
            failed,
            "sweep"
        );
        let discovered = self.next_beat(now, swept.discovered)?;
        let heartbeat = Heartbeat {
            v: VERSION,
            at: now,
            open: swept.open,
            due: swept.due,
            held: swept.held,
            oldest_seconds,
            discovered,
            failed,
            mode: self.0.gate.mode().as_str(),
            degraded: !self.faults().is_empty(),
            version: env!("CARGO_PKG_VERSION"),
        };
        let body = serde_json::to_vec(&heartbeat).unwrap_or_default();
        self.0.store.put(&StatePath::heartbeat(), body).await.err().map(|error| error.to_string())
    }

    /// The stops to tell of, if a heartbeat is due.
    fn next_beat(&self, now: Timestamp, discovered: usize) -> Option<usize> {
        let mut beats = self.0.beats.lock().unwrap_or_else(PoisonError::into_inner);
        beats.discovered = beats.discovered.saturating_add(discovered);
        let is_due =
            beats.last_at.is_none_or(|last| now.duration_since(last) >= self.times().heartbeat_every);
        if !is_due {
            return None;
        }
        beats.last_at = Some(now);
        Some(std::mem::take(&mut beats.discovered))
    }
}
