//! What goes into the store and comes out of it, beside the domain's own types.
//!
//! Invariant: plain data; nothing here knows a database.

use std::time::Duration;

use redress_core::clock::Timestamp;
use redress_core::id::{CustomerId, EventId, OrderId, PaymentId, QuoteId, RefundId, TenantId};
use redress_core::money::{Currency, Money};
use redress_policy::Policy;
use redress_store::idempotency::IdempotencyRecord;

use crate::domain::act::{ActError, Action};
use crate::domain::audit::AuditEntry;
use crate::domain::order::Order;
use crate::domain::quote::Quote;
use crate::domain::refund::Refund;
use crate::domain::reserve::Shortage;

/// An order to import, with the digest of its content.
#[derive(Debug, Clone)]
pub struct ImportedOrder {
    /// The order; counters are zero.
    pub order: Order,
    /// SHA-256 of its content, source version included, policy left out.
    pub digest: [u8; 32],
}

/// What became of an imported order.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ImportOutcome {
    /// It was new.
    Created,
    /// It replaced an older version.
    Updated,
    /// It was known exactly so.
    Unchanged,
    /// A newer version is stored; it was ignored.
    Stale,
    /// Another content is stored under the same source version.
    Conflict,
    /// Its currency differs from the stored one's, which refunds may refer to.
    CurrencyChanged,
    /// It states a version that its policy does not have.
    UnknownPolicyVersion,
}

/// A request that must be answered alike when it comes again.
#[derive(Debug, Clone)]
pub struct RequestRecord {
    /// The RPC, such as `RefundService/CreateRefund`.
    pub method: &'static str,
    /// The caller's id of the request.
    pub request_id: String,
    /// Hash of the request's body.
    pub fingerprint: [u8; 32],
    /// The encoded answer.
    pub response: Vec<u8>,
}

impl RequestRecord {
    pub(super) fn record(&self, tenant: &TenantId, now: Timestamp) -> IdempotencyRecord {
        IdempotencyRecord {
            tenant: tenant.clone(),
            method: self.method.to_owned(),
            request_id: self.request_id.clone(),
            fingerprint: self.fingerprint.to_vec(),
            response: self.response.clone(),
            created: now,
        }
    }
}

/// What an earlier request was answered.
#[derive(Debug, Clone)]
pub struct StoredReply {
    /// Hash of that request's body.
    pub fingerprint: Vec<u8>,
    /// The encoded answer.
    pub response: Vec<u8>,
}

/// A policy version with the file that it came from; empty when it came field by field.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AppliedPolicy {
    /// The version.
    pub policy: Policy,
    /// The file.
    pub source: String,
}

/// Makes the entry of the audit log about something from what it has become.
pub type AuditOf<'a, T> = &'a (dyn Fn(&T) -> AuditEntry + Sync);

/// A refund that is to be created.
#[derive(Debug, Clone)]
pub struct NewRefund {
    /// The refund.
    pub refund: Refund,
    /// What it accepts.
    pub offer: Offer,
    /// What the caller believes that the order's payments still hold, in minor units.
    pub expected_refundable: Option<i64>,
    /// The events for which it uses up what the policy gives each buyer once; empty when the policy
    /// does not count.
    pub once_for: Vec<EventId>,
    /// What the audit log says of it.
    pub audit: AuditEntry,
    /// The record of the request.
    pub request: RequestRecord,
}

/// The offer that a refund accepts.
#[derive(Debug, Clone)]
pub enum Offer {
    /// One that was stored before.
    Stored(QuoteId),
    /// One that is stored with the refund.
    Fresh(Box<Quote>),
}

impl Offer {
    /// The quote's id.
    pub const fn id(&self) -> &QuoteId {
        match self {
            Self::Stored(id) => id,
            Self::Fresh(quote) => &quote.id,
        }
    }
}

/// What became of a refund that was to be created.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum CreateOutcome {
    /// It is stored and its money is reserved.
    Created,
    /// A request of the same id was carried out before; nothing changed.
    Answered,
    /// Money or lines are no longer there; nothing changed.
    Short(Shortage),
    /// The order's payments hold this much, and not what the caller believes; nothing changed.
    RefundableChanged(i64),
    /// The buyer has used up what the policy gives once; nothing changed.
    BuyerLimit,
    /// Another refund has accepted the quote; nothing changed.
    QuoteUsed,
}

