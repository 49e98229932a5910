//! Tiered policies: the longer before the start a buyer withdraws, the smaller the fee.

use redress_core::clock::Timestamp;
use redress_core::id::PolicyId;
use serde::{Deserialize, Serialize};

const MICROS_PER_HOUR: i64 = 3_600_000_000;

/// A whole, in hundredths of a percent.
const ALL_BASIS_POINTS: i64 = 10_000;

/// The rule named when the notice is too short for every tier.
pub const TOO_LATE: &str = "too-late";
/// The rule named for a fee line that the policy does not refund.
pub const FEE_KEPT: &str = "fee-kept";
/// The rule named when the event itself does not take place: everything goes back, whatever the
/// tiers say, because the seller does not deliver what was paid for.
pub const EVENT_CANCELLED: &str = "event-cancelled";

/// One version of a tiered policy.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Policy {
    /// The policy's id.
    pub id: PolicyId,
    /// Rises by one with each change; 0 before it is stored.
    pub version: i64,
    /// Name shown to customers.
    pub display_name: String,
    /// This version applies to orders bought from here on.
    pub effective: Timestamp,
    /// By falling notice; the first tier whose notice is met applies.
    pub tiers: Vec<Tier>,
    /// Whether fee lines are refunded like tickets when the buyer withdraws.
    pub refunds_fees: bool,
    /// Where the rules stand.
    pub citation: Citation,
    /// The clock for paying, in civil days from the request.
    pub pay_within_days: u16,
}

/// One step of a policy.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Tier {
    /// Id of the rule, shown in quotes.
    pub rule: String,
    /// Least notice before the start, in elapsed hours.
    pub notice_hours: u32,
    /// The fee kept, in hundredths of a percent of what is left of the price; at most 10000.
    pub fee_basis_points: u16,
}

/// Where a rule stands: a law, or terms of sale.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Citation {
    /// Such as "General terms of sale, section 7".
    pub title: String,
    /// Where it can be read; empty when it is not public.
    pub uri: String,
}

/// What is wrong with a policy, and where.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PolicyProblem {
    /// Path of the field, such as `tiers[1].notice_hours`.
    pub field: String,
    /// What is wrong and what is expected.
    pub description: String,
}

/// What kind of thing a line is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum LineKind {
    /// Admission to an event.
    Ticket,
    /// A fee on the order: shipping, payment, booking.
    Fee,
}

/// What a policy needs to know of a line.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LineFacts {
    /// What kind of thing it is.
    pub kind: LineKind,
    /// What is left of its price, in minor units; never negative.
    pub gross: i64,
    /// When the event starts.
    pub start: Timestamp,
}

/// The price of refunding a line; `fee + refund` is the line's gross.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LinePrice {
    /// What the seller keeps, in minor units.
    pub fee: i64,
    /// What the buyer gets, in minor units.
    pub refund: i64,
    /// The rule that decided.
    pub rule: String,
}

impl Policy {
    /// Everything that is wrong with the policy; empty when it can be stored.
    pub fn problems(&self) -> Vec<PolicyProblem> {
        let mut problems = Vec::new();
        let mut report = |at: usize, field: &str, description: String| {
            problems.push(PolicyProblem { field: format!("tiers[{at}].{field}"), description });
        };
        for (at, pair) in self.tiers.windows(2).enumerate() {
            let (earlier, later) = (&pair[0], &pair[1]);
            if later.notice_hours >= earlier.notice_hours {
                let description = format!(
                    "must be below the {} hours of the tier before it",
                    earlier.notice_hours
                );
                report(at + 1, "notice_hours", description);
            }
            if later.fee_basis_points < earlier.fee_basis_points {
                let description = format!(
                    "must not be below the {} of the tier before it: less notice cannot cost less",
                    earlier.fee_basis_points
                );
                report(at + 1, "fee_basis_points", description);
            }
        }
        for (at, tier) in self.tiers.iter().enumerate() {
            if self.tiers[..at].iter().any(|earlier| earlier.rule == tier.rule) {
                report(at, "rule", "is used by an earlier tier".to_owned());
            }
            if i64::from(tier.fee_basis_points) > ALL_BASIS_POINTS {
                report(at, "fee_basis_points", format!("must be at most {ALL_BASIS_POINTS}"));
            }
        }
        problems
    }

