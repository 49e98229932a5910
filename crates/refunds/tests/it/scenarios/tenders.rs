//! Scenario 6: one refund over several tenders.

use redress_proto::refunds::v1 as pb;
use redress_proto::refunds::v1::payment::Tender;
use redress_proto::refunds::v1::refund::State;
use redress_proto::refunds::v1::refund_attempt::State as AttemptState;
use redress_proto::refunds::v1::resolve_attempt_request::Outcome;
use serde_json::json;

use super::stage::{DAY, Stage, booking, open, ticket, units};
use crate::api::support::{euros, payment};

redress_testkit::conformance! {
    open = open;
    scenario_06_a_refund_is_split_in_the_configured_order_and_a_failed_tender_undoes_no_other,
}

/// Two tickets of 60.00 and 40.00, paid by a voucher of 30.00, points worth 20.00 and a card.
fn sold(id: &str, policy: &str) -> pb::Order {
    let lines = vec![ticket("t1", 6000, DAY * 20), ticket("t2", 4000, DAY * 20)];
    let points = pb::Payment { points: 2000, ..payment("p2", "miles", Tender::Points, 2000) };
    let card = pb::Payment {
        provider_reference: format!("pi_{id}"),
        ..payment("p3", "stripe", Tender::Card, 5000)
    };
    let payments = vec![payment("p1", "vouchers", Tender::Voucher, 3000), points, card];
    pb::Order { policy: format!("policies/{policy}"), payments, ..booking(id, lines) }
}

fn split(quote: &pb::Quote) -> Vec<(&str, i64)> {
    let share = |share: &pb::QuoteTender| units(share.amount.as_ref());
    quote.tenders.iter().map(|tender| (&*tender.provider, share(tender))).collect()
}

/// Where the attempts on points, voucher and card stand.
fn states(refund: &pb::Refund) -> [AttemptState; 3] {
    assert_eq!(refund.attempts.len(), 3);
    ["miles", "vouchers", "stripe"].map(|provider| refund.attempts[on(refund, provider)].state())
}

fn on(refund: &pb::Refund, provider: &str) -> usize {
    refund.attempts.iter().position(|attempt| attempt.provider == provider).unwrap()
}

async fn scenario_06_a_refund_is_split_in_the_configured_order_and_a_failed_tender_undoes_no_other(
    stage: Stage,
) {
    let orders =
        [("points-first", r#"["POINTS", "VOUCHER", "CARD"]"#), ("card-first", r#"["CARD"]"#)];
    for (policy, order) in orders {
        stage.apply(policy, &format!("tender_order = {order}"), "").await;
    }
    stage.sell(sold("A1", "points-first")).await;
    stage.sell(sold("A2", "card-first")).await;
    let other = stage.quote("A2", &["t1"]).await;
    assert_eq!(split(&other), [("stripe", 5000), ("vouchers", 1000)]);
    let quote = stage.quote("A1", &["t1"]).await;
    assert_eq!(split(&quote), [("miles", 2000), ("vouchers", 3000), ("stripe", 1000)]);

    let crew = stage.hire();
    let refund = stage.api.accept(&quote).await;
    // Two tenders wait for a person; the card is paid all the same.
    let refund = stage.card_is_paid(&refund).await;
    let (manual, paid) = (AttemptState::Manual, AttemptState::Succeeded);
    assert_eq!(states(&refund), [manual, manual, paid]);
    assert_eq!((refund.state(), &refund.issued), (State::Attention, &euros(1000)));

    let refund = stage.resolve(&refund, on(&refund, "miles"), Outcome::Paid).await;
    assert_eq!(states(&refund), [paid, manual, paid]);
    let refund = stage.resolve(&refund, on(&refund, "vouchers"), Outcome::NotPaid).await;
    let failed = AttemptState::Failed;
    assert_eq!(states(&refund), [paid, failed, paid]);
    assert_eq!((refund.state(), &refund.issued), (State::Attention, &euros(3000)));
    let told = (&*refund.reason_code, &*refund.next_action);
    assert_eq!(told, ("NO_CONNECTOR", "PAY_BY_OTHER_MEANS"));

    // Given up: what was issued stays issued, and nothing more was sent.
    let request = pb::CancelRefundRequest {
        name: refund.name.clone(),
        request_id: stage.api.request_id(),
        reason: "the voucher was spent".to_owned(),
        ..pb::CancelRefundRequest::default()
    };
    stage.api.refunds("arena").cancel_refund(request).await.unwrap();
    let refund = stage.get(&refund).await;
    assert_eq!((refund.state(), &refund.issued), (State::Failed, &euros(3000)));
    assert_eq!(states(&refund), [paid, failed, paid]);
    let notes: Vec<i64> = refund.credit_notes.iter().map(|n| units(n.total.as_ref())).collect();
    assert_eq!(notes, [2000, 1000]);
    crew.dismiss().await;
    assert_eq!((stage.sent().await, stage.paid().await), ((1, 1), json!({ "EUR": 1000 })));
    stage.assert_books_balance().await;
}

impl Stage {
    /// Waits for the card's part of a refund.
    async fn card_is_paid(&self, refund: &pb::Refund) -> pb::Refund {
        crate::sandbox::eventually(async || {
            let now = self.get(refund).await;
            let card = &now.attempts[on(&now, "stripe")];
            (card.state() == AttemptState::Succeeded).then_some(now)
        })
        .await
    }
}
