//! Student's t distribution: the quantile that a 95 % interval of a mean needs.
//!
//! Invariant: the quantile falls as the degrees of freedom rise, towards that of the normal
//! distribution.
//!
//! Sources: for 1 to 30 degrees of freedom the table of the NIST/SEMATECH e-Handbook of
//! Statistical Methods, section 1.3.6.7.2, carried to four decimals; beyond it the expansion of
//! Abramowitz and Stegun, Handbook of Mathematical Functions, 26.7.5, whose error is below 10^-4
//! from 31 degrees on.

/// The quantile of the normal distribution at 0.975.
const NORMAL_0975: f64 = 1.959_963_984_540_054;

/// The quantiles at 0.975 for 1 to 30 degrees of freedom.
#[rustfmt::skip]
const T_0975: [f64; 30] = [
    12.7062, 4.3027, 3.1824, 2.7764, 2.5706, 2.4469, 2.3646, 2.3060, 2.2622, 2.2281,
    2.2010, 2.1788, 2.1604, 2.1448, 2.1314, 2.1199, 2.1098, 2.1009, 2.0930, 2.0860,
    2.0796, 2.0739, 2.0687, 2.0639, 2.0595, 2.0555, 2.0518, 2.0484, 2.0452, 2.0423,
];

/// The quantile at 0.975, so that 95 % lie between its negative and itself; `None` for less than
/// one degree of freedom, where the distribution does not exist.
pub fn quantile_0975(degrees_of_freedom: i64) -> Option<f64> {
    let row = usize::try_from(degrees_of_freedom).ok()?.checked_sub(1)?;
    if let Some(tabulated) = T_0975.get(row) {
        return Some(*tabulated);
    }
    #[expect(clippy::cast_precision_loss, reason = "counts below 2^53 are exact")]
    let n = degrees_of_freedom as f64;
    let z = NORMAL_0975;
    let first = (z.powi(3) + z) / 4.0;
    let second = (5.0 * z.powi(5) + 16.0 * z.powi(3) + 3.0 * z) / 96.0;
    let third = (3.0 * z.powi(7) + 19.0 * z.powi(5) + 17.0 * z.powi(3) - 15.0 * z) / 384.0;
    Some(z + first / n + second / n.powi(2) + third / n.powi(3))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn below_one_degree_there_is_no_quantile() {
        assert_eq!(quantile_0975(0), None);
        assert_eq!(quantile_0975(i64::MIN), None);
    }

    /// The expected values were computed from the regularised incomplete beta function to thirty
    /// digits, independently of the table and of the expansion.
    #[test]
    fn quantiles_agree_with_the_exact_distribution() {
        for (degrees, exact) in [
            (1, 12.706_205),
            (2, 4.302_652_7),
            (5, 2.570_581_8),
            (10, 2.228_138_9),
            (29, 2.045_229_6),
            (30, 2.042_272_5),
            (31, 2.039_513_4),
            (32, 2.036_933_3),
            (60, 2.000_297_8),
            (120, 1.979_930_4),
            (1000, 1.962_339_1),
        ] {
            let quantile = quantile_0975(degrees).unwrap();
            assert!((quantile - exact).abs() < 1e-4, "{degrees}: {quantile}");
        }
    }

    #[test]
    fn quantiles_fall_towards_the_normal_one() {
        for degrees in 1..2000 {
            let (here, next) =
                (quantile_0975(degrees).unwrap(), quantile_0975(degrees + 1).unwrap());
            assert!(next < here, "{degrees}: {here} then {next}");
            assert!(next > NORMAL_0975);
        }
        assert!(quantile_0975(i64::MAX).unwrap() - NORMAL_0975 < 1e-12);
    }
}
