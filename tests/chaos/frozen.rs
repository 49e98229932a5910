//! A replica that stands still while its claims run out, and then goes on as if nothing was.

use redress_testkit::TestDatabase;

use super::scene::{Scene, Terms};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_replica_that_was_frozen_past_its_claims_pays_nothing_twice() {
    let Some(database) = TestDatabase::postgres().await else { return };
    let title = "one of two replicas SIGSTOPped past its claims and woken";
    let mut scene = Scene::set(title, database.url(), Terms::default()).await;
    let (frozen, awake) = (scene.start(0).await, scene.start(1).await);
    scene.begin(1).await;
    let made = scene.paid(25).await;
    frozen.freeze();
    scene.note(format!("one replica frozen after {made} refunds at the provider"));
    // What it had claimed is looked up and sent by the other one only when its claims have run out.
    scene.completed(1).await;
    frozen.wake();
    scene.note("woken when the other one had done everything");
    // It has told of its calls, and has ended those that it may have begun.
    frozen.terminate().await;
    let late = scene.places[0].written().contains("findings came too late");
    assert!(late, "it had claimed nothing:\n{}", scene.places[0].written());
    scene.end_all_paid(1).await;
    awake.terminate().await;
}
