//! The chainer: woken by commits, one of two at a time, gone when it is told to.

use std::time::Duration;

use redress_core::chain::Walk;
use redress_refunds::store::Slice;
use redress_refunds::worker::Chainer;
use redress_store::{Database, DatabaseSettings};
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use crate::sandbox::eventually;
use crate::shop::{self, Shop};

redress_testkit::conformance! {
    open = open;
    what_is_committed_is_chained_without_a_poll,
    of_two_chainers_one_takes_over_from_the_other,
}

/// Longer than any test runs.
const NEVER: Duration = Duration::from_hours(1);
const OFTEN: Duration = Duration::from_millis(20);

/// A shop, and another process' way to its database.
async fn open(url: String) -> (Shop, Database) {
    let other = Database::connect(&DatabaseSettings::new(url.clone())).await.unwrap();
    (shop::open(url).await, other)
}

fn start(
    shop: &Shop,
    database: Database,
    holder: &str,
    poll: Duration,
) -> (CancellationToken, JoinHandle<()>) {
    let cancel = CancellationToken::new();
    let chainer = Chainer {
        store: redress_refunds::store::open(database.clone()),
        database,
        clock: shop.clock.clone(),
        holder: holder.to_owned(),
        poll,
    };
    let ends = cancel.clone();
    (cancel, tokio::spawn(async move { chainer.run(ends).await }))
}

/// Waits until so many movements have their places, and recomputes them.
async fn chained(shop: &Shop, count: i64) {
    eventually(async || {
        let balances = shop.store.account_balances(&shop.tenant).await.unwrap();
        (balances.head.position == count).then_some(())
    })
    .await;
    let slice = Slice { after: 0, limit: 1_000 };
    let page = shop.store.ledger_entries(&shop.tenant, None, slice).await.unwrap();
    let mut walk = Walk::default();
    for entry in page.rows {
        walk.step(entry.position, &entry.canonical(), entry.hash).unwrap();
    }
    assert_eq!((walk.head(), walk.head().position), (page.head, count));
}

async fn what_is_committed_is_chained_without_a_poll((shop, _other): (Shop, Database)) {
    let (cancel, running) = start(&shop, shop.database.clone(), "a", NEVER);
    for number in 1..=10 {
        shop.refund(&format!("A{number}")).await;
        chained(&shop, number).await;
    }
    cancel.cancel();
    running.await.unwrap();
    shop.refund("B1").await;
    chained(&shop, 10).await;
}

async fn of_two_chainers_one_takes_over_from_the_other((shop, other): (Shop, Database)) {
    let (first, gone) = start(&shop, other, "a", OFTEN);
    shop.refund("A1").await;
    chained(&shop, 1).await;
    let (second, running) = start(&shop, shop.database.clone(), "b", NEVER);
    shop.refund("A2").await;
    chained(&shop, 2).await;
    first.cancel();
    gone.await.unwrap();
    shop.refund("A3").await;
    chained(&shop, 3).await;
    second.cancel();
    running.await.unwrap();
}
