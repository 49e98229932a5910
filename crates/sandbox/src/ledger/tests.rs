use std::collections::BTreeMap;

use super::*;
use crate::faults::{Fault, FaultPlan};

fn ledger(plan: FaultPlan) -> Ledger {
    Ledger::new(Faults::new(plan))
}

fn payment(id: &str, amount: i64, earlier_refunds: i64) -> Seeded {
    Seeded {
        id: id.to_owned(),
        amount,
        currency: Currency::parse("eur").unwrap(),
        earlier_refunds,
        payment_method_types: vec!["card".to_owned()],
        metadata: BTreeMap::new(),
        captured: true,
        created: 0,
    }
}

fn request(payment_intent: &str, amount: i64) -> RefundRequest {
    RefundRequest {
        payment_intent: payment_intent.to_owned(),
        amount: Some(amount),
        reason: None,
        metadata: BTreeMap::new(),
    }
}

/// The running totals must equal a walk over all refunds, and no payment may be overdrawn.
fn check(ledger: &Ledger) {
    let mut succeeded = 0;
    let mut live: HashMap<&str, i64> = HashMap::new();
    for refund in &ledger.refunds {
        if refund.status() == Status::Succeeded {
            succeeded += refund.amount;
        }
        if !matches!(refund.status(), Status::Failed(_)) {
            *live.entry(&refund.payment_intent).or_default() += refund.amount;
        }
    }
    let totals = ledger.totals();
    let counted = totals["refunded_minor_units_by_currency"]["EUR"].as_i64().unwrap_or_default();
    assert_eq!(counted, succeeded);
    for intent in ledger.payment_intents.values() {
        let refunded = live.get(&*intent.id).copied().unwrap_or_default();
        assert_eq!(intent.refunded, refunded);
        assert!(refunded <= intent.captured());
    }
}

#[test]
fn the_sum_of_live_refunds_never_exceeds_what_was_captured() {
    let ids = IdGenerator::random().unwrap();
    let mut ledger = ledger(FaultPlan::default());
    ledger.put_payment_intent(payment("pi_1", 1_000, 300)).unwrap();
    assert!(ledger.refund(&request("pi_1", 701), &ids, 1).is_err());
    ledger.refund(&request("pi_1", 400), &ids, 1).unwrap();
    assert!(ledger.refund(&request("pi_1", 301), &ids, 1).is_err());
    ledger.refund(&request("pi_1", 300), &ids, 1).unwrap();
    let full = ledger.refund(&request("pi_1", 1), &ids, 1).unwrap_err();
    assert_eq!(full.code(), Some("charge_already_refunded"));
    check(&ledger);
}

#[test]
fn a_failure_gives_the_money_back_once() {
    let ids = IdGenerator::random().unwrap();
    let mut ledger = ledger(FaultPlan::default());
    ledger.put_payment_intent(payment("pi_1", 1_000, 0)).unwrap();
    ledger.faults.queue("pi_1".into(), vec![FaultKind::Returned.into()]);
    let attempt = ledger.refund(&request("pi_1", 1_000), &ids, 1).unwrap();
    let (index, (_, reason)) = (attempt.refund.unwrap(), attempt.fails_later.unwrap());
    assert_eq!(ledger.fail(index, reason, 2).len(), 2);
    assert!(ledger.fail(index, reason, 3).is_empty());
    check(&ledger);
    assert_eq!(ledger.balances().next().unwrap().1, 1_000);
    ledger.refund(&request("pi_1", 1_000), &ids, 4).unwrap();
    check(&ledger);
}

#[test]
fn waiting_refunds_are_paid_in_order_as_funds_allow() {
    let ids = IdGenerator::random().unwrap();
    let eur = Currency::parse("eur").unwrap();
    let mut ledger = ledger(FaultPlan::default());
    ledger.put_payment_intent(payment("pi_1", 1_000, 0)).unwrap();
    ledger.fund(eur, 0, false, 1);
    let places: Vec<RefundIndex> = [300, 500, 100]
        .into_iter()
        .map(|amount| ledger.refund(&request("pi_1", amount), &ids, 1).unwrap().refund.unwrap())
        .collect();
    let statuses = |ledger: &Ledger| -> Vec<&str> {
        places.iter().map(|place| ledger.refund_at(*place).status().name()).collect()
    };
    assert_eq!(statuses(&ledger), ["pending", "pending", "pending"]);
    ledger.fund(eur, 400, true, 2);
    assert_eq!(statuses(&ledger), ["succeeded", "pending", "pending"], "the second is not skipped");
    ledger.fund(eur, 1_000, true, 3);
    assert_eq!(statuses(&ledger), ["succeeded"; 3]);
    assert!(ledger.fail(places[0], FailureReason::InsufficientFunds, 4).is_empty());
    check(&ledger);
}

#[test]
fn seeding_again_updates_and_never_goes_below_what_was_refunded() {
    let ids = IdGenerator::random().unwrap();
    let mut ledger = ledger(FaultPlan::default());
    let put = |ledger: &mut Ledger, seeded| ledger.put_payment_intent(seeded);
    assert_eq!(put(&mut ledger, payment("pi_1", 1_000, 0)), Ok(SeedOutcome::Created));
    assert_eq!(put(&mut ledger, payment("pi_1", 1_000, 0)), Ok(SeedOutcome::Unchanged));
    assert_eq!(put(&mut ledger, payment("pi_1", 1_000, 200)), Ok(SeedOutcome::Updated));
    assert_eq!(ledger.balances().next().unwrap().1, 800);
    ledger.refund(&request("pi_1", 800), &ids, 1).unwrap();
    let below = SeedError::BelowRefunded { left: 799, refunded: 800 };
    assert_eq!(put(&mut ledger, payment("pi_1", 1_000, 201)), Err(below));
    let other = Seeded { currency: Currency::parse("usd").unwrap(), ..payment("pi_1", 1_000, 0) };
    assert!(matches!(put(&mut ledger, other), Err(SeedError::CurrencyChanged { .. })));
    check(&ledger);
}

#[test]
fn only_attempts_that_would_be_paid_move_the_ordinal() {
    let ids = IdGenerator::random().unwrap();
    let mut ledger = ledger(FaultPlan::default());
    ledger.put_payment_intent(payment("pi_1", 1_000, 0)).unwrap();
    assert!(ledger.refund(&request("pi_1", 2_000), &ids, 1).is_err());
    assert_eq!(ledger.payment_intent("pi_1").unwrap().attempts, 0);
    let before = Fault::from(FaultKind::ErrorBefore);
    ledger.faults.queue("pi_1".into(), vec![before]);
    assert!(ledger.refund(&request("pi_1", 1), &ids, 1).unwrap().refund.is_none());
    assert_eq!(ledger.payment_intent("pi_1").unwrap().attempts, 1);
    check(&ledger);
}
