//! Books and logs as a service lists them, sound and tampered with.

use prost_types::Timestamp;
use redress_proto::refunds::v1::AuditDetail;

use super::*;

/// A movement of so many cents with its place after `before`.
fn movement(before: Head, amount: i64) -> LedgerEntry {
    let mut entry = LedgerEntry {
        position: before.position + 1,
        hash: Vec::new(),
        kind: "RESERVE".to_owned(),
        attempt_id: format!("at{amount}"),
        phase: 1,
        refund: "refunds/re1".to_owned(),
        debit: "sales_returns".to_owned(),
        credit: "refunds_payable".to_owned(),
        currency_code: "EUR".to_owned(),
        amount,
        create_time: Some(Timestamp { seconds: 5, nanos: 7_000 }),
    };
    entry.hash = before.hash.followed_by(&canonical(&entry)).as_bytes().to_vec();
    entry
}

fn canonical(entry: &LedgerEntry) -> Vec<u8> {
    let fields = LedgerFields {
        tenant: "arena",
        position: entry.position,
        kind: &entry.kind,
        attempt: &entry.attempt_id,
        phase: 1,
        refund: "re1",
        debit: &entry.debit,
        credit: &entry.credit,
        currency: "EUR",
        amount: entry.amount,
        created: 5_000_007,
    };
    fields.canonical()
}

fn head(entry: &LedgerEntry) -> Head {
    Head { position: entry.position, hash: Hash::try_from(&*entry.hash).unwrap() }
}

/// Movements of these amounts, one after the other.
fn books(amounts: &[i64]) -> Vec<LedgerEntry> {
    let mut entries: Vec<LedgerEntry> = Vec::new();
    for amount in amounts {
        let before = entries.last().map(head).unwrap_or_default();
        entries.push(movement(before, *amount));
    }
    entries
}

fn walk(entries: &[LedgerEntry], known: Vec<Checkpoint>) -> Result<Head, String> {
    let mut chain = Chain::new(known)?;
    entries.iter().try_for_each(|entry| chain.movement("arena", entry))?;
    chain.end()
}

fn account(name: &str, debits: i64, credits: i64) -> AccountBalance {
    AccountBalance {
        account: name.to_owned(),
        currency_code: "EUR".to_owned(),
        debits,
        credits,
        ..AccountBalance::default()
    }
}

fn said(entries: &[LedgerEntry], position: i64, sum: i64) -> Checkpoint {
    let accounts = [account("sales_returns", sum, 0), account("refunds_payable", 0, sum)];
    let head = entries.iter().find(|entry| entry.position == position).map(head);
    let head = head.unwrap_or_default();
    checkpoint("ListAccountBalances", &accounts, head.position, head.hash.as_bytes()).unwrap()
}

#[test]
fn sound_books_end_at_their_head() {
    let entries = books(&[10, 20, 30]);
    let known = vec![said(&entries, 3, 60), said(&entries, 2, 30), noted(head(&entries[0]))];
    assert_eq!(walk(&entries, known), Ok(head(&entries[2])));
    assert_eq!(walk(&[], vec![said(&[], 0, 0)]), Ok(Head::GENESIS));
}

#[test]
fn what_waits_for_its_place_is_not_expected_in_the_chain() {
    let entries = books(&[10]);
    let waits = AccountBalance { unchained_debits: 5, ..account("sales_returns", 15, 0) };
    let owed = AccountBalance { unchained_credits: 5, ..account("refunds_payable", 0, 15) };
    let fresh = AccountBalance { unchained_credits: 7, ..account("provider:stripe", 0, 7) };
    let head = head(&entries[0]);
    let known = checkpoint("CheckLedger", &[waits, owed, fresh], 1, head.hash.as_bytes()).unwrap();
    assert_eq!(walk(&entries, vec![known]), Ok(head));
}

#[test]
fn the_first_movement_that_does_not_fit_is_named() {
    let told = |entries: &[LedgerEntry]| walk(entries, Vec::new()).unwrap_err();
    let mut altered = books(&[10, 20, 30]);
    altered[1].amount = 21;
    assert!(told(&altered).starts_with("position 2 does not fit"), "{}", told(&altered));
    let mut removed = books(&[10, 20, 30]);
    removed.remove(1);
    assert!(told(&removed).starts_with("position 3 follows 1"), "{}", told(&removed));
    let mut swapped = books(&[10, 20, 30]);
    swapped.swap(0, 1);
    assert!(told(&swapped).starts_with("position 2 follows 0"), "{}", told(&swapped));
    let mut unhashed = books(&[10]);
    unhashed[0].hash.pop();
    assert!(told(&unhashed).starts_with("position 1: expected a SHA-256"), "{}", told(&unhashed));
    assert!(told(&books(&[10, 0])).starts_with("position 2 moves nothing"));
    assert!(walk(&books(&[10]), Vec::new()).is_ok());
    let mut chain = Chain::default();
    assert!(chain.movement("other", &books(&[10])[0]).is_err(), "another tenant's books");
}

#[test]
fn accounts_that_are_not_the_sums_of_the_entries_are_named() {
    let entries = books(&[10, 20]);
    let told = walk(&entries, vec![said(&entries, 2, 31)]).unwrap_err();
    let expected = "position 2: ListAccountBalances says EUR: refunds_payable has debits 0 and \
                    credits 31, the entries sum to 0 and 30";
    assert_eq!(told, expected);
    let head = head(&entries[1]);
    let missing = checkpoint("CheckLedger", &[], 2, head.hash.as_bytes()).unwrap();
    assert!(walk(&entries, vec![missing]).is_err());
}

#[test]
fn books_that_were_rewritten_or_cut_off_do_not_have_the_head_that_was_noted() {
    let before = books(&[10, 20, 30]);
    let rewritten = books(&[10, 21, 30]);
    let told = walk(&rewritten, vec![noted(head(&before[1]))]).unwrap_err();
    assert!(told.starts_with("the head noted earlier has 2:"), "{told}");
    let told = walk(&before[..2], vec![noted(head(&before[2]))]).unwrap_err();
    assert!(told.ends_with("its end was cut off"), "{told}");
    assert_eq!(walk(&before, vec![noted(head(&before[2]))]), Ok(head(&before[2])));
}

#[test]
fn the_audit_log_is_recomputed_from_what_is_listed() {
    let detail = |name: &str| AuditDetail { name: name.to_owned(), value: "1".to_owned() };
    let mut record = AuditRecord {
        name: "auditRecords/e1".to_owned(),
        position: 1,
        hash: Vec::new(),
        actor: "agent-1".to_owned(),
        roles: vec!["agent".to_owned(), "finance".to_owned()],
        action: "REFUND_APPROVED".to_owned(),
        resource: "refunds/re1".to_owned(),
        reason: "seen".to_owned(),
        details: vec![detail("amount"), detail("attempt")],
        create_time: Some(Timestamp { seconds: 5, nanos: 7_000 }),
    };
    let fields = AuditFields {
        tenant: "arena",
        position: 1,
        id: "e1",
        actor: "agent-1",
        roles: vec!["agent", "finance"],
        action: "REFUND_APPROVED",
        resource: "refunds/re1",
        reason: "seen",
        details: vec![("amount", "1"), ("attempt", "1")],
        created: 5_000_007,
    };
    record.hash = Hash::GENESIS.followed_by(&fields.canonical()).as_bytes().to_vec();
    assert_eq!(Chain::default().record("arena", &record), Ok(()));
    record.reason.clear();
    assert!(Chain::default().record("arena", &record).is_err());
}
