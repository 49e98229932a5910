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

use crate::domain::attention::{Attention, Origin, outstanding};

const ITEM_SETTLED: &str = "redress.events.v1.DisruptionItemSettled";
const REFUND_CHANGED: &str = "redress.events.v1.RefundStateChanged";
const OVERDRAWN: &str = "redress.events.v1.PaymentOverdrawn";
/// The outcome, and the state, that needs a person.
const ATTENTION: &str = "ATTENTION";
/// Why an overdrawn payment needs a person, and for what.
const OVERDRAWN_REASON: &str = "PAYMENT_OVERDRAWN";
const OVERDRAWN_ACTION: &str = "COMPARE_WITH_PROVIDER";

/// The call for a person that `event` is; `None` when it is no such call.
///
/// A refund that a disruption asked for is told of twice, by itself and by its item; the item's
/// fact is the one that counts, because it also tells of orders that have no refund.
pub fn attention(event: &Event) -> Result<Option<Attention>, String> {
    match event.event_type.as_str() {
        ITEM_SETTLED => {
            let fact = decode::<pb::DisruptionItemSettled>(event)?;
            if fact.outcome == ATTENTION { item_attention(event, fact).map(Some) } else { Ok(None) }
        }
        REFUND_CHANGED => {
            let fact = decode::<pb::RefundStateChanged>(event)?;
            let counts = fact.state == ATTENTION && fact.disruption.is_empty();
            if counts { refund_attention(event, fact).map(Some) } else { Ok(None) }
        }
        OVERDRAWN => {
            let fact = decode::<pb::PaymentOverdrawn>(event)?;
            overdrawn_attention(event, &fact).map(Some)
        }
        _ => Ok(None),
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

/// Facts for tests.
#[cfg(test)]
pub(crate) mod sample {
    use prost::Message as _;
    use redress_core::clock::Timestamp;
    use redress_core::id::TenantId;

    use super::*;

    pub(crate) fn euros(minor_units: i64) -> common::Money {
        common::Money { currency_code: "EUR".to_owned(), minor_units }
    }

    /// 10 euros asked for, 4 paid, for order `o1` of customer `c1`.
    pub(crate) fn item() -> pb::DisruptionItemSettled {
        pb::DisruptionItemSettled {
            disruption: "disruptions/d1".to_owned(),
            event: "events/derby".to_owned(),
            order: "orders/o1".to_owned(),
            customer: "customers/c1".to_owned(),
            refund: "refunds/r1".to_owned(),
            outcome: "ATTENTION".to_owned(),
            requested: Some(euros(1000)),
            issued: Some(euros(400)),
            reason_code: "NO_CONNECTOR".to_owned(),
            next_action: "PAY_BY_HAND".to_owned(),
        }
    }

    pub(crate) fn refund_change() -> pb::RefundStateChanged {
        pb::RefundStateChanged {
            refund: "refunds/r1".to_owned(),
            order: "orders/o1".to_owned(),
            customer: "customers/c1".to_owned(),
            disruption: String::new(),
            state: "ATTENTION".to_owned(),
            requested: Some(euros(1000)),
            issued: Some(euros(0)),
            reason_code: "OUTCOME_UNKNOWN".to_owned(),
            next_action: "CHECK_PROVIDER".to_owned(),
        }
    }

    /// An event of tenant `arena` about `subject`, without a place yet.
    pub(crate) fn event(event_type: &str, subject: &str, payload: Vec<u8>) -> Event {
        Event {
            id: format!("event-{subject}"),
            tenant: TenantId::new("arena").unwrap(),
            event_type: event_type.to_owned(),
            subject: subject.to_owned(),
            time: Timestamp(1),
            payload_version: 1,
            payload,
            traceparent: None,
            position: 1,
        }
    }

    /// The event of a settled item, as `change` makes it.
    pub(crate) fn settled(change: impl FnOnce(&mut pb::DisruptionItemSettled)) -> Event {
        let mut fact = item();
        change(&mut fact);
        let subject = fact.order.clone();
        event(ITEM_SETTLED, &subject, fact.encode_to_vec())
    }

    /// The event of a payment `p1` of order `o1` with 16.10 euros too much given back, as `change`
    /// makes it.
    pub(crate) fn overdrawn(change: impl FnOnce(&mut pb::PaymentOverdrawn)) -> Event {
        let mut fact = pb::PaymentOverdrawn {
            order: "orders/o1".to_owned(),
            customer: "customers/c1".to_owned(),
            payment_id: "p1".to_owned(),
            excess: Some(euros(1610)),
        };
        change(&mut fact);
        let subject = fact.order.clone();
        event(OVERDRAWN, &subject, fact.encode_to_vec())
    }

    /// The event of a changed refund, as `change` makes it.
    pub(crate) fn changed(change: impl FnOnce(&mut pb::RefundStateChanged)) -> Event {
        let mut fact = refund_change();
        change(&mut fact);
        let subject = fact.refund.clone();
        event(REFUND_CHANGED, &subject, fact.encode_to_vec())
    }
}

#[cfg(test)]
mod tests {
    use redress_core::id::TenantId;

    use super::sample::{changed, euros, event, overdrawn, settled};
    use super::*;

    fn read_item(
        change: impl FnOnce(&mut pb::DisruptionItemSettled),
    ) -> Result<Option<Attention>, String> {
        attention(&settled(change))
    }

    fn read_refund(
        change: impl FnOnce(&mut pb::RefundStateChanged),
    ) -> Result<Option<Attention>, String> {
        attention(&changed(change))
    }

    #[test]
    fn an_item_that_needs_a_person_is_read_whole() {
        let expected = Attention {
            tenant: TenantId::new("arena").unwrap(),
            origin: Origin::Refund {
                refund: RefundId::new("r1").unwrap(),
                disruption: Some(DisruptionId::new("d1").unwrap()),
            },
            order: OrderId::new("o1").unwrap(),
            customer: CustomerId::new("c1").unwrap(),
            outstanding: Money::new("EUR".parse().unwrap(), 600).unwrap(),
            reason_code: "NO_CONNECTOR".to_owned(),
            next_action: "PAY_BY_HAND".to_owned(),
        };
        assert_eq!(read_item(|_| ()), Ok(Some(expected)));
    }

    #[test]
    fn an_item_without_a_refund_is_about_its_order() {
        let read = read_item(|fact| fact.refund.clear()).unwrap().unwrap();
        assert_eq!(read.origin, Origin::Order { disruption: DisruptionId::new("d1").unwrap() });
    }

    #[test]
    fn a_refund_counts_only_when_no_disruption_asked_for_it() {
        let read = read_refund(|_| ()).unwrap().unwrap();
        assert_eq!(read.origin.key(&read.order), "refunds/r1");
        assert_eq!(read.origin.disruption(), None);
        assert_eq!(read_refund(|fact| fact.disruption = "disruptions/d1".to_owned()), Ok(None));
    }

    #[test]
    fn an_overdrawn_payment_is_read_whole() {
        let expected = Attention {
            tenant: TenantId::new("arena").unwrap(),
            origin: Origin::Payment { payment: PaymentId::new("p1").unwrap() },
            order: OrderId::new("o1").unwrap(),
            customer: CustomerId::new("c1").unwrap(),
            outstanding: Money::new("EUR".parse().unwrap(), -1610).unwrap(),
            reason_code: "PAYMENT_OVERDRAWN".to_owned(),
            next_action: "COMPARE_WITH_PROVIDER".to_owned(),
        };
        assert_eq!(attention(&overdrawn(|_| ())), Ok(Some(expected)));
    }

    #[test]
    fn what_needs_nobody_is_passed_over() {
        for outcome in ["SUCCEEDED", "NOTHING_DUE"] {
            assert_eq!(read_item(|fact| fact.outcome = outcome.to_owned()), Ok(None));
        }
        for state in ["QUEUED", "SUCCEEDED"] {
            assert_eq!(read_refund(|fact| fact.state = state.to_owned()), Ok(None));
        }
        let other = event("redress.events.v1.DisruptionStateChanged", "x", b"\xff".to_vec());
        assert_eq!(attention(&other), Ok(None));
    }

    #[test]
    fn what_is_not_understood_names_the_field() {
        for (read, field) in [
            (read_item(|fact| fact.disruption.clear()), "disruption:"),
            (read_item(|fact| fact.refund = "orders/o1".to_owned()), "refund:"),
            (read_item(|fact| fact.order.clear()), "order:"),
            (read_item(|fact| fact.customer = "customers/a b".to_owned()), "customer:"),
            (read_item(|fact| fact.requested = None), "requested:"),
            (read_item(|fact| fact.issued = None), "issued:"),
            (read_item(|fact| fact.reason_code.clear()), "reason_code:"),
            (read_item(|fact| fact.next_action = "pay by hand".to_owned()), "next_action:"),
            (read_refund(|fact| fact.refund.clear()), "refund:"),
            (
                read_refund(|fact| fact.issued.as_mut().unwrap().currency_code = "JPY".to_owned()),
                "issued:",
            ),
            (attention(&overdrawn(|fact| fact.payment_id = "p 1".to_owned())), "payment_id:"),
            (attention(&overdrawn(|fact| fact.order.clear())), "order:"),
            (attention(&overdrawn(|fact| fact.customer.clear())), "customer:"),
            (attention(&overdrawn(|fact| fact.excess = None)), "excess:"),
            (attention(&overdrawn(|fact| fact.excess = Some(euros(0)))), "excess:"),
            (attention(&event(ITEM_SETTLED, "x", b"\xff".to_vec())), "the payload"),
            (attention(&event(REFUND_CHANGED, "x", b"\xff".to_vec())), "the payload"),
        ] {
            let error = read.unwrap_err();
            assert!(error.starts_with(field), "{error}");
        }
    }
}