    /// What a buyer gets who gives a line back at `now` of their own will.
    pub fn price_withdrawal(&self, line: LineFacts, now: Timestamp) -> LinePrice {
        if line.kind == LineKind::Fee && !self.refunds_fees {
            return keep_all(line.gross, FEE_KEPT);
        }
        let notice = line.start.0.saturating_sub(now.0);
        let met = |tier: &&Tier| notice >= i64::from(tier.notice_hours) * MICROS_PER_HOUR;
        match self.tiers.iter().find(met) {
            None => keep_all(line.gross, TOO_LATE),
            Some(tier) => {
                let fee = fee_of(line.gross, tier.fee_basis_points);
                LinePrice { fee, refund: line.gross - fee, rule: tier.rule.clone() }
            }
        }
    }
}

/// What a buyer gets for a line whose event does not take place: all of it, fees included.
pub fn price_cancellation(gross: i64) -> LinePrice {
    LinePrice { fee: 0, refund: gross, rule: EVENT_CANCELLED.to_owned() }
}

fn keep_all(gross: i64, rule: &str) -> LinePrice {
    LinePrice { fee: gross, refund: 0, rule: rule.to_owned() }
}

/// The fee in whole minor units, rounded down: a fraction of a cent is the buyer's.
fn fee_of(gross: i64, basis_points: u16) -> i64 {
    let exact = i128::from(gross) * i128::from(basis_points) / i128::from(ALL_BASIS_POINTS);
    // A share of at most the whole of an i64 fits i64; the fallback keeps everything.
    i64::try_from(exact).unwrap_or(gross)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn policy() -> Policy {
        let tier = |rule: &str, notice_hours, fee_basis_points| Tier {
            rule: rule.to_owned(),
            notice_hours,
            fee_basis_points,
        };
        Policy {
            id: PolicyId::new("standard").unwrap(),
            version: 1,
            display_name: "Standard".to_owned(),
            effective: Timestamp(0),
            tiers: vec![tier("two-weeks", 336, 0), tier("two-days", 48, 5000)],
            refunds_fees: false,
            citation: Citation { title: "Terms of sale".to_owned(), uri: String::new() },
            pay_within_days: 14,
        }
    }

    const START: Timestamp = Timestamp(1_000 * MICROS_PER_HOUR);

    fn ticket(gross: i64) -> LineFacts {
        LineFacts { kind: LineKind::Ticket, gross, start: START }
    }

    #[test]
    fn the_first_tier_whose_notice_is_met_applies_boundary_included() {
        let hours = |h: i64| Timestamp(START.0 - h * MICROS_PER_HOUR);
        for (now, rule, refund) in [
            (hours(336), "two-weeks", 1001),
            (Timestamp(hours(336).0 + 1), "two-days", 501),
            (hours(48), "two-days", 501),
            (Timestamp(hours(48).0 + 1), TOO_LATE, 0),
            (Timestamp(START.0 + 1), TOO_LATE, 0),
        ] {
            let price = policy().price_withdrawal(ticket(1001), now);
            assert_eq!((price.rule.as_str(), price.refund), (rule, refund));
        }
    }

    #[test]
    fn fee_lines_stay_with_the_seller_unless_the_policy_gives_them_back() {
        let fee_line = LineFacts { kind: LineKind::Fee, ..ticket(390) };
        assert_eq!(policy().price_withdrawal(fee_line, Timestamp(0)).refund, 0);
        let generous = Policy { refunds_fees: true, ..policy() };
        assert_eq!(generous.price_withdrawal(fee_line, Timestamp(0)).refund, 390);
    }

    #[test]
    fn tiers_must_fall_in_notice_and_not_in_fee() {
        let mut bad = policy();
        bad.tiers.swap(0, 1);
        let fields: Vec<_> = bad.problems().into_iter().map(|p| p.field).collect();
        assert_eq!(fields, ["tiers[1].notice_hours", "tiers[1].fee_basis_points"]);
        assert_eq!(policy().problems(), []);
    }

    proptest! {
        #[test]
        fn fee_and_refund_sum_to_the_gross(
            gross in 0..=redress_core::money::MAX_MINOR_UNITS,
            hours_before in 0..2_000_i64,
            basis_points in 0..=10_000_u16,
        ) {
            let mut policy = policy();
            policy.tiers[1].fee_basis_points = basis_points;
            let now = Timestamp(START.0 - hours_before * MICROS_PER_HOUR);
            let price = policy.price_withdrawal(ticket(gross), now);
            prop_assert_eq!(price.fee + price.refund, gross);
            prop_assert!(price.fee >= 0 && price.refund >= 0);
        }
    }
}
