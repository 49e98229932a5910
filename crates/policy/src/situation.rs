//! What is asked of a policy, and what it answers.
//!
//! Invariant: an answer is a price with its rule, a question, or a refusal with its reason; there is
//! no silent no. On each price `fee + refund` is the line's gross.

use std::collections::BTreeMap;

use redress_core::clock::Timestamp;
use redress_core::money::Currency;
use serde::{Deserialize, Serialize};

use crate::compensation::CompensationDue;
use crate::facts::{FactKind, FactValue};
use crate::model::Citation;
use crate::step::Step;
use crate::texts::Texts;
use crate::vocabulary::{LineKind, OverrideCode};

/// A wish to give something back, and everything around it that rules can depend on.
#[derive(Debug, Clone, Copy)]
pub struct Situation<'a> {
    /// When the refund is asked for.
    pub now: Timestamp,
    /// When the order was bought.
    pub purchase: Timestamp,
    /// Where the order was sold, such as `web`.
    pub channel: &'a str,
    /// The order's currency.
    pub currency: Currency,
    /// What happened, when the caller claims something that replaces the tiers.
    pub override_code: Option<OverrideCode>,
    /// The kinds of document that were shown, such as `DEATH_CERTIFICATE`.
    pub evidence: &'a [String],
    /// What the caller told, by name; names that the policy does not know are ignored.
    pub facts: &'a BTreeMap<String, FactValue>,
    /// How often this buyer withdrew from this event before; `None` when nobody knows.
    pub buyer_refunds: Option<u32>,
    /// Whether everything left of the order is asked for.
    pub whole_order: bool,
    /// What is to be given back.
    pub lines: &'a [LineFacts<'a>],
}

/// What a policy needs to know of a line.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LineFacts<'a> {
    /// The line's id.
    pub id: &'a str,
    /// What kind of thing it is.
    pub kind: LineKind,
    /// The price of the units asked for, in minor units; below zero counts as zero.
    pub gross: i64,
    /// How many units are asked for.
    pub units: i64,
    /// When the event or trip starts.
    pub start: Timestamp,
    /// The IANA zone of the place, such as `Europe/Berlin`.
    pub time_zone: &'a str,
    /// Id of the event or trip.
    pub event: &'a str,
    /// Where it takes place, as the order names it.
    pub place: &'a str,
}

/// What a policy answers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Decision {
    /// The prices, in the order of the lines asked for.
    Priced(Vec<LinePrice>),
    /// These facts could change the answer, and nobody told them.
    NeedsFacts(Vec<NeededFact>),
    /// A person has to decide about these lines: the law is not certain there.
    Review(Vec<Review>),
    /// The policy does not allow it, or cannot answer.
    Refused(Refusal),
}

/// The price of giving a line back.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct LinePrice {
    /// What the seller keeps, in minor units.
    pub fee: i64,
    /// What the buyer gets, in minor units.
    pub refund: i64,
    /// The rule that decided.
    pub rule: String,
    /// Where that rule stands.
    pub citation: Citation,
    /// What the answer rests on that is not certain.
    pub uncertainty: Option<Uncertainty>,
    /// What is owed besides the refund.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub compensation: Option<CompensationDue>,
    /// How the answer was found.
    pub path: Vec<Step>,
}

/// Why an answer may change.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum Uncertainty {
    /// Days outside the calendar of business days were counted, each in favour of the buyer.
    CalendarOutOfRange,
    /// Nobody told facts that decide which clock runs, or since when.
    FactsMissing,
}

impl Uncertainty {
    /// The code.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::CalendarOutOfRange => "CALENDAR_OUT_OF_RANGE",
            Self::FactsMissing => "FACTS_MISSING",
        }
    }
}

/// A line that a person has to decide about.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Review {
    /// The line's id.
    pub line: String,
    /// The rule that asks for it.
    pub rule: String,
    /// Why, in plain words.
    pub reason: Texts,
    /// Where that rule stands.
    pub citation: Citation,
}

/// A fact that has to be told.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NeededFact {
    /// Its name.
    pub name: String,
    /// The question to ask.
    pub question: Texts,
    /// What kind of value answers it.
    pub kind: FactKind,
}

/// Why a policy does not price a request.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// A part of an order cannot be given back.
    #[error("only the whole order can be given back; ask for everything that is left of it")]
    WholeOrderOnly,
    /// This buyer withdrew from this event before.
    #[error("a buyer can withdraw from an event once, and this one has")]
    BuyerLimit,
    /// The policy has no rule for what happened.
    #[error("the policy has no override {}; ask without it", .0.as_str())]
    OverrideNotOffered(OverrideCode),
    /// These documents are missing.
    #[error("the override needs evidence of the kinds {}", .0.join(", "))]
    EvidenceRequired(Vec<String>),
    /// The policy's amounts are in another currency.
    #[error("the policy prices orders in {policy}, not in {order}")]
    CurrencyMismatch {
        /// The policy's currency.
        policy: Currency,
        /// The order's currency.
        order: Currency,
    },
    /// The policy is not about lines of this kind.
    #[error("the policy has no rules for lines of kind {}", .0.as_str())]
    KindNotCovered(LineKind),
    /// A fact was told with a value of another kind.
    #[error("the fact {name} is of type {}, not {}", .expected.as_str(), .given.as_str())]
    FactMismatch {
        /// The fact.
        name: String,
        /// The kind that the policy declares.
        expected: FactKind,
        /// The kind that was told.
        given: FactKind,
    },
    /// A condition cannot be evaluated, whatever is told.
    #[error("the condition of the rule {rule} cannot be evaluated: {reason}")]
    ConditionFailed {
        /// The rule.
        rule: String,
        /// What went wrong.
        reason: String,
    },
    /// The place of a line has no zone that is known, or its start is beyond all calendars.
    #[error("the local time of line {line} cannot be told: {reason}")]
    NoLocalTime {
        /// The line's id.
        line: String,
        /// What went wrong.
        reason: String,
    },
}

impl Refusal {
    /// A code for programs.
    pub const fn code(&self) -> &'static str {
        match self {
            Self::WholeOrderOnly => "WHOLE_ORDER_ONLY",
            Self::BuyerLimit => "BUYER_LIMIT",
            Self::OverrideNotOffered(_) => "OVERRIDE_NOT_OFFERED",
            Self::EvidenceRequired(_) => "EVIDENCE_REQUIRED",
            Self::CurrencyMismatch { .. } => "CURRENCY_MISMATCH",
            Self::KindNotCovered(_) => "KIND_NOT_COVERED",
            Self::FactMismatch { .. } => "FACT_MISMATCH",
            Self::ConditionFailed { .. } => "CONDITION_FAILED",
            Self::NoLocalTime { .. } => "NO_LOCAL_TIME",
        }
    }
}
