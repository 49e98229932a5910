//! Group discounts, when a part of the group is given back.
//!
//! Invariant: what is kept never becomes cheaper, and never dearer than its list price. Where
//! nothing is kept, nothing is re-priced.

use redress_core::money::MAX_MINOR_UNITS;
use serde::{Deserialize, Serialize};

use crate::vocabulary::Repricing;

const WHOLE: i128 = 10_000;

/// A discount by the number of units that are bought together.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Discount {
    /// The discount's id.
    pub id: String,
    /// Its steps, in any order; the highest one whose number is reached applies.
    pub steps: Vec<DiscountStep>,
}

/// A step of a discount.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct DiscountStep {
    /// From how many units on.
    pub min_units: i64,
    /// Off the list price, in hundredths of a percent; at most 10000.
    pub basis_points: u16,
}

/// A line that was bought at a discount.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct DiscountedLine {
    /// The line's id.
    pub id: String,
    /// How many units are left before this request.
    pub units: i64,
    /// How many of them are given back now.
    pub returned: i64,
    /// What is left of the price of those units, in minor units, the discount taken off.
    pub gross: i64,
    /// The discount on those units; the list price is `gross + discount`.
    pub discount: i64,
}

impl DiscountedLine {
    /// The units that the buyer keeps.
    fn kept(&self) -> i64 {
        (self.units - self.returned.max(0)).max(0)
    }

    /// The part of `amount` that belongs to the kept units, rounded down.
    fn kept_share(&self, amount: i64) -> i128 {
        let amount = i128::from(amount.clamp(0, MAX_MINOR_UNITS));
        amount * i128::from(self.kept()) / i128::from(self.units.max(1))
    }
}

impl Discount {
    /// The step that so many units reach.
    pub fn step_for(&self, units: i64) -> Option<DiscountStep> {
        let reached = self.steps.iter().filter(|step| step.min_units <= units);
        reached.max_by_key(|step| (step.min_units, step.basis_points)).copied()
    }
}

