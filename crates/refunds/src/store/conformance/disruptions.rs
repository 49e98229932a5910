//! A cancelled event is opened once, frozen, approved as counted, started and completed.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use redress_core::caller::Role;
use redress_core::id::{AuditRecordId, DisruptionId, EventId, OrderId, TenantId};
use redress_core::money::Money;
use redress_store::{StoreError, idempotency};

use super::{
    Fixture, STRIPE, announced, arena, at, first_page, open_fixture, order, other, request,
};
use crate::domain::audit::{AuditAction, AuditEntry};
use crate::domain::disruption::{
    Change, Disruption, DisruptionEvent, DisruptionState, Due, ItemPlan, ItemState, NothingDue,
    Scope, Terms, plan_item,
};
use crate::domain::fact::Fact;
use crate::domain::order::Order;
use crate::domain::price::tests::Routes;
use crate::store::{Advanced, DisruptionFilter, ItemFilter, Page, Selection, Step};

redress_testkit::conformance! {
    open = open_fixture;
    a_disruption_reads_back_and_is_announced,
    an_event_has_one_disruption,
    a_repeated_request_opens_nothing,
    freezing_again_replaces_what_was_frozen,
    what_an_interrupted_approval_left_is_discarded,
    what_is_frozen_after_the_approval_is_held,
    an_approval_must_name_the_number_of_items,
    a_stale_version_moves_nothing,
    an_event_that_is_not_allowed_moves_nothing,
    of_racing_approvals_one_wins,
    a_disruption_without_items_completes_at_once,
    disruptions_are_listed_by_id_in_pages,
    each_filter_narrows_the_disruptions,
    items_are_listed_by_order_in_pages,
}

/// A draft about an event.
pub(super) fn draft(id: &str, event: &str) -> Disruption {
    Disruption {
        tenant: arena(),
        id: DisruptionId::new(id).unwrap(),
        scope: Scope::of_event(EventId::new(event).unwrap()),
        change: Change::Cancelled,
        terms: Terms::default(),
        state: DisruptionState::Draft,
        scope_orders: 7,
        requester: "platform".to_owned(),
        approver: None,
        traceparent: Some("00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01".to_owned()),
        version: 1,
        created: at(0),
        updated: at(0),
    }
}

/// The disruption after an event.
pub(super) fn moved(disruption: &Disruption, event: DisruptionEvent) -> Disruption {
    Disruption {
        state: disruption.state.next(event).unwrap(),
        version: disruption.version + 1,
        updated: at(disruption.version),
        ..disruption.clone()
    }
}

/// What the disruption of the derby does about an order; gift cards are not connected.
pub(super) fn plan(order: &Order) -> ItemPlan {
    let routes = Routes(HashMap::from([(STRIPE, 1), ("adyen", 1)]));
    let derby = draft("d1", "derby");
    plan_item(order, derby.rules(), &routes, at(0)).unwrap()
}

/// What the audit log says of a step.
pub(super) fn step_audit(disruption: &Disruption, id: &str) -> AuditEntry {
    AuditEntry {
        tenant: disruption.tenant.clone(),
        id: AuditRecordId::new(id).unwrap(),
        actor: "supervisor".to_owned(),
        roles: vec![Role::Supervisor],
        action: AuditAction::DISRUPTION_STARTED,
        resource: disruption.id.resource_name(),
        reason: "rain".to_owned(),
        details: BTreeMap::new(),
        at: disruption.updated,
    }
}

impl Fixture {
    pub(super) async fn open(&self, disruption: &Disruption) -> Result<(), StoreError> {
        let request = request(&format!("open-{}", disruption.id));
        let audit = step_audit(disruption, &self.ids.next_id());
        self.store.create_disruption(disruption, &audit, &request, &*self.ids).await
    }

    /// Moves a disruption that was read as `before`, of a retry only the items of `orders`.
    pub(super) async fn step(
        &self,
        before: &Disruption,
        event: DisruptionEvent,
        expected_items: Option<i64>,
        orders: &[&str],
    ) -> Result<Advanced, StoreError> {
        let after = moved(before, event);
        let request = request(&self.ids.next_id());
        let audit = step_audit(&after, &self.ids.next_id());
        let orders: Vec<OrderId> = orders.iter().map(|id| OrderId::new(*id).unwrap()).collect();
        let record = |_| request.clone();
        let agreed = match expected_items {
            Some(orders) => Some(Selection { orders, sums: self.sums(before).await }),
            None => None,
        };
        let agreed = agreed.as_ref();
        let step = Step { event, agreed, orders: &orders, audit: &audit, record: &record };
        super::patiently(|| self.store.advance_disruption(&after, &step, &*self.ids)).await
    }

