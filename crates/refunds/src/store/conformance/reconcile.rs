//! What a disruption came to, told by its items, its refunds, their attempts and the books.

use redress_core::id::DisruptionId;
use redress_store::Database;

use super::disruptions::plan;
use super::{Fixture, arena, at, euro, open_fixture, order, other, paid, split_order};
use crate::domain::act::{Action, Outcome};
use crate::domain::attempt::AttemptState;
use crate::domain::disruption::{
    Due, ItemPlan, ItemState, NothingDue, ReconciledItems, ReconciledPostings, ReconciledProvider,
    Reconciliation,
};
use crate::domain::ledger::PostingKind;
use crate::domain::order::{Tender, tests};

redress_testkit::conformance! {
    open = open_fixture;
    items_refunds_attempts_and_books_agree,
    what_a_person_paid_counts_before_the_order_rests,
    a_sum_that_was_changed_is_reported,
    orders_that_differ_are_reported_though_the_sums_agree,
    a_movement_that_is_missing_is_reported,
}

impl Fixture {
    /// What `d1` came to.
    async fn reconcile(&self) -> Vec<Reconciliation> {
        let id = DisruptionId::new("d1").unwrap();
        self.store.reconcile(&arena(), &id).await.unwrap()
    }

    /// Starts `d1`, takes on all of it and pays what can be sent.
    async fn pay_out(&self, plans: &[ItemPlan]) {
        self.start("d1", "derby", plans).await;
        assert_eq!(self.take(9).await, plans.len());
        let sent = self.send("w1", 9, at(100)).await;
        let findings: Vec<_> = sent.iter().map(paid).collect();
        assert_eq!(self.settle(&findings, at(101)).await, findings.len());
    }

    async fn is_balanced(&self) -> bool {
        self.reconcile().await.iter().all(Reconciliation::is_balanced)
    }
}

async fn items_refunds_attempts_and_books_agree(fixture: Fixture) {
    let split = split_order("A2", ("giftcard", Tender::GiftCard));
    fixture.import([order("A1"), split.clone(), order("A3")]).await;
    let nothing = ItemPlan { due: Due::Nothing(NothingDue::NotPaid), ..plan(&order("A3")) };
    fixture.pay_out(&[plan(&order("A1")), plan(&split), nothing]).await;
    let items = |state, requested, issued| ReconciledItems { state, orders: 1, requested, issued };
    let provider = |name: &str, attempts, amount, open| ReconciledProvider {
        provider: name.to_owned(),
        attempts,
        amount,
        provider_refunds: attempts,
        open,
    };
    let postings = |kind, account: &str, amount| ReconciledPostings {
        kind,
        account: account.to_owned(),
        amount,
    };
    let expected = Reconciliation {
        items: vec![
            items(ItemState::Attention, 5390, 4000),
            items(ItemState::NothingDue, 0, 0),
            items(ItemState::Succeeded, 5390, 5390),
        ],
        refunds: 2,
        refunds_issued: 9390,
        providers: vec![provider("giftcard", 0, 0, 1390), provider("stripe", 2, 9390, 0)],
        postings: vec![
            postings(PostingKind::Post, "provider:stripe", 9390),
            postings(PostingKind::Reserve, "refunds_payable", 10780),
        ],
        ..Reconciliation::new(euro())
    };
    assert!(expected.is_balanced());
    assert_eq!(fixture.reconcile().await, [expected]);
    let id = DisruptionId::new("d1").unwrap();
    assert_eq!(fixture.store.reconcile(&other(), &id).await.unwrap(), []);
}

