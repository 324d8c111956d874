//! The control API: what a test in another process does to the world.
//!
//! | request | body | answer |
//! |---|---|---|
//! | `POST /_sim/clusters` | [`NewCluster`] | 201 |
//! | `GET /_sim/clusters` | | what a GET of each shows, without faults |
//! | `POST /_sim/stop`, `start`, `delete` | [`Order`] | the operation's id, or 409 and why not |
//! | `POST /_sim/operations/finish` | | 204; what is under way has ended |
//! | `POST /_sim/faults`, `DELETE /_sim/faults` | [`FaultRule`] | 204 |
//! | `POST /_sim/identities` | [`Assignment`] | 204 |
//! | `POST /_sim/tokens` | [`TokenOrder`] | `{"token"}` |
//! | `POST /_sim/next-event` | [`EventRule`] | 204 |
//! | `POST /_sim/events/take` | | events that have come, in both schemas |
//! | `GET /_sim/journal`, `/_sim/violations` | | what happened, and what must not have |
//! | `GET /_sim/webhooks`, `DELETE` | | deliveries received |
//! | `POST /_sim/webhooks/behaviour` | [`Behaviour`] | 204 |

use axum::Router;
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use http::StatusCode;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::json::Json;
use super::{Shared, now};
use crate::sink::Behaviour;
use crate::world::{AssignedIdentity, Caller, ClusterId, EventRule, FaultRule, NewCluster, Refusal, World};

/// Who does something to which cluster.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Order {
    /// The cluster.
    pub cluster: ClusterId,
    /// Who.
    pub caller: Caller,
}

/// An identity for the identity endpoint.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Assignment {
    /// Whose requests these are.
    pub caller: Caller,
    /// Whether a token request must name its client id.
    #[serde(default)]
    pub user_assigned: bool,
}

/// A token without the identity endpoint.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct TokenOrder {
    /// Whose.
    pub caller: Caller,
    /// For whom.
    pub audience: String,
}

pub(super) fn router() -> Router<Shared> {
    Router::new()
        .route("/clusters", get(clusters).post(create))
        .route("/stop", post(stop))
        .route("/start", post(start))
        .route("/delete", post(delete))
        .route("/operations/finish", post(finish))
        .route("/faults", post(add_fault).delete(clear_faults))
        .route("/identities", post(assign))
        .route("/tokens", post(token))
        .route("/next-event", post(next_event))
        .route("/events/take", post(take_events))
        .route("/journal", get(journal))
        .route("/violations", get(violations))
        .route("/webhooks", get(webhooks).delete(forget_webhooks))
        .route("/webhooks/behaviour", post(behave))
}

async fn create(State(shared): State<Shared>, Json(new): Json<NewCluster>) -> Response {
    match shared.world().create_cluster(new, now()) {
        Ok(()) => StatusCode::CREATED.into_response(),
        Err(refusal) => refused(&refusal),
    }
}

async fn clusters(State(shared): State<Shared>) -> Json<Value> {
    let mut world = shared.world();
    world.advance(now());
    let shown: Vec<Value> = world.clusters().map(crate::world::Cluster::shown).collect();
    Json(json!(shown))
}

async fn stop(State(shared): State<Shared>, Json(order): Json<Order>) -> Response {
    carry_out(&mut shared.world(), &order, World::stop)
}

async fn start(State(shared): State<Shared>, Json(order): Json<Order>) -> Response {
    carry_out(&mut shared.world(), &order, World::start)
}

async fn delete(State(shared): State<Shared>, Json(order): Json<Order>) -> Response {
    carry_out(&mut shared.world(), &order, World::delete)
}

type Operation = fn(&mut World, &ClusterId, &Caller, jiff::Timestamp) -> Result<String, Refusal>;

fn carry_out(world: &mut World, order: &Order, operation: Operation) -> Response {
    match operation(world, &order.cluster, &order.caller, now()) {
        Ok(id) => Json(json!({ "operation": id })).into_response(),
        Err(refusal) => refused(&refusal),
    }
}

fn refused(refusal: &Refusal) -> Response {
    (StatusCode::CONFLICT, Json(json!({ "refused": refusal.to_string() }))).into_response()
}

async fn finish(State(shared): State<Shared>) -> StatusCode {
    shared.world().finish_operations(now());
    StatusCode::NO_CONTENT
}

async fn add_fault(State(shared): State<Shared>, Json(rule): Json<FaultRule>) -> StatusCode {
    shared.world().add_fault(rule);
    StatusCode::NO_CONTENT
}

async fn clear_faults(State(shared): State<Shared>) -> StatusCode {
    shared.world().clear_faults();
    StatusCode::NO_CONTENT
}

async fn assign(State(shared): State<Shared>, Json(order): Json<Assignment>) -> StatusCode {
    let Assignment { caller, user_assigned } = order;
    shared.world().assign_identity(AssignedIdentity { caller, user_assigned });
    StatusCode::NO_CONTENT
}

async fn token(State(shared): State<Shared>, Json(order): Json<TokenOrder>) -> Json<Value> {
    let token = shared.world().token_for(&order.caller, &order.audience, now());
    Json(json!({ "token": token }))
}

async fn next_event(State(shared): State<Shared>, Json(rule): Json<EventRule>) -> StatusCode {
    shared.world().next_event(rule);
    StatusCode::NO_CONTENT
}

async fn take_events(State(shared): State<Shared>) -> Json<Value> {
    let events = shared.world().take_events(now());
    let both = |event: &crate::world::ResourceEvent| json!({ "eventGrid": event.event_grid(), "cloudEvent": event.cloud_event() });
    Json(events.iter().map(both).collect())
}

async fn journal(State(shared): State<Shared>) -> Json<Value> {
    let mut world = shared.world();
    world.advance(now());
    Json(json!(world.journal()))
}

async fn violations(State(shared): State<Shared>) -> Json<Value> {
    Json(json!(shared.world().violations()))
}

async fn webhooks(State(shared): State<Shared>) -> Json<Value> {
    Json(json!(shared.receiver().deliveries()))
}

async fn forget_webhooks(State(shared): State<Shared>) -> StatusCode {
    shared.receiver().forget();
    StatusCode::NO_CONTENT
}

async fn behave(State(shared): State<Shared>, Json(behaviour): Json<Behaviour>) -> StatusCode {
    shared.receiver().behave(behaviour);
    StatusCode::NO_CONTENT
}
