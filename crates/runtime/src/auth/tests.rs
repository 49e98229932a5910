//! Good tokens get in; every bad one we could think of does not.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jsonwebtoken::{EncodingKey, Header};
use redress_core::clock::{ManualClock, Timestamp};
use secrecy::ExposeSecret;
use serde_json::{Value, json};

use super::*;
use crate::token::{self, PublicKey, SigningKey};

const NOW_S: i64 = 1_800_000_000;

/// Two issuers: the platform's may assert two roles for one tenant, the suite's own services only
/// `service`, for all.
struct World {
    platform: SigningKey,
    service: SigningKey,
    clock: Arc<ManualClock>,
    verifier: TokenVerifier,
}

impl World {
    fn new() -> Self {
        let platform = SigningKey::generate().unwrap();
        let service = SigningKey::generate().unwrap();
        let arena = Tenants::Only([TenantId::new("arena").unwrap()].into());
        let issuers = vec![
            Issuer::new(
                "platform",
                &platform.public_key(),
                vec![Role::Platform, Role::Agent],
                arena,
            ),
            Issuer::new("refunds", &service.public_key(), vec![Role::Service], Tenants::All),
        ];
        let clock = Arc::new(ManualClock::at(Timestamp(NOW_S * 1_000_000)));
        let leeway = Duration::from_secs(30);
        let verifier = TokenVerifier::new(issuers, "redress", leeway, clock.clone());
        Self { platform, service, clock, verifier }
    }

    fn verify(&self, token: &str) -> Result<Caller, TokenRefusal> {
        self.verifier.verify(token)
    }

    /// A token of the platform whose claims are the good ones, changed by `change`.
    fn changed(&self, change: impl FnOnce(&mut Value)) -> String {
        let mut claims = good_claims();
        change(&mut claims);
        sign(&self.platform, &claims)
    }
}

fn good_claims() -> Value {
    json!({
        "iss": "platform", "aud": "redress", "sub": "shop-1", "tenant": "arena",
        "roles": ["platform"], "iat": NOW_S, "nbf": NOW_S, "exp": NOW_S + 600,
    })
}

fn part(value: &Value) -> String {
    URL_SAFE_NO_PAD.encode(value.to_string())
}

/// Signs any header and claims, also those that a library would refuse to make.
fn sign_as(header: &Value, claims: &Value, key: &SigningKey) -> String {
    let message = format!("{}.{}", part(header), part(claims));
    format!("{message}.{}", URL_SAFE_NO_PAD.encode(key.sign(message.as_bytes())))
}

fn sign(key: &SigningKey, claims: &Value) -> String {
    sign_as(&json!({"alg": "EdDSA", "typ": "JWT"}), claims, key)
}

#[test]
fn a_good_token_gives_its_caller() {
    let world = World::new();
    let caller = world.verify(&world.changed(|_| {})).unwrap();
    assert_eq!(
        caller,
        Caller {
            tenant: TenantId::new("arena").unwrap(),
            subject: "shop-1".to_owned(),
            issuer: "platform".to_owned(),
            roles: vec![Role::Platform],
        }
    );
}

#[test]
fn what_mint_signs_is_accepted() {
    let world = World::new();
    let claims = token::Claims {
        issuer: "refunds".to_owned(),
        audience: "redress".to_owned(),
        subject: "refunds".to_owned(),
        tenant: TenantId::new("anything").unwrap(),
        roles: vec![Role::Service],
        issued_at: Timestamp(NOW_S * 1_000_000),
        lifetime: Duration::from_mins(5),
    };
    let token = token::mint(&world.service, &claims).unwrap();
    let caller = world.verify(token.expose_secret()).unwrap();
    assert_eq!((caller.issuer.as_str(), caller.roles), ("refunds", vec![Role::Service]));
}

#[test]
fn the_audience_may_be_one_of_several() {
    let world = World::new();
    let token = world.changed(|claims| claims["aud"] = json!(["elsewhere", "redress"]));
    assert!(world.verify(&token).is_ok());
}