    /// Moves a disruption that was read as `before`, and expects no guard to stop that.
    pub(super) async fn advance(
        &self,
        before: &Disruption,
        event: DisruptionEvent,
        expected: Option<i64>,
    ) -> Result<Disruption, StoreError> {
        let advanced = self.step(before, event, expected, &[]).await?;
        assert!(matches!(advanced, Advanced::Done(_)), "{advanced:?}");
        Ok(moved(before, event))
    }

    /// The sums of what is frozen of a draft, or else of what is held.
    async fn sums(&self, disruption: &Disruption) -> Vec<Money> {
        let (tenant, id) = (&disruption.tenant, &disruption.id);
        let totals = if disruption.state == DisruptionState::Draft {
            self.store.item_totals(tenant, std::slice::from_ref(id)).await.unwrap()
        } else {
            self.store.held_totals(tenant, id).await.unwrap()
        };
        let sum: i64 = totals.iter().map(|total| total.requested).sum();
        let currency = super::euro();
        if totals.is_empty() { Vec::new() } else { vec![Money { currency, minor_units: sum }] }
    }

    /// Opens a disruption, freezes the plans and starts it.
    pub(super) async fn start(&self, id: &str, event: &str, plans: &[ItemPlan]) -> Disruption {
        self.start_draft(&draft(id, event), plans).await
    }

    /// Opens this disruption, freezes the plans and starts it.
    pub(super) async fn start_draft(&self, draft: &Disruption, plans: &[ItemPlan]) -> Disruption {
        self.open(draft).await.unwrap();
        self.store.freeze_items(draft, plans).await.unwrap();
        let count = i64::try_from(plans.len()).unwrap();
        let approved = self.advance(draft, DisruptionEvent::Approve, Some(count)).await.unwrap();
        self.advance(&approved, DisruptionEvent::Start, None).await.unwrap()
    }

    pub(super) async fn disruption(&self, id: &str) -> Disruption {
        let id = DisruptionId::new(id).unwrap();
        self.store.disruption(&arena(), &id).await.unwrap().unwrap()
    }

    /// Items of a disruption: state, count, requested and issued.
    pub(super) async fn totals(&self, id: &str) -> Vec<(ItemState, i64, i64, i64)> {
        let id = DisruptionId::new(id).unwrap();
        let totals = self.store.item_totals(&arena(), &[id]).await.unwrap();
        totals.iter().map(|t| (t.state, t.count, t.requested, t.issued)).collect()
    }
}

async fn a_disruption_reads_back_and_is_announced(fixture: Fixture) {
    let draft = draft("d1", "derby");
    fixture.open(&draft).await.unwrap();
    assert_eq!(fixture.disruption("d1").await, draft);
    let approved = fixture.advance(&draft, DisruptionEvent::Approve, Some(0)).await.unwrap();
    assert_eq!(fixture.disruption("d1").await, approved);
    let facts = [&draft, &approved].map(Fact::disruption_state);
    assert_eq!(fixture.events("disruptions/d1").await, announced(&facts));
    let missing = DisruptionId::new("d9").unwrap();
    assert_eq!(fixture.store.disruption(&arena(), &missing).await.unwrap(), None);
}

async fn an_event_has_one_disruption(fixture: Fixture) {
    fixture.open(&draft("d1", "derby")).await.unwrap();
    let second = fixture.open(&draft("d2", "derby")).await;
    let Err(StoreError::AlreadyExists { constraint }) = second else { panic!("{second:?}") };
    assert_eq!(constraint, "disruptions_tenant_scope_digest_key");
    // The refused request was not answered, and announced nothing.
    let method = request("").method;
    assert!(fixture.store.replay(&arena(), method, "open-d2").await.unwrap().is_none());
    assert_eq!(fixture.events("disruptions/d2").await, []);
    fixture.open(&draft("d3", "gala")).await.unwrap();
    let elsewhere = Disruption { tenant: other(), ..draft("d1", "derby") };
    fixture.open(&elsewhere).await.unwrap();
}

