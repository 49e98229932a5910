//! The books keep what is written, and their chains tell of whatever was changed since.

use std::sync::Arc;
use std::time::Duration;

use redress_core::chain::{Break, Hash, Head, Walk};
use redress_core::id::{QuoteId, TenantId};
use redress_store::lease::{self, Lease};
use redress_store::{Database, StoreError};

use super::{
    Fixture, arena, at, by_card, imported, open_fixture, order, other, paid, price, request,
};
use crate::domain::ledger::{Balances, LedgerEntry, PostingKind, Sides};
use crate::domain::quote::Quote;
use crate::domain::refund::Refund;
use crate::store::{CHAIN_LEASE, ChainPage, CreateOutcome, ImportOutcome, NewRefund, Slice};

redress_testkit::conformance! {
    open = open_fixture;
    movements_get_their_places_in_the_order_they_were_written,
    each_tenant_has_a_chain_of_its_own,
    what_commits_late_is_chained_late,
    two_chainers_link_every_movement_once,
    a_chainer_that_was_taken_over_changes_nothing,
    a_long_backlog_is_chained_batch_by_batch,
    balances_are_the_sums_of_the_movements,
    movements_of_one_refund_are_found,
    pages_of_the_books_join_without_a_gap,
}

const TTL: Duration = Duration::from_secs(10);
pub(super) const ALL: Slice = Slice { after: 0, limit: 1_000 };

impl Fixture {
    pub(super) async fn lease(&self, holder: &str, seconds: i64) -> Option<Lease> {
        lease::acquire(&self.database, CHAIN_LEASE, holder, at(seconds), TTL).await.unwrap()
    }

    /// Chains all that is committed, and returns how many movements that were.
    pub(super) async fn chain(&self) -> i64 {
        let before = self.chained_movements().await;
        let lease = self.lease("only", 0).await.unwrap();
        self.store.chain(&lease).await.unwrap();
        lease::release(&self.database, &lease).await.unwrap();
        self.chained_movements().await - before
    }

    async fn chained_movements(&self) -> i64 {
        const PLACES: &str = "SELECT count(*) FROM chain_links WHERE chain = 'ledger'";
        match &self.database {
            Database::Sqlite(sqlite) => {
                sqlx::query_scalar(PLACES).fetch_one(&sqlite.read).await.unwrap()
            }
            Database::Postgres(postgres) => {
                sqlx::query_scalar(PLACES).fetch_one(&postgres.pool).await.unwrap()
            }
        }
    }

    pub(super) async fn entries(&self, tenant: &TenantId) -> ChainPage<LedgerEntry> {
        self.store.ledger_entries(tenant, None, ALL).await.unwrap()
    }

    /// Recomputes a tenant's chain from its first entry.
    pub(super) async fn verify(&self, tenant: &TenantId) -> Result<Head, Break> {
        let page = self.entries(tenant).await;
        let mut walk = Walk::default();
        for entry in page.rows {
            walk.step(entry.position, &entry.canonical(), entry.hash)?;
        }
        assert_eq!(walk.head(), page.head);
        Ok(walk.head())
    }

    /// A refund of 10.00 EUR by card that is paid.
    async fn pay(&self, order: &str) -> Refund {
        let refund = self.refund(order, by_card(1_000)).await;
        let sent = self.send(refund.id.as_str(), 1, at(0)).await;
        assert_eq!(self.settle(&[paid(&sent[0])], at(3)).await, 1);
        refund
    }

    /// An order and a refund of another tenant.
    async fn refund_of_other(&self) -> Refund {
        let orders = [imported(order("A1"))];
        let outcomes = self.store.import_orders(&other(), &orders, None, &*self.ids, at(0)).await;
        assert_eq!(outcomes.unwrap(), [ImportOutcome::Created]);
        let theirs = self.offer("A1", by_card(700)).await;
        let refund = self.acceptance(&theirs);
        let (id, record) = (QuoteId::fresh(&*self.ids), request("other"));
        let quote = Quote { id, ..theirs };
        let offered = request("other-quote");
        self.store.create_quote(&other(), &quote, &offered, at(0)).await.unwrap();
        let mut refund = Refund { tenant: other(), ..refund };
        refund.attempts.iter_mut().for_each(|attempt| attempt.tenant = other());
        let new = NewRefund { request: record, ..self.to_create(&refund, &quote, "other") };
        let outcomes = self.store.create_refunds(&[new], &*self.ids).await;
        assert_eq!(outcomes.unwrap(), [CreateOutcome::Created]);
        refund
    }
}

