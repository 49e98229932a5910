//! What buyers are offered when something does not take place as sold, and what the seller keeps.
//!
//! Invariant: money is the remedy unless the buyer chooses another; whatever stands for silence is
//! one of the remedies that were offered.

use redress_core::clock::Timestamp;
use redress_core::money::{Currency, Money};
use redress_policy::{Citation, LineKind};
use serde::{Deserialize, Serialize};

use super::{Change, Problem};
use crate::domain::order::OrderLine;

/// All of a price, in basis points.
pub const WHOLE: i64 = 10_000;

/// What a buyer can be given.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum Remedy {
    /// The money goes back.
    Refund,
    /// The buyer keeps what was bought, as it will take place now.
    Keep,
    /// The platform books something else.
    Rebook,
    /// The platform issues a voucher.
    Voucher,
}

impl Remedy {
    /// Every remedy, for tables.
    pub const ALL: [Self; 4] = [Self::Refund, Self::Keep, Self::Rebook, Self::Voucher];

    /// The name in the database and in events.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Refund => "REFUND",
            Self::Keep => "KEEP",
            Self::Rebook => "REBOOK",
            Self::Voucher => "VOUCHER",
        }
    }

    /// Reads the stored name.
    pub fn parse(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|remedy| remedy.as_str() == name)
    }
}

/// What becomes of the part that was paid with gift cards, vouchers or points.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum StoredValue {
    /// It goes back like any other tender.
    #[default]
    ToTender,
    /// A person issues it anew, even where Redress could send it.
    ToPerson,
}

/// What the seller keeps. Nothing by default. Amounts in a currency that is not listed are nothing.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Fees {
    /// Of each order, in minor units of each currency.
    pub per_order: Vec<Money>,
    /// Of each unit of an admission, leg, night or package.
    pub per_unit: Vec<Money>,
    /// Of the price, in basis points: 250 is 2.5 %.
    pub basis_points: i64,
    /// Kinds of lines of which everything is kept, such as fees.
    pub kept_kinds: Vec<LineKind>,
}

/// The rules that a disruption is carried out by.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Terms {
    /// What is offered; never empty.
    pub remedies: Vec<Remedy>,
    /// By how many percent a voucher exceeds the money.
    pub voucher_bonus_percent: i64,
    /// When buyers can no longer choose; `None` when there is nothing to choose.
    pub choose_until: Option<Timestamp>,
    /// What silence means; `None` when there is nothing to choose.
    pub default_remedy: Option<Remedy>,
    /// What the seller keeps.
    pub fees: Fees,
    /// What becomes of gift cards, vouchers and points.
    pub stored_value: StoredValue,
    /// What sets the time for paying; `None` when nobody named it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub law: Option<Citation>,
}

impl Default for Terms {
    fn default() -> Self {
        Self {
            remedies: vec![Remedy::Refund],
            voucher_bonus_percent: 0,
            choose_until: None,
            default_remedy: None,
            fees: Fees::default(),
            stored_value: StoredValue::default(),
            law: None,
        }
    }
}

impl Terms {
    /// Whether buyers are asked before anything is paid.
    pub fn offer_choice(&self) -> bool {
        self.choose_until.is_some()
    }

    /// What is wrong with them for `change`, decided at `now`.
    pub fn problems(&self, change: &Change, now: Timestamp) -> Vec<Problem> {
        let mut problems = Vec::new();
        let mut say = |field, reason: &str| problems.push(Problem::new(field, reason));
        let offers = |remedy| self.remedies.contains(&remedy);
        let is_cancelled = *change == Change::Cancelled;
        if self.remedies.is_empty() {
            say("terms.remedies", "expected at least one");
        }
        if is_cancelled && offers(Remedy::Keep) {
            say("terms.remedies", "nobody can keep what does not take place");
        }
        if is_cancelled && !offers(Remedy::Refund) {
            say("terms.remedies", "what does not take place is refunded unless the buyer chooses");
        }
        if self.remedies == [Remedy::Refund] {
            if self.choose_until.is_some() {
                say("terms.choose_until", "there is nothing to choose from");
            }
            if self.default_remedy.is_some() {
                say("terms.default_remedy", "there is nothing to choose from");
            }
        } else {
            match self.choose_until {
                None => say("terms.choose_until", "is missing: by when do buyers choose?"),
                Some(until) if until <= now => say("terms.choose_until", "expected a time to come"),
                Some(_) => {}
            }
            match self.default_remedy {
                None => say("terms.default_remedy", "is missing: what does silence mean?"),
                Some(remedy) if !offers(remedy) => {
                    say("terms.default_remedy", "expected one of the remedies offered");
                }
                Some(remedy) if is_cancelled && remedy != Remedy::Refund => {
                    say(
                        "terms.default_remedy",
                        "money is the default for what does not take place",
                    );
                }
                Some(_) => {}
            }
        }
        if self.voucher_bonus_percent != 0 && !offers(Remedy::Voucher) {
            say("terms.voucher_bonus_percent", "no voucher is offered");
        }
        self.fees.check(&mut say);
        problems
    }
}