async fn a_repeated_request_opens_nothing(fixture: Fixture) {
    fixture.open(&draft("d1", "derby")).await.unwrap();
    let again = draft("d2", "gala");
    let audit = step_audit(&again, "au1");
    let repeated =
        fixture.store.create_disruption(&again, &audit, &request("open-d1"), &*fixture.ids).await;
    assert!(repeated.is_err_and(|error| idempotency::is_duplicate(&error)));
    assert_eq!(fixture.store.disruption(&arena(), &again.id).await.unwrap(), None);
}

async fn freezing_again_replaces_what_was_frozen(fixture: Fixture) {
    fixture.import(["A1", "A2"].map(order)).await;
    let draft = draft("d1", "derby");
    fixture.open(&draft).await.unwrap();
    for _ in 0..2 {
        fixture.store.freeze_items(&draft, &[plan(&order("A1"))]).await.unwrap();
        assert_eq!(fixture.totals("d1").await, [(ItemState::Pending, 1, 5390, 0)]);
    }
    let mut half_paid = order("A1");
    half_paid.payments[0].refunded_elsewhere = 5000;
    let plans = [plan(&half_paid), plan(&order("A2"))];
    fixture.store.freeze_items(&draft, &plans).await.unwrap();
    assert_eq!(fixture.totals("d1").await, [(ItemState::Pending, 2, 390 + 5390, 0)]);
    assert_eq!(fixture.disruption("d1").await, draft, "freezing is not a change of state");
    fixture.store.freeze_items(&draft, &[]).await.unwrap();
    assert_eq!(fixture.totals("d1").await.len(), 1);
    fixture.assert_books().await;
}

/// An order was frozen, the approval was interrupted, and the order left the event.
async fn what_an_interrupted_approval_left_is_discarded(fixture: Fixture) {
    fixture.import(["A1", "A2"].map(order)).await;
    let draft = draft("d1", "derby");
    fixture.open(&draft).await.unwrap();
    fixture.store.freeze_items(&draft, &["A1", "A2"].map(|id| plan(&order(id)))).await.unwrap();
    fixture.store.discard_items(&draft).await.unwrap();
    assert_eq!(fixture.totals("d1").await, []);
    fixture.store.freeze_items(&draft, &[plan(&order("A2"))]).await.unwrap();
    let approved = fixture.advance(&draft, DisruptionEvent::Approve, Some(1)).await.unwrap();
    let discarded = fixture.store.discard_items(&draft).await;
    assert!(matches!(discarded, Err(StoreError::VersionMismatch)), "{discarded:?}");
    fixture.store.discard_items(&approved).await.unwrap();
    assert_eq!(fixture.totals("d1").await, [(ItemState::Pending, 1, 5390, 0)]);
    fixture.assert_books().await;
}

async fn what_is_frozen_after_the_approval_is_held(fixture: Fixture) {
    fixture.import(["A1"].map(order)).await;
    let plans = [plan(&order("A1"))];
    let draft = draft("d1", "derby");
    let unknown = fixture.store.freeze_items(&draft, &plans).await;
    assert!(matches!(unknown, Err(StoreError::VersionMismatch)), "{unknown:?}");
    fixture.open(&draft).await.unwrap();
    let approved = fixture.advance(&draft, DisruptionEvent::Approve, Some(0)).await.unwrap();
    let frozen = fixture.store.freeze_items(&draft, &plans).await;
    assert!(matches!(frozen, Err(StoreError::VersionMismatch)), "{frozen:?}");
    fixture.store.freeze_items(&approved, &plans).await.unwrap();
    assert_eq!(fixture.totals("d1").await, [], "nobody has agreed to it");
    let held = fixture.store.held_totals(&arena(), &draft.id).await.unwrap();
    assert_eq!(
        held.iter().map(|total| (total.count, total.requested)).collect::<Vec<_>>(),
        [(1, 5390)]
    );
    let wrong = fixture.step(&approved, DisruptionEvent::Extend, Some(2), &[]).await.unwrap();
    assert!(matches!(wrong, Advanced::Otherwise(Selection { orders: 1, .. })), "{wrong:?}");
    let extended = fixture.advance(&approved, DisruptionEvent::Extend, Some(1)).await.unwrap();
    assert_eq!(fixture.totals("d1").await, [(ItemState::Pending, 1, 5390, 0)]);
    // Who is in is not planned again.
    fixture.store.freeze_items(&extended, &plans).await.unwrap();
    assert!(fixture.store.held_totals(&arena(), &draft.id).await.unwrap().is_empty());
    assert_eq!(fixture.totals("d1").await, [(ItemState::Pending, 1, 5390, 0)]);
}