async fn movements_get_their_places_in_the_order_they_were_written(fixture: Fixture) {
    fixture.import([order("A1")]).await;
    let refund = fixture.pay("A1").await;
    assert_eq!(fixture.entries(&arena()).await.rows, [], "nothing has a place yet");
    assert_eq!(fixture.entries(&arena()).await.head, Head::GENESIS);
    assert_eq!(fixture.chain().await, 2);
    let [reserve, post] = fixture.entries(&arena()).await.rows.try_into().unwrap();
    assert_eq!((reserve.position, reserve.posting.kind), (1, PostingKind::Reserve));
    assert_eq!((post.position, post.posting.kind), (2, PostingKind::Post));
    assert_eq!((reserve.created, post.created), (at(0), at(3)));
    assert_eq!(post.posting.refund, refund.id);
    assert_eq!(reserve.hash, Hash::GENESIS.followed_by(&reserve.canonical()));
    assert_eq!(post.hash, reserve.hash.followed_by(&post.canonical()));
    assert_eq!(fixture.verify(&arena()).await, Ok(Head { position: 2, hash: post.hash }));
    assert_eq!(fixture.chain().await, 0);
}

async fn each_tenant_has_a_chain_of_its_own(fixture: Fixture) {
    fixture.import([order("A1")]).await;
    fixture.refund("A1", by_card(100)).await;
    let theirs = fixture.refund_of_other().await;
    fixture.refund("A1", by_card(200)).await;
    assert_eq!(fixture.chain().await, 3, "two tenants in one batch");
    fixture.refund("A1", by_card(300)).await;
    assert_eq!(fixture.chain().await, 1);
    assert_eq!(fixture.verify(&arena()).await.unwrap().position, 3);
    assert_eq!(fixture.verify(&other()).await.unwrap().position, 1);
    let rows = fixture.entries(&other()).await.rows;
    assert_eq!((rows[0].posting.refund.clone(), rows[0].posting.amount), (theirs.id, 700));
    let amounts: Vec<i64> =
        fixture.entries(&arena()).await.rows.iter().map(|row| row.posting.amount).collect();
    assert_eq!(amounts, [100, 200, 300]);
}

/// Takes the only reservation of a refund back, as a settlement would.
const CLOSE: &str = "INSERT INTO postings (tenant, attempt_id, phase, kind, refund_id, debit,
         credit, currency, amount, created)
     SELECT tenant, attempt_id, 2, 'VOID', refund_id, 'refunds_payable', 'sales_returns',
         currency, amount, created
     FROM postings WHERE refund_id = $1 AND phase = 1";

/// On PostgreSQL a transaction that wrote first commits last; on SQLite, where one transaction
/// writes at a time, that cannot be, and the later one simply comes later.
async fn what_commits_late_is_chained_late(fixture: Fixture) {
    fixture.import([order("A1")]).await;
    let slow = fixture.refund("A1", by_card(100)).await;
    fixture.chain().await;
    if let Database::Postgres(postgres) = &fixture.database {
        let mut tx = postgres.begin().await.unwrap();
        sqlx::query(CLOSE).bind(slow.id.as_str()).execute(&mut *tx).await.unwrap();
        fixture.refund("A1", by_card(200)).await;
        assert_eq!(fixture.chain().await, 1, "the open transaction holds nobody up");
        assert_eq!(fixture.verify(&arena()).await.unwrap().position, 2);
        tx.commit().await.unwrap();
    } else {
        fixture.refund("A1", by_card(200)).await;
        fixture.chain().await;
        let Database::Sqlite(sqlite) = &fixture.database else { unreachable!() };
        sqlx::query(CLOSE).bind(slow.id.as_str()).execute(&sqlite.write).await.unwrap();
    }
    assert_eq!(fixture.chain().await, 1);
    assert_eq!(fixture.verify(&arena()).await.unwrap().position, 3);
    let last = fixture.entries(&arena()).await.rows.pop().unwrap();
    assert_eq!((last.posting.refund, last.posting.kind), (slow.id, PostingKind::Void));
}

