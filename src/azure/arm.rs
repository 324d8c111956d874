//! The ARM client: reads with retries inside a budget. Starts are in [`super::start`].
//!
//! A question to Resource Graph is a POST that changes nothing, so it is tried again like any other read.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use backon::{ExponentialBuilder, Retryable};
use bytes::Bytes;
use http::{HeaderMap, HeaderValue, Method, Request, Response, StatusCode, header};
use jiff::{SignedDuration, Timestamp};
use tokio::time::Instant;

use super::activity_log::{self, Reading};
use super::clock_offset::{ClockOffset, RoundTrip, shift};
use super::credential::{CredentialError, TokenSource};
use super::endpoint::Endpoint;
use super::error::ArmError;
use super::headers;
use super::resource;
use super::resource_graph::{self, GraphReading, GroupReading, Page, PageError, Question, Unfinished};
use super::secret::Secret;
use super::throttle::Throttle;
use super::transport::{Transport, TransportError};
use crate::clock::Clock;
use crate::domain::{ClusterId, Found, LogReading, Look, ManagementGroup, SubscriptionId};

/// The api-version of the activity log: its only one (source: Azure REST docs, "Activity Logs - List").
pub const ACTIVITY_LOG_API_VERSION: &str = "2015-04-01";

/// Longest wait for one answer to a read. ARM answers in under a second; a sweep must not hang on one connection.
const READ_TIMEOUT: Duration = Duration::from_secs(10);
/// First pause before a read is tried again; doubled each time, with jitter.
const RETRY_DELAY_MIN: Duration = Duration::from_millis(200);
/// Longest of these pauses. A longer Retry-After is honoured if the budget allows it.
const RETRY_DELAY_MAX: Duration = Duration::from_secs(4);
/// Tries beyond the first. AKS allows 60 reads of a cluster at once and one a second after that.
const RETRIES_MAX: usize = 4;
/// Pages of the activity log that are read at most. The newest come first (source: recorded pages of azure-sdk-for-python).
const PAGES_MAX: usize = 10;
/// How far back the activity log is asked: it keeps 90 days, and refuses a window that begins earlier.
const LOG_WINDOW_MAX: SignedDuration = SignedDuration::from_hours(89 * 24);

/// What an [`Arm`] talks to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ArmOptions {
    /// Where ARM is.
    pub endpoint: Endpoint,
}

impl ArmOptions {
    /// The ARM at an endpoint.
    pub fn new(endpoint: Endpoint) -> Self {
        Self { endpoint }
    }
}

/// A client of Azure Resource Manager. Cheap to clone; clones share the token, the connections and the clock offset.
#[derive(Clone)]
pub struct Arm(Arc<Inner>);

struct Inner {
    options: ArmOptions,
    transport: Arc<dyn Transport>,
    credential: Arc<dyn TokenSource>,
    clock: Arc<dyn Clock>,
    offset: ClockOffset,
    throttle: Throttle,
}

/// A read: what is sent until an answer comes.
pub(super) struct Read<'a> {
    method: Method,
    url: &'a str,
    /// JSON; empty for a GET.
    body: Bytes,
    /// Whose quota it takes from; none if it is about several.
    subscription: Option<&'a SubscriptionId>,
}

/// The answer to a read, and when it was asked for on ARM's clock.
pub(super) struct Heard {
    sent_at: Timestamp,
    pub(super) headers: HeaderMap,
    pub(super) body: Result<Bytes, ArmError>,
}

impl Arm {
    /// Makes a client; nothing is sent yet.
    pub fn new(
        options: ArmOptions,
        transport: Arc<dyn Transport>,
        credential: Arc<dyn TokenSource>,
        clock: Arc<dyn Clock>,
    ) -> Self {
        let (offset, throttle) = (ClockOffset::default(), Throttle::default());
        Self(Arc::new(Inner { options, transport, credential, clock, offset, throttle }))
    }

    /// A client for reads that nothing waits for: what Azure throttles of them puts off nothing of this one's.
    #[must_use]
    pub fn aside(&self) -> Self {
        let Inner { options, transport, credential, clock, .. } = &*self.0;
        Self::new(options.clone(), Arc::clone(transport), Arc::clone(credential), Arc::clone(clock))
    }

