//! Reservation: whether the money and the lines of a new refund are still there.
//!
//! Invariant: decided on rows that the transaction holds locked, and written in that transaction
//! together with the refund; the database's CHECKs stand behind it.

use redress_core::id::PaymentId;
use redress_core::money::split_by_largest_remainder;

use super::ledger::{Posting, PostingKind, Subject};
use super::order::{Order, OrderLine, Payment};
use super::refund::Refund;
use super::settle::CounterChange;

/// Something that the refund needs is no longer there.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Shortage {
    /// A payment holds less than the refund would reserve on it.
    #[error("payment {payment} holds {refundable} minor units to refund, {wanted} are asked for")]
    Payment {
        /// The payment.
        payment: PaymentId,
        /// What it still holds.
        refundable: i64,
        /// What the refund would reserve.
        wanted: i64,
    },
    /// A line has less left than the refund would take.
    #[error("line {line} has {remaining} minor units left, {wanted} are asked for")]
    Line {
        /// Id of the line.
        line: String,
        /// What is left of its price.
        remaining: i64,
        /// What the refund would take up.
        wanted: i64,
    },
}

/// What a refund takes up of one order line, or frees again when negative. Amounts are minor units.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LineChange {
    /// Id of the order line.
    pub line_id: String,
    /// Added to what refunds have taken up of the price, fees included.
    pub committed: i64,
    /// Added to the part of it that the buyer gets.
    pub refunding: i64,
    /// Added to the units taken up.
    pub units: i64,
    /// Added to the price of what the buyer keeps.
    pub repriced: i64,
}

impl LineChange {
    /// What `refund` takes up.
    pub fn take(refund: &Refund) -> Vec<Self> {
        let lines = refund.lines.iter().map(|line| Self {
            line_id: line.line_id.clone(),
            committed: line.gross,
            refunding: line.refund,
            units: line.units,
            repriced: 0,
        });
        let repriced = refund.repriced.iter().map(|kept| Self {
            line_id: kept.line_id.clone(),
            committed: 0,
            refunding: 0,
            units: 0,
            repriced: kept.amount,
        });
        lines.chain(repriced).collect()
    }

    /// What is free again when `unpaid` minor units of `refund` are given up. All of it undoes the
    /// refund; a part is freed from the lines by what they would have got, and their units, fees
    /// and the prices of other lines stay as they are.
    pub fn release(refund: &Refund, unpaid: i64) -> Vec<Self> {
        if unpaid == refund.requested {
            let undo = |taken: Self| Self {
                committed: -taken.committed,
                refunding: -taken.refunding,
                units: -taken.units,
                repriced: -taken.repriced,
                ..taken
            };
            return Self::take(refund).into_iter().map(undo).collect();
        }
        let weights: Vec<i64> = refund.lines.iter().map(|line| line.refund).collect();
        let parts = split_by_largest_remainder(unpaid, &weights).unwrap_or_default();
        let freed = refund.lines.iter().zip(parts).filter(|(_, part)| *part > 0);
        freed
            .map(|(line, part)| Self {
                line_id: line.line_id.clone(),
                committed: -part,
                refunding: -part,
                units: 0,
                repriced: 0,
            })
            .collect()
    }
}

/// Checks `refund` against the order's counters as they stand now.
pub fn check(order: &Order, refund: &Refund) -> Result<(), Shortage> {
    for line in &refund.lines {
        let stored = order.lines.iter().find(|stored| stored.id == line.line_id);
        let remaining = stored.map_or(0, OrderLine::remaining);
        let units = stored.map_or(0, OrderLine::remaining_units);
        if remaining < line.gross || units < line.units {
            return Err(Shortage::Line {
                line: line.line_id.clone(),
                remaining,
                wanted: line.gross,
            });
        }
    }
    for attempt in &refund.attempts {
        let stored = order.payments.iter().find(|stored| stored.id == attempt.payment);
        let refundable = stored.map_or(0, Payment::refundable);
        if refundable < attempt.amount {
            let payment = attempt.payment.clone();
            return Err(Shortage::Payment { payment, refundable, wanted: attempt.amount });
        }
    }
    Ok(())
}