async fn two_chainers_link_every_movement_once(fixture: Fixture) {
    fixture.import([order("A1"), order("A2")]).await;
    let fixture = Arc::new(fixture);
    let writer = {
        let fixture = Arc::clone(&fixture);
        tokio::spawn(async move {
            for turn in 0..40 {
                let order = if turn % 2 == 0 { "A1" } else { "A2" };
                fixture.refund(order, by_card(10)).await;
            }
        })
    };
    // Each takes the lease over from the other whenever it likes, in the middle of its work.
    let chainers = ["left", "right"].map(|holder| {
        let fixture = Arc::clone(&fixture);
        tokio::spawn(async move {
            for turn in 0..60 {
                let Some(lease) = fixture.lease(holder, turn * 20).await else { continue };
                match fixture.store.chain(&lease).await {
                    Ok(_) | Err(StoreError::LeaseLost { .. }) => {}
                    Err(error) => panic!("{error:?}"),
                }
            }
        })
    });
    writer.await.unwrap();
    for chainer in chainers {
        chainer.await.unwrap();
    }
    let lease = fixture.lease("last", 100_000).await.unwrap();
    fixture.store.chain(&lease).await.unwrap();
    assert_eq!(fixture.verify(&arena()).await.unwrap().position, 40, "a movement for each refund");
    fixture.assert_books().await;
}

async fn a_chainer_that_was_taken_over_changes_nothing(fixture: Fixture) {
    fixture.import([order("A1")]).await;
    fixture.refund("A1", by_card(100)).await;
    let stale = fixture.lease("a", 0).await.unwrap();
    assert!(fixture.lease("b", 5).await.is_none());
    let fresh = fixture.lease("b", 10).await.unwrap();
    let refused = fixture.store.chain(&stale).await;
    assert!(matches!(refused, Err(StoreError::LeaseLost { .. })), "{refused:?}");
    let balances = fixture.store.account_balances(&arena()).await.unwrap();
    assert_eq!((balances.head, balances.unchained), (Head::GENESIS, 1));
    assert_eq!(fixture.store.chain(&fresh).await.unwrap(), 2);
    assert_eq!(fixture.verify(&arena()).await.unwrap().position, 1);
}

/// Attempts of one refund, so many that one batch does not hold their reservations.
const ATTEMPTS: [&str; 2] = [
    "INSERT INTO attempts (tenant, attempt_id, refund_id, order_id, payment_id, ordinal,
         provider, payment_reference, currency, amount, state, reason, provider_refund, claim,
         due, sent, absences, delays, updated)
     WITH RECURSIVE n (i) AS (SELECT 2 UNION ALL SELECT i + 1 FROM n WHERE i < 2101)
     SELECT tenant, attempt_id || '-' || i, refund_id, order_id, payment_id, i, provider,
         payment_reference, currency, amount, 'FAILED', NULL, '', '', 0, 0, 0, 0, 0
     FROM attempts, n WHERE ordinal = 1",
    "INSERT INTO postings (tenant, attempt_id, phase, kind, refund_id, debit, credit, currency,
         amount, created)
     SELECT tenant, attempt_id, 1, 'RESERVE', refund_id, 'sales_returns', 'refunds_payable',
         currency, amount, updated
     FROM attempts WHERE ordinal > 1 ORDER BY ordinal",
];

