use proptest::prelude::*;
use serde_json::json;

use super::super::caller::CallerKind;
use super::super::verbatim::VERBATIM_BYTES_MAX;
use super::*;

const STOP: &str = ResourceKind::ManagedCluster.stop_action();

const SUB: &str = "aaaa0a0a-bb1b-cc2c-dd3d-eeeeee4e4e4e";
const DANA: &str = "11112222-bbbb-3333-cccc-4444dddd5555";

fn resource() -> String {
    format!("/subscriptions/{SUB}/resourceGroups/rg/providers/Microsoft.ContainerService/managedClusters/aks")
}

fn event() -> Value {
    json!({
        "id": "3eb6d115-c04d-4a3b-a19f-216e6b540d96", "eventType": ACTION_SUCCESS, "subject": resource(),
        "eventTime": "2026-09-14T18:04:29.1732057Z",
        "data": {
            "operationName": STOP, "resourceUri": resource(), "correlationId": "dd2135d9", "status": "Succeeded",
            "authorization": {"action": STOP}, "httpRequest": {"clientIpAddress": "203.0.113.24:4711"},
            "claims": {"http://schemas.microsoft.com/identity/claims/objectidentifier": DANA, "idtyp": "user"},
        },
    })
}

fn parse_all(raw: &str) -> Parsed {
    parse(raw, &|_| true)
}

fn stop(event: &Value) -> StopEvent {
    match parse_all(&event.to_string()) {
        Parsed::Stop(stop) => *stop,
        Parsed::Ignored(ignored) => panic!("ignored: {ignored}"),
    }
}

/// A stop without its words.
fn meaning(event: StopEvent) -> StopEvent {
    StopEvent { verbatim: Verbatim::of(b""), ..event }
}

fn ignored(raw: &str) -> String {
    match parse_all(raw) {
        Parsed::Stop(stop) => panic!("a stop: {stop:?}"),
        Parsed::Ignored(ignored) => ignored.to_string(),
    }
}

#[test]
fn a_stop_is_read_with_all_that_it_says() {
    let stop = stop(&event());
    assert_eq!(stop.id, "3eb6d115-c04d-4a3b-a19f-216e6b540d96");
    assert_eq!(stop.cluster.name(), "aks");
    assert_eq!(stop.time, StopTime::At("2026-09-14T18:04:29.1732057Z".parse().unwrap()));
    assert_eq!(stop.caller.identity(), Some(DANA));
    assert_eq!(stop.caller.ip, Some("203.0.113.24".parse().unwrap()));
    assert_eq!(stop.correlation_id.as_deref(), Some("dd2135d9"));
    assert_eq!(stop.schema, EventSchema::EventGrid);
}

#[test]
fn operation_and_resource_id_are_enough() {
    let bare = stop(&json!({"data": {"operationName": STOP, "resourceUri": resource()}}));
    assert_eq!((bare.time, bare.caller, bare.correlation_id), (StopTime::Missing, Caller::unknown(), None));
    let elsewhere = stop(&json!({"subject": resource(), "data": {"authorization": {"action": STOP}}}));
    assert_eq!(elsewhere.cluster, bare.cluster);
}

#[test]
fn an_event_whose_time_is_missing_is_still_a_stop() {
    for time in
        [json!(null), json!("yesterday"), json!(17), json!("2026-09-14T18:04:29"), json!("9".repeat(9_000))]
    {
        let mut event = event();
        event["eventTime"] = time.clone();
        assert_eq!(stop(&event).time, StopTime::Missing, "{time}");
    }
}

#[test]
fn any_other_member_may_be_of_any_type() {
    for odd in [json!(null), json!(7), json!([{}]), json!({"a": [1]}), json!("text"), json!(true), json!("")]
    {
        for path in [
            "/id",
            "/eventTime",
            "/data/claims",
            "/data/correlationId",
            "/data/authorization",
            "/data/httpRequest",
            "/data/status",
        ] {
            let mut event = event();
            *event.pointer_mut(path).unwrap() = odd.clone();
            assert_eq!(stop(&event).cluster.name(), "aks", "{path} = {odd}");
        }
    }
}

