//! Cases open from what the inbox delivers.

use redress_core::clock::Timestamp;
use redress_core::event::Event;
use redress_core::id::{PaymentId, TenantId};
use redress_store::StoreError;
use redress_store::idempotency::IdempotencyRecord;

use super::{Fixture, open_fixture};
use crate::domain::case::Resolution;
use crate::domain::state::State;
use crate::events::tests::sample::{
    ambiguous, changed, deadline_missed, euros, over_refunded, overdrawn, settled,
};

redress_testkit::conformance! {
    open = open_fixture;
    a_call_for_a_person_opens_one_case,
    what_needs_nobody_moves_only_the_cursor,
    a_case_closes_by_itself_and_opens_again,
    a_whole_life_in_one_batch_leaves_its_end,
    what_a_person_resolved_stays,
    a_missed_deadline_opens_one_case_that_closes_when_it_is_paid,
    a_missed_deadline_adds_nothing_to_an_open_case_and_opens_a_closed_one,
    provider_refunds_get_a_case_each,
    a_fact_that_is_told_again_opens_nothing,
    two_facts_about_one_refund_meet_in_one_case,
    orders_without_a_refund_get_a_case_each,
    overdrawn_payments_get_a_case_each,
    over_refunded_lines_get_a_case_each,
    two_tenants_with_the_same_ids_get_a_case_each,
    an_unreadable_fact_is_parked_and_the_rest_goes_on,
    a_thousand_facts_open_a_thousand_cases,
    racing_partitions_open_one_case_for_each_origin,
}

async fn a_call_for_a_person_opens_one_case(fixture: Fixture) {
    assert_eq!(fixture.deliver(3, 0, vec![settled(|_| ())]).await, 1);
    let cases = fixture.cases("arena").await;
    assert_eq!(cases.len(), 1);
    assert_eq!((cases[0].state(), cases[0].outstanding.minor_units), (State::Open, 600));
}

async fn what_needs_nobody_moves_only_the_cursor(fixture: Fixture) {
    let paid = settled(|fact| fact.outcome = "SUCCEEDED".to_owned());
    let queued = changed(|fact| fact.state = "QUEUED".to_owned());
    assert_eq!(fixture.deliver(3, 0, vec![paid, queued]).await, 2);
    assert_eq!(fixture.cases("arena").await, []);
}

/// The refund `r1` in `state`.
fn refund_in(state: &str) -> Event {
    changed(|fact| fact.state = state.to_owned())
}

async fn a_case_closes_by_itself_and_opens_again(fixture: Fixture) {
    let endings = ["SUCCEEDED", "FAILED", "CANCELLED", "REJECTED", "PROCESSING"];
    for (n, state) in (0..).zip(endings) {
        fixture.deliver(3, 2 * n, vec![refund_in("ATTENTION")]).await;
        let open = fixture.cases("arena").await.remove(0);
        assert_eq!((open.state(), open.version), (State::Open, 2 * n + 1), "{state}");
        fixture.deliver(3, 2 * n + 1, vec![refund_in(state)]).await;
        let closed = fixture.cases("arena").await.remove(0);
        assert_eq!((closed.state(), closed.version), (State::Settled, 2 * n + 2), "{state}");
        assert_eq!(closed.resolution.unwrap().resolver, "redress");
    }
    let other_reason = changed(|fact| {
        fact.reason_code = "PROVIDER_REFUSED".to_owned();
        fact.issued = Some(euros(250));
    });
    fixture.deliver(3, 10, vec![other_reason]).await;
    let cases = fixture.cases("arena").await;
    assert_eq!(cases.len(), 1, "always the same case");
    assert_eq!(
        (&*cases[0].reason_code, cases[0].outstanding.minor_units),
        ("PROVIDER_REFUSED", 750)
    );
    let paid = settled(|fact| fact.outcome = "SUCCEEDED".to_owned());
    fixture.deliver(3, 11, vec![paid]).await;
    assert_eq!(fixture.cases("arena").await[0].state(), State::Settled, "told by its item");
}

async fn a_whole_life_in_one_batch_leaves_its_end(fixture: Fixture) {
    let life = ["ATTENTION", "PROCESSING", "ATTENTION", "SUCCEEDED"].map(refund_in);
    let mut other = refund_in("ATTENTION");
    other.tenant = TenantId::new("other").unwrap();
    fixture.deliver(3, 0, life.into_iter().chain([other]).collect()).await;
    let case = fixture.cases("arena").await.remove(0);
    assert_eq!((case.state(), case.version), (State::Settled, 4));
    assert_eq!(fixture.cases("other").await[0].state(), State::Open, "its own refund r1");
}

