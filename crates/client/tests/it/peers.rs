//! Real servers whose answers a test scripts, and channels to them.

use std::collections::VecDeque;
use std::io;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use redress_client::{
    PeerChannel, PeerSettings, Resolver, StaticToken, TenantChannel, TokenError, TokenSource,
};
use redress_core::id::TenantId;
use redress_proto::common::v1::tenant_service_client::TenantServiceClient;
use redress_proto::common::v1::tenant_service_server::{TenantService, TenantServiceServer};
use redress_proto::common::v1::{ApplyTenantRequest, GetTenantRequest, Tenant};
use secrecy::SecretString;
use tokio::net::TcpListener;
use tokio::sync::oneshot;
use tokio_stream::wrappers::TcpListenerStream;
use tonic::metadata::MetadataMap;
use tonic::transport::Server;
use tonic::{Request, Response, Status};

/// A server that keeps what it was sent, and answers with the script and then with its own name.
#[derive(Clone, Default)]
pub(crate) struct Recorder {
    pub(crate) calls: Arc<Mutex<Vec<MetadataMap>>>,
    pub(crate) script: Arc<Mutex<VecDeque<Status>>>,
    pub(crate) name: String,
    /// Never answers.
    pub(crate) silent: bool,
}

impl Recorder {
    pub(crate) fn named(name: &str) -> Self {
        Self { name: name.to_owned(), ..Self::default() }
    }

    pub(crate) fn failing(statuses: impl IntoIterator<Item = Status>) -> Self {
        let recorder = Self::named("flaky");
        recorder.script.lock().unwrap().extend(statuses);
        recorder
    }

    pub(crate) fn call_count(&self) -> usize {
        self.calls.lock().unwrap().len()
    }

    /// A header of the last call.
    pub(crate) fn header(&self, name: &str) -> Option<String> {
        let calls = self.calls.lock().unwrap();
        Some(calls.last().unwrap().get(name)?.to_str().unwrap().to_owned())
    }

    async fn answer(&self, metadata: MetadataMap) -> Result<Response<Tenant>, Status> {
        self.calls.lock().unwrap().push(metadata);
        if self.silent {
            std::future::pending::<()>().await;
        }
        let next = self.script.lock().unwrap().pop_front();
        match next {
            Some(status) => Err(status),
            None => Ok(Response::new(Tenant { name: self.name.clone(), ..Tenant::default() })),
        }
    }
}

#[tonic::async_trait]
impl TenantService for Recorder {
    async fn apply_tenant(
        &self,
        request: Request<ApplyTenantRequest>,
    ) -> Result<Response<Tenant>, Status> {
        self.answer(request.metadata().clone()).await
    }

    async fn get_tenant(
        &self,
        request: Request<GetTenantRequest>,
    ) -> Result<Response<Tenant>, Status> {
        self.answer(request.metadata().clone()).await
    }
}

/// A server that runs until it is dropped.
pub(crate) struct Running {
    pub(crate) address: SocketAddr,
    _stop: oneshot::Sender<()>,
}

pub(crate) async fn serve(recorder: &Recorder) -> Running {
    serve_at("127.0.0.1:0".parse().unwrap(), recorder).await
}

pub(crate) async fn serve_at(address: SocketAddr, recorder: &Recorder) -> Running {
    run(address, Server::builder(), TenantServiceServer::new(recorder.clone())).await
}

/// Runs `service` with the settings of `server`.
pub(crate) async fn run<S>(address: SocketAddr, mut server: Server, service: S) -> Running
where
    S: tower::Service<
            http::Request<tonic::body::Body>,
            Response = http::Response<tonic::body::Body>,
            Error = std::convert::Infallible,
        > + tonic::server::NamedService
        + Clone
        + Send
        + Sync
        + 'static,
    S::Future: Send + 'static,
{
    let listener = TcpListener::bind(address).await.unwrap();
    let address = listener.local_addr().unwrap();
    let (stop, stopped) = oneshot::channel::<()>();
    let serving = server.add_service(service).serve_with_incoming(TcpListenerStream::new(listener));
    tokio::spawn(async move {
        tokio::select! {
            ended = serving => ended.unwrap(),
            _ = stopped => {}
        }
    });
    Running { address, _stop: stop }
}

/// A resolver that says what the test wants.
#[derive(Clone, Default)]
pub(crate) struct Answers {
    addresses: Arc<Mutex<Vec<SocketAddr>>>,
    asked: Arc<AtomicUsize>,
}

impl Answers {
    pub(crate) fn of(addresses: &[SocketAddr]) -> Self {
        let answers = Self::default();
        answers.set(addresses);
        answers
    }

    /// Waits until the resolver was asked `times` more.
    pub(crate) async fn asked_again(&self, times: usize) {
        let goal = self.asked.load(Ordering::SeqCst) + times;
        let asked = async {
            while self.asked.load(Ordering::SeqCst) < goal {
                tokio::task::yield_now().await;
            }
        };
        tokio::time::timeout(Duration::from_secs(5), asked).await.unwrap();
    }

    pub(crate) fn set(&self, addresses: &[SocketAddr]) {
        *self.addresses.lock().unwrap() = addresses.to_vec();
    }
}

#[async_trait]
impl Resolver for Answers {
    async fn resolve(&self, _host: &str, _port: u16) -> io::Result<Vec<SocketAddr>> {
        self.asked.fetch_add(1, Ordering::SeqCst);
        Ok(self.addresses.lock().unwrap().clone())
    }
}

/// A token that names its tenant.
pub(crate) struct NamingTokens;

impl TokenSource for NamingTokens {
    fn token(&self, tenant: &TenantId) -> Result<SecretString, TokenError> {
        Ok(format!("token-of-{tenant}").into())
    }
}

pub(crate) fn settings() -> PeerSettings {
    PeerSettings {
        resolve_interval: Duration::from_millis(20),
        ..PeerSettings::new("http://peer.internal:9001")
    }
}

pub(crate) fn connect(answers: &Answers) -> PeerChannel {
    connect_with(&settings(), answers)
}

pub(crate) fn connect_with(settings: &PeerSettings, answers: &Answers) -> PeerChannel {
    PeerChannel::connect(settings, Arc::new(answers.clone()), Arc::new(NamingTokens)).unwrap()
}

pub(crate) fn arena() -> TenantId {
    TenantId::new("arena").unwrap()
}

pub(crate) fn static_token(text: &str) -> Arc<StaticToken> {
    Arc::new(StaticToken::new(text.to_owned().into()))
}

/// The name of the server that answered.
pub(crate) async fn ask(channel: TenantChannel) -> Result<String, Status> {
    let mut client = TenantServiceClient::new(channel);
    let tenant = client.get_tenant(GetTenantRequest { name: "tenants/arena".to_owned() }).await?;
    Ok(tenant.into_inner().name)
}