impl Fees {
    fn check(&self, say: &mut impl FnMut(&'static str, &str)) {
        if !(0..=WHOLE).contains(&self.basis_points) {
            say("terms.fees.basis_points", "expected 0 to 10000");
        }
        for (field, amounts) in
            [("terms.fees.per_order", &self.per_order), ("terms.fees.per_unit", &self.per_unit)]
        {
            if amounts.iter().any(|amount| amount.minor_units < 0) {
                say(field, "an amount kept is not negative");
            }
            let mut currencies: Vec<Currency> = amounts.iter().map(|a| a.currency).collect();
            currencies.sort_unstable();
            currencies.dedup();
            if currencies.len() < amounts.len() {
                say(field, "expected one amount for each currency");
            }
        }
    }

    /// What is kept of an order beside what is kept of its lines, in minor units.
    pub fn of_order(&self, currency: Currency) -> i64 {
        amount_in(&self.per_order, currency)
    }

    /// What is kept of a line of which `units` costing `price` are left, in minor units; at most
    /// the price.
    pub fn of_line(&self, line: &OrderLine, currency: Currency) -> i64 {
        let (price, units) = (line.remaining(), line.remaining_units());
        if self.kept_kinds.contains(&line.kind) {
            return price;
        }
        let per_unit = match line.kind {
            LineKind::Fee | LineKind::Ancillary | LineKind::Tax => 0,
            _ => amount_in(&self.per_unit, currency).saturating_mul(units),
        };
        // Half up; a share of an i64 fits i64.
        let exact = i128::from(price) * i128::from(self.basis_points);
        let share = (exact + i128::from(WHOLE / 2)) / i128::from(WHOLE);
        let share = i64::try_from(share).unwrap_or(price);
        per_unit.saturating_add(share).min(price)
    }
}

fn amount_in(amounts: &[Money], currency: Currency) -> i64 {
    let listed = amounts.iter().find(|amount| amount.currency == currency);
    listed.map_or(0, |amount| amount.minor_units)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::order::tests::order;

    const NOW: Timestamp = Timestamp(1_000);

    fn choice(remedies: &[Remedy], default_remedy: Remedy) -> Terms {
        Terms {
            remedies: remedies.to_vec(),
            choose_until: Some(Timestamp(2_000)),
            default_remedy: Some(default_remedy),
            ..Terms::default()
        }
    }

    fn fields(terms: &Terms, change: &Change) -> Vec<&'static str> {
        terms.problems(change, NOW).into_iter().map(|problem| problem.field).collect()
    }

    #[test]
    fn terms_that_contradict_themselves_are_refused_with_every_reason() {
        let postponed = Change::Postponed { new_start: None };
        let keep = choice(&[Remedy::Keep, Remedy::Refund], Remedy::Keep);
        assert_eq!(fields(&keep, &postponed), [] as [&str; 0]);
        assert_eq!(fields(&keep, &Change::Cancelled), ["terms.remedies", "terms.default_remedy"]);
        let voucher = choice(&[Remedy::Voucher, Remedy::Refund], Remedy::Voucher);
        assert_eq!(fields(&voucher, &Change::Cancelled), ["terms.default_remedy"]);
        let late = Terms { choose_until: Some(NOW), ..keep.clone() };
        assert_eq!(fields(&late, &postponed), ["terms.choose_until"]);
        let silent = Terms { choose_until: None, default_remedy: None, ..keep };
        assert_eq!(fields(&silent, &postponed), ["terms.choose_until", "terms.default_remedy"]);
        let money = choice(&[Remedy::Refund], Remedy::Refund);
        assert_eq!(
            fields(&money, &Change::Cancelled),
            ["terms.choose_until", "terms.default_remedy"]
        );
        let nothing = Terms { remedies: Vec::new(), ..voucher };
        assert_eq!(fields(&nothing, &postponed), ["terms.remedies", "terms.default_remedy"]);
        let bonus = Terms { voucher_bonus_percent: 10, ..Terms::default() };
        assert_eq!(fields(&bonus, &Change::Cancelled), ["terms.voucher_bonus_percent"]);
        assert_eq!(fields(&Terms::default(), &Change::Cancelled), [] as [&str; 0]);
    }

    #[test]
    fn fees_that_cannot_be_meant_are_refused() {
        let eur = |minor_units| Money { currency: "EUR".parse().unwrap(), minor_units };
        let fees = Fees {
            per_order: vec![eur(1), eur(2)],
            per_unit: vec![eur(-1)],
            basis_points: 10_001,
            kept_kinds: Vec::new(),
        };
        let terms = Terms { fees, ..Terms::default() };
        assert_eq!(
            fields(&terms, &Change::Cancelled),
            ["terms.fees.basis_points", "terms.fees.per_order", "terms.fees.per_unit"]
        );
    }

    #[test]
    fn a_line_keeps_its_share_and_never_more_than_its_price() {
        let sold = order();
        let line = &sold.lines[0];
        let money = |minor_units| vec![Money { currency: sold.currency, minor_units }];
        let of = |fees: &Fees| fees.of_line(line, sold.currency);
        assert_eq!(of(&Fees::default()), 0);
        let quarter = Fees { basis_points: 2_500, ..Fees::default() };
        assert_eq!(of(&quarter), (line.gross * 2_500 + 5_000) / 10_000);
        let each = Fees { per_unit: money(100), ..Fees::default() };
        assert_eq!(of(&each), 100 * line.units);
        let other = Money { currency: "JPY".parse().unwrap(), minor_units: 100 };
        let elsewhere = Fees { per_unit: vec![other], ..Fees::default() };
        assert_eq!(of(&elsewhere), 0, "another currency's amount is not this one's");
        let all = Fees { per_unit: money(i64::MAX), basis_points: WHOLE, ..Fees::default() };
        assert_eq!(of(&all), line.gross);
        let kind = Fees { kept_kinds: vec![line.kind], ..Fees::default() };
        assert_eq!(of(&kind), line.gross);
        let mut extra = line.clone();
        extra.kind = LineKind::Fee;
        assert_eq!(each.of_line(&extra, sold.currency), 0, "a fee is no admission");
    }
}
