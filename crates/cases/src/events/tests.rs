//! What each fact means, and what of it is refused.
//!
//! Invariant: every field that is read is refused once here.

pub(crate) mod sample;

use redress_core::id::TenantId;

use super::*;
use crate::domain::attention::Parts;
use sample::{
    ambiguous, changed, deadline_missed, euros, event, over_refunded, overdrawn, settled,
};

fn read_item(
    change: impl FnOnce(&mut pb::DisruptionItemSettled),
) -> Result<Option<Effect>, String> {
    effect(&settled(change))
}

fn read_refund(change: impl FnOnce(&mut pb::RefundStateChanged)) -> Result<Option<Effect>, String> {
    effect(&changed(change))
}

fn call(read: Result<Option<Effect>, String>) -> Attention {
    match read {
        Ok(Some(Effect::Call(call))) => call,
        other => panic!("no call for a person: {other:?}"),
    }
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
    assert_eq!(read_item(|_| ()), Ok(Some(Effect::Call(expected))));
}

#[test]
fn an_item_without_a_refund_is_about_its_order() {
    let read = call(read_item(|fact| fact.refund.clear()));
    assert_eq!(read.origin, Origin::Order { disruption: DisruptionId::new("d1").unwrap() });
}

#[test]
fn a_refund_calls_for_a_person_only_when_no_disruption_asked_for_it() {
    let read = call(read_refund(|_| ()));
    assert_eq!(read.origin.key(&read.order), "refunds/r1");
    assert_eq!(read.origin.parts().disruption, None);
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
    assert_eq!(effect(&overdrawn(|_| ())), Ok(Some(Effect::Call(expected))));
}

#[test]
fn a_missed_deadline_is_about_its_refund() {
    let expected = Attention {
        tenant: TenantId::new("arena").unwrap(),
        origin: Origin::Refund {
            refund: RefundId::new("r1").unwrap(),
            disruption: Some(DisruptionId::new("d1").unwrap()),
        },
        order: OrderId::new("o1").unwrap(),
        customer: CustomerId::new("c1").unwrap(),
        outstanding: Money::new("EUR".parse().unwrap(), 600).unwrap(),
        reason_code: "LEGAL_DEADLINE_MISSED".to_owned(),
        next_action: "FINISH_REFUND".to_owned(),
    };
    let read = effect(&deadline_missed(|fact| fact.disruption = "disruptions/d1".to_owned()));
    assert_eq!(read, Ok(Some(Effect::Call(expected))));
    let alone = call(effect(&deadline_missed(|_| ())));
    assert_eq!(alone.origin.parts().disruption, None);
}

#[test]
fn an_over_refunded_line_is_read_whole() {
    let expected = Attention {
        tenant: TenantId::new("arena").unwrap(),
        origin: Origin::Line { line: "t1".to_owned() },
        order: OrderId::new("o1").unwrap(),
        customer: CustomerId::new("c1").unwrap(),
        outstanding: Money::new("EUR".parse().unwrap(), -1610).unwrap(),
        reason_code: "LINE_OVER_REFUNDED".to_owned(),
        next_action: "COMPARE_WITH_SHOP".to_owned(),
    };
    assert_eq!(effect(&over_refunded(|_| ())), Ok(Some(Effect::Call(expected))));
    let units_only = call(effect(&over_refunded(|fact| fact.excess = Some(euros(0)))));
    assert_eq!(units_only.outstanding.minor_units, 0);
}

#[test]
fn a_provider_refund_that_fits_several_payments_is_read_whole() {
    let at_provider = Some(("stripe".to_owned(), "re_1".to_owned()));
    let expected = Attention {
        tenant: TenantId::new("arena").unwrap(),
        origin: Origin::of(Parts { provider_refund: at_provider, ..Parts::default() }).unwrap(),
        order: OrderId::new("o1").unwrap(),
        customer: CustomerId::new("c1").unwrap(),
        outstanding: Money::new("EUR".parse().unwrap(), 1610).unwrap(),
        reason_code: "PROVIDER_REFUND_AMBIGUOUS".to_owned(),
        next_action: "COMPARE_WITH_PROVIDER".to_owned(),
    };
    assert_eq!(effect(&ambiguous(|_| ())), Ok(Some(Effect::Call(expected))));
}

