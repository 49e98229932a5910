//! Invitations are decided from what the inbox delivers.

use std::time::Duration;

use redress_core::event::Event;
use redress_core::id::TenantId;
use redress_store::{Database, StoreError};

use super::{Fixture, open_fixture};
use crate::domain::invitation::{State, Suppression};
use crate::events::sample::item;

redress_testkit::conformance! {
    open = open_fixture;
    each_outcome_gets_its_verdict,
    a_fact_that_is_told_again_decides_nothing,
    a_customer_is_asked_once_for_many_orders,
    two_disruptions_in_one_batch_ask_once,
    two_disruptions_in_two_batches_ask_once_within_the_quiet_time,
    after_the_quiet_time_a_customer_is_asked_again,
    a_refund_that_arrives_later_is_asked_about,
    two_tenants_with_the_same_ids_are_decided_apart,
    an_unreadable_fact_is_parked_and_the_rest_goes_on,
    a_thousand_facts_are_one_decision,
    racing_partitions_ask_each_customer_once,
}

const DAY: Duration = Duration::from_hours(24);

/// Order `order` of customer `customer`, settled by disruption `disruption`.
fn settled(disruption: &str, order: &str, customer: &str, outcome: &str) -> Event {
    item(|fact| {
        fact.disruption = format!("disruptions/{disruption}");
        fact.order = format!("orders/{order}");
        fact.customer = format!("customers/{customer}");
        outcome.clone_into(&mut fact.outcome);
    })
}

fn paid(disruption: &str, order: &str, customer: &str) -> Event {
    settled(disruption, order, customer, "SUCCEEDED")
}

async fn states(fixture: &Fixture) -> Vec<State> {
    fixture.invitations("arena").await.iter().map(|invitation| invitation.state).collect()
}

async fn each_outcome_gets_its_verdict(fixture: Fixture) {
    let events = vec![
        paid("d1", "o1", "a"),
        settled("d1", "o2", "b", "ATTENTION"),
        settled("d1", "o3", "c", "NOTHING_DUE"),
    ];
    assert_eq!(fixture.deliver(3, 0, events).await, 3);
    assert_eq!(
        states(&fixture).await,
        [
            State::Invited,
            State::Suppressed(Suppression::RefundUnresolved),
            State::Suppressed(Suppression::NothingRefunded),
        ]
    );
}

async fn a_fact_that_is_told_again_decides_nothing(fixture: Fixture) {
    fixture.deliver(3, 0, vec![paid("d1", "o1", "a")]).await;
    fixture.deliver(3, 0, vec![paid("d1", "o1", "a")]).await;
    fixture.deliver(3, 1, vec![paid("d1", "o1", "a"), paid("d1", "o1", "a")]).await;
    let invitations = fixture.invitations("arena").await;
    assert_eq!(invitations.len(), 1);
    assert_eq!(invitations[0].version, 1);
}

async fn a_customer_is_asked_once_for_many_orders(fixture: Fixture) {
    fixture.deliver(3, 0, vec![paid("d1", "o1", "a"), paid("d1", "o2", "a")]).await;
    fixture.deliver(4, 0, vec![paid("d1", "o3", "a")]).await;
    assert_eq!(states(&fixture).await, [State::Invited]);
}

async fn two_disruptions_in_one_batch_ask_once(fixture: Fixture) {
    fixture.deliver(3, 0, vec![paid("d1", "o1", "a"), paid("d2", "o2", "a")]).await;
    let recently = State::Suppressed(Suppression::RecentlyAsked);
    assert_eq!(states(&fixture).await, [State::Invited, recently]);
}

async fn two_disruptions_in_two_batches_ask_once_within_the_quiet_time(fixture: Fixture) {
    fixture.deliver(3, 0, vec![paid("d1", "o1", "a")]).await;
    fixture.clock.advance(29 * DAY);
    fixture.deliver(4, 0, vec![paid("d2", "o2", "a")]).await;
    let recently = State::Suppressed(Suppression::RecentlyAsked);
    assert_eq!(states(&fixture).await, [State::Invited, recently]);
}

