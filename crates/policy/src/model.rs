//! A policy: who gets how much back, as data.
//!
//! Invariant: a stored version never changes. The stored form of a policy with nothing but tiers by
//! hours is the one that the first release wrote, so that every stored version stays readable.

mod terms;

use std::collections::BTreeMap;

use redress_calendar::BusinessCalendar;
use redress_core::clock::Timestamp;
use redress_core::id::PolicyId;
use redress_core::money::Currency;
use serde::{Deserialize, Serialize};

use crate::compensation::Compensation;
use crate::condition::Condition;
use crate::declared::{Moment, Switch};
use crate::facts::FactDeclaration;
use crate::texts::Texts;
use crate::vocabulary::{
    DayUnit, FixedFeePer, LineKind, OverrideCode, Repricing, RoundingMode, Tender,
};
pub use terms::{Charge, RestByDays, Terms};
use terms::{is_per_line, per_line};

/// A whole, in hundredths of a percent.
pub const ALL_BASIS_POINTS: u16 = 10_000;

/// One version of a policy.
#[expect(clippy::struct_excessive_bools, reason = "each is a key of the format, read by name")]
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Policy {
    /// The policy's id.
    pub id: PolicyId,
    /// Rises by one with each change; 0 before it is stored.
    pub version: i64,
    /// Name shown to customers.
    pub display_name: String,
    /// Whether the policy is in use.
    #[serde(default)]
    pub status: Status,
    /// This version applies to orders bought from here on.
    pub effective: Timestamp,
    /// And to none bought from here on.
    #[serde(default)]
    pub expires: Option<Timestamp>,
    /// The kinds of line that the policy is about; empty for all. Fees and taxes always may be on
    /// the order.
    #[serde(default)]
    pub kinds: Vec<LineKind>,
    /// The currency of every amount in the policy; it then prices no other.
    #[serde(default)]
    pub currency: Option<Currency>,
    /// In order; the first that covers the line, whose notice is met and whose condition holds
    /// decides.
    pub tiers: Vec<Tier>,
    /// What replaces the tiers when something happened.
    #[serde(default)]
    pub overrides: Vec<Override>,
    /// Whether tiers that name no kinds cover fees and taxes too.
    pub refunds_fees: bool,
    /// Whether a buyer can withdraw from the whole order only.
    #[serde(default)]
    pub whole_order: bool,
    /// Whether a buyer can withdraw from an event once only.
    #[serde(default)]
    pub once_per_buyer: bool,
    /// What becomes of a group discount.
    #[serde(default = "keep")]
    pub repricing: Repricing,
    /// The order in which tenders are paid back; those not named come last, as they were paid.
    #[serde(default)]
    pub tender_order: Vec<Tender>,
    /// How fees are rounded.
    #[serde(default)]
    pub rounding: Rounding,
    /// Whether a fee is reckoned, rounded and bounded for each unit or for the line.
    #[serde(default = "per_line", skip_serializing_if = "is_per_line")]
    pub fees_per: FixedFeePer,
    /// The calendar of business days.
    #[serde(default)]
    pub calendar: Option<PolicyCalendar>,
    /// What a caller may have to tell.
    #[serde(default)]
    pub facts: Vec<FactDeclaration>,
    /// Whether the rules are law: terms of sale may give more, never less.
    #[serde(default, skip_serializing_if = "is_false")]
    pub mandatory: bool,
    /// Ids of the laws that come with Redress and that the policy promises to give no less than.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub at_least: Vec<PolicyId>,
    /// Where the law can be read in several ways.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub switches: Vec<Switch>,
    /// Instants reckoned from others.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub moments: Vec<Moment>,
    /// What is owed besides, in order; the first row that applies decides.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub compensations: Vec<Compensation>,
    /// How compensations are rounded; without it, to the minor unit, the half up.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub compensation_rounding: Option<Rounding>,
    /// Clocks for paying besides the policy's own, in order; the first whose condition holds counts.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub clocks: Vec<PayClock>,
    /// Names of documents, for people, by kind.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub documents: BTreeMap<String, Texts>,
    /// Where the rules stand.
    pub citation: Citation,
    /// The clock for paying, from the request.
    pub pay_within_days: u16,
    /// What that clock counts.
    #[serde(default = "civil_days")]
    pub pay_within_unit: DayUnit,
    /// Whether a clock that ends on a day off ends on the next working day.
    #[serde(default, skip_serializing_if = "is_false")]
    pub pay_within_rolls: bool,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde passes references")]
const fn is_false(value: &bool) -> bool {
    !*value
}

const fn keep() -> Repricing {
    Repricing::Keep
}

const fn civil_days() -> DayUnit {
    DayUnit::CivilDays
}

/// The calendar that business days are counted by.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum PolicyCalendar {
    /// One that comes with Redress, by its name, such as `us-federal`.
    Named(String),
    /// The policy's own.
    Own(BusinessCalendar),
}

