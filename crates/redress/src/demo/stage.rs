//! What the demo plays on: four services, the sandbox, and the ways to wait for them.

use std::path::PathBuf;
use std::time::Duration;

use anyhow::{Context as _, Result, bail};
use redress_core::id::TenantId;
use redress_proto::cases::v1::ListCasesRequest;
use redress_proto::cases::v1::case_service_client::CaseServiceClient;
use redress_proto::feedback::v1::survey_service_client::SurveyServiceClient;
use redress_proto::feedback::v1::{ListInvitationsRequest, RecordResponseRequest};
use redress_proto::notifications::v1::ListNotificationsRequest;
use redress_proto::notifications::v1::notification_service_client::NotificationServiceClient;
use redress_proto::refunds::v1::{Refund, refund};
use redress_runtime::config::TelemetrySettings;
use redress_runtime::telemetry;
use tempfile::TempDir;
use tokio_util::sync::CancellationToken;

use super::provider::Provider;
use crate::cli::{DemoArgs, ServiceName};
use crate::commands::run::SANDBOX_KEY;
use crate::commands::{Cancellation, refund as refunds, request_id};
use crate::connect::{Connections, platform_token};
use crate::home::{Home, Layout, Ports};
use crate::services::{self, AnySettings, Migration, RunningService};

/// How often something is looked at that is waited for.
const POLL: Duration = Duration::from_millis(50);

/// How long nothing may move before the demo gives up.
const STALL: Duration = Duration::from_mins(2);

/// The services and everything around them.
pub(super) struct Stage {
    provider: Provider,
    running: Vec<RunningService>,
    stop: CancellationToken,
    connections: Connections,
    _telemetry: telemetry::TelemetryGuard,
    /// Removed at the end, unless the folder was chosen.
    _folder: Option<TempDir>,
}

/// What the other services made of a cancellation.
#[derive(Debug, Clone, Copy)]
pub(super) struct ConsumerFigures {
    /// Messages handed over, one a customer.
    pub messages_sent: i64,
    /// Messages that could not be sent.
    pub messages_failed: i64,
    /// Cases opened.
    pub cases: i64,
    /// Customers who are asked.
    pub invitations: i64,
    /// Customers who are not, with the reason stored.
    pub not_invited: i64,
}

impl Stage {
    pub(super) async fn set(args: &DemoArgs, tenant: &TenantId) -> Result<Self> {
        let (folder, dir): (Option<TempDir>, PathBuf) = match &args.data {
            Some(dir) if dir.exists() => bail!("{} exists already", dir.display()),
            Some(dir) => (None, dir.clone()),
            None => {
                let folder = tempfile::tempdir().context("no temporary folder can be made")?;
                let dir = folder.path().join("data");
                (Some(folder), dir)
            }
        };
        let provider = Provider::start(args, SANDBOX_KEY).await?;
        let layout = Layout {
            ports: Ports::AtStart,
            stripe_base_url: provider.base_url(),
            // The sandbox shows a refund at once and settles soon, so short pauses are honest here;
            // it takes as many refunds a second as come.
            refunds_extra: format!(
                "secret_key = \"{SANDBOX_KEY}\"\nvisibility_window_ms = 500\ntimeout_ms = 2000\n\
                 sends_per_second = 0\n\n[service.worker]\nlook_up_first_ms = 300\ncheck_first_ms = 300\npoll_ms = 500\n"
            ),
            databases: Vec::new(),
        };
        let (home, _) = Home::open_or_create(&dir, &layout)?;
        let quiet =
            TelemetrySettings { filter: "error".to_owned(), ..TelemetrySettings::default() };
        let telemetry = telemetry::init(&quiet, "redress")?;
        let mut all = Vec::new();
        for service in ServiceName::ALL {
            // The environment may be meant for other services on this machine; the demo is alone.
            all.push(AnySettings::load(service, &home.settings_file(service), [])?);
        }
        let stop = CancellationToken::new();
        let running = services::start(all, Migration::Migrate, &stop).await?;
        let places: Vec<_> = running.iter().map(|s| (s.service, s.address)).collect();
        let token = platform_token(&home, tenant)?;
        let connections = Connections::to(&places, tenant.clone(), token)?;
        Ok(Self { provider, running, stop, connections, _telemetry: telemetry, _folder: folder })
    }

    pub(super) const fn connections(&self) -> &Connections {
        &self.connections
    }

    pub(super) const fn provider(&self) -> &Provider {
        &self.provider
    }

    /// Stops everything, services before the provider that they may still be calling.
    pub(super) async fn strike(self) -> Result<()> {
        self.stop.cancel();
        for service in self.running {
            service.stopped().await?;
        }
        self.provider.stop().await;
        Ok(())
    }

