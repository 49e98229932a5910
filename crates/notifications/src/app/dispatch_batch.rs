//! Sends what is due: claims a batch, looks up the contacts, writes and hands over the mails, and
//! records what became of each.
//!
//! Invariant: a notification is handed over only while its claim has time left, and its outcome is
//! written only under the claim it was sent under. A worker that dies between the two leaves the
//! notification pending: the customer may then get a second copy, under the same Message-ID.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;
use std::time::Duration;

use futures::stream::{self, StreamExt as _};
use redress_api::ports::TenantDirectory;
use redress_core::clock::{Clock, Timestamp};
use redress_core::id::{Ids, OrderId, TenantId};
use redress_core::tenant::Tenant;
use redress_store::StoreError;
use tokio::sync::Semaphore;
use tokio_util::sync::CancellationToken;

use super::contacts::{Contact, Contacts};
use super::outage::Outage;
use super::prepare_mail::prepare_mail;
use crate::domain::notification::{Delivery, Notification, Reason};
use crate::domain::retry::RetryPolicy;
use crate::mail::{Mail, MailError, Mailer};
use crate::render::Renderer;
use crate::store::{Claim, NotificationStore, Settlement};

/// The most orders in one question for contacts.
const CONTACTS_PER_CALL: usize = 500;
/// How many questions for contacts may be under way at once.
const CONTACT_CALLS: usize = 4;
/// How long mail waits for a tenant's settings, which a person has to apply or mend.
const TENANT_PAUSE: Duration = Duration::from_secs(30);

/// How much is sent at once, and how patiently.
#[derive(Debug, Clone)]
pub struct DispatchSettings {
    /// Notifications per claim.
    pub batch_size: u32,
    /// Mails on their way to the server at once.
    pub concurrency: usize,
    /// How long a claim holds.
    pub claim: Duration,
    /// A mail is not begun when its claim has less than this left; longer than one mail may take.
    pub claim_reserve: Duration,
    /// How long to wait when contacts cannot be had, or no mail can be handed over at all.
    pub peer_pause: Duration,
    /// How patiently mail is tried again.
    pub retry: RetryPolicy,
}

/// Everything that sending needs.
pub struct Dispatcher {
    /// The notifications.
    pub store: Arc<dyn NotificationStore>,
    /// The tenants' settings.
    pub tenants: Arc<dyn TenantDirectory>,
    /// The buyers' addresses.
    pub contacts: Arc<dyn Contacts>,
    /// Where mails go.
    pub mailer: Arc<dyn Mailer>,
    /// The texts.
    pub renderer: Arc<Renderer>,
    /// What time it is.
    pub clock: Arc<dyn Clock>,
    /// Names claims.
    pub ids: Ids,
    /// How much at once, and how patiently.
    pub settings: DispatchSettings,
    /// One for each mail that may be on its way, over all batches.
    pub turns: Semaphore,
}

/// What became of a batch.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Report {
    /// Notifications claimed.
    pub claimed: usize,
    /// Handed over.
    pub sent: usize,
    /// Failed for good.
    pub failed: usize,
    /// Left for later.
    pub postponed: usize,
    /// Whether something is missing that the next batch would need too.
    pub blocked: bool,
}

/// Sends one batch of what is due. Mails that have not begun when `stop` is cancelled are left for
/// the next worker.
pub async fn dispatch_batch(
    dispatcher: &Dispatcher,
    stop: &CancellationToken,
) -> Result<Report, StoreError> {
    let now = dispatcher.clock.now();
    let claim = Claim {
        token: dispatcher.ids.next_id(),
        now,
        until: now.plus(dispatcher.settings.claim),
        limit: dispatcher.settings.batch_size,
    };
    let claimed = dispatcher.store.claim(&claim).await?;
    if claimed.is_empty() {
        return Ok(Report::default());
    }
    let Prepared { ready, mut settlements, blocked } = dispatcher.prepare(claimed, now).await;
    let outage = Outage::default();
    settlements.extend(dispatcher.send(ready, &claim, &outage, stop).await);
    let blocked = blocked || outage.is_declared();

    let written = dispatcher.store.settle(&claim.token, &settlements).await?;
    if written != settlements.len() as u64 {
        tracing::warn!(
            notifications.settled = settlements.len(),
            notifications.written = written,
            "another worker took over a claim that had run out; some mails may arrive twice"
        );
    }
    Ok(report(&settlements, blocked))
}