#[test]
fn an_event_without_an_id_gets_the_same_one_at_each_delivery() {
    let mut anonymous = event();
    anonymous.as_object_mut().unwrap().remove("id");
    let first = stop(&anonymous).id;
    assert_eq!(first, stop(&anonymous).id);
    assert_eq!(first, stop(&json!([anonymous])).id, "alone or in an array");
    assert!(first.starts_with("sha256-") && first.len() == 39, "{first}");
    anonymous["eventTime"] = json!("2026-09-15T18:04:29Z");
    assert_ne!(first, stop(&anonymous).id);
    anonymous["id"] = json!("x".repeat(EVENT_ID_CHARS_MAX + 1));
    assert!(stop(&anonymous).id.starts_with("sha256-"));
}

#[test]
fn a_broken_resource_id_is_not_replaced_by_the_subject() {
    for hostile in [
        format!("https://evil.example{}", resource()),
        format!("{}/../../x", resource()),
        format!("{}?api-version=1", resource()),
        format!("{}#x", resource()),
        format!("{}\u{0}", resource()),
        format!("{}%2f..", resource()),
        format!("/{}", resource()),
        resource().replace(SUB, "all"),
        "x".repeat(100_000),
    ] {
        let mut event = event();
        event["data"]["resourceUri"] = json!(hostile);
        let reason = ignored(&event.to_string());
        assert!(
            reason.ends_with("` is not a resource id")
                || reason.ends_with("` is not a managed cluster or a container group"),
            "{reason}"
        );
        assert!(reason.len() < 1_000 && !reason.chars().any(char::is_control), "{reason}");
    }
}

