//! The four services as separate processes, with a provider and a caller.

use std::fs;

use redress::cli::ServiceName;
use redress::connect::Connections;
use redress::home::{Home, Ports};
use redress::services::AnySettings;
use redress_core::caller::Role;
use redress_sandbox::SandboxConfig;
use redress_testkit::{Backend, TestDatabase};
use tempfile::TempDir;

use super::processes::Processes;
use super::provider::Provider;
use super::{ARENA, ports, setup, tokens};

/// Running processes and everything around them. Dropping it kills them.
pub(crate) struct Suite {
    pub(crate) processes: Processes,
    pub(crate) provider: Provider,
    pub(crate) home: Home,
    /// The platform of the tenant whose event is cancelled.
    pub(crate) platform: Connections,
    _databases: Vec<(ServiceName, TestDatabase)>,
    _folder: TempDir,
}

impl Suite {
    /// Starts `services` as processes; `None` when there is no PostgreSQL to start them on.
    pub(crate) async fn start(
        backend: Backend,
        sandbox: SandboxConfig,
        services: &[ServiceName],
    ) -> Option<Self> {
        let databases = setup::databases(backend).await?;
        let provider = Provider::start(sandbox).await;
        let folder = tempfile::tempdir().unwrap();
        let dir = folder.path().join("data");
        let ports = Ports::From(ports::four_in_a_row());
        let home = setup::home(&dir, ports, provider.base_url(), &databases);
        let place = |service| {
            let settings = AnySettings::load(service, &home.settings_file(service), []).unwrap();
            (service, settings.listen())
        };
        let token = tokens::of_people(&home, ARENA, &[Role::Platform]);
        let places = ServiceName::ALL.map(place);
        let platform = Connections::to(&places, tokens::tenant_id(ARENA), token).unwrap();
        let mut processes = Processes::new(home.clone());
        for service in services {
            processes.start(*service);
        }
        processes.ready().await;
        let suite =
            Self { processes, provider, home, platform, _databases: databases, _folder: folder };
        Some(suite)
    }

    /// How many messages lie in the mailbox.
    pub(crate) fn mails(&self) -> usize {
        let entries = fs::read_dir(self.home.mailbox()).unwrap().map(|entry| entry.unwrap().path());
        entries.filter(|path| path.extension().is_some_and(|extension| extension == "eml")).count()
    }
}
