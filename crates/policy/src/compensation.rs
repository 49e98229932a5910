//! Compensation: what the seller owes besides giving the price back.
//!
//! Invariant: the first row that is for what happened and whose condition holds decides; no row, no
//! compensation. A row never pays in part: it pays its amount, half of it, or nothing.

use redress_core::money::{Currency, Money};
use serde::{Deserialize, Serialize};

use crate::condition::Condition;
use crate::fee::share;
use crate::model::{ALL_BASIS_POINTS, Citation, Rounding};
use crate::texts::Texts;
use crate::vocabulary::{FixedFeePer, LineKind, OverrideCode, RoundingMode};

/// A row of the table of compensations.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Compensation {
    /// What it is for; never empty.
    pub codes: Vec<OverrideCode>,
    /// Id of the rule, shown in quotes.
    pub rule: String,
    /// What the row says, in plain words.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub words: Option<Texts>,
    /// The kinds of line that it covers; empty for every kind but fees and taxes.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub kinds: Vec<LineKind>,
    /// What has to hold besides.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub condition: Option<Condition>,
    /// What is paid.
    #[serde(flatten)]
    pub pays: Pays,
    /// When it is halved.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub halved: Option<Halving>,
    /// The seller may refuse to pay less than this; in another currency it does not count.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub nothing_below: Option<Money>,
    /// Where this row stands, when it is not where the policy stands.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub citation: Option<Citation>,
}

/// What a row pays.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Pays {
    /// A fixed amount, for each unit or for the line.
    Amount {
        /// The amount.
        amount: Money,
        /// What it is for.
        per: FixedFeePer,
    },
    /// A share of the price, in hundredths of a percent.
    BasisPoints(u32),
    /// What something really cost, as a fact tells it in minor units of the order's currency.
    Cost {
        /// The fact.
        fact: String,
        /// The most, as a share of the price in hundredths of a percent.
        maximum_basis_points: Option<u32>,
    },
    /// Nothing: the seller is free of it.
    Nothing,
    /// Damages whose amount no rule fixes: they are claimed and proven.
    Claim,
    /// A person has to decide; the reason, in plain words.
    Review(Texts),
}

/// When a compensation is halved.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Halving {
    /// What has to hold.
    pub when: Condition,
    /// Where it stands.
    pub citation: Citation,
}

/// Compensation that is due on a line.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct CompensationDue {
    /// How much; `None` when it is claimed and proven.
    pub amount: Option<Money>,
    /// The rule that decided.
    pub rule: String,
    /// Where that rule stands.
    pub citation: Citation,
}

/// How compensations are rounded unless the policy says otherwise: as money commonly is.
pub(crate) const COMMON_ROUNDING: Rounding = Rounding { step: 1, mode: RoundingMode::HalfUp };

impl Compensation {
    /// The amount of the row before it is halved and before the threshold; `None` for a claim, a
    /// person's decision, and nothing.
    pub(crate) fn amount(
        &self,
        rounding: Rounding,
        currency: Currency,
        gross: i64,
        units: i64,
        cost: Option<i64>,
        halved: bool,
    ) -> Option<Money> {
        let whole = i128::from(ALL_BASIS_POINTS);
        let parts = if halved { 2 } else { 1 };
        let of = |points: u32, parts: i128| {
            share(i128::from(gross) * i128::from(points), whole * parts, rounding)
        };
        match &self.pays {
            Pays::Amount { amount, per } => {
                let count = if *per == FixedFeePer::Unit { units.max(0) } else { 1 };
                let exact = i128::from(amount.minor_units) * i128::from(count);
                let minor_units = share(exact, parts, rounding);
                Some(Money { currency: amount.currency, minor_units })
            }
            Pays::BasisPoints(points) => Some(Money { currency, minor_units: of(*points, parts) }),
            Pays::Cost { maximum_basis_points, .. } => {
                let most = maximum_basis_points.map_or(i64::MAX, |points| of(points, 1));
                let cost = i128::from(cost.unwrap_or(0).clamp(0, most));
                Some(Money { currency, minor_units: share(cost, parts, rounding) })
            }
            Pays::Nothing | Pays::Claim | Pays::Review(_) => None,
        }
    }

    /// Whether the row covers a line of `kind` to which `code` happened.
    pub(crate) fn covers(&self, code: OverrideCode, kind: LineKind) -> bool {
        let named =
            if self.kinds.is_empty() { !kind.is_fee_or_tax() } else { self.kinds.contains(&kind) };
        named && self.codes.contains(&code)
    }
}
