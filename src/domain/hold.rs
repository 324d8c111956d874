//! Holds: the red button. While one covers a cluster the guard starts nothing there, whatever policies say.

use std::fmt;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::calendar::{EARLIEST, LATEST};
use super::grant::{ANNOUNCEMENT_VERSION, AnnouncementError, Author, Ended, Way, check_end, reason_line};
use super::resource_id::ClusterId;
use super::scope::Scope;
use super::text;

/// Longest name of something stored that is quoted, in characters.
const QUOTED_CHARS_MAX: usize = 150;

/// Start nothing here until then.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Hold {
    /// Version of what is stored.
    pub v: u32,
    /// Its id.
    pub id: String,
    /// Where nothing is started.
    pub scope: Scope,
    /// The first moment that it covers no more.
    pub until: Timestamp,
    /// Why.
    pub reason: String,
    /// Who set it.
    pub set_by: Author,
    /// When it was set.
    pub created_at: Timestamp,
    /// Taken back before its time.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub lifted: Option<Ended>,
}

impl Hold {
    /// A hold from `now` on.
    ///
    /// # Errors
    /// If it would be over, lasts longer than [`GRANT_LASTS_MAX`](super::grant::GRANT_LASTS_MAX), or has no reason.
    pub fn new(
        id: String,
        scope: Scope,
        until: Timestamp,
        reason: &str,
        set_by: Author,
        now: Timestamp,
    ) -> Result<Self, AnnouncementError> {
        check_end(now, until, now)?;
        let reason = reason_line(reason)?;
        Ok(Self { v: ANNOUNCEMENT_VERSION, id, scope, until, reason, set_by, created_at: now, lifted: None })
    }

    /// What stands for a hold that can't be read: it may be about anything, and a red button that fails must not start anything.
    pub fn unreadable(name: &str) -> Self {
        let reason = format!("the hold `{}` can't be read", text::clean(name, QUOTED_CHARS_MAX));
        Self {
            v: ANNOUNCEMENT_VERSION,
            id: name.to_owned(),
            scope: Scope::Everywhere,
            until: LATEST,
            reason,
            set_by: Author { id: None, name: None, via: Way::Cli },
            created_at: EARLIEST,
            lifted: None,
        }
    }

    /// Whether it covers what happens at that time.
    pub fn is_active(&self, at: Timestamp) -> bool {
        at < self.until && self.lifted.is_none()
    }

    /// Whether nothing may be started on a cluster.
    pub fn covers(&self, cluster: &ClusterId, at: Timestamp) -> bool {
        self.is_active(at) && self.scope.covers(cluster)
    }
}

impl fmt::Display for Hold {
    /// `held by dana until 2026-12-01T08:00:00Z: network maintenance`
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.until == LATEST {
            return f.write_str(&self.reason);
        }
        write!(f, "held by {} until {}: {}", self.set_by, self.until, self.reason)
    }
}

#[cfg(test)]
mod tests {
    use jiff::SignedDuration;

    use super::*;

    fn at(text: &str) -> Timestamp {
        text.parse().unwrap()
    }

    fn hold(until: Timestamp, reason: &str) -> Result<Hold, AnnouncementError> {
        let dana = Author { id: Some("d".to_owned()), name: Some("dana".to_owned()), via: Way::Http };
        Hold::new("h-1".to_owned(), Scope::Everywhere, until, reason, dana, at("2026-12-01T06:00:00Z"))
    }

    #[test]
    fn a_hold_has_an_end_and_a_reason() {
        let now = at("2026-12-01T06:00:00Z");
        assert!(matches!(hold(now, "x"), Err(AnnouncementError::Over { .. })));
        assert!(matches!(
            hold(now + SignedDuration::from_hours(721), "x"),
            Err(AnnouncementError::TooLong(_))
        ));
        assert_eq!(hold(now + SignedDuration::from_hours(720), " \n "), Err(AnnouncementError::Reason));
        let hold = hold(now + SignedDuration::from_hours(2), "audit").unwrap();
        insta::assert_snapshot!(hold, @"held by dana (d) until 2026-12-01T08:00:00Z: audit");
        assert!(hold.is_active(now) && !hold.is_active(hold.until));
    }

    #[test]
    fn a_hold_that_can_not_be_read_covers_everything_for_good() {
        let hold = Hold::unreadable("x.json");
        assert!(hold.is_active(at("2100-01-01T00:00:00Z")));
        insta::assert_snapshot!(hold, @"the hold `x.json` can't be read");
    }
}
