//! A PostgreSQL that crashes in the middle, twice, and comes back.

use redress_testkit::MortalPostgres;

use super::scene::{Scene, Terms};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_postgres_that_crashes_in_the_middle_loses_and_repeats_nothing() {
    let Some(mut postgres) = MortalPostgres::start().await else { return };
    let title = "PostgreSQL crashes twice and is started again";
    let mut scene = Scene::set(title, &postgres.url(), Terms::default()).await;
    let mut replica = scene.start(0).await;
    scene.begin(0).await;
    for percent in [20, 55] {
        let made = scene.paid(percent).await;
        postgres.crash().await;
        scene.note(format!("crashed after {made} refunds at the provider"));
    }
    scene.completed(0).await;
    assert!(replica.is_alive(), "the service outlives its database");
    let log = scene.places[0].written();
    assert!(log.contains("cannot use its database"), "nobody noticed the crashes:\n{log}");
    scene.end_all_paid(0).await;
    replica.terminate().await;
}
