//! Reservation: whether the money and the lines of a new refund are still there.
//!
//! Invariant: decided on rows that the transaction holds locked, and written in that transaction
//! together with the refund; the database's CHECKs stand behind it.

use redress_core::id::PaymentId;

use super::attempt::AttemptState;
use super::ledger::{Posting, PostingKind, Subject};
use super::order::Order;
use super::refund::Refund;

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

/// Checks `refund` against the order's counters as they stand now.
pub fn check(order: &Order, refund: &Refund) -> Result<(), Shortage> {
    for line in &refund.lines {
        let stored = order.lines.iter().find(|stored| stored.id == line.line_id);
        let remaining = stored.map_or(0, super::order::OrderLine::remaining);
        if remaining < line.gross {
            return Err(Shortage::Line {
                line: line.line_id.clone(),
                remaining,
                wanted: line.gross,
            });
        }
    }
    // Unconnected tenders hold nothing, but a person must not be told to pay what is not there.
    for attempt in &refund.attempts {
        let stored = order.payments.iter().find(|stored| stored.id == attempt.payment);
        let refundable = stored.map_or(0, super::order::Payment::refundable);
        if refundable < attempt.amount {
            let payment = attempt.payment.clone();
            return Err(Shortage::Payment { payment, refundable, wanted: attempt.amount });
        }
    }
    Ok(())
}

/// The postings that go with the reservation of `refund`: one for each armed attempt.
pub fn postings(refund: &Refund) -> Vec<Posting> {
    let armed = refund.attempts.iter().filter(|attempt| attempt.state == AttemptState::Armed);
    let post = |attempt| Posting::new(PostingKind::Reserve, Subject::of(attempt));
    armed.map(post).collect()
}

#[cfg(test)]
mod tests {
    use super::super::order::tests::order;
    use super::super::quote::price_cancelled_lines;
    use super::super::refund::RefundTerms;
    use super::*;
    use redress_core::clock::Timestamp;
    use redress_core::id::{RandomIds, TenantId};

    fn refund_of(order: &Order) -> Refund {
        let event = &order.lines[0].event;
        let price = price_cancelled_lines(order, event, &["stripe".to_owned()]).unwrap();
        let terms = RefundTerms {
            tenant: TenantId::new("arena").unwrap(),
            order: order.id.clone(),
            customer: order.customer.clone(),
            disruption: None,
            legal_deadline: Timestamp(0),
            expected_arrival: None,
            requester: "test".to_owned(),
            traceparent: None,
        };
        Refund::new(terms, &price, &RandomIds, Timestamp(5))
    }

    #[test]
    fn what_is_there_is_reserved_with_a_posting_for_each_armed_attempt() {
        let order = order();
        let refund = refund_of(&order);
        assert_eq!(check(&order, &refund), Ok(()));
        let postings = postings(&refund);
        assert_eq!(postings.iter().map(|p| p.amount).collect::<Vec<_>>(), [5390]);
    }

    #[test]
    fn one_unit_too_few_is_a_shortage() {
        let order = order();
        let refund = refund_of(&order);
        let mut spent = order.clone();
        spent.payments[0].counters.reserved = 1;
        assert!(matches!(check(&spent, &refund), Err(Shortage::Payment { refundable: 5389, .. })));
        let mut taken = order;
        taken.lines[0].committed = 1;
        assert!(matches!(check(&taken, &refund), Err(Shortage::Line { remaining: 2999, .. })));
    }
}
