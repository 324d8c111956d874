//! Reads, writes and reads back what [`crate::harden`] mends.
//!
//! A write is sent once, whatever comes of it: what it did is learnt by reading, not by sending it again.

use std::time::Duration;

use bytes::Bytes;
use http::{HeaderMap, HeaderValue, Method, Request, StatusCode, header};
use serde::Deserialize;
use tokio::time::Instant;

use super::arm::{Arm, Read, authorized, left_until};
use super::error::ArmError;
use super::headers;
use crate::domain::text;
use crate::harden::{Change, Item, ItemError, Judged, Verb};
use crate::posture::Question;

/// Longest time that one read takes, with its retries.
const READ_BUDGET: Duration = Duration::from_secs(60);
/// Longest wait for the answer to a write. A Functions host doesn't wait here; people do.
const WRITE_TIMEOUT: Duration = Duration::from_secs(60);
/// First pause between two looks at what Azure is doing; doubled each time. A network rule takes about 10 s (recorded).
const PAUSE_MIN: Duration = Duration::from_secs(1);
/// Longest of these pauses, unless Azure asks for a longer one.
const PAUSE_MAX: Duration = Duration::from_secs(15);
/// How long what Azure calls done may still read as before.
const SETTLING: Duration = Duration::from_secs(120);
/// Longest error of an operation that is shown, in characters.
const ERROR_CHARS_MAX: usize = 600;

/// Why an item is not mended.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum HardenError {
    /// Azure could not be read; nothing was sent.
    #[error("it can't be read: {0}")]
    Unread(ArmError),
    /// Azure's answer can't be judged; nothing was sent.
    #[error("it can't be judged: {0}")]
    Unjudged(String),
    /// What was read is not what was planned: somebody changed it meanwhile. Nothing was sent, or Azure refused it for that.
    #[error("it was changed meanwhile, nothing was written: run the command again")]
    ChangedMeanwhile,
    /// Azure refused the write.
    #[error("azure refused it, nothing was written: {0}")]
    Refused(ArmError),
    /// The operation that Azure began has failed.
    #[error("azure began and failed: {0}")]
    Failed(String),
    /// It may be done: no answer came, and it reads as before.
    #[error("no sure answer came, and it reads as before: look again before you repeat it ({0})")]
    Unknown(ArmError),
    /// Azure called it done, and it reads otherwise.
    #[error("azure called it done, and it reads otherwise: {0}")]
    NotVerified(String),
    /// It was sent, and what came of it can't be read.
    #[error("it was sent, and can't be read back: look again before you repeat it ({0})")]
    NotReadBack(String),
    /// It takes longer than people wait.
    #[error("azure is still at work on it: look again later")]
    StillBusy,
}

/// What an operation of Azure says of itself.
#[derive(Debug, Deserialize)]
struct Operation {
    status: String,
    error: Option<serde_json::Value>,
}

impl Arm {
    /// Reads what an item is about and judges it.
    ///
    /// # Errors
    /// It can't be read or judged.
    pub async fn judge(&self, item: &Item) -> Result<Judged, HardenError> {
        let unjudged = |error: ItemError| HardenError::Unjudged(error.to_string());
        let informed = match item.first_question() {
            Some(first) => item.informed(self.body_of(item, &first).await?.as_deref()).map_err(unjudged)?,
            None => item.clone(),
        };
        let body = self.body_of(item, &item.question()).await?;
        informed.judge(body.as_deref()).map_err(unjudged)
    }

    /// The body of an answer; none if there is no such thing.
    async fn body_of(&self, item: &Item, question: &Question) -> Result<Option<Bytes>, HardenError> {
        let url = self.options().endpoint.read_url(&question.segments(), question.api_version());
        let heard = self.read(&Read::get(&url, item.subscription()), READ_BUDGET).await;
        match heard.and_then(|heard| heard.body) {
            Ok(body) => Ok(Some(body)),
            Err(ArmError::Gone(_)) => Ok(None),
            Err(error) => Err(HardenError::Unread(error)),
        }
    }

    /// The URL that an item is written to.
    pub fn written_url(&self, item: &Item) -> String {
        let (segments, api_version) = item.written();
        let segments: Vec<&str> = segments.iter().map(String::as_str).collect();
        self.options().endpoint.read_url(&segments, api_version)
    }

