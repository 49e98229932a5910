//! What conditions can speak of: facts that are always known, and facts that a caller has to tell.
//!
//! Invariant: a fact without a value is unknown, never false, zero or empty.

use std::fmt;

use redress_calendar::format_instant;
use redress_core::clock::Timestamp;
use serde::{Deserialize, Serialize};

/// What kind of value a fact has.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum FactKind {
    /// Yes or no.
    Bool,
    /// A whole number.
    Int,
    /// A text.
    String,
    /// An instant.
    Timestamp,
}

impl FactKind {
    /// All of them.
    pub const ALL: [Self; 4] = [Self::Bool, Self::Int, Self::String, Self::Timestamp];

    /// The word in files.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Bool => "bool",
            Self::Int => "int",
            Self::String => "string",
            Self::Timestamp => "timestamp",
        }
    }

    /// Reads the word.
    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.as_str() == text)
    }

    /// Reads a value of this kind as a person would type it: `true`, `3`, `2026-12-19T14:30:00Z`.
    pub fn value(self, text: &str) -> Option<FactValue> {
        match self {
            Self::Bool => text.parse().ok().map(FactValue::Bool),
            Self::Int => text.parse().ok().map(FactValue::Int),
            Self::String => Some(FactValue::String(text.to_owned())),
            Self::Timestamp => redress_calendar::parse_instant(text).ok().map(FactValue::Timestamp),
        }
    }
}

/// The value of a fact.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum FactValue {
    /// Yes or no.
    Bool(bool),
    /// A whole number.
    Int(i64),
    /// A text.
    String(String),
    /// An instant.
    Timestamp(Timestamp),
}

impl FactValue {
    /// What kind of value it is.
    pub const fn kind(&self) -> FactKind {
        match self {
            Self::Bool(_) => FactKind::Bool,
            Self::Int(_) => FactKind::Int,
            Self::String(_) => FactKind::String,
            Self::Timestamp(_) => FactKind::Timestamp,
        }
    }
}

impl fmt::Display for FactValue {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Bool(value) => value.fmt(f),
            Self::Int(value) => value.fmt(f),
            Self::String(value) => write!(f, "{value:?}"),
            Self::Timestamp(value) => f.write_str(&format_instant(*value)),
        }
    }
}

/// A fact that a caller may have to tell.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct FactDeclaration {
    /// Its name in conditions.
    pub name: String,
    /// What kind of value it has.
    #[serde(rename = "type")]
    pub kind: FactKind,
    /// The question that an agent asks.
    pub question: String,
}

/// A fact that Redress knows by itself.
#[derive(Debug, Clone, Copy)]
pub struct Builtin {
    /// Its name in conditions.
    pub name: &'static str,
    /// What kind of value it has.
    pub kind: FactKind,
    /// What it says.
    pub meaning: &'static str,
}

/// The name of the one fact among [`BUILTINS`] that can be missing.
pub const BUYER_REFUNDS: &str = "buyer_refunds";

/// The question for [`BUYER_REFUNDS`].
pub(crate) const BUYER_REFUNDS_QUESTION: &str =
    "How often has this buyer withdrawn from this event before?";

const fn builtin(name: &'static str, kind: FactKind, meaning: &'static str) -> Builtin {
    Builtin { name, kind, meaning }
}

/// The facts that every condition can use.
pub const BUILTINS: [Builtin; 15] = [
    builtin("kind", FactKind::String, "what the line is, such as \"TICKET\""),
    builtin("event", FactKind::String, "id of the event or trip"),
    builtin("place", FactKind::String, "where it takes place, as the order names it"),
    builtin("channel", FactKind::String, "where the order was sold, such as \"web\""),
    builtin("quantity", FactKind::Int, "units asked for on the line"),
    builtin("gross_minor_units", FactKind::Int, "price of those units, in minor units"),
    builtin("currency", FactKind::String, "currency of the order, such as \"EUR\""),
    builtin("whole_order", FactKind::Bool, "whether everything left of the order is asked for"),
    builtin("now", FactKind::Timestamp, "when the refund is asked for"),
    builtin("purchase", FactKind::Timestamp, "when the order was bought"),
    builtin("start", FactKind::Timestamp, "when the event or trip starts"),
    builtin(
        "hours_before_start",
        FactKind::Int,
        "whole elapsed hours until the start, rounded down",
    ),
    builtin("days_before_start", FactKind::Int, "days until the date of the start, at the venue"),
    builtin("hours_since_purchase", FactKind::Int, "whole elapsed hours since, rounded down"),
    builtin(BUYER_REFUNDS, FactKind::Int, "how often this buyer withdrew from this event before"),
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_are_read_by_kind() {
        assert_eq!(FactKind::Bool.value("true"), Some(FactValue::Bool(true)));
        assert_eq!(FactKind::Bool.value("yes"), None);
        assert_eq!(FactKind::Int.value("-3"), Some(FactValue::Int(-3)));
        assert_eq!(FactKind::Int.value("3.5"), None);
        assert_eq!(FactKind::String.value("3"), Some(FactValue::String("3".to_owned())));
        let instant = FactKind::Timestamp.value("1970-01-01T00:00:01Z");
        assert_eq!(instant, Some(FactValue::Timestamp(Timestamp(1_000_000))));
        assert_eq!(FactKind::Timestamp.value("1970-01-01"), None);
    }

    #[test]
    fn kinds_and_values_go_together() {
        for (kind, text) in [
            (FactKind::Bool, "true"),
            (FactKind::Int, "3"),
            (FactKind::String, "x"),
            (FactKind::Timestamp, "2026-12-19T14:30:00Z"),
        ] {
            let value = kind.value(text).unwrap();
            assert_eq!(value.kind(), kind);
            assert!(value.to_string().contains(text));
            assert_eq!(FactKind::parse(kind.as_str()), Some(kind));
        }
        assert_eq!(FactKind::parse("float"), None);
    }

    #[test]
    fn the_manual_lists_every_fact() {
        let manual = include_str!("../../../docs/policies.md");
        for fact in BUILTINS {
            let row = format!("| `{}` | {} | {} |", fact.name, fact.kind.as_str(), fact.meaning);
            assert!(manual.contains(&row), "docs/policies.md lacks the row\n{row}");
        }
    }
}