    /// Looks at a cluster: one GET, tried again within the budget if that can help.
    ///
    /// Only ARM itself can say that a cluster is gone: a 404 without an ARM error body is an error.
    pub async fn look(&self, id: &ClusterId, budget: Duration) -> Result<Look, ArmError> {
        let url = self.options().endpoint.cluster(id, None);
        let heard = self.read(&Read::get(&url, id.subscription()), budget).await?;
        let sent_at = heard.sent_at;
        match heard.body {
            Ok(body) => {
                let cluster =
                    resource::read(&body, id).map_err(|error| ArmError::Malformed(error.to_string()))?;
                Ok(Look { sent_at, found: Found::Cluster(Box::new(cluster)), body: Some((*body).into()) })
            }
            Err(ArmError::Gone(_)) => Ok(Look { sent_at, found: Found::Gone, body: None }),
            Err(error) => Err(error),
        }
    }

    /// Reads the accepted starts and stops of a cluster from the activity log, between two times on ARM's clock.
    ///
    /// The log is minutes late (a record seen 3 min 16 s after its event), so that an empty reading proves nothing.
    /// At most `PAGES_MAX` pages are read. Whoever floods the log can so hide older operations, never make one up:
    /// without a record of the stop nothing is restarted.
    pub async fn power_operations(
        &self,
        id: &ClusterId,
        since: Timestamp,
        until: Timestamp,
        budget: Duration,
    ) -> Result<LogReading, ArmError> {
        let deadline = Instant::now() + budget;
        let since = since.max(shift(self.arm_now(), -LOG_WINDOW_MAX));
        if until <= since {
            return Ok(LogReading::default());
        }
        let filter = activity_log::filter(id, since, until);
        let endpoint = &self.options().endpoint;
        let mut next = Some(endpoint.activity_log(id.subscription(), ACTIVITY_LOG_API_VERSION, &filter));
        let mut reading = Reading::of(id);
        for _ in 0..PAGES_MAX {
            let Some(url) = next.take() else { break };
            let body = self.read(&Read::get(&url, id.subscription()), left_until(deadline)).await?.body?;
            let link = reading.add_page(&body).map_err(|error| ArmError::Malformed(error.to_string()))?;
            next = link.map(|link| endpoint.own_link(&link).ok_or_else(foreign_link)).transpose()?;
        }
        if next.is_some() {
            tracing::warn!(cluster = %id, pages = PAGES_MAX, "the activity log has more pages than are read");
        }
        Ok(reading.finish())
    }

    /// Asks Resource Graph which clusters of these subscriptions are stopped or being stopped, page by page to the end, as far as
    /// the budget and the identity's quota go. What was read before something failed is kept.
    pub async fn clusters_down(&self, subscriptions: &[SubscriptionId], budget: Duration) -> GraphReading {
        let deadline = Instant::now() + budget;
        let mut reading = GraphReading::default();
        let mut pages_left = resource_graph::PAGES_MAX;
        for asked in subscriptions.chunks(resource_graph::SUBSCRIPTIONS_PER_QUERY) {
            let read = |body: &[u8]| resource_graph::down_page(body, asked);
            let bounds = (&mut pages_left, deadline);
            if let Err(why) = self.read_graph(Question::Down(asked), read, &mut reading.down, bounds).await {
                reading.unfinished = Some(why);
                break;
            }
        }
        reading
    }

    /// Asks Resource Graph for the subscriptions in a management group and in those below it, page by page to the end. It shows those
    /// that the guard's identity may read.
    pub async fn subscriptions_in(&self, group: &ManagementGroup, budget: Duration) -> GroupReading {
        let deadline = Instant::now() + budget;
        let mut pages_left = resource_graph::PAGES_MAX;
        let mut subscriptions = Vec::new();
        let (read, bounds) = (resource_graph::subscriptions_page, (&mut pages_left, deadline));
        let done = self.read_graph(Question::In(group), read, &mut subscriptions, bounds).await;
        GroupReading { subscriptions, unfinished: done.err() }
    }

    /// All pages of one query, within so many pages and until then.
    async fn read_graph<T>(
        &self,
        question: Question<'_>,
        read_page: impl Fn(&[u8]) -> Result<Page<T>, PageError>,
        rows: &mut Vec<T>,
        (pages_left, deadline): (&mut usize, Instant),
    ) -> Result<(), Unfinished> {
        let url = self.options().endpoint.resource_graph(resource_graph::RESOURCE_GRAPH_API_VERSION);
        let mut skip_token = None;
        loop {
            *pages_left = pages_left.checked_sub(1).ok_or(Unfinished::TooManyPages)?;
            let body = question.body(skip_token.as_deref());
            let read = Read { method: Method::POST, url: &url, body, subscription: None };
            let heard = self.read(&read, left_until(deadline)).await.map_err(Unfinished::Failed)?;
            let body = heard.body.map_err(Unfinished::Failed)?;
            let page = read_page(&body)
                .map_err(|error| Unfinished::Failed(ArmError::Malformed(error.to_string())))?;
            rows.extend(page.rows);
            // Whoever asks next needs quota too, so the last page's word is not waited for.
            let Some(next) = page.skip_token else { return Ok(()) };
            skip_token = Some(next);
            if let Some(resets_after) = headers::used_up_quota(&heard.headers) {
                if resets_after >= left_until(deadline) {
                    return Err(Unfinished::QuotaUsedUp { resets_after });
                }
                tokio::time::sleep(resets_after).await;
            }
        }
    }

