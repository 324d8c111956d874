use super::*;

fn failure(status: u16, code: Option<&'static str>) -> Failure {
    let code = code.map(HeaderValue::from_static);
    let fault = BlobFault::new(StatusCode::from_u16(status).unwrap(), code.as_ref());
    fault.failure(&"writing `x`", "state")
}

fn is_unavailable(failure: &Failure) -> bool {
    matches!(failure, Failure::Other(StoreError::Unavailable(_)))
}

#[test]
fn a_blob_that_is_there_is_told_as_409_or_as_412_by_version() {
    assert_eq!(failure(409, Some("BlobAlreadyExists")), Failure::Exists);
    assert_eq!(failure(409, None), Failure::Exists);
    assert_eq!(failure(412, Some("ConditionNotMet")), Failure::Stale);
    assert_eq!(failure(412, None), Failure::Stale);
}

#[test]
fn a_closed_case_in_an_immutable_container_is_there_and_not_denied() {
    assert_eq!(failure(409, Some("BlobImmutableDueToPolicy")), Failure::Exists);
    assert_eq!(failure(403, Some("UnauthorizedBlobOverwrite")), Failure::Exists);
}

#[test]
fn a_lease_or_a_container_on_its_way_out_is_no_lost_race() {
    for (status, code) in
        [(412, "LeaseIdMissing"), (409, "ContainerBeingDeleted"), (409, "ContainerDisabled")]
    {
        assert!(is_unavailable(&failure(status, Some(code))), "{code}");
    }
}

#[test]
fn a_missing_container_is_not_a_missing_blob() {
    assert_eq!(
        failure(404, Some("ContainerNotFound")),
        Failure::Other(StoreError::NoContainer("state".to_owned()))
    );
    assert_eq!(failure(404, Some("BlobNotFound")), Failure::Missing);
    assert_eq!(failure(404, None), Failure::Missing);
}

#[test]
fn what_passes_is_told_from_what_people_must_mend() {
    for status in [408, 429, 500, 502, 503, 504] {
        assert!(is_unavailable(&failure(status, Some("ServerBusy"))), "{status}");
    }
    for status in [401, 403] {
        assert!(matches!(failure(status, None), Failure::Other(StoreError::Denied(_))), "{status}");
    }
    for status in [301, 400, 411, 413] {
        assert!(matches!(failure(status, None), Failure::Other(StoreError::Refused(_))), "{status}");
    }
}

#[test]
fn a_hostile_error_code_is_cut_and_cleaned() {
    let code = HeaderValue::from_str(&"x\t".repeat(200)).unwrap();
    let shown = BlobFault::new(StatusCode::BAD_REQUEST, Some(&code)).to_string();
    assert!(shown.chars().count() < 80 && !shown.contains('\t'), "{shown}");
}

#[test]
fn only_the_innermost_cause_is_shown() {
    let inner = std::io::Error::other("connection refused");
    let error = object_store::Error::NotSupported {
        source: Box::new(object_store::Error::Generic {
            store: "https://acct.example/?sig=canary",
            source: Box::new(inner),
        }),
    };
    let shown = classify(&error, &"reading `x`", "state");
    assert_eq!(shown, Failure::Other(StoreError::Refused("reading `x`: connection refused".to_owned())));
}