async fn an_approval_must_name_the_number_of_items(fixture: Fixture) {
    fixture.import(["A1", "A2"].map(order)).await;
    let draft = draft("d1", "derby");
    fixture.open(&draft).await.unwrap();
    fixture.store.freeze_items(&draft, &["A1", "A2"].map(|id| plan(&order(id)))).await.unwrap();
    for wrong in [0, 1, 3] {
        let refused = fixture.step(&draft, DisruptionEvent::Approve, Some(wrong), &[]).await;
        let sums = fixture.sums(&draft).await;
        assert_eq!(refused.unwrap(), Advanced::Otherwise(Selection { orders: 2, sums }));
    }
    // The number alone is not enough.
    let after = moved(&draft, DisruptionEvent::Approve);
    let audit = step_audit(&after, "au-sums");
    let record = |_| request("sums");
    let less = vec![Money { currency: super::euro(), minor_units: 2 * 5390 - 1 }];
    let step = Step {
        event: DisruptionEvent::Approve,
        agreed: Some(&Selection { orders: 2, sums: less }),
        orders: &[],
        audit: &audit,
        record: &record,
    };
    let refused = fixture.store.advance_disruption(&after, &step, &*fixture.ids).await.unwrap();
    assert!(matches!(refused, Advanced::Otherwise(_)), "{refused:?}");
    assert_eq!(fixture.disruption("d1").await, draft);
    assert_eq!(fixture.events("disruptions/d1").await.len(), 1);
    fixture.advance(&draft, DisruptionEvent::Approve, Some(2)).await.unwrap();
}

async fn a_stale_version_moves_nothing(fixture: Fixture) {
    let draft = draft("d1", "derby");
    fixture.open(&draft).await.unwrap();
    let approved = fixture.advance(&draft, DisruptionEvent::Approve, None).await.unwrap();
    let ahead = Disruption { version: 7, ..approved.clone() };
    for (stale, event) in [
        (&draft, DisruptionEvent::Approve),
        (&ahead, DisruptionEvent::Start),
        (&super::disruptions::draft("d9", "gala"), DisruptionEvent::Approve),
    ] {
        let refused = fixture.advance(stale, event, None).await;
        assert!(matches!(refused, Err(StoreError::VersionMismatch)), "{refused:?}");
    }
    assert_eq!(fixture.disruption("d1").await, approved);
}

async fn an_event_that_is_not_allowed_moves_nothing(fixture: Fixture) {
    let draft = draft("d1", "derby");
    fixture.open(&draft).await.unwrap();
    let running = Disruption { state: DisruptionState::Running, version: 2, ..draft.clone() };
    for event in [DisruptionEvent::Start, DisruptionEvent::Approve, DisruptionEvent::Complete] {
        let audit = step_audit(&running, "au1");
        let record = |_| request("skip");
        let step = Step { event, agreed: None, orders: &[], audit: &audit, record: &record };
        let refused = fixture.store.advance_disruption(&running, &step, &*fixture.ids).await;
        assert!(matches!(refused, Err(StoreError::VersionMismatch)), "{refused:?}");
    }
    assert_eq!(fixture.disruption("d1").await, draft);
}

async fn of_racing_approvals_one_wins(fixture: Fixture) {
    let draft = draft("d1", "derby");
    fixture.open(&draft).await.unwrap();
    let fixture = Arc::new(fixture);
    let racers: Vec<_> = (0..8)
        .map(|_| {
            let (fixture, draft) = (Arc::clone(&fixture), draft.clone());
            tokio::spawn(
                async move { fixture.advance(&draft, DisruptionEvent::Approve, Some(0)).await },
            )
        })
        .collect();
    let mut won = 0;
    for racer in racers {
        match racer.await.unwrap() {
            Ok(_) => won += 1,
            Err(error) => assert!(matches!(error, StoreError::VersionMismatch), "{error:?}"),
        }
    }
    assert_eq!(won, 1);
    assert_eq!(fixture.events("disruptions/d1").await.len(), 2);
}