    /// Waits until a refund has come to rest.
    pub(super) async fn wait_for_refund(&self, name: &str) -> Result<Refund> {
        let mut patience = Patience::new();
        loop {
            let refund = refunds::read(&self.connections, name).await?;
            if matches!(refund.state(), refund::State::Succeeded | refund::State::Attention) {
                return Ok(refund);
            }
            patience.wait(0, "the voluntary refund").await?;
        }
    }

    /// Waits until every customer's message is sent, every case is open and every invitation is
    /// decided.
    pub(super) async fn wait_for_consumers(&self, done: &Cancellation) -> Result<ConsumerFigures> {
        let mut patience = Patience::new();
        let scope = done.counts.orders_in_scope;
        loop {
            let figures = self.consumer_figures(&done.disruption.name).await?;
            let messages = figures.messages_sent + figures.messages_failed;
            let decided = figures.invitations + figures.not_invited;
            if messages == scope && decided == scope && figures.cases == done.counts.attention {
                return Ok(figures);
            }
            let moved = messages + decided + figures.cases;
            patience.wait(moved, "messages, cases and invitations").await?;
        }
    }

    async fn consumer_figures(&self, disruption: &str) -> Result<ConsumerFigures> {
        let of = |condition: &str| format!("disruption = \"{disruption}\"{condition}");
        Ok(ConsumerFigures {
            messages_sent: self.count_messages(of(" AND state = \"SENT\"")).await?,
            messages_failed: self.count_messages(of(" AND state = \"FAILED\"")).await?,
            cases: self.count_cases(of("")).await?,
            invitations: self.count_invitations(of(" AND state = \"INVITED\"")).await?,
            not_invited: self.count_invitations(of(" AND state = \"SUPPRESSED\"")).await?,
        })
    }

    async fn count_messages(&self, filter: String) -> Result<i64> {
        let channel = self.connections.unary(ServiceName::Notifications)?;
        let request = ListNotificationsRequest { page_size: 1, filter, ..Default::default() };
        let page = NotificationServiceClient::new(channel).list_notifications(request).await;
        Ok(page.context("cannot count messages")?.into_inner().total_size)
    }

    async fn count_cases(&self, filter: String) -> Result<i64> {
        let channel = self.connections.unary(ServiceName::Cases)?;
        let request = ListCasesRequest { page_size: 1, filter, ..Default::default() };
        let page = CaseServiceClient::new(channel).list_cases(request).await;
        Ok(page.context("cannot count cases")?.into_inner().total_size)
    }

    async fn count_invitations(&self, filter: String) -> Result<i64> {
        let channel = self.connections.unary(ServiceName::Feedback)?;
        let request = ListInvitationsRequest { page_size: 1, filter, ..Default::default() };
        let page = SurveyServiceClient::new(channel).list_invitations(request).await;
        Ok(page.context("cannot count invitations")?.into_inner().total_size)
    }

    /// Some of the invited customers answer, most of them content. Returns how many.
    pub(super) async fn answer(&self, disruption: &str, at_most: usize) -> Result<i64> {
        const SCORES: [i32; 6] = [5, 4, 5, 3, 4, 1];
        let channel = self.connections.unary(ServiceName::Feedback)?;
        let mut client = SurveyServiceClient::new(channel);
        let request = ListInvitationsRequest {
            page_size: i32::try_from(at_most)?,
            filter: format!("disruption = \"{disruption}\" AND state = \"INVITED\""),
            ..Default::default()
        };
        let page = client.list_invitations(request).await.context("cannot read invitations")?;
        let mut answered = 0;
        for (invitation, score) in page.into_inner().invitations.iter().zip(SCORES.iter().cycle()) {
            let request = RecordResponseRequest {
                invitation: invitation.name.clone(),
                score: *score,
                comment: String::new(),
                request_id: request_id(),
            };
            client.record_response(request).await.context("an answer was refused")?;
            answered += 1;
        }
        Ok(answered)
    }
}

/// Waiting with an end: gives up when nothing moves.
struct Patience {
    seen: i64,
    since: tokio::time::Instant,
}

impl Patience {
    fn new() -> Self {
        Self { seen: -1, since: tokio::time::Instant::now() }
    }

    async fn wait(&mut self, moved: i64, what: &str) -> Result<()> {
        if moved != self.seen {
            *self = Self { seen: moved, since: tokio::time::Instant::now() };
        }
        if self.since.elapsed() > STALL {
            bail!("waited {} s for {what} without any progress", STALL.as_secs());
        }
        tokio::time::sleep(POLL).await;
        Ok(())
    }
}
