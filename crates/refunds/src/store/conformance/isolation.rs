//! Another tenant's rows are never seen and never touched, by any method.

use std::time::Duration;

use redress_core::clock::Timestamp;
use redress_core::id::{DisruptionId, EventId, OrderId, TenantId};
use redress_policy::Policy;
use redress_store::StoreError;

use super::disruptions::{draft, plan};
use super::policies;
use super::{
    Fixture, arena, at, by_card, first_page, found, imported, open_fixture, order, other, paid,
    request,
};
use crate::domain::audit::AuditEntry;
use crate::domain::disruption::{Disruption, DisruptionEvent, DisruptionState, ItemState, Scope};
use crate::domain::order::Order;
use crate::domain::refund::{Refund, RefundState};
use crate::domain::settle::Finding;
use crate::store::{
    AppliedPolicy, DisruptionFilter, ImportOutcome, ItemFilter, ItemTerms, OrderFilter,
    RefundFilter, Take,
};

redress_testkit::conformance! {
    open = open_fixture;
    reads_see_only_their_tenants_rows,
    the_same_ids_of_another_tenant_are_other_things,
    a_refund_cannot_be_accepted_for_another_tenant,
    findings_reach_only_their_tenants_attempts,
    disruptions_move_only_for_their_tenant,
    items_are_paid_from_their_tenants_orders,
}

fn policy() -> AppliedPolicy {
    let policy = Policy { version: 1, ..policies::policy("standard", at(0), 0) };
    AppliedPolicy { policy, source: String::new() }
}

async fn reads_see_only_their_tenants_rows(fixture: Fixture) {
    fixture.import([order("A1")]).await;
    let store = &fixture.store;
    store.apply_policy(&arena(), policy(), &policies::audit, at(0)).await.unwrap();
    let quote = fixture.offer("A1", by_card(100)).await;
    let refund = fixture.refund("A1", by_card(1000)).await;
    fixture.start("d1", "derby", &[plan(&order("A1"))]).await;
    let (tenant, page) = (other(), first_page());
    let ids = [OrderId::new("A1").unwrap()];
    let scope = Scope::of_event(EventId::new("derby").unwrap());
    let disruption = DisruptionId::new("d1").unwrap();
    assert_eq!(store.orders(&tenant, &ids).await.unwrap(), []);
    assert_eq!(store.contacts(&tenant, &ids).await.unwrap(), []);
    assert_eq!(store.orders_in_scope(&tenant, &scope, None, None, 9).await.unwrap(), []);
    assert_eq!(store.policy(&tenant, &policy().policy.id).await.unwrap(), None);
    assert_eq!(store.policy_in_force(&tenant, &policy().policy.id, at(9)).await.unwrap(), None);
    assert_eq!(store.quotes(&[(tenant.clone(), quote.id.clone())]).await.unwrap(), [None]);
    assert_eq!(store.refund(&tenant, &refund.id).await.unwrap(), None);
    assert_eq!(store.disruption(&tenant, &disruption).await.unwrap(), None);
    assert!(
        store.item_totals(&tenant, std::slice::from_ref(&disruption)).await.unwrap().is_empty()
    );
    assert_eq!(store.ledger_sums(&tenant).await.unwrap(), []);
    let replayed = store.replay(&tenant, request("").method, refund.id.as_str()).await.unwrap();
    assert!(replayed.is_none());
    let orders = store.list_orders(&tenant, &OrderFilter::default(), &page).await.unwrap();
    assert_eq!((orders.rows, orders.total), (vec![], Some(0)));
    let refunds = store.list_refunds(&tenant, &RefundFilter::default(), &page).await.unwrap();
    assert_eq!((refunds.rows, refunds.total), (vec![], Some(0)));
    let policies = store.list_policies(&tenant, &page).await.unwrap();
    assert_eq!((policies.rows, policies.total), (vec![], Some(0)));
    let filter = DisruptionFilter::default();
    let disruptions = store.list_disruptions(&tenant, &filter, &page).await.unwrap();
    assert_eq!((disruptions.rows, disruptions.total), (vec![], Some(0)));
    let items =
        store.list_items(&tenant, &disruption, &ItemFilter::default(), &page).await.unwrap();
    assert_eq!((items.rows, items.total), (vec![], Some(0)));
}

async fn the_same_ids_of_another_tenant_are_other_things(fixture: Fixture) {
    let store = &fixture.store;
    fixture.import([order("A1")]).await;
    fixture.refund("A1", by_card(1000)).await;
    let mut theirs = order("A1");
    theirs.total = 100;
    theirs.lines.truncate(1);
    theirs.lines[0].gross = 100;
    theirs.lines[0].event = EventId::new("gala").unwrap();
    theirs.payments[0].captured = 100;
    let chunk = [imported(theirs.clone())];
    assert_eq!(
        store.import_orders(&other(), &chunk, None, &*fixture.ids, at(0)).await.unwrap(),
        [ImportOutcome::Created]
    );
    let ids = [OrderId::new("A1").unwrap()];
    assert_eq!(store.orders(&other(), &ids).await.unwrap(), std::slice::from_ref(&theirs));
    let scope = Scope::of_event(EventId::new("gala").unwrap());
    assert_eq!(store.orders_in_scope(&arena(), &scope, None, None, 9).await.unwrap(), []);
    let update = Order { source_version: 2, lines: vec![], total: 0, payments: vec![], ..theirs };
    store.import_orders(&other(), &[imported(update)], None, &*fixture.ids, at(0)).await.unwrap();
    let ours = fixture.order("A1").await;
    assert_eq!((ours.source_version, ours.lines.len()), (1, 3));
    assert_eq!(ours.payments[0].captured, 5390);
    fixture.assert_books().await;
    let mut dear = policy();
    dear.policy.pay_within_days = 30;
    let of_other = |policy: &Policy| AuditEntry { tenant: other(), ..policies::audit(policy) };
    assert_eq!(
        store
            .apply_policy(&arena(), policy(), &policies::audit, at(0))
            .await
            .unwrap()
            .policy
            .version,
        1
    );
    assert_eq!(
        store.apply_policy(&other(), dear, &of_other, at(0)).await.unwrap().policy.version,
        1
    );
    let read = store.policy(&arena(), &policy().policy.id).await.unwrap().unwrap();
    assert_eq!(read.policy.pay_within_days, 14);
    // One request id, two tenants, two requests.
    let quote = fixture.offer("A1", by_card(1)).await;
    store.create_quote(&arena(), &quote_of(&quote, "q1"), &request("a"), at(0)).await.unwrap();
    store.create_quote(&other(), &quote_of(&quote, "q1"), &request("a"), at(0)).await.unwrap();
}