async fn a_disruption_without_items_completes_at_once(fixture: Fixture) {
    let complete = async || fixture.store.complete_disruptions(&*fixture.ids, at(9)).await.unwrap();
    fixture.open(&draft("d0", "gala")).await.unwrap();
    assert_eq!(complete().await, 0, "only what runs is completed");
    let running = fixture.start("d1", "derby", &[]).await;
    assert_eq!(complete().await, 1);
    assert_eq!(complete().await, 0);
    let done = Disruption {
        state: DisruptionState::Completed,
        version: running.version + 1,
        updated: at(9),
        ..running
    };
    assert_eq!(fixture.disruption("d1").await, done);
    let events = fixture.events("disruptions/d1").await;
    assert_eq!(events[3..], announced(&[Fact::disruption_state(&done)]));
}

async fn disruptions_are_listed_by_id_in_pages(fixture: Fixture) {
    for id in ["a.1", "A1", "a-1", "b"] {
        fixture.open(&draft(id, id)).await.unwrap();
    }
    let all = DisruptionFilter::default();
    let list = async |size, after: Option<&str>| {
        let page = Page { size, after: after.map(str::to_owned), count: true };
        let listed = fixture.store.list_disruptions(&arena(), &all, &page).await.unwrap();
        let ids: Vec<_> = listed.rows.iter().map(|row| row.id.to_string()).collect();
        (ids.join(" "), listed.more, listed.total)
    };
    assert_eq!(list(2, None).await, ("A1 a-1".to_owned(), true, Some(4)));
    fixture.open(&draft("a-2", "late")).await.unwrap();
    assert_eq!(list(2, Some("a-1")).await, ("a-2 a.1".to_owned(), true, Some(5)));
    assert_eq!(list(2, Some("a.1")).await, ("b".to_owned(), false, Some(5)));
}

async fn each_filter_narrows_the_disruptions(fixture: Fixture) {
    fixture.open(&draft("d1", "derby")).await.unwrap();
    fixture.start("d2", "gala", &[]).await;
    let none = DisruptionFilter::default;
    let some = |text: &str| Some(text.to_owned());
    for (filter, expected) in [
        (none(), vec!["d1", "d2"]),
        (DisruptionFilter { event: some("derby"), ..none() }, vec!["d1"]),
        (DisruptionFilter { state: some("RUNNING"), ..none() }, vec!["d2"]),
        (DisruptionFilter { event: some("derby"), state: some("RUNNING") }, vec![]),
    ] {
        let page = first_page();
        let listed = fixture.store.list_disruptions(&arena(), &filter, &page).await.unwrap();
        let ids: Vec<_> = listed.rows.iter().map(|row| row.id.as_str()).collect();
        assert_eq!(ids, expected, "{filter:?}");
        assert_eq!(listed.total, i64::try_from(expected.len()).ok(), "{filter:?}");
    }
}

async fn items_are_listed_by_order_in_pages(fixture: Fixture) {
    let ids = ["A1", "a-1", "a.1", "a1"];
    fixture.import(ids.map(order)).await;
    let mut plans = ids.map(|id| plan(&order(id)));
    plans[2].due = Due::Nothing(NothingDue::OrderCancelled);
    fixture.start("d1", "derby", &plans).await;
    let id = DisruptionId::new("d1").unwrap();
    let list = async |tenant: TenantId, state, after: Option<&str>| {
        let page = Page { size: 3, after: after.map(str::to_owned), count: true };
        let filter = ItemFilter { state, ..ItemFilter::default() };
        let listed = fixture.store.list_items(&tenant, &id, &filter, &page).await.unwrap();
        let orders: Vec<OrderId> = listed.rows.into_iter().map(|item| item.order).collect();
        let names: Vec<_> = orders.iter().map(OrderId::as_str).collect();
        (names.join(" "), listed.more, listed.total)
    };
    assert_eq!(list(arena(), None, None).await, ("A1 a-1 a.1".to_owned(), true, Some(4)));
    assert_eq!(list(arena(), None, Some("a.1")).await, ("a1".to_owned(), false, Some(4)));
    let pending = Some(ItemState::Pending);
    assert_eq!(list(arena(), pending, Some("a1")).await, (String::new(), false, Some(4)));
    let settled = Some(ItemState::NothingDue);
    assert_eq!(list(arena(), settled, None).await, (String::new(), false, Some(0)));
    assert_eq!(list(other(), None, None).await, (String::new(), false, Some(0)));
}
