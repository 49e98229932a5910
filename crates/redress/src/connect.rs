//! Channels from the command line to the services.
//!
//! Invariant: a command calls in the name of one tenant, with a token that was given or that the
//! local key signs for just this run.

use std::collections::HashMap;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context as _, Result};
use redress_client::{PeerChannel, PeerSettings, StaticToken, SystemResolver, TenantChannel};
use redress_core::caller::Role;
use redress_core::clock::{Clock as _, SystemClock};
use redress_core::id::TenantId;
use redress_runtime::config::DEV_ISSUER;
use redress_runtime::token::{Claims, SigningKey, mint};
use secrecy::SecretString;

use crate::cli::{CallerArgs, ServiceName};
use crate::home::Home;
use crate::services::AnySettings;

/// How long the token of one command is valid.
const TOKEN_LIFETIME: Duration = Duration::from_hours(12);

/// How long the slowest single call may take: freezing or previewing a large event.
const CALL_DEADLINE: Duration = Duration::from_mins(5);

/// How long something is watched at most.
const WATCH_DEADLINE: Duration = Duration::from_hours(1);

/// The four services, in the name of one tenant.
#[derive(Debug)]
pub struct Connections {
    tenant: TenantId,
    peers: HashMap<ServiceName, PeerChannel>,
}

impl Connections {
    /// Where `args` say, with the token they give or one that the local key signs.
    pub fn open(args: &CallerArgs) -> Result<Self> {
        Self::open_as(args, &[Role::Platform])
    }

    /// The same, with `roles` in a token that the local key signs.
    pub fn open_as(args: &CallerArgs, roles: &[Role]) -> Result<Self> {
        let tenant = tenant_id(&args.tenant)?;
        let home = Home::open(&args.data)?;
        let token = match &args.token {
            Some(token) => SecretString::from(token.as_str()),
            None => local_token(&home, &tenant, roles, &args.subject, TOKEN_LIFETIME)?,
        };
        let mut places = Vec::new();
        for service in ServiceName::ALL {
            // The environment belongs to the services; a command only needs to know the addresses.
            let settings = AnySettings::load(service, &home.settings_file(service), [])?;
            places.push((service, settings.listen()));
        }
        Self::to(&places, tenant, token)
    }

    /// To services at known addresses.
    pub fn to(
        places: &[(ServiceName, SocketAddr)],
        tenant: TenantId,
        token: SecretString,
    ) -> Result<Self> {
        let tokens = Arc::new(StaticToken::new(token));
        let mut peers = HashMap::new();
        for (service, address) in places {
            let settings = PeerSettings::new(format!("http://{address}"));
            let peer = PeerChannel::connect(&settings, Arc::new(SystemResolver), tokens.clone())?;
            peers.insert(*service, peer);
        }
        Ok(Self { tenant, peers })
    }

    /// The tenant in whose name calls are made.
    pub const fn tenant(&self) -> &TenantId {
        &self.tenant
    }

    /// For reads and for commands that carry a request id.
    pub fn unary(&self, service: ServiceName) -> Result<TenantChannel> {
        Ok(self.channel(service)?.idempotent().with_deadline(CALL_DEADLINE))
    }

    /// For answers that come as long as something changes.
    pub fn streaming(&self, service: ServiceName) -> Result<TenantChannel> {
        Ok(self.channel(service)?.with_deadline(WATCH_DEADLINE))
    }

    /// All replicas of a service.
    pub fn peer(&self, service: ServiceName) -> Result<&PeerChannel> {
        self.peers.get(&service).context("the service is not connected")
    }

    fn channel(&self, service: ServiceName) -> Result<TenantChannel> {
        Ok(self.peer(service)?.for_tenant(self.tenant.clone()))
    }
}

/// Reads a tenant's id from the command line.
pub fn tenant_id(text: &str) -> Result<TenantId> {
    TenantId::new(text).with_context(|| format!("--tenant {text:?}"))
}

/// A token of the local key for the platform itself and for those who look after its money.
pub fn platform_token(home: &Home, tenant: &TenantId) -> Result<SecretString> {
    local_token(home, tenant, &[Role::Platform], "cli", TOKEN_LIFETIME)
}

/// A token that the local key signs.
pub fn local_token(
    home: &Home,
    tenant: &TenantId,
    roles: &[Role],
    subject: &str,
    lifetime: Duration,
) -> Result<SecretString> {
    signed_token(&home.dev_key()?, DEV_ISSUER, tenant, roles, subject, lifetime)
}

/// A token that `key` signs, which the services know as `issuer`'s.
pub fn signed_token(
    key: &SigningKey,
    issuer: &str,
    tenant: &TenantId,
    roles: &[Role],
    subject: &str,
    lifetime: Duration,
) -> Result<SecretString> {
    let claims = Claims {
        issuer: issuer.to_owned(),
        audience: redress_runtime::config::AuthSettings::default().audience,
        subject: subject.to_owned(),
        tenant: tenant.clone(),
        roles: roles.to_vec(),
        issued_at: SystemClock.now(),
        lifetime,
    };
    Ok(mint(key, &claims)?)
}