/// By how much the units that the buyer keeps become dearer, line by line, in minor units; a
/// fraction is the buyer's. The caller takes this off the refund, and no refund falls below zero.
pub fn reprice(rule: Repricing, discount: &Discount, lines: &[DiscountedLine]) -> Vec<i64> {
    let bought = lines.iter().map(|line| line.units.max(0)).sum();
    let kept = lines.iter().map(DiscountedLine::kept).sum();
    let (before, after) = (discount.step_for(bought), discount.step_for(kept));
    if rule == Repricing::Keep || before == after {
        return vec![0; lines.len()];
    }
    let points = match rule {
        Repricing::Keep | Repricing::ClawBack => 0,
        Repricing::Rerate => after.map_or(0, |step| i128::from(step.basis_points)),
    };
    let dearer = |line: &DiscountedLine| {
        let (paid, discount) = (line.kept_share(line.gross), line.kept_share(line.discount));
        // The new discount is rounded up: a fraction is the buyer's.
        let remaining = ((paid + discount) * points + WHOLE - 1) / WHOLE;
        i64::try_from((discount - remaining).max(0)).unwrap_or(0)
    };
    lines.iter().map(dearer).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn steps(steps: &[(i64, u16)]) -> Discount {
        let step = |(min_units, basis_points): &(i64, u16)| DiscountStep {
            min_units: *min_units,
            basis_points: *basis_points,
        };
        Discount { id: "group".to_owned(), steps: steps.iter().map(step).collect() }
    }

    fn line(units: i64, returned: i64, gross: i64, discount: i64) -> DiscountedLine {
        DiscountedLine { id: "p1".to_owned(), units, returned, gross, discount }
    }

    #[test]
    fn the_highest_step_that_is_reached_applies() {
        let discount = steps(&[(10, 2000), (5, 1000)]);
        let points = |units| discount.step_for(units).map(|step| step.basis_points);
        assert_eq!(
            [points(4), points(5), points(9), points(10)],
            [None, Some(1000), Some(1000), Some(2000)]
        );
    }

    #[test]
    fn five_tickets_at_a_discount_of_which_two_are_given_back() {
        // Five at 100.00, 10 % off: 450.00. Two go back, three stay: no step is reached.
        let five = [line(5, 2, 45_000, 5_000)];
        let group = steps(&[(5, 1000)]);
        assert_eq!(reprice(Repricing::Keep, &group, &five), [0]);
        assert_eq!(reprice(Repricing::Rerate, &group, &five), [3_000]);
        assert_eq!(reprice(Repricing::ClawBack, &group, &five), [3_000]);
        // With a step at three, re-rating leaves 5 %.
        let two_steps = steps(&[(3, 500), (5, 1000)]);
        assert_eq!(reprice(Repricing::Rerate, &two_steps, &five), [1_500]);
        assert_eq!(reprice(Repricing::ClawBack, &two_steps, &five), [3_000]);
        assert_eq!(reprice(Repricing::Keep, &two_steps, &five), [0]);
    }

    #[test]
    fn the_number_is_counted_over_all_lines() {
        let group = steps(&[(4, 1000)]);
        let lines = [line(3, 1, 27_00, 3_00), line(2, 0, 36_00, 4_00)];
        assert_eq!(reprice(Repricing::ClawBack, &group, &lines), [0, 0]);
        let lines = [line(3, 2, 27_00, 3_00), line(2, 0, 36_00, 4_00)];
        assert_eq!(reprice(Repricing::ClawBack, &group, &lines), [1_00, 4_00]);
        assert_eq!(reprice(Repricing::Rerate, &group, &lines), [1_00, 4_00]);
    }

    #[test]
    fn nothing_kept_nothing_left_or_nothing_lost_costs_nothing() {
        let group = steps(&[(5, 1000)]);
        for rule in Repricing::ALL {
            assert_eq!(reprice(*rule, &group, &[line(5, 5, 45_000, 5_000)]), [0]);
            assert_eq!(reprice(*rule, &group, &[line(5, 9, 45_000, 5_000)]), [0]);
            assert_eq!(reprice(*rule, &group, &[line(7, 2, 45_000, 5_000)]), [0]);
            assert_eq!(reprice(*rule, &group, &[line(0, 0, 0, 0)]), [0]);
            assert_eq!(reprice(*rule, &group, &[line(5, -1, 45_000, 5_000)]), [0]);
            assert_eq!(reprice(*rule, &group, &[]), Vec::<i64>::new());
        }
    }

    #[test]
    fn figures_out_of_range_count_as_the_nearest_that_make_sense() {
        let group = steps(&[(5, 1000)]);
        let claw_back = |lines: &[DiscountedLine]| reprice(Repricing::ClawBack, &group, lines);
        // More given back than there are: nothing of that line is kept, and five of the other.
        assert_eq!(claw_back(&[line(5, 9, 45_00, 5_00), line(5, 0, 45_00, 5_00)]), [0, 0]);
        // Less than nothing given back: two are kept, and three are not.
        assert_eq!(claw_back(&[line(2, -3, 18_00, 2_00), line(3, 3, 27_00, 3_00)]), [2_00, 0]);
        // Less than nothing left: five were bought.
        assert_eq!(claw_back(&[line(-5, 0, 0, 0), line(5, 2, 45_00, 5_00)]), [0, 3_00]);
    }

    #[test]
    fn fractions_are_the_buyers() {
        let lines = [line(3, 1, 2_99, 1_00)];
        // Kept are two thirds: 1.99 paid, 0.66 off; 10 % of 2.65 is 0.265, so 0.27 stay off.
        assert_eq!(reprice(Repricing::Rerate, &steps(&[(2, 1000), (3, 2500)]), &lines), [39]);
        // Never cheaper, even when a step below gives more.
        assert_eq!(reprice(Repricing::Rerate, &steps(&[(2, 9000), (3, 2500)]), &lines), [0]);
    }

    prop_compose! {
        fn any_line()(
            units in 0..20_i64,
            returned in 0..20_i64,
            gross in 0..1_000_000_i64,
            discount in 0..500_000_i64,
        ) -> DiscountedLine {
            line(units, returned.min(units), gross, discount)
        }
    }

    fn any_discount() -> impl Strategy<Value = Discount> {
        prop::collection::vec((1..40_i64, 0..=10_000_u16), 0..4).prop_map(|list| steps(&list))
    }

    proptest! {
        #[test]
        fn kept_units_become_dearer_up_to_their_list_price(
            discount in any_discount(),
            lines in prop::collection::vec(any_line(), 0..5),
        ) {
            let keep = reprice(Repricing::Keep, &discount, &lines);
            let rerate = reprice(Repricing::Rerate, &discount, &lines);
            let claw_back = reprice(Repricing::ClawBack, &discount, &lines);
            for (at, line) in lines.iter().enumerate() {
                prop_assert_eq!(keep[at], 0);
                prop_assert!(0 <= rerate[at] && rerate[at] <= claw_back[at]);
                let share = |amount: i64| amount * line.kept() / line.units.max(1);
                let list = share(line.gross) + share(line.discount);
                prop_assert!(share(line.gross) + claw_back[at] <= list);
            }
        }

        #[test]
        fn who_keeps_fewer_does_not_get_a_better_price_for_each(
            price in 1..5_000_i64,
            units in 2..20_i64,
            returned in 0..18_i64,
            mut points in prop::collection::vec(0..=100_u16, 3),
        ) {
            // A real discount: more units, more off; list prices that divide evenly.
            points.sort_unstable();
            let list: Vec<_> = [3, 6, 12].into_iter().zip(points.iter().map(|p| p * 100)).collect();
            let discount = steps(&list);
            let off = discount.step_for(units).map_or(0, |step| i64::from(step.basis_points));
            let list_price = price * 10_000;
            let returned = returned.min(units - 2);
            for rule in Repricing::ALL {
                let each = |returned: i64| {
                    let taken = list_price * off / 10_000 * units;
                    let line = line(units, returned, list_price * units - taken, taken);
                    let dearer = reprice(*rule, &discount, std::slice::from_ref(&line))[0];
                    dearer / (units - returned)
                };
                prop_assert!(each(returned) <= each(returned + 1));
            }
        }
    }
}
