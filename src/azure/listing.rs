//! Reads a whole list of Resource Manager as it is, for commands that judge it themselves.

use std::time::Duration;

use serde::Deserialize;
use serde_json::Value;
use tokio::time::Instant;

use super::arm::{Arm, Read, foreign_link, left_until};
use super::error::ArmError;
use crate::domain::SubscriptionId;
use crate::posture::Unread;

/// Pages of one list that are read at most: 10,000 clusters at AKS's 100 a page.
const PAGES_MAX: usize = 100;

/// A page of a list, as all of Resource Manager's.
#[derive(Debug, Deserialize)]
struct Page {
    #[serde(default)]
    value: Vec<Value>,
    #[serde(rename = "nextLink", default)]
    next: Option<String>,
}

impl Arm {
    /// Reads all rows of the list at this path, within the budget. Half a list is none: it would hide what stands in the other half.
    ///
    /// # Errors
    /// Why there is no answer.
    pub async fn rows(
        &self,
        subscription: &SubscriptionId,
        path: &[&str],
        api_version: &str,
        budget: Duration,
    ) -> Result<Vec<Value>, Unread> {
        let read = self.all_pages(subscription, path, api_version, Instant::now() + budget);
        read.await.map_err(unread)
    }

    async fn all_pages(
        &self,
        subscription: &SubscriptionId,
        path: &[&str],
        api_version: &str,
        deadline: Instant,
    ) -> Result<Vec<Value>, ArmError> {
        let endpoint = &self.options().endpoint;
        let mut url = endpoint.read_url(path, api_version);
        let mut rows = Vec::new();
        for _ in 0..PAGES_MAX {
            let heard = self.read(&Read::get(&url, subscription), left_until(deadline)).await?;
            let page: Page = serde_json::from_slice(&heard.body?)
                .map_err(|error| ArmError::Malformed(error.to_string()))?;
            rows.extend(page.value);
            match page.next.filter(|link| !link.is_empty()) {
                Some(link) => url = endpoint.own_link(&link).ok_or_else(foreign_link)?,
                None => return Ok(rows),
            }
        }
        Err(ArmError::Malformed(format!("it has more than {PAGES_MAX} pages")))
    }
}

fn unread(error: ArmError) -> Unread {
    match error {
        // A token that is not accepted is no missing right.
        ArmError::Denied(failure) if failure.status != http::StatusCode::UNAUTHORIZED => Unread::Denied,
        ArmError::Gone(_) => Unread::Gone,
        other => Unread::Failed(other.to_string()),
    }
}
