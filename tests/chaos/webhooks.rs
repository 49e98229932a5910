//! Webhooks that come before the answer they belong to, three times each, and in any order.

use std::time::Duration;

use redress_proto::refunds::v1::disruption_item::State;
use redress_sandbox::{FaultPlan, SandboxConfig, WebhookConfig};
use redress_testkit::{Backend, TestDatabase};
use serde_json::json;

use super::on_both_databases;
use super::scene::{SLOW, Scene, Terms};
use crate::harness::{eventually, ports};

const SECRET: &str = "whsec_redress_chaos";
/// How often each event comes.
const COPIES: u32 = 3;
/// By how much events may overtake one another; longer than a call and than a card takes to fail.
const JUMBLE_MS: u64 = 700;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn webhooks_before_our_commit_repeated_and_out_of_order_change_no_sum() {
    on_both_databases(early_webhooks).await;
}

async fn early_webhooks(backend: Backend) {
    let Some(database) = TestDatabase::create(backend).await else { return };
    let listen = format!("127.0.0.1:{}", ports::four_in_a_row());
    // Only webhooks tell in time of a card that turns out closed: we look ourselves in an hour.
    let terms = Terms {
        sandbox: SandboxConfig {
            requests_per_s: 0,
            faults: FaultPlan { slow_answer: 900, card_closed: 100, card_closed_ms: 300, ..SLOW },
            webhooks: WebhookConfig {
                copies: COPIES,
                jumble_ms: JUMBLE_MS,
                concurrency: 1_000,
                queue: 1_000_000,
                ..Default::default()
            },
            ..Default::default()
        },
        check_first_ms: 3_600_000,
        more: format!("webhook_secret = \"{SECRET}\"\n\n[service.webhooks]\nlisten = \"{listen}\""),
        ..Default::default()
    };
    let title = "webhooks before our commit, three times, out of order";
    let mut scene = Scene::set(title, database.url(), terms).await;
    let replica = scene.start(0).await;
    let endpoint = json!({ "url": format!("http://{listen}/webhooks/stripe"), "secret": SECRET });
    scene.provider.set_webhook_endpoint(&endpoint).await;
    scene.begin(0).await;
    scene.completed(0).await;
    let told = eventually("the last webhooks", Duration::from_secs(30), async || {
        let totals = scene.provider.totals().await;
        let closed = totals.faults_injected.get("card_closed").copied().unwrap_or_default();
        // One event tells that a refund was made, two that it has failed.
        let expected = u64::from(COPIES) * (totals.refunds_made + 2 * closed);
        let told = totals.webhooks;
        let done = told.delivered == expected && told.given_up == 0 && told.dropped == 0;
        if done { Ok(told) } else { Err(format!("{told:?} of {expected}")) }
    })
    .await;
    scene.note(format!("{} webhooks were taken, each event {COPIES} times", told.delivered));
    let by_hand = scene.crowd.by_hand();
    replica.terminate().await;
    let counts = scene.places[0].written();
    let counts = counts.lines().rfind(|line| line.contains("webhook ingress has stopped"));
    scene.note(counts.unwrap_or_default().to_owned());
    let again = scene.start(0).await;
    let report = scene.end(0).await;
    drop(again);
    let closed = usize::try_from(report.fault("card_closed")).unwrap();
    assert!(closed > 0, "a thin sample: {report}");
    assert_eq!(report.needing("ACCOUNT_CLOSED"), closed, "{report}");
    assert_eq!(report.in_state(State::Attention), closed + by_hand, "{report}");
}