impl PolicyCalendar {
    /// The days; `None` when no calendar with this name comes with Redress.
    pub fn days(&self) -> Option<&BusinessCalendar> {
        match self {
            Self::Named(name) => BusinessCalendar::named(name).ok(),
            Self::Own(own) => Some(own),
        }
    }
}

/// A clock for paying under certain circumstances.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PayClock {
    /// Id of the rule.
    pub rule: String,
    /// What happened; empty for whatever it was.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub codes: Vec<OverrideCode>,
    /// What has to hold besides.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub condition: Option<Condition>,
    /// When it starts: a fact of type timestamp; without it, with the request.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub from: Option<String>,
    /// How much it counts.
    pub count: u16,
    /// What it counts.
    pub unit: DayUnit,
    /// Whether it ends on the next working day, when it would end on a day off.
    #[serde(default, skip_serializing_if = "is_false")]
    pub rolls: bool,
    /// Where it stands, when it is not where the policy stands.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub citation: Option<Citation>,
}

/// Whether a policy is in use.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Status {
    /// In use.
    #[default]
    Active,
    /// Being written, or not in force yet.
    Draft,
    /// No longer to be used.
    Disabled,
}

impl Status {
    /// The word in files.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Active => "active",
            Self::Draft => "draft",
            Self::Disabled => "disabled",
        }
    }

    /// Reads the word.
    pub fn parse(text: &str) -> Option<Self> {
        [Self::Active, Self::Draft, Self::Disabled].into_iter().find(|s| s.as_str() == text)
    }
}

/// One step of a policy.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Tier {
    /// Id of the rule, shown in quotes.
    pub rule: String,
    /// Until when the tier applies.
    #[serde(flatten)]
    pub notice: Notice,
    /// The kinds that the tier covers; empty for every kind, and then fees and taxes only when the
    /// policy refunds fees.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub kinds: Vec<LineKind>,
    /// What has to hold besides.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub condition: Option<Condition>,
    /// What the rule says, in plain words.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub words: Option<Texts>,
    /// Why a person has to decide instead of the terms, in plain words.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub review: Option<Texts>,
    /// What it costs.
    #[serde(flatten)]
    pub terms: Terms,
    /// Where this rule stands, when it is not where the policy stands.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub citation: Option<Citation>,
}

/// What replaces the tiers when something happened.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Override {
    /// What happened.
    pub code: OverrideCode,
    /// Id of the rule, shown in quotes.
    pub rule: String,
    /// Kinds of document, all of which are needed, such as `DEATH_CERTIFICATE`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub evidence: Vec<String>,
    /// The kinds of line that it covers; empty for every kind, fees and taxes included.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub kinds: Vec<LineKind>,
    /// What has to hold besides.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub condition: Option<Condition>,
    /// It can be claimed until this many hours after the start; without it, always.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub until_hours_after_start: Option<u32>,
    /// Whether a second person has to approve each refund under it, whatever the amount.
    #[serde(default)]
    pub needs_approval: bool,
    /// What the rule says, in plain words.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub words: Option<Texts>,
    /// Why a person has to decide instead of the terms, in plain words.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub review: Option<Texts>,
    /// What it costs.
    #[serde(flatten)]
    pub terms: Terms,
    /// Where this rule stands, when it is not where the policy stands.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub citation: Option<Citation>,
}

/// How much notice a tier asks for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Notice {
    /// Elapsed hours before the start.
    #[serde(rename = "notice_hours")]
    Hours(u32),
    /// Days between the date of the request and the date of the start, both at the venue.
    #[serde(rename = "notice_civil_days")]
    CivilDays(u32),
    /// Business days from the date of the request until before the date of the start, both at the
    /// venue.
    #[serde(rename = "notice_business_days")]
    BusinessDays(u16),
    /// Up to and including this instant.
    #[serde(rename = "until")]
    Until(Timestamp),
}

impl Notice {
    /// The key in files.
    pub const fn key(self) -> &'static str {
        match self {
            Self::Hours(_) => "notice_hours",
            Self::CivilDays(_) => "notice_civil_days",
            Self::BusinessDays(_) => "notice_business_days",
            Self::Until(_) => "until",
        }
    }
}

/// How fees are rounded: to a multiple of `step` minor units.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Rounding {
    /// In minor units of the order's currency, above zero.
    pub step: i64,
    /// Which multiple.
    pub mode: RoundingMode,
}

impl Default for Rounding {
    fn default() -> Self {
        Self { step: 1, mode: RoundingMode::Down }
    }
}