fn quote_of(quote: &crate::domain::quote::Quote, id: &str) -> crate::domain::quote::Quote {
    crate::domain::quote::Quote { id: id.to_owned().try_into().unwrap(), ..quote.clone() }
}

async fn a_refund_cannot_be_accepted_for_another_tenant(fixture: Fixture) {
    fixture.import([order("A1")]).await;
    let theirs = [imported(order("A1"))];
    fixture.store.import_orders(&other(), &theirs, None, &*fixture.ids, at(0)).await.unwrap();
    let quote = fixture.offer("A1", by_card(1000)).await;
    let mut theirs = Refund { tenant: other(), ..fixture.acceptance(&quote) };
    theirs.attempts.iter_mut().for_each(|attempt| attempt.tenant = other());
    let outcome = fixture.create(&theirs, &quote, "a").await;
    assert!(matches!(outcome, Err(StoreError::ReferenceViolated)), "{outcome:?}");
    assert_eq!(fixture.quote(&quote.id).await.unwrap().accepted, None);
    assert_eq!(fixture.payment("A1", "p1").await.counters.reserved, 0);
}

async fn findings_reach_only_their_tenants_attempts(fixture: Fixture) {
    fixture.import([order("A1")]).await;
    let refund = fixture.refund("A1", by_card(1000)).await;
    let attempt = fixture.send("w1", 9, at(0)).await.pop().unwrap();
    let mut finding = paid(&attempt);
    finding.tenant = other();
    assert_eq!(fixture.settle(&[finding], at(1)).await, 0);
    assert_eq!(fixture.read(&refund.id).await.state, RefundState::Processing);
    let accepted = Finding::Accepted { provider_refund: "re_1".to_owned(), check: at(9) };
    assert_eq!(fixture.settle(&[found(&attempt, accepted)], at(1)).await, 1);
}

async fn disruptions_move_only_for_their_tenant(fixture: Fixture) {
    fixture.import([order("A1")]).await;
    let ours = draft("d1", "derby");
    fixture.open(&ours).await.unwrap();
    fixture.store.freeze_items(&ours, &[plan(&order("A1"))]).await.unwrap();
    let theirs = Disruption { tenant: other(), ..ours.clone() };
    let mismatch = |outcome: Result<(), StoreError>| {
        assert!(matches!(outcome, Err(StoreError::VersionMismatch)), "{outcome:?}");
    };
    mismatch(fixture.store.freeze_items(&theirs, &[plan(&order("A1"))]).await);
    mismatch(fixture.store.discard_items(&theirs).await);
    mismatch(fixture.advance(&theirs, DisruptionEvent::Approve, None).await.map(drop));
    assert_eq!(fixture.disruption("d1").await, ours);
    assert_eq!(fixture.totals("d1").await, [(ItemState::Pending, 1, 5390, 0)]);
}

/// Two tenants cancel an event of the same name, with orders of the same names.
async fn items_are_paid_from_their_tenants_orders(fixture: Fixture) {
    fixture.import([order("A1")]).await;
    let theirs = [imported(order("A1"))];
    fixture.store.import_orders(&other(), &theirs, None, &*fixture.ids, at(0)).await.unwrap();
    fixture.start("d1", "derby", &[plan(&order("A1"))]).await;
    let theirs = Disruption { tenant: other(), ..draft("d1", "derby") };
    fixture.open(&theirs).await.unwrap();
    fixture.store.freeze_items(&theirs, &[plan(&order("A1"))]).await.unwrap();
    let terms = ItemTerms { pay_within: Duration::from_secs(9), arrival: None };
    for work in fixture.store.work().await.unwrap() {
        let (store, ids) = (&fixture.store, &*fixture.ids);
        let next = Take::Next(9);
        assert_eq!(store.start_items(&work, &next, 9, &terms, ids, at(1)).await.unwrap(), 1);
    }
    let reserved = async |tenant: TenantId| {
        let ids = [OrderId::new("A1").unwrap()];
        let order = fixture.store.orders(&tenant, &ids).await.unwrap().remove(0);
        order.payments[0].counters.reserved
    };
    assert_eq!((reserved(arena()).await, reserved(other()).await), (5390, 0));
    let attempts = fixture.send("w1", 9, at(1)).await;
    assert_eq!(attempts.len(), 1);
    fixture.settle(&attempts.iter().map(paid).collect::<Vec<_>>(), at(2)).await;
    assert_eq!(fixture.store.complete_disruptions(&*fixture.ids, at(3)).await.unwrap(), 1);
    let stored = fixture.store.disruption(&other(), &theirs.id).await.unwrap().unwrap();
    assert_eq!((stored.state, stored.updated), (DisruptionState::Draft, Timestamp(at(0).0)));
}
