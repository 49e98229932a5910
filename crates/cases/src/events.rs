//! The facts of other services, as cases hears them.
//!
//! Invariant: a fact that is of interest is either understood completely or refused with the field
//! that is wrong; a refusal never repeats a value, because it is stored and shown.

use redress_api::{FieldViolation, money};
use redress_core::event::Event;
use redress_core::id::{CustomerId, DisruptionId, InvalidId, OrderId, PaymentId, RefundId};
use redress_core::money::Money;
use redress_proto::common::v1 as common;
use redress_proto::events::v1 as pb;

use crate::domain::attention::{Attention, Effect, Ending, Origin, Settled, outstanding};

const ITEM_SETTLED: &str = "redress.events.v1.DisruptionItemSettled";
const REFUND_CHANGED: &str = "redress.events.v1.RefundStateChanged";
const DEADLINE_MISSED: &str = "redress.events.v1.RefundDeadlineMissed";
const OVERDRAWN: &str = "redress.events.v1.PaymentOverdrawn";
const OVER_REFUNDED: &str = "redress.events.v1.LineOverRefunded";
const AMBIGUOUS: &str = "redress.events.v1.ProviderRefundAmbiguous";
/// The outcome, and the state, that needs a person.
const ATTENTION: &str = "ATTENTION";
/// The outcome, and the state, of what was paid in full.
const SUCCEEDED: &str = "SUCCEEDED";
/// Why a refund that was not issued in time needs a person, and for what.
const DEADLINE_REASON: &str = "LEGAL_DEADLINE_MISSED";
const DEADLINE_ACTION: &str = "FINISH_REFUND";
/// Why an overdrawn payment needs a person, and for what.
const OVERDRAWN_REASON: &str = "PAYMENT_OVERDRAWN";
const OVERDRAWN_ACTION: &str = "COMPARE_WITH_PROVIDER";
/// Why a line that became smaller than its refunds needs a person, and for what.
const OVER_REFUNDED_REASON: &str = "LINE_OVER_REFUNDED";
const OVER_REFUNDED_ACTION: &str = "COMPARE_WITH_SHOP";
/// Why a refund that was made past Redress needs a person, and for what.
const AMBIGUOUS_REASON: &str = "PROVIDER_REFUND_AMBIGUOUS";
const AMBIGUOUS_ACTION: &str = "COMPARE_WITH_PROVIDER";

/// What `event` means to the cases; `None` when nothing.
///
/// A refund that a disruption asked for calls for a person twice, by itself and by its item; the
/// item's fact is the one that counts, because it also tells of orders that have no refund. That
/// nobody is needed any more counts from wherever it is told first.
pub fn effect(event: &Event) -> Result<Option<Effect>, String> {
    let call = match event.event_type.as_str() {
        ITEM_SETTLED => return item_effect(event),
        REFUND_CHANGED => return refund_effect(event),
        DEADLINE_MISSED => deadline_attention(event, &decode::<pb::RefundDeadlineMissed>(event)?)?,
        OVERDRAWN => overdrawn_attention(event, &decode::<pb::PaymentOverdrawn>(event)?)?,
        OVER_REFUNDED => over_refunded_attention(event, &decode::<pb::LineOverRefunded>(event)?)?,
        AMBIGUOUS => ambiguous_attention(event, decode::<pb::ProviderRefundAmbiguous>(event)?)?,
        _ => return Ok(None),
    };
    Ok(Some(Effect::Call(call)))
}

fn item_effect(event: &Event) -> Result<Option<Effect>, String> {
    let fact = decode::<pb::DisruptionItemSettled>(event)?;
    match fact.outcome.as_str() {
        ATTENTION => item_attention(event, fact).map(|call| Some(Effect::Call(call))),
        SUCCEEDED if !fact.refund.is_empty() => {
            settled(event, &fact.refund, Ending::Succeeded).map(Some)
        }
        _ => Ok(None),
    }
}

