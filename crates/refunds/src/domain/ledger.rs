//! Double-entry postings: every movement of money debits one account and credits another.
//!
//! Invariant: a posting has exactly one debit, one credit and a positive amount, so debits equal
//! credits by construction; an attempt is reserved once and then posted or voided once, which the
//! database's key (attempt, phase) enforces. A posting never changes; after its commit it gets its
//! place in the tenant's hash chain.

use std::collections::{BTreeMap, BTreeSet};

use redress_core::chain::{Hash, Head, LedgerFields};
use redress_core::clock::Timestamp;
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

/// The account of money that people pay back by hand, such as gift cards of `giftcard`.
pub fn manual_account(provider: &str) -> String {
    format!("manual:{provider}")
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
    /// The provider has paid without our asking, such as from its dashboard: revenue is given back
    /// at once, and nothing was promised before.
    External,
}

impl PostingKind {
    /// All kinds.
    pub const ALL: [Self; 4] = [Self::Reserve, Self::Post, Self::Void, Self::External];

    /// The name in the database.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Reserve => "RESERVE",
            Self::Post => "POST",
            Self::Void => "VOID",
            Self::External => "EXTERNAL",
        }
    }

    /// Reads the name in the database.
    pub fn parse(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.as_str() == name)
    }

    /// 1 opens an attempt's money, 2 closes it: with the attempt's id the key of a posting.
    pub const fn phase(self) -> i16 {
        match self {
            Self::Reserve => 1,
            Self::Post | Self::Void | Self::External => 2,
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
            PostingKind::External => (SALES_RETURNS.to_owned(), provider_account(subject.provider)),
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

    /// The posting for an attempt that a person has paid back by hand.
    pub fn paid_by_hand(subject: Subject<'_>) -> Self {
        let credit = manual_account(subject.provider);
        Self { credit, ..Self::new(PostingKind::Post, subject) }
    }

    /// What the hash of this posting covers at `position`.
    pub fn canonical(&self, position: i64, created: Timestamp) -> Vec<u8> {
        let fields = LedgerFields {
            tenant: self.tenant.as_str(),
            position,
            kind: self.kind.as_str(),
            attempt: self.attempt.as_str(),
            phase: self.kind.phase().into(),
            refund: self.refund.as_str(),
            debit: &self.debit,
            credit: &self.credit,
            currency: self.currency.code(),
            amount: self.amount,
            created: created.0,
        };
        fields.canonical()
    }
}

/// A posting with its place in the tenant's chain.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LedgerEntry {
    /// The movement.
    pub posting: Posting,
    /// When it became true.
    pub created: Timestamp,
    /// Its place: 1, 2, 3 in each tenant's books.
    pub position: i64,
    /// Over its content and the hash before it.
    pub hash: Hash,
}

impl LedgerEntry {
    /// What its hash covers.
    pub fn canonical(&self) -> Vec<u8> {
        self.posting.canonical(self.position, self.created)
    }
}

/// Both sides of an account, in minor units.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Sides {
    /// Sum of what was debited.
    pub debits: i64,
    /// Sum of what was credited.
    pub credits: i64,
}

/// Sums of postings by account and currency.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct AccountSums(pub BTreeMap<(String, Currency), Sides>);

impl AccountSums {
    /// Adds one movement to both of its accounts.
    pub fn add(&mut self, posting: &Posting) {
        self.side(&posting.debit, posting.currency).debits += posting.amount;
        self.side(&posting.credit, posting.currency).credits += posting.amount;
    }

    fn side(&mut self, account: &str, currency: Currency) -> &mut Sides {
        self.0.entry((account.to_owned(), currency)).or_default()
    }
}

/// One account in one currency.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AccountBalance {
    /// The account, such as `provider:stripe`.
    pub account: String,
    /// The currency.
    pub currency: Currency,
    /// Everything that was committed.
    pub total: Sides,
    /// The part of it that has no place in the chain yet.
    pub unchained: Sides,
}

/// Every account of a tenant, at one instant.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Balances {
    /// How far the chain goes.
    pub head: Head,
    /// Committed postings without a place yet.
    pub unchained: i64,
    /// By account and currency.
    pub accounts: Vec<AccountBalance>,
}

/// How many rows a chain has to do with, at one instant.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct ChainTally {
    /// How far the chain goes.
    pub head: Head,
    /// Rows that wait for their place.
    pub waiting: i64,
    /// All rows.
    pub rows: i64,
}

impl ChainTally {
    /// The disagreement, in words, when there are rows that neither stand in the chain nor wait, or
    /// places without their row.
    fn difference(&self, chain: &str) -> Option<String> {
        let Self { head, waiting, rows } = self;
        (head.position + waiting != *rows).then(|| {
            format!(
                "{chain} chain: {rows} rows, but {} have a place and {waiting} wait for one",
                head.position
            )
        })
    }
}

/// The books counted anew and as they are kept, at one instant.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Recount {
    /// As they are kept.
    pub balances: Balances,
    /// Summed over all postings.
    pub summed: AccountSums,
    /// The postings and their chain.
    pub ledger: ChainTally,
    /// The audit entries and their chain.
    pub audit: ChainTally,
}

impl Recount {
    /// Every disagreement between what is kept and what was counted, in words.
    pub fn differences(&self) -> Vec<String> {
        let tallies = [self.ledger.difference("ledger"), self.audit.difference("audit")];
        let mut found: Vec<String> = tallies.into_iter().flatten().collect();
        let mut kept = AccountSums::default();
        for row in &self.balances.accounts {
            kept.0.insert((row.account.clone(), row.currency), row.total);
        }
        let keys: BTreeSet<_> = kept.0.keys().chain(self.summed.0.keys()).collect();
        for key @ (account, currency) in keys {
            let of = |sums: &AccountSums| sums.0.get(key).copied().unwrap_or_default();
            let (kept, summed) = (of(&kept), of(&self.summed));
            if kept != summed {
                found.push(format!(
                    "{currency}: account {account} keeps debits {} and credits {}, its postings sum \
                     to {} and {}",
                    kept.debits, kept.credits, summed.debits, summed.credits
                ));
            }
        }
        found
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
mod tests;
