//! Credit notes: what each attempt that paid gave back, line by line with its tax.
//!
//! Invariant: a note follows what the provider did, never the plan. A refund's tenders share out its
//! lines beforehand and always alike, so a note never changes once its attempt has paid, each note's
//! lines and taxes sum to its totals, and the notes of a refund paid in full sum to its lines.

use redress_core::clock::Timestamp;
use redress_core::id::{AttemptId, PaymentId};
use redress_core::money::split_by_largest_remainder;

use super::attempt::AttemptState;
use super::refund::Refund;

/// The document of what one attempt gave back. Amounts are minor units of the refund's currency.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CreditNote {
    /// The attempt that paid.
    pub attempt: AttemptId,
    /// When it paid.
    pub issued: Timestamp,
    /// What it gave back.
    pub total: i64,
    /// The tax within it.
    pub tax: i64,
    /// By line, without those that get nothing.
    pub lines: Vec<CreditNoteLine>,
}

/// A line of a credit note.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CreditNoteLine {
    /// Id of the order line.
    pub line_id: String,
    /// What is given back for it, tax included.
    pub amount: i64,
    /// The tax within it.
    pub tax: i64,
}

/// The notes of everything that `refund` has paid, by payment. None for a refund without lines: it
/// was made at the provider, and its document is the shop's.
pub fn credit_notes(refund: &Refund) -> Vec<CreditNote> {
    if refund.lines.is_empty() {
        return Vec::new();
    }
    let shared = shared_out(refund);
    let paid = refund.attempts.iter().filter(|a| a.state == AttemptState::Succeeded);
    paid.filter_map(|attempt| {
        let (_, lines) = shared.iter().find(|(payment, _)| **payment == attempt.payment)?;
        Some(CreditNote {
            attempt: attempt.id.clone(),
            issued: attempt.updated,
            total: lines.iter().map(|line| line.amount).sum(),
            tax: lines.iter().map(|line| line.tax).sum(),
            lines: lines.clone(),
        })
    })
    .collect()
}

/// Which part of each line goes back on which payment: payment by payment, each takes its share of
/// what the ones before it left of every line.
fn shared_out(refund: &Refund) -> Vec<(&PaymentId, Vec<CreditNoteLine>)> {
    let mut left: Vec<(i64, i64)> =
        refund.lines.iter().map(|line| (line.refund, line.tax)).collect();
    let first = refund.attempts.iter().filter(|attempt| attempt.ordinal == 1);
    first
        .map(|attempt| {
            let weights: Vec<i64> = left.iter().map(|(amount, _)| *amount).collect();
            let parts = split_by_largest_remainder(attempt.amount, &weights).unwrap_or_default();
            let mut lines = Vec::with_capacity(parts.len());
            for ((line, part), left) in refund.lines.iter().zip(parts).zip(&mut left) {
                let tax = tax_within(part, *left);
                *left = (left.0 - part, left.1 - tax);
                if part > 0 {
                    let line_id = line.line_id.clone();
                    lines.push(CreditNoteLine { line_id, amount: part, tax });
                }
            }
            (&attempt.payment, lines)
        })
        .collect()
}

/// The tax within `part` of a line of which `left` (amount, tax) is left: all of it with the last
/// part, rounded down before.
fn tax_within(part: i64, (amount, tax): (i64, i64)) -> i64 {
    if amount == 0 {
        return 0;
    }
    let exact = i128::from(tax) * i128::from(part) / i128::from(amount);
    // A share of at most the whole of an i64 fits i64.
    i64::try_from(exact).unwrap_or(tax)
}

#[cfg(test)]
mod tests {
    use super::super::price::tests::line;
    use super::super::refund::tests::{mixed_order, refund_of};
    use super::*;
    use proptest::prelude::*;

    fn paid(mut refund: Refund, at: usize) -> Refund {
        refund.attempts[at].state = AttemptState::Succeeded;
        refund
    }

    #[test]
    fn a_note_is_of_what_was_paid() {
        let refund = refund_of(&mixed_order(), false);
        assert_eq!(credit_notes(&refund), []);
        let refund = paid(refund, 0);
        let notes = credit_notes(&refund);
        assert_eq!(notes.len(), 1);
        assert_eq!((notes[0].total, &notes[0].attempt), (5000, &refund.attempts[0].id));
        let after = credit_notes(&paid(refund, 1));
        assert_eq!(after[0], notes[0], "a note does not change when another one joins it");
        assert_eq!(after[1].total, 390);
    }

    #[test]
    fn a_refund_without_lines_has_no_note() {
        let mut refund = paid(refund_of(&mixed_order(), false), 0);
        refund.lines.clear();
        assert_eq!(credit_notes(&refund), []);
    }

    #[test]
    fn a_line_without_a_share_is_not_on_the_note() {
        let mut refund = paid(refund_of(&mixed_order(), false), 0);
        refund.lines = vec![line("t1", 100, 100), line("t2", 1, 1)];
        refund.attempts.truncate(1);
        refund.attempts[0].amount = 1;
        let notes = credit_notes(&refund);
        let lines: Vec<_> = notes[0].lines.iter().map(|l| (&*l.line_id, l.amount)).collect();
        assert_eq!(lines, [("t1", 1)]);
    }

    #[test]
    fn tax_goes_with_the_part_and_the_rest_with_the_last() {
        assert_eq!(tax_within(50, (100, 19)), 9);
        assert_eq!(tax_within(50, (50, 10)), 10);
        assert_eq!(tax_within(0, (0, 0)), 0);
    }

    proptest! {
        #[test]
        fn notes_sum_to_the_refund_and_to_themselves(
            lines in prop::collection::vec((0..100_000_i64, 0..=25_i64), 1..6),
            cuts in prop::collection::vec(1..=100_i64, 1..4),
        ) {
            let mut refund = paid(refund_of(&mixed_order(), false), 0);
            refund.lines = lines.iter().enumerate().map(|(at, (amount, percent))| {
                let mut line = line(&format!("p{at}"), *amount, *amount);
                line.tax = amount * percent / 100;
                line
            }).collect();
            let total: i64 = lines.iter().map(|(amount, _)| amount).sum();
            let Some(amounts) = split_by_largest_remainder(total, &cuts) else { return Ok(()) };
            let template = refund.attempts[0].clone();
            refund.attempts = amounts.iter().enumerate().map(|(at, amount)| {
                let mut attempt = template.clone();
                attempt.payment = PaymentId::new(format!("p{at}")).unwrap();
                attempt.amount = *amount;
                attempt
            }).collect();
            let notes = credit_notes(&refund);
            prop_assert_eq!(notes.len(), amounts.len());
            for (note, amount) in notes.iter().zip(&amounts) {
                prop_assert_eq!(note.total, *amount);
                prop_assert_eq!(note.lines.iter().map(|l| l.amount).sum::<i64>(), note.total);
                prop_assert_eq!(note.lines.iter().map(|l| l.tax).sum::<i64>(), note.tax);
                for line in &note.lines {
                    prop_assert!(line.amount > 0 && (0..=line.amount).contains(&line.tax));
                }
            }
            for line in &refund.lines {
                let of = |note: &CreditNote| {
                    let own = note.lines.iter().filter(|l| l.line_id == line.line_id);
                    own.map(|l| (l.amount, l.tax)).fold((0, 0), |a, b| (a.0 + b.0, a.1 + b.1))
                };
                let sum = notes.iter().map(of).fold((0, 0), |a, b| (a.0 + b.0, a.1 + b.1));
                prop_assert_eq!(sum, (line.refund, line.tax));
            }
        }
    }
}