fn refund_effect(event: &Event) -> Result<Option<Effect>, String> {
    let fact = decode::<pb::RefundStateChanged>(event)?;
    let ending = match fact.state.as_str() {
        ATTENTION if fact.disruption.is_empty() => {
            return refund_attention(event, fact).map(|call| Some(Effect::Call(call)));
        }
        SUCCEEDED => Ending::Succeeded,
        "FAILED" => Ending::Failed,
        "CANCELLED" => Ending::Cancelled,
        "REJECTED" => Ending::Rejected,
        "PROCESSING" => Ending::TriedAgain,
        // Accepted or waiting for approval, which is where a refund starts: it has no case yet.
        _ => return Ok(None),
    };
    settled(event, &fact.refund, ending).map(Some)
}

fn settled(event: &Event, name: &str, ending: Ending) -> Result<Effect, String> {
    let (tenant, refund) = (event.tenant.clone(), refund(name)?);
    Ok(Effect::Settle(Settled { tenant, refund, ending }))
}

fn ambiguous_attention(
    event: &Event,
    fact: pb::ProviderRefundAmbiguous,
) -> Result<Attention, String> {
    let outstanding = amount(fact.amount.as_ref(), "amount")?;
    if outstanding.minor_units <= 0 {
        return Err("amount: expected an amount above zero".to_owned());
    }
    Ok(Attention {
        tenant: event.tenant.clone(),
        origin: Origin::ProviderRefund {
            provider: provider_id(fact.provider, "provider")?,
            id: provider_id(fact.provider_refund, "provider_refund")?,
        },
        order: OrderId::from_resource_name(&fact.order).map_err(bad("order"))?,
        customer: CustomerId::from_resource_name(&fact.customer).map_err(bad("customer"))?,
        outstanding,
        reason_code: AMBIGUOUS_REASON.to_owned(),
        next_action: AMBIGUOUS_ACTION.to_owned(),
    })
}

/// A name that a provider gave, or has: it must be readable, because a person looks it up.
fn provider_id(text: String, field: &str) -> Result<String, String> {
    if (1..=255).contains(&text.len()) && text.bytes().all(|b| b.is_ascii_graphic()) {
        Ok(text)
    } else {
        Err(format!("{field}: expected 1 to 255 visible characters of ASCII"))
    }
}

fn over_refunded_attention(
    event: &Event,
    fact: &pb::LineOverRefunded,
) -> Result<Attention, String> {
    let excess = amount(fact.excess.as_ref(), "excess")?;
    if excess.minor_units < 0 {
        return Err("excess: expected an amount not below zero".to_owned());
    }
    Ok(Attention {
        tenant: event.tenant.clone(),
        origin: Origin::Line { line: line_id(&fact.line_id)? },
        order: OrderId::from_resource_name(&fact.order).map_err(bad("order"))?,
        customer: CustomerId::from_resource_name(&fact.customer).map_err(bad("customer"))?,
        outstanding: outstanding(Money::zero(excess.currency), excess)
            .map_err(|error| format!("excess: {error}"))?,
        reason_code: OVER_REFUNDED_REASON.to_owned(),
        next_action: OVER_REFUNDED_ACTION.to_owned(),
    })
}

/// An order line's id, as the contract of orders allows it.
fn line_id(text: &str) -> Result<String, String> {
    let allowed = |b: u8| b.is_ascii_alphanumeric() || b"._~-".contains(&b);
    if (1..=64).contains(&text.len()) && text.bytes().all(allowed) {
        Ok(text.to_owned())
    } else {
        Err("line_id: expected 1 to 64 characters of A-Z a-z 0-9 . _ ~ -".to_owned())
    }
}

fn overdrawn_attention(event: &Event, fact: &pb::PaymentOverdrawn) -> Result<Attention, String> {
    let payment = PaymentId::new(fact.payment_id.as_str())
        .map_err(|error| format!("payment_id: not an id: {error}"))?;
    let excess = amount(fact.excess.as_ref(), "excess")?;
    if excess.minor_units <= 0 {
        return Err("excess: expected an amount above zero".to_owned());
    }
    Ok(Attention {
        tenant: event.tenant.clone(),
        origin: Origin::Payment { payment },
        order: OrderId::from_resource_name(&fact.order).map_err(bad("order"))?,
        customer: CustomerId::from_resource_name(&fact.customer).map_err(bad("customer"))?,
        outstanding: outstanding(Money::zero(excess.currency), excess)
            .map_err(|error| format!("excess: {error}"))?,
        reason_code: OVERDRAWN_REASON.to_owned(),
        next_action: OVERDRAWN_ACTION.to_owned(),
    })
}