    /// How far ARM's clock is ahead of this machine's, as last heard; zero under `OFFSET_NOISE`. A wall clock that was set since is
    /// seen by the boot clock.
    pub fn clock_offset(&self) -> SignedDuration {
        self.0.offset.at(self.0.clock.now(), self.0.clock.since_boot())
    }

    /// The same, if ARM told its time at all.
    pub fn heard_offset(&self) -> Option<SignedDuration> {
        self.0.offset.is_known().then(|| self.clock_offset())
    }

    /// The time on ARM's clock.
    pub fn arm_now(&self) -> Timestamp {
        let wall = self.0.clock.now();
        shift(wall, self.0.offset.at(wall, self.0.clock.since_boot()))
    }

    /// How long a subscription is still left alone because it throttled a request. Nothing is sent to it until then.
    pub fn left_alone_for(&self, subscription: &SubscriptionId) -> Option<Duration> {
        self.0.throttle.closed_for(subscription, self.0.clock.since_boot())
    }

    /// Leaves a subscription alone if it throttled a request.
    pub(super) fn heed(&self, subscription: &SubscriptionId, error: &ArmError) {
        if let Some(after) = error.throttled_for() {
            tracing::warn!(%subscription, seconds = after.as_secs(), "throttled: the subscription is left alone");
            self.0.throttle.close(subscription, after, self.0.clock.since_boot());
        }
    }

    pub(super) fn options(&self) -> &ArmOptions {
        &self.0.options
    }

    pub(super) async fn token(&self) -> Result<Secret, CredentialError> {
        self.0.credential.token(self.options().endpoint.scope()).await
    }

    pub(super) fn reject(&self, token: &Secret) {
        self.0.credential.reject(self.options().endpoint.scope(), token);
    }

    pub(super) fn local_now(&self) -> Timestamp {
        self.0.clock.now()
    }

    /// Sends a request once and learns from the answer's `Date`. Gives the answer and the time of sending on ARM's clock.
    pub(super) async fn exchange(
        &self,
        request: Request<Bytes>,
        timeout: Duration,
    ) -> Result<(Response<Bytes>, Timestamp), TransportError> {
        let method = request.method().clone();
        let sent_since_boot = self.0.clock.since_boot();
        let response = self.0.transport.send(request, timeout).await?;
        let received_since_boot = self.0.clock.since_boot();
        let trip = RoundTrip { sent_since_boot, received_since_boot, received: self.0.clock.now() };
        let sent_at = self.0.offset.learn(trip, headers::date(response.headers()));
        tracing::debug!(
            %method,
            status = response.status().as_u16(),
            request_id = headers::request_id(response.headers()),
            "azure resource manager answered"
        );
        Ok((response, sent_at))
    }

    /// A read, tried again while that can help and there is time.
    pub(super) async fn read(&self, read: &Read<'_>, budget: Duration) -> Result<Heard, ArmError> {
        let deadline = Instant::now() + budget;
        let backoff = ExponentialBuilder::new()
            .with_min_delay(RETRY_DELAY_MIN)
            .with_max_delay(RETRY_DELAY_MAX)
            .with_max_times(RETRIES_MAX)
            .with_jitter();
        (|| self.read_once(read, deadline))
            .retry(backoff)
            .when(ArmError::is_transient)
            .adjust(|error, delay| pause(error, delay?, left_until(deadline)))
            .await
    }

