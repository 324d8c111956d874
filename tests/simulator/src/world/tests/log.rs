use super::*;

fn list(scene: &mut Scene, selector: &str) -> Response<Bytes> {
    let filter = format!(
        "eventTimestamp ge '2026-09-14T17:00:00Z' and eventTimestamp le '2026-09-15T17:00:00Z' and {selector}"
    );
    let filter = filter.replace(' ', "%20").replace('\'', "%27");
    let uri = format!(
        "/subscriptions/{SUBSCRIPTION}/providers/Microsoft.Insights/eventtypes/management/values?api-version=2015-04-01&$filter={filter}"
    );
    scene.answer("GET", &uri)
}

fn of_cluster(scene: &mut Scene) -> Vec<(String, String)> {
    let selector = format!("resourceUri eq '{}'", scene.cluster);
    let body = json(&list(scene, &selector));
    let text = |value: &Value| value["value"].as_str().unwrap().to_owned();
    body["value"]
        .as_array()
        .unwrap()
        .iter()
        .map(|record| {
            (
                text(&record["operationName"]).replace("Microsoft.ContainerService/", ""),
                text(&record["status"]),
            )
        })
        .collect()
}

fn stop(status: &str) -> (String, String) {
    ("managedClusters/stop/action".to_owned(), status.to_owned())
}

#[test]
fn records_come_after_the_lag_newest_first() {
    let mut scene = Scene::new();
    scene.stop_by(&Caller::user("dana"));
    scene.pass(seconds(197));
    assert_eq!(of_cluster(&mut scene), []);
    scene.pass(seconds(2));
    assert_eq!(of_cluster(&mut scene), [stop("Accepted"), stop("Started")]);
    scene.pass(seconds(95));
    assert_eq!(of_cluster(&mut scene), [stop("Succeeded"), stop("Accepted"), stop("Started")]);
}

#[test]
fn a_refused_start_is_in_the_log_and_was_not_accepted() {
    let mut scene = Scene::new();
    scene.post_start();
    scene.fault(Fault::Denied, 1);
    scene.post_start();
    scene.pass(seconds(300));
    let statuses: Vec<String> = of_cluster(&mut scene).into_iter().map(|(_, status)| status).collect();
    assert_eq!(statuses, ["Failed", "Failed", "Started", "Started"]);
}

#[test]
fn a_record_says_who_when_and_by_which_request() {
    let mut scene = Scene::new();
    scene.stop_by(&Caller::user("dana"));
    scene.pass(seconds(400));
    let event = scene.world.take_events(scene.now).pop().unwrap();
    let correlation = event.data["correlationId"].as_str().unwrap().to_owned();
    let body = json(&list(&mut scene, &format!("correlationId eq '{correlation}'")));
    let record = &body["value"][2];
    assert_eq!(record["caller"], "dana@contoso.com");
    assert_eq!(record["eventTimestamp"], "2026-09-14T19:00:00.0000000Z");
    assert_eq!(record["submissionTimestamp"], "2026-09-14T19:03:18.0000000Z");
    assert_eq!(
        record["claims"]["http://schemas.xmlsoap.org/ws/2005/05/identity/claims/upn"],
        "dana@contoso.com"
    );
    assert_eq!(record["operationId"], body["value"][0]["operationId"]);
    assert_eq!(event.time.to_string(), "2026-09-14T19:01:35Z");
}

#[test]
fn a_nameless_caller_has_no_claims_in_the_log() {
    let mut scene = Scene::new();
    scene.stop_by(&Caller::nameless());
    scene.pass(seconds(400));
    let body = json(&list(&mut scene, "resourceGroupName eq 'RG-PROD-WEU'"));
    assert_eq!(body["value"].as_array().unwrap().len(), 3);
    assert!(body["value"][0].get("claims").is_none() && body["value"][0].get("caller").is_none());
}

#[test]
fn a_record_has_the_members_of_the_published_example() {
    let mut scene = Scene::new();
    scene.stop_by(&Caller::user("dana"));
    scene.pass(seconds(400));
    let body = json(&list(&mut scene, "resourceProvider eq 'Microsoft.ContainerService'"));
    let mut members: Vec<&str> = body["value"][0].as_object().unwrap().keys().map(String::as_str).collect();
    members.sort_unstable();
    assert_eq!(
        members,
        [
            "authorization",
            "caller",
            "category",
            "channels",
            "claims",
            "correlationId",
            "description",
            "eventDataId",
            "eventName",
            "eventTimestamp",
            "httpRequest",
            "id",
            "level",
            "operationId",
            "operationName",
            "properties",
            "resourceGroupName",
            "resourceId",
            "resourceProviderName",
            "resourceType",
            "status",
            "subStatus",
            "submissionTimestamp",
            "subscriptionId",
            "tenantId",
        ]
    );
}