#[test]
fn what_is_ignored_says_why_in_one_line() {
    let changed = |path: &str, value: Value| {
        let mut event = event();
        *event.pointer_mut(path).unwrap() = value;
        ignored(&event.to_string())
    };
    insta::assert_snapshot!([
        ignored(""),
        ignored("[]"),
        ignored("<html>"),
        ignored("[1,"),
        ignored("17"),
        ignored("\"\u{1b}[31m\""),
        ignored("{}"),
        ignored("[[[[]]]]"),
        ignored(&json!([event(), event()]).to_string()),
        ignored(r#"{"specversion":"0.3"}"#),
        ignored(r#"{"specversion":1.0}"#),
        changed("/eventType", json!("Microsoft.Resources.ResourceActionFailure")),
        changed("/eventType", json!("Microsoft.EventGrid.SubscriptionValidationEvent\n\u{202e}")),
        changed("/data/operationName", json!("Microsoft.ContainerService/managedClusters/start/action")),
        changed("/data/operationName", json!(format!("{STOP}{}", "/x".repeat(60_000)))),
        changed("/data/resourceUri", json!(format!("/subscriptions/{SUB}/resourceGroups/rg"))),
        changed("/data/resourceUri", json!("/../x\n")),
        changed("/data", json!("oops")),
        match parse(&event().to_string(), &|_| false) {
            Parsed::Ignored(ignored) => ignored.to_string(),
            Parsed::Stop(_) => panic!("not guarded"),
        },
    ].join("\n"), @r"
    no event in it
    no event in it
    not an event: not JSON at line 1 column 1
    not an event: not JSON at line 1 column 3
    not an event: not a JSON object
    not an event: not JSON at line 1 column 2
    not an event: it names no operation
    not an event: not a JSON object
    not an event: several at once
    not an event: a CloudEvent of another version than 1.0
    not an event: a CloudEvent of another version than 1.0
    event type `Microsoft.Resources.ResourceActionFailure` tells of no stop
    event type `Microsoft.EventGrid.SubscriptionValidationEvent��` tells of no stop
    operation `Microsoft.ContainerService/managedClusters/start/action` is no stop of a cluster or a container group
    operation `Microsoft.ContainerService/managedClusters/stop/action/x/x/x/x/x/x/x/x/x/x/x/x/x/x/x/x/x/x/x/x/x/x/x/x/x/x/x/x/x/x/x/x/x…` is no stop of a cluster or a container group
    `/subscriptions/aaaa0a0a-bb1b-cc2c-dd3d-eeeeee4e4e4e/resourceGroups/rg` is not a managed cluster or a container group
    `/../x�` is not a resource id
    not an event: it names no operation
    subscription `aaaa0a0a-bb1b-cc2c-dd3d-eeeeee4e4e4e` is not guarded
    ");
}

#[test]
fn sixty_kilobytes_of_claims_are_read_in_bounds() {
    let mut event = event();
    event["data"]["claims"]["groups"] = json!(vec![DANA; 1_700].join(","));
    event["data"]["claims"]["name"] = json!("n".repeat(60_000));
    let caller = stop(&event).caller;
    assert_eq!((caller.groups.len(), caller.groups_known), (200, false));
    assert!(caller.name.unwrap().len() < 300);
    assert_eq!(caller.kind, CallerKind::User);
}

#[test]
fn a_claim_too_long_to_read_counts_as_present_but_unknown() {
    let mut event = event();
    event["data"]["claims"]["groups"] = json!(vec![DANA; 10_000]);
    let caller = stop(&event).caller;
    assert_eq!((caller.groups.len(), caller.groups_known), (0, false));
}

#[test]
fn a_hundred_thousand_levels_of_nesting_cost_no_stack() {
    for (open, close) in [("[", "]"), ("{\"a\":", "}")] {
        let deep = format!("{}1{}", open.repeat(100_000), close.repeat(100_000));
        assert!(ignored(&deep).starts_with("not an event"), "{open}");
        let whole = event().to_string();
        for place in ["\"unknown\":", "\"topic\":"] {
            let inside = whole.replacen('{', &format!("{{{place}{deep},"), 1);
            assert!(matches!(parse_all(&inside), Parsed::Stop(_)), "skipped");
        }
        let claims =
            whole.replace("\"idtyp\":\"user\"", &format!("\"idtyp\":\"user\",\"_claim_names\":{deep}"));
        let Parsed::Stop(stop) = parse_all(&claims) else { panic!("{open}") };
        assert!(!stop.caller.groups_known);
        let data = whole.replace("\"correlationId\":\"dd2135d9\"", &format!("\"correlationId\":{deep}"));
        assert!(matches!(parse_all(&data), Parsed::Stop(_)));
    }
}

#[test]
fn an_event_of_the_greatest_size_is_read_past_all_that_is_not_needed() {
    let padding: String = (0..40_000).map(|i| format!("\"member{i}\":[{i},{{}}],")).collect();
    let whole = event().to_string();
    let padded = whole
        .replacen('{', &format!("{{{padding}"), 1)
        .replace("\"claims\":{", &format!("\"claims\":{{{padding}"));
    assert!(padded.len() > 1 << 20, "Event Grid's limit is 1 MB");
    let (Parsed::Stop(padded), Parsed::Stop(whole)) = (parse_all(&padded), parse_all(&whole)) else {
        panic!()
    };
    assert_eq!(padded.verbatim.bytes().len(), VERBATIM_BYTES_MAX);
    assert_eq!(meaning(*padded), meaning(*whole));
}

#[test]
fn names_and_texts_that_are_not_unicode_are_skipped() {
    let whole = event().to_string();
    let odd_name = whole.replacen('{', r#"{"\ud800":1,"#, 1);
    assert!(matches!(parse_all(&odd_name), Parsed::Stop(_)));
    let odd_text = whole.replace("\"dd2135d9\"", r#""\ud800""#);
    let Parsed::Stop(stop) = parse_all(&odd_text) else { panic!() };
    assert_eq!(stop.correlation_id, None);
}

#[test]
fn an_event_is_kept_word_for_word_with_the_id_of_its_token() {
    let mut event = event();
    event["data"]["claims"]["uti"] = json!("Kv9eSzRxQ0SSK2hN1XwfAA");
    let raw = format!("[ {event:#} ]");
    let Parsed::Stop(stop) = parse_all(&raw) else { panic!() };
    assert_eq!(stop.verbatim.bytes(), format!("{event:#}").as_bytes());
    assert_eq!(stop.token_id.as_deref(), Some("Kv9eSzRxQ0SSK2hN1XwfAA"));
    for odd in [json!(null), json!(7), json!("")] {
        event["data"]["claims"]["uti"] = odd;
        assert_eq!(self::stop(&event).token_id, None);
    }
}

#[test]
fn names_written_with_escapes_are_the_same_names() {
    let escaped = event()
        .to_string()
        .replace("\"operationName\"", r#""\u006fperationName""#)
        .replace("/stop/", r"\/stop\/");
    assert!(matches!(parse_all(&escaped), Parsed::Stop(_)));
}

#[test]
fn of_a_member_given_twice_the_last_counts() {
    let twice = event().to_string().replacen('{', r#"{"eventType":"x","#, 1);
    assert!(matches!(parse_all(&twice), Parsed::Stop(_)));
}

fn randomly_cased(text: &str, seed: u64) -> String {
    let upper = |i: usize| (seed.rotate_left(u32::try_from(i % 64).unwrap()) & 1) == 1;
    text.chars()
        .enumerate()
        .map(|(i, c)| if upper(i) { c.to_ascii_uppercase() } else { c.to_ascii_lowercase() })
        .collect()
}

fn any_json() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        "\\PC{0,12}".prop_map(Value::from)
    ];
    leaf.prop_recursive(4, 32, 6, |inner| {
        prop_oneof![
            proptest::collection::vec(inner.clone(), 0..6).prop_map(Value::from),
            proptest::collection::btree_map("[a-z]{1,8}", inner, 0..6)
                .prop_map(|map| Value::Object(map.into_iter().collect())),
        ]
    })
}

proptest! {
    #[test]
    fn no_text_makes_the_parser_panic(text in "\\PC{0,200}") {
        parse_all(&text);
    }

    #[test]
    fn no_json_makes_the_parser_panic(data in any_json(), event in any_json()) {
        parse_all(&event.to_string());
        let mut whole = super::tests::event();
        whole["data"] = data;
        parse_all(&whole.to_string());
    }

    #[test]
    fn no_cut_makes_the_parser_panic_or_see_a_stop(cut in 0_usize..700) {
        let whole = event().to_string();
        prop_assume!(cut < whole.len());
        prop_assert!(matches!(parse_all(&whole[..cut]), Parsed::Ignored(_)));
    }

    #[test]
    fn casing_never_matters(seed in any::<u64>()) {
        let expected = stop(&event());
        let mut other = event();
        for path in ["/eventType", "/data/operationName", "/data/resourceUri"] {
            let value = other.pointer_mut(path).unwrap();
            *value = json!(randomly_cased(value.as_str().unwrap(), seed));
        }
        let claims = other["data"]["claims"].as_object().unwrap().clone();
        other["data"]["claims"] = claims.into_iter().map(|(name, value)| (randomly_cased(&name, seed), value)).collect();
        prop_assert_eq!(meaning(stop(&other)), meaning(expected));
    }

    #[test]
    fn unknown_members_never_change_the_result(name in "x[a-zA-Z_]{0,8}", value in any_json()) {
        let expected = stop(&event());
        let mut other = event();
        for path in ["", "/data", "/data/authorization", "/data/claims", "/data/httpRequest"] {
            other.pointer_mut(path).unwrap()[&name] = value.clone();
        }
        prop_assert_eq!(meaning(stop(&other)), meaning(expected));
    }
}

#[test]
fn the_stop_of_a_container_group_is_taken_and_that_of_one_kind_at_another_is_not() {
    let group = ResourceKind::ContainerGroup;
    let id = resource().replace(ResourceKind::ManagedCluster.arm_type(), group.arm_type());
    let bare = |operation: &str, id: &str| json!({"data": {"operationName": operation, "resourceUri": id}});
    let stop = stop(&bare(&group.stop_action().to_uppercase(), &id));
    assert_eq!((stop.cluster.kind(), stop.cluster.name()), (group, "aks"));
    for (operation, id) in [(STOP, id.as_str()), (group.stop_action(), &resource())] {
        let why = ignored(&bare(operation, id).to_string());
        assert_eq!(why, format!("operation `{operation}` is no stop of `{id}`"));
    }
}
