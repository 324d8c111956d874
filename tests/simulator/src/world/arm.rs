//! Azure's HTTP side: a request comes in, an answer goes out, and the journal knows.

use bytes::Bytes;
use http::{Request, Response, StatusCode};
use jiff::{SignedDuration, Timestamp};

use super::World;
use super::answer::{Common, Draft, dressed, plain};
use super::caller::Caller;
use super::cluster::LastPower;
use super::fault::{Fault, RequestKind, Stage};
use super::graph;
use super::id::ClusterId;
use super::identity::{Endpoint, TokenFault};
use super::journal::{Happening, RequestResult, Violation};
use super::kind::Kind;
use super::operation::{Operation, Origin};
use super::polling::Poll;
use super::power::Refusal;
use super::refusals::{ordered, throttled};
use super::target::{Action, Target, Verb, query_value};
use super::throttle::{Demand, Empty, Quota};

/// What comes of a request.
#[derive(Debug)]
pub enum Reply {
    /// An answer at once.
    Answer(Response<Bytes>),
    /// An answer after that long, in this world's time. The effect was at once.
    Late {
        /// How much later.
        after: SignedDuration,
        /// The answer.
        answer: Response<Bytes>,
    },
    /// The effect is done; the connection breaks without an answer.
    AnswerLost,
    /// Nothing was done; the connection breaks or is never made.
    NeverArrived,
}

impl Reply {
    /// The answer that comes at once, if one does.
    pub fn answer(self) -> Option<Response<Bytes>> {
        match self {
            Self::Answer(answer) => Some(answer),
            Self::Late { .. } | Self::AnswerLost | Self::NeverArrived => None,
        }
    }
}

/// A request on its way through.
pub(super) struct Call<'a> {
    pub(super) request: &'a Request<Bytes>,
    pub(super) target: Target,
    pub(super) kind: RequestKind,
    fault: Option<Fault>,
    pub(super) now: Timestamp,
    pub(super) correlation_id: String,
}

impl World {
    /// Answers a request to ARM or to the identity endpoint.
    pub fn handle(&mut self, request: &Request<Bytes>, now: Timestamp) -> Reply {
        let now = self.advance(now);
        if let Some(draft) = self.tokens.entra.answer(request, &self.settings.endpoint) {
            return Reply::Answer(plain(draft, now));
        }
        let target = Target::of(request.method(), request.uri());
        let kind = target.kind();
        let fault = self.faults.take(Stage::Request, kind, target.cluster());
        let correlation_id = self.guids.next_guid();
        let call = Call { request, target, kind, fault, now, correlation_id };
        if call.fault == Some(Fault::NeverArrived) {
            self.note(&call, "?", RequestResult::NeverArrived);
            return Reply::NeverArrived;
        }
        let (who, answer) = self.answer(&call);
        let status = answer.status().as_u16();
        if call.fault == Some(Fault::AnswerLost) {
            self.note(&call, &who, RequestResult::AnswerLost(status));
            return Reply::AnswerLost;
        }
        self.note(&call, &who, RequestResult::Status(status));
        if let Some(Fault::SlowAnswer(after)) = call.fault {
            return Reply::Late { after: self.scaled(after), answer };
        }
        Reply::Answer(answer)
    }

    fn note(&mut self, call: &Call<'_>, who: &str, result: RequestResult) {
        let happening = Happening::Request { kind: call.kind, result };
        self.journal.note(call.now, who, call.target.cluster(), happening);
    }

    /// Who asked, as far as known, and the answer.
    fn answer(&mut self, call: &Call<'_>) -> (String, Response<Bytes>) {
        let date = call.now + self.settings.date_skew;
        if call.target == Target::Token {
            return ("?".to_owned(), plain(self.token(call), date));
        }
        let mut who = "?".to_owned();
        let mut remaining = None;
        let draft = match self.admit(call) {
            Err(refused) => refused,
            Ok(caller) => {
                who.clone_from(&caller.name);
                match self.take_quota(call, &caller) {
                    Err(refused) => refused,
                    Ok(left) => {
                        remaining = left;
                        self.serve(call, caller)
                    }
                }
            }
        };
        let request_id = self.guids.next_guid();
        let common =
            Common { date, request_id: &request_id, correlation_id: &call.correlation_id, remaining };
        (who, dressed(draft, &common))
    }

    fn token(&mut self, call: &Call<'_>) -> Draft {
        if let Some(fault) = &call.fault
            && let Some(draft) = ordered(fault, call, "the identity endpoint")
        {
            return draft;
        }
        let mut endpoint = Endpoint {
            secret: &self.settings.identity_secret,
            identities: &self.identities,
            tokens: &mut self.tokens,
            guids: &mut self.guids,
        };
        endpoint.answer(call.request, call.now)
    }

