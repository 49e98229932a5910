//! The steps by which an answer was found.
//!
//! Invariant: each step is true of this line by itself, and can be told as one sentence in every
//! language: [`Step::text`].

use std::collections::BTreeMap;

use redress_core::clock::Timestamp;
use redress_core::money::Money;
use serde::{Deserialize, Serialize};

use crate::facts::FactValue;
use crate::model::Notice;
use crate::vocabulary::{FixedFeePer, LineKind, OverrideCode, RoundingMode};

/// The facts that a condition named, with what they were.
pub type KnownFacts = BTreeMap<String, FactValue>;

/// One step on the way to an answer.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "SCREAMING_SNAKE_CASE")]
#[expect(missing_docs, reason = "each field is what its name says; the steps are documented")]
pub enum Step {
    /// The override was claimed too late.
    OverrideTooLate { rule: String, code: OverrideCode, until: Timestamp, time_zone: String },
    /// The override applies and replaces the tiers.
    OverrideApplies { rule: String, code: OverrideCode, evidence: Vec<String> },
    /// No override with this code applies to the line; the tiers do.
    NoOverride { code: OverrideCode },
    /// The notice is too short for the tier.
    NoticeMissed { rule: String, notice: Notice, until: Option<Timestamp>, time_zone: String },
    /// The notice is met.
    NoticeMet { rule: String, notice: Notice, until: Option<Timestamp>, time_zone: String },
    /// The notice is taken as met, since the calendar ends too early to tell.
    NoticeUncertain { rule: String, notice: Notice },
    /// The condition of the rule holds.
    ConditionMet { rule: String, condition: String, facts: KnownFacts },
    /// The condition of the rule does not hold.
    ConditionNotMet { rule: String, condition: String, facts: KnownFacts },
    /// A fee or tax that no rule gives back.
    FeeKept { kind: LineKind },
    /// The policy is about what happened only.
    NotRegulated,
    /// No tier's notice is met.
    TooLate { time_zone: String, start: Timestamp },
    /// A tier's notice is met, but no condition holds.
    NothingHolds,
    /// The share of the price.
    Share { gross: Money, basis_points: u16, kept: bool },
    /// The share of an amount that a fact tells.
    ShareOf { base: Money, fact: String, basis_points: u16, kept: bool },
    /// Of the rest, as much is kept as of the days.
    RestByDays { done: i64, of: i64 },
    /// A cost that a fact tells is kept besides.
    CostKept { cost: Money, fact: String },
    /// A fee besides.
    FixedFee { fee: Money, per: FixedFeePer, units: i64 },
    /// The fee was rounded.
    Rounded { to: Money, step: Money, mode: RoundingMode },
    /// The fee was raised to the least that the rule takes.
    Minimum { fee: Money },
    /// The fee was lowered to the most that the rule takes.
    Maximum { fee: Money },
    /// The fee was limited by the price.
    Capped { gross: Money },
    /// What it comes to.
    Result { gross: Money, fee: Money, refund: Money },
    /// No row of the table of compensations applies.
    NoCompensation,
    /// The seller is free of compensation.
    CompensationFree { rule: String },
    /// Damages have to be claimed and proven.
    CompensationClaimed { rule: String },
    /// A fixed amount of compensation.
    CompensationFixed { rule: String, amount: Money, per: FixedFeePer, units: i64 },
    /// A share of the price as compensation.
    CompensationShare { rule: String, gross: Money, basis_points: u32 },
    /// A cost that is made good.
    CompensationCost { rule: String, cost: Money },
    /// The compensation is halved.
    CompensationHalved { amount: Money, facts: KnownFacts },
    /// The compensation is less than what the seller has to pay.
    CompensationTooSmall { amount: Money, least: Money },
    /// What the compensation comes to.
    CompensationDue { amount: Money },
}
