//! Which tokens prove something. The simulated login service signs them.

use std::sync::Mutex;
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use http::{Request, Response};
use serde_json::json;
use simulator::world::{self, Reply, TENANT, World, entra};

use super::*;
use crate::azure::{Cloud, Endpoint, TransportError};

const AUDIENCE: &str = "api://aks-stop-guard";
const OTHER_TENANT: &str = "bbbbcccc-1111-dddd-2222-eeee3333ffff";

/// A login service whose time and state a test sets.
#[derive(Debug)]
struct Login {
    world: Mutex<World>,
    now: Mutex<Timestamp>,
    urls: Mutex<Vec<String>>,
}

impl Login {
    fn new() -> Arc<Self> {
        let now = "2026-11-02T10:00:00Z".parse().unwrap();
        Arc::new(Self { world: Mutex::default(), now: Mutex::new(now), urls: Mutex::default() })
    }

    fn tokens(self: &Arc<Self>) -> AccessTokens {
        let audience = Audience {
            audiences: vec![AUDIENCE.to_owned(), "11111111-2222-4333-8444-555555555555".to_owned()],
            tenants: BTreeSet::from([TENANT.to_owned()]),
        };
        let authority = Authority::of(Cloud::Public, &Endpoint::of(Cloud::Public));
        AccessTokens::new(audience, authority, Arc::clone(self) as _, Arc::clone(self) as _)
    }

    fn pass(&self, seconds: i64) {
        *self.now.lock().unwrap() += SignedDuration::from_secs(seconds);
    }

    fn claims(&self) -> Value {
        entra::claims(&ada(), AUDIENCE, self.now())
    }

    fn fetched(&self) -> u32 {
        self.world.lock().unwrap().keys_fetched()
    }
}

#[async_trait]
impl Transport for Login {
    async fn send(&self, request: Request<Bytes>, _: Duration) -> Result<Response<Bytes>, TransportError> {
        self.urls.lock().unwrap().push(request.uri().to_string());
        let now = self.now();
        match self.world.lock().unwrap().handle(&request, now) {
            Reply::Answer(answer) => Ok(answer),
            Reply::Late { .. } | Reply::AnswerLost | Reply::NeverArrived => Err(TransportError::TimedOut),
        }
    }
}

impl Clock for Login {
    fn now(&self) -> Timestamp {
        *self.now.lock().unwrap()
    }

    fn since_boot(&self) -> Duration {
        Duration::ZERO
    }
}

fn ada() -> world::Caller {
    world::Caller::user("Ada")
}

fn header(key: usize) -> Value {
    json!({ "typ": "JWT", "alg": "RS256", "kid": entra::public_key(key).unwrap().0 })
}

fn signed(claims: &Value) -> Secret {
    Secret::new(entra::sign(&header(0), claims, 0).unwrap())
}

async fn refused(login: &Arc<Login>, token: &Secret) -> String {
    let fault = login.tokens().verify(token).await.unwrap_err();
    assert!(matches!(fault, TokenFault::Refused(_)), "{fault}");
    fault.to_string()
}

#[tokio::test]
async fn a_good_token_says_who_it_is() {
    let login = Login::new();
    let token = login.world.lock().unwrap().token_for(&ada(), AUDIENCE, login.now());
    let caller = login.tokens().verify(&Secret::new(token)).await.unwrap();
    assert_eq!(caller.identity(), Some(ada().object_id.as_str()));
    assert_eq!(caller.kind, crate::domain::CallerKind::User);
    assert_eq!(
        *login.urls.lock().unwrap(),
        [format!("https://login.microsoftonline.com/{TENANT}/discovery/v2.0/keys")]
    );
}

#[tokio::test]
async fn a_token_of_version_2_is_as_good() {
    let login = Login::new();
    let mut claims = login.claims();
    claims["iss"] = json!(format!("https://login.microsoftonline.com/{TENANT}/v2.0"));
    claims["aud"] = json!("11111111-2222-4333-8444-555555555555");
    claims["azp"] = claims["appid"].take();
    assert!(login.tokens().verify(&signed(&claims)).await.is_ok());
}

#[tokio::test]
async fn claims_that_are_not_for_this_guard_prove_nothing() {
    let login = Login::new();
    let now = login.now().as_second();
    for (name, value, why) in [
        ("tid", json!(OTHER_TENANT), "its tenant is not allowed"),
        ("tid", json!(null), "its tenant is not allowed"),
        ("tid", json!(format!("{TENANT}/../{OTHER_TENANT}")), "its tenant is not allowed"),
        ("iss", json!(format!("https://sts.windows.net/{OTHER_TENANT}/")), "its issuer is not the tenant's"),
        ("iss", json!(format!("https://sts.windows.net/{TENANT}")), "its issuer is not the tenant's"),
        ("iss", json!([format!("https://sts.windows.net/{TENANT}/"), "x"]), "its issuer is not the tenant's"),
        ("iss", json!(null), "it lacks exp, nbf, aud or iss"),
        ("aud", json!("https://management.azure.com"), "it is for somebody else"),
        ("aud", json!([]), "it is for somebody else"),
        ("aud", json!(null), "it lacks exp, nbf, aud or iss"),
        ("exp", json!(now - 60), "it has expired"),
        ("exp", json!("9999999999"), "it lacks exp, nbf, aud or iss"),
        ("exp", json!(-1), "it lacks exp, nbf, aud or iss"),
        ("exp", json!(1e300), "it lacks exp, nbf, aud or iss"),
        ("exp", json!(null), "it lacks exp, nbf, aud or iss"),
        ("nbf", json!(now + 61), "it is not valid yet"),
        ("nbf", json!(null), "it lacks exp, nbf, aud or iss"),
        ("oid", json!(null), "it has no object id"),
        ("oid", json!("ada"), "it has no object id"),
        ("appid", json!(null), "it is no access token"),
    ] {
        let mut claims = login.claims();
        claims["idtyp"] = json!("app");
        claims[name] = value.clone();
        let said = refused(&login, &signed(&claims)).await;
        assert!(
            said == format!("the token is not good: {why}") || value == json!(1e300),
            "{name} {value}: {said}"
        );
    }
}