async fn what_a_person_resolved_stays(fixture: Fixture) {
    fixture.deliver(3, 0, vec![refund_in("ATTENTION")]).await;
    let resolution =
        Resolution { text: "paid".to_owned(), resolver: "redress".to_owned(), by_itself: false };
    let case = fixture.cases("arena").await.remove(0);
    let resolved = case.resolve(resolution, Timestamp(9)).unwrap();
    let record = IdempotencyRecord {
        tenant: resolved.tenant.clone(),
        method: "redress.cases.v1.CaseService/ResolveCase".to_owned(),
        request_id: "a".to_owned(),
        fingerprint: vec![7; 32],
        response: Vec::new(),
        created: Timestamp(9),
    };
    fixture.store.update(&resolved, &record).await.unwrap();
    fixture.deliver(3, 1, vec![refund_in("SUCCEEDED"), refund_in("ATTENTION")]).await;
    assert_eq!(fixture.cases("arena").await, [resolved]);
}

async fn a_missed_deadline_opens_one_case_that_closes_when_it_is_paid(fixture: Fixture) {
    let told = vec![deadline_missed(|_| ()), deadline_missed(|_| ())];
    fixture.deliver(3, 0, told).await;
    fixture.deliver(4, 0, vec![deadline_missed(|_| ())]).await;
    let cases = fixture.cases("arena").await;
    assert_eq!(cases.len(), 1);
    assert_eq!((cases[0].state(), &*cases[0].reason_code), (State::Open, "LEGAL_DEADLINE_MISSED"));
    assert_eq!((cases[0].outstanding.minor_units, cases[0].version), (600, 1));
    fixture.deliver(3, 2, vec![refund_in("SUCCEEDED")]).await;
    assert_eq!(fixture.cases("arena").await[0].state(), State::Settled);
}

async fn a_missed_deadline_adds_nothing_to_an_open_case_and_opens_a_closed_one(fixture: Fixture) {
    fixture.deliver(3, 0, vec![refund_in("ATTENTION")]).await;
    let open = fixture.cases("arena").await;
    fixture.deliver(3, 1, vec![deadline_missed(|_| ())]).await;
    assert_eq!(fixture.cases("arena").await, open, "a person has it already");
    fixture.deliver(3, 2, vec![refund_in("PROCESSING"), deadline_missed(|_| ())]).await;
    let again = fixture.cases("arena").await;
    assert_eq!(again.len(), 1);
    assert_eq!((again[0].state(), &*again[0].reason_code), (State::Open, "LEGAL_DEADLINE_MISSED"));
}

async fn provider_refunds_get_a_case_each(fixture: Fixture) {
    let of = |order: &str, id: &str| {
        ambiguous(|fact| {
            fact.order = format!("orders/{order}");
            fact.provider_refund = id.to_owned();
        })
    };
    let events = vec![of("o1", "re_1"), of("o1", "re_2"), of("o2", "re_1")];
    assert_eq!(fixture.deliver(3, 0, events).await, 3);
    let cases = fixture.cases("arena").await;
    assert_eq!(cases.len(), 2, "one for each refund at the provider, whatever order it is told of");
    let at_provider = cases[0].origin.parts().provider_refund.unwrap();
    assert_eq!((&*at_provider.0, &*at_provider.1), ("stripe", "re_1"));
    assert_eq!((cases[0].order.as_str(), cases[0].outstanding.minor_units), ("o1", 1610));
}

async fn a_fact_that_is_told_again_opens_nothing(fixture: Fixture) {
    fixture.deliver(3, 0, vec![settled(|_| ()), settled(|_| ())]).await;
    fixture.deliver(3, 0, vec![settled(|_| ())]).await;
    fixture.deliver(3, 2, vec![settled(|_| ())]).await;
    fixture.deliver(4, 0, vec![settled(|fact| fact.issued = None), settled(|_| ())]).await;
    let cases = fixture.cases("arena").await;
    assert_eq!(cases.len(), 1);
    assert_eq!(cases[0].id.as_str(), "00000001", "the first telling opened it");
}

async fn two_facts_about_one_refund_meet_in_one_case(fixture: Fixture) {
    fixture.deliver(3, 0, vec![changed(|_| ())]).await;
    fixture.deliver(4, 0, vec![settled(|_| ())]).await;
    assert_eq!(fixture.cases("arena").await.len(), 1);
}

async fn orders_without_a_refund_get_a_case_each(fixture: Fixture) {
    let order = |name: &str| {
        settled(|fact| {
            fact.refund.clear();
            fact.order = format!("orders/{name}");
        })
    };
    fixture.deliver(3, 0, vec![order("o1"), order("o2"), order("o1")]).await;
    assert_eq!(fixture.cases("arena").await.len(), 2);
}

