//! Putting services together and running them, one or all four.
//!
//! Invariant: every port is taken and every setting checked before any service starts; services in
//! one process still speak to each other over gRPC, exactly as they do in four.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context as _, Result};
use redress_api::ports::EventSink;
use redress_client::{
    CachedTokens, GrpcEventSink, MintedToken, PeerChannel, PeerSettings, SystemResolver, TokenError,
};
use redress_core::caller::Role;
use redress_core::clock::{Clock, SystemClock};
use redress_core::id::{IdSource, RandomIds};
use redress_notifications::config::NotificationsSettings;
use redress_refunds::config::RefundsConfig;
use redress_runtime::config::{NoSettings, Settings, load};
use redress_runtime::token::{Claims, SigningKey, mint};
use redress_runtime::{Bound, Running, Service};
use redress_store::{Database, DatabaseSettings, Schema};
use secrecy::ExposeSecret as _;
use serde::de::DeserializeOwned;
use tokio_util::sync::CancellationToken;

use crate::cli::ServiceName;

/// How long a token that a service signs for its own calls is valid.
const SERVICE_TOKEN_LIFETIME: Duration = Duration::from_mins(10);

/// The settings of any of the four.
#[derive(Debug)]
pub enum AnySettings {
    /// Of cases.
    Cases(Box<Settings<NoSettings>>),
    /// Of refunds.
    Refunds(Box<Settings<RefundsConfig>>),
    /// Of notifications.
    Notifications(Box<Settings<NotificationsSettings>>),
    /// Of feedback.
    Feedback(Box<Settings<NoSettings>>),
}

/// What is the same in every service's settings, however its own section looks.
struct Common<'a> {
    database: Option<&'a redress_runtime::config::DatabaseSettings>,
    identity: Option<&'a redress_runtime::config::IdentitySettings>,
    audience: &'a str,
    peers: &'a BTreeMap<String, String>,
}

impl AnySettings {
    /// Reads a service's settings from its file and the environment.
    pub fn load(
        service: ServiceName,
        file: &Path,
        environment: impl IntoIterator<Item = (String, String)>,
    ) -> Result<Self> {
        fn read<S: DeserializeOwned + Default>(
            file: &Path,
            environment: impl IntoIterator<Item = (String, String)>,
        ) -> Result<Box<Settings<S>>> {
            let settings = load(Some(file), environment);
            Ok(Box::new(settings.with_context(|| format!("settings in {}", file.display()))?))
        }
        Ok(match service {
            ServiceName::Cases => Self::Cases(read(file, environment)?),
            ServiceName::Refunds => Self::Refunds(read(file, environment)?),
            ServiceName::Notifications => Self::Notifications(read(file, environment)?),
            ServiceName::Feedback => Self::Feedback(read(file, environment)?),
        })
    }

    /// Whose settings they are.
    pub const fn service(&self) -> ServiceName {
        match self {
            Self::Cases(_) => ServiceName::Cases,
            Self::Refunds(_) => ServiceName::Refunds,
            Self::Notifications(_) => ServiceName::Notifications,
            Self::Feedback(_) => ServiceName::Feedback,
        }
    }

    /// Where the service listens.
    pub fn listen(&self) -> SocketAddr {
        match self {
            Self::Cases(settings) | Self::Feedback(settings) => settings.server.listen,
            Self::Refunds(settings) => settings.server.listen,
            Self::Notifications(settings) => settings.server.listen,
        }
    }

    /// Logs and traces.
    pub fn telemetry(&self) -> &redress_runtime::config::TelemetrySettings {
        match self {
            Self::Cases(settings) | Self::Feedback(settings) => &settings.telemetry,
            Self::Refunds(settings) => &settings.telemetry,
            Self::Notifications(settings) => &settings.telemetry,
        }
    }

    fn common(&self) -> Common<'_> {
        fn of<S>(settings: &Settings<S>) -> Common<'_> {
            Common {
                database: settings.database.as_ref(),
                identity: settings.identity.as_ref(),
                audience: &settings.auth.audience,
                peers: &settings.peers,
            }
        }
        match self {
            Self::Cases(settings) | Self::Feedback(settings) => of(settings),
            Self::Refunds(settings) => of(settings),
            Self::Notifications(settings) => of(settings),
        }
    }

    fn peers_mut(&mut self) -> &mut BTreeMap<String, String> {
        match self {
            Self::Cases(settings) | Self::Feedback(settings) => &mut settings.peers,
            Self::Refunds(settings) => &mut settings.peers,
            Self::Notifications(settings) => &mut settings.peers,
        }
    }

    /// Checks everything, then takes the port.
    async fn bind(&self) -> Result<Bound> {
        let clock = || Arc::new(SystemClock);
        let plan = match self {
            Self::Cases(settings) | Self::Feedback(settings) => settings.check(clock())?,
            Self::Refunds(settings) => {
                settings.service.resolve()?;
                settings.check(clock())?
            }
            Self::Notifications(settings) => {
                settings.service.check()?;
                settings.check(clock())?
            }
        };
        Ok(Bound::bind(plan).await?)
    }
}

/// The migrations of a service.
pub fn schema(service: ServiceName) -> &'static Schema {
    match service {
        ServiceName::Cases => &redress_cases::SCHEMA,
        ServiceName::Refunds => &redress_refunds::SCHEMA,
        ServiceName::Notifications => &redress_notifications::SCHEMA,
        ServiceName::Feedback => &redress_feedback::SCHEMA,
    }
}