fn item_attention(event: &Event, fact: pb::DisruptionItemSettled) -> Result<Attention, String> {
    let disruption =
        DisruptionId::from_resource_name(&fact.disruption).map_err(bad("disruption"))?;
    let origin = match fact.refund.as_str() {
        "" => Origin::Order { disruption },
        name => Origin::Refund { refund: refund(name)?, disruption: Some(disruption) },
    };
    Ok(Attention {
        tenant: event.tenant.clone(),
        origin,
        order: OrderId::from_resource_name(&fact.order).map_err(bad("order"))?,
        customer: CustomerId::from_resource_name(&fact.customer).map_err(bad("customer"))?,
        outstanding: owed(fact.requested.as_ref(), fact.issued.as_ref())?,
        reason_code: code(fact.reason_code, "reason_code")?,
        next_action: code(fact.next_action, "next_action")?,
    })
}

fn refund_attention(event: &Event, fact: pb::RefundStateChanged) -> Result<Attention, String> {
    Ok(Attention {
        tenant: event.tenant.clone(),
        origin: Origin::Refund { refund: refund(&fact.refund)?, disruption: None },
        order: OrderId::from_resource_name(&fact.order).map_err(bad("order"))?,
        customer: CustomerId::from_resource_name(&fact.customer).map_err(bad("customer"))?,
        outstanding: owed(fact.requested.as_ref(), fact.issued.as_ref())?,
        reason_code: code(fact.reason_code, "reason_code")?,
        next_action: code(fact.next_action, "next_action")?,
    })
}

/// About the refund itself, so that it meets the case of one that needs a person anyway.
fn deadline_attention(event: &Event, fact: &pb::RefundDeadlineMissed) -> Result<Attention, String> {
    let disruption = match fact.disruption.as_str() {
        "" => None,
        name => Some(DisruptionId::from_resource_name(name).map_err(bad("disruption"))?),
    };
    Ok(Attention {
        tenant: event.tenant.clone(),
        origin: Origin::Refund { refund: refund(&fact.refund)?, disruption },
        order: OrderId::from_resource_name(&fact.order).map_err(bad("order"))?,
        customer: CustomerId::from_resource_name(&fact.customer).map_err(bad("customer"))?,
        outstanding: owed(fact.requested.as_ref(), fact.issued.as_ref())?,
        reason_code: DEADLINE_REASON.to_owned(),
        next_action: DEADLINE_ACTION.to_owned(),
    })
}

fn decode<M: prost::Message + Default>(event: &Event) -> Result<M, String> {
    M::decode(event.payload.as_slice())
        .map_err(|error| format!("the payload is no {}: {error}", event.event_type))
}

fn bad(field: &'static str) -> impl Fn(InvalidId) -> String {
    move |error| format!("{field}: not a resource name: {error}")
}

fn refund(name: &str) -> Result<RefundId, String> {
    RefundId::from_resource_name(name).map_err(bad("refund"))
}

fn owed(
    requested: Option<&common::Money>,
    issued: Option<&common::Money>,
) -> Result<Money, String> {
    let requested = amount(requested, "requested")?;
    let issued = amount(issued, "issued")?;
    outstanding(requested, issued).map_err(|error| format!("issued: {error}"))
}

fn amount(money: Option<&common::Money>, field: &str) -> Result<Money, String> {
    money::required(money, field).map_err(|violation: FieldViolation| {
        // The description of an amount quotes its currency at most; it holds nothing personal.
        format!("{}: {}", violation.field, violation.description)
    })
}

/// An UPPER_SNAKE code, which a case must have: without one nobody knows what to do.
fn code(text: String, field: &str) -> Result<String, String> {
    let upper_snake = |b: u8| b.is_ascii_uppercase() || b.is_ascii_digit() || b == b'_';
    if (1..=64).contains(&text.len()) && text.bytes().all(upper_snake) {
        Ok(text)
    } else {
        Err(format!("{field}: expected 1 to 64 characters of A-Z 0-9 _"))
    }
}

#[cfg(test)]
pub(crate) mod tests;