#[test]
fn pages_hold_every_record_once_though_new_ones_come_between() {
    let mut scene = Scene::new();
    scene.world.settings_mut().log_page_size = 2;
    scene.stop_by(&Caller::user("dana"));
    scene.pass(seconds(200));
    let mut page = json(&list(&mut scene, "resourceProvider eq 'Microsoft.ContainerService'"));
    assert!(page.get("nextLink").is_none());
    scene.pass(seconds(100));
    page = json(&list(&mut scene, "resourceProvider eq 'Microsoft.ContainerService'"));
    let mut ids: Vec<String> = Vec::new();
    loop {
        ids.extend(page["value"].as_array().unwrap().iter().map(|r| r["eventDataId"].to_string()));
        // A start in between must not shift the pages.
        let _ = scene.world.start(&scene.cluster.clone(), &Caller::user("dana"), scene.now);
        scene.pass(seconds(250));
        let Some(next) = page.get("nextLink").map(|link| link.as_str().unwrap().to_owned()) else { break };
        page = json(&scene.answer("GET", &next));
    }
    ids.sort_unstable();
    ids.dedup();
    assert_eq!(ids.len(), 3);
    assert_eq!(scene.world.violations(), []);
}

#[test]
fn a_filter_outside_the_grammar_is_a_400_and_a_violation() {
    let mut scene = Scene::new();
    let refused = list(&mut scene, "caller eq 'dana'");
    assert_eq!(refused.status(), 400);
    assert_eq!(json(&refused)["code"], "BadRequest");
    assert!(matches!(scene.world.violations(), [Violation::BadLogQuery { .. }]));
}

#[test]
fn an_event_comes_when_the_stop_has_ended_unless_told_otherwise() {
    let mut scene = Scene::new();
    scene.stop_by(&Caller::user("dana"));
    scene.pass(seconds(94));
    assert_eq!(scene.world.take_events(scene.now), []);
    scene.pass(seconds(1));
    let events = scene.world.take_events(scene.now);
    assert_eq!((events.len(), events[0].data["status"].as_str()), (1, Some("Succeeded")));
    assert_eq!(scene.world.take_events(scene.now), []);
}

#[test]
fn events_can_be_early_late_lost_or_doubled() {
    let mut scene = Scene::new();
    let (id, dana) = (scene.cluster.clone(), Caller::user("dana"));
    let early = EventRule { moment: EventMoment::Acceptance, delay: seconds(10), copies: 2 };
    scene.world.next_event(early);
    scene.world.next_event(EventRule { copies: 0, ..EventRule::default() });
    scene.stop_by(&dana);
    assert_eq!(scene.world.take_events(scene.now), []);
    scene.pass(seconds(10));
    let twice = scene.world.take_events(scene.now);
    assert_eq!((twice.len(), &twice[0], twice[0].data["status"].as_str()), (2, &twice[1], Some("Accepted")));
    scene.pass(seconds(95));
    scene.world.start(&id, &dana, scene.now).unwrap();
    scene.pass(seconds(1000));
    assert_eq!(scene.world.take_events(scene.now), []);
}

#[test]
fn the_claims_tell_the_kinds_of_caller_apart() {
    let told = |caller: Caller| {
        let mut scene = Scene::new();
        scene.stop_by(&caller);
        scene.pass(seconds(95));
        let event = scene.world.take_events(scene.now).pop().unwrap();
        assert_eq!(event.event_grid()["data"], event.cloud_event()["data"]);
        event.data
    };
    let identity = "http://schemas.microsoft.com/identity/claims/objectidentifier";
    let upn = "http://schemas.xmlsoap.org/ws/2005/05/identity/claims/upn";
    assert_eq!(told(Caller::user("dana"))["claims"][upn], "dana@contoso.com");
    let guest = told(Caller::guest("eve"));
    assert!(guest["claims"].get(upn).is_none() && guest["claims"].get("altsecid").is_some());
    assert_eq!(guest["authorization"]["evidence"]["role"], "Subscription Admin");
    let principal = told(Caller::service_principal("pipeline"));
    assert_eq!(
        (&principal["claims"]["idtyp"], &principal["claims"]["appidacr"]),
        (&"app".into(), &"1".into())
    );
    let host = "/subscriptions/s/resourceGroups/g/providers/Microsoft.Web/sites/x";
    let system = told(Caller::system_identity("x", host));
    assert_eq!(
        system["claims"]["xms_mirid"],
        "/subscriptions/s/resourcegroups/g/providers/Microsoft.Web/sites/x"
    );
    assert_eq!(told(Caller::azure_provider())["claims"]["appid"], AKS_PROVIDER_APP);
    let nameless = told(Caller::nameless());
    assert!(nameless.get("claims").is_none() && nameless["authorization"].get("evidence").is_none());
    let dana = told(Caller::user("dana"));
    let dashless = dana["claims"][identity].as_str().unwrap().replace('-', "");
    assert_eq!(dana["authorization"]["evidence"]["principalId"], dashless);
}
