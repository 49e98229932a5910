//! A provider that pays at once and says so when nobody listens any more.

use redress_sandbox::{FaultPlan, SandboxConfig};
use redress_testkit::{Backend, TestDatabase};

use super::on_both_databases;
use super::scene::{SLOW, Scene, Terms};

/// How long a call may take, and when the provider answers.
const TIMEOUT_MS: u64 = 150;
const ANSWER_MS: u64 = 600;
/// Late answers in a thousand: of a provider that always answers too late, the lane rests.
const LATE: u16 = 250;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn refunds_that_succeed_after_the_timeout_are_paid_once() {
    on_both_databases(late_answers).await;
}

async fn late_answers(backend: Backend) {
    let Some(database) = TestDatabase::create(backend).await else { return };
    let faults = FaultPlan { slow_answer: LATE, slow_answer_ms: ANSWER_MS, ..SLOW };
    let sandbox = SandboxConfig { requests_per_s: 0, faults, ..Default::default() };
    let terms = Terms { sandbox, timeout_ms: TIMEOUT_MS, ..Default::default() };
    let mut scene = Scene::set("success after the timeout", database.url(), terms).await;
    scene.note(format!("calls end after {TIMEOUT_MS} ms, answers come after {ANSWER_MS} ms"));
    let replica = scene.start(0).await;
    scene.begin(0).await;
    scene.end_all_paid(0).await;
    replica.terminate().await;
}
