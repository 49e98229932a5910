//! A service that is killed ten times in one run.

use redress_testkit::{Backend, TestDatabase};

use super::on_both_databases;
use super::scene::{Scene, Terms};

const KILLS: usize = 10;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_service_that_is_killed_ten_times_pays_each_order_once() {
    on_both_databases(killed_ten_times).await;
}

async fn killed_ten_times(backend: Backend) {
    let Some(database) = TestDatabase::create(backend).await else { return };
    let title = "SIGKILL ten times";
    let mut scene = Scene::set(title, database.url(), Terms::default()).await;
    let mut replica = scene.start(0).await;
    scene.begin(0).await;
    for kill in 1..=KILLS {
        let made = scene.paid(6 * kill).await;
        replica.kill();
        scene.note(format!("killed after {made} refunds at the provider"));
        replica = scene.start(0).await;
    }
    scene.end_all_paid(0).await;
    replica.terminate().await;
}
