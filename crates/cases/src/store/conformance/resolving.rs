//! Cases change once, together with the outcome of the request that changed them.

use redress_api::request_id::RequestKey;
use redress_core::clock::Timestamp;
use redress_core::id::{CaseId, TenantId};
use redress_store::StoreError;
use redress_store::idempotency::{IdempotencyRecord, is_duplicate};

use super::{Fixture, open_fixture};
use crate::domain::case::{Case, Resolution};
use crate::domain::state::State;
use crate::events::tests::sample::settled;

redress_testkit::conformance! {
    open = open_fixture;
    a_resolved_case_reads_back_with_its_outcome,
    a_stale_version_changes_nothing,
    one_request_has_one_outcome,
    racing_resolutions_leave_one,
}

fn request(id: &str) -> RequestKey {
    RequestKey {
        tenant: TenantId::new("arena").unwrap(),
        method: "redress.cases.v1.CaseService/ResolveCase",
        request_id: id.to_owned(),
        fingerprint: [7; 32],
    }
}

fn record(request: &RequestKey, response: &str) -> IdempotencyRecord {
    IdempotencyRecord {
        tenant: request.tenant.clone(),
        method: request.method.to_owned(),
        request_id: request.request_id.clone(),
        fingerprint: request.fingerprint.to_vec(),
        response: response.as_bytes().to_vec(),
        created: Timestamp(9),
    }
}

fn resolve(case: Case, text: &str) -> Case {
    let resolution =
        Resolution { text: text.to_owned(), resolver: "agent-1".to_owned(), by_itself: false };
    case.resolve(resolution, Timestamp(9)).unwrap()
}

async fn open_case(fixture: &Fixture) -> Case {
    fixture.deliver(3, 0, vec![settled(|_| ())]).await;
    read(fixture).await
}

async fn read(fixture: &Fixture) -> Case {
    let (tenant, id) = (TenantId::new("arena").unwrap(), CaseId::new("00000001").unwrap());
    fixture.store.get(&tenant, &id).await.unwrap().unwrap()
}

async fn a_resolved_case_reads_back_with_its_outcome(fixture: Fixture) {
    let resolved = resolve(open_case(&fixture).await, "paid by transfer");
    let request = request("a");
    let record = record(&request, "answer");
    assert_eq!(fixture.store.outcome(&request).await.unwrap(), None);
    fixture.store.update(&resolved, &record).await.unwrap();
    assert_eq!(read(&fixture).await, resolved);
    assert_eq!(fixture.store.outcome(&request).await.unwrap(), Some(record));
}

async fn a_stale_version_changes_nothing(fixture: Fixture) {
    let case = open_case(&fixture).await;
    let first = resolve(case.clone(), "first");
    fixture.store.update(&first, &record(&request("a"), "first")).await.unwrap();
    let second = resolve(case, "second");
    let refused = fixture.store.update(&second, &record(&request("b"), "second")).await;
    assert!(matches!(refused, Err(StoreError::VersionMismatch)), "{refused:?}");
    assert_eq!(read(&fixture).await, first);
    assert_eq!(fixture.store.outcome(&request("b")).await.unwrap(), None);
}

async fn one_request_has_one_outcome(fixture: Fixture) {
    let resolved = resolve(open_case(&fixture).await, "first");
    let first = record(&request("a"), "first");
    fixture.store.update(&resolved, &first).await.unwrap();
    let refused = fixture.store.update(&resolved, &record(&request("a"), "second")).await;
    assert!(refused.as_ref().is_err_and(is_duplicate), "{refused:?}");
    assert_eq!(fixture.store.outcome(&request("a")).await.unwrap(), Some(first));
}

async fn racing_resolutions_leave_one(fixture: Fixture) {
    let case = open_case(&fixture).await;
    let (left, right) = (resolve(case.clone(), "left"), resolve(case, "right"));
    let (left_record, right_record) = (record(&request("a"), "l"), record(&request("b"), "r"));
    let (left, right) = tokio::join!(
        fixture.store.update(&left, &left_record),
        fixture.store.update(&right, &right_record),
    );
    assert!(left.is_ok() != right.is_ok(), "{left:?} {right:?}");
    assert_eq!(read(&fixture).await.state(), State::Resolved);
}