#[test]
fn a_refund_that_needs_nobody_any_more_says_how_it_ended() {
    let settles = |ending| {
        let (tenant, refund) = (TenantId::new("arena").unwrap(), RefundId::new("r1").unwrap());
        Ok(Some(Effect::Settle(Settled { tenant, refund, ending })))
    };
    for (state, ending) in [
        ("SUCCEEDED", Ending::Succeeded),
        ("FAILED", Ending::Failed),
        ("CANCELLED", Ending::Cancelled),
        ("REJECTED", Ending::Rejected),
        ("PROCESSING", Ending::TriedAgain),
    ] {
        assert_eq!(read_refund(|fact| fact.state = state.to_owned()), settles(ending));
        let of_disruption = read_refund(|fact| {
            fact.state = state.to_owned();
            fact.disruption = "disruptions/d1".to_owned();
        });
        assert_eq!(of_disruption, settles(ending), "whoever asked for it");
    }
    let paid = read_item(|fact| fact.outcome = "SUCCEEDED".to_owned());
    assert_eq!(paid, settles(Ending::Succeeded));
}

#[test]
fn what_needs_nobody_is_passed_over() {
    assert_eq!(read_item(|fact| fact.outcome = "NOTHING_DUE".to_owned()), Ok(None));
    for state in ["QUEUED", "PENDING_APPROVAL", "A_STATE_OF_LATER"] {
        assert_eq!(read_refund(|fact| fact.state = state.to_owned()), Ok(None));
    }
    let soon = event("redress.events.v1.RefundDeadlineApproaching", "x", b"\xff".to_vec());
    assert_eq!(effect(&soon), Ok(None), "there is time left");
    let other = event("redress.events.v1.DisruptionStateChanged", "x", b"\xff".to_vec());
    assert_eq!(effect(&other), Ok(None));
}

#[test]
fn what_is_not_understood_names_the_field() {
    let read_missed = |change: fn(&mut pb::RefundDeadlineMissed)| effect(&deadline_missed(change));
    for (read, field) in [
        (read_missed(|fact| fact.disruption = "orders/o1".to_owned()), "disruption:"),
        (read_missed(|fact| fact.refund.clear()), "refund:"),
        (read_missed(|fact| fact.order.clear()), "order:"),
        (read_missed(|fact| fact.customer.clear()), "customer:"),
        (read_missed(|fact| fact.requested = None), "requested:"),
        (read_missed(|fact| fact.issued = None), "issued:"),
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
        (effect(&overdrawn(|fact| fact.payment_id = "p 1".to_owned())), "payment_id:"),
        (effect(&overdrawn(|fact| fact.order.clear())), "order:"),
        (effect(&overdrawn(|fact| fact.customer.clear())), "customer:"),
        (effect(&overdrawn(|fact| fact.excess = None)), "excess:"),
        (effect(&overdrawn(|fact| fact.excess = Some(euros(0)))), "excess:"),
        (effect(&over_refunded(|fact| fact.line_id = "t 1".to_owned())), "line_id:"),
        (effect(&over_refunded(|fact| fact.line_id.clear())), "line_id:"),
        (effect(&over_refunded(|fact| fact.order.clear())), "order:"),
        (effect(&over_refunded(|fact| fact.customer.clear())), "customer:"),
        (effect(&over_refunded(|fact| fact.excess = None)), "excess:"),
        (effect(&over_refunded(|fact| fact.excess = Some(euros(-1)))), "excess:"),
        (effect(&ambiguous(|fact| fact.provider.clear())), "provider:"),
        (effect(&ambiguous(|fact| fact.provider_refund = "re 1".to_owned())), "provider_refund:"),
        (effect(&ambiguous(|fact| fact.order.clear())), "order:"),
        (effect(&ambiguous(|fact| fact.customer.clear())), "customer:"),
        (effect(&ambiguous(|fact| fact.amount = Some(euros(0)))), "amount:"),
        (
            read_refund(|fact| {
                fact.state = "SUCCEEDED".to_owned();
                fact.refund.clear();
            }),
            "refund:",
        ),
        (effect(&event(ITEM_SETTLED, "x", b"\xff".to_vec())), "the payload"),
        (effect(&event(REFUND_CHANGED, "x", b"\xff".to_vec())), "the payload"),
    ] {
        let error = read.unwrap_err();
        assert!(error.starts_with(field), "{error}");
    }
}