    /// What every request to ARM must have: a known target, a good token, an api-version.
    fn admit(&mut self, call: &Call<'_>) -> Result<Caller, Draft> {
        if call.target == Target::Unknown {
            let uri = call.request.uri();
            let request = format!("{} {}", call.request.method(), uri).chars().take(300).collect();
            self.violations.push(Violation::UnknownRequest { request });
            return Err(Draft::gateway_error(
                StatusCode::NOT_FOUND,
                "InvalidResourceType",
                "The resource type could not be found.",
            ));
        }
        let caller = self.tokens.arm_caller(call.request, call.now).map_err(|fault| {
            match fault {
                TokenFault::Missing => self.violations.push(Violation::NoToken),
                TokenFault::NeverIssued | TokenFault::WrongAudience(_) => {
                    self.violations.push(Violation::ForeignToken);
                }
                // A token may expire on its way.
                TokenFault::Expired(_) => {}
            }
            fault.answer(call.now)
        })?;
        if query_value(call.request.uri(), "api-version").is_none_or(|version| version.is_empty()) {
            self.violations.push(Violation::NoApiVersion);
            return Err(Draft::gateway_error(
                StatusCode::BAD_REQUEST,
                "MissingApiVersionParameter",
                "The api-version query parameter (?api-version=) is required for all requests.",
            ));
        }
        if let Some(fault) = &call.fault
            && let Some(draft) = ordered(fault, call, &caller.object_id)
        {
            self.log_gateway_refusal(call, &caller, draft.status);
            return Err(draft);
        }
        self.authorise(call, &caller)?;
        Ok(caller)
    }

    /// A write that the front door refuses is in the activity log, if it is about a cluster.
    fn log_gateway_refusal(&mut self, call: &Call<'_>, caller: &Caller, status: StatusCode) {
        if let Target::Cluster { verb, id } = &call.target
            && let Some(deed) = verb.deed()
        {
            let origin = self.origin_of(call, caller.clone());
            self.log_refusal(id, deed, status, &origin, call.now);
        }
    }

    fn take_quota(&mut self, call: &Call<'_>, caller: &Caller) -> Result<Option<(Quota, u32)>, Draft> {
        let cluster = call.target.cluster().map(ToString::to_string).unwrap_or_default();
        let subscription = call.target.subscription().unwrap_or_default();
        let demand = Demand {
            kind: call.kind,
            principal: &caller.object_id,
            subscription,
            cluster: &cluster,
            is_of_aks: call.target.cluster().is_none_or(|id| id.kind == Kind::ManagedCluster),
            speed_up: f64::from(self.settings.speed_up.max(1)),
        };
        self.buckets.take(&demand, call.now).map_err(|empty| match empty {
            Empty::Provider(seconds) => throttled(call.kind, subscription, Some(seconds)),
            Empty::Gateway(seconds) => Draft::gateway_error(
                StatusCode::TOO_MANY_REQUESTS,
                "SubscriptionRequestsThrottled",
                &format!(
                    "Number of requests for subscription '{subscription}' actor '{}' exceeded. Please try again after \
                     '{seconds}' seconds after additional tokens are available.",
                    caller.object_id
                ),
            )
            .with("retry-after", &seconds.to_string()),
        })
    }

    fn serve(&mut self, call: &Call<'_>, caller: Caller) -> Draft {
        if let Some(missing) = self.missing_scope(&call.target) {
            return missing;
        }
        self.estate.settle(call.now);
        match &call.target {
            Target::Cluster { verb: Verb::Get, id } => self.get(id, call.now),
            Target::Cluster { verb: Verb::Put, id } => self.put(call, id, caller),
            Target::Cluster { verb: Verb::Act(action), id } => self.act(call, *action, id, caller),
            Target::Poll { poll, operation, .. } => self.poll(*poll, operation, call.request.uri(), call.now),
            Target::ActivityLog { subscription } => self.list_log(subscription, call.request.uri(), call.now),
            Target::ResourceGraph => {
                let indexed = call.now - self.scaled(self.settings.graph_lag);
                let query = match graph::Query::read(call.request.body()) {
                    Ok(query) => query,
                    Err(bad) => return bad,
                };
                if query.is_of_subscriptions() {
                    let sees = self.may(&caller, "Microsoft.Resources/subscriptions/read");
                    return query.subscriptions_in(&self.groups_above, sees);
                }
                query.clusters(self.clusters.values(), &self.groups_above, indexed)
            }
            Target::Amend(amend) => self.amend(amend, call),
            Target::Around(around) => self.around(around, call.request.uri(), &caller),
            Target::Token | Target::Unknown => Draft::empty(StatusCode::NOT_FOUND),
        }
    }

    /// The gateway's 404s for a subscription or a group that never held anything.
    fn missing_scope(&self, target: &Target) -> Option<Draft> {
        let subscription = target.subscription()?;
        let key = subscription.to_ascii_lowercase();
        if !self.subscriptions.contains(&key) {
            let message = format!("The subscription '{subscription}' could not be found.");
            return Some(Draft::gateway_error(StatusCode::NOT_FOUND, "SubscriptionNotFound", &message));
        }
        let id = target.cluster()?;
        if !self.groups.contains(&(key, id.resource_group.to_ascii_lowercase())) {
            let message = format!("Resource group '{}' could not be found.", id.resource_group);
            return Some(Draft::gateway_error(StatusCode::NOT_FOUND, "ResourceGroupNotFound", &message));
        }
        None
    }

