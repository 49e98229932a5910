//! A SQLite file on a disk that somebody else fills up, and that has room again later.

use std::time::Duration;

use redress::cli::ServiceName;
use redress_proto::common::v1::ApplyTenantRequest;
use redress_proto::common::v1::tenant_service_client::TenantServiceClient;
use tonic::Code;

use super::disk::SmallDisk;
use super::scene::{Scene, Terms};
use crate::harness::{ARENA, calls, eventually};

const LIMIT: Duration = Duration::from_mins(3);

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_full_disk_stops_the_run_and_room_lets_it_go_on() {
    let Some(disk) = SmallDisk::prepare() else { return };
    let url = format!("sqlite:{}/refunds.db", disk.folder().display());
    let title = "the disk of SQLite is full for a while";
    let mut scene = Scene::set(title, &url, Terms::default()).await;
    let mut replica = scene.start_on(0, &disk).await;
    scene.begin(0).await;
    let made = scene.paid(25).await;
    disk.fill(replica.pid());
    scene.note(format!("the disk is full after {made} refunds at the provider"));
    eventually("a worker that says why it stands still", LIMIT, async || {
        let log = scene.places[0].written();
        let says = log
            .lines()
            .any(|line| line.contains("cannot use its database") && line.contains("disk is full"));
        if says { Ok(()) } else { Err("nobody noticed".to_owned()) }
    })
    .await;
    // Callers are told to come again, and what only reads still works. A few small writes may still
    // fit into pages that the log has already.
    let channel = scene.caller(0).unary(ServiceName::Refunds).unwrap();
    let mut tries = 0;
    let refused = eventually("a write that is refused", LIMIT, async || {
        tries += 1;
        let tenant = calls::tenant(ARENA, &format!("Arena Tickets of {tries}"));
        let request = ApplyTenantRequest { tenant: Some(tenant) };
        match TenantServiceClient::new(channel.clone()).apply_tenant(request).await {
            Ok(_) => Err("it was written".to_owned()),
            Err(refused) => Ok(refused),
        }
    })
    .await;
    assert_eq!(refused.code(), Code::Unavailable, "{refused}");
    calls::ledger(scene.caller(0)).await.unwrap();
    assert!(replica.is_alive(), "the service outlives a full disk");
    disk.free(replica.pid());
    scene.note("there is room again");
    scene.completed(0).await;
    assert!(replica.is_alive(), "the service outlives a full disk");
    scene.end_all_paid(0).await;
    replica.terminate().await;
}
