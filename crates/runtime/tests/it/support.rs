//! The world of these tests: a key, a server with one service, and clients of it.

use std::future::Future;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use redress_api::ports::{PortError, TenantDirectory};
use redress_api::tenants::TenantGrpc;
use redress_core::caller::Role;
use redress_core::clock::{Clock, SystemClock};
use redress_core::id::TenantId;
use redress_core::tenant::Tenant;
use redress_proto::common::v1::GetTenantRequest;
use redress_proto::common::v1::tenant_service_client::TenantServiceClient;
use redress_proto::common::v1::tenant_service_server::TenantServiceServer;
use redress_runtime::config::{IssuerSettings, Settings};
use redress_runtime::token::{Claims, SigningKey, mint};
use redress_runtime::{Running, Service, run};
use secrecy::ExposeSecret;
use tokio::sync::Semaphore;
use tokio_util::sync::CancellationToken;
use tonic::transport::{Channel, Endpoint};
use tonic::{Request, Status};
use tonic_types::StatusExt;

/// A directory that knows the tenant `arena` and does what a test tells it.
#[derive(Default)]
pub(crate) struct Directory {
    /// Calls wait for [`Directory::release`] when set.
    pub(crate) holds: AtomicBool,
    /// Calls panic when set.
    pub(crate) panics: AtomicBool,
    /// How many calls reached the handler.
    pub(crate) calls: AtomicUsize,
    /// The trace that the last call was made under.
    pub(crate) traceparent: Mutex<Option<String>>,
    started: Counter,
    released: Counter,
    finished: Counter,
}

struct Counter(Semaphore);

impl Default for Counter {
    fn default() -> Self {
        Self(Semaphore::new(0))
    }
}

impl Counter {
    fn add(&self) {
        self.0.add_permits(1);
    }

    async fn take(&self) {
        soon(self.0.acquire()).await.unwrap().forget();
    }
}

impl Directory {
    /// Waits until a call has reached the handler.
    pub(crate) async fn started(&self) {
        self.started.take().await;
    }

    /// Lets one held call go on.
    pub(crate) fn release(&self) {
        self.released.add();
    }

    /// Waits until a handler has run to its end.
    pub(crate) async fn finished(&self) {
        self.finished.take().await;
    }

    pub(crate) fn hold(&self) {
        self.holds.store(true, Ordering::SeqCst);
    }

    pub(crate) fn calls(&self) -> usize {
        self.calls.load(Ordering::SeqCst)
    }
}

#[async_trait]
impl TenantDirectory for Directory {
    async fn apply(&self, tenant: Tenant) -> Result<Tenant, PortError> {
        self.calls.fetch_add(1, Ordering::SeqCst);
        Ok(Tenant { version: 1, ..tenant })
    }

    async fn get(&self, id: &TenantId) -> Result<Option<Tenant>, PortError> {
        self.calls.fetch_add(1, Ordering::SeqCst);
        *self.traceparent.lock().unwrap() = redress_runtime::current_traceparent();
        assert!(!self.panics.load(Ordering::SeqCst), "this test wants a panic");
        if self.holds.load(Ordering::SeqCst) {
            self.started.add();
            self.released.0.acquire().await.unwrap().forget();
            self.finished.add();
        }
        Ok(Some(Tenant {
            id: id.clone(),
            display_name: "Arena".to_owned(),
            locales: vec!["en".to_owned()],
            time_zone: "Europe/Berlin".to_owned(),
            sender_email: "tickets@arena.example".to_owned(),
            support_url: "https://arena.example/help".to_owned(),
            default_policy: "flex".to_owned(),
            approval_limits: Vec::new(),
            policies: Vec::new(),
            version: 1,
        }))
    }
}

/// A running server and what is needed to call it.
pub(crate) struct World {
    pub(crate) addr: SocketAddr,
    pub(crate) directory: Arc<Directory>,
    pub(crate) stop: CancellationToken,
    pub(crate) running: Running,
    key: SigningKey,
}

pub(crate) fn tenant_service(directory: &Arc<Directory>) -> Service {
    let grpc = TenantGrpc::new(directory.clone());
    Service::new("test").serve(TenantServiceServer::new(grpc))
}

impl World {
    /// A server with settings changed by `change`.
    pub(crate) async fn start(change: impl FnOnce(&mut Settings)) -> Self {
        Self::start_service(change, |service| service).await
    }

    /// The same with a service changed by `build`, for its workers.
    pub(crate) async fn start_service(
        change: impl FnOnce(&mut Settings),
        build: impl FnOnce(Service) -> Service,
    ) -> Self {
        let key = SigningKey::generate().unwrap();
        let mut settings = Settings::default();
        settings.auth.issuers.push(IssuerSettings {
            issuer: "test".to_owned(),
            public_key: Some(key.public_pem().unwrap()),
            public_key_file: None,
            roles: vec![Role::Platform, Role::Auditor],
            tenants: vec!["arena".to_owned()],
        });
        change(&mut settings);
        let directory = Arc::new(Directory::default());
        let stop = CancellationToken::new();
        let service = build(tenant_service(&directory));
        let running = run(service, &settings, Arc::new(SystemClock), &stop).await.unwrap();
        Self { addr: running.addr(), directory, stop, running, key }
    }

    /// A token for `role`, issued `age` ago and valid for five minutes.
    pub(crate) fn token(&self, role: Role, age: Duration) -> String {
        let now = SystemClock.now();
        let issued_at =
            redress_core::clock::Timestamp(now.0 - i64::try_from(age.as_micros()).unwrap());
        let claims = Claims {
            issuer: "test".to_owned(),
            audience: "redress".to_owned(),
            subject: "shop".to_owned(),
            tenant: TenantId::new("arena").unwrap(),
            roles: vec![role],
            issued_at,
            lifetime: Duration::from_mins(5),
        };
        mint(&self.key, &claims).unwrap().expose_secret().to_owned()
    }

    pub(crate) fn endpoint(&self) -> Endpoint {
        Endpoint::from_shared(format!("http://{}", self.addr)).unwrap()
    }

    pub(crate) async fn channel(&self) -> Channel {
        soon(self.endpoint().connect()).await.unwrap()
    }

    pub(crate) async fn client(&self) -> TenantServiceClient<Channel> {
        TenantServiceClient::new(self.channel().await)
    }

    /// A GetTenant request that would be answered.
    pub(crate) fn get_tenant(&self) -> Request<GetTenantRequest> {
        let mut request = Request::new(GetTenantRequest { name: "tenants/arena".to_owned() });
        authorize(&mut request, &self.token(Role::Platform, Duration::ZERO));
        request
    }

    /// Makes that call on a connection of its own.
    pub(crate) async fn call(&self) -> Result<(), Status> {
        let request = self.get_tenant();
        soon(self.client().await.get_tenant(request)).await.map(drop)
    }
}

pub(crate) fn authorize<T>(request: &mut Request<T>, token: &str) {
    request.metadata_mut().insert("authorization", format!("Bearer {token}").parse().unwrap());
}

/// The reason in a status' ErrorInfo; every status must have one.
pub(crate) fn reason(status: &Status) -> String {
    let info = status.get_details_error_info();
    info.unwrap_or_else(|| panic!("no ErrorInfo: {status:?}")).reason
}

/// What must happen, and happens long before this limit; so a hang becomes a failure.
pub(crate) async fn soon<F: Future>(future: F) -> F::Output {
    tokio::time::timeout(Duration::from_secs(20), future).await.expect("hangs")
}
