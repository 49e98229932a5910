//! Any sequence of movements balances, and a difference of one unit is found in every sum.

use proptest::prelude::*;
use redress_core::chain::Hash;

use super::*;

fn euro() -> Currency {
    "EUR".parse().unwrap()
}

fn posting(kind: PostingKind, provider: &str, currency: Currency, amount: i64) -> Posting {
    let (tenant, refund) = (TenantId::new("arena").unwrap(), RefundId::new("re1").unwrap());
    let attempt = AttemptId::new("at1").unwrap();
    let (tenant, refund, attempt) = (&tenant, &refund, &attempt);
    Posting::new(kind, Subject { tenant, refund, attempt, provider, currency, amount })
}

#[test]
fn a_difference_of_one_unit_is_found_in_every_sum() {
    let sound = CurrencySums {
        currency: euro(),
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

#[test]
fn each_kind_moves_money_between_its_accounts() {
    let accounts = |kind| {
        let posting = posting(kind, "stripe", euro(), 5);
        (posting.debit, posting.credit, kind.phase())
    };
    let named = |debit: &str, credit: &str, phase| (debit.to_owned(), credit.to_owned(), phase);
    assert_eq!(accounts(PostingKind::Reserve), named("sales_returns", "refunds_payable", 1));
    assert_eq!(accounts(PostingKind::Post), named("refunds_payable", "provider:stripe", 2));
    assert_eq!(accounts(PostingKind::Void), named("refunds_payable", "sales_returns", 2));
    assert_eq!(accounts(PostingKind::External), named("sales_returns", "provider:stripe", 2));
    for kind in PostingKind::ALL {
        assert_eq!(PostingKind::parse(kind.as_str()), Some(kind));
    }
    assert_eq!(PostingKind::parse("reserve"), None);
}

#[test]
fn what_a_person_paid_back_is_not_on_a_providers_account() {
    let reserved = posting(PostingKind::Reserve, "giftcard", euro(), 5);
    let subject = Subject {
        tenant: &reserved.tenant,
        refund: &reserved.refund,
        attempt: &reserved.attempt,
        provider: "giftcard",
        currency: euro(),
        amount: 5,
    };
    let paid = Posting::paid_by_hand(subject);
    assert_eq!(
        (paid.kind, &*paid.debit, &*paid.credit),
        (PostingKind::Post, REFUNDS_PAYABLE, "manual:giftcard")
    );
}

/// A recount of one posting of 5 cents, which has a place in the chain.
fn sound() -> Recount {
    let posting = posting(PostingKind::Reserve, "stripe", euro(), 5);
    let mut summed = AccountSums::default();
    summed.add(&posting);
    let head =
        Head { position: 1, hash: Hash::GENESIS.followed_by(&posting.canonical(1, Timestamp(0))) };
    let account = |((account, currency), sides): (&(String, Currency), &Sides)| AccountBalance {
        account: account.clone(),
        currency: *currency,
        total: *sides,
        unchained: Sides::default(),
    };
    let accounts = summed.0.iter().map(account).collect();
    Recount {
        balances: Balances { head, unchained: 0, accounts },
        summed,
        ledger: ChainTally { head, waiting: 0, rows: 1 },
        audit: ChainTally::default(),
    }
}

#[test]
fn a_recount_tells_what_does_not_agree() {
    assert!(sound().differences().is_empty());
    let mut off_by_one = sound();
    off_by_one.balances.accounts[0].total.credits += 1;
    let told = off_by_one.differences();
    assert_eq!(told.len(), 1, "{told:?}");
    assert!(told[0].starts_with("EUR: account refunds_payable keeps"), "{told:?}");
    let mut gone = sound();
    gone.balances.accounts.pop();
    assert_eq!(gone.differences().len(), 1);
    let mut unknown = sound();
    unknown.summed.0.remove(&(SALES_RETURNS.to_owned(), euro()));
    assert_eq!(unknown.differences().len(), 1);
    let mut past_the_chain = sound();
    past_the_chain.ledger.rows = 2;
    past_the_chain.audit.rows = 1;
    let told = past_the_chain.differences();
    assert!(told[0].starts_with("ledger chain: 2 rows, but 1 have a place"), "{told:?}");
    assert!(told[1].starts_with("audit chain: 1 rows"), "{told:?}");
}

fn any_posting() -> impl Strategy<Value = Posting> {
    let kind = prop::sample::select(PostingKind::ALL.to_vec());
    let provider = prop::sample::select(vec!["stripe", "adyen", "giftcard"]);
    let currency = prop::sample::select(vec!["EUR", "CNY", "JPY"]);
    (kind, provider, currency, 1..1_000_000_000_000_i64).prop_map(
        |(kind, provider, currency, amount)| {
            posting(kind, provider, currency.parse().unwrap(), amount)
        },
    )
}

proptest! {
    #[test]
    fn any_sequence_of_movements_balances(postings in prop::collection::vec(any_posting(), 0..40)) {
        let mut sums = AccountSums::default();
        let mut moved: BTreeMap<Currency, i64> = BTreeMap::new();
        for posting in &postings {
            sums.add(posting);
            *moved.entry(posting.currency).or_default() += posting.amount;
        }
        for (currency, moved) in moved {
            let of_currency = || sums.0.iter().filter(|((_, other), _)| *other == currency);
            prop_assert_eq!(of_currency().map(|(_, sides)| sides.debits).sum::<i64>(), moved);
            prop_assert_eq!(of_currency().map(|(_, sides)| sides.credits).sum::<i64>(), moved);
        }
    }

    /// An attempt that is reserved and then closed, either way, leaves nothing owed.
    #[test]
    fn a_closed_attempt_leaves_nothing_owed(amount in 1..1_000_000_000_000_i64, paid: bool) {
        let mut sums = AccountSums::default();
        sums.add(&posting(PostingKind::Reserve, "stripe", euro(), amount));
        let close = if paid { PostingKind::Post } else { PostingKind::Void };
        sums.add(&posting(close, "stripe", euro(), amount));
        let balance = |account: &str| {
            let sides = sums.0.get(&(account.to_owned(), euro())).copied().unwrap_or_default();
            sides.credits - sides.debits
        };
        prop_assert_eq!(balance(REFUNDS_PAYABLE), 0);
        prop_assert_eq!(balance("provider:stripe"), if paid { amount } else { 0 });
        prop_assert_eq!(balance(SALES_RETURNS), if paid { -amount } else { 0 });
    }
}

#[test]
fn a_hash_covers_every_field_of_a_posting() {
    let posting = posting(PostingKind::Reserve, "stripe", euro(), 5);
    let covered = posting.canonical(7, Timestamp(9));
    let expected = LedgerFields {
        tenant: "arena",
        position: 7,
        kind: "RESERVE",
        attempt: "at1",
        phase: 1,
        refund: "re1",
        debit: "sales_returns",
        credit: "refunds_payable",
        currency: "EUR",
        amount: 5,
        created: 9,
    };
    assert_eq!(covered, expected.canonical());
    assert!(!covered.is_empty());
    let hash = Head::GENESIS.hash;
    let entry = LedgerEntry { posting, created: Timestamp(9), position: 7, hash };
    assert_eq!(entry.canonical(), covered);
}

#[test]
fn a_chain_accounts_for_every_row() {
    let tally = |position, waiting, rows| ChainTally {
        head: Head { position, ..Head::GENESIS },
        waiting,
        rows,
    };
    assert_eq!(tally(3, 2, 5).difference("ledger"), None);
    assert!(tally(3, 2, 1).difference("ledger").is_some());
    assert!(tally(3, 2, 6).difference("ledger").is_some());
}
