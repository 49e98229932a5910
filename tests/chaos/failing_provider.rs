//! A provider that fails in three of a hundred refunds, and two orders that it cannot refund at all.

use redress_proto::refunds::v1::disruption_item::State;
use redress_sandbox::{FaultPlan, SandboxConfig};
use redress_testkit::{Backend, TestDatabase};
use serde_json::json;

use super::on_both_databases;
use super::scene::{Scene, Terms};

/// Three in a hundred: answers that are lost, refusals for good, and cards that turn out closed.
const FAILURES: FaultPlan = FaultPlan {
    seed: 28,
    lost_answer: 10,
    error_before: 0,
    error_after: 0,
    slow_answer: 0,
    card_closed: 10,
    returned: 0,
    balance_pending: 0,
    balance_refused: 10,
    slow_answer_ms: 0,
    card_closed_ms: 300,
    returned_ms: 0,
    balance_pending_fails_ms: None,
};
/// More failures than an order gets attempts.
const EVERY_TIME: usize = 9;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn failures_and_poison_leave_the_rest_paid() {
    on_both_databases(failing).await;
}

async fn failing(backend: Backend) {
    let Some(database) = TestDatabase::create(backend).await else { return };
    let sandbox = SandboxConfig { requests_per_s: 0, faults: FAILURES, ..Default::default() };
    let terms = Terms { sandbox, ask_person_after_ms: 3_000, ..Default::default() };
    let title = "3 % failures and poison orders";
    let mut scene = Scene::set(title, database.url(), terms).await;
    let replica = scene.start(0).await;
    let (mute, broken) = scene.crowd.two_payments();
    let (mute, broken) = (mute.to_owned(), broken.to_owned());
    scene.note("one order of which the provider says nothing readable, ever");
    scene.note("one order for which the provider answers 500 each time and does nothing");
    scene.prepare(0).await;
    scene.provider.set_faults(&json!({ "garbled": [mute] })).await;
    let faults = vec!["error_before"; EVERY_TIME];
    scene.provider.set_faults(&json!({ "payment_intent": broken, "faults": faults })).await;
    scene.cancel(0).await;
    let by_hand = scene.crowd.by_hand();
    let payments = scene.crowd.payments();
    let report = scene.end(0).await;
    drop(replica);

    let fault = |kind: &str| usize::try_from(report.fault(kind)).unwrap();
    let (refused, closed) = (fault("balance_refused"), fault("card_closed"));
    assert!(refused > 0 && closed > 0 && fault("lost_answer") > 0, "a thin sample: {report}");
    assert!(refused + closed < payments / 10, "{report}");
    let needing = |reason: &str| report.needing(reason);
    assert_eq!(needing("OUTCOME_UNKNOWN"), 1, "the one without a readable answer: {report}");
    assert_eq!(needing("NOT_EXECUTED"), 1, "the one that is never executed: {report}");
    assert_eq!(needing("INSUFFICIENT_BALANCE"), 0, "each waited for funds and was paid: {report}");
    assert_eq!(needing("ACCOUNT_CLOSED"), closed, "{report}");
    assert_eq!(needing("NO_CONNECTOR"), by_hand, "{report}");
    assert_eq!(report.in_state(State::Attention), 2 + closed + by_hand, "{report}");
}
