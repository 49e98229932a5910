//! The books and the audit log on the wire.
//!
//! Invariant: whatever a hash covers leaves as it was hashed.

use redress_api::time;
use redress_proto::refunds::v1 as pb;

use crate::app::LedgerCheck;
use crate::domain::audit::AuditRecord;
use crate::domain::ledger::{AccountBalance, Balances, CurrencySums, LedgerEntry};

/// The wire form of a check of the books.
pub(in crate::grpc) fn report(check: LedgerCheck) -> pb::LedgerReport {
    pb::LedgerReport {
        balances: check.sums.iter().map(balance).collect(),
        balanced: check.differences.is_empty(),
        differences: check.differences,
        accounts: check.balances.accounts.iter().map(account).collect(),
        chain_position: check.balances.head.position,
        chain_hash: check.balances.head.hash.as_bytes().to_vec(),
        unchained: check.balances.unchained,
    }
}

fn balance(sums: &CurrencySums) -> pb::LedgerBalance {
    pb::LedgerBalance {
        currency_code: sums.currency.code().to_owned(),
        debits: sums.debits,
        credits: sums.credits,
        payable: sums.payable,
        paid: sums.paid,
    }
}

fn account(balance: &AccountBalance) -> pb::AccountBalance {
    pb::AccountBalance {
        account: balance.account.clone(),
        currency_code: balance.currency.code().to_owned(),
        debits: balance.total.debits,
        credits: balance.total.credits,
        unchained_debits: balance.unchained.debits,
        unchained_credits: balance.unchained.credits,
    }
}

/// The wire form of every account.
pub(in crate::grpc) fn balances(balances: &Balances) -> pb::ListAccountBalancesResponse {
    pb::ListAccountBalancesResponse {
        accounts: balances.accounts.iter().map(account).collect(),
        chain_position: balances.head.position,
        chain_hash: balances.head.hash.as_bytes().to_vec(),
        unchained: balances.unchained,
    }
}

/// The wire form of a movement.
pub(in crate::grpc) fn entry(entry: &LedgerEntry) -> pb::LedgerEntry {
    let posting = &entry.posting;
    pb::LedgerEntry {
        position: entry.position,
        hash: entry.hash.as_bytes().to_vec(),
        kind: posting.kind.as_str().to_owned(),
        attempt_id: posting.attempt.as_str().to_owned(),
        phase: posting.kind.phase().into(),
        refund: posting.refund.resource_name(),
        debit: posting.debit.clone(),
        credit: posting.credit.clone(),
        currency_code: posting.currency.code().to_owned(),
        amount: posting.amount,
        create_time: Some(time::to_proto(entry.created)),
    }
}

/// The wire form of an audit entry.
pub(in crate::grpc) fn audit_record(record: &AuditRecord) -> pb::AuditRecord {
    let entry = &record.entry;
    let detail = |(name, value): (&String, &String)| pb::AuditDetail {
        name: name.clone(),
        value: value.clone(),
    };
    pb::AuditRecord {
        name: entry.id.resource_name(),
        position: record.position,
        hash: record.hash.as_bytes().to_vec(),
        actor: entry.actor.clone(),
        roles: entry.roles.iter().map(|role| role.as_str().to_owned()).collect(),
        action: entry.action.as_str().to_owned(),
        resource: entry.resource.clone(),
        reason: entry.reason.clone(),
        details: entry.details.iter().map(detail).collect(),
        create_time: Some(time::to_proto(entry.at)),
    }
}
