use proptest::prelude::*;
use serde_json::json;

use super::*;

const DANA: &str = "11112222-bbbb-3333-cccc-4444dddd5555";
const CLI: &str = "04b07795-8ddb-461a-bbee-02f9e1bf7b46";

fn caller(claims: Value) -> Caller {
    Caller::from_claims(claims.as_object().unwrap(), None, None)
}

#[test]
fn a_person_is_identified_by_object_id_and_shown_by_name() {
    let dana = caller(json!({
        OBJECT_ID: DANA.to_uppercase(), "appid": CLI, "idtyp": "user", UPN: "dana@contoso.com", "name": "Dana",
        AUTHENTICATION_METHODS: "pwd,mfa", TENANT_ID: "aaaabbbb0000cccc1111dddd2222eeee", "ipaddr": "203.0.113.24",
    }));
    assert_eq!(dana.kind, CallerKind::User);
    assert_eq!(dana.identity(), Some(DANA));
    assert_eq!(dana.label(), "dana@contoso.com");
    assert_eq!(dana.tenant.as_deref(), Some("aaaabbbb-0000-cccc-1111-dddd2222eeee"));
    assert_eq!((dana.mfa, dana.ip), (Some(true), Some("203.0.113.24".parse().unwrap())));
}

#[test]
fn a_person_without_object_id_is_not_identified_by_the_client_that_many_people_share() {
    let person = caller(json!({"appid": CLI, "appidacr": "0", UPN: "dana@contoso.com"}));
    assert_eq!(person.kind, CallerKind::User);
    assert_eq!(person.identity(), None);
    assert_eq!(person.label(), "dana@contoso.com");
}

#[test]
fn applications_are_told_apart_by_what_their_tokens_have() {
    let app = "22223333-cccc-4444-dddd-5555eeee6666";
    let host = "/subscriptions/s/resourcegroups/rg/providers/Microsoft.Web/sites/f";
    for (claims, kind) in [
        (json!({"appid": app, "idtyp": "app", OBJECT_ID: DANA}), CallerKind::ServicePrincipal),
        (json!({"appid": app, "appidacr": "1"}), CallerKind::ServicePrincipal),
        (json!({OBJECT_ID: DANA}), CallerKind::ServicePrincipal),
        (json!({"appid": app, "idtyp": "app", "name": "odd"}), CallerKind::ServicePrincipal),
        (json!({"appid": app, "idtyp": "app", "xms_mirid": host}), CallerKind::ManagedIdentity),
        (json!({"appid": AKS_RESOURCE_PROVIDER, "appidacr": "2"}), CallerKind::Azure),
        (json!({"appid": AKS_RESOURCE_PROVIDER, "idtyp": "user", OBJECT_ID: DANA}), CallerKind::User),
        (json!({"appid": app, SCOPE: "user_impersonation", OBJECT_ID: DANA}), CallerKind::User),
        (json!({}), CallerKind::Unknown),
        (json!({"appid": "not a guid", OBJECT_ID: 7, "groups": {}}), CallerKind::Unknown),
    ] {
        assert_eq!(caller(claims.clone()).kind, kind, "{claims}");
    }
}

#[test]
fn guests_are_told_from_people_of_the_tenant() {
    for claims in [
        json!({OBJECT_ID: DANA, UNIQUE_NAME: "live.com#eve@outlook.example"}),
        json!({OBJECT_ID: DANA, UPN: "eve_outlook.example#EXT#@contoso.com"}),
    ] {
        assert_eq!(caller(claims.clone()).kind, CallerKind::Guest, "{claims}");
    }
    let eve = caller(json!({OBJECT_ID: DANA, UNIQUE_NAME: "live.com#dana@contoso.com"}));
    assert_eq!(
        eve.upn.as_deref(),
        Some("live.com#dana@contoso.com"),
        "must not read like a UPN of the tenant"
    );
}

#[test]
fn a_name_never_identifies() {
    let named = caller(json!({UPN: DANA, "name": DANA, UNIQUE_NAME: DANA}));
    assert_eq!(named.identity(), None);
}

#[test]
fn claim_names_are_matched_without_case() {
    let shouted = caller(json!({OBJECT_ID.to_uppercase(): DANA, "APPID": CLI, "IdTyp": "USER"}));
    assert_eq!((shouted.kind, shouted.identity()), (CallerKind::User, Some(DANA)));
}

