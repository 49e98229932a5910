//! Where a record stands, and what is wrong with it.
//!
//! Invariant: a problem names file, record and field and describes the shape of a bad value; it
//! never repeats the value, which may be personal.

use std::cell::RefCell;
use std::fmt;

use redress_proto::refunds::v1::Order;
use serde::Serialize;

/// The most bytes that one record may have: an order of 200 lines has far fewer.
pub const MAX_RECORD_BYTES: usize = 1024 * 1024;

/// What a reader makes of one record.
pub type Record = Result<(Origin, Order), ImportProblem>;

/// Where a record stands: file name and place, such as `orders.jsonl:17`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Origin {
    file: String,
    place: Place,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Place {
    File,
    Line(u64),
    Order { number: u64, code: Option<String> },
}

impl Origin {
    /// A file as a whole.
    pub fn file(file: &str) -> Self {
        Self { file: file.to_owned(), place: Place::File }
    }

    /// A line, counted from 1.
    pub fn line(file: &str, line: u64) -> Self {
        Self { file: file.to_owned(), place: Place::Line(line) }
    }

    /// An order in a list, counted from 1, with its code where that can be read.
    pub fn order(file: &str, number: u64, code: Option<&str>) -> Self {
        let code = code.filter(|code| redress_core::id::is_valid_id(code)).map(str::to_owned);
        Self { file: file.to_owned(), place: Place::Order { number, code } }
    }
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.place {
            Place::File => f.write_str(&self.file),
            Place::Line(line) => write!(f, "{}:{line}", self.file),
            Place::Order { number, code: None } => write!(f, "{}, order {number}", self.file),
            Place::Order { number, code: Some(code) } => {
                write!(f, "{}, order {number} ({code})", self.file)
            }
        }
    }
}

impl Serialize for Origin {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

/// One thing that is wrong with a record.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Violation {
    /// Path of the field, such as `lines[0].gross.minor_units`; empty for the record as a whole.
    pub field: String,
    /// What is wrong and what is expected.
    pub description: String,
}

/// A record, or a file, that is not imported.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct ImportProblem {
    /// Where it stands.
    pub origin: Origin,
    /// Everything that is wrong with it; never empty.
    pub violations: Vec<Violation>,
}

impl ImportProblem {
    /// A record that is bad as a whole.
    pub fn whole(origin: Origin, description: impl Into<String>) -> Self {
        let violation = Violation { field: String::new(), description: description.into() };
        Self { origin, violations: vec![violation] }
    }
}

impl fmt::Display for ImportProblem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: ", self.origin)?;
        for (at, violation) in self.violations.iter().enumerate() {
            let separator = if at == 0 { "" } else { "; " };
            match violation.field.as_str() {
                "" => write!(f, "{separator}{}", violation.description)?,
                field => write!(f, "{separator}{field}: {}", violation.description)?,
            }
        }
        Ok(())
    }
}

impl std::error::Error for ImportProblem {}

/// Gathers what is wrong with a record while it is read.
#[derive(Debug, Default)]
pub(crate) struct Violations(RefCell<Vec<Violation>>);

impl Violations {
    pub(crate) fn report(&self, field: impl Into<String>, description: impl Into<String>) {
        let violation = Violation { field: field.into(), description: description.into() };
        self.0.borrow_mut().push(violation);
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.0.borrow().is_empty()
    }

    /// What was gathered, as one problem.
    pub(crate) fn into_problem(self, origin: Origin) -> ImportProblem {
        ImportProblem { origin, violations: self.0.into_inner() }
    }

    /// The order, when nothing is wrong with what was read nor with the order as a whole.
    pub(crate) fn conclude(self, origin: Origin, order: Order) -> Record {
        let mut violations = self.0.into_inner();
        // An order that could not be read fully would only repeat the same faults.
        if violations.is_empty() {
            violations = super::check::violations(&order);
        }
        if violations.is_empty() {
            Ok((origin, order))
        } else {
            Err(ImportProblem { origin, violations })
        }
    }
}

/// Names a text without showing it, unless it is a plain number.
pub(crate) fn shape(text: &str) -> String {
    let plain = |b: u8| b.is_ascii_digit() || b".,+-".contains(&b);
    if !text.is_empty() && text.len() <= 32 && text.bytes().all(plain) {
        return format!("{text:?}");
    }
    match text.chars().count() {
        0 => "empty text".to_owned(),
        1 => "a text of 1 character".to_owned(),
        count => format!("a text of {count} characters"),
    }
}