async fn a_long_backlog_is_chained_batch_by_batch(fixture: Fixture) {
    fixture.import([order("A1")]).await;
    let refund = fixture.refund("A1", by_card(1)).await;
    for sql in ATTEMPTS {
        fixture.execute(sql).await.unwrap();
    }
    assert_eq!(fixture.chain().await, 2_000);
    assert_eq!(fixture.chain().await, 101);
    let slice = Slice { after: 1_999, limit: 1_000 };
    let rest = fixture.store.ledger_entries(&arena(), Some(&refund.id), slice).await.unwrap();
    assert_eq!((rest.rows.len(), rest.more, rest.head.position), (102, false, 2_101));
    let recount = fixture.store.recount(&arena()).await.unwrap();
    assert_eq!(recount.differences(), [""; 0]);
}

async fn balances_are_the_sums_of_the_movements(fixture: Fixture) {
    fixture.import([order("A1")]).await;
    fixture.pay("A1").await;
    fixture.chain().await;
    fixture.refund("A1", by_card(500)).await;
    let balances = fixture.store.account_balances(&arena()).await.unwrap();
    assert_eq!((balances.head.position, balances.unchained), (2, 1));
    let told: Vec<_> = balances
        .accounts
        .iter()
        .map(|row| (row.account.as_str(), row.total, row.unchained))
        .collect();
    let sides = |debits, credits| Sides { debits, credits };
    let expected = [
        ("provider:stripe", sides(0, 1_000), sides(0, 0)),
        ("refunds_payable", sides(1_000, 1_500), sides(0, 500)),
        ("sales_returns", sides(1_500, 0), sides(500, 0)),
    ];
    assert_eq!(told, expected);
    assert_eq!(fixture.store.recount(&arena()).await.unwrap().differences(), [""; 0]);
    fixture.chain().await;
    let chained = fixture.store.account_balances(&arena()).await.unwrap();
    for (before, after) in balances.accounts.iter().zip(&chained.accounts) {
        assert_eq!((before.total, Sides::default()), (after.total, after.unchained));
    }
    let theirs = fixture.store.account_balances(&other()).await.unwrap();
    assert_eq!(theirs, Balances::default());
    fixture
        .execute("UPDATE account_balances SET credits = 1499 WHERE account = 'refunds_payable'")
        .await
        .unwrap();
    let found = fixture.store.recount(&arena()).await.unwrap().differences();
    assert_eq!(found.len(), 1, "{found:?}");
    assert!(found[0].contains("refunds_payable keeps debits 1000 and credits 1499"), "{found:?}");
}

async fn movements_of_one_refund_are_found(fixture: Fixture) {
    fixture.import([order("A1")]).await;
    let first = fixture.pay("A1").await;
    let second = fixture.refund("A1", price(&[("p1", 200)], &[("p1", "stripe", 200)])).await;
    fixture.chain().await;
    for (refund, positions) in [(&first, vec![1, 2]), (&second, vec![3])] {
        let page = fixture.store.ledger_entries(&arena(), Some(&refund.id), ALL).await.unwrap();
        let found: Vec<i64> = page.rows.iter().map(|row| row.position).collect();
        assert_eq!((found, page.head.position), (positions, 3));
        let theirs = fixture.store.ledger_entries(&other(), Some(&refund.id), ALL).await.unwrap();
        assert_eq!((theirs.rows, theirs.head), (vec![], Head::GENESIS));
    }
}

async fn pages_of_the_books_join_without_a_gap(fixture: Fixture) {
    fixture.import([order("A1")]).await;
    for _ in 0..5 {
        fixture.refund("A1", by_card(10)).await;
    }
    fixture.chain().await;
    let mut read = Vec::new();
    loop {
        let slice = Slice { after: read.last().copied().unwrap_or(0), limit: 2 };
        let page = fixture.store.ledger_entries(&arena(), None, slice).await.unwrap();
        read.extend(page.rows.iter().map(|row| row.position));
        // What is chained meanwhile only comes behind.
        fixture.refund("A1", by_card(10)).await;
        if !page.more {
            break;
        }
    }
    assert_eq!(read, [1, 2, 3, 4, 5]);
}