/// Where a rule stands: a law, or terms of sale.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Citation {
    /// Such as "General terms of sale, section 7".
    pub title: String,
    /// Where it can be read; empty when it is not public.
    pub uri: String,
}

/// What is wrong with a policy, and where.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PolicyProblem {
    /// Path of the field, such as `tiers[1].notice_hours`.
    pub field: String,
    /// What is wrong and what is expected.
    pub description: String,
}

impl Policy {
    /// A policy without rules, to which the rest is added: in force always, nothing besides tiers,
    /// fees kept, paid within 14 days.
    pub fn new(id: PolicyId, display_name: impl Into<String>, citation: Citation) -> Self {
        Self {
            id,
            version: 0,
            display_name: display_name.into(),
            status: Status::Active,
            effective: Timestamp(0),
            expires: None,
            kinds: Vec::new(),
            currency: None,
            tiers: Vec::new(),
            overrides: Vec::new(),
            refunds_fees: false,
            whole_order: false,
            once_per_buyer: false,
            repricing: Repricing::Keep,
            tender_order: Vec::new(),
            rounding: Rounding::default(),
            fees_per: FixedFeePer::Line,
            calendar: None,
            facts: Vec::new(),
            mandatory: false,
            at_least: Vec::new(),
            switches: Vec::new(),
            moments: Vec::new(),
            compensations: Vec::new(),
            compensation_rounding: None,
            clocks: Vec::new(),
            documents: BTreeMap::new(),
            citation,
            pay_within_days: 14,
            pay_within_unit: DayUnit::CivilDays,
            pay_within_rolls: false,
        }
    }

    /// The calendar of business days.
    pub fn business_days(&self) -> Option<&BusinessCalendar> {
        self.calendar.as_ref().and_then(PolicyCalendar::days)
    }

    /// Every condition of the policy.
    pub(crate) fn conditions(&self) -> impl Iterator<Item = &Condition> {
        let tiers = self.tiers.iter().filter_map(|tier| tier.condition.as_ref());
        let overrides = self.overrides.iter().filter_map(|rule| rule.condition.as_ref());
        let rows = self.compensations.iter().filter_map(|row| row.condition.as_ref());
        let halved = self.compensations.iter().filter_map(|row| Some(&row.halved.as_ref()?.when));
        let clocks = self.clocks.iter().filter_map(|clock| clock.condition.as_ref());
        tiers.chain(overrides).chain(rows).chain(halved).chain(clocks)
    }

    /// Whether a tier that names `kinds` covers a line of `kind`.
    pub(crate) fn tier_covers(&self, kinds: &[LineKind], kind: LineKind) -> bool {
        if kinds.is_empty() {
            self.refunds_fees || !kind.is_fee_or_tax()
        } else {
            kinds.contains(&kind)
        }
    }
}

impl Tier {
    /// A tier by elapsed hours that keeps a share and nothing else.
    pub fn hours(rule: impl Into<String>, notice_hours: u32, fee_basis_points: u16) -> Self {
        Self {
            rule: rule.into(),
            notice: Notice::Hours(notice_hours),
            kinds: Vec::new(),
            condition: None,
            words: None,
            review: None,
            terms: Terms { charge: Charge::Fee(fee_basis_points), ..Terms::default() },
            citation: None,
        }
    }
}

impl Override {
    /// An override that gives everything back and asks for no evidence.
    pub fn full(code: OverrideCode, rule: impl Into<String>) -> Self {
        Self {
            code,
            rule: rule.into(),
            evidence: Vec::new(),
            kinds: Vec::new(),
            condition: None,
            until_hours_after_start: None,
            needs_approval: false,
            words: None,
            review: None,
            terms: Terms::default(),
            citation: None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_the_first_release_stored_is_still_read() {
        let stored = r#"{"id":"standard","version":3,"display_name":"Standard","effective":7,
            "tiers":[{"rule":"early","notice_hours":72,"fee_basis_points":1000}],
            "refunds_fees":true,"citation":{"title":"Terms","uri":""},"pay_within_days":14}"#;
        let read: Policy = serde_json::from_str(stored).unwrap();
        let citation = Citation { title: "Terms".to_owned(), uri: String::new() };
        let expected = Policy {
            version: 3,
            effective: Timestamp(7),
            tiers: vec![Tier::hours("early", 72, 1000)],
            refunds_fees: true,
            ..Policy::new(PolicyId::new("standard").unwrap(), "Standard", citation)
        };
        assert_eq!(read, expected);
    }

    #[test]
    fn everything_reads_back_as_stored() {
        let text = include_str!("../tests/data/everything.toml");
        let policy = crate::check::check(text).unwrap();
        let stored = serde_json::to_vec(&policy).unwrap();
        assert_eq!(serde_json::from_slice::<Policy>(&stored).unwrap(), policy);
    }
}