async fn after_the_quiet_time_a_customer_is_asked_again(fixture: Fixture) {
    fixture.deliver(3, 0, vec![paid("d1", "o1", "a")]).await;
    fixture.clock.advance(30 * DAY);
    fixture.deliver(3, 1, vec![paid("d2", "o2", "a")]).await;
    fixture.clock.advance(29 * DAY);
    fixture.deliver(3, 2, vec![paid("d3", "o3", "a")]).await;
    let recently = State::Suppressed(Suppression::RecentlyAsked);
    assert_eq!(states(&fixture).await, [State::Invited, State::Invited, recently]);
}

async fn a_refund_that_arrives_later_is_asked_about(fixture: Fixture) {
    fixture.deliver(3, 0, vec![settled("d1", "o1", "a", "NOTHING_DUE")]).await;
    fixture.deliver(4, 0, vec![settled("d1", "o2", "a", "ATTENTION")]).await;
    let unresolved = fixture.read(1).await.unwrap();
    assert_eq!(unresolved.state, State::Suppressed(Suppression::RefundUnresolved));
    fixture.deliver(5, 0, vec![paid("d1", "o3", "a")]).await;
    let invited = fixture.read(1).await.unwrap();
    assert_eq!((invited.state, invited.version), (State::Invited, 3));
    assert_eq!(invited.order.as_str(), "o3");
    fixture.deliver(5, 1, vec![paid("d2", "o4", "a")]).await;
    let later = fixture.read(2).await.unwrap();
    assert_eq!(later.state, State::Suppressed(Suppression::RecentlyAsked));
}

async fn two_tenants_with_the_same_ids_are_decided_apart(fixture: Fixture) {
    let mut other = paid("d1", "o1", "a");
    other.tenant = TenantId::new("other").unwrap();
    fixture.deliver(3, 0, vec![paid("d1", "o1", "a"), other]).await;
    for tenant in ["arena", "other"] {
        let invitations = fixture.invitations(tenant).await;
        assert_eq!(invitations.len(), 1);
        assert_eq!(invitations[0].state, State::Invited);
    }
}

async fn an_unreadable_fact_is_parked_and_the_rest_goes_on(fixture: Fixture) {
    let events = vec![settled("d1", "o1", "a", "LOST"), paid("d1", "o2", "b")];
    assert_eq!(fixture.deliver(3, 0, events).await, 2);
    let invitations = fixture.invitations("arena").await;
    assert_eq!(invitations.len(), 1);
    assert_eq!(invitations[0].customer.as_str(), "b");
    let parked = parked(&fixture).await.unwrap();
    assert_eq!(parked.len(), 1);
    assert_eq!(parked[0].0, 1);
    assert!(parked[0].1.starts_with("outcome: "), "{parked:?}");
}

/// Position and error of what is parked.
async fn parked(fixture: &Fixture) -> Result<Vec<(i64, String)>, StoreError> {
    const PARKED: &str = "SELECT position, error FROM parked_events ORDER BY position";
    Ok(match &fixture.database {
        Database::Sqlite(database) => sqlx::query_as(PARKED).fetch_all(&database.read).await?,
        Database::Postgres(database) => sqlx::query_as(PARKED).fetch_all(&database.pool).await?,
    })
}

async fn a_thousand_facts_are_one_decision(fixture: Fixture) {
    let events = (0..1000)
        .map(|n| paid(["d1", "d2"][n % 2], &format!("o{n}"), &format!("c{}", n / 2)))
        .collect();
    assert_eq!(fixture.deliver(3, 0, events).await, 1000);
    let states = states(&fixture).await;
    let invited = states.iter().filter(|state| **state == State::Invited).count();
    assert_eq!((states.len(), invited), (1000, 500));
}

async fn racing_partitions_ask_each_customer_once(fixture: Fixture) {
    let of = |disruption: &'static str| {
        move |n: usize| paid(disruption, &format!("o{n}"), &format!("c{n:02}"))
    };
    let forwards = (0..50).map(of("d1")).collect();
    let backwards = (0..50).rev().map(of("d2")).collect();
    let both = tokio::join!(fixture.deliver(3, 0, forwards), fixture.deliver(4, 0, backwards));
    assert_eq!(both, (50, 50));
    let states = states(&fixture).await;
    let invited = states.iter().filter(|state| **state == State::Invited).count();
    assert_eq!((states.len(), invited), (100, 50));
}