    /// Sends a planned change, waits for Azure to finish it, and reads it back. The last judgement is the answer: what it reads then.
    ///
    /// # Errors
    /// It is not so, or not known to be so.
    pub async fn mend(&self, item: &Item, planned: &Change, budget: Duration) -> Result<String, HardenError> {
        let deadline = Instant::now() + budget;
        // People took their time to agree: what was planned must still be what is needed.
        match self.judge(item).await? {
            Judged::Already(told) => return Ok(told),
            Judged::Change(now) if now.sends_the_same(planned) && now.if_match == planned.if_match => {}
            Judged::Change(_) | Judged::Busy(_) | Judged::Refused(_) => {
                return Err(HardenError::ChangedMeanwhile);
            }
        }
        let doubt = match self.write(item, planned).await {
            Ok(answer) => {
                self.follow(item, &answer, deadline).await?;
                None
            }
            Err(error) if error.leaves_a_write_in_doubt() => Some(error),
            Err(error) => return Err(told_as(error)),
        };
        self.read_back(item, doubt, deadline).await
    }

    /// Sends the change, once.
    async fn write(&self, item: &Item, change: &Change) -> Result<HeaderMap, ArmError> {
        if let Some(after) = self.left_alone_for(item.subscription()) {
            return Err(ArmError::LeftAlone { after });
        }
        let token = self.token().await?;
        let method = match change.verb {
            Verb::Put => Method::PUT,
            Verb::Delete => Method::DELETE,
        };
        let mut request: Request<Bytes> = authorized(method, &self.written_url(item), &token)?;
        if let Some(body) = &change.body {
            let json = HeaderValue::from_static("application/json");
            request.headers_mut().insert(header::CONTENT_TYPE, json);
            *request.body_mut() = Bytes::from(body.clone());
        }
        if let Some(etag) = &change.if_match {
            let etag = HeaderValue::from_str(etag)
                .map_err(|_| ArmError::Malformed("the etag can't be a header".to_owned()))?;
            request.headers_mut().insert(header::IF_MATCH, etag);
        }
        let (response, _) = self.exchange(request, WRITE_TIMEOUT).await?;
        if response.status().is_success() {
            return Ok(response.into_parts().0.headers);
        }
        if response.status() == StatusCode::UNAUTHORIZED {
            self.reject(&token);
        }
        let error = ArmError::from_response(&response, self.local_now());
        self.heed(item.subscription(), &error);
        Err(error)
    }

    /// Waits for the operation that an answer names, if it names one that can be asked.
    async fn follow(&self, item: &Item, answer: &HeaderMap, deadline: Instant) -> Result<(), HardenError> {
        let named = answer.get("azure-asyncoperation").and_then(|url| url.to_str().ok());
        let Some(url) = named.and_then(|url| self.options().endpoint.own_link(url)) else { return Ok(()) };
        let mut pause = PAUSE_MIN;
        let mut asked = headers::retry_after(answer, self.local_now());
        loop {
            wait(pause.max(asked.unwrap_or_default()), deadline).await?;
            pause = (pause * 2).min(PAUSE_MAX);
            let heard = self.read(&Read::get(&url, item.subscription()), READ_BUDGET).await;
            // Who may not ask how it goes can still read what came of it.
            let Ok(heard) = heard else { return Ok(()) };
            asked = headers::retry_after(&heard.headers, self.local_now());
            let Ok(body) = heard.body else { return Ok(()) };
            let Ok(operation) = serde_json::from_slice::<Operation>(&body) else { return Ok(()) };
            match operation.status.to_ascii_lowercase().as_str() {
                "succeeded" => return Ok(()),
                "failed" | "canceled" => {
                    let why = operation.error.map(|error| error.to_string()).unwrap_or(operation.status);
                    return Err(HardenError::Failed(text::clean(&why, ERROR_CHARS_MAX)));
                }
                _ => {}
            }
        }
    }

    async fn read_back(
        &self,
        item: &Item,
        doubt: Option<ArmError>,
        deadline: Instant,
    ) -> Result<String, HardenError> {
        let mut pause = PAUSE_MIN;
        let settled = Instant::now() + SETTLING;
        loop {
            let read = self.judge(item).await;
            match read.map_err(|error| HardenError::NotReadBack(error.to_string()))? {
                Judged::Already(told) => return Ok(told),
                Judged::Busy(_) => {}
                Judged::Change(_) if doubt.is_none() && Instant::now() < settled => {}
                Judged::Change(change) => {
                    return Err(doubt.map_or(HardenError::NotVerified(change.now), HardenError::Unknown));
                }
                Judged::Refused(why) => return Err(HardenError::NotVerified(why)),
            }
            wait(pause, deadline).await?;
            pause = (pause * 2).min(PAUSE_MAX);
        }
    }
}

/// Waits, unless that is longer than people do.
async fn wait(pause: Duration, deadline: Instant) -> Result<(), HardenError> {
    if pause >= left_until(deadline) {
        return Err(HardenError::StillBusy);
    }
    tokio::time::sleep(pause).await;
    Ok(())
}

fn told_as(error: ArmError) -> HardenError {
    let status = error.failure().map(|failure| failure.status);
    if status == Some(StatusCode::PRECONDITION_FAILED) {
        return HardenError::ChangedMeanwhile;
    }
    HardenError::Refused(error)
}