/// A batch before it is sent.
struct Prepared {
    ready: Vec<(Notification, Mail)>,
    settlements: Vec<Settlement>,
    blocked: bool,
}

fn report(settlements: &[Settlement], blocked: bool) -> Report {
    let mut report = Report { claimed: settlements.len(), blocked, ..Report::default() };
    for settlement in settlements {
        match settlement.delivery {
            Delivery::Sent { .. } => report.sent += 1,
            Delivery::Failed { .. } => report.failed += 1,
            Delivery::Postponed { .. } => report.postponed += 1,
        }
    }
    report
}

impl Dispatcher {
    /// Writes the mails of a batch, tenant by tenant; what cannot be written is settled.
    async fn prepare(&self, claimed: Vec<Notification>, now: Timestamp) -> Prepared {
        let ready = Vec::with_capacity(claimed.len());
        let settlements = Vec::with_capacity(claimed.len());
        let mut prepared = Prepared { ready, settlements, blocked: false };
        let mut groups: BTreeMap<TenantId, Vec<Notification>> = BTreeMap::new();
        for notification in claimed {
            groups.entry(notification.about.tenant.clone()).or_default().push(notification);
        }
        for (tenant, group) in groups {
            let (settings, contacts) = match self.learn(&tenant, &group).await {
                Ok(learned) => learned,
                Err(reason) => {
                    prepared.blocked = true;
                    let pause = match reason {
                        Reason::TenantNotReady => TENANT_PAUSE,
                        _ => self.settings.peer_pause,
                    };
                    let due_time = now.plus(pause);
                    let wait = |notification| postpone(notification, reason, due_time);
                    prepared.settlements.extend(group.iter().map(wait));
                    continue;
                }
            };
            for notification in group {
                let contact = contacts.get(&notification.about.order);
                match prepare_mail(&self.renderer, &notification, contact, &settings, now) {
                    Ok(mail) => prepared.ready.push((notification, mail)),
                    Err(reason) => {
                        let failed = settle(&notification, Delivery::Failed { reason });
                        prepared.settlements.push(failed);
                    }
                }
            }
        }
        prepared
    }

    /// Hands the mails over, several at once, as long as the claim has time left.
    async fn send(
        &self,
        ready: Vec<(Notification, Mail)>,
        claim: &Claim,
        outage: &Outage,
        stop: &CancellationToken,
    ) -> Vec<Settlement> {
        let last_start = Timestamp(claim.until.0 - micros(self.settings.claim_reserve));
        stream::iter(ready)
            .map(|(notification, mail)| async move {
                // It is never closed, so that there is a turn.
                let _turn = self.turns.acquire().await.ok();
                let now = self.clock.now();
                let delivery = if stop.is_cancelled() || now > last_start {
                    not_begun(&notification, now)
                } else if outage.is_declared() {
                    self.after_outage(notification.attempts, now)
                } else {
                    self.hand_over(&notification, &mail, outage).await
                };
                settle(&notification, delivery)
            })
            .buffer_unordered(self.settings.concurrency.max(1))
            .collect()
            .await
    }

