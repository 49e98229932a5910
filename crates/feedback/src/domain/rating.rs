//! The rating of an event: what all the answers about it say together.
//!
//! Invariant: sums are integers, so that a rating does not depend on the order of the answers; what
//! has no meaning for so few answers is `None`, never a zero.

use super::response::SCALE;
use super::student_t::quantile_0975;

/// What an aggregation over scores yields.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct ScoreSums {
    /// How many answered.
    pub count: i64,
    /// Sum of the scores.
    pub sum: i64,
    /// Sum of the squares of the scores.
    pub sum_of_squares: i64,
}

/// The mean of the scores and how sure it is.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct Rating {
    /// How many answered.
    pub count: i64,
    /// Mean score; `None` without answers.
    pub mean: Option<f64>,
    /// The 95 % interval of the mean, low and high end; `None` below two answers.
    pub interval: Option<(f64, f64)>,
}

impl ScoreSums {
    /// The rating: the mean, and its 95 % interval by Student's t, cut to the scale.
    pub fn rating(self) -> Rating {
        if self.count <= 0 {
            return Rating::default();
        }
        let mean = ratio(i128::from(self.sum), i128::from(self.count));
        let interval = self.half_width().map(|half| {
            let (worst, best) = (f64::from(*SCALE.start()), f64::from(*SCALE.end()));
            ((mean - half).max(worst), (mean + half).min(best))
        });
        Rating { count: self.count, mean: Some(mean), interval }
    }

    /// Half the width of the interval: t times the standard error of the mean. `None` below two
    /// answers, where the scores say nothing about their spread.
    fn half_width(self) -> Option<f64> {
        let t = quantile_0975(self.count - 1)?;
        let (n, sum) = (i128::from(self.count), i128::from(self.sum));
        // n * sum of squares - sum^2, in integers: the textbook form in floats cancels badly.
        let spread = n * i128::from(self.sum_of_squares) - sum * sum;
        // The variance of the sample is spread / (n (n - 1)); that of its mean is a further n less.
        let standard_error = (ratio(spread, n * (n - 1)) / ratio(n, 1)).sqrt();
        Some(t * standard_error)
    }
}

#[expect(clippy::cast_precision_loss, reason = "scores are few and small; the result is a float")]
fn ratio(numerator: i128, denominator: i128) -> f64 {
    numerator as f64 / denominator as f64
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn sums(scores: &[i64]) -> ScoreSums {
        ScoreSums {
            count: i64::try_from(scores.len()).unwrap(),
            sum: scores.iter().sum(),
            sum_of_squares: scores.iter().map(|score| score * score).sum(),
        }
    }

    fn close(left: f64, right: f64) -> bool {
        (left - right).abs() < 1e-9
    }

    #[test]
    fn what_has_no_meaning_is_unset() {
        assert_eq!(sums(&[]).rating(), Rating { count: 0, mean: None, interval: None });
        assert_eq!(sums(&[4]).rating(), Rating { count: 1, mean: Some(4.0), interval: None });
    }

    #[test]
    fn a_small_sample_is_as_computed_by_hand() {
        // Scores 3, 4, 5: mean 4, variance 1, standard error 1 / sqrt 3, t(2) = 4.3027.
        let rating = sums(&[3, 4, 5]).rating();
        assert!(close(rating.mean.unwrap(), 4.0));
        let (low, high) = rating.interval.unwrap();
        assert!(close(low, 4.0 - 4.3027 / 3.0_f64.sqrt()), "{low}");
        assert!(close(high, 5.0), "cut to the scale: {high}");
    }

    #[test]
    fn equal_answers_leave_no_doubt() {
        assert_eq!(sums(&[5, 5, 5]).rating().interval, Some((5.0, 5.0)));
    }

    proptest! {
        #[test]
        fn the_interval_holds_the_mean_and_stays_on_the_scale(
            scores in prop::collection::vec(1..=5_i64, 2..200),
        ) {
            let rating = sums(&scores).rating();
            let (mean, (low, high)) = (rating.mean.unwrap(), rating.interval.unwrap());
            prop_assert!(1.0 <= low && low <= mean && mean <= high && high <= 5.0);
        }

        #[test]
        fn the_half_width_is_that_of_the_two_pass_formula(
            scores in prop::collection::vec(1..=5_i64, 2..200),
        ) {
            let n = f64::from(u32::try_from(scores.len()).unwrap());
            let floats: Vec<f64> =
                scores.iter().map(|s| f64::from(i32::try_from(*s).unwrap())).collect();
            let mean = floats.iter().sum::<f64>() / n;
            let variance = floats.iter().map(|s| (s - mean).powi(2)).sum::<f64>() / (n - 1.0);
            let t = quantile_0975(i64::try_from(scores.len()).unwrap() - 1).unwrap();
            prop_assert!(close(sums(&scores).half_width().unwrap(), t * (variance / n).sqrt()));
        }

        #[test]
        fn the_same_answers_twice_over_are_surer(
            scores in prop::collection::vec(1..=5_i64, 2..100),
        ) {
            let twice: Vec<i64> = scores.iter().chain(&scores).copied().collect();
            let (once, twice) =
                (sums(&scores).half_width().unwrap(), sums(&twice).half_width().unwrap());
            prop_assert!(twice < once || close(once, 0.0));
        }
    }
}
