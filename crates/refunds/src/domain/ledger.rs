//! Double-entry postings: every movement of money debits one account and credits another.
//!
//! Invariant: a posting has exactly one debit, one credit and a positive amount, so debits equal
//! credits by construction; an attempt is reserved once and then posted or voided once, which the
//! database's key (attempt, phase) enforces.

use redress_core::id::{AttemptId, RefundId, TenantId};
use redress_core::money::Currency;

use super::attempt::Attempt;

/// Sales given back: what refunds take from revenue.
pub const SALES_RETURNS: &str = "sales_returns";
/// Owed to customers and not paid yet.
pub const REFUNDS_PAYABLE: &str = "refunds_payable";

/// The account of money at a provider.
pub fn provider_account(provider: &str) -> String {
    format!("provider:{provider}")
}

/// What a posting does.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum PostingKind {
    /// Money is promised: revenue becomes a debt to the customer.
    Reserve,
    /// The provider has paid: the debt is settled from the balance there.
    Post,
    /// The provider has not paid and will not: the promise is taken back.
    Void,
}

impl PostingKind {
    /// The name in the database.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Reserve => "RESERVE",
            Self::Post => "POST",
            Self::Void => "VOID",
        }
    }

    /// 1 opens an attempt's money, 2 closes it: with the attempt's id the key of a posting.
    pub const fn phase(self) -> i16 {
        match self {
            Self::Reserve => 1,
            Self::Post | Self::Void => 2,
        }
    }
}

/// One balanced movement.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Posting {
    /// Whose books.
    pub tenant: TenantId,
    /// The refund behind it.
    pub refund: RefundId,
    /// The attempt behind it.
    pub attempt: AttemptId,
    /// What it does.
    pub kind: PostingKind,
    /// The account debited.
    pub debit: String,
    /// The account credited.
    pub credit: String,
    /// The currency of the amount.
    pub currency: Currency,
    /// In minor units, above zero.
    pub amount: i64,
}

/// What a posting is about.
#[derive(Debug, Clone, Copy)]
pub struct Subject<'a> {
    /// Whose books.
    pub tenant: &'a TenantId,
    /// The refund.
    pub refund: &'a RefundId,
    /// The attempt.
    pub attempt: &'a AttemptId,
    /// Who processes it.
    pub provider: &'a str,
    /// The currency of the amount.
    pub currency: Currency,
    /// In minor units, above zero.
    pub amount: i64,
}

impl<'a> Subject<'a> {
    /// The money of an attempt.
    pub fn of(attempt: &'a Attempt) -> Self {
        Self {
            tenant: &attempt.tenant,
            refund: &attempt.refund,
            attempt: &attempt.id,
            provider: &attempt.provider,
            currency: attempt.currency,
            amount: attempt.amount,
        }
    }
}

impl Posting {
    /// The posting of `kind` for an attempt.
    pub fn new(kind: PostingKind, subject: Subject<'_>) -> Self {
        let (debit, credit) = match kind {
            PostingKind::Reserve => (SALES_RETURNS.to_owned(), REFUNDS_PAYABLE.to_owned()),
            PostingKind::Post => (REFUNDS_PAYABLE.to_owned(), provider_account(subject.provider)),
            PostingKind::Void => (REFUNDS_PAYABLE.to_owned(), SALES_RETURNS.to_owned()),
        };
        Self {
            tenant: subject.tenant.clone(),
            refund: subject.refund.clone(),
            attempt: subject.attempt.clone(),
            kind,
            debit,
            credit,
            currency: subject.currency,
            amount: subject.amount,
        }
    }
}

/// Sums over one currency of a tenant's books and of the counters behind them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CurrencySums {
    /// ISO 4217 code.
    pub currency: Currency,
    /// All debits.
    pub debits: i64,
    /// All credits.
    pub credits: i64,
    /// Credits less debits of the account refunds payable.
    pub payable: i64,
    /// Credits less debits of the accounts at providers.
    pub paid: i64,
    /// Sum of `reserved` over all payments.
    pub reserved: i64,
    /// Sum of `refunded` over all payments.
    pub refunded: i64,
    /// Sum of the amounts of succeeded attempts.
    pub succeeded: i64,
    /// Sum of the amounts of open attempts.
    pub open: i64,
}

impl CurrencySums {
    /// Every disagreement between the books and the counters, in words.
    pub fn differences(&self) -> Vec<String> {
        let pairs = [
            ("debits", self.debits, "credits", self.credits),
            ("refunds payable", self.payable, "reserved on payments", self.reserved),
            ("refunds payable", self.payable, "open attempts", self.open),
            ("paid through providers", self.paid, "refunded on payments", self.refunded),
            ("paid through providers", self.paid, "succeeded attempts", self.succeeded),
        ];
        pairs
            .into_iter()
            .filter(|(_, left, _, right)| left != right)
            .map(|(a, left, b, right)| format!("{}: {a} {left} but {b} {right}", self.currency))
            .collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_difference_of_one_unit_is_found_in_every_sum() {
        let sound = CurrencySums {
            currency: "EUR".parse().unwrap(),
            debits: 10,
            credits: 10,
            payable: 4,
            paid: 6,
            reserved: 4,
            refunded: 6,
            succeeded: 6,
            open: 4,
        };
        assert!(sound.differences().is_empty());
        for broken in [
            CurrencySums { debits: 11, ..sound.clone() },
            CurrencySums { reserved: 5, ..sound.clone() },
            CurrencySums { open: 3, ..sound.clone() },
            CurrencySums { refunded: 5, ..sound.clone() },
            CurrencySums { succeeded: 7, ..sound.clone() },
        ] {
            assert_eq!(broken.differences().len(), 1, "{broken:?}");
        }
    }
}