#[tokio::test]
async fn only_rs256_with_the_tenants_key_is_a_signature() {
    let login = Login::new();
    let claims = login.claims();
    let (kid, modulus) = entra::public_key(0).unwrap();
    let none = format!("{}.", entra::unsigned(&json!({"alg": "none", "kid": kid}), &claims));
    let message = entra::unsigned(&json!({"alg": "HS256", "kid": kid}), &claims);
    let with_public_key = hs256(&message, &modulus);
    let good = entra::sign(&header(0), &claims, 0).unwrap();
    let (message, signature) = good.rsplit_once('.').unwrap();
    let (_, other_signature) = entra::sign(&header(0), &claims, 1)
        .unwrap()
        .rsplit_once('.')
        .map(|(m, s)| (m.to_owned(), s.to_owned()))
        .unwrap();
    let mut stolen = claims.clone();
    stolen["oid"] = json!("99999999-1111-4111-8111-111111111111");
    for (token, why) in [
        (none, "it is no JSON Web Token"),
        (with_public_key, "its algorithm is not RS256"),
        (
            entra::sign(&json!({"alg": "RS512", "kid": kid}), &claims, 0).unwrap(),
            "its algorithm is not RS256",
        ),
        (format!("{message}.{other_signature}"), "its signature is wrong"),
        (format!("{}.{signature}", entra::unsigned(&header(0), &stolen)), "its signature is wrong"),
        (format!("{message}."), "its signature is wrong"),
        (entra::sign(&header(1), &claims, 1).unwrap(), "its tenant has no such key"),
        (entra::sign(&json!({"alg": "RS256"}), &claims, 0).unwrap(), "it names no key"),
        (
            entra::sign(&json!({"alg": "RS256", "kid": "k".repeat(200)}), &claims, 0).unwrap(),
            "its tenant has no such key",
        ),
        (
            entra::sign(&json!({"alg": "RS256", "kid": "other", "jwk": {"kty": "RSA"}}), &claims, 1).unwrap(),
            "its tenant has no such key",
        ),
        (String::new(), "it is no JSON Web Token"),
        ("a.b".to_owned(), "it is no JSON Web Token"),
        ("é.é.é".to_owned(), "it is no JSON Web Token"),
        (format!("{good}.{good}"), "it is no JSON Web Token"),
        ("a".repeat(20_000), "it is too long"),
    ] {
        let shown: String = token.chars().take(40).collect();
        assert_eq!(
            refused(&login, &Secret::new(token)).await,
            format!("the token is not good: {why}"),
            "{shown}"
        );
    }
    assert!(login.tokens().verify(&Secret::new(good.as_str())).await.is_ok());
}

/// HMAC with the public key's bytes: what a verifier that lets the token choose the algorithm would take.
fn hs256(message: &str, key: &[u8]) -> String {
    use base64::Engine as _;
    use base64::engine::general_purpose::URL_SAFE_NO_PAD;
    use hmac::{Hmac, Mac as _};
    let mut mac = Hmac::<sha2::Sha256>::new_from_slice(key).unwrap();
    mac.update(message.as_bytes());
    format!("{message}.{}", URL_SAFE_NO_PAD.encode(mac.finalize().into_bytes()))
}

#[tokio::test]
async fn keys_are_kept_and_fetched_anew_for_one_that_is_not_known_every_five_minutes_at_most() {
    let login = Login::new();
    let tokens = login.tokens();
    let token = |key| Secret::new(entra::sign(&header(key), &login.claims(), key).unwrap());
    for _ in 0..10 {
        assert!(tokens.verify(&token(0)).await.is_ok());
        assert!(tokens.verify(&token(1)).await.is_err(), "nobody published that key");
    }
    assert_eq!(login.fetched(), 1);
    login.world.lock().unwrap().rotate_signing_key();
    login.pass(299);
    assert!(tokens.verify(&token(1)).await.is_err());
    login.pass(2);
    assert!(tokens.verify(&token(1)).await.is_ok());
    assert!(tokens.verify(&token(0)).await.is_err(), "the old key was withdrawn");
    assert_eq!(login.fetched(), 2);
}

#[tokio::test]
async fn keys_that_can_not_be_had_are_no_proof_either_way() {
    let login = Login::new();
    let tokens = login.tokens();
    let token = signed(&login.claims());
    login.world.lock().unwrap().set_login_down(true);
    for _ in 0..5 {
        assert!(matches!(tokens.verify(&token).await, Err(TokenFault::Unavailable(_))));
    }
    assert_eq!(login.fetched(), 1, "a service that is down is not asked by each request");
    login.world.lock().unwrap().set_login_down(false);
    login.pass(11);
    assert!(tokens.verify(&token).await.is_ok());
    login.world.lock().unwrap().set_login_down(true);
    login.pass(23 * 3_600);
    assert!(tokens.verify(&signed(&login.claims())).await.is_ok(), "kept for a day");
    login.pass(3_600);
    assert!(tokens.verify(&signed(&login.claims())).await.is_err(), "and no longer");
}

#[test]
fn what_a_credential_says_of_itself_is_read_for_the_record() {
    let login = Login::new();
    let token = signed(&login.claims());
    assert_eq!(own_identity(&token).unwrap().identity(), Some(ada().object_id.as_str()));
    assert_eq!(own_identity(&Secret::new("opaque")), None);
}
