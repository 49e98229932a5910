//! Orders keep the policy version that they were sold under.

use redress_core::clock::Timestamp;
use redress_core::id::PolicyId;
use redress_core::tenant::{PolicyChoice, Tenant};
use redress_policy::LineKind;

use super::policies::policy;
use super::{Fixture, START, arena, imported, open_fixture, order};
use crate::domain::order::Order;
use crate::store::{ImportOutcome, ImportedOrder};

redress_testkit::conformance! {
    open = open_fixture;
    the_version_in_force_at_purchase_is_pinned,
    without_a_version_in_force_nothing_is_pinned_until_there_is_one,
    of_two_versions_from_one_instant_the_newer_is_pinned,
    an_order_that_names_no_policy_is_pinned_to_the_default,
    a_pinned_version_survives_later_imports,
    a_stated_version_is_pinned_whatever_was_in_force,
    only_another_stated_version_moves_a_pin,
    a_stated_version_that_does_not_exist_is_refused,
    an_order_sent_back_as_it_is_shown_is_unchanged,
    another_policy_under_the_same_version_is_a_conflict,
    a_chunk_pins_each_order_by_itself,
    an_order_that_names_no_policy_is_pinned_to_the_one_chosen_for_it,
}

/// Settings with this default policy, and no choices.
fn settings(default_policy: &str) -> Tenant {
    Tenant {
        id: arena(),
        display_name: "Arena".to_owned(),
        locales: vec!["en".to_owned()],
        time_zone: "Europe/Berlin".to_owned(),
        sender_email: "tickets@arena.example".to_owned(),
        support_url: "https://arena.example/help".to_owned(),
        default_policy: default_policy.to_owned(),
        policies: Vec::new(),
        approval_limits: Vec::new(),
        version: 1,
    }
}

/// A choice for one kind of line, sold in one place.
fn choice(kind: &str, place: &str, policy: &str) -> PolicyChoice {
    PolicyChoice {
        kinds: vec![kind.to_owned()],
        places_of_sale: vec![place.to_owned()],
        policy: policy.to_owned(),
        law: None,
    }
}

/// What an import states about the policy.
fn stating(order: Order, policy: Option<&str>, policy_version: Option<i64>) -> Order {
    let policy = policy.map(|id| PolicyId::new(id).unwrap());
    Order { policy, policy_version, ..order }
}

fn newer(order: Order) -> Order {
    Order { source_version: order.source_version + 1, ..order }
}

/// The order with the digest that the service gives it: whatever the policy.
fn content(order: Order) -> ImportedOrder {
    let digest = imported(stating(order.clone(), None, None)).digest;
    ImportedOrder { order, digest }
}

impl Fixture {
    /// Imports one order while `default` is the tenant's default policy.
    async fn bring_in(&self, order: Order, default: Option<&str>) -> ImportOutcome {
        let settings = default.map(settings);
        let chunk = [content(order)];
        let outcomes = self
            .store
            .import_orders(&arena(), &chunk, settings.as_ref(), &*self.ids, START)
            .await
            .unwrap();
        outcomes[0]
    }

    /// Stores the next version of a policy, in force from `effective` on.
    async fn publish(&self, id: &str, effective: i64, fee_basis_points: u16) {
        self.apply(policy(id, Timestamp(effective), fee_basis_points)).await;
    }

    /// The policy and version that an order shows.
    async fn pin(&self, id: &str) -> (Option<String>, Option<i64>) {
        let order = self.order(id).await;
        (order.policy.map(|id| id.as_str().to_owned()), order.policy_version)
    }
}

fn pinned(policy: &str, version: i64) -> (Option<String>, Option<i64>) {
    (Some(policy.to_owned()), Some(version))
}

async fn the_version_in_force_at_purchase_is_pinned(fixture: Fixture) {
    for (effective, fee) in [(0, 0), (100, 500), (200, 1000)] {
        fixture.publish("standard", effective, fee).await;
    }
    for (id, purchased, version) in [("A1", 0, 1), ("A2", 99, 1), ("A3", 100, 2), ("A4", 900, 3)] {
        let order = Order { purchase_time: Timestamp(purchased), ..order(id) };
        fixture.bring_in(stating(order, Some("standard"), None), None).await;
        assert_eq!(fixture.pin(id).await, pinned("standard", version), "bought at {purchased}");
    }
}

async fn without_a_version_in_force_nothing_is_pinned_until_there_is_one(fixture: Fixture) {
    fixture.publish("standard", 2, 0).await;
    let early = stating(order("A1"), Some("standard"), None);
    assert_eq!(fixture.bring_in(early.clone(), None).await, ImportOutcome::Created);
    assert_eq!(fixture.pin("A1").await, (Some("standard".to_owned()), None), "bought at 1");
    fixture.publish("standard", 1, 500).await;
    assert_eq!(fixture.bring_in(newer(early), None).await, ImportOutcome::Updated);
    assert_eq!(fixture.pin("A1").await, pinned("standard", 2));
    assert_eq!(fixture.bring_in(order("A2"), None).await, ImportOutcome::Created);
    assert_eq!(fixture.pin("A2").await, (None, None), "the tenant has no settings");
}