#[test]
fn clocks_may_differ_by_the_leeway_and_no_more() {
    let world = World::new();
    let with = |claim: &str, offset: i64| {
        world.verify(&world.changed(|claims| claims[claim] = json!(NOW_S + offset)))
    };
    assert!(with("exp", -29).is_ok());
    assert_eq!(with("exp", -30), Err(TokenRefusal::Expired));
    assert_eq!(with("exp", -NOW_S), Err(TokenRefusal::Expired));
    assert!(with("nbf", 30).is_ok());
    assert_eq!(with("nbf", 31), Err(TokenRefusal::NotYetValid));
}

#[test]
fn bad_claims_are_refused() {
    use TokenRefusal as R;
    let world = World::new();
    let long = "x".repeat(65);
    let cases: Vec<(&str, Value, TokenRefusal)> = vec![
        ("aud", json!("elsewhere"), R::WrongAudience),
        ("aud", json!([]), R::WrongAudience),
        ("aud", Value::Null, R::Invalid),
        ("exp", json!((NOW_S + 600).to_string()), R::Invalid),
        ("exp", json!(1.5e300), R::Invalid),
        ("exp", Value::Null, R::Invalid),
        ("nbf", json!("0"), R::Invalid),
        ("iss", json!("nobody"), R::UnknownIssuer),
        ("iss", json!(["platform"]), R::Invalid),
        ("iss", Value::Null, R::Invalid),
        ("sub", json!(""), R::Invalid),
        ("sub", json!(7), R::Invalid),
        ("sub", Value::Null, R::Invalid),
        ("tenant", json!("other"), R::TenantNotAllowed),
        ("tenant", json!("*"), R::Invalid),
        ("tenant", json!("../arena"), R::Invalid),
        ("tenant", json!(long), R::Invalid),
        ("tenant", Value::Null, R::Invalid),
        ("roles", json!(["service"]), R::RoleNotAllowed),
        ("roles", json!(["platform", "finance"]), R::RoleNotAllowed),
        ("roles", json!(["root"]), R::Invalid),
        ("roles", json!(["Platform"]), R::Invalid),
        ("roles", json!("platform"), R::Invalid),
        ("roles", json!([]), R::Invalid),
        ("roles", Value::Null, R::Invalid),
    ];
    for (claim, value, expected) in cases {
        let token = world.changed(|claims| claims[claim] = value.clone());
        assert_eq!(world.verify(&token), Err(expected), "{claim} = {value}");
    }
    for claim in ["iss", "aud", "sub", "exp", "tenant", "roles"] {
        let token = world.changed(|claims| {
            claims.as_object_mut().unwrap().remove(claim);
        });
        assert_eq!(world.verify(&token), Err(R::Invalid), "without {claim}");
    }
}

#[test]
fn the_header_cannot_choose_the_algorithm() {
    let world = World::new();
    let claims = good_claims();
    let public = world.platform.public_pem().unwrap();
    let hmac = |secret: &[u8]| {
        let key = EncodingKey::from_secret(secret);
        jsonwebtoken::encode(&Header::default(), &claims, &key).unwrap()
    };
    let none = format!("{}.{}.", part(&json!({"alg": "none"})), part(&claims));
    let mut tokens = vec![none, hmac(public.as_bytes()), hmac(world.platform.public_key().raw())];
    for algorithm in ["none", "None", "HS256", "RS256", "ES256", "PS512", "ES512", "", "EdDSA "] {
        tokens.push(sign_as(&json!({"alg": algorithm}), &claims, &world.platform));
    }
    tokens.push(sign_as(&json!({"typ": "JWT"}), &claims, &world.platform));
    for token in tokens {
        assert_eq!(world.verify(&token), Err(TokenRefusal::Invalid), "{token}");
    }
}