    /// One read; a second one with a new token if the first token was refused. Transient failures are `Err`, so that they
    /// are tried again; others are an answer.
    async fn read_once(&self, read: &Read<'_>, deadline: Instant) -> Result<Heard, ArmError> {
        self.take_turn(read, deadline).await?;
        let (response, sent_at) = match self.ask(read, deadline).await? {
            (response, _) if response.status() == StatusCode::UNAUTHORIZED => {
                self.ask(read, deadline).await?
            }
            answer => answer,
        };
        if response.status() == StatusCode::OK {
            let (head, body) = response.into_parts();
            return Ok(Heard { sent_at, headers: head.headers, body: Ok(body) });
        }
        if response.status().is_success() {
            let status = response.status().as_u16();
            return Err(ArmError::Malformed(format!("a read was answered with {status}")));
        }
        let error = ArmError::from_response(&response, self.0.clock.now());
        if let Some(subscription) = read.subscription {
            self.heed(subscription, &error);
        }
        if error.is_transient() {
            return Err(error);
        }
        Ok(Heard { sent_at, headers: response.into_parts().0.headers, body: Err(error) })
    }

    /// Waits for the subscription's turn; an error if that is too long a wait.
    async fn take_turn(&self, read: &Read<'_>, deadline: Instant) -> Result<(), ArmError> {
        let Some(subscription) = read.subscription else { return Ok(()) };
        let turn = self.0.throttle.take_read(subscription, self.0.clock.since_boot());
        let wait = turn.map_err(|after| ArmError::LeftAlone { after })?;
        if !wait.is_zero() {
            tokio::time::sleep(wait.min(left_until(deadline))).await;
        }
        Ok(())
    }

    async fn ask(
        &self,
        read: &Read<'_>,
        deadline: Instant,
    ) -> Result<(Response<Bytes>, Timestamp), ArmError> {
        let token = tokio::time::timeout_at(deadline, self.token())
            .await
            .map_err(|_| CredentialError::Unavailable("no token in time".to_owned()))??;
        let mut request = authorized(read.method.clone(), read.url, &token)?;
        if !read.body.is_empty() {
            let json = HeaderValue::from_static("application/json");
            request.headers_mut().insert(header::CONTENT_TYPE, json);
            *request.body_mut() = read.body.clone();
        }
        let timeout = left_until(deadline).min(READ_TIMEOUT);
        if timeout.is_zero() {
            return Err(TransportError::TimedOut.into());
        }
        let answer = self.exchange(request, timeout).await?;
        if answer.0.status() == StatusCode::UNAUTHORIZED {
            self.reject(&token);
        }
        Ok(answer)
    }
}

impl<'a> Read<'a> {
    pub(super) fn get(url: &'a str, subscription: &'a SubscriptionId) -> Self {
        Self::get_of(url, Some(subscription))
    }

    /// A read that may be about no subscription.
    pub(super) fn get_of(url: &'a str, subscription: Option<&'a SubscriptionId>) -> Self {
        Self { method: Method::GET, url, body: Bytes::new(), subscription }
    }
}

impl fmt::Debug for Arm {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Arm")
            .field("options", &self.0.options)
            .field("offset", &self.0.offset)
            .finish_non_exhaustive()
    }
}

/// A request with its bearer token. The URL must be one that [`Endpoint`] gave.
pub(super) fn authorized(method: Method, url: &str, token: &Secret) -> Result<Request<Bytes>, ArmError> {
    let unfit = || ArmError::Malformed("the request can't be built".to_owned());
    let mut bearer = HeaderValue::from_str(&format!("Bearer {}", token.expose())).map_err(|_| unfit())?;
    bearer.set_sensitive(true);
    Request::builder()
        .method(method)
        .uri(url)
        .header(header::AUTHORIZATION, bearer)
        .header(header::ACCEPT, "application/json")
        .body(Bytes::new())
        .map_err(|_| unfit())
}

/// How long to wait before the next try; `None` when it would come too late. What ARM asks for is never cut short.
fn pause(error: &ArmError, delay: Duration, left: Duration) -> Option<Duration> {
    let delay = match error {
        ArmError::RetryAfter { after, .. } => delay.max(*after),
        ArmError::Unreachable(_)
        | ArmError::Wait(_)
        | ArmError::LeftAlone { .. }
        | ArmError::Gone(_)
        | ArmError::Denied(_)
        | ArmError::Locked(_)
        | ArmError::Conflict(_)
        | ArmError::Quota(_)
        | ArmError::Capacity(_)
        | ArmError::Refused(_)
        | ArmError::NoToken(_)
        | ArmError::Malformed(_) => delay,
    };
    (delay < left).then_some(delay)
}

pub(super) fn left_until(deadline: Instant) -> Duration {
    deadline.saturating_duration_since(Instant::now())
}

pub(super) fn foreign_link() -> ArmError {
    ArmError::Malformed("the next page is on another host".to_owned())
}