/// What somebody decided about a refund.
pub struct Decision<'a> {
    /// What.
    pub action: &'a Action,
    /// Who: the subject of the credential.
    pub actor: &'a str,
    /// The version that the decision is about; `None` for whatever is stored.
    pub expected_version: Option<i64>,
    /// Makes the entry of the audit log from the refund as it is then.
    pub audit: AuditOf<'a, Refund>,
    /// Makes the record of the request from the refund as it is then.
    pub record: &'a (dyn Fn(&Refund) -> RequestRecord + Sync),
}

/// What became of a decision about a refund.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ActOutcome {
    /// It is carried out; the refund as it is now.
    Done(Box<Refund>),
    /// The tenant has no such refund.
    NotFound,
    /// The refund has another version than the decision is about.
    Stale,
    /// It cannot be carried out; nothing changed.
    Refused(ActError),
}

/// A quote as it stands in the store.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StoredQuote {
    /// The offer.
    pub quote: Quote,
    /// The buyer whose order it is about.
    pub customer: CustomerId,
    /// The refund that accepted it.
    pub accepted: Option<RefundId>,
}

/// A payment that a provider knows under a reference.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PaymentAt {
    /// The owner.
    pub tenant: TenantId,
    /// The order.
    pub order: OrderId,
    /// The buyer.
    pub customer: CustomerId,
    /// The payment.
    pub payment: PaymentId,
    /// Its currency.
    pub currency: Currency,
    /// Whether an attempt on it was sent and has no answer yet.
    pub awaits_answer: bool,
    /// Whether a person is to pay one of its refunds by hand.
    pub awaits_person: bool,
}

/// A refund made at the provider that fits several payments of a tenant.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AmbiguousRefund {
    /// The tenant whose payments it fits.
    pub tenant: TenantId,
    /// The provider.
    pub provider: String,
    /// The provider's id of the refund.
    pub provider_refund: String,
    /// What it gave back.
    pub amount: Money,
    /// The first of the orders that it fits.
    pub order: OrderId,
    /// That order's buyer.
    pub customer: CustomerId,
}

/// Who takes attempts on, and until when.
#[derive(Debug, Clone, Copy)]
pub struct Claim<'a> {
    /// The lane.
    pub provider: &'a str,
    /// A fresh id: the fencing token of this claim.
    pub claim: &'a str,
    /// At most this many.
    pub limit: i64,
    /// The current time.
    pub now: Timestamp,
    /// How long the holder may take before others step in.
    pub lease: Duration,
}

/// What every refund of a disruption's items shares.
#[derive(Debug, Clone, Copy)]
pub struct ItemTerms {
    /// How long the law gives for paying, counted from the start.
    pub pay_within: Duration,
    /// How long the money takes to arrive, at most.
    pub arrival: Option<Duration>,
}

/// Which page of a list, by id.
#[derive(Debug, Clone)]
pub struct Page {
    /// At most this many.
    pub size: i64,
    /// The last id of the page before; `None` on the first page.
    pub after: Option<String>,
    /// Whether the number of all matches is asked for.
    pub count: bool,
}

/// A page of a list.
#[derive(Debug, Clone)]
pub struct Listed<T> {
    /// The rows, at most as many as asked for.
    pub rows: Vec<T>,
    /// Whether there are more.
    pub more: bool,
    /// How many match in all, when asked for.
    pub total: Option<i64>,
}

/// Which orders.
#[derive(Debug, Clone, Default)]
pub struct OrderFilter {
    /// With a line for this event.
    pub event: Option<String>,
    /// Bought by this customer.
    pub customer: Option<String>,
    /// In this state.
    pub state: Option<String>,
}

/// Which refunds.
#[derive(Debug, Clone, Default)]
pub struct RefundFilter {
    /// Of this order.
    pub order: Option<String>,
    /// Of this buyer.
    pub customer: Option<String>,
    /// Of this disruption.
    pub disruption: Option<String>,
    /// In this state.
    pub state: Option<String>,
}
