//! The books on the wire.

use redress_proto::refunds::v1 as pb;

use crate::app::LedgerCheck;
use crate::domain::ledger::CurrencySums;

/// The wire form of a check of the books.
pub(in crate::grpc) fn report(check: LedgerCheck) -> pb::LedgerReport {
    pb::LedgerReport {
        balances: check.sums.iter().map(balance).collect(),
        balanced: check.differences.is_empty(),
        differences: check.differences,
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
