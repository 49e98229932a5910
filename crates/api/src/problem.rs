//! What an error must tell before it can leave over the wire.
//!
//! Invariant: everything that changes from call to call in an error's message also stands in its
//! metadata or violations, so that a program never has to parse the message.

use std::error::Error;
use std::time::Duration;

use tonic::Code;

/// An error that knows its place in the API. Each aggregate's closed error enum implements it;
/// [`crate::to_status`] builds the `Status`, with the message taken from `Display`.
pub trait Problem: Error {
    /// The canonical code. Which one fits is decided by what the caller can do next: fix the
    /// request (`InvalidArgument`), fix the state (`FailedPrecondition`), read again (`Aborted`),
    /// wait (`Unavailable`, `ResourceExhausted`), or nothing (`Internal`).
    fn code(&self) -> Code;

    /// Stable `UPPER_SNAKE` reason, listed in `docs/errors.md`.
    fn reason(&self) -> &'static str;

    /// The dynamic parts of the message, by `snake_case` name. Never personal data.
    fn metadata(&self) -> Vec<(&'static str, String)> {
        Vec::new()
    }

    /// Every bad field at once; for `InvalidArgument`.
    fn violations(&self) -> Vec<FieldViolation> {
        Vec::new()
    }

    /// Resource name of what the problem is about, such as `refunds/{refund}`.
    fn resource(&self) -> Option<String> {
        None
    }

    /// How long the caller should wait at least; for `Unavailable` and `ResourceExhausted`, which
    /// get one second when this is `None`.
    fn retry_after(&self) -> Option<Duration> {
        None
    }
}

impl<P: Problem + ?Sized> Problem for &P {
    fn code(&self) -> Code {
        (**self).code()
    }
    fn reason(&self) -> &'static str {
        (**self).reason()
    }
    fn metadata(&self) -> Vec<(&'static str, String)> {
        (**self).metadata()
    }
    fn violations(&self) -> Vec<FieldViolation> {
        (**self).violations()
    }
    fn resource(&self) -> Option<String> {
        (**self).resource()
    }
    fn retry_after(&self) -> Option<Duration> {
        (**self).retry_after()
    }
}

/// One bad field of a request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FieldViolation {
    /// Path in proto field names, such as `orders[3].lines[0].gross.currency_code`.
    pub field: String,
    /// What is wrong and what would be right.
    pub description: String,
    /// Stable `UPPER_SNAKE` name of the broken rule, such as `STRING_PATTERN`; may be empty.
    pub reason: String,
}

impl FieldViolation {
    /// A violation without a rule's name.
    pub fn new(field: impl Into<String>, description: impl Into<String>) -> Self {
        Self { field: field.into(), description: description.into(), reason: String::new() }
    }

    /// The same violation seen from a message that holds the violated one at `path`.
    #[must_use]
    pub fn under(mut self, path: &str) -> Self {
        if self.field.is_empty() {
            path.clone_into(&mut self.field);
        } else if !path.is_empty() {
            self.field = format!("{path}.{}", self.field);
        }
        self
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_violation_moves_under_the_field_that_holds_its_message() {
        let path = |violation: FieldViolation| violation.field;
        assert_eq!(
            path(FieldViolation::new("minor_units", "").under("gross")),
            "gross.minor_units"
        );
        assert_eq!(path(FieldViolation::new("", "").under("gross")), "gross");
        assert_eq!(path(FieldViolation::new("gross", "").under("")), "gross");
    }
}
