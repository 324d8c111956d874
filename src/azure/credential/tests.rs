use std::collections::VecDeque;
use std::sync::atomic::{AtomicUsize, Ordering};

use super::*;
use crate::azure::{Cloud, HttpTransport};

const SCOPE: &str = "https://management.azure.com/.default";

/// A clock that stands until it is moved.
#[derive(Debug)]
struct HandClock(Mutex<Timestamp>);

impl HandClock {
    fn new() -> Arc<Self> {
        Arc::new(Self(Mutex::new("2026-09-14T18:00:00Z".parse().unwrap())))
    }

    fn pass(&self, seconds: i64) {
        let mut now = self.0.lock().unwrap();
        *now = now.checked_add(SignedDuration::from_secs(seconds)).unwrap();
    }
}

impl Clock for HandClock {
    fn now(&self) -> Timestamp {
        *self.0.lock().unwrap()
    }

    fn since_boot(&self) -> Duration {
        Duration::ZERO
    }
}

/// Gives the scripted answers; asked once more than scripted, it fails the test.
struct Script {
    answers: Mutex<VecDeque<Result<Issued, CredentialError>>>,
    asked: AtomicUsize,
    forgotten: AtomicUsize,
    takes: Duration,
}

#[async_trait]
impl Issuer for Script {
    async fn issue(&self, _scope: &str) -> Result<Issued, CredentialError> {
        self.asked.fetch_add(1, Ordering::SeqCst);
        tokio::time::sleep(self.takes).await;
        self.answers.lock().unwrap().pop_front().expect("the identity service is not asked again")
    }

    fn forget(&self) {
        self.forgotten.fetch_add(1, Ordering::SeqCst);
    }
}

fn issued(token: &str, clock: &HandClock, lasts: i64) -> Result<Issued, CredentialError> {
    let expires_at = clock.now().checked_add(SignedDuration::from_secs(lasts)).unwrap();
    Ok(Issued { token: Secret::new(token), expires_at })
}

fn down() -> Result<Issued, CredentialError> {
    Err(CredentialError::Unavailable("503".to_owned()))
}

fn credential(
    clock: &Arc<HandClock>,
    answers: Vec<Result<Issued, CredentialError>>,
) -> (Arc<Credential>, Arc<Script>) {
    let script = Arc::new(Script {
        answers: Mutex::new(answers.into()),
        asked: AtomicUsize::new(0),
        forgotten: AtomicUsize::new(0),
        takes: Duration::from_millis(100),
    });
    (Credential::over(script.clone(), clock.clone()), script)
}

#[tokio::test(start_paused = true)]
async fn many_callers_at_once_ask_once() {
    let clock = HandClock::new();
    let (credential, script) = credential(&clock, vec![issued("a", &clock, 3600)]);
    let answers = futures::future::join_all((0..50).map(|_| credential.token(SCOPE))).await;
    assert!(answers.iter().all(|answer| *answer == Ok(Secret::new("a"))));
    assert_eq!(script.asked.load(Ordering::SeqCst), 1);
}

#[tokio::test(start_paused = true)]
async fn many_callers_share_one_failure_and_the_next_one_asks_again() {
    let clock = HandClock::new();
    let (credential, script) = credential(&clock, vec![down(), issued("a", &clock, 3600)]);
    let answers = futures::future::join_all((0..50).map(|_| credential.token(SCOPE))).await;
    assert!(answers.iter().all(Result::is_err));
    assert_eq!(script.asked.load(Ordering::SeqCst), 1);
    assert_eq!(credential.token(SCOPE).await, Ok(Secret::new("a")));
}

