//! Rows of legal clocks.
//!
//! Invariant: as everywhere, what cannot be read back is reported.

use redress_core::clock::Timestamp;
use redress_core::id::{CustomerId, DisruptionId, OrderId, RefundId, TenantId};
use redress_core::money::{Currency, Money};
use redress_policy::{Citation, LegalClock, Uncertainty};
use redress_store::StoreError;

use super::read;
use crate::domain::deadline::{ClockState, RefundDeadline, UNKNOWN_ZONE};
use crate::domain::fact::{Amounts, Fact};
use crate::domain::refund::RefundState;
use crate::store::deadlines::Announced;

const TABLE: &str = "refunds";

/// The columns of a clock.
#[derive(sqlx::FromRow)]
pub(in crate::store) struct ClockRow {
    pub legal_deadline: i64,
    pub clock_start: Option<i64>,
    pub clock_zone: String,
    pub clock_law: String,
    pub clock_law_uri: String,
    pub clock_earliest: bool,
}

impl ClockRow {
    /// The clock of a refund that was created at `created`.
    pub(super) fn into_clock(self, created: Timestamp) -> LegalClock {
        let zone = if self.clock_zone.is_empty() { UNKNOWN_ZONE } else { &self.clock_zone };
        LegalClock {
            // Of before clocks were kept: it started with the refund.
            start: self.clock_start.map_or(created, Timestamp),
            due: Timestamp(self.legal_deadline),
            time_zone: zone.to_owned(),
            law: Citation { title: self.clock_law, uri: self.clock_law_uri },
            uncertainty: self.clock_earliest.then_some(Uncertainty::CalendarOutOfRange),
        }
    }
}

/// A refund as far as its clock tells of it.
#[derive(sqlx::FromRow)]
pub(in crate::store) struct DeadlineRow {
    pub tenant: String,
    pub refund_id: String,
    pub order_id: String,
    pub customer: String,
    pub disruption_id: Option<String>,
    pub state: String,
    pub currency: String,
    pub requested: i64,
    pub issued: i64,
    pub created: i64,
    pub traceparent: Option<String>,
    pub deadline_state: i16,
    #[sqlx(flatten)]
    pub clock: ClockRow,
}

impl DeadlineRow {
    pub(in crate::store) fn into_deadline(self) -> Result<RefundDeadline, StoreError> {
        let key = self.refund_id.clone();
        let currency: Currency = read(self.currency.parse().ok(), TABLE, "currency", &key)?;
        let disruption = match self.disruption_id {
            None => None,
            Some(id) => Some(read(DisruptionId::new(id).ok(), TABLE, "disruption_id", &key)?),
        };
        Ok(RefundDeadline {
            refund: read(RefundId::new(self.refund_id).ok(), TABLE, "refund_id", &key)?,
            order: read(OrderId::new(self.order_id).ok(), TABLE, "order_id", &key)?,
            customer: read(CustomerId::new(self.customer).ok(), TABLE, "customer", &key)?,
            disruption,
            state: read(RefundState::parse(&self.state), TABLE, "state", &key)?,
            amounts: Amounts {
                requested: Money { currency, minor_units: self.requested },
                issued: Money { currency, minor_units: self.issued },
            },
            clock: self.clock.into_clock(Timestamp(self.created)),
        })
    }
}

/// What is announced of clocks that were just marked, in the order of their ends.
pub(in crate::store) fn announcements(
    mut rows: Vec<DeadlineRow>,
) -> Result<(Announced, Vec<Fact>), StoreError> {
    rows.sort_by(|a, b| {
        let ends = a.clock.legal_deadline.cmp(&b.clock.legal_deadline);
        ends.then_with(|| a.refund_id.cmp(&b.refund_id))
    });
    let mut announced = Announced::default();
    let mut facts = Vec::with_capacity(rows.len());
    for row in rows {
        let key = row.refund_id.clone();
        let tenant = read(TenantId::new(row.tenant.clone()).ok(), TABLE, "tenant", &key)?;
        let state = ClockState::parse(row.deadline_state);
        let traceparent = row.traceparent.clone();
        let deadline = row.into_deadline()?;
        let fact = match read(state, TABLE, "deadline_state", &key)? {
            ClockState::EndsSoon => {
                announced.soon += 1;
                Fact::deadline_approaching(tenant, traceparent, deadline)
            }
            ClockState::Missed => {
                announced.missed += 1;
                Fact::deadline_missed(tenant, traceparent, deadline)
            }
            ClockState::Stopped | ClockState::Runs => {
                announced.stopped += 1;
                continue;
            }
        };
        facts.push(fact);
    }
    Ok((announced, facts))
}
