//! The four services in the test's process, each on its own port with its own database.

use std::net::SocketAddr;

use redress::cli::ServiceName;
use redress::connect::Connections;
use redress::home::{Home, Ports};
use redress::services::{self, AnySettings, Migration, RunningService};
use redress_core::caller::Role;
use redress_sandbox::SandboxConfig;
use redress_testkit::{Backend, TestDatabase};
use tempfile::TempDir;
use tokio_util::sync::CancellationToken;

use super::provider::Provider;
use super::{setup, tokens};

/// Running services and everything around them.
pub(crate) struct Stage {
    pub(crate) provider: Provider,
    pub(crate) home: Home,
    running: Vec<RunningService>,
    stop: CancellationToken,
    _databases: Vec<(ServiceName, TestDatabase)>,
    _folder: TempDir,
}

impl Stage {
    /// Starts them; `None` when there is no PostgreSQL to start them on.
    pub(crate) async fn set(backend: Backend, sandbox: SandboxConfig) -> Option<Self> {
        Self::set_up(backend, sandbox, |_| {}).await
    }

    /// The same, once `change` has been at the settings.
    pub(crate) async fn set_up(
        backend: Backend,
        sandbox: SandboxConfig,
        change: impl FnOnce(&Home),
    ) -> Option<Self> {
        let databases = setup::databases(backend).await?;
        let provider = Provider::start(sandbox).await;
        let folder = tempfile::tempdir().unwrap();
        let dir = folder.path().join("data");
        let home = setup::home(&dir, Ports::AtStart, provider.base_url(), &databases);
        change(&home);
        let load = |service| AnySettings::load(service, &home.settings_file(service), []).unwrap();
        let all = ServiceName::ALL.map(load).into();
        let stop = CancellationToken::new();
        let running = services::start(all, Migration::Migrate, &stop).await.unwrap();
        Some(Self { provider, home, running, stop, _databases: databases, _folder: folder })
    }

    /// Where a service listens.
    pub(crate) fn address(&self, service: ServiceName) -> SocketAddr {
        let found = self.running.iter().find(|running| running.service == service);
        found.unwrap().address
    }

    /// The services as a caller with these roles reaches them.
    pub(crate) fn connect(&self, tenant: &str, roles: &[Role]) -> Connections {
        let places: Vec<_> = self.running.iter().map(|r| (r.service, r.address)).collect();
        let token = tokens::of_people(&self.home, tenant, roles);
        Connections::to(&places, tokens::tenant_id(tenant), token).unwrap()
    }

    /// Stops the services and waits until they have drained; a worker that failed fails the test.
    pub(crate) async fn strike(self) {
        self.stop.cancel();
        for service in self.running {
            service.stopped().await.unwrap();
        }
    }
}