#[test]
fn groups_are_known_only_when_the_whole_list_was_there() {
    let user = |mut more: Value| {
        more[OBJECT_ID] = json!(DANA);
        more["idtyp"] = json!("user");
        let caller = caller(more);
        (caller.groups.len(), caller.groups_known)
    };
    let many = vec![DANA; GROUPS_MAX + 1].join(",");
    assert_eq!(user(json!({"groups": format!("{DANA},{CLI}")})), (2, true));
    assert_eq!(user(json!({"groups": [DANA, CLI]})), (2, true));
    assert_eq!(user(json!({"groups": format!("{DANA},Admins")})), (1, false));
    assert_eq!(user(json!({"groups": many})), (GROUPS_MAX, false));
    assert_eq!(user(json!({"groups": DANA, "_claim_names": "{\"groups\":\"src1\"}"})), (1, false));
    assert_eq!(user(json!({"hasgroups": "true", "groups": DANA})), (1, false));
    assert_eq!(user(json!({})), (0, false));
    let app = caller(json!({"idtyp": "app", "appid": CLI, "groups": DANA}));
    assert!(!app.groups_known);
}

#[test]
fn the_log_records_caller_fills_only_what_claims_leave_out() {
    let from = |claims: Value, hint| Caller::from_claims(claims.as_object().unwrap(), Some(hint), None);
    assert_eq!(from(json!({}), DANA).identity(), Some(DANA));
    assert_eq!(from(json!({"appid": CLI}), DANA).object_id, None, "it may be the app id's other spelling");
    assert_eq!(from(json!({OBJECT_ID: DANA}), CLI).identity(), Some(DANA));
    let named = from(json!({}), "dana@contoso.com");
    assert_eq!((named.kind, named.identity()), (CallerKind::User, None));
    assert_eq!(from(json!({}), "Microsoft.Insights/alertRules"), Caller::unknown());
}

#[test]
fn hostile_names_are_cleaned_and_bounded() {
    let hostile = caller(json!({"name": format!("x\n\u{202e}{}", "y".repeat(60_000)), "idtyp": "user"}));
    let name = hostile.name.unwrap();
    assert!(name.starts_with("x\u{fffd}\u{fffd}y") && name.chars().count() == NAME_CHARS_MAX + 1);
    assert_eq!(caller(json!({"xms_mirid": "https://evil.example/x"})).identity_resource, None);
}

#[test]
fn addresses_are_read_with_and_without_a_port() {
    for (text, ip) in [
        ("203.0.113.24", Some("203.0.113.24")),
        ("203.0.113.24:51234", Some("203.0.113.24")),
        ("2001:db8::1", Some("2001:db8::1")),
        ("[2001:db8::1]", Some("2001:db8::1")),
        ("[2001:db8::1]:443", Some("2001:db8::1")),
        ("::ffff:203.0.113.24", Some("203.0.113.24")),
        ("REDACTED", None),
        ("", None),
    ] {
        assert_eq!(parse_ip(text), ip.map(|ip| ip.parse().unwrap()), "{text}");
    }
}

#[test]
fn the_nil_guid_and_near_guids_name_nobody() {
    for bad in [
        "00000000-0000-0000-0000-000000000000",
        "11112222-bbbb-3333-cccc-4444dddd555",
        "1111-2222bbbb-3333-cccc-4444dddd5555",
        "11112222-bbbb-3333-cccc-4444dddd",
        "00000000000000000000000000000000",
        "1111222ébbb3333cccc4444dddd5555",
        "{}",
    ] {
        assert_eq!(parse_guid(bad), None, "{bad}");
    }
    assert_eq!(parse_guid(&DANA.replace('-', "")).as_deref(), Some(DANA));
}

proptest! {
    #[test]
    fn no_claim_makes_the_reader_panic_or_identifies_by_anything_but_a_guid(
        values in proptest::collection::vec("\\PC{0,40}", CLAIMS_READ.len())
    ) {
        let claims = CLAIMS_READ.iter().zip(values).map(|(name, value)| ((*name).to_owned(), Value::String(value))).collect();
        let caller = Caller::from_claims(&claims, None, None);
        prop_assert!(caller.identity().is_none_or(|id| parse_guid(id).as_deref() == Some(id)));
    }
}

#[test]
fn an_id_in_letters_that_only_look_alike_is_nobodys() {
    let mut lookalikes =
        vec![("a", "\u{430}"), ("c", "\u{441}"), ("0", "\u{ff10}"), ("4", "\u{1d7d2}"), ("-", "\u{2010}")];
    lookalikes.retain(|(plain, _)| DANA.contains(plain));
    assert!(lookalikes.len() > 1, "there is something to replace");
    for (plain, other) in lookalikes {
        let caller = caller(json!({ OBJECT_ID: DANA.replace(plain, other), "idtyp": "user" }));
        assert_eq!(caller.identity(), None, "{other}");
    }
}
