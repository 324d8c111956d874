use jiff::SignedDuration;
use proptest::prelude::*;

use super::*;
use crate::azure::{Cloud, CredentialKind};
use crate::domain::{Portal, TenantId};
use crate::store::Access;

const SUBSCRIPTION: &str = "aaaa0a0a-bb1b-cc2c-dd3d-eeeeee4e4e4e";
const SECRET: &str = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";
/// Stands in every secret below, and must stand in nothing that is shown.
const CANARY: &str = "canary";
/// base64 of `canary-canary`, as account keys are.
const KEY: &str = "Y2FuYXJ5LWNhbmFyeQ==";

const WEBHOOK_URL_SETTING: &str = "STOP_GUARD_WEBHOOK_URL";
const WEBHOOK_SECRET_SETTING: &str = "STOP_GUARD_WEBHOOK_SECRET";

fn read(pairs: &[(&str, &str)]) -> Settings {
    Settings::read(&Environment::of(pairs.iter().copied()))
}

/// With what must be there, and `more`.
fn with(more: &[(&str, &str)]) -> Settings {
    let mut pairs = vec![(SUBSCRIPTIONS_SETTING, SUBSCRIPTION), (STATE_SETTING, "memory")];
    pairs.retain(|(name, _)| more.iter().all(|(other, _)| other != name));
    pairs.extend(more);
    read(&pairs)
}

fn told(settings: &Settings) -> String {
    settings.faults.iter().map(|fault| format!("{fault}\n")).collect()
}

#[test]
fn subscriptions_and_state_are_all_that_must_be_set() {
    let settings = with(&[]);
    assert_eq!(told(&settings), "");
    assert_eq!(settings.mode, Mode::DryRun);
    assert_eq!(settings.confirm, Confirm::Prefer);
    assert_eq!(settings.times, Times::default());
    assert_eq!(settings.policies, PathBuf::from("policies"));
    assert_eq!(settings.zone, TimeZone::UTC);
    assert_eq!(settings.log, LevelFilter::INFO);
    assert_eq!(settings.port, Ok(8080));
    assert!(settings.sinks.is_empty());
    assert_eq!(settings.subscriptions.map(|ids| ids.len()), Some(1));
    assert_eq!(settings.state, Some(Location::Memory));
    let arm = settings.arm.unwrap();
    assert_eq!((arm.cloud, arm.credential), (Cloud::Public, CredentialKind::DeveloperTools));
    assert_eq!(arm.endpoint.origin(), "https://management.azure.com");
    assert_eq!(arm.portal, Portal::new(Cloud::Public, None));
}

#[test]
fn links_lead_to_the_portal_of_the_cloud_in_the_tenant_that_is_named_by_its_id() {
    let portal =
        |tenant: &str| with(&[(CLOUD_SETTING, "china"), ("AZURE_TENANT_ID", tenant)]).arm.unwrap().portal;
    let tenant = "11112222-bb1b-cc2c-dd3d-eeeeee4e4e4e";
    assert_eq!(portal(tenant), Portal::new(Cloud::China, TenantId::parse(tenant)));
    assert_eq!(portal("contoso.partner.onmschina.cn"), Portal::new(Cloud::China, None));
}

