//! The whole suite: the four services, with a mail server that takes everything.
//!
//! Invariant: they keep pace when every order's message is sent and every invitation is decided;
//! the figure counts until then.

use std::time::Duration;

use anyhow::{Context as _, Result, bail};
use redress_core::caller::Role;
use redress_core::id::TenantId;
use redress_proto::feedback::v1::ListInvitationsRequest;
use redress_proto::feedback::v1::survey_service_client::SurveyServiceClient;
use redress_proto::notifications::v1::ListNotificationsRequest;
use redress_proto::notifications::v1::notification_service_client::NotificationServiceClient;
use tempfile::TempDir;
use tokio::time::{Instant, sleep};
use tokio_util::sync::CancellationToken;

use super::super::tenant;
use super::mail::MailServer;
use super::{Plan, replicas};
use crate::cli::ServiceName;
use crate::connect::{Connections, local_token};
use crate::services::{self, AnySettings, Migration, RunningService};

/// How long the token is good for: longer than any run.
const A_DAY: Duration = Duration::from_hours(24);
/// How often it is looked whether the consumers have caught up.
const POLL: Duration = Duration::from_millis(250);
/// How long nothing may move before the bench gives up.
const STALL: Duration = Duration::from_mins(2);

/// The running services.
pub(super) struct Suite {
    running: Vec<RunningService>,
    stop: CancellationToken,
    connections: Connections,
    mail: MailServer,
    _folder: TempDir,
}

impl Suite {
    /// Serves on empty databases, paying through the sandbox at `provider`.
    pub(super) async fn start(
        plan: &Plan,
        databases: Vec<(ServiceName, String)>,
        provider: &str,
    ) -> Result<Self> {
        let folder = tempfile::tempdir().context("no temporary folder can be made")?;
        let home = replicas::home(folder.path(), plan, provider, databases)?;
        let mail = MailServer::start().await?;
        let smtp =
            |key: &str, value: String| (format!("REDRESS__SERVICE__MAIL__SMTP__{key}"), value);
        let mut all = Vec::new();
        for service in ServiceName::ALL {
            // The environment may be meant for other services on this machine.
            let environment = match service {
                ServiceName::Notifications => vec![
                    smtp("HOST", mail.address().ip().to_string()),
                    smtp("PORT", mail.address().port().to_string()),
                    smtp("TLS", "none".to_owned()),
                ],
                _ => Vec::new(),
            };
            all.push(AnySettings::load(service, &home.settings_file(service), environment)?);
        }
        let stop = CancellationToken::new();
        let running = services::start(all, Migration::Migrate, &stop).await?;
        let places: Vec<_> = running.iter().map(|s| (s.service, s.address)).collect();
        let tenant = TenantId::new(tenant::TENANT)?;
        let token = local_token(&home, &tenant, &[Role::Platform], "bench", A_DAY)?;
        let connections = Connections::to(&places, tenant, token)?;
        Ok(Self { running, stop, connections, mail, _folder: folder })
    }

    pub(super) const fn connections(&self) -> &Connections {
        &self.connections
    }

    /// Waits until the consumers have everything there is about `orders` orders.
    pub(super) async fn caught_up(&self, orders: i64) -> Result<()> {
        let (mut seen, mut since) = (-1, Instant::now());
        loop {
            let sent = self.messages().await?;
            let decided = self.invitations().await?;
            if (sent, decided) == (orders, orders) && self.mail.taken() >= orders.unsigned_abs() {
                return Ok(());
            }
            if sent + decided != seen {
                (seen, since) = (sent + decided, Instant::now());
            }
            if since.elapsed() > STALL {
                bail!("{sent} messages are sent and {decided} invitations decided, of {orders}");
            }
            sleep(POLL).await;
        }
    }

    async fn messages(&self) -> Result<i64> {
        let channel = self.connections.unary(ServiceName::Notifications)?;
        let filter = "state = \"SENT\"".to_owned();
        let request = ListNotificationsRequest { page_size: 1, filter, ..Default::default() };
        let page = NotificationServiceClient::new(channel).list_notifications(request).await;
        Ok(page.context("cannot count messages")?.into_inner().total_size)
    }

    async fn invitations(&self) -> Result<i64> {
        let channel = self.connections.unary(ServiceName::Feedback)?;
        let request = ListInvitationsRequest { page_size: 1, ..Default::default() };
        let page = SurveyServiceClient::new(channel).list_invitations(request).await;
        Ok(page.context("cannot count invitations")?.into_inner().total_size)
    }

    /// Stops serving.
    pub(super) async fn stop(self) -> Result<()> {
        self.stop.cancel();
        drop(self.connections);
        for service in self.running {
            service.stopped().await?;
        }
        self.mail.stop().await;
        Ok(())
    }
}