    /// What the mails of one tenant need; `Err` says why they have to wait.
    async fn learn(
        &self,
        tenant: &TenantId,
        group: &[Notification],
    ) -> Result<(Tenant, HashMap<OrderId, Contact>), Reason> {
        let settings = match self.tenants.get(tenant).await {
            Ok(Some(settings)) => settings,
            Ok(None) => {
                tracing::warn!(
                    tenant = %tenant,
                    notifications.waiting = group.len(),
                    "notifications wait for the tenant's settings: apply its tenant file"
                );
                return Err(Reason::TenantNotReady);
            }
            Err(error) => {
                tracing::warn!(
                    tenant = %tenant,
                    error = &error as &dyn std::error::Error,
                    "cannot read the tenant's settings"
                );
                return Err(Reason::TenantNotReady);
            }
        };
        let mut orders: Vec<OrderId> = group.iter().map(|n| n.about.order.clone()).collect();
        orders.sort_unstable();
        orders.dedup();
        let chunks: Vec<Vec<OrderId>> =
            orders.chunks(CONTACTS_PER_CALL).map(<[OrderId]>::to_vec).collect();
        let mut calls = stream::iter(chunks)
            .map(|chunk| async move { self.contacts.of_orders(tenant, &chunk).await })
            .buffer_unordered(CONTACT_CALLS);
        let mut contacts = HashMap::with_capacity(orders.len());
        while let Some(answer) = calls.next().await {
            contacts.extend(answer.map_err(|error| {
                tracing::warn!(
                    tenant = %tenant,
                    notifications.waiting = group.len(),
                    error = &error as &dyn std::error::Error,
                    "notifications wait for the service that knows the contacts"
                );
                Reason::ContactsUnavailable
            })?);
        }
        Ok((settings, contacts))
    }

    async fn hand_over(
        &self,
        notification: &Notification,
        mail: &Mail,
        outage: &Outage,
    ) -> Delivery {
        let result = self.mailer.send(mail).await;
        let now = self.clock.now();
        outage.observe(result.as_ref().err());
        let error = match result {
            Ok(()) => return Delivery::Sent { locale: mail.locale, send_time: now },
            Err(error) => error,
        };
        tracing::warn!(
            notification.name = notification.about.id.resource_name(),
            attempt = notification.attempts + 1,
            error = &error as &dyn std::error::Error,
            "a notification was not handed over"
        );
        self.after_failure(&error, notification.attempts, now)
    }

    /// What a failed hand-over leads to.
    fn after_failure(&self, error: &MailError, attempts: u32, now: Timestamp) -> Delivery {
        match error {
            MailError::InvalidRecipient => Delivery::Failed { reason: Reason::InvalidAddress },
            MailError::Refused { .. } => Delivery::Failed { reason: Reason::MailRefused },
            MailError::Compose(_) => Delivery::Failed { reason: Reason::RenderFailed },
            MailError::InvalidSender => Delivery::Postponed {
                reason: Some(Reason::TenantNotReady),
                attempts,
                due_time: now.plus(TENANT_PAUSE),
            },
            MailError::Closed { .. } | MailError::Unreachable(_) | MailError::Folder(_) => {
                self.after_outage(attempts, now)
            }
            MailError::Later { .. } => {
                let attempts = attempts.saturating_add(1);
                match self.settings.retry.delay_after(attempts) {
                    Some(delay) => Delivery::Postponed {
                        reason: Some(Reason::MailUnavailable),
                        attempts,
                        due_time: now.plus(delay),
                    },
                    None => Delivery::Failed { reason: Reason::MailRefused },
                }
            }
        }
    }

    /// An outage is no attempt of the message's own, so no message fails by one.
    fn after_outage(&self, attempts: u32, now: Timestamp) -> Delivery {
        let due_time = now.plus(self.settings.peer_pause);
        Delivery::Postponed { reason: Some(Reason::MailUnavailable), attempts, due_time }
    }
}

/// Gives a notification back as it was.
const fn not_begun(notification: &Notification, now: Timestamp) -> Delivery {
    Delivery::Postponed {
        reason: notification.reason,
        attempts: notification.attempts,
        due_time: now,
    }
}

/// Lets a notification wait for something that it shares with others; that is no attempt of its
/// own.
fn postpone(notification: &Notification, reason: Reason, due_time: Timestamp) -> Settlement {
    let attempts = notification.attempts;
    settle(notification, Delivery::Postponed { reason: Some(reason), attempts, due_time })
}

fn settle(notification: &Notification, delivery: Delivery) -> Settlement {
    Settlement {
        tenant: notification.about.tenant.clone(),
        id: notification.about.id.clone(),
        delivery,
    }
}

fn micros(duration: Duration) -> i64 {
    i64::try_from(duration.as_micros()).unwrap_or(i64::MAX)
}
