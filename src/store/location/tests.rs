use proptest::prelude::*;

use super::*;

/// What must never be printed: a key and a signature that occur nowhere else.
const KEY: &str = "Y2FuYXJ5LWNhbmFyeS1jYW5hcnk=";
const SIGNATURE: &str = "sv=2026-04-06&ss=b&srt=sco&sp=rwdlac&sig=Y2FuYXJ5LXNpZ25hdHVyZQ%3D%3D";

fn parse(state: &str) -> Result<Location, LocationError> {
    parse_with(state, None, None)
}

fn parse_with(
    state: &str,
    container: Option<&str>,
    emulator_url: Option<&str>,
) -> Result<Location, LocationError> {
    Location::parse(LocationSettings { state, container, emulator_url, blob_suffix: BLOB_SUFFIX_PUBLIC })
}

fn blobs(state: &str) -> BlobLocation {
    match parse(state).unwrap() {
        Location::Blobs(blobs) => blobs,
        Location::Memory => panic!("memory"),
    }
}

#[test]
fn memory_and_an_account_with_identity_are_read() {
    assert_eq!(parse(" Memory ").unwrap(), Location::Memory);
    let account = blobs("azure://guardstate/stop-guard");
    assert_eq!(account.access, Access::Identity);
    assert_eq!(account.endpoint.as_str(), "https://guardstate.blob.core.windows.net");
    assert_eq!(account.container.cases(), "stop-guard-cases");
}

#[test]
fn another_cloud_has_another_endpoint() {
    let location = Location::parse(LocationSettings {
        state: "azure://guardstate/state",
        container: None,
        emulator_url: None,
        blob_suffix: BLOB_SUFFIX_CHINA,
    });
    assert_eq!(location.unwrap().to_string(), "https://guardstate.blob.core.chinacloudapi.cn/state");
}

#[test]
fn a_connection_string_s_blob_endpoint_is_honoured() {
    let moved =
        blobs(&format!("AccountName=acct;AccountKey={KEY};BlobEndpoint=https://blobs.contoso.example/;"));
    assert_eq!(moved.endpoint.as_str(), "https://blobs.contoso.example");
    let plain = blobs(&format!(
        "DefaultEndpointsProtocol=https;accountname=acct;AccountKey={KEY};EndpointSuffix=core.usgovcloudapi.net"
    ));
    assert_eq!(plain.endpoint.as_str(), "https://acct.blob.core.usgovcloudapi.net");
    assert_eq!(plain.container.as_str(), CONTAINER_DEFAULT);
}

#[test]
fn a_signature_s_account_is_read_off_the_endpoint() {
    let sas =
        blobs(&format!("BlobEndpoint=https://acct.blob.core.windows.net;SharedAccessSignature={SIGNATURE}"));
    assert_eq!(sas.account, "acct");
    assert_eq!(sas.access, Access::Sas(Secret(SIGNATURE.to_owned())));
    let emulated =
        blobs(&format!("BlobEndpoint=http://127.0.0.1:9/devacct;SharedAccessSignature={SIGNATURE}"));
    assert_eq!(emulated.account, "devacct");
}

#[test]
fn the_emulator_may_be_moved_with_or_without_its_account_in_the_path() {
    let at = |url| parse_with("UseDevelopmentStorage=true", Some("state"), url).unwrap().to_string();
    assert_eq!(at(None), "http://127.0.0.1:10000/devstoreaccount1/state");
    assert_eq!(at(Some("http://azurite:10007")), "http://azurite:10007/devstoreaccount1/state");
    assert_eq!(
        at(Some("http://azurite:10007/devstoreaccount1/")),
        "http://azurite:10007/devstoreaccount1/state"
    );
}

#[test]
fn plain_http_is_refused_unless_it_stays_on_this_machine_or_goes_to_the_emulator() {
    let state =
        |key: &str, host: &str| format!("AccountName=acct;AccountKey={key};BlobEndpoint=http://{host}");
    for refused in [
        state(KEY, "acct.blob.core.windows.net"),
        state(KEY, "127.0.0.1.example"),
        format!("DefaultEndpointsProtocol=http;AccountName=acct;AccountKey={KEY}"),
    ] {
        let error = parse(&refused).unwrap_err();
        assert_eq!(error, LocationError::Endpoint { setting: STATE_SETTING, http: true }, "{refused}");
    }
    for fine in [
        state(KEY, "localhost:1/acct"),
        state(KEY, "127.0.0.1:1/acct"),
        state(KEY, "[::1]:1/acct"),
        state(EMULATOR_KEY, "azurite:10000/devstoreaccount1"),
    ] {
        assert!(parse(&fine).is_ok(), "{fine}");
    }
}

