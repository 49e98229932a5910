//! Facts for tests.
//!
//! Invariant: each is whole and could have been announced; a test changes what it is about.

use prost::Message as _;
use redress_core::clock::Timestamp;
use redress_core::id::TenantId;

use super::super::*;

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
        kind: "CANCELLED".to_owned(),
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
        origin: String::new(),
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

/// The event of a line `t1` of order `o1` that refunds took 16.10 euros too much of, as
/// `change` makes it.
pub(crate) fn over_refunded(change: impl FnOnce(&mut pb::LineOverRefunded)) -> Event {
    let mut fact = pb::LineOverRefunded {
        order: "orders/o1".to_owned(),
        customer: "customers/c1".to_owned(),
        line_id: "t1".to_owned(),
        excess: Some(euros(1610)),
    };
    change(&mut fact);
    let subject = fact.order.clone();
    event(OVER_REFUNDED, &subject, fact.encode_to_vec())
}

/// The event of a refund `re_1` of 16.10 euros at stripe that fits several payments, as `change`
/// makes it.
pub(crate) fn ambiguous(change: impl FnOnce(&mut pb::ProviderRefundAmbiguous)) -> Event {
    let mut fact = pb::ProviderRefundAmbiguous {
        order: "orders/o1".to_owned(),
        customer: "customers/c1".to_owned(),
        provider: "stripe".to_owned(),
        provider_refund: "re_1".to_owned(),
        amount: Some(euros(1610)),
    };
    change(&mut fact);
    let subject = fact.order.clone();
    event(AMBIGUOUS, &subject, fact.encode_to_vec())
}

/// The event of refund `r1`, of which 6 euros are not paid in time, as `change` makes it.
pub(crate) fn deadline_missed(change: impl FnOnce(&mut pb::RefundDeadlineMissed)) -> Event {
    let mut fact = pb::RefundDeadlineMissed {
        refund: "refunds/r1".to_owned(),
        order: "orders/o1".to_owned(),
        customer: "customers/c1".to_owned(),
        disruption: String::new(),
        law: "Terms".to_owned(),
        law_uri: String::new(),
        due_time: Some(redress_api::time::to_proto(Timestamp(1))),
        requested: Some(euros(1000)),
        issued: Some(euros(400)),
        state: "PROCESSING".to_owned(),
    };
    change(&mut fact);
    let subject = fact.order.clone();
    event(DEADLINE_MISSED, &subject, fact.encode_to_vec())
}

/// The event of a changed refund, as `change` makes it.
pub(crate) fn changed(change: impl FnOnce(&mut pb::RefundStateChanged)) -> Event {
    let mut fact = refund_change();
    change(&mut fact);
    let subject = fact.refund.clone();
    event(REFUND_CHANGED, &subject, fact.encode_to_vec())
}
