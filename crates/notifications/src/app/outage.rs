//! Tells an outage from one message's bad luck.
//!
//! Invariant: an outage is several failures in a row that would have met any message; once it is
//! declared it stays so for the batch, so that the rest need not be tried.

use std::sync::atomic::{AtomicUsize, Ordering};

use crate::mail::MailError;

/// After this many failures in a row the rest of a batch waits.
const OUTAGE_AFTER: usize = 3;

/// What the hand-overs of one batch say of the mail server.
#[derive(Debug, Default)]
pub(super) struct Outage {
    in_a_row: AtomicUsize,
}

impl Outage {
    pub(super) fn observe(&self, error: Option<&MailError>) {
        if error.is_some_and(MailError::is_outage) {
            self.in_a_row.fetch_add(1, Ordering::Relaxed);
        } else if !self.is_declared() {
            self.in_a_row.store(0, Ordering::Relaxed);
        }
    }

    pub(super) fn is_declared(&self) -> bool {
        self.in_a_row.load(Ordering::Relaxed) >= OUTAGE_AFTER
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_failures_in_a_row_that_are_no_messages_fault_are_an_outage() {
        let (away, refused) = (MailError::Unreachable("test"), MailError::Refused { code: 550 });
        let cases: [(&[Option<&MailError>], bool); 5] = [
            (&[Some(&away), Some(&away)], false),
            (&[Some(&away), Some(&away), Some(&away)], true),
            (&[Some(&away), Some(&away), None, Some(&away)], false),
            (&[Some(&refused), Some(&refused), Some(&refused)], false),
            (&[Some(&away), Some(&away), Some(&away), None], true),
        ];
        for (results, declared) in cases {
            let outage = Outage::default();
            for error in results {
                outage.observe(*error);
            }
            assert_eq!(outage.is_declared(), declared, "{results:?}");
        }
    }
}