/// Two tenders for a person, of which one is paid: the order still needs that person.
async fn what_a_person_paid_counts_before_the_order_rests(fixture: Fixture) {
    let mut by_hand = split_order("A1", ("giftcard", Tender::GiftCard));
    by_hand.payments[0] = tests::payment("p1", "voucher", Tender::Voucher, 4000);
    fixture.import([by_hand.clone()]).await;
    fixture.pay_out(&[plan(&by_hand)]).await;
    let item = fixture.items("d1").await.remove(0);
    assert_eq!((item.state, item.issued), (ItemState::Attention, 0));
    let events = fixture.events("orders/A1").await.len();
    let refund = fixture.read(&item.refund.unwrap()).await;
    let first = &refund.attempts[0];
    assert_eq!(first.state, AttemptState::Manual);
    let paid = Outcome::Paid { reference: "letter 7".to_owned() };
    let resolve = Action::Resolve { attempt: first.id.clone(), outcome: paid };
    fixture.decide(&refund.id, &resolve, "boss").await;
    let item = fixture.items("d1").await.remove(0);
    assert_eq!((item.state, item.issued), (ItemState::Attention, first.amount));
    assert_eq!(&*item.next_action, "PAY_BY_OTHER_MEANS");
    assert!(fixture.is_balanced().await, "{:?}", fixture.reconcile().await);
    assert_eq!(fixture.events("orders/A1").await.len(), events, "it rests as it did");
}

async fn a_sum_that_was_changed_is_reported(fixture: Fixture) {
    fixture.import([order("A1"), order("A2")]).await;
    fixture.pay_out(&["A1", "A2"].map(|id| plan(&order(id)))).await;
    assert!(fixture.is_balanced().await);
    for (slip, undo, differ) in [
        (
            "UPDATE disruption_items SET issued = issued - 1 WHERE order_id = 'A1'",
            "UPDATE disruption_items SET issued = issued + 1 WHERE order_id = 'A1'",
            1,
        ),
        ("UPDATE refunds SET issued = issued - 1", "UPDATE refunds SET issued = issued + 1", 2),
        (
            "UPDATE attempts SET amount = amount + 1 WHERE order_id = 'A2'",
            "UPDATE attempts SET amount = amount - 1 WHERE order_id = 'A2'",
            1,
        ),
    ] {
        fixture.execute(slip).await.unwrap();
        let found = fixture.reconcile().await.remove(0);
        assert_eq!((found.is_balanced(), found.orders_that_differ), (false, differ), "{slip}");
        fixture.execute(undo).await.unwrap();
        assert!(fixture.is_balanced().await, "{undo}");
    }
}

async fn orders_that_differ_are_reported_though_the_sums_agree(fixture: Fixture) {
    fixture.import([order("A1"), order("A2")]).await;
    fixture.pay_out(&["A1", "A2"].map(|id| plan(&order(id)))).await;
    let slip = "UPDATE disruption_items SET requested = requested + 1,
         issued = issued + CASE order_id WHEN 'A1' THEN 1 ELSE -1 END";
    fixture.execute(slip).await.unwrap();
    let found = fixture.reconcile().await.remove(0);
    assert_eq!((found.issued(), found.refunds_issued, found.succeeded()), (10780, 10780, 10780));
    assert_eq!((found.is_balanced(), found.orders_that_differ), (false, 2));
}

async fn a_movement_that_is_missing_is_reported(fixture: Fixture) {
    fixture.import([order("A1"), order("A2")]).await;
    fixture.pay_out(&["A1", "A2"].map(|id| plan(&order(id)))).await;
    match &fixture.database {
        Database::Sqlite(_) => fixture.execute("DROP TRIGGER postings_are_kept").await.unwrap(),
        Database::Postgres(_) => {
            fixture.execute("ALTER TABLE postings DISABLE TRIGGER USER").await.unwrap();
        }
    }
    let slip = "DELETE FROM postings WHERE kind = 'POST' AND refund_id =
         (SELECT refund_id FROM refunds WHERE order_id = 'A1')";
    fixture.execute(slip).await.unwrap();
    let found = fixture.reconcile().await.remove(0);
    assert_eq!((found.posted(PostingKind::Post), found.succeeded()), (5390, 10780));
    assert_eq!((found.is_balanced(), found.orders_that_differ), (false, 1));
}
