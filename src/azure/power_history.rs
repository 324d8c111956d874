//! The starts and stops of a whole scope, back to where the activity log ends: for a person who waits, not for the guard.

use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use tokio::time::Instant;

use super::activity_log::{AllReading, scope_filter};
use super::arm::{ACTIVITY_LOG_API_VERSION, Arm, Read, foreign_link, left_until};
use super::clock_offset::shift;
use super::error::ArmError;
use crate::domain::{LogScope, ScopeReading};

/// How far back a scope is read. The log keeps 90 days and refuses a window that begins earlier (source: Azure Monitor docs,
/// "Activity log: retention period"); an hour is left for clocks and for the reading itself.
pub const HISTORY_MAX: SignedDuration = SignedDuration::from_hours(90 * 24 - 1);
/// Pages that are read of one scope at most: 100,000 records at the 200 a page that were recorded.
const PAGES_MAX: usize = 500;

/// How far a reading has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Progress {
    /// Pages read.
    pub pages: usize,
    /// Starts and stops found in them.
    pub operations: usize,
}

impl Arm {
    /// Reads the accepted starts and stops of all clusters in a scope, between two times on ARM's clock, the newest pages
    /// first. Needs `Microsoft.Insights/eventtypes/values/read`. `on_page` hears of each page.
    ///
    /// # Errors
    /// A page could not be read within the budget, tries again and ARM's own waits included. Half a reading is none.
    pub async fn power_history(
        &self,
        scope: &LogScope,
        since: Timestamp,
        until: Timestamp,
        budget: Duration,
        on_page: &mut (dyn FnMut(Progress) + Send),
    ) -> Result<ScopeReading, ArmError> {
        let deadline = Instant::now() + budget;
        let since = since.max(shift(self.arm_now(), -HISTORY_MAX));
        if until <= since {
            return Ok(ScopeReading::default());
        }
        let endpoint = &self.options().endpoint;
        let filter = scope_filter(scope, since, until);
        let mut next = Some(endpoint.activity_log(scope.subscription(), ACTIVITY_LOG_API_VERSION, &filter));
        let mut reading = AllReading::of(scope);
        for pages in 1..=PAGES_MAX {
            let Some(url) = next.take() else { break };
            let body = self.read(&Read::get(&url, scope.subscription()), left_until(deadline)).await?.body?;
            let link = reading.add_page(&body).map_err(|error| ArmError::Malformed(error.to_string()))?;
            next = link.map(|link| endpoint.own_link(&link).ok_or_else(foreign_link)).transpose()?;
            on_page(Progress { pages, operations: reading.len() });
            if reading.is_full() {
                break;
            }
        }
        Ok(reading.finish(next.is_some()))
    }
}
