//! Deploys in the middle of a run, and a process that is lost while one is under way.

use redress_testkit::{Backend, TestDatabase};

use super::on_both_databases;
use super::scene::{Scene, Terms};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn deploys_and_a_lost_process_lose_and_repeat_nothing() {
    on_both_databases(deployed).await;
}

async fn deployed(backend: Backend) {
    let Some(database) = TestDatabase::create(backend).await else { return };
    let title = "deploys and a lost process";
    let scene = Scene::set(title, database.url(), Terms::default()).await;
    match backend {
        Backend::Sqlite => one_after_the_other(scene).await,
        Backend::Postgres => side_by_side(scene).await,
    }
}

/// SQLite has one process at a time: it drains, and the next one takes over.
async fn one_after_the_other(mut scene: Scene) {
    let mut replica = scene.start(0).await;
    scene.begin(0).await;
    for (percent, is_lost) in [(15, false), (35, true), (55, false)] {
        let made = scene.paid(percent).await;
        let how = if is_lost { "lost" } else { "deployed" };
        if is_lost {
            replica.kill();
        } else {
            replica.terminate().await;
        }
        scene.note(format!("{how} after {made} refunds at the provider"));
        replica = scene.start(0).await;
    }
    scene.end_all_paid(0).await;
    replica.terminate().await;
}

/// On PostgreSQL the next process starts before the last one drains; one of them is lost meanwhile.
async fn side_by_side(mut scene: Scene) {
    let (old, lost) = (scene.start(0).await, scene.start(1).await);
    scene.begin(0).await;
    let made = scene.paid(20).await;
    let new = scene.start(2).await;
    lost.kill();
    scene.note(format!("one lost after {made} refunds at the provider, while a new one starts"));
    let made = scene.paid(40).await;
    old.terminate().await;
    scene.note(format!("the old one drained after {made} refunds at the provider"));
    let other = scene.start(1).await;
    scene.end_all_paid(2).await;
    new.terminate().await;
    other.terminate().await;
}