/// Opens a service's database.
pub async fn open_database(settings: &AnySettings) -> Result<Database> {
    let name = settings.service().as_str();
    let common = settings.common();
    let database = common.database.with_context(|| format!("{name}: database.url is missing"))?;
    let mut wanted = DatabaseSettings::new(database.url.expose_secret());
    wanted.max_connections = database.pool_size;
    Database::connect(&wanted).await.with_context(|| name.to_owned())
}

/// A running service and where it listens.
#[derive(Debug)]
pub struct RunningService {
    /// Which one.
    pub service: ServiceName,
    /// Its address.
    pub address: SocketAddr,
    running: Running,
}

impl RunningService {
    /// Waits until it has stopped and drained.
    pub async fn stopped(self) -> Result<()> {
        let name = self.service.as_str();
        self.running.stopped().await.with_context(|| format!("{name} ended"))
    }
}

/// Whether a service brings its database up to date before it serves.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Migration {
    /// It does.
    Migrate,
    /// It only checks, and refuses a database that does not fit.
    Check,
}

/// Starts services in this process. Those in it find each other wherever they were bound; the
/// others are where the settings say.
pub async fn start(
    mut all: Vec<AnySettings>,
    migration: Migration,
    stop: &CancellationToken,
) -> Result<Vec<RunningService>> {
    let mut bound = Vec::with_capacity(all.len());
    for settings in &all {
        let name = settings.service().as_str();
        bound.push(settings.bind().await.with_context(|| name.to_owned())?);
    }
    if all.len() > 1 {
        let places: Vec<(ServiceName, SocketAddr)> =
            all.iter().zip(&bound).map(|(settings, b)| (settings.service(), b.addr())).collect();
        for settings in &mut all {
            for (service, address) in &places {
                let url = format!("http://{address}");
                settings.peers_mut().insert(service.as_str().to_owned(), url);
            }
        }
    }
    let mut running = Vec::with_capacity(all.len());
    for (settings, bound) in all.into_iter().zip(bound) {
        let service = settings.service();
        let address = bound.addr();
        let built =
            build(settings, migration).await.with_context(|| service.as_str().to_owned())?;
        running.push(RunningService { service, address, running: bound.start(built, stop) });
    }
    Ok(running)
}

async fn build(settings: AnySettings, migration: Migration) -> Result<Service> {
    let service = settings.service();
    let database = open_database(&settings).await?;
    match migration {
        Migration::Migrate => redress_store::migrate(&database, schema(service)).await?,
        Migration::Check => redress_store::check(&database, schema(service)).await?,
    }
    let clock: Arc<dyn Clock> = Arc::new(SystemClock);
    let ids: Arc<dyn IdSource> = Arc::new(RandomIds);
    Ok(match &settings {
        AnySettings::Cases(_) => redress_cases::build(&database, clock, ids),
        AnySettings::Feedback(_) => redress_feedback::build(&database, clock, ids),
        AnySettings::Notifications(own) => {
            let refunds = peer(&settings, ServiceName::Refunds)?;
            let deps = redress_notifications::Deps { database, refunds, clock, ids };
            redress_notifications::build(&own.service, deps)?
        }
        AnySettings::Refunds(own) => {
            let listeners = [ServiceName::Cases, ServiceName::Notifications, ServiceName::Feedback];
            let mut subscribers: Vec<(String, Arc<dyn EventSink>)> = Vec::new();
            for listener in listeners {
                let sink = GrpcEventSink::new(&peer(&settings, listener)?)?;
                subscribers.push((listener.as_str().to_owned(), Arc::new(sink)));
            }
            let deps = redress_refunds::Deps { database, clock, ids, subscribers };
            redress_refunds::build(&own.service, deps).await?
        }
    })
}

/// The channel of a service to one of the others, with tokens that it signs itself.
fn peer(settings: &AnySettings, to: ServiceName) -> Result<PeerChannel> {
    let from = settings.service().as_str();
    let common = settings.common();
    let url = common
        .peers
        .get(to.as_str())
        .with_context(|| format!("{from}: peers.{} is missing", to.as_str()))?;
    let identity = common.identity.with_context(|| format!("{from}: identity is missing"))?;
    let key = SigningKey::read(&identity.key_file).with_context(|| format!("{from}: identity"))?;
    let clock: Arc<dyn Clock> = Arc::new(SystemClock);
    let issuer = identity.issuer.clone();
    let audience = common.audience.to_owned();
    let subject = format!("services/{from}");
    let minting_clock = Arc::clone(&clock);
    let tokens = CachedTokens::new(clock, move |tenant| {
        let claims = Claims {
            issuer: issuer.clone(),
            audience: audience.clone(),
            subject: subject.clone(),
            tenant: tenant.clone(),
            roles: vec![Role::Service],
            issued_at: minting_clock.now(),
            lifetime: SERVICE_TOKEN_LIFETIME,
        };
        let token = mint(&key, &claims).map_err(|cause| TokenError(Box::new(cause)))?;
        Ok(MintedToken { token, expires: claims.expires_at() })
    });
    let peer = PeerSettings::new(url.as_str());
    PeerChannel::connect(&peer, Arc::new(SystemResolver), Arc::new(tokens))
        .with_context(|| format!("{from}: peers.{}", to.as_str()))
}
