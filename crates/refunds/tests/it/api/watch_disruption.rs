//! `DisruptionService.WatchDisruption`.

use std::time::Duration;

use futures::StreamExt as _;
use redress_proto::refunds::v1 as pb;
use tonic::{Status, Streaming};

use super::support::{Api, mixed, open_stocked, told, unpaid};

redress_testkit::conformance! {
    open = open_with_draft;
    a_watcher_sees_it_move_until_it_is_completed,
    a_watcher_sees_what_a_person_does,
    rates_and_estimates_come_from_what_was_seen,
    a_disruption_at_its_end_is_told_once,
    a_missing_disruption_and_another_tenants_look_the_same,
}

/// A cancelled derby with three orders, opened.
async fn open_with_draft(url: String) -> Api {
    let api = open_stocked(url).await;
    api.import(vec![mixed("A2"), unpaid("A3")]).await;
    api.draft().await;
    api
}

async fn watch(
    api: &Api,
    tenant: &'static str,
    name: &str,
) -> Result<Streaming<pb::DisruptionProgress>, Status> {
    let request = pb::WatchDisruptionRequest { name: name.to_owned() };
    api.disruptions(tenant).watch_disruption(request).await.map(tonic::Response::into_inner)
}

/// Items, and those at rest, of each lane.
fn lanes(progress: &pb::DisruptionProgress) -> Vec<(&str, i64, i64)> {
    progress.lanes.iter().map(|lane| (&*lane.lane, lane.items, lane.at_rest)).collect()
}

/// Reads on until the progress is as wanted.
async fn until(
    told: &mut Streaming<pb::DisruptionProgress>,
    is_wanted: impl Fn(&pb::DisruptionProgress) -> bool,
) -> pb::DisruptionProgress {
    loop {
        let progress = told.next().await.unwrap().unwrap();
        if is_wanted(&progress) {
            return progress;
        }
    }
}

fn state(progress: &pb::DisruptionProgress) -> pb::disruption::State {
    progress.disruption.as_ref().unwrap().state()
}

fn counts(progress: &pb::DisruptionProgress) -> pb::DisruptionCounts {
    progress.disruption.as_ref().unwrap().counts.unwrap()
}

async fn a_watcher_sees_it_move_until_it_is_completed(api: Api) {
    let name = api.start_draft(3).await;
    let mut progress = watch(&api, "arena", &name).await.unwrap();
    let first = progress.next().await.unwrap().unwrap();
    assert_eq!(first.disruption, Some(api.disruption().await), "it is told at once as it stands");
    assert_eq!(lanes(&first), [("", 1, 0), ("stripe", 2, 0)]);
    assert_eq!((first.items_per_second, first.estimate_seconds), (0.0, 0));
    assert_eq!(first.last_errors, []);

    api.start_items().await;
    let begun = until(&mut progress, |told| counts(told).pending == 0).await;
    assert_eq!(lanes(&begun), [("", 1, 1), ("stripe", 2, 0)]);
    api.pay_all().await;
    let paid = until(&mut progress, |told| counts(told).processing == 0).await;
    assert_eq!(lanes(&paid), [("", 1, 1), ("stripe", 2, 2)]);
    let error = pb::ItemError {
        order: "orders/A2".to_owned(),
        reason_code: "NO_CONNECTOR".to_owned(),
        next_action: "PAY_BY_OTHER_MEANS".to_owned(),
    };
    assert_eq!(paid.last_errors, std::slice::from_ref(&error));
    assert_eq!(state(&paid), pb::disruption::State::Running);

    api.complete().await;
    let last = progress.next().await.unwrap().unwrap();
    assert_eq!(state(&last), pb::disruption::State::Completed);
    assert_eq!(last.last_errors, [error]);
    assert!(progress.next().await.is_none(), "and then it ends");
}

async fn a_watcher_sees_what_a_person_does(api: Api) {
    let name = api.start_draft(3).await;
    let mut progress = watch(&api, "arena", &name).await.unwrap();
    assert_eq!(state(&progress.next().await.unwrap().unwrap()), pb::disruption::State::Running);
    let request = pb::PauseDisruptionRequest {
        name: name.clone(),
        request_id: api.request_id(),
        ..Default::default()
    };
    let paused = api.disruptions("arena").pause_disruption(request).await.unwrap().into_inner();
    let told = progress.next().await.unwrap().unwrap();
    assert_eq!(told.disruption, Some(paused));
}

async fn rates_and_estimates_come_from_what_was_seen(api: Api) {
    let mut more = Vec::new();
    for nth in 0..7 {
        more.push(super::support::order(&format!("B{nth}")));
    }
    api.import(more).await;
    let name = api.start_draft(10).await;
    api.start_items().await;
    let mut progress = watch(&api, "arena", &name).await.unwrap();
    assert_eq!(lanes(&progress.next().await.unwrap().unwrap()), [("", 1, 1), ("stripe", 9, 0)]);
    api.clock.advance(Duration::from_secs(2));
    api.pay(6).await;
    let told = until(&mut progress, |told| told.lanes[1].at_rest > 0).await;
    assert_eq!(lanes(&told), [("", 1, 1), ("stripe", 9, 6)]);
    assert_eq!((told.items_per_second, told.estimate_seconds), (3.0, 1));
}

async fn a_disruption_at_its_end_is_told_once(api: Api) {
    let name = api.start_draft(3).await;
    api.start_items().await;
    api.pay_all().await;
    api.complete().await;
    let told: Vec<_> =
        watch(&api, "arena", &name).await.unwrap().map(Result::unwrap).collect().await;
    assert_eq!(told.len(), 1);
    assert_eq!(told[0].disruption, Some(api.disruption().await));
}

async fn a_missing_disruption_and_another_tenants_look_the_same(api: Api) {
    let name = api.disruption().await.name;
    let missing = async |tenant, name: &str| {
        told(&watch(&api, tenant, name).await.unwrap_err()).replace(name, "disruptions/D")
    };
    let theirs = missing("other", &name).await;
    snapshot!(theirs, @r"
    NotFound RESOURCE_NOT_FOUND: disruptions/D not found
    name = disruptions/D
    ");
    assert_eq!(theirs, missing("arena", "disruptions/none").await);
}
