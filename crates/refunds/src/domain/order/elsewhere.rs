//! Money given back past Redress, which the shop and the provider may both tell of.
//!
//! Invariant: what either of them knows of is counted, and what both know of is counted once.

/// What a payment has of money given back past Redress. The shop and the provider may both tell of
/// one refund: the part that both have told of is `reported - effective`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Elsewhere {
    /// What the shop last said.
    pub reported: i64,
    /// What of that counts beside the counter `refunded`.
    pub effective: i64,
    /// What the provider has told of; part of `refunded`.
    pub external: i64,
}

impl Elsewhere {
    /// What counts once the shop says `reported`. What it says more than before is first taken to
    /// be what the provider has told of and the shop had not: the shop hears of it later.
    pub fn after_report(self, reported: i64) -> i64 {
        let known = self.reported - self.effective;
        let news = (reported - self.reported).max(0);
        let told = known + news.min((self.external - known).max(0));
        (reported - told).max(0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn a_refund_that_shop_and_provider_both_tell_of_counts_once() {
        // 100 went back in the provider's dashboard, which the provider told of first.
        let told = Elsewhere { reported: 0, effective: 0, external: 100 };
        assert_eq!(told.after_report(0), 0, "the shop has not heard of it yet");
        assert_eq!(told.after_report(60), 0);
        assert_eq!(told.after_report(100), 0);
        assert_eq!(told.after_report(130), 30, "30 more that only the shop knows of");
        // What the shop said before is not what the provider tells of now.
        let earlier = Elsewhere { reported: 50, effective: 50, external: 100 };
        assert_eq!(earlier.after_report(50), 50);
        assert_eq!(earlier.after_report(150), 50);
        assert_eq!(earlier.after_report(20), 20, "the shop takes back what it said");
        let both = Elsewhere { reported: 130, effective: 30, external: 100 };
        assert_eq!(both.after_report(130), 30);
        assert_eq!(both.after_report(90), 0);
    }

    proptest! {
        /// After any reports, in any order with what the provider tells of, at least as much counts
        /// as either of them knows, and never more than both together.
        #[test]
        fn reports_are_never_undercounted_nor_counted_twice(
            steps in proptest::collection::vec((any::<bool>(), 0..1000_i64), 1..20),
        ) {
            let mut counts = Elsewhere::default();
            for (by_shop, amount) in steps {
                if by_shop {
                    let effective = counts.after_report(amount);
                    counts = Elsewhere { reported: amount, effective, ..counts };
                    prop_assert_eq!(counts.after_report(amount), effective, "said twice");
                } else {
                    counts.external += amount;
                }
                let counted = counts.effective + counts.external;
                prop_assert!(counts.effective >= 0 && counts.effective <= counts.reported);
                prop_assert!(counted >= counts.reported.max(counts.external));
                prop_assert!(counted <= counts.reported + counts.external);
            }
        }
    }
}