/// The postings that go with the reservation of `refund`: one for each attempt.
pub fn postings(refund: &Refund) -> Vec<Posting> {
    let post = |attempt| Posting::new(PostingKind::Reserve, Subject::of(attempt));
    refund.attempts.iter().map(post).collect()
}

/// What the reservation of `refund` does to the counters of its payments.
pub fn counters(refund: &Refund) -> Vec<(PaymentId, CounterChange)> {
    let reserve = |amount| CounterChange { reserved: amount, refunded: 0 };
    refund.attempts.iter().map(|a| (a.payment.clone(), reserve(a.amount))).collect()
}

/// Writes what `refund` takes into `order`, so that the next refund of one transaction sees it.
pub fn apply(order: &mut Order, refund: &Refund) {
    for (payment, change) in counters(refund) {
        if let Some(stored) = order.payments.iter_mut().find(|stored| stored.id == payment) {
            stored.counters.reserved += change.reserved;
        }
    }
    for change in LineChange::take(refund) {
        if let Some(stored) = order.lines.iter_mut().find(|stored| stored.id == change.line_id) {
            stored.committed += change.committed;
            stored.committed_units += change.units;
            stored.refunding += change.refunding;
            stored.repriced += change.repriced;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::order::tests::order;
    use super::super::price::Repriced;
    use super::super::refund::tests::{mixed_order, refund_of};
    use super::*;

    #[test]
    fn what_is_there_is_reserved_with_a_posting_for_each_attempt() {
        let order = mixed_order();
        let refund = refund_of(&order, false);
        assert_eq!(check(&order, &refund), Ok(()));
        let postings = postings(&refund);
        assert_eq!(postings.iter().map(|p| p.amount).collect::<Vec<_>>(), [5000, 390]);
        let reserved: i64 = counters(&refund).iter().map(|(_, change)| change.reserved).sum();
        assert_eq!(reserved, 5390);
    }

    #[test]
    fn one_unit_too_few_is_a_shortage() {
        let order = order();
        let refund = refund_of(&order, false);
        let mut spent = order.clone();
        spent.payments[0].counters.reserved = 1;
        assert!(matches!(check(&spent, &refund), Err(Shortage::Payment { refundable: 5389, .. })));
        let mut taken = order.clone();
        taken.lines[0].committed = 1;
        assert!(matches!(check(&taken, &refund), Err(Shortage::Line { remaining: 2999, .. })));
        let mut fewer = order;
        fewer.lines[0].committed_units = 1;
        assert!(matches!(check(&fewer, &refund), Err(Shortage::Line { remaining: 3000, .. })));
    }

    #[test]
    fn a_second_refund_sees_what_the_first_one_took() {
        let mut order = mixed_order();
        let mut refund = refund_of(&order, false);
        refund.lines.truncate(2);
        refund.repriced = vec![Repriced { line_id: "f1".to_owned(), amount: 40 }];
        apply(&mut order, &refund);
        assert_eq!(order.payments.iter().map(Payment::refundable).sum::<i64>(), 0);
        assert_eq!(order.lines[0].remaining(), 0);
        assert_eq!((order.lines[0].refunding, order.lines[0].remaining_units()), (3000, 0));
        assert_eq!(order.lines[2].remaining(), 430);
        assert!(check(&order, &refund).is_err());
    }

    #[test]
    fn giving_all_up_undoes_what_was_taken_and_a_part_frees_that_part() {
        let mut refund = refund_of(&order(), false);
        refund.repriced = vec![Repriced { line_id: "f1".to_owned(), amount: 40 }];
        let sum = |taken: &LineChange, freed: &LineChange| {
            assert_eq!(taken.line_id, freed.line_id);
            [
                taken.committed + freed.committed,
                taken.refunding + freed.refunding,
                taken.units + freed.units,
                taken.repriced + freed.repriced,
            ]
        };
        let (taken, freed) = (LineChange::take(&refund), LineChange::release(&refund, 5390));
        assert_eq!(taken.len(), freed.len());
        for (taken, freed) in taken.iter().zip(&freed) {
            assert_eq!(sum(taken, freed), [0; 4]);
        }
        let part = LineChange::release(&refund, 539);
        let amounts: Vec<_> = part.iter().map(|c| (c.committed, c.refunding, c.units)).collect();
        assert_eq!(amounts, [(-300, -300, 0), (-200, -200, 0), (-39, -39, 0)]);
    }
}
