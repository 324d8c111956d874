use super::*;

#[test]
fn casing_is_arms_and_not_the_requests() {
    let mut scene = Scene::new();
    let uri = scene.uri("").replace("resourceGroups", "RESOURCEGROUPS").replace("aks-prod-01", "AKS-PROD-01");
    let body = json(&scene.answer("GET", &uri));
    assert_eq!(
        body["id"],
        format!(
            "/subscriptions/{SUBSCRIPTION}/resourcegroups/rg-prod-weu/providers/Microsoft.ContainerService/managedClusters/aks-prod-01"
        )
    );
    assert_eq!(body["type"], "Microsoft.ContainerService/ManagedClusters");
    assert!(body.get("tags").is_none(), "absent, not null");
}

#[test]
fn the_power_state_can_be_missing_null_or_unheard_of() {
    let mut scene = Scene::new();
    let id = scene.cluster.clone();
    let mut shown = |power_shown| {
        scene.world.cluster_mut(&id).unwrap().power_shown = power_shown;
        scene.get()["properties"].get("powerState").cloned()
    };
    assert_eq!(shown(PowerShown::Missing), None);
    assert_eq!(shown(PowerShown::Null), Some(Value::Null));
    assert_eq!(shown(PowerShown::Code("Deallocated".to_owned())).unwrap()["code"], "Deallocated");
}

#[test]
fn an_accepted_start_gives_two_long_signed_urls_and_no_retry_after() {
    let mut scene = Scene::new();
    scene.stop_by(&Caller::user("dana"));
    scene.pass(seconds(95));
    let accepted = scene.post_start();
    assert!(accepted.body().is_empty() && accepted.headers().get("retry-after").is_none());
    let (poll, location) = (header(&accepted, "azure-asyncoperation"), header(&accepted, "location"));
    assert!(poll.len() > 2900 && location.contains("/operationresults/"));
    assert!(poll.contains(header(&accepted, "x-ms-request-id")));

    let (poll, location) = (poll.to_owned(), location.to_owned());
    assert_eq!(scene.answer("GET", &location).status(), 202);
    let body = json(&scene.answer("GET", &poll));
    assert_eq!(
        (&body["status"], &body["error"]["code"]),
        (&"InProgress".into(), &"NotLatestOperation".into())
    );
    scene.pass(seconds(192));
    let body = json(&scene.answer("GET", &poll));
    assert_eq!(
        (&body["status"], &body["error"]["code"]),
        (&"Succeeded".into(), &"NotLatestOperation".into())
    );
    let finished = scene.answer("GET", &location);
    assert_eq!(finished.status(), 204);
    assert_ne!(header(&finished, "location"), location, "freshly signed");
    assert_eq!(scene.world.violations(), []);
}

#[test]
fn a_polling_url_that_was_altered_is_refused() {
    let mut scene = Scene::new();
    let uri = scene.uri("/stop");
    let poll = header(&scene.answer("POST", &uri), "azure-asyncoperation").to_owned();
    let (path, query) = poll.split_once('?').unwrap();
    let mut pairs: Vec<&str> = query.split('&').collect();
    pairs.sort_unstable();
    pairs.reverse();
    let moved = scene.answer("GET", &format!("{path}?{}", pairs.join("&")));
    assert_eq!(moved.status(), 403);
    assert_eq!(scene.world.violations(), [Violation::AlteredPollingUrl]);
}

#[test]
fn a_token_must_be_there_and_issued_and_for_arm() {
    let mut scene = Scene::new();
    let uri = scene.uri("");
    let good = scene.token.clone();
    let mut with = |token: &str| {
        scene.token = token.to_owned();
        let refused = scene.answer("GET", &uri);
        (refused.status().as_u16(), json(&refused)["error"]["code"].as_str().map(str::to_owned))
    };
    assert_eq!(with(&good).0, 200);
    assert_eq!(with("made up"), (401, Some("InvalidAuthenticationToken".to_owned())));
    let foreign = scene.world.token_for(&guard(), "https://vault.azure.net", scene.now);
    scene.token = foreign;
    let refused = scene.answer("GET", &uri);
    assert_eq!(json(&refused)["error"]["code"], "InvalidAuthenticationTokenAudience");
    let bare = Request::builder().uri(&uri).body(Bytes::new()).unwrap();
    let refused = scene.world.handle(&bare, scene.now).answer().unwrap();
    assert_eq!(json(&refused)["error"]["code"], "AuthenticationFailed");
    assert!(refused.headers().contains_key("www-authenticate"));
    assert_eq!(
        scene.world.violations(),
        [Violation::ForeignToken, Violation::ForeignToken, Violation::NoToken]
    );
}

#[test]
fn a_token_expires_by_the_true_clock() {
    let mut scene = Scene::new();
    scene.pass(seconds(24 * 3600));
    let uri = scene.uri("");
    let refused = scene.answer("GET", &uri);
    assert_eq!(json(&refused)["error"]["code"], "ExpiredAuthenticationToken");
    assert_eq!(scene.world.violations(), []);
}

