//! Credentials of people, of services, and some that are no good.

use std::time::Duration;

use redress::cli::ServiceName;
use redress::connect::local_token;
use redress::home::Home;
use redress_core::caller::Role;
use redress_core::clock::{Clock as _, SystemClock, Timestamp};
use redress_core::id::TenantId;
use redress_runtime::config::{AuthSettings, DEV_ISSUER};
use redress_runtime::token::{Claims, SigningKey, mint};
use secrecy::SecretString;

const LIFETIME: Duration = Duration::from_mins(30);

pub(crate) fn tenant_id(tenant: &str) -> TenantId {
    TenantId::new(tenant).unwrap()
}

/// A token of the local key, which speaks for people and platforms.
pub(crate) fn of_people(home: &Home, tenant: &str, roles: &[Role]) -> SecretString {
    local_token(home, &tenant_id(tenant), roles, "tests", LIFETIME).unwrap()
}

/// A token as `signer` makes it for its own calls.
pub(crate) fn of_service(home: &Home, signer: ServiceName, tenant: &str) -> SecretString {
    let key_file = home.dir().join("keys").join(format!("{}.pem", signer.as_str()));
    let issuer = format!("redress-{}", signer.as_str());
    sign(&SigningKey::read(&key_file).unwrap(), issuer, tenant, Role::Service, SystemClock.now())
}

/// A token with one role, for a call to `host`, by whoever may assert that role there.
pub(crate) fn of_role(home: &Home, host: ServiceName, tenant: &str, role: Role) -> SecretString {
    match role {
        Role::Service => {
            let peer = ServiceName::ALL.into_iter().find(|peer| *peer != host).unwrap();
            of_service(home, peer, tenant)
        }
        people => of_people(home, tenant, &[people]),
    }
}

/// A platform's token that was good until half an hour ago.
pub(crate) fn expired(home: &Home, tenant: &str) -> SecretString {
    let issued = SystemClock.now().0 - 2 * i64::try_from(LIFETIME.as_micros()).unwrap();
    let key = home.dev_key().unwrap();
    sign(&key, DEV_ISSUER.to_owned(), tenant, Role::Platform, Timestamp(issued))
}

/// A token in which the local key asserts to be a service, which it may not.
pub(crate) fn pretended_service(home: &Home, tenant: &str) -> SecretString {
    of_people(home, tenant, &[Role::Service])
}

fn sign(
    key: &SigningKey,
    issuer: String,
    tenant: &str,
    role: Role,
    issued_at: Timestamp,
) -> SecretString {
    let claims = Claims {
        issuer,
        audience: AuthSettings::default().audience,
        subject: "tests".to_owned(),
        tenant: tenant_id(tenant),
        roles: vec![role],
        issued_at,
        lifetime: LIFETIME,
    };
    mint(key, &claims).unwrap()
}
