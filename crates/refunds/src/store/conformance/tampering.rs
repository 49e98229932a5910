//! The database keeps the books by itself, and what somebody changes behind its back is found.

use redress_core::chain::{Break, Walk};
use redress_store::{Database, StoreError};

use super::audit::approval;
use super::{Fixture, arena, by_card, open_fixture, order};

redress_testkit::conformance! {
    open = open_fixture;
    nothing_in_the_books_can_be_changed_or_removed,
    a_movement_that_closes_nothing_is_refused,
    a_changed_movement_is_found_by_its_position,
    a_movement_that_was_removed_or_slipped_in_is_found,
}

impl Fixture {
    /// Takes the guards off the postings, as somebody with the database's password can.
    async fn unguard(&self) {
        match &self.database {
            Database::Sqlite(_) => {
                for trigger in
                    ["DROP TRIGGER postings_are_never_changed", "DROP TRIGGER postings_are_kept"]
                {
                    self.execute(trigger).await.unwrap();
                }
            }
            Database::Postgres(_) => {
                self.execute("ALTER TABLE postings DISABLE TRIGGER USER").await.unwrap();
            }
        }
    }
}

async fn nothing_in_the_books_can_be_changed_or_removed(fixture: Fixture) {
    fixture.import([order("A1")]).await;
    fixture.refund("A1", by_card(100)).await;
    fixture.audit(&[approval("e1", "refunds/r1", "agent-1")]).await.unwrap();
    fixture.chain().await;
    let before = fixture.verify(&arena()).await.unwrap();
    let attempts = [
        "UPDATE postings SET amount = 1",
        "DELETE FROM postings",
        "UPDATE audit_entries SET reason = ''",
        "DELETE FROM audit_entries",
        "UPDATE chain_links SET position = position + 1",
        "DELETE FROM chain_links",
    ];
    for sql in attempts {
        let refused = fixture.execute(sql).await.unwrap_err();
        let StoreError::Internal(cause) = refused else { panic!("{sql}: {refused:?}") };
        assert!(cause.to_string().contains("is append-only"), "{sql}: {cause}");
    }
    if let Database::Postgres(_) = &fixture.database {
        for sql in ["TRUNCATE postings", "TRUNCATE audit_entries", "TRUNCATE chain_links"] {
            assert!(fixture.execute(sql).await.is_err(), "{sql}");
        }
    }
    assert_eq!(fixture.verify(&arena()).await, Ok(before));
}

/// Rows that no code of ours writes: the database refuses them all the same.
async fn a_movement_that_closes_nothing_is_refused(fixture: Fixture) {
    fixture.import([order("A1")]).await;
    fixture.refund("A1", by_card(100)).await;
    let bad = [
        // Another amount, currency or refund than was reserved.
        "INSERT INTO postings SELECT tenant, attempt_id, 2, 'POST', refund_id, 'refunds_payable',
             'provider:stripe', currency, amount + 1, created FROM postings",
        "INSERT INTO postings SELECT tenant, attempt_id, 2, 'VOID', refund_id, 'refunds_payable',
             'sales_returns', 'CNY', amount, created FROM postings",
        "INSERT INTO postings SELECT tenant, attempt_id, 2, 'VOID', 'another', 'refunds_payable',
             'sales_returns', currency, amount, created FROM postings",
        // What was reserved was not paid behind our back.
        "INSERT INTO postings SELECT tenant, attempt_id, 2, 'EXTERNAL', refund_id,
             'sales_returns', 'provider:stripe', currency, amount, created FROM postings",
        // Kinds in the wrong phase, between the wrong accounts, or unknown.
        "INSERT INTO postings SELECT tenant, attempt_id, 2, 'RESERVE', refund_id, debit, credit,
             currency, amount, created FROM postings",
        "INSERT INTO postings SELECT tenant, attempt_id, 2, 'POST', refund_id, 'refunds_payable',
             'sales_returns', currency, amount, created FROM postings",
        "INSERT INTO postings SELECT tenant, attempt_id, 2, 'GIFT', refund_id, 'refunds_payable',
             'sales_returns', currency, amount, created FROM postings",
    ];
    for sql in bad {
        assert!(fixture.execute(sql).await.is_err(), "{sql}");
    }
    assert_eq!(fixture.chain().await, 1, "a refused movement waits for no place");
    let good = "INSERT INTO postings SELECT tenant, attempt_id, 2, 'POST', refund_id,
         'refunds_payable', 'manual:giftcard', currency, amount, created FROM postings";
    fixture.execute(good).await.unwrap();
    assert_eq!(fixture.chain().await, 1);
}

async fn a_changed_movement_is_found_by_its_position(fixture: Fixture) {
    fixture.import([order("A1")]).await;
    for amount in [100, 200, 300] {
        fixture.refund("A1", by_card(amount)).await;
    }
    fixture.chain().await;
    fixture.verify(&arena()).await.unwrap();
    fixture.unguard().await;
    fixture.execute("UPDATE postings SET amount = 2000 WHERE amount = 200").await.unwrap();
    let broken = fixture.verify(&arena()).await.unwrap_err();
    assert!(matches!(broken, Break::Altered { position: 2, .. }), "{broken}");
    let recount = fixture.store.recount(&arena()).await.unwrap().differences();
    assert_eq!(recount.len(), 2, "both accounts: {recount:?}");
}

async fn a_movement_that_was_removed_or_slipped_in_is_found(fixture: Fixture) {
    fixture.import([order("A1")]).await;
    for amount in [100, 200, 300] {
        fixture.refund("A1", by_card(amount)).await;
    }
    fixture.chain().await;
    fixture.unguard().await;
    fixture.execute("DELETE FROM postings WHERE amount = 200").await.unwrap();
    let gap = fixture.entries(&arena()).await.rows;
    let mut walk = Walk::default();
    walk.step(1, &gap[0].canonical(), gap[0].hash).unwrap();
    let broken = walk.step(gap[1].position, &gap[1].canonical(), gap[1].hash).unwrap_err();
    assert_eq!(broken, Break::OutOfPlace { after: 1, found: 3 });
    let recount = fixture.store.recount(&arena()).await.unwrap().differences();
    assert!(recount[0].starts_with("ledger chain: 2 rows, but 3 have a place"), "{recount:?}");
    // Two more than there were, which never waited for a place.
    if let Database::Sqlite(_) = &fixture.database {
        fixture.execute("DROP TRIGGER postings_are_taken_in").await.unwrap();
    }
    let slip = "INSERT INTO postings SELECT tenant, attempt_id, 2, 'VOID', refund_id,
         'refunds_payable', 'sales_returns', currency, amount, created FROM postings";
    fixture.execute(slip).await.unwrap();
    assert_eq!(fixture.chain().await, 0);
    let recount = fixture.store.recount(&arena()).await.unwrap().differences();
    assert!(recount[0].starts_with("ledger chain: 4 rows, but 3 have a place"), "{recount:?}");
}
