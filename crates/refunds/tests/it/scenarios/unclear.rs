//! Scenarios 10 and 11: an answer that was lost, with keys and without.

use std::sync::Arc;
use std::time::Duration;

use redress_proto::refunds::v1 as pb;
use redress_proto::refunds::v1::refund::State;
use redress_proto::refunds::v1::refund_attempt::State as AttemptState;
use redress_proto::refunds::v1::resolve_attempt_request::Outcome;
use serde_json::json;
use tonic::Status;

use super::stage::{DAY, Stage, booking, only, open, ticket};
use crate::api::support::{acceptance, euros, told};
use crate::keyless::{Keyless, Search};
use crate::sandbox::eventually;
use crate::worker::{hire_for, workshop};

redress_testkit::conformance! {
    open = open;
    scenario_10_a_lost_answer_stays_unknown_is_never_sent_again_and_a_look_up_settles_it,
    scenario_11_without_keys_a_person_decides_and_neither_decision_sends_money,
}

const REQUEST_ID: &str = "6b2ac7f6-0c53-4f4e-9a35-3f9a0a6f6b10";

async fn scenario_10_a_lost_answer_stays_unknown_is_never_sent_again_and_a_look_up_settles_it(
    stage: Stage,
) {
    // More was captured than is refunded: a second refund would go through.
    let lines = vec![ticket("t1", 1250, DAY * 20), ticket("t2", 3750, DAY * 20)];
    stage.sell(booking("A1", lines)).await;
    stage.bench.inject("pi_A1", json!(["lost_answer"])).await;
    let request = acceptance(&stage.quote("A1", &["t1"]).await, REQUEST_ID);
    let mut client = stage.api.refunds("arena");
    let first = client.create_refund(request.clone()).await.unwrap().into_inner();
    let crew = stage.hire();
    stage.attempt_is(&first, AttemptState::Unknown).await;
    crew.dismiss().await;
    assert_eq!(stage.sent().await, (1, 1), "paid, and nobody here knows");

    // 24 hours after it was first used the provider has forgotten the key.
    for wait in [Duration::from_secs(1), Duration::from_hours(25)] {
        stage.api.clock.advance(wait);
        let again = client.create_refund(request.clone()).await.unwrap().into_inner();
        assert_eq!(again, first, "the same refund, not another one");
        let refund = stage.get(&first).await;
        let states = (refund.state(), only(&refund).state());
        assert_eq!(states, (State::Processing, AttemptState::Unknown));
        assert_eq!((stage.sent().await, stage.refunds_of("A1").await.len()), ((1, 1), 1));
    }
    let crew = stage.hire();
    let refund = stage.at_rest(&first).await;
    crew.dismiss().await;
    assert_eq!((refund.state(), &refund.issued), (State::Succeeded, &euros(1250)));
    assert_eq!(only(&refund).attempt_id, only(&first).attempt_id);
    assert_eq!((stage.sent().await, stage.paid().await), ((1, 1), json!({ "EUR": 1250 })));
    stage.assert_books_balance().await;
}

/// Nothing proves anything: A1 was never paid, A2 was.
async fn scenario_11_without_keys_a_person_decides_and_neither_decision_sends_money(stage: Stage) {
    for (id, fault) in [("A1", "error_before"), ("A2", "lost_answer"), ("B1", "none")] {
        stage.sell(booking(id, vec![ticket("t1", 1250, DAY * 20)])).await;
        stage.bench.inject(&format!("pi_{id}"), json!([fault])).await;
    }
    let provider = Keyless::new(&stage.bench, Search::Inconclusive);
    let crew = hire_for(workshop(&stage.shop), Arc::clone(&provider) as _);
    let unpaid = stage.refund("A1", &[]).await;
    let paid = stage.refund("A2", &[]).await;
    // Time stands still until both calls have failed to tell.
    for refund in [&unpaid, &paid] {
        stage.attempt_is(refund, AttemptState::Unknown).await;
    }
    assert_eq!(stage.sent().await, (2, 1));
    for refund in [&unpaid, &paid] {
        let refund = stage.person_is_asked(refund).await;
        assert_eq!(only(&refund).state(), AttemptState::Unknown);
        let asks = (&*refund.reason_code, &*refund.next_action);
        assert_eq!(asks, ("OUTCOME_UNKNOWN", "RESOLVE_ATTEMPT"));
        let text = told(&stage.retry(&refund).await.unwrap_err());
        assert!(text.starts_with("FailedPrecondition NOTHING_TO_RETRY"), "{text}");
    }
    assert_eq!(stage.sent().await, (2, 1));

    let refund = stage.resolve(&unpaid, 0, Outcome::NotPaid).await;
    assert_eq!((refund.state(), only(&refund).state()), (State::Attention, AttemptState::Failed));
    let asks = (&*refund.reason_code, &*refund.next_action);
    assert_eq!(asks, ("CONFIRMED_NOT_PAID", "RETRY_OR_CANCEL"));
    let refund = stage.resolve(&paid, 0, Outcome::Paid).await;
    assert_eq!((refund.state(), &refund.issued), (State::Succeeded, &euros(1250)));

    // A day later the workers have sent what was asked for since, and nothing of those two.
    stage.api.clock.advance(DAY);
    let fence = stage.refund("B1", &[]).await;
    stage.attempt_is(&fence, AttemptState::Succeeded).await;
    assert_eq!(stage.sent().await, (3, 2));
    assert_eq!(stage.get(&unpaid).await.attempts.len(), 1);

    // To send it again is a decision of its own.
    stage.retry(&unpaid).await.unwrap();
    let settled = async || {
        let now = stage.get(&unpaid).await;
        (now.state() != State::Queued && now.state() != State::Processing).then_some(now)
    };
    let refund = eventually(settled).await;
    crew.dismiss().await;
    let states: Vec<_> = refund.attempts.iter().map(pb::RefundAttempt::state).collect();
    assert_eq!(states, [AttemptState::Failed, AttemptState::Succeeded]);
    assert_eq!((refund.state(), &refund.issued), (State::Succeeded, &euros(1250)));
    assert_eq!((stage.sent().await, stage.paid().await), ((4, 3), json!({ "EUR": 3 * 1250 })));
    let actions: Vec<_> = refund.decisions.iter().map(|decision| &*decision.action).collect();
    assert_eq!(actions, ["REFUND_CREATED", "ATTEMPT_RESOLVED", "REFUND_RETRIED"]);
    stage.assert_books_balance().await;
}

impl Stage {
    /// Moves the clock on until a person is asked.
    async fn person_is_asked(&self, refund: &pb::Refund) -> pb::Refund {
        eventually(async || {
            self.api.clock.advance(Duration::from_mins(1));
            let now = self.get(refund).await;
            (now.state() == State::Attention).then_some(now)
        })
        .await
    }

    async fn retry(&self, refund: &pb::Refund) -> Result<pb::Refund, Status> {
        let request = pb::RetryRefundRequest {
            name: refund.name.clone(),
            request_id: self.api.request_id(),
            ..pb::RetryRefundRequest::default()
        };
        self.api.refunds("arena").retry_refund(request).await.map(tonic::Response::into_inner)
    }
}