#[test]
fn every_setting_is_read() {
    let settings = with(&[
        (PORT_SETTING, "7072"),
        (MODE_SETTING, "act"),
        (
            SUBSCRIPTIONS_SETTING,
            "AAAA0A0A-bb1b-cc2c-dd3d-eeeeee4e4e4e, 00000000-0000-0000-0000-000000000000,",
        ),
        (STATE_SETTING, "azure://acct/guard"),
        (DEAD_LETTERS_SETTING, "azure://events/dead-letter"),
        (POLICIES_SETTING, "rules"),
        (SINKS_SETTING, " webhook "),
        (WEBHOOK_URL_SETTING, "https://incidents.example/hook"),
        (WEBHOOK_SECRET_SETTING, SECRET),
        (TIMEZONE_SETTING, "Europe/Berlin"),
        (CONFIRM_SETTING, "require"),
        (LOOK_EVERY_SETTING, "10s"),
        (RETRY_AFTER_SETTING, "20m"),
        (GIVE_UP_AFTER_SETTING, "2h"),
        (SPEED_UP_SETTING, "10"),
        (CREDENTIAL_SETTING, "managed-identity"),
        ("AZURE_CLIENT_ID", SUBSCRIPTION),
        (CLOUD_SETTING, "china"),
        (ARM_ENDPOINT_SETTING, "http://127.0.0.1:9"),
        (ARM_SCOPE_SETTING, "https://arm.example/.default"),
        (LOG_SETTING, "debug"),
        (POSTURE_SETTING, "on"),
    ]);
    assert_eq!(told(&settings), "");
    assert_eq!(settings.port, Ok(7072));
    assert_eq!(settings.mode, Mode::Act);
    assert_eq!(settings.subscriptions.as_ref().map(BTreeSet::len), Some(2));
    assert_eq!(settings.policies, PathBuf::from("rules"));
    assert_eq!(settings.sink_names(), ["webhook"]);
    assert_eq!(settings.zone.iana_name(), Some("Europe/Berlin"));
    assert_eq!(settings.confirm, Confirm::Require);
    assert_eq!(settings.times.look_every, SignedDuration::from_secs(1));
    assert_eq!(settings.times.retry_after, SignedDuration::from_mins(2));
    assert_eq!(settings.times.give_up_after, SignedDuration::from_mins(12));
    assert_eq!(settings.times.quiet, Times::default().divided(10).quiet);
    assert_eq!(settings.log, LevelFilter::DEBUG);
    assert!(settings.posture);
    let arm = settings.arm.unwrap();
    assert_eq!(arm.endpoint.scope(), "https://arm.example/.default");
    assert_eq!(arm.credential, CredentialKind::ManagedIdentity { client_id: Some(SUBSCRIPTION.to_owned()) });
    let state = settings.state.map(|state| state.to_string());
    assert_eq!(state.as_deref(), Some("https://acct.blob.core.chinacloudapi.cn/guard"));
    let letters = settings.dead_letters.map(|at| Location::Blobs(at).to_string());
    assert_eq!(letters.as_deref(), Some("https://events.blob.core.chinacloudapi.cn/dead-letter"));
}

#[test]
fn dead_letters_may_lie_in_the_account_of_the_state() {
    let read = |letters: &str, state: &str| with(&[(DEAD_LETTERS_SETTING, letters), (STATE_SETTING, state)]);
    let beside = read("dead-letter", "UseDevelopmentStorage=true").dead_letters.unwrap();
    assert_eq!(beside.account, "devstoreaccount1");
    assert_eq!(beside.container.as_str(), "dead-letter");
    for (letters, state) in
        [("dead-letter", "memory"), ("Dead Letters", "UseDevelopmentStorage=true"), ("azure://x", "memory")]
    {
        let settings = read(letters, state);
        assert_eq!(settings.dead_letters, None);
        insta::allow_duplicates! {
            insta::assert_snapshot!(told(&settings), @"STOP_GUARD_DEAD_LETTERS is not `azure://<account>/<container>`, nor the name of a container in the storage account of the state");
        }
    }
}