async fn of_two_versions_from_one_instant_the_newer_is_pinned(fixture: Fixture) {
    fixture.publish("standard", 0, 0).await;
    fixture.publish("standard", 0, 500).await;
    fixture.bring_in(stating(order("A1"), Some("standard"), None), None).await;
    assert_eq!(fixture.pin("A1").await, pinned("standard", 2));
}

async fn an_order_that_names_no_policy_is_pinned_to_the_default(fixture: Fixture) {
    fixture.publish("standard", 0, 0).await;
    fixture.publish("flex", 0, 0).await;
    fixture.bring_in(order("A1"), Some("standard")).await;
    assert_eq!(fixture.pin("A1").await, pinned("standard", 1));
    // The tenant's default changes: old orders keep theirs.
    assert_eq!(fixture.bring_in(newer(order("A1")), Some("flex")).await, ImportOutcome::Updated);
    assert_eq!(fixture.pin("A1").await, pinned("standard", 1));
    fixture.bring_in(order("A2"), Some("flex")).await;
    assert_eq!(fixture.pin("A2").await, pinned("flex", 1));
}

async fn a_pinned_version_survives_later_imports(fixture: Fixture) {
    fixture.publish("standard", 0, 0).await;
    let first = stating(order("A1"), Some("standard"), None);
    fixture.bring_in(first.clone(), None).await;
    // A back-dated version, another policy, another time of purchase: none moves the pin.
    fixture.publish("standard", 0, 500).await;
    fixture.publish("flex", 0, 0).await;
    let second = newer(first);
    assert_eq!(fixture.bring_in(second.clone(), None).await, ImportOutcome::Updated);
    assert_eq!(fixture.pin("A1").await, pinned("standard", 1));
    let third = stating(newer(second), Some("flex"), None);
    let third = Order { purchase_time: Timestamp(900), ..third };
    assert_eq!(fixture.bring_in(third, None).await, ImportOutcome::Updated);
    assert_eq!(fixture.pin("A1").await, pinned("standard", 1));
}

async fn a_stated_version_is_pinned_whatever_was_in_force(fixture: Fixture) {
    fixture.publish("standard", 0, 0).await;
    fixture.publish("standard", 900, 500).await;
    fixture.bring_in(stating(order("A1"), Some("standard"), Some(2)), None).await;
    assert_eq!(fixture.pin("A1").await, pinned("standard", 2));
    fixture.bring_in(stating(order("A2"), None, Some(2)), Some("standard")).await;
    assert_eq!(fixture.pin("A2").await, pinned("standard", 2), "of the default policy");
}

async fn only_another_stated_version_moves_a_pin(fixture: Fixture) {
    for fee in [0, 500] {
        fixture.publish("standard", 0, fee).await;
        fixture.publish("flex", 0, fee).await;
    }
    fixture.bring_in(stating(order("A1"), Some("standard"), Some(1)), None).await;
    let second = stating(newer(order("A1")), Some("standard"), None);
    assert_eq!(fixture.bring_in(second.clone(), None).await, ImportOutcome::Updated);
    assert_eq!(fixture.pin("A1").await, pinned("standard", 1), "none is stated");
    let third = stating(newer(second), None, Some(2));
    assert_eq!(fixture.bring_in(third.clone(), Some("flex")).await, ImportOutcome::Updated);
    assert_eq!(fixture.pin("A1").await, pinned("standard", 2), "of the policy that is pinned");
    let fourth = stating(newer(third), Some("flex"), Some(1));
    assert_eq!(fixture.bring_in(fourth, None).await, ImportOutcome::Updated);
    assert_eq!(fixture.pin("A1").await, pinned("flex", 1));
}

async fn a_stated_version_that_does_not_exist_is_refused(fixture: Fixture) {
    let refused = ImportOutcome::UnknownPolicyVersion;
    fixture.publish("standard", 0, 0).await;
    let of = |policy, version| stating(order("A1"), policy, Some(version));
    assert_eq!(fixture.bring_in(of(Some("standard"), 2), None).await, refused);
    assert_eq!(fixture.bring_in(of(Some("flex"), 1), None).await, refused);
    assert_eq!(fixture.bring_in(of(None, 1), None).await, refused, "there is no default");
    assert_eq!(fixture.bring_in(of(None, 1), Some("standard")).await, ImportOutcome::Created);
    let update = stating(newer(order("A1")), None, Some(2));
    assert_eq!(fixture.bring_in(update, Some("standard")).await, refused);
    assert_eq!(fixture.order("A1").await.source_version, 1, "nothing changed");
}

