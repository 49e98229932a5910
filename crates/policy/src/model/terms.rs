//! What a rule costs: its share of the price, and what is kept besides.
//!
//! Invariant: a share is told once, as what is kept or as what goes back. The stored form leaves out
//! what a rule does not have, so that rules of the first release stay readable.

use serde::{Deserialize, Serialize};

use super::ALL_BASIS_POINTS;
use crate::vocabulary::FixedFeePer;

/// What a rule costs.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Terms {
    /// The share of the price.
    #[serde(flatten)]
    pub charge: Charge,
    /// A fee besides the share, in minor units of the policy's currency.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub fixed_fee: i64,
    /// What the fixed fee is charged for.
    #[serde(default = "per_line", skip_serializing_if = "is_per_line")]
    pub fixed_fee_per: FixedFeePer,
    /// The least fee for a line, in minor units of the policy's currency; the price is the limit.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub minimum_fee: i64,
    /// The highest fee for a line, in minor units of the policy's currency.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub maximum_fee: Option<i64>,
    /// The amount that the share is of, a fact in minor units of the order's currency; without it,
    /// the price.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub share_of: Option<String>,
    /// A cost that is kept besides, a fact in minor units of the order's currency.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub fee_fact: Option<String>,
    /// A cost that the fee is at least, a fact in minor units of the order's currency.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub minimum_fee_fact: Option<String>,
    /// What is kept of the rest, by days.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rest_by_days: Option<RestByDays>,
}

/// What is kept besides the share of a trip that ends early: of the rest, as much as of its days.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RestByDays {
    /// The days that were used: a fact.
    pub done: String,
    /// All of its days: a fact.
    pub of: String,
}

impl Terms {
    /// The facts that the fee depends on.
    pub(crate) fn facts(&self) -> impl Iterator<Item = &String> {
        let days = self.rest_by_days.iter().flat_map(|rest| [&rest.done, &rest.of]);
        [&self.share_of, &self.fee_fact, &self.minimum_fee_fact].into_iter().flatten().chain(days)
    }
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde passes references")]
const fn is_zero(amount: &i64) -> bool {
    *amount == 0
}

pub(super) const fn per_line() -> FixedFeePer {
    FixedFeePer::Line
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde passes references")]
pub(super) const fn is_per_line(per: &FixedFeePer) -> bool {
    matches!(per, FixedFeePer::Line)
}

/// The share of the price that a rule keeps or gives, in hundredths of a percent; at most 10000.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Charge {
    /// What is kept.
    #[serde(rename = "fee_basis_points")]
    Fee(u16),
    /// What is given back; the fee is the rest.
    #[serde(rename = "refund_basis_points")]
    Refund(u16),
}

impl Charge {
    /// The share kept.
    pub const fn fee_basis_points(self) -> u16 {
        match self {
            Self::Fee(points) => points,
            Self::Refund(points) => ALL_BASIS_POINTS.saturating_sub(points),
        }
    }

    /// The key in files.
    pub const fn key(self) -> &'static str {
        match self {
            Self::Fee(_) => "fee_basis_points",
            Self::Refund(_) => "refund_basis_points",
        }
    }
}

/// Everything goes back.
impl Default for Terms {
    fn default() -> Self {
        Self {
            charge: Charge::Fee(0),
            fixed_fee: 0,
            fixed_fee_per: FixedFeePer::Line,
            minimum_fee: 0,
            maximum_fee: None,
            share_of: None,
            fee_fact: None,
            minimum_fee_fact: None,
            rest_by_days: None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_refund_share_is_the_rest_of_the_fee_share() {
        assert_eq!(Charge::Refund(3000).fee_basis_points(), 7000);
        assert_eq!(Charge::Fee(3000).fee_basis_points(), 3000);
        assert_eq!(Charge::Refund(10_001).fee_basis_points(), 0);
    }
}