async fn overdrawn_payments_get_a_case_each(fixture: Fixture) {
    let of = |order: &str, payment: &str| {
        overdrawn(|fact| {
            fact.order = format!("orders/{order}");
            fact.payment_id = payment.to_owned();
        })
    };
    let again = overdrawn(|fact| fact.excess = Some(euros(5)));
    let events = vec![of("o1", "p1"), of("o1", "p2"), of("o2", "p1"), again, settled(|_| ())];
    assert_eq!(fixture.deliver(3, 0, events).await, 5);
    let cases = fixture.cases("arena").await;
    assert_eq!(cases.len(), 4, "three payments and a refund");
    let first = &cases[0];
    let parts = first.origin.parts();
    assert_eq!(parts.payment.as_ref().map(PaymentId::as_str), Some("p1"));
    assert_eq!(parts.refund, None);
    assert_eq!((first.order.as_str(), first.outstanding.minor_units), ("o1", -1610));
    assert_eq!(first.reason_code, "PAYMENT_OVERDRAWN");
}

async fn over_refunded_lines_get_a_case_each(fixture: Fixture) {
    let of = |order: &str, line: &str| {
        over_refunded(|fact| {
            fact.order = format!("orders/{order}");
            fact.line_id = line.to_owned();
        })
    };
    let again = over_refunded(|fact| fact.excess = Some(euros(5)));
    let payment = overdrawn(|fact| fact.payment_id = "t1".to_owned());
    let events = vec![of("o1", "t1"), of("o1", "t2"), of("o2", "t1"), again, payment];
    assert_eq!(fixture.deliver(3, 0, events).await, 5);
    let cases = fixture.cases("arena").await;
    assert_eq!(cases.len(), 4, "three lines and a payment of the same id");
    let first = &cases[0];
    let parts = first.origin.parts();
    assert_eq!((parts.line.as_deref(), parts.payment), (Some("t1"), None));
    assert_eq!((first.order.as_str(), first.outstanding.minor_units), ("o1", -1610));
    assert_eq!(first.reason_code, "LINE_OVER_REFUNDED");
}

async fn two_tenants_with_the_same_ids_get_a_case_each(fixture: Fixture) {
    let mut other = settled(|_| ());
    other.tenant = TenantId::new("other").unwrap();
    fixture.deliver(3, 0, vec![settled(|_| ()), other]).await;
    assert_eq!(fixture.cases("arena").await.len(), 1);
    assert_eq!(fixture.cases("other").await.len(), 1);
}

async fn an_unreadable_fact_is_parked_and_the_rest_goes_on(fixture: Fixture) {
    let events = vec![
        settled(|fact| fact.requested = None),
        settled(|fact| {
            fact.refund = "refunds/r2".to_owned();
            fact.order = "orders/o2".to_owned();
        }),
    ];
    assert_eq!(fixture.deliver(3, 0, events).await, 2);
    let cases = fixture.cases("arena").await;
    assert_eq!(cases.len(), 1);
    assert_eq!(cases[0].order.as_str(), "o2");
    let parked = parked(&fixture).await.unwrap();
    assert_eq!(parked, [(1, "requested: value is required".to_owned())]);
}

/// Position and error of what is parked.
async fn parked(fixture: &Fixture) -> Result<Vec<(i64, String)>, StoreError> {
    const PARKED: &str = "SELECT position, error FROM parked_events ORDER BY position";
    Ok(match &fixture.database {
        redress_store::Database::Sqlite(database) => {
            sqlx::query_as(PARKED).fetch_all(&database.read).await?
        }
        redress_store::Database::Postgres(database) => {
            sqlx::query_as(PARKED).fetch_all(&database.pool).await?
        }
    })
}

async fn a_thousand_facts_open_a_thousand_cases(fixture: Fixture) {
    let events = (0..1000).map(|n| settled(|fact| fact.refund = format!("refunds/r{n}"))).collect();
    assert_eq!(fixture.deliver(3, 0, events).await, 1000);
    assert_eq!(fixture.cases("arena").await.len(), 1000);
}

async fn racing_partitions_open_one_case_for_each_origin(fixture: Fixture) {
    let refund = |n: usize| settled(move |fact| fact.refund = format!("refunds/r{n}"));
    let forwards = (0..50).map(refund).collect();
    let backwards = (0..50).rev().map(refund).collect();
    let both = tokio::join!(fixture.deliver(3, 0, forwards), fixture.deliver(4, 0, backwards));
    assert_eq!(both, (50, 50));
    assert_eq!(fixture.cases("arena").await.len(), 50);
}
