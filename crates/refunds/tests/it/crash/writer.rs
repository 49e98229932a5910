//! Refunds that are created at the same moment share a commit, and none of them depends on the
//! others' callers.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use redress_core::id::{IdSource, Ids, QuoteId, TenantId};
use redress_refunds::app::{Batches, Draft, RefundError};
use redress_refunds::store::{CreateOutcome, NewRefund, StoredQuote};
use redress_store::StoreError;

use super::cut_off;
use crate::sandbox::eventually;
use crate::shop::{Shop, open};

redress_testkit::conformance! {
    open = open;
    the_stores_write_is_cut_at_every_await,
    whoever_shares_a_commit_with_a_caller_that_goes_away_is_answered,
    a_commit_that_panics_holds_nobody_up,
}

/// A refund that waits for nothing.
struct Ready(NewRefund);

impl Draft for Ready {
    fn quote(&self) -> Option<(TenantId, QuoteId)> {
        None
    }

    fn accept(&self, _: Option<StoredQuote>) -> Result<NewRefund, RefundError> {
        Ok(self.0.clone())
    }
}

/// What refunds hold, in minor units, when the books balance at this instant.
async fn reserved(shop: &Shop) -> i64 {
    let sums = shop.store.ledger_sums(&shop.tenant).await.unwrap();
    for sums in &sums {
        assert_eq!(sums.differences(), Vec::<String>::new());
    }
    sums.first().map_or(0, |sums| sums.reserved)
}

/// The refund is there, whole, and whoever asks for it again hears that it is.
async fn assert_stored(shop: &Shop, new: &NewRefund) {
    let stored = shop.store.refund(&shop.tenant, &new.refund.id).await.unwrap();
    assert_eq!(stored.as_ref(), Some(&new.refund));
    let name = new.refund.id.resource_name();
    assert_eq!(shop.store.audit_of(&shop.tenant, &name).await.unwrap().len(), 1);
    let again = shop.store.create_refunds(std::slice::from_ref(new), &*shop.ids).await;
    assert_eq!(again.unwrap(), [CreateOutcome::Answered]);
}

async fn the_stores_write_is_cut_at_every_await(shop: Shop) {
    let (mut made, mut polls, mut whole) = (0, 0, 0);
    // How many awaits find their answer there already is a matter of chance.
    while whole < 4 {
        let new = [shop.new_refund(&format!("A{made}")).await];
        let outcome = cut_off(shop.store.create_refunds(&new, &*shop.ids), polls).await;
        let held = reserved(&shop).await - 1_250 * made;
        assert!(held == 0 || held == 1_250, "{held} is reserved after {polls} polls");
        let repeated = shop.store.create_refunds(&new, &*shop.ids).await.unwrap();
        let outcomes = [CreateOutcome::Created, CreateOutcome::Answered];
        assert!(outcomes.contains(&repeated[0]), "{repeated:?} after {polls} polls");
        assert_stored(&shop, &new[0]).await;
        made += 1;
        assert_eq!(reserved(&shop).await, 1_250 * made, "after {polls} polls");
        polls += 1;
        if let Some(outcome) = outcome {
            assert_eq!(outcome.unwrap(), [CreateOutcome::Created]);
            assert_eq!(repeated, [CreateOutcome::Answered]);
            whole += 1;
            polls = 0;
        }
    }
    assert!(made > 2 * whole, "cut {} times only", made - whole);
}

/// Two turns are taken by one caller each, and three more wait for the commits of these two.
async fn whoever_shares_a_commit_with_a_caller_that_goes_away_is_answered(shop: Shop) {
    let batches = Batches::new(Arc::clone(&shop.store), Arc::clone(&shop.ids));
    for polls in 1_usize.. {
        let mut refunds = Vec::new();
        for place in 0..5 {
            refunds.push(shop.new_refund(&format!("A{polls}-{place}")).await);
        }
        let create = |place: usize| batches.create(Ready(refunds[place].clone()));
        let (first, second, third, fourth, fifth) = tokio::join!(
            cut_off(create(0), polls),
            cut_off(create(1), polls),
            create(2),
            cut_off(create(3), 1),
            create(4)
        );
        for outcome in [third, fifth] {
            assert_eq!(outcome.unwrap().outcome, CreateOutcome::Created, "after {polls} polls");
        }
        assert!(fourth.is_none(), "the fourth is cut off while it waits");
        for new in &refunds {
            eventually(async || shop.store.refund(&shop.tenant, &new.refund.id).await.unwrap())
                .await;
            assert_stored(&shop, new).await;
        }
        reserved(&shop).await;
        if first.is_some() && second.is_some() {
            break;
        }
    }
}

/// Ids whose maker panics once.
#[derive(Debug)]
struct PanicsOnce {
    ids: Ids,
    has_panicked: AtomicBool,
}

impl IdSource for PanicsOnce {
    fn next_id(&self) -> String {
        assert!(self.has_panicked.swap(true, Ordering::SeqCst), "the test asks for this panic");
        self.ids.next_id()
    }
}

async fn a_commit_that_panics_holds_nobody_up(shop: Shop) {
    let has_panicked = AtomicBool::new(false);
    let ids = PanicsOnce { ids: Arc::clone(&shop.ids), has_panicked };
    let batches = Batches::new(Arc::clone(&shop.store), Arc::new(ids));
    let new = shop.new_refund("A1").await;
    let given_up = batches.create(Ready(new.clone())).await;
    assert!(
        matches!(given_up, Err(RefundError::Store(StoreError::Unavailable(_)))),
        "{given_up:?}"
    );
    assert_eq!(reserved(&shop).await, 0);
    assert_eq!(batches.create(Ready(new.clone())).await.unwrap().outcome, CreateOutcome::Created);
    assert_stored(&shop, &new).await;
}