#[test]
fn the_header_cannot_choose_the_key() {
    let world = World::new();
    let stranger = SigningKey::generate().unwrap();
    let jwk = json!({"kty": "OKP", "crv": "Ed25519", "x": URL_SAFE_NO_PAD.encode(stranger.public_key().raw())});
    for header in [
        json!({"alg": "EdDSA", "jwk": jwk}),
        json!({"alg": "EdDSA", "kid": "../../stranger.pem"}),
        json!({"alg": "EdDSA", "jku": "https://stranger.example/keys"}),
        json!({"alg": "EdDSA"}),
    ] {
        let token = sign_as(&header, &good_claims(), &stranger);
        assert_eq!(world.verify(&token), Err(TokenRefusal::Invalid), "{header}");
    }
}

#[test]
fn one_issuer_cannot_sign_for_another() {
    let world = World::new();
    assert_eq!(world.verify(&sign(&world.service, &good_claims())), Err(TokenRefusal::Invalid));
}

#[test]
fn text_that_is_no_token_is_refused() {
    let world = World::new();
    let good = world.changed(|_| {});
    let (message, signature) = good.rsplit_once('.').unwrap();
    let (header, claims) = message.split_once('.').unwrap();
    let other = part(&json!({"iss": "platform", "roles": ["agent"]}));
    for token in [
        String::new(),
        ".".to_owned(),
        "..".to_owned(),
        "a.b.c".to_owned(),
        "💶.💶.💶".to_owned(),
        message.to_owned(),
        format!("{message}."),
        format!("{good}.{signature}"),
        format!("{header}.{other}.{signature}"),
        format!("{header}.{claims}.{}", "A".repeat(86)),
        format!("{good} "),
        format!("{good}="),
        format!("{{\"{good}\"}}"),
        "x".repeat(MAX_TOKEN_BYTES + 1),
        format!("{good}{}", "A".repeat(MAX_TOKEN_BYTES)),
    ] {
        assert_eq!(world.verify(&token), Err(TokenRefusal::Invalid), "{token:.60}");
    }
}

#[test]
fn a_key_can_be_replaced_while_both_are_known() {
    let (old, new) = (SigningKey::generate().unwrap(), SigningKey::generate().unwrap());
    let issuer = |key: PublicKey| Issuer::new("platform", &key, vec![Role::Platform], Tenants::All);
    let issuers = vec![issuer(old.public_key()), issuer(new.public_key())];
    let clock = Arc::new(ManualClock::at(Timestamp(NOW_S * 1_000_000)));
    let verifier = TokenVerifier::new(issuers, "redress", Duration::ZERO, clock);
    assert!(verifier.verify(&sign(&old, &good_claims())).is_ok());
    assert!(verifier.verify(&sign(&new, &good_claims())).is_ok());
}

#[test]
fn a_token_that_came_before_is_judged_by_the_time_again() {
    let world = World::new();
    let token = world.changed(|claims| claims["nbf"] = json!(NOW_S + 60));
    assert_eq!(world.verify(&token), Err(TokenRefusal::NotYetValid));
    world.clock.advance(Duration::from_mins(1));
    assert_eq!(world.verify(&token).unwrap().subject, "shop-1");
    world.clock.advance(Duration::from_secs(570));
    assert_eq!(world.verify(&token), Err(TokenRefusal::Expired));
}

#[test]
fn a_token_that_resembles_a_good_one_is_checked_for_itself() {
    let world = World::new();
    let token = world.changed(|_| {});
    assert!(world.verify(&token).is_ok());
    let (signed, signature) = token.rsplit_once('.').unwrap();
    let mut bytes = URL_SAFE_NO_PAD.decode(signature).unwrap();
    bytes[0] ^= 1;
    let forged = format!("{signed}.{}", URL_SAFE_NO_PAD.encode(bytes));
    assert_eq!(world.verify(&forged), Err(TokenRefusal::Invalid));
    assert!(world.verify(&token).is_ok());
}
