//! Answers are recorded once, together with the outcome of their request, and rated.

use redress_api::request_id::RequestKey;
use redress_core::clock::Timestamp;
use redress_core::id::{EventId, ResponseId, TenantId};
use redress_store::StoreError;
use redress_store::idempotency::{IdempotencyRecord, is_duplicate};

use super::{Fixture, arena, open_fixture};
use crate::domain::invitation::{Answer, Invitation, State};
use crate::domain::rating::ScoreSums;
use crate::domain::response::Response;
use crate::events::sample::item;

redress_testkit::conformance! {
    open = open_fixture;
    an_answer_is_stored_with_the_invitation_and_the_outcome,
    a_stale_version_changes_nothing,
    one_request_has_one_outcome,
    racing_answers_leave_one,
    a_score_off_the_scale_is_refused_by_the_schema,
    scores_are_summed_by_event_and_tenant,
}

fn request(id: &str) -> RequestKey {
    RequestKey {
        tenant: arena(),
        method: "redress.feedback.v1.SurveyService/RecordResponse",
        request_id: id.to_owned(),
        fingerprint: [7; 32],
    }
}

fn record(id: &str, response: &str) -> IdempotencyRecord {
    let request = request(id);
    IdempotencyRecord {
        tenant: request.tenant,
        method: request.method.to_owned(),
        request_id: request.request_id,
        fingerprint: request.fingerprint.to_vec(),
        response: response.as_bytes().to_vec(),
        created: Timestamp(9),
    }
}

/// An invited customer's answer.
fn answer(invitation: Invitation, id: &str, score: i32) -> (Invitation, Response) {
    let answer = Answer { score, comment: "Danke!".to_owned() };
    invitation.answer(answer, ResponseId::new(id).unwrap(), Timestamp(9)).unwrap()
}

async fn invite(fixture: &Fixture) -> Invitation {
    fixture.deliver(3, 0, vec![item(|_| ())]).await;
    fixture.read(1).await.unwrap()
}

async fn sums(fixture: &Fixture, tenant: &str, event: &str) -> ScoreSums {
    let (tenant, event) = (TenantId::new(tenant).unwrap(), EventId::new(event).unwrap());
    fixture.store.score_sums(&tenant, &event).await.unwrap()
}

async fn an_answer_is_stored_with_the_invitation_and_the_outcome(fixture: Fixture) {
    let (answered, response) = answer(invite(&fixture).await, "r1", 4);
    let record = record("a", "answer");
    assert_eq!(fixture.store.outcome(&request("a")).await.unwrap(), None);
    fixture.store.record_response(&answered, &response, &record).await.unwrap();
    assert_eq!(fixture.read(1).await, Some(answered));
    assert_eq!(fixture.store.outcome(&request("a")).await.unwrap(), Some(record));
    let expected = ScoreSums { count: 1, sum: 4, sum_of_squares: 16 };
    assert_eq!(sums(&fixture, "arena", "derby").await, expected);
}

async fn a_stale_version_changes_nothing(fixture: Fixture) {
    let invitation = invite(&fixture).await;
    let (answered, response) = answer(invitation.clone(), "r1", 4);
    fixture.store.record_response(&answered, &response, &record("a", "1")).await.unwrap();
    let (again, response) = answer(invitation, "r2", 1);
    let refused = fixture.store.record_response(&again, &response, &record("b", "2")).await;
    assert!(matches!(refused, Err(StoreError::VersionMismatch)), "{refused:?}");
    assert_eq!(fixture.store.outcome(&request("b")).await.unwrap(), None);
    assert_eq!(sums(&fixture, "arena", "derby").await.sum, 4);
}

async fn one_request_has_one_outcome(fixture: Fixture) {
    let (answered, response) = answer(invite(&fixture).await, "r1", 4);
    let first = record("a", "first");
    fixture.store.record_response(&answered, &response, &first).await.unwrap();
    let refused = fixture.store.record_response(&answered, &response, &record("a", "second")).await;
    assert!(refused.as_ref().is_err_and(is_duplicate), "{refused:?}");
    assert_eq!(fixture.store.outcome(&request("a")).await.unwrap(), Some(first));
}

async fn racing_answers_leave_one(fixture: Fixture) {
    let invitation = invite(&fixture).await;
    let (left, right) = (answer(invitation.clone(), "l", 2), answer(invitation, "r", 5));
    let (left_record, right_record) = (record("a", "l"), record("b", "r"));
    let (left, right) = tokio::join!(
        fixture.store.record_response(&left.0, &left.1, &left_record),
        fixture.store.record_response(&right.0, &right.1, &right_record),
    );
    assert!(left.is_ok() != right.is_ok(), "{left:?} {right:?}");
    assert_eq!(sums(&fixture, "arena", "derby").await.count, 1);
    assert_eq!(fixture.read(1).await.map(|invitation| invitation.state), Some(State::Answered));
}

async fn a_score_off_the_scale_is_refused_by_the_schema(fixture: Fixture) {
    let (answered, response) = answer(invite(&fixture).await, "r1", 6);
    let refused = fixture.store.record_response(&answered, &response, &record("a", "6")).await;
    let named = |constraint: &str| constraint == "responses_score_check";
    assert!(
        matches!(&refused, Err(StoreError::CheckViolated { constraint }) if named(constraint)),
        "{refused:?}"
    );
    assert_eq!(fixture.read(1).await.map(|invitation| invitation.state), Some(State::Invited));
}

async fn scores_are_summed_by_event_and_tenant(fixture: Fixture) {
    let events = (1..=4)
        .map(|n| {
            item(|fact| {
                fact.customer = format!("customers/c{n}");
                if n == 4 {
                    fact.event = "events/gala".to_owned();
                }
            })
        })
        .collect();
    fixture.deliver(3, 0, events).await;
    for (nth, score) in [(1, 5), (2, 3), (3, 1), (4, 2)] {
        let (answered, response) =
            answer(fixture.read(nth).await.unwrap(), &format!("r{nth}"), score);
        let record = record(&format!("q{nth}"), "");
        fixture.store.record_response(&answered, &response, &record).await.unwrap();
    }
    let derby = ScoreSums { count: 3, sum: 9, sum_of_squares: 35 };
    assert_eq!(sums(&fixture, "arena", "derby").await, derby);
    assert_eq!(sums(&fixture, "arena", "gala").await.sum, 2);
    assert_eq!(sums(&fixture, "arena", "nowhere").await, ScoreSums::default());
    assert_eq!(sums(&fixture, "other", "derby").await, ScoreSums::default());
}
