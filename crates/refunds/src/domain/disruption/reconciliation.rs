//! What a disruption came to, told four times: by its items, its refunds, their attempts and the
//! books.
//!
//! Invariant: a currency is balanced only when all four name the same sum paid, what the books
//! still promise is what open attempts hold, and no single order differs. Amounts are in minor
//! units.

use redress_core::money::Currency;

use super::ItemState;
use crate::domain::ledger::PostingKind;

/// One currency of a disruption.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reconciliation {
    /// The currency of every amount here.
    pub currency: Currency,
    /// The items by state.
    pub items: Vec<ReconciledItems>,
    /// How many refunds there are.
    pub refunds: i64,
    /// What they have paid.
    pub refunds_issued: i64,
    /// Their attempts by provider.
    pub providers: Vec<ReconciledProvider>,
    /// Their postings by kind and account.
    pub postings: Vec<ReconciledPostings>,
    /// Orders whose item, refund, attempts and postings name different sums.
    pub orders_that_differ: i64,
}

/// Items of one state.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ReconciledItems {
    /// The state.
    pub state: ItemState,
    /// How many.
    pub orders: i64,
    /// What is to be paid.
    pub requested: i64,
    /// What has been paid.
    pub issued: i64,
}

/// Attempts on one provider.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ReconciledProvider {
    /// The provider.
    pub provider: String,
    /// How many succeeded.
    pub attempts: i64,
    /// What those have paid.
    pub amount: i64,
    /// How many different refunds of the provider those name.
    pub provider_refunds: i64,
    /// What attempts hold whose outcome is open.
    pub open: i64,
}

/// Postings of one kind.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ReconciledPostings {
    /// The kind.
    pub kind: PostingKind,
    /// The account credited.
    pub account: String,
    /// Their sum.
    pub amount: i64,
}

impl Reconciliation {
    /// Nothing in a currency yet.
    pub const fn new(currency: Currency) -> Self {
        Self {
            currency,
            items: Vec::new(),
            refunds: 0,
            refunds_issued: 0,
            providers: Vec::new(),
            postings: Vec::new(),
            orders_that_differ: 0,
        }
    }

    /// What is to be paid, by the items.
    pub fn requested(&self) -> i64 {
        self.items.iter().map(|items| items.requested).sum()
    }

    /// What has been paid, by the items.
    pub fn issued(&self) -> i64 {
        self.items.iter().map(|items| items.issued).sum()
    }

    /// What has been paid, by the attempts.
    pub fn succeeded(&self) -> i64 {
        self.providers.iter().map(|provider| provider.amount).sum()
    }

    /// What attempts hold whose outcome is open.
    pub fn open(&self) -> i64 {
        self.providers.iter().map(|provider| provider.open).sum()
    }

    /// What the books moved by postings of `kind`.
    pub fn posted(&self, kind: PostingKind) -> i64 {
        let of_kind = self.postings.iter().filter(|postings| postings.kind == kind);
        of_kind.map(|postings| postings.amount).sum()
    }

    /// Whether items, refunds, attempts and books agree.
    pub fn is_balanced(&self) -> bool {
        let issued = self.issued();
        let (reserved, posted) =
            (self.posted(PostingKind::Reserve), self.posted(PostingKind::Post));
        let promised = reserved - posted - self.posted(PostingKind::Void);
        [self.refunds_issued, self.succeeded(), posted] == [issued; 3]
            && promised == self.open()
            && self.posted(PostingKind::External) == 0
            && self.orders_that_differ == 0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sound() -> Reconciliation {
        let postings = |kind, account: &str, amount| ReconciledPostings {
            kind,
            account: account.to_owned(),
            amount,
        };
        Reconciliation {
            items: vec![
                ReconciledItems {
                    state: ItemState::Succeeded,
                    orders: 1,
                    requested: 70,
                    issued: 70,
                },
                ReconciledItems {
                    state: ItemState::Attention,
                    orders: 1,
                    requested: 30,
                    issued: 0,
                },
            ],
            refunds: 2,
            refunds_issued: 70,
            providers: vec![ReconciledProvider {
                provider: "stripe".to_owned(),
                attempts: 1,
                amount: 70,
                provider_refunds: 1,
                open: 20,
            }],
            postings: vec![
                postings(PostingKind::Reserve, "refunds_payable", 100),
                postings(PostingKind::Post, "provider:stripe", 70),
                postings(PostingKind::Void, "sales_returns", 10),
            ],
            ..Reconciliation::new("EUR".parse().unwrap())
        }
    }

    #[test]
    fn each_of_the_four_can_break_the_balance() {
        assert!(sound().is_balanced());
        assert_eq!((sound().requested(), sound().issued(), sound().open()), (100, 70, 20));
        let broken: [fn(&mut Reconciliation); 7] = [
            |r| r.items[0].issued = 71,
            |r| r.refunds_issued = 69,
            |r| r.providers[0].amount = 71,
            |r| r.providers[0].open = 0,
            |r| r.postings[1].amount = 69,
            |r| r.postings[2].amount = 11,
            |r| r.orders_that_differ = 1,
        ];
        for breaks in broken {
            let mut reconciliation = sound();
            breaks(&mut reconciliation);
            assert!(!reconciliation.is_balanced(), "{reconciliation:?}");
        }
    }
}