#[test]
fn all_faults_are_told_at_once_and_each_falls_back_to_what_does_no_harm() {
    let settings = read(&[
        (PORT_SETTING, "99999"),
        (MODE_SETTING, "on"),
        (SUBSCRIPTIONS_SETTING, "prod, 00000000-0000-0000-0000-000000000000"),
        (STATE_SETTING, "storage"),
        (SINKS_SETTING, "webhok,pagerduty:high"),
        (TIMEZONE_SETTING, "Berlin"),
        (CONFIRM_SETTING, "yes"),
        (LOOK_EVERY_SETTING, "30"),
        (RETRY_AFTER_SETTING, "1m"),
        (GIVE_UP_AFTER_SETTING, "10s"),
        (SPEED_UP_SETTING, "fast"),
        (CREDENTIAL_SETTING, "password"),
        (CLOUD_SETTING, "germany"),
        (ARM_ENDPOINT_SETTING, "http://arm.example"),
        (LOG_SETTING, "loud"),
        ("STOP_GUARD_MODUS", "act"),
        ("STOP_GUARD_SOMETHING_ELSE", "5m"),
        (DISCOVER_EVERY_SETTING, "30s"),
    ]);
    insta::assert_snapshot!(told(&settings), @r#"
    STOP_GUARD_MODUS is no setting: did you mean STOP_GUARD_MODE?
    STOP_GUARD_SOMETHING_ELSE is no setting of this version: remove it
    STOP_GUARD_CLOUD: `germany` is none of `public`, `usgov`, `china`
    STOP_GUARD_ARM_ENDPOINT: `http://arm.example` must be https: only an endpoint on this machine may be http
    STOP_GUARD_CREDENTIAL: `password` is none of `managed-identity`, `azure-cli`, `workload-identity`, `client-secret`, `developer-tools`
    STOP_GUARD_MODE: `on` is none of `dry-run`, `notify`, `act`
    STOP_GUARD_SUBSCRIPTIONS: `prod` is no subscription id: write ids like `00000000-0000-0000-0000-000000000000`, separated by commas
    STOP_GUARD_STATE is not `memory`, `azure://<account>/<container>`, `UseDevelopmentStorage=true` or a connection string
    STOP_GUARD_TIMEZONE: `Berlin` is no time zone: write a name of the IANA database, like `Europe/Berlin`
    STOP_GUARD_PAGERDUTY_KEY is missing: STOP_GUARD_SINKS names `pagerduty`, so write the integration key of a service's `Events API v2` integration, 32 characters
    STOP_GUARD_SINKS: `webhok` is no sink: did you mean `webhook`?
    STOP_GUARD_CONFIRM: `yes` is none of `prefer`, `require`, `off`
    STOP_GUARD_LOOK_EVERY: `30` is no time of at most 7 days: write a whole number and a unit, like `30s`, `15m` or `1h`
    STOP_GUARD_RETRY_AFTER must be at least the quiet time of 120 s
    STOP_GUARD_GIVE_UP_AFTER must be at least 5 minutes, longer than a start takes
    STOP_GUARD_DISCOVER_EVERY must be between 1 minute and 24 hours
    STOP_GUARD_SPEED_UP: `fast` is no number from 1 to 100
    STOP_GUARD_LOG: `loud` is none of `error`, `warn`, `info`, `debug`, `trace`
    "#);
    assert_eq!(settings.mode, Mode::Notify, "people get to know");
    assert_eq!(settings.subscriptions, None, "a list with a slip guards nothing by halves");
    assert_eq!(settings.state, None);
    assert_eq!(settings.arm, None);
    assert_eq!(settings.confirm, Confirm::Require);
    assert_eq!(settings.times, Times::default());
    let port = settings.port.unwrap_err();
    assert_eq!(
        port.to_string(),
        "FUNCTIONS_CUSTOMHANDLER_PORT: `99999` is no port: write a number from 0 to 65535"
    );
}

#[test]
fn what_is_missing_is_told_and_an_empty_value_counts_as_none() {
    insta::assert_snapshot!(told(&read(&[(STATE_SETTING, " "), (MODE_SETTING, ""), ("STOP_GUARD_OTHER", "")])), @r#"
    STOP_GUARD_SUBSCRIPTIONS is missing: name the subscriptions to guard, by their ids, separated by commas, or management groups in STOP_GUARD_MANAGEMENT_GROUPS
    STOP_GUARD_STATE is missing: write `azure://<account>/<container>`, a connection string, or `memory` to try the guard out
    "#);
    insta::assert_snapshot!(told(&with(&[(SUBSCRIPTIONS_SETTING, ", ,")])), @r#"STOP_GUARD_SUBSCRIPTIONS is missing: it names no subscription"#);
    insta::assert_snapshot!(told(&with(&[(CREDENTIAL_SETTING, "client-secret"), ("AZURE_TENANT_ID", "x")])), @r#"
    AZURE_CLIENT_ID is missing: STOP_GUARD_CREDENTIAL is `client-secret`, which needs it
    AZURE_CLIENT_SECRET is missing: STOP_GUARD_CREDENTIAL is `client-secret`, which needs it
    "#);
    insta::assert_snapshot!(told(&with(&[(CREDENTIAL_SETTING, "workload-identity")])), @r#"
    AZURE_TENANT_ID is missing: STOP_GUARD_CREDENTIAL is `workload-identity`, which needs it
    AZURE_CLIENT_ID is missing: STOP_GUARD_CREDENTIAL is `workload-identity`, which needs it
    AZURE_FEDERATED_TOKEN_FILE is missing: STOP_GUARD_CREDENTIAL is `workload-identity`, which needs it
    "#);
}

#[test]
fn management_groups_are_enough_and_a_slip_in_one_guards_nothing_by_halves() {
    let read = |groups: &str| read(&[(MANAGEMENT_GROUPS_SETTING, groups), (STATE_SETTING, "memory")]);
    let settings = read("MG-Prod, /providers/Microsoft.Management/managementGroups/mg-prod,mg-dev");
    assert_eq!(told(&settings), "");
    assert_eq!(settings.subscriptions, Some(BTreeSet::new()));
    let groups = ["mg-dev", "mg-prod"].map(|name| ManagementGroup::parse(name).unwrap());
    assert_eq!(settings.management_groups, BTreeSet::from(groups));
    let both = with(&[(MANAGEMENT_GROUPS_SETTING, "mg-prod")]);
    assert_eq!((both.subscriptions.unwrap().len(), both.management_groups.len()), (1, 1));

    let settings = read("mg-prod, Landing Zones, a/b");
    insta::assert_snapshot!(told(&settings), @r#"
    STOP_GUARD_MANAGEMENT_GROUPS: `Landing Zones` is no management group: write its id, like `mg-landing-zones`, not its display name; several are separated by commas
    STOP_GUARD_MANAGEMENT_GROUPS: `a/b` is no management group: write its id, like `mg-landing-zones`, not its display name; several are separated by commas
    "#);
    assert_eq!(settings.subscriptions, None);
    let slip = with(&[(MANAGEMENT_GROUPS_SETTING, "a/b")]);
    assert_eq!(slip.subscriptions, None, "nor what the list names");
    let many: Vec<String> = (0..11).map(|number| format!("mg-{number}")).collect();
    insta::assert_snapshot!(told(&read(&many.join(","))), @r#"STOP_GUARD_MANAGEMENT_GROUPS names 11 management groups, at most 10 are asked about"#);
    insta::assert_snapshot!(told(&read(" , ")), @r#"STOP_GUARD_SUBSCRIPTIONS is missing: name the subscriptions to guard, by their ids, separated by commas, or management groups in STOP_GUARD_MANAGEMENT_GROUPS"#);
}

#[test]
fn settings_that_do_not_fit_together_are_faults() {
    insta::assert_snapshot!(told(&with(&[(SPEED_UP_SETTING, "60")])), @r#"STOP_GUARD_SPEED_UP is for demos and tests, with STOP_GUARD_ARM_ENDPOINT on this machine only: remove it"#);
    insta::assert_snapshot!(told(&with(&[(ARM_SCOPE_SETTING, "https://arm.example/.default")])), @r#"STOP_GUARD_ARM_SCOPE is not used without STOP_GUARD_ARM_ENDPOINT: write that too, or remove this"#);
    insta::assert_snapshot!(told(&with(&[(SINKS_SETTING, "webhook")])), @r#"STOP_GUARD_WEBHOOK_URL is missing: STOP_GUARD_SINKS names `webhook`, so write the address that gets incidents"#);
    insta::assert_snapshot!(told(&with(&[(WEBHOOK_URL_SETTING, "https://incidents.example/")])), @r#"STOP_GUARD_WEBHOOK_URL is not used: STOP_GUARD_SINKS doesn't name `webhook`; add it there or remove this"#);
    insta::assert_snapshot!(told(&with(&[(STATE_SETTING, "UseDevelopmentStorage=true"), (CONTAINER_SETTING, "A")])), @r#"STOP_GUARD_STATE_CONTAINER: `A` is not a container name (3 to 57 lower-case letters, digits and single hyphens)"#);
    insta::assert_snapshot!(told(&with(&[
        (CREDENTIAL_SETTING, "managed-identity"), ("AZURE_CLIENT_ID", "/subscriptions/x"),
    ])), @r#"AZURE_CLIENT_ID: `/subscriptions/x` is no client id: write the GUID that the identity's page shows under that name, not its resource id"#);
    assert_eq!(with(&[(SPEED_UP_SETTING, "60")]).times, Times::default());
}

#[test]
fn each_time_that_is_unsafe_is_told_and_none_is_used() {
    let settings =
        with(&[(LOOK_EVERY_SETTING, "5m"), (RETRY_AFTER_SETTING, "20m"), (GIVE_UP_AFTER_SETTING, "1m")]);
    insta::assert_snapshot!(told(&settings), @r#"
    STOP_GUARD_LOOK_EVERY must be between 1 s and the longest gap in a watch of 120 s
    STOP_GUARD_GIVE_UP_AFTER must be at least 5 minutes, longer than a start takes
    "#);
    assert_eq!(settings.times, Times::default());
}

#[test]
fn on_azure_the_managed_identity_is_the_default() {
    for name in ["IDENTITY_ENDPOINT", "WEBSITE_SITE_NAME"] {
        let arm = with(&[(name, "x")]).arm.unwrap();
        assert_eq!(arm.credential, CredentialKind::ManagedIdentity { client_id: None });
    }
}

#[test]
fn a_key_vault_reference_that_was_not_resolved_is_told_as_such() {
    let reference = "@Microsoft.KeyVault(SecretUri=https://v.example/secrets/s)";
    let settings = with(&[
        (STATE_SETTING, reference),
        (SINKS_SETTING, "webhook"),
        (WEBHOOK_URL_SETTING, "https://incidents.example/hook"),
        (WEBHOOK_SECRET_SETTING, reference),
    ]);
    insta::assert_snapshot!(told(&settings), @r#"
    STOP_GUARD_STATE is a Key Vault reference that the platform could not resolve: check its address and that the app's identity may read the secret
    STOP_GUARD_WEBHOOK_SECRET is a Key Vault reference that the platform could not resolve: check its address and that the app's identity may read the secret
    "#);
}

#[test]
fn secrets_are_in_no_fault_and_in_nothing_that_is_shown() {
    let state = format!("AccountName=acct;AccountKey={KEY};EndpointSuffix=core.windows.net");
    let good = with(&[
        (STATE_SETTING, &state),
        (SINKS_SETTING, "webhook"),
        (WEBHOOK_URL_SETTING, "https://incidents.example/canary?key=canary"),
        (WEBHOOK_SECRET_SETTING, "whsec_Y2FuYXJ5LWNhbmFyeS1jYW5hcnktY2FuYXJ5"),
        (CREDENTIAL_SETTING, "client-secret"),
        ("AZURE_TENANT_ID", SUBSCRIPTION),
        ("AZURE_CLIENT_ID", SUBSCRIPTION),
        ("AZURE_CLIENT_SECRET", CANARY),
    ]);
    assert_eq!(told(&good), "");
    assert!(
        matches!(&good.state, Some(Location::Blobs(blobs)) if matches!(blobs.access, Access::AccountKey(_)))
    );
    let bad = with(&[
        (STATE_SETTING, &format!("AccountName={KEY}{KEY}{KEY};AccountKey=canary!")),
        (SINKS_SETTING, "webhook"),
        (WEBHOOK_URL_SETTING, "http://incidents.example/canary"),
        (WEBHOOK_SECRET_SETTING, "whsec_canary!"),
        (ARM_ENDPOINT_SETTING, "https://canary:canary@arm.example"),
        (MODE_SETTING, &format!("{}{CANARY}", "A".repeat(80))),
    ]);
    assert_eq!(bad.faults.len(), 5, "{}", told(&bad));
    for shown in [format!("{good:?}"), format!("{bad:?}"), told(&bad)] {
        assert!(!shown.contains(CANARY) && !shown.contains("Y2Fu"), "{shown}");
    }
    let environment = Environment::of([("AZURE_CLIENT_SECRET", CANARY)]);
    assert_eq!(format!("{environment:?}"), r#"{"AZURE_CLIENT_SECRET"}"#);
}

#[test]
fn the_example_of_local_settings_has_no_fault() {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/local.settings.json.example");
    let text = std::fs::read_to_string(path).unwrap();
    let example: serde_json::Value = serde_json::from_str(&text).unwrap();
    let values = example["Values"].as_object().unwrap();
    let environment =
        Environment::of(values.iter().map(|(name, value)| (name.clone(), value.as_str().unwrap())));
    let settings = Settings::read(&environment);
    assert_eq!(told(&settings), "");
    assert_eq!(settings.sink_names(), ["webhook"]);
}

proptest! {
    #[test]
    fn no_environment_makes_the_reader_panic_or_show_without_bound(
        values in proptest::collection::vec((0..OWN_SETTINGS.len(), any::<String>()), 0..12),
        odd in proptest::collection::vec("STOP_GUARD_\\PC{0,200}", 0..4),
    ) {
        let known = values.into_iter().filter_map(|(at, value)| Some((*OWN_SETTINGS.get(at)?, value)));
        let pairs = known.map(|(name, value)| (name.to_owned(), value));
        let pairs = pairs.chain(odd.into_iter().map(|name| (name, "x".to_owned())));
            let settings = Settings::read(&Environment::of(pairs));
        for fault in &settings.faults {
            let shown = fault.to_string();
            prop_assert!(shown.chars().count() < 600, "{}", shown);
            prop_assert!(!shown.chars().any(char::is_control), "{}", shown);
        }
    }
}
