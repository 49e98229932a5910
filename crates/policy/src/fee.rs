//! The arithmetic of a fee.
//!
//! Invariant: share and fixed fee are added exactly, the sum is rounded once, then raised to the
//! minimum or lowered to the maximum, and at last limited by the price: `0 <= fee <= gross`. The
//! refund is what remains.

use crate::model::{ALL_BASIS_POINTS, Rounding, Terms};
use crate::vocabulary::{FixedFeePer, RoundingMode};

/// A fee and how it came about, in minor units.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Fee {
    /// What is kept.
    pub(crate) amount: i64,
    /// The fixed part, for all units.
    pub(crate) fixed: i64,
    /// Share and fixed part after rounding; may exceed the price.
    pub(crate) rounded: i64,
    /// Whether rounding changed something.
    pub(crate) inexact: bool,
    /// What minimum and maximum made of it.
    pub(crate) bounded: i64,
}

/// The fee for `units` that cost `gross` together, reckoned for each unit by itself. Price and told
/// amounts are for all units: each gets its part, the first ones a minor unit more where they do not
/// divide.
pub(crate) fn fee_by_unit(
    terms: &Terms,
    told: Told,
    rounding: Rounding,
    gross: i64,
    units: i64,
) -> Fee {
    let (gross, units) = (gross.max(0), units.max(1));
    let base = told.base.map(|base| base.clamp(0, gross));
    let (cost, minimum) = (told.cost.max(0), told.minimum.max(0));
    let part = |amount: i64, at: i64| amount / units + i64::from(at < amount % units);
    // Units between two of these are alike.
    let mut bounds: Vec<i64> =
        [gross, base.unwrap_or(0), cost, minimum].iter().map(|amount| amount % units).collect();
    bounds.extend([0, units]);
    bounds.sort_unstable();
    bounds.dedup();
    let mut sum = Fee { amount: 0, fixed: 0, rounded: 0, inexact: false, bounded: 0 };
    for pair in bounds.windows(2) {
        let (at, count) = (pair[0], pair[1] - pair[0]);
        let each = Told {
            base: base.map(|base| part(base, at)),
            cost: part(cost, at),
            minimum: part(minimum, at),
            days: told.days,
        };
        let one = fee(terms, each, rounding, part(gross, at), 1);
        let add = |total: i64, amount: i64| total.saturating_add(amount.saturating_mul(count));
        sum = Fee {
            amount: add(sum.amount, one.amount),
            fixed: add(sum.fixed, one.fixed),
            rounded: add(sum.rounded, one.rounded),
            inexact: sum.inexact || one.inexact,
            bounded: add(sum.bounded, one.bounded),
        };
    }
    sum
}

/// Amounts that facts tell, in minor units of the order's currency.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct Told {
    /// What the share is of; without it, the price.
    pub(crate) base: Option<i64>,
    /// A cost that is kept besides.
    pub(crate) cost: i64,
    /// A cost that the fee is at least.
    pub(crate) minimum: i64,
    /// Days used, and all days, of which there is at least one.
    pub(crate) days: Option<(i64, i64)>,
}

/// The fee for `units` that cost `gross` together.
pub(crate) fn fee(terms: &Terms, told: Told, rounding: Rounding, gross: i64, units: i64) -> Fee {
    let whole = i128::from(ALL_BASIS_POINTS);
    let gross = gross.max(0);
    let count = match terms.fixed_fee_per {
        FixedFeePer::Unit => units.max(0),
        FixedFeePer::Line => 1,
    };
    // No price comes near the limit, and the sum below has to stay inside an `i128`.
    let fixed = (i128::from(terms.fixed_fee) * i128::from(count)).min(i64::MAX.into());
    let base = i128::from(told.base.map_or(gross, |base| base.clamp(0, gross)));
    let points = i128::from(terms.charge.fee_basis_points());
    let (done, days) = told.days.map_or((0, 1), |(done, of)| {
        let of = of.clamp(1, MAX_DAYS);
        (i128::from(done.clamp(0, of)), i128::from(of))
    });
    // In units of one minor unit by the whole and the days, so that nothing is rounded twice.
    let share = base * points * days + base * (whole - points).max(0) * done;
    let exact = share + (fixed + i128::from(told.cost.max(0))) * whole * days;
    let (rounded, inexact) = to_step(exact, whole * days, rounding);
    let lowered = terms.maximum_fee.map_or(rounded, |most| rounded.min(i128::from(most)));
    let least = terms.minimum_fee.max(told.minimum);
    let bounded = lowered.max(i128::from(least));
    let amount = bounded.clamp(0, i128::from(gross));
    Fee {
        amount: narrow(amount),
        fixed: narrow(fixed),
        rounded: narrow(rounded),
        inexact,
        bounded: narrow(bounded),
    }
}