async fn an_order_sent_back_as_it_is_shown_is_unchanged(fixture: Fixture) {
    fixture.publish("standard", 0, 0).await;
    fixture.bring_in(order("A1"), Some("standard")).await;
    let shown = fixture.order("A1").await;
    assert_eq!(shown.policy_version, Some(1));
    assert_eq!(fixture.bring_in(shown, Some("standard")).await, ImportOutcome::Unchanged);
    assert_eq!(fixture.bring_in(order("A1"), Some("standard")).await, ImportOutcome::Unchanged);
}

async fn another_policy_under_the_same_version_is_a_conflict(fixture: Fixture) {
    for id in ["standard", "flex"] {
        fixture.publish(id, 0, 0).await;
        fixture.publish(id, 900, 500).await;
    }
    fixture.bring_in(stating(order("A1"), Some("standard"), None), None).await;
    let conflict = ImportOutcome::Conflict;
    for (policy, version) in
        [(Some("flex"), None), (Some("flex"), Some(1)), (Some("standard"), Some(2)), (None, None)]
    {
        let again = stating(order("A1"), policy, version);
        assert_eq!(fixture.bring_in(again, None).await, conflict, "{policy:?} {version:?}");
    }
    assert_eq!(fixture.pin("A1").await, pinned("standard", 1));
}

async fn a_chunk_pins_each_order_by_itself(fixture: Fixture) {
    fixture.publish("standard", 0, 0).await;
    fixture.publish("flex", 0, 0).await;
    let chunk = [
        content(stating(order("A1"), Some("flex"), None)),
        content(stating(order("A2"), Some("flex"), Some(7))),
        content(order("A3")),
        content(stating(order("A4"), Some("unheard-of"), None)),
    ];
    let settings = settings("standard");
    let outcomes = fixture
        .store
        .import_orders(&arena(), &chunk, Some(&settings), &*fixture.ids, START)
        .await
        .unwrap();
    let created = ImportOutcome::Created;
    assert_eq!(outcomes, [created, ImportOutcome::UnknownPolicyVersion, created, created]);
    assert_eq!(fixture.pin("A1").await, pinned("flex", 1));
    assert_eq!(fixture.pin("A3").await, pinned("standard", 1));
    assert_eq!(fixture.pin("A4").await, (Some("unheard-of".to_owned()), None));
}

async fn an_order_that_names_no_policy_is_pinned_to_the_one_chosen_for_it(fixture: Fixture) {
    for id in ["standard", "moscow", "california", "flex"] {
        fixture.publish(id, 0, 0).await;
    }
    let choices = vec![
        choice("TICKET", "RU", "moscow"),
        choice("TICKET", "US-CA", "california"),
        choice("RAIL_LEG", "FR", "unheard-of"),
    ];
    let settings = Tenant { policies: choices, ..settings("standard") };
    let sold = |id: &str, place: &str| Order { place_of_sale: place.to_owned(), ..order(id) };
    let mut train = sold("A7", "FR");
    train.lines.retain(|line| line.kind == LineKind::Fee);
    train.lines[0].kind = LineKind::RailLeg;
    train.total = train.lines[0].gross;
    let chunk = [
        content(sold("A1", "RU-MOW")),
        content(sold("A2", "US-CA")),
        content(sold("A3", "US")),
        content(sold("A4", "")),
        content(stating(sold("A5", "RU"), Some("flex"), None)),
        content(stating(sold("A6", "RU"), None, Some(2))),
        content(train),
    ];
    let import = async |chunk: &[ImportedOrder], settings: &Tenant| {
        let (tenant, ids) = (arena(), &*fixture.ids);
        fixture.store.import_orders(&tenant, chunk, Some(settings), ids, START).await.unwrap()
    };
    let outcomes = import(&chunk, &settings).await;
    assert_eq!(outcomes[5], ImportOutcome::UnknownPolicyVersion, "moscow has one version");
    assert_eq!(outcomes[6], ImportOutcome::Created);
    for (id, policy) in [
        ("A1", "moscow"),
        ("A2", "california"),
        ("A3", "standard"),
        ("A4", "standard"),
        ("A5", "flex"),
    ] {
        assert_eq!(fixture.pin(id).await, pinned(policy, 1), "{id}");
    }
    assert_eq!(fixture.pin("A7").await, (None, None), "no version of it is stored yet");
    // Other choices, and another place: what is pinned stays.
    let other = Tenant { policies: vec![choice("TICKET", "RU", "flex")], ..settings };
    let moved = [content(newer(sold("A2", "RU"))), content(newer(sold("A1", "RU")))];
    assert_eq!(import(&moved, &other).await, [ImportOutcome::Updated; 2]);
    assert_eq!(fixture.pin("A1").await, pinned("moscow", 1));
    assert_eq!(fixture.pin("A2").await, pinned("california", 1));
}