    fn get(&mut self, id: &ClusterId, now: Timestamp) -> Draft {
        let Some(cluster) = self.clusters.get(id) else { return not_found(id) };
        let mut state = cluster.state();
        // Only a look in the time after a stop uses the fault up.
        if cluster.before_recent_stop(now, SignedDuration::MAX).is_some()
            && let Some(Fault::StaleLook(lag)) =
                self.faults.take(Stage::Look, RequestKind::GetCluster, Some(id))
        {
            let lag = lag / i32::try_from(self.settings.speed_up.max(1)).unwrap_or(i32::MAX);
            state = cluster.before_recent_stop(now, lag).unwrap_or(state);
        }
        match id.kind {
            Kind::ManagedCluster => Draft::provider(StatusCode::OK, &cluster.body(state)),
            Kind::ContainerGroup => Draft::gateway(StatusCode::OK, &cluster.body(state)),
        }
    }

    fn act(&mut self, call: &Call<'_>, action: Action, id: &ClusterId, caller: Caller) -> Draft {
        if !call.request.body().is_empty() {
            self.violations.push(Violation::BodyOnAction { bytes: call.request.body().len() });
        }
        let (started_by, authorised_stop) = (caller.name.clone(), self.authorised_stop(id));
        let may_undo = caller.authorised;
        let origin = self.origin_of(call, caller);
        let begun = match action {
            Action::Start => self.begin_start(id, origin, call.now),
            Action::Stop => self.begin_stop(id, origin, call.now),
            Action::Delete => self.begin_delete(id, origin, call.now),
        };
        if let (Action::Start, false, Some((stopped_at, stopped_by))) = (action, may_undo, authorised_stop) {
            let (cluster, accepted) = (id.clone(), begun.is_ok());
            self.violations.push(Violation::Undone { cluster, stopped_by, stopped_at, started_by, accepted });
        }
        if id.kind == Kind::ContainerGroup {
            return self.group_answer(id, begun, call.now);
        }
        match begun {
            Ok(operation) => self.accepted(&operation, StatusCode::ACCEPTED, call.now),
            Err(Refusal::NotFound(_)) => not_found(id),
            Err(Refusal::NotAllowed(message)) => {
                Draft::provider_error(StatusCode::CONFLICT, "OperationNotAllowed", &message)
            }
        }
    }

    /// When and by whom the cluster was stopped, if that was its newest accepted power operation and the caller is
    /// marked as authorised.
    fn authorised_stop(&self, id: &ClusterId) -> Option<(Timestamp, String)> {
        match self.clusters.get(id)?.last_power.as_ref()? {
            LastPower::Stop { at, authorised: true, by } => Some((*at, by.clone())),
            LastPower::Stop { authorised: false, .. } | LastPower::Start => None,
        }
    }

    pub(super) fn accepted(&self, operation: &str, status: StatusCode, now: Timestamp) -> Draft {
        match self.operations.get(operation) {
            Some(operation) => self.with_polling(Draft::empty(status), operation, now),
            None => Draft::empty(status),
        }
    }

    fn with_polling(&self, draft: Draft, operation: &Operation, now: Timestamp) -> Draft {
        // Recorded: both URLs, no `Retry-After`, and the operation's id as the request's.
        self.with_async_operation(draft, operation, now)
            .with("location", &self.polling_url(operation, Poll::OperationResults, now))
    }

    /// A PUT has this URL alone (azure-cli recording of a creation).
    pub(super) fn with_async_operation(&self, draft: Draft, operation: &Operation, now: Timestamp) -> Draft {
        draft
            .with("azure-asyncoperation", &self.polling_url(operation, Poll::Operations, now))
            .for_operation(&operation.id)
    }

    pub(super) fn origin_of(&mut self, call: &Call<'_>, caller: Caller) -> Origin {
        let sent = call.request.headers().get("x-ms-client-request-id").and_then(|value| value.to_str().ok());
        let client_request_id =
            sent.map_or_else(|| self.guids.next_guid(), |id| id.chars().take(64).collect());
        let path_and_query = call.request.uri().path_and_query().map(http::uri::PathAndQuery::as_str);
        Origin {
            caller,
            correlation_id: call.correlation_id.clone(),
            client_request_id,
            operation_id: self.guids.next_guid(),
            url: format!("{}{}", self.settings.endpoint, path_and_query.unwrap_or_default()),
        }
    }
}

/// The recorded 404.
pub(super) fn not_found(id: &ClusterId) -> Draft {
    let message = format!(
        "The Resource '{}/{}/{}' under resource group '{}' was not found. For more \
         details please go to https://aka.ms/ARMResourceNotFoundFix",
        id.kind.provider(),
        id.kind.type_name(),
        id.name,
        id.resource_group
    );
    Draft::gateway_error(StatusCode::NOT_FOUND, "ResourceNotFound", &message)
}
