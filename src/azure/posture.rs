//! Reads what [`crate::posture`] asks for: side by side, each thing once, at the pace that Azure allows.

use std::collections::BTreeSet;
use std::time::Duration;

use futures::StreamExt as _;
use futures::stream::FuturesUnordered;
use http::StatusCode;
use tokio::sync::Semaphore;
use tokio::time::Instant;

use super::arm::{Arm, Read, foreign_link, left_until};
use super::error::ArmError;
use crate::posture::{Answers, Fact, Page, Question, Unread};

/// Calls under way at once: as many connections as are kept open to one host.
const CALLS_MAX: usize = 128;
/// Questions of one survey: far more than the clusters that a tenant may have subscriptions for raise in practice.
const QUESTIONS_MAX: usize = 50_000;
/// Pages of one answer: 10,000 clusters at AKS's 100 a page, or all 4,000 role assignments that a subscription may have.
const PAGES_MAX: usize = 100;
/// How long one try may take with a place among the calls. Longer waits that Azure asks for are waited outside.
const TRY_BUDGET: Duration = Duration::from_secs(15);
/// Shortest pause after Azure asked to wait, so that a `Retry-After: 0` makes no storm.
const PAUSE_MIN: Duration = Duration::from_secs(1);

/// How far a survey has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Surveyed {
    /// Questions that have their answer.
    pub answered: usize,
    /// Questions so far.
    pub asked: usize,
}

impl Arm {
    /// Asks these questions and all that their answers raise. Nothing is written. `on_answer` hears of each answer.
    ///
    /// What can't be read is an answer too: the one that says why.
    ///
    /// # Errors
    /// Nothing can be asked at all: there is no token, or it is not accepted.
    pub async fn survey(
        &self,
        first: Vec<Question>,
        budget: Duration,
        on_answer: &mut (dyn FnMut(Surveyed) + Send),
    ) -> Result<Answers, ArmError> {
        let deadline = Instant::now() + budget;
        let places = Semaphore::new(CALLS_MAX);
        let (mut answers, mut asked) = (Answers::default(), BTreeSet::new());
        let mut under_way = FuturesUnordered::new();
        let mut raised = first;
        let mut answered = 0;
        loop {
            for question in std::mem::take(&mut raised) {
                if asked.len() >= QUESTIONS_MAX {
                    let why = format!("not asked: there are more than {QUESTIONS_MAX} questions");
                    answers.note(question, Err(Unread::Failed(why)));
                } else if asked.insert(question.clone()) {
                    under_way.push(self.answer(question, &places, deadline));
                }
            }
            let Some((question, answer)) = under_way.next().await else { return Ok(answers) };
            answered += 1;
            raised = answers.note(question, answer.map_or_else(unread, |fact| Ok(Ok(fact)))?);
            on_answer(Surveyed { answered, asked: asked.len() });
        }
    }

    async fn answer(
        &self,
        question: Question,
        places: &Semaphore,
        deadline: Instant,
    ) -> (Question, Result<Fact, ArmError>) {
        let answer = self.pages(&question, places, deadline).await;
        (question, answer)
    }

    /// All pages of an answer.
    async fn pages(
        &self,
        question: &Question,
        places: &Semaphore,
        deadline: Instant,
    ) -> Result<Fact, ArmError> {
        let endpoint = &self.options().endpoint;
        let mut url = endpoint.read_url(&question.segments(), question.api_version());
        let mut whole: Option<Fact> = None;
        for _ in 0..PAGES_MAX {
            let Page { fact, next } = self.page(question, &url, places, deadline).await?;
            let joined = match whole.take() {
                Some(before) => before.joined(fact),
                None => fact,
            };
            match next {
                Some(link) => url = endpoint.own_link(&link).ok_or_else(foreign_link)?,
                None => return Ok(joined),
            }
            whole = Some(joined);
        }
        // Half a list would show too few findings and not say so.
        Err(ArmError::Malformed(format!("it has more than {PAGES_MAX} pages")))
    }

    /// One page. A subscription that throttles is waited for without keeping others from their calls.
    async fn page(
        &self,
        question: &Question,
        url: &str,
        places: &Semaphore,
        deadline: Instant,
    ) -> Result<Page, ArmError> {
        let read = Read::get_of(url, question.subscription());
        loop {
            let heard = {
                // An error would mean that the semaphore was closed, which nobody does.
                let _place = places.acquire().await;
                self.read(&read, left_until(deadline).min(TRY_BUDGET)).await.and_then(|heard| heard.body)
            };
            match heard {
                Ok(body) => {
                    return Fact::read(question, &body)
                        .map_err(|error| ArmError::Malformed(error.to_string()));
                }
                Err(error) => match error.retry_after() {
                    Some(after) if after.max(PAUSE_MIN) < left_until(deadline) => {
                        tokio::time::sleep(after.max(PAUSE_MIN)).await;
                    }
                    Some(_) | None => return Err(error),
                },
            }
        }
    }
}

/// What an error means for one answer; an error again if it means that nothing can be asked.
fn unread(error: ArmError) -> Result<Result<Fact, Unread>, ArmError> {
    let status = error.failure().map(|failure| failure.status);
    let has_code = error.failure().is_some_and(|failure| failure.code.is_some());
    match error {
        ArmError::NoToken(_) => Err(error),
        ArmError::Denied(_) if status == Some(StatusCode::UNAUTHORIZED) => Err(error),
        ArmError::Denied(_) => Ok(Err(Unread::Denied)),
        ArmError::Gone(_) => Ok(Err(Unread::Gone)),
        // A subnet whose network is gone is a `ParentResourceNotFound`.
        ArmError::Refused(_) if status == Some(StatusCode::NOT_FOUND) && has_code => Ok(Err(Unread::Gone)),
        ArmError::Unreachable(_)
        | ArmError::Wait(_)
        | ArmError::RetryAfter { .. }
        | ArmError::LeftAlone { .. }
        | ArmError::Locked(_)
        | ArmError::Conflict(_)
        | ArmError::Quota(_)
        | ArmError::Capacity(_)
        | ArmError::Refused(_)
        | ArmError::Malformed(_) => Ok(Err(Unread::Failed(error.to_string()))),
    }
}
