//! Rows that both databases share.
//!
//! Invariant: a stored case reads back exactly as it was written, or as `Corrupt`.

use redress_core::clock::Timestamp;
use redress_core::id::{
    CaseId, CustomerId, DisruptionId, InvalidId, OrderId, PaymentId, RefundId, TenantId,
};
use redress_core::money::Money;
use redress_store::StoreError;

use crate::domain::attention::{Origin, Parts};
use crate::domain::case::{Case, Resolution};

/// A case as a row of `cases`.
#[derive(Debug, sqlx::FromRow)]
pub(super) struct CaseRow {
    tenant: String,
    case_id: String,
    state: String,
    reason_code: String,
    next_action: String,
    order_id: String,
    customer_id: String,
    refund_id: Option<String>,
    disruption_id: Option<String>,
    payment_id: Option<String>,
    line_id: Option<String>,
    provider: Option<String>,
    provider_refund: Option<String>,
    currency: String,
    outstanding: i64,
    resolution: Option<String>,
    resolver: Option<String>,
    settled: bool,
    created_at: i64,
    updated_at: i64,
    version: i64,
}

impl CaseRow {
    pub(super) fn into_case(self) -> Result<Case, StoreError> {
        let corrupt = |column| StoreError::corrupt("cases", column, self.case_id.clone());
        let id = |column| move |_: InvalidId| corrupt(column);
        let refund = self.refund_id.map(RefundId::new).transpose().map_err(id("refund_id"))?;
        let disruption =
            self.disruption_id.map(DisruptionId::new).transpose().map_err(id("disruption_id"))?;
        let payment = self.payment_id.map(PaymentId::new).transpose().map_err(id("payment_id"))?;
        let parts = Parts {
            refund,
            disruption,
            payment,
            line: self.line_id,
            provider_refund: self.provider.zip(self.provider_refund),
        };
        let currency = self.currency.parse().map_err(|_| corrupt("currency"))?;
        let resolution = match (self.resolution, self.resolver) {
            (None, None) => None,
            (Some(text), Some(resolver)) => {
                Some(Resolution { text, resolver, by_itself: self.settled })
            }
            _ => return Err(corrupt("resolver")),
        };
        let case = Case {
            tenant: TenantId::new(self.tenant).map_err(id("tenant"))?,
            id: CaseId::new(self.case_id.clone()).map_err(id("case_id"))?,
            origin: Origin::of(parts).ok_or_else(|| corrupt("refund_id"))?,
            order: OrderId::new(self.order_id).map_err(id("order_id"))?,
            customer: CustomerId::new(self.customer_id).map_err(id("customer_id"))?,
            reason_code: self.reason_code,
            next_action: self.next_action,
            outstanding: Money::new(currency, self.outstanding)
                .map_err(|_| corrupt("outstanding"))?,
            resolution,
            created: Timestamp(self.created_at),
            updated: Timestamp(self.updated_at),
            version: self.version,
        };
        if case.state().as_str() == self.state { Ok(case) } else { Err(corrupt("state")) }
    }
}

/// The columns of [`CaseRow`], for SELECT.
pub(super) const COLUMNS: &str = "tenant, case_id, state, reason_code, next_action, order_id, \
     customer_id, refund_id, disruption_id, payment_id, line_id, provider, provider_refund, \
     currency, outstanding, resolution, resolver, settled, created_at, updated_at, version";

/// What the origin of a case names, for its columns.
#[derive(Debug, Default)]
pub(super) struct Columns<'a> {
    pub(super) refund: Option<&'a str>,
    pub(super) disruption: Option<&'a str>,
    pub(super) payment: Option<&'a str>,
    pub(super) line: Option<&'a str>,
    pub(super) provider: Option<&'a str>,
    pub(super) provider_refund: Option<&'a str>,
}

impl<'a> Columns<'a> {
    pub(super) fn of(case: &'a Case) -> Self {
        let none = Self::default();
        match &case.origin {
            Origin::Refund { refund, disruption } => Self {
                refund: Some(refund.as_str()),
                disruption: disruption.as_ref().map(DisruptionId::as_str),
                ..none
            },
            Origin::Order { disruption } => Self { disruption: Some(disruption.as_str()), ..none },
            Origin::Payment { payment } => Self { payment: Some(payment.as_str()), ..none },
            Origin::Line { line } => Self { line: Some(line.as_str()), ..none },
            Origin::ProviderRefund { provider, id } => {
                Self { provider: Some(provider), provider_refund: Some(id), ..none }
            }
        }
    }
}
