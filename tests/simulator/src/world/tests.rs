use bytes::Bytes;
use http::{Request, Response};
use jiff::{SignedDuration, Timestamp};
use serde_json::Value;

use super::*;

mod faults;
mod log;
mod power;
mod protocol;

/// A world with one running cluster, a guard with an identity, and a clock.
struct Scene {
    world: World,
    now: Timestamp,
    cluster: ClusterId,
    token: String,
}

const SUBSCRIPTION: &str = "aaaa0a0a-bb1b-cc2c-dd3d-eeeeee4e4e4e";

fn guard() -> Caller {
    Caller::system_identity(
        "guard",
        "/subscriptions/s/resourceGroups/rg-guard/providers/Microsoft.Web/sites/func-aks-guard",
    )
}

fn seconds(seconds: i64) -> SignedDuration {
    SignedDuration::from_secs(seconds)
}

impl Scene {
    fn new() -> Self {
        Self::with(Settings::default())
    }

    fn with(settings: Settings) -> Self {
        let now: Timestamp = "2026-09-14T18:00:00Z".parse().unwrap();
        let mut world = World::new(settings);
        let cluster = ClusterId::new(SUBSCRIPTION, "rg-prod-weu", "aks-prod-01");
        world.create_cluster(NewCluster::new(cluster.clone()), now).unwrap();
        let token = world.token_for(&guard(), "https://management.azure.com/", now);
        Self { world, now: now + seconds(3600), cluster, token }
    }

    fn pass(&mut self, time: SignedDuration) {
        self.now += time;
    }

    fn stop_by(&mut self, caller: &Caller) {
        self.world.stop(&self.cluster.clone(), caller, self.now).unwrap();
    }

    fn request(&self, method: &str, uri: &str) -> Request<Bytes> {
        Request::builder()
            .method(method)
            .uri(uri)
            .header("authorization", format!("Bearer {}", self.token))
            .body(Bytes::new())
            .unwrap()
    }

    fn send(&mut self, method: &str, uri: &str) -> Reply {
        let request = self.request(method, uri);
        self.world.handle(&request, self.now)
    }

    fn answer(&mut self, method: &str, uri: &str) -> Response<Bytes> {
        self.send(method, uri).answer().unwrap()
    }

    fn uri(&self, action: &str) -> String {
        format!("{}{action}?api-version=2025-10-01", self.cluster)
    }

    fn get(&mut self) -> Value {
        let uri = self.uri("");
        json(&self.answer("GET", &uri))
    }

    fn shown(&mut self) -> (String, String) {
        let body = self.get();
        let properties = &body["properties"];
        let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
        (text(&properties["provisioningState"]), text(&properties["powerState"]["code"]))
    }

    fn post_start(&mut self) -> Response<Bytes> {
        let uri = self.uri("/start");
        self.answer("POST", &uri)
    }

    fn fault(&mut self, fault: Fault, times: u32) {
        self.world.add_fault(FaultRule { fault, on: None, cluster: None, times: Some(times) });
    }
}

fn json(response: &Response<Bytes>) -> Value {
    serde_json::from_slice(response.body()).unwrap()
}

fn header<'a>(response: &'a Response<Bytes>, name: &str) -> &'a str {
    response.headers().get(name).unwrap().to_str().unwrap()
}

fn state(provisioning: &str, power: &str) -> (String, String) {
    (provisioning.to_owned(), power.to_owned())
}