/// More days than any trip has.
const MAX_DAYS: i64 = 100_000;

/// `exact / unit` brought to a multiple of the step, and whether that changed it.
fn to_step(exact: i128, unit: i128, rounding: Rounding) -> (i128, bool) {
    let step = i128::from(rounding.step.max(1)) * unit;
    let multiples = exact.div_euclid(step) + i128::from(goes_up(exact, step, rounding.mode));
    (multiples * step / unit, multiples * step != exact)
}

/// `exact / unit`, rounded; `unit` is above zero.
pub(crate) fn share(exact: i128, unit: i128, rounding: Rounding) -> i64 {
    narrow(to_step(exact, unit, rounding).0)
}

/// Whether a sum goes to the multiple above rather than below.
fn goes_up(exact: i128, step: i128, mode: RoundingMode) -> bool {
    let rest = exact.rem_euclid(step);
    match mode {
        RoundingMode::Down => false,
        RoundingMode::Up => rest > 0,
        RoundingMode::HalfUp => rest * 2 >= step,
        RoundingMode::HalfEven => {
            let odd = exact.div_euclid(step) % 2 != 0;
            rest * 2 > step || (rest * 2 == step && odd)
        }
    }
}

/// Amounts that exceed an `i64` exceed every price; they are limited by the price afterwards.
fn narrow(amount: i128) -> i64 {
    i64::try_from(amount).unwrap_or(i64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::Charge;
    use proptest::prelude::*;
    use redress_core::money::MAX_MINOR_UNITS;

    fn part(points: u16) -> Terms {
        Terms { charge: Charge::Fee(points), ..Terms::default() }
    }

    fn rounding(step: i64, mode: RoundingMode) -> Rounding {
        Rounding { step, mode }
    }

    fn amount(terms: &Terms, rounding: Rounding, gross: i64, units: i64) -> i64 {
        fee(terms, Told::default(), rounding, gross, units).amount
    }

    #[test]
    fn every_mode_rounds_as_its_name_says() {
        use RoundingMode::{Down, HalfEven, HalfUp, Up};
        // 10 % of: 0.50 steps, in minor units: exact fees 10, 24.9, 25, 25.1, 50, 75, 74.9.
        for (gross, down, up, half_up, half_even) in [
            (0, 0, 0, 0, 0),
            (100, 0, 50, 0, 0),
            (249, 0, 50, 0, 0),
            (250, 0, 50, 50, 0),
            (251, 0, 50, 50, 50),
            (500, 50, 50, 50, 50),
            (749, 50, 100, 50, 50),
            (750, 50, 100, 100, 100),
            (751, 50, 100, 100, 100),
            (1250, 100, 150, 150, 100),
        ] {
            for (mode, expected) in
                [(Down, down), (Up, up), (HalfUp, half_up), (HalfEven, half_even)]
            {
                let fee = fee(&part(1000), Told::default(), rounding(50, mode), gross, 1);
                assert_eq!(fee.amount, expected, "10 % of {gross}, {mode:?}");
                assert_eq!(fee.inexact, gross % 500 != 0, "10 % of {gross}, {mode:?}");
            }
        }
    }

    #[test]
    fn published_examples_hold() {
        // China's railway: to half a yuan, half up, at least 2.00.
        let railway = |points, gross| {
            let terms = Terms { minimum_fee: 200, ..part(points) };
            amount(&terms, rounding(50, RoundingMode::HalfUp), gross, 1)
        };
        assert_eq!(railway(500, 55_300), 2750);
        assert_eq!(railway(1000, 55_300), 5550);
        assert_eq!(railway(2000, 55_300), 11_050);
        assert_eq!(railway(500, 2000), 200);
        assert_eq!(railway(500, 150), 150);
        // Russia: not less than 30 % goes back.
        let russia = Terms { charge: Charge::Refund(3000), ..Terms::default() };
        assert_eq!(299_500 - amount(&russia, Rounding::default(), 299_500, 1), 89_850);
        assert_eq!(101 - amount(&russia, Rounding::default(), 101, 1), 31);
        // China's airlines: whole yuan, half up.
        let airline =
            |gross, points| amount(&part(points), rounding(100, RoundingMode::HalfUp), gross, 1);
        assert_eq!(airline(123_400, 1000), 12_300);
        assert_eq!(airline(123_000, 2500), 30_800);
    }

    #[test]
    fn fixed_fees_are_charged_by_unit_or_by_line() {
        let by = |fixed_fee_per| Terms { fixed_fee: 250, fixed_fee_per, ..part(1000) };
        assert_eq!(amount(&by(FixedFeePer::Unit), Rounding::default(), 9000, 3), 900 + 750);
        assert_eq!(amount(&by(FixedFeePer::Line), Rounding::default(), 9000, 3), 900 + 250);
        assert_eq!(amount(&by(FixedFeePer::Unit), Rounding::default(), 9000, -1), 900);
        assert_eq!(
            fee(&by(FixedFeePer::Unit), Told::default(), Rounding::default(), 9000, 3).fixed,
            750
        );
    }

    #[test]
    fn minimum_and_maximum_are_for_the_line_and_the_price_is_the_limit() {
        let terms = Terms { minimum_fee: 300, maximum_fee: Some(1000), ..part(1000) };
        for (gross, bounded, kept) in [
            (0, 300, 0),
            (200, 300, 200),
            (2999, 300, 300),
            (3000, 300, 300),
            (3010, 301, 301),
            (10_000, 1000, 1000),
            (10_010, 1000, 1000),
            (-5, 300, 0),
        ] {
            let fee = fee(&terms, Told::default(), Rounding::default(), gross, 1);
            assert_eq!((fee.bounded, fee.amount), (bounded, kept), "of {gross}");
        }
        let whole = fee(&part(10_000), Told::default(), rounding(100, RoundingMode::Up), 150, 1);
        assert_eq!((whole.rounded, whole.amount), (200, 150));
    }

    #[test]
    fn facts_tell_what_the_fee_is_of_and_what_it_is_at_least() {
        let amount = |terms: &Terms, told| fee(terms, told, Rounding::default(), 400_000, 1).amount;
        let told = Told::default();
        // Half of the berth's part of the ticket.
        assert_eq!(amount(&part(5000), Told { base: Some(160_000), ..told }), 80_000);
        assert_eq!(amount(&part(5000), Told { base: Some(500_000), ..told }), 200_000);
        // A quarter, and what the carrier spent.
        assert_eq!(amount(&part(2500), Told { cost: 50_000, ..told }), 150_000);
        assert_eq!(amount(&part(2500), Told { cost: i64::MAX, ..told }), 400_000);
        assert_eq!(amount(&part(2500), Told { cost: -1, ..told }), 100_000);
        // The real cost, where it is higher than the table.
        assert_eq!(amount(&part(2000), Told { minimum: 80_001, ..told }), 80_001);
        assert_eq!(amount(&part(2000), Told { minimum: 79_999, ..told }), 80_000);
        // China's model contract: 60 %, and of the rest two days of five.
        let days = |days| Told { days: Some(days), ..told };
        assert_eq!(fee(&part(6000), days((2, 5)), Rounding::default(), 300_000, 1).amount, 228_000);
        assert_eq!(amount(&part(6000), days((7, 5))), 400_000);
        assert_eq!(amount(&part(6000), days((2, 0))), 400_000);
        assert_eq!(amount(&part(0), days((1, 3))), 133_333);
    }

    #[test]
    fn a_fee_by_unit_is_the_sum_of_what_each_costs() {
        let terms = Terms { minimum_fee: 200, ..part(1000) };
        let half = rounding(50, RoundingMode::HalfUp);
        let by_unit =
            |gross, units| fee_by_unit(&terms, Told::default(), half, gross, units).amount;
        // Two tickets of 553 yuan: 55.30 is 55.50 each, while 110.60 would be 110.50.
        assert_eq!(by_unit(110_600, 2), 11_100);
        assert_eq!(fee(&terms, Told::default(), half, 110_600, 2).amount, 11_050);
        assert_eq!(by_unit(3_000, 3), 600, "each costs at least the minimum");
        assert_eq!(by_unit(1_001, 3), 600);
        assert_eq!(by_unit(100, 3), 100, "and never more than it cost");
        assert_eq!(by_unit(55_300, 1), 5_550);
        let fixed = Terms { fixed_fee: 100, fixed_fee_per: FixedFeePer::Unit, ..part(0) };
        assert_eq!(fee_by_unit(&fixed, Told::default(), half, 9_000, 3).fixed, 300);
        let told = Told { cost: 900, ..Told::default() };
        assert_eq!(fee_by_unit(&part(0), told, Rounding::default(), 9_000, 3).amount, 900);
        let told = Told { cost: 1, ..Told::default() };
        assert_eq!(fee_by_unit(&part(0), told, Rounding::default(), 21_000, 21).amount, 1);
        let told = Told { minimum: 1_001, ..Told::default() };
        assert_eq!(fee_by_unit(&part(0), told, Rounding::default(), 21_000, 21).amount, 1_001);
    }

    #[test]
    fn amounts_beyond_all_bounds_keep_the_price() {
        let terms = Terms { fixed_fee: i64::MAX, fixed_fee_per: FixedFeePer::Unit, ..part(0) };
        let fee = fee(&terms, Told::default(), Rounding::default(), 500, i64::MAX);
        assert_eq!((fee.amount, fee.rounded), (500, i64::MAX));
        assert_eq!(amount(&part(5000), rounding(0, RoundingMode::Down), 501, 1), 250);
    }

    prop_compose! {
        fn terms()(
            points in 0..=10_000_u16,
            refund in any::<bool>(),
            fixed_fee in prop_oneof![Just(0), 0..5_000_i64],
            per_unit in any::<bool>(),
            minimum_fee in prop_oneof![Just(0), 0..5_000_i64],
            more in prop::option::of(0..50_000_i64),
        ) -> Terms {
            Terms {
                charge: if refund { Charge::Refund(points) } else { Charge::Fee(points) },
                fixed_fee,
                fixed_fee_per: if per_unit { FixedFeePer::Unit } else { FixedFeePer::Line },
                minimum_fee,
                maximum_fee: more.map(|more| minimum_fee + more),
                ..Terms::default()
            }
        }
    }

    proptest! {
        #[test]
        fn a_fee_lies_within_its_bounds_and_on_its_step(
            terms in terms(),
            gross in 0..=MAX_MINOR_UNITS,
            units in 1..50_i64,
            step in prop_oneof![Just(1_i64), 1..1_000_i64],
            mode in prop::sample::select(RoundingMode::ALL),
        ) {
            let fee = fee(&terms, Told::default(), rounding(step, mode), gross, units);
            prop_assert!((0..=gross).contains(&fee.amount));
            prop_assert_eq!(fee.rounded % step, 0);
            prop_assert!(fee.bounded >= terms.minimum_fee);
            prop_assert!(terms.maximum_fee.is_none_or(|most| fee.bounded <= most));
            let bounded = fee.bounded != fee.rounded;
            prop_assert!(!bounded || fee.bounded == terms.minimum_fee
                || Some(fee.bounded) == terms.maximum_fee);
            prop_assert_eq!(fee.amount, fee.bounded.min(gross));
            // Off the exact sum by less than a step, and on the right side of it.
            let whole = i128::from(ALL_BASIS_POINTS);
            let exact = i128::from(gross) * i128::from(terms.charge.fee_basis_points())
                + i128::from(fee.fixed) * whole;
            let off = i128::from(fee.rounded) * whole - exact;
            let step = i128::from(step) * whole;
            let fits = match mode {
                RoundingMode::Down => -step < off && off <= 0,
                RoundingMode::Up => 0 <= off && off < step,
                RoundingMode::HalfUp => -step < 2 * off && 2 * off <= step,
                RoundingMode::HalfEven => 2 * off.abs() <= step,
            };
            prop_assert!(fits, "off by {} of {}", off, step);
        }

        #[test]
        fn a_dearer_line_never_pays_a_smaller_fee(
            terms in terms(),
            gross in 0..1_000_000_i64,
            more in 0..1_000_i64,
            step in 1..500_i64,
            mode in prop::sample::select(RoundingMode::ALL),
        ) {
            let fee = |gross| amount(&terms, rounding(step, mode), gross, 2);
            prop_assert!(fee(gross) <= fee(gross + more));
        }
    }
}
