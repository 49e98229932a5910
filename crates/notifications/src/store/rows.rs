//! Rows that both databases share.
//!
//! Invariant: a stored notification reads back exactly as it was written, or as `Corrupt`.

use redress_core::clock::Timestamp;
use redress_core::id::{CustomerId, DisruptionId, NotificationId, OrderId, RefundId, TenantId};
use redress_core::money::Money;
use redress_store::StoreError;
use serde::Serialize;

use super::Settlement;
use crate::domain::locale::Locale;
use crate::domain::notification::{Delivery, NewNotification, Notification, Reason, State};
use crate::domain::template::Template;

/// The columns of a [`NotificationRow`]. Named one by one: a statement that says `*` breaks in
/// PostgreSQL when a later release adds a column under a running server.
macro_rules! columns {
    () => {
        "tenant, id, occasion, template, order_id, customer, disruption, refund, \
         requested_currency, requested_minor_units, issued_currency, issued_minor_units, state, \
         locale, reason, attempts, create_time, send_time"
    };
}
pub(super) use columns;

const TABLE: &str = "notifications";

/// A notification as it is read.
#[derive(Debug, sqlx::FromRow)]
pub(super) struct NotificationRow {
    tenant: String,
    id: String,
    occasion: String,
    template: String,
    order_id: String,
    customer: String,
    disruption: Option<String>,
    refund: Option<String>,
    requested_currency: Option<String>,
    requested_minor_units: Option<i64>,
    issued_currency: Option<String>,
    issued_minor_units: Option<i64>,
    state: String,
    locale: Option<String>,
    reason: Option<String>,
    attempts: i64,
    create_time: i64,
    send_time: Option<i64>,
}

impl NotificationRow {
    pub(super) fn into_notification(self) -> Result<Notification, StoreError> {
        let row = format!("{}/{}", self.tenant, self.id);
        let corrupt = |column| StoreError::corrupt(TABLE, column, row.clone());
        let disruption = self.disruption.map(DisruptionId::new).transpose();
        let refund = self.refund.map(RefundId::new).transpose();
        let requested = amount(self.requested_currency, self.requested_minor_units);
        let issued = amount(self.issued_currency, self.issued_minor_units);
        let about = NewNotification {
            tenant: TenantId::new(self.tenant).map_err(|_| corrupt("tenant"))?,
            id: NotificationId::new(self.id).map_err(|_| corrupt("id"))?,
            occasion: self.occasion,
            template: Template::from_id(&self.template).ok_or_else(|| corrupt("template"))?,
            order: OrderId::new(self.order_id).map_err(|_| corrupt("order_id"))?,
            customer: CustomerId::new(self.customer).map_err(|_| corrupt("customer"))?,
            disruption: disruption.map_err(|_| corrupt("disruption"))?,
            refund: refund.map_err(|_| corrupt("refund"))?,
            requested: requested.map_err(|_| corrupt("requested_currency"))?,
            issued: issued.map_err(|_| corrupt("issued_currency"))?,
            create_time: Timestamp(self.create_time),
        };
        let locale = self.locale.map(|tag| Locale::from_tag(&tag).ok_or_else(|| corrupt("locale")));
        let reason =
            self.reason.map(|code| Reason::from_code(&code).ok_or_else(|| corrupt("reason")));
        Ok(Notification {
            about,
            state: State::from_name(&self.state).ok_or_else(|| corrupt("state"))?,
            locale: locale.transpose()?,
            reason: reason.transpose()?,
            attempts: u32::try_from(self.attempts).map_err(|_| corrupt("attempts"))?,
            send_time: self.send_time.map(Timestamp),
        })
    }
}

/// The two columns hold no amount that can be read.
struct Unreadable;

fn amount(currency: Option<String>, minor_units: Option<i64>) -> Result<Option<Money>, Unreadable> {
    match (currency, minor_units) {
        (None, None) => Ok(None),
        (Some(currency), Some(minor_units)) => {
            let currency = currency.parse().map_err(|_| Unreadable)?;
            Money::new(currency, minor_units).map(Some).map_err(|_| Unreadable)
        }
        _ => Err(Unreadable),
    }
}

pub(super) fn into_notifications(
    rows: Vec<NotificationRow>,
) -> Result<Vec<Notification>, StoreError> {
    rows.into_iter().map(NotificationRow::into_notification).collect()
}

/// A new notification as it is written; also a row of the JSON that SQLite unpacks.
#[derive(Debug, Serialize)]
pub(super) struct NewRow<'a> {
    pub(super) tenant: &'a str,
    pub(super) id: &'a str,
    pub(super) occasion: &'a str,
    pub(super) template: &'a str,
    pub(super) order_id: &'a str,
    pub(super) customer: &'a str,
    pub(super) disruption: Option<&'a str>,
    pub(super) refund: Option<&'a str>,
    pub(super) requested_currency: Option<&'a str>,
    pub(super) requested_minor_units: Option<i64>,
    pub(super) issued_currency: Option<&'a str>,
    pub(super) issued_minor_units: Option<i64>,
    pub(super) create_time: i64,
}

impl<'a> From<&'a NewNotification> for NewRow<'a> {
    fn from(new: &'a NewNotification) -> Self {
        Self {
            tenant: new.tenant.as_str(),
            id: new.id.as_str(),
            occasion: &new.occasion,
            template: new.template.id(),
            order_id: new.order.as_str(),
            customer: new.customer.as_str(),
            disruption: new.disruption.as_ref().map(DisruptionId::as_str),
            refund: new.refund.as_ref().map(RefundId::as_str),
            requested_currency: new.requested.map(|money| money.currency.code()),
            requested_minor_units: new.requested.map(|money| money.minor_units),
            issued_currency: new.issued.map(|money| money.currency.code()),
            issued_minor_units: new.issued.map(|money| money.minor_units),
            create_time: new.create_time.0,
        }
    }
}

/// What a settlement writes; also a row of the JSON that SQLite unpacks. A column that stays as it
/// is holds `None`, except `locale`, `reason` and `send_time`, which are written as they stand.
#[derive(Debug, Serialize)]
pub(super) struct SettledRow<'a> {
    pub(super) tenant: &'a str,
    pub(super) id: &'a str,
    pub(super) state: &'static str,
    pub(super) locale: Option<&'static str>,
    pub(super) reason: Option<&'static str>,
    pub(super) attempts: Option<i64>,
    pub(super) due_time: Option<i64>,
    pub(super) send_time: Option<i64>,
}

impl<'a> From<&'a Settlement> for SettledRow<'a> {
    fn from(settlement: &'a Settlement) -> Self {
        let row = Self {
            tenant: settlement.tenant.as_str(),
            id: settlement.id.as_str(),
            state: settlement.delivery.state().as_str(),
            locale: None,
            reason: None,
            attempts: None,
            due_time: None,
            send_time: None,
        };
        match settlement.delivery {
            Delivery::Sent { locale, send_time } => {
                Self { locale: Some(locale.tag()), send_time: Some(send_time.0), ..row }
            }
            Delivery::Failed { reason } => Self { reason: Some(reason.as_str()), ..row },
            Delivery::Postponed { reason, attempts, due_time } => Self {
                reason: reason.map(Reason::as_str),
                attempts: Some(attempts.into()),
                due_time: Some(due_time.0),
                ..row
            },
        }
    }
}
