//! The canonical forms as they stand, and chains that were tampered with.
//!
//! The expected hashes were computed by the Python program in `docs/ledger.md`.

use proptest::prelude::*;

use super::*;

fn movement() -> LedgerFields<'static> {
    LedgerFields {
        tenant: "arena",
        position: 1,
        kind: "RESERVE",
        attempt: "at1",
        phase: 1,
        refund: "re1",
        debit: "sales_returns",
        credit: "refunds_payable",
        currency: "EUR",
        amount: 1_250,
        created: 1_767_225_600_000_000,
    }
}

fn approval() -> AuditFields<'static> {
    AuditFields {
        tenant: "arena",
        position: 2,
        id: "e1",
        actor: "ämna",
        roles: vec!["agent", "finance"],
        action: "REFUND_APPROVED",
        resource: "refunds/re1",
        reason: "ok",
        details: vec![("amount", "1250")],
        created: 1_767_225_600_000_000,
    }
}

#[test]
fn the_first_forms_keep_their_bytes() {
    let first = Hash::GENESIS.followed_by(&movement().canonical());
    assert_eq!(
        first.to_string(),
        "9a04a4644c0d7f1e9c61e8bb9d8974fc4b3a2c42aa4abed0fbff6ab8d516edfd"
    );
    assert_eq!(
        first.followed_by(&approval().canonical()).to_string(),
        "82417ec4762377f87fa1c04e31b49f21d4f532d7d05d8f1a4019e56e173b8b01"
    );
}

#[test]
fn every_field_of_a_movement_counts() {
    let plain = movement();
    let changed = [
        LedgerFields { tenant: "arenb", ..plain },
        LedgerFields { position: 2, ..plain },
        LedgerFields { kind: "VOID", ..plain },
        LedgerFields { attempt: "at2", ..plain },
        LedgerFields { phase: 2, ..plain },
        LedgerFields { refund: "re2", ..plain },
        LedgerFields { debit: "sales", ..plain },
        LedgerFields { credit: "refunds", ..plain },
        LedgerFields { currency: "CNY", ..plain },
        LedgerFields { amount: 1_251, ..plain },
        LedgerFields { created: 0, ..plain },
        // The same letters, cut elsewhere.
        LedgerFields { attempt: "at", refund: "1re1", ..plain },
        LedgerFields { amount: 1, created: 2_501_767_225_600_000_000, ..plain },
    ];
    for fields in changed {
        assert_ne!(fields.canonical(), plain.canonical(), "{fields:?}");
    }
}

#[test]
fn every_field_of_an_audit_entry_counts() {
    let plain = approval();
    let changed = [
        AuditFields { tenant: "arenb", ..plain.clone() },
        AuditFields { position: 3, ..plain.clone() },
        AuditFields { id: "e2", ..plain.clone() },
        AuditFields { actor: "amna", ..plain.clone() },
        AuditFields { roles: vec!["agent"], ..plain.clone() },
        AuditFields { roles: vec!["finance", "agent"], ..plain.clone() },
        AuditFields { roles: vec!["agent,finance"], ..plain.clone() },
        AuditFields { action: "REFUND_REJECTED", ..plain.clone() },
        AuditFields { resource: "refunds/re2", ..plain.clone() },
        AuditFields { reason: "", ..plain.clone() },
        AuditFields { details: vec![], ..plain.clone() },
        AuditFields { details: vec![("amount", "1251")], ..plain.clone() },
        AuditFields { details: vec![("amount1", "250")], ..plain.clone() },
        AuditFields { created: 0, ..plain.clone() },
    ];
    for fields in changed {
        assert_ne!(fields.canonical(), plain.canonical(), "{fields:?}");
    }
}

proptest! {
    /// Reads the canonical bytes back: what can be read back cannot be shared by two entries.
    #[test]
    fn canonical_bytes_read_back(texts in prop::collection::vec(".{0,12}", 6), amount: i64) {
        let fields = LedgerFields {
            kind: &texts[0],
            attempt: &texts[1],
            refund: &texts[2],
            debit: &texts[3],
            credit: &texts[4],
            currency: &texts[5],
            amount,
            ..movement()
        };
        let bytes = fields.canonical();
        let mut rest = bytes.as_slice();
        let mut read = Vec::new();
        while let Some((length, tail)) = rest.split_first_chunk::<4>() {
            let (text, tail) = tail.split_at(u32::from_be_bytes(*length) as usize);
            read.push(String::from_utf8(text.to_vec()).unwrap());
            rest = tail;
        }
        prop_assert!(rest.is_empty());
        prop_assert_eq!(&read[3..5], &texts[..2]);
        prop_assert_eq!(&read[6..10], &texts[2..]);
        prop_assert_eq!(read[10].parse(), Ok(amount));
    }
}

#[test]
fn a_walk_finds_the_first_position_that_does_not_fit() {
    let link = |position, amount| LedgerFields { position, amount, ..movement() }.canonical();
    let first = Hash::GENESIS.followed_by(&link(1, 10));
    let second = first.followed_by(&link(2, 20));
    let mut walk = Walk::default();
    walk.step(1, &link(1, 10), first).unwrap();
    let altered = walk.step(2, &link(2, 21), second).unwrap_err();
    assert!(altered.to_string().starts_with("position 2 does not fit"), "{altered}");
    let gap = walk.step(3, &link(3, 30), second).unwrap_err();
    assert_eq!(gap, Break::OutOfPlace { after: 1, found: 3 });
    walk.step(2, &link(2, 20), second).unwrap();
    assert_eq!(walk.head(), Head { position: 2, hash: second });
}

#[test]
fn heads_read_back_and_nothing_else_does() {
    let head = Head { position: 7, hash: Hash::GENESIS.followed_by(b"x") };
    assert_eq!(head.to_string().parse(), Ok(head));
    let hash = head.hash.to_string();
    for bad in ["", "7", "7:", &hash, &format!("-1:{hash}"), &format!("7:{}", &hash[1..])] {
        assert_eq!(bad.parse::<Head>(), Err(InvalidHead), "{bad}");
    }
    assert!(format!("{}é", &hash[2..]).parse::<Hash>().is_err(), "not a character boundary");
}