#[tokio::test(start_paused = true)]
async fn a_token_is_renewed_five_minutes_before_its_end() {
    let clock = HandClock::new();
    let (credential, script) = credential(&clock, vec![issued("a", &clock, 3600), issued("b", &clock, 7200)]);
    assert_eq!(credential.token(SCOPE).await, Ok(Secret::new("a")));
    clock.pass(3600 - 301);
    assert_eq!(credential.token(SCOPE).await, Ok(Secret::new("a")));
    assert_eq!(script.asked.load(Ordering::SeqCst), 1);
    clock.pass(2);
    assert_eq!(credential.token(SCOPE).await, Ok(Secret::new("b")));
}

#[tokio::test(start_paused = true)]
async fn a_token_that_can_not_be_renewed_serves_until_a_minute_before_its_end() {
    let clock = HandClock::new();
    let (credential, script) = credential(&clock, vec![issued("a", &clock, 400), down(), down()]);
    assert_eq!(credential.token(SCOPE).await, Ok(Secret::new("a")));
    clock.pass(200);
    assert_eq!(credential.token(SCOPE).await, Ok(Secret::new("a")), "the renewal failed");
    clock.pass(5);
    assert_eq!(credential.token(SCOPE).await, Ok(Secret::new("a")));
    assert_eq!(script.asked.load(Ordering::SeqCst), 2, "the identity service is not asked for every request");
    clock.pass(140);
    assert_eq!(credential.token(SCOPE).await, Err(CredentialError::Unavailable("503".to_owned())));
}

#[tokio::test(start_paused = true)]
async fn a_rejected_token_is_never_given_again() {
    let clock = HandClock::new();
    let (credential, script) = credential(&clock, vec![issued("a", &clock, 3600), issued("b", &clock, 3600)]);
    let first = credential.token(SCOPE).await.unwrap();
    credential.reject(SCOPE, &first);
    credential.reject(SCOPE, &first);
    assert_eq!(credential.token(SCOPE).await, Ok(Secret::new("b")));
    credential.reject(SCOPE, &first);
    assert_eq!(credential.token(SCOPE).await, Ok(Secret::new("b")), "b was never rejected");
    assert_eq!(script.forgotten.load(Ordering::SeqCst), 1);
}

#[tokio::test(start_paused = true)]
async fn an_identity_service_that_hangs_costs_eight_seconds_at_most() {
    let clock = HandClock::new();
    let script = Script {
        answers: Mutex::new(VecDeque::new()),
        asked: AtomicUsize::new(0),
        forgotten: AtomicUsize::new(0),
        takes: Duration::from_secs(3600),
    };
    let credential = Credential::over(Arc::new(script), clock);
    let before = tokio::time::Instant::now();
    assert!(matches!(credential.token(SCOPE).await, Err(CredentialError::Unavailable(_))));
    assert_eq!(before.elapsed(), ISSUE_TIMEOUT);
}

#[tokio::test(start_paused = true)]
async fn each_scope_has_its_own_token_and_there_is_an_end_to_scopes() {
    let clock = HandClock::new();
    let answers = (0..SCOPES_MAX).map(|n| issued(&format!("t{n}"), &clock, 3600)).collect();
    let (credential, _script) = credential(&clock, answers);
    for n in 0..SCOPES_MAX {
        assert_eq!(credential.token(&format!("s{n}")).await, Ok(Secret::new(format!("t{n}"))));
    }
    assert!(credential.token("one more").await.unwrap_err().needs_people());
    assert_eq!(credential.token("s0").await, Ok(Secret::new("t0")));
}

#[tokio::test]
async fn a_client_secret_is_in_no_output_and_no_error() {
    let kind = CredentialKind::ClientSecret {
        tenant: "not a tenant/../".to_owned(),
        client_id: "c".to_owned(),
        secret: Secret::new("canary"),
    };
    let identity = AzureIdentity::new(kind, Cloud::Public, HttpTransport::new());
    let error = identity.issue(SCOPE).await.unwrap_err();
    assert!(error.needs_people(), "{error}");
    let shown = format!("{identity:?} {error} {error:?}");
    let credential = Credential::new(identity, HandClock::new());
    assert!(!format!("{shown} {credential:?}").contains("canary"), "{shown}");
}