#[test]
fn the_identity_endpoint_gives_a_token_that_arm_takes() {
    let mut scene = Scene::new();
    let assigned = Caller::user_assigned_identity("second", "/subscriptions/s/x");
    scene.world.assign_identity(AssignedIdentity { caller: guard(), user_assigned: false });
    scene.world.assign_identity(AssignedIdentity { caller: assigned.clone(), user_assigned: true });
    let mut ask = |extra: &str, secret: &str| {
        let uri = format!(
            "/msi/token?resource=https%3A%2F%2Fmanagement.azure.com%2F&api-version=2019-08-01{extra}"
        );
        let request =
            Request::builder().uri(uri).header("X-IDENTITY-HEADER", secret).body(Bytes::new()).unwrap();
        let answer = scene.world.handle(&request, scene.now).answer().unwrap();
        (answer.status().as_u16(), json(&answer))
    };
    let (status, body) = ask("", "simulated-identity-header");
    assert_eq!((status, body["token_type"].as_str()), (200, Some("Bearer")));
    assert_eq!(body["expires_on"], (scene.now + seconds(86_400)).as_second().to_string());
    let mine = format!("&client_id={}", assigned.app_id);
    assert_eq!(ask(&mine, "simulated-identity-header").1["client_id"], assigned.app_id);
    assert_eq!(ask("&client_id=other", "simulated-identity-header").0, 400);
    assert_eq!(ask("", "wrong").1["message"], "The secret provided is not valid.");
    scene.token = body["access_token"].as_str().unwrap().to_owned();
    assert_eq!(scene.shown(), state("Succeeded", "Running"));
}

#[test]
fn what_a_client_must_not_send_is_a_violation() {
    let mut scene = Scene::new();
    assert_eq!(scene.answer("GET", &scene.cluster.to_string()).status(), 400);
    assert_eq!(scene.answer("PATCH", &scene.uri("")).status(), 404);
    let mut with_body = scene.request("POST", &scene.uri("/stop"));
    *with_body.body_mut() = Bytes::from_static(b"{}");
    assert_eq!(scene.world.handle(&with_body, scene.now).answer().unwrap().status(), 202);
    let [
        Violation::NoApiVersion,
        Violation::UnknownRequest { request },
        Violation::BodyOnAction { bytes: 2 },
    ] = scene.world.violations()
    else {
        panic!("{:?}", scene.world.violations())
    };
    assert!(request.starts_with("PATCH /subscriptions/"));
}

#[test]
fn date_is_azures_with_its_skew() {
    let mut scene = Scene::new();
    let uri = scene.uri("");
    assert_eq!(header(&scene.answer("GET", &uri), "date"), "Mon, 14 Sep 2026 19:00:00 GMT");
    scene.world.settings_mut().date_skew = seconds(45);
    assert_eq!(header(&scene.answer("GET", &uri), "date"), "Mon, 14 Sep 2026 19:00:45 GMT");
}

#[test]
fn scopes_that_never_held_anything_are_the_gateways_404() {
    let mut scene = Scene::new();
    let elsewhere = scene.uri("").replace(SUBSCRIPTION, "bbbb0a0a-bb1b-cc2c-dd3d-eeeeee4e4e4e");
    assert_eq!(json(&scene.answer("GET", &elsewhere))["error"]["code"], "SubscriptionNotFound");
    let group = scene.uri("").replace("rg-prod-weu", "rg-other");
    assert_eq!(json(&scene.answer("GET", &group))["error"]["code"], "ResourceGroupNotFound");
}

#[test]
fn a_put_makes_and_retags_a_cluster_but_not_a_stopped_one() {
    let mut scene = Scene::new();
    let uri = scene.uri("").replace("aks-prod-01", "aks-new");
    let put = |scene: &mut Scene| {
        let mut request = scene.request("PUT", &uri);
        *request.body_mut() = Bytes::from_static(br#"{"location":"westus2","tags":{"env":"test"}}"#);
        scene.world.handle(&request, scene.now).answer().unwrap()
    };
    let made = put(&mut scene);
    assert_eq!(
        (made.status().as_u16(), &json(&made)["properties"]["provisioningState"]),
        (201, &"Creating".into())
    );
    assert_eq!(put(&mut scene).status(), 409);
    scene.pass(seconds(302));
    assert_eq!(put(&mut scene).status(), 200);
    scene.pass(seconds(302));
    let id = ClusterId::new(SUBSCRIPTION, "rg-prod-weu", "aks-new");
    scene.world.stop(&id, &Caller::user("dana"), scene.now).unwrap();
    scene.pass(seconds(95));
    assert_eq!(put(&mut scene).status(), 409);
}

#[test]
fn resource_graph_finds_stopped_clusters_late_and_page_by_page() {
    let mut scene = Scene::new();
    for name in ["a", "b"] {
        let id = ClusterId::new(SUBSCRIPTION, "RG-Prod-Weu", name);
        scene.world.create_cluster(NewCluster::new(id.clone()), scene.now).unwrap();
        scene.world.stop(&id, &Caller::user("dana"), scene.now).unwrap();
    }
    let query = |scene: &mut Scene, options: &str| {
        let mut request =
            scene.request("POST", "/providers/Microsoft.ResourceGraph/resources?api-version=2021-03-01");
        let body = format!(
            r#"{{"subscriptions":["{SUBSCRIPTION}"],"query":"resources | where type =~ 'microsoft.containerservice/managedclusters' | where properties.powerState.code =~ 'Stopped'","options":{options}}}"#
        );
        *request.body_mut() = Bytes::from(body);
        json(&scene.world.handle(&request, scene.now).answer().unwrap())
    };
    assert_eq!(query(&mut scene, "{}")["totalRecords"], 0);
    scene.pass(seconds(60));
    let first = query(&mut scene, r#"{"$top":1,"resultFormat":"objectArray"}"#);
    assert_eq!(
        (&first["resultTruncated"], &first["data"][0]["resourceGroup"]),
        (&"true".into(), &"rg-prod-weu".into())
    );
    let next = format!(r#"{{"$top":1,"$skipToken":{}}}"#, first["$skipToken"]);
    let last = query(&mut scene, &next);
    assert_eq!((&last["resultTruncated"], &last["data"][0]["name"]), (&"false".into(), &"b".into()));
    assert!(last.get("$skipToken").is_none());
}
