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

/// What an order still holds for refunds: all that a reservation asks about.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Holding {
    /// Its lines.
    pub lines: Vec<HeldLine>,
    /// Its payments.
    pub payments: Vec<HeldPayment>,
}

/// What is left of a line.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HeldLine {
    /// Id of the line.
    pub id: String,
    /// Minor units left of its price; see [`OrderLine::remaining`].
    pub remaining: i64,
    /// Units left; see [`OrderLine::remaining_units`].
    pub units: i64,
    /// Refunds have taken up more than there is: nothing is left, whatever becomes dearer.
    pub is_over_refunded: bool,
}

/// What is left of a payment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HeldPayment {
    /// The payment.
    pub id: PaymentId,
    /// Minor units that can still be reserved; see [`Payment::refundable`].
    pub refundable: i64,
}

impl From<&Order> for Holding {
    fn from(order: &Order) -> Self {
        let line = |line: &OrderLine| HeldLine {
            id: line.id.clone(),
            remaining: line.remaining(),
            units: line.remaining_units(),
            is_over_refunded: line.over_refunded,
        };
        let payment = |payment: &Payment| HeldPayment {
            id: payment.id.clone(),
            refundable: payment.refundable(),
        };
        Self {
            lines: order.lines.iter().map(line).collect(),
            payments: order.payments.iter().map(payment).collect(),
        }
    }
}

impl Holding {
    /// Minor units that can still be reserved, over all payments.
    pub fn refundable(&self) -> i64 {
        self.payments.iter().map(|payment| payment.refundable).sum()
    }

    /// Takes what `refund` reserves, so that the next refund of one transaction sees it.
    pub fn take(&mut self, refund: &Refund) {
        for (payment, change) in counters(refund) {
            if let Some(held) = self.payments.iter_mut().find(|held| held.id == payment) {
                held.refundable -= change.reserved;
            }
        }
        for change in LineChange::take(refund) {
            let held = self.lines.iter_mut().find(|held| held.id == change.line_id);
            if let Some(held) = held.filter(|held| !held.is_over_refunded) {
                held.remaining += change.repriced - change.committed;
                held.units -= change.units;
            }
        }
    }
}

/// Checks `refund` against what its order still holds.
pub fn check(held: &Holding, refund: &Refund) -> Result<(), Shortage> {
    for line in &refund.lines {
        let stored = held.lines.iter().find(|stored| stored.id == line.line_id);
        let remaining = stored.map_or(0, |stored| stored.remaining);
        let units = stored.map_or(0, |stored| stored.units);
        if remaining < line.gross || units < line.units {
            return Err(Shortage::Line {
                line: line.line_id.clone(),
                remaining,
                wanted: line.gross,
            });
        }
    }
    for attempt in &refund.attempts {
        let stored = held.payments.iter().find(|stored| stored.id == attempt.payment);
        let refundable = stored.map_or(0, |stored| stored.refundable);
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

#[cfg(test)]
pub(super) mod tests {
    use super::super::order::tests::order;
    use super::super::price::Repriced;
    use super::super::refund::tests::{mixed_order, refund_of};
    use super::*;

    /// Writes what `refund` takes into the counters of `order`, as the store does.
    pub(in super::super) fn apply(order: &mut Order, refund: &Refund) {
        for (payment, change) in counters(refund) {
            let stored = order.payments.iter_mut().find(|stored| stored.id == payment).unwrap();
            stored.counters.reserved += change.reserved;
        }
        for change in LineChange::take(refund) {
            let stored = order.lines.iter_mut().find(|stored| stored.id == change.line_id).unwrap();
            stored.committed += change.committed;
            stored.committed_units += change.units;
            stored.refunding += change.refunding;
            stored.repriced += change.repriced;
        }
    }

    #[test]
    fn what_is_there_is_reserved_with_a_posting_for_each_attempt() {
        let order = mixed_order();
        let refund = refund_of(&order, false);
        assert_eq!(check(&Holding::from(&order), &refund), Ok(()));
        let postings = postings(&refund);
        assert_eq!(postings.iter().map(|p| p.amount).collect::<Vec<_>>(), [5000, 390]);
        let reserved: i64 = counters(&refund).iter().map(|(_, change)| change.reserved).sum();
        assert_eq!(reserved, 5390);
    }

    #[test]
    fn one_unit_too_few_is_a_shortage() {
        let order = order();
        let refund = refund_of(&order, false);
        let checked = |order: &Order| check(&Holding::from(order), &refund);
        let mut spent = order.clone();
        spent.payments[0].counters.reserved = 1;
        assert!(matches!(checked(&spent), Err(Shortage::Payment { refundable: 5389, .. })));
        let mut taken = order.clone();
        taken.lines[0].committed = 1;
        assert!(matches!(checked(&taken), Err(Shortage::Line { remaining: 2999, .. })));
        let mut fewer = order;
        fewer.lines[0].committed_units = 1;
        assert!(matches!(checked(&fewer), Err(Shortage::Line { remaining: 3000, .. })));
    }

    #[test]
    fn a_second_refund_sees_what_the_first_one_took() {
        let order = mixed_order();
        let mut refund = refund_of(&order, false);
        refund.lines.truncate(2);
        refund.repriced = vec![Repriced { line_id: "f1".to_owned(), amount: 40 }];
        let mut held = Holding::from(&order);
        assert_eq!(held.refundable(), 5390);
        held.take(&refund);
        let mut stored = order.clone();
        apply(&mut stored, &refund);
        assert_eq!(held, Holding::from(&stored), "as the next transaction reads it");
        assert_eq!(held.refundable(), 0);
        assert_eq!((held.lines[0].remaining, held.lines[0].units), (0, 0));
        assert_eq!((held.lines[2].remaining, held.lines[2].units), (430, 1));
        assert!(check(&held, &refund).is_err());
    }

    #[test]
    fn what_becomes_dearer_is_not_there_again_when_too_much_of_it_was_taken() {
        let mut order = order();
        let mut refund = refund_of(&order, false);
        refund.repriced = vec![Repriced { line_id: "f1".to_owned(), amount: 40 }];
        let fee = order.lines.iter_mut().find(|line| line.id == "f1").unwrap();
        fee.over_refunded = true;
        let mut held = Holding::from(&order);
        held.take(&refund);
        let fee = held.lines.iter().find(|line| line.id == "f1").unwrap();
        assert_eq!((fee.remaining, fee.units), (0, 0));
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
        refund.lines[1].refund = 0;
        let freed = LineChange::release(&refund, 339);
        let lines: Vec<_> = freed.iter().map(|change| change.line_id.as_str()).collect();
        assert_eq!(lines, [&refund.lines[0].line_id, &refund.lines[2].line_id]);
    }
}
