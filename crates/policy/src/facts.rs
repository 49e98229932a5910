//! What conditions can speak of: facts that are always known, and facts that a caller has to tell.
//!
//! Invariant: a fact without a value is unknown, never false, zero or empty.

use std::fmt;

use redress_calendar::format_instant;
use redress_core::clock::Timestamp;
use serde::{Deserialize, Serialize};

use crate::texts::Texts;

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
    /// A length of time.
    Duration,
}

impl FactKind {
    /// All of them.
    pub const ALL: [Self; 5] =
        [Self::Bool, Self::Int, Self::String, Self::Timestamp, Self::Duration];

    /// The word in files.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Bool => "bool",
            Self::Int => "int",
            Self::String => "string",
            Self::Timestamp => "timestamp",
            Self::Duration => "duration",
        }
    }

    /// Reads the word.
    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.as_str() == text)
    }

    /// Reads a value of this kind as a person would type it: `true`, `3`, `2026-12-19T14:30:00Z`,
    /// `-1:59:00` or `2h30m`.
    pub fn value(self, text: &str) -> Option<FactValue> {
        match self {
            Self::Bool => text.parse().ok().map(FactValue::Bool),
            Self::Int => text.parse().ok().map(FactValue::Int),
            Self::String => Some(FactValue::String(text.to_owned())),
            Self::Timestamp => redress_calendar::parse_instant(text).ok().map(FactValue::Timestamp),
            Self::Duration => parse_duration(text).map(FactValue::Duration),
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
    /// A length of time in microseconds; below zero for what came early.
    Duration(i64),
}

impl FactValue {
    /// What kind of value it is.
    pub const fn kind(&self) -> FactKind {
        match self {
            Self::Bool(_) => FactKind::Bool,
            Self::Int(_) => FactKind::Int,
            Self::String(_) => FactKind::String,
            Self::Timestamp(_) => FactKind::Timestamp,
            Self::Duration(_) => FactKind::Duration,
        }
    }

    /// The value as one of `kind`, where a file can write it in no other way: a length of time is
    /// written as a text.
    #[must_use]
    pub fn read_as(self, kind: FactKind) -> Self {
        match (&self, kind) {
            (Self::String(text), FactKind::Duration) => kind.value(text).unwrap_or(self),
            _ => self,
        }
    }
}

const MICROS_PER_SECOND: i64 = 1_000_000;

/// Reads `3:00:01`, `-1:30:00`, `36h`, `1h30m` or `90s`, as microseconds.
pub(crate) fn parse_duration(text: &str) -> Option<i64> {
    let (sign, rest) = text.strip_prefix('-').map_or((1, text), |rest| (-1, rest));
    let seconds = if rest.contains(':') { clock(rest)? } else { units(rest)? };
    seconds.checked_mul(sign * MICROS_PER_SECOND)
}

/// The seconds of `3:00:01`.
fn clock(text: &str) -> Option<i64> {
    let digits =
        |part: &str| part.bytes().all(|b| b.is_ascii_digit()).then(|| part.parse().ok())?;
    let mut parts = text.split(':').map(digits);
    let (hours, minutes, seconds): (i64, i64, i64) =
        (parts.next()??, parts.next()??, parts.next()??);
    let fits = parts.next().is_none() && minutes < 60 && seconds < 60;
    let total = hours.checked_mul(3_600)?.checked_add(minutes * 60 + seconds);
    total.filter(|_| fits)
}

/// The seconds of `36h`, `1h30m`, `90m` or `10s`.
fn units(text: &str) -> Option<i64> {
    let mut total = 0_i64;
    let mut rest = text;
    while !rest.is_empty() {
        let digits = rest.find(|c: char| !c.is_ascii_digit())?;
        let count: i64 = rest[..digits].parse().ok()?;
        let seconds = match rest[digits..].chars().next()? {
            'h' => 3_600,
            'm' => 60,
            's' => 1,
            _ => return None,
        };
        total = total.checked_add(count.checked_mul(seconds)?)?;
        rest = &rest[digits + 1..];
    }
    (!text.is_empty()).then_some(total)
}

/// `3:00:01`, or `-0:30:00`.
pub(crate) fn format_duration(micros: i64) -> String {
    let seconds = micros.unsigned_abs() / MICROS_PER_SECOND.unsigned_abs();
    let sign = if micros < 0 { "-" } else { "" };
    format!("{sign}{}:{:02}:{:02}", seconds / 3_600, seconds / 60 % 60, seconds % 60)
}

impl fmt::Display for FactValue {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Bool(value) => value.fmt(f),
            Self::Int(value) => value.fmt(f),
            Self::String(value) => write!(f, "{value:?}"),
            Self::Timestamp(value) => f.write_str(&format_instant(*value)),
            Self::Duration(value) => f.write_str(&format_duration(*value)),
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
    pub question: Texts,
    /// What holds as long as nobody shows otherwise; without it, the fact has to be told.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub assume: Option<Assumption>,
    /// The kind of document that shows it, such as `MEDICAL_CERTIFICATE`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub document: Option<String>,
}

/// What holds of a fact that nobody told, and why it may.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Assumption {
    /// The value.
    pub value: FactValue,
    /// Who bears the burden of showing otherwise, and where that stands.
    pub because: String,
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
            (FactKind::Duration, "-1:59:01"),
        ] {
            let value = kind.value(text).unwrap();
            assert_eq!(value.kind(), kind);
            assert!(value.to_string().contains(text));
            assert_eq!(FactKind::parse(kind.as_str()), Some(kind));
        }
        assert_eq!(FactKind::parse("float"), None);
    }

    #[test]
    fn lengths_of_time_are_read_as_people_write_them() {
        for (text, seconds) in [
            ("3:00:01", Some(10_801)),
            ("-1:59:00", Some(-7_140)),
            ("0:00:00", Some(0)),
            ("120:00:00", Some(432_000)),
            ("36h", Some(129_600)),
            ("1h30m", Some(5_400)),
            ("-10s", Some(-10)),
            ("3:60:00", None),
            ("3:00", None),
            ("3:00:00:00", None),
            ("+3:00:00", None),
            ("3d", None),
            ("1.5h", None),
            ("h", None),
            ("3", None),
            ("", None),
            ("-", None),
            ("9999999999999999h", None),
            ("9223372036854775807s", None),
        ] {
            let micros = seconds.map(|seconds: i64| seconds * MICROS_PER_SECOND);
            assert_eq!(parse_duration(text), micros, "{text}");
        }
        assert_eq!(format_duration(-7_141_000_000), "-1:59:01");
        let text = FactValue::String("3h".to_owned());
        assert_eq!(text.clone().read_as(FactKind::Duration), FactValue::Duration(10_800_000_000));
        assert_eq!(text.clone().read_as(FactKind::String), text);
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