#[test]
fn bad_settings_are_named_without_their_secrets() {
    let cases = [
        String::new(),
        "blob".to_owned(),
        KEY.to_owned(),
        "azure://acct".to_owned(),
        "azure://Acct/state".to_owned(),
        "azure://acct/st--ate".to_owned(),
        "azure://acct/state/deeper".to_owned(),
        format!("azure://acct/{}", "a".repeat(58)),
        format!("AccountKey={KEY}"),
        "AccountName=acct".to_owned(),
        format!("AccountName=acct;AccountKey={KEY}!"),
        format!("AccountName=acct;AccountKey={KEY};AccountKey={KEY}"),
        format!("AccountName=acct;AccountKey={KEY};SharedAccessSignature={SIGNATURE}"),
        "AccountName=acct;SharedAccessSignature=sv=1".to_owned(),
        format!("BlobEndpoint=https://a.b.c/?{SIGNATURE};SharedAccessSignature={SIGNATURE}"),
        format!("BlobEndpoint=https://{KEY}@a.b.c;SharedAccessSignature={SIGNATURE}"),
        format!("BlobEndpoint=https://1.2.3.4;SharedAccessSignature={SIGNATURE}"),
        "UseDevelopmentStorage=true;DevelopmentStorageProxyUri=http://x".to_owned(),
    ];
    let said: Vec<String> = cases.iter().map(|state| parse(state).unwrap_err().to_string()).collect();
    insta::assert_snapshot!(said.join("\n"), @r"
    STOP_GUARD_STATE is not `memory`, `azure://<account>/<container>`, `UseDevelopmentStorage=true` or a connection string
    STOP_GUARD_STATE is not `memory`, `azure://<account>/<container>`, `UseDevelopmentStorage=true` or a connection string
    STOP_GUARD_STATE is not `memory`, `azure://<account>/<container>`, `UseDevelopmentStorage=true` or a connection string
    STOP_GUARD_STATE is not `memory`, `azure://<account>/<container>`, `UseDevelopmentStorage=true` or a connection string
    STOP_GUARD_STATE: `Acct` is not a storage account's name (3 to 24 lower-case letters and digits)
    STOP_GUARD_STATE: `st--ate` is not a container name (3 to 57 lower-case letters, digits and single hyphens)
    STOP_GUARD_STATE: `state/deeper` is not a container name (3 to 57 lower-case letters, digits and single hyphens)
    STOP_GUARD_STATE: `aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa` is not a container name (3 to 57 lower-case letters, digits and single hyphens)
    STOP_GUARD_STATE is not `memory`, `azure://<account>/<container>`, `UseDevelopmentStorage=true` or a connection string
    STOP_GUARD_STATE: the connection string has no AccountKey or SharedAccessSignature
    STOP_GUARD_STATE: the connection string has an AccountKey that is not base64
    STOP_GUARD_STATE: the connection string has a part twice
    STOP_GUARD_STATE: the connection string has AccountKey and SharedAccessSignature
    STOP_GUARD_STATE: the connection string has a SharedAccessSignature that is none
    STOP_GUARD_STATE: the blob endpoint is not a plain https URL
    STOP_GUARD_STATE: the blob endpoint is not a plain https URL
    STOP_GUARD_STATE: the connection string has no AccountName, and BlobEndpoint doesn't tell it
    STOP_GUARD_STATE: the connection string has DevelopmentStorageProxyUri, for which there is AZURITE_BLOB_STORAGE_URL
    ");
}

#[test]
fn a_container_is_named_with_its_own_setting() {
    let error = parse_with("UseDevelopmentStorage=true", Some("UPPER"), None).unwrap_err().to_string();
    insta::assert_snapshot!(error, @"STOP_GUARD_STATE_CONTAINER: `UPPER` is not a container name (3 to 57 lower-case letters, digits and single hyphens)");
    let error = parse_with("UseDevelopmentStorage=true", None, Some("ftp://x")).unwrap_err().to_string();
    insta::assert_snapshot!(error, @"AZURITE_BLOB_STORAGE_URL: the blob endpoint is not a plain https URL");
}

#[test]
fn neither_key_nor_signature_is_ever_shown() {
    for state in [
        format!("AccountName=acct;AccountKey={KEY}"),
        format!("BlobEndpoint=https://acct.blob.core.windows.net;SharedAccessSignature={SIGNATURE}"),
    ] {
        let location = parse(&state).unwrap();
        let settings = LocationSettings {
            state: &state,
            container: None,
            emulator_url: None,
            blob_suffix: BLOB_SUFFIX_PUBLIC,
        };
        let shown = format!("{location} {location:?} {location:#?} {settings:?}");
        assert!(!shown.contains("Y2FuYXJ5") && !shown.contains("sig="), "{shown}");
    }
}

proptest! {
    #[test]
    fn no_setting_makes_the_reader_panic(state in "\\PC{0,200}", container in "\\PC{0,70}", url in "\\PC{0,70}") {
        let _ = parse_with(&state, Some(&container), Some(&url));
    }

    #[test]
    fn no_broken_connection_string_shows_its_key(
        before in "(AccountName|BlobEndpoint|[A-Za-z]{0,12})=?[a-zA-Z0-9:/.]{0,30}",
        after in "[;=&?A-Za-z]{0,30}",
    ) {
        let state = format!("{before};AccountKey={KEY};{after}");
        let shown = format!("{:?}", parse(&state));
        prop_assert!(!shown.contains("Y2FuYXJ5"), "{}", shown);
    }
}
