//! Cases to try two policies in.
//!
//! Invariant: cases are drawn where answers can change: at the boundaries of every notice, around every
//! number that a condition names, for every code and kind of line.

use std::collections::{BTreeMap, BTreeSet};

use redress_calendar::format_instant;
use redress_core::clock::Timestamp;
use redress_core::money::{Currency, Money};

use super::Shortfall;
use crate::declared::Distance;
use crate::facts::{FactKind, FactValue};
use crate::model::Policy;
use crate::situation::{Decision, LineFacts, LinePrice, Situation};
use crate::vocabulary::{LineKind, OverrideCode};

/// How long before its start something is bought: longer than any notice that laws ask for.
const SOLD_BEFORE: i64 = 800 * MICROS_PER_DAY;
const MICROS_PER_DAY: i64 = 86_400_000_000;
const MICROS_PER_SECOND: i64 = 1_000_000;
/// Prices in minor units: the smallest, around whole ones, and large ones.
const PRICES: [i64; 9] = [1, 99, 100, 101, 1_050, 9_999, 12_345, 100_000, 1_000_000];
const ZONES: [&str; 3] = ["Europe/Berlin", "Asia/Shanghai", "America/New_York"];

/// Chooses, always the same way (`SplitMix64`).
pub(crate) struct Dice(pub(crate) u64);

impl Dice {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    fn below(&mut self, count: usize) -> usize {
        let count = u64::try_from(count.max(1)).unwrap_or(1);
        usize::try_from(self.next() % count).unwrap_or(0)
    }

    fn of<'a, T>(&mut self, items: &'a [T]) -> Option<&'a T> {
        items.get(self.below(items.len()))
    }
}

/// What cases are made of.
pub(crate) struct Cases<'a> {
    policies: [&'a Policy; 2],
    currency: Currency,
    purchase: Timestamp,
    start: Timestamp,
    kinds: Vec<LineKind>,
    codes: Vec<Option<OverrideCode>>,
    evidence: Vec<Vec<String>>,
    numbers: Vec<i64>,
    words: Vec<String>,
}

/// One case.
pub(crate) struct Case {
    pub(crate) now: Timestamp,
    pub(crate) purchase: Timestamp,
    pub(crate) start: Timestamp,
    pub(crate) zone: &'static str,
    pub(crate) currency: Currency,
    pub(crate) kind: LineKind,
    pub(crate) gross: i64,
    pub(crate) units: i64,
    pub(crate) code: Option<OverrideCode>,
    pub(crate) evidence: Vec<String>,
    pub(crate) facts: BTreeMap<String, FactValue>,
    pub(crate) whole_order: bool,
    pub(crate) buyer_refunds: u32,
}

impl<'a> Cases<'a> {
    /// `None` for no currency to try in, of which there is always one.
    pub(crate) fn new(own: &'a Policy, law: &'a Policy) -> Option<Self> {
        let policies = [law, own];
        let purchase = Timestamp(own.effective.0.max(law.effective.0));
        let kinds: Vec<LineKind> = LineKind::ALL
            .iter()
            .filter(|kind| law.kinds.is_empty() || kind.is_fee_or_tax() || law.kinds.contains(kind))
            .copied()
            .collect();
        let codes = law.overrides.iter().map(|rule| rule.code);
        let codes = codes.chain(law.compensations.iter().flat_map(|row| row.codes.iter().copied()));
        let codes: BTreeSet<Option<OverrideCode>> = codes.map(Some).chain([None]).collect();
        let mut evidence: Vec<Vec<String>> =
            law.overrides.iter().map(|rule| rule.evidence.clone()).collect();
        evidence.push(law.overrides.iter().flat_map(|rule| rule.evidence.clone()).collect());
        evidence.dedup();
        let mut numbers = BTreeSet::from([0, 1, 2, 5, 30]);
        let mut words = BTreeSet::new();
        for condition in policies.iter().flat_map(|policy| policy.conditions()) {
            let (ints, texts) = condition.constants();
            for int in ints {
                numbers.extend([int.saturating_sub(1), int, int.saturating_add(1)]);
                // Where it is a length of time, a second is what clocks show.
                if int.unsigned_abs() >= MICROS_PER_SECOND.unsigned_abs() {
                    let (before, after) = (-MICROS_PER_SECOND, MICROS_PER_SECOND);
                    numbers.extend([int.saturating_add(before), int.saturating_add(after)]);
                }
            }
            words.extend(texts);
        }
        let currency = law.currency.or(own.currency).or_else(|| "EUR".parse().ok())?;
        Some(Self {
            policies,
            currency,
            purchase,
            start: Timestamp(purchase.0.saturating_add(SOLD_BEFORE)),
            kinds,
            codes: codes.into_iter().collect(),
            evidence,
            numbers: numbers.into_iter().collect(),
            words: words.into_iter().collect(),
        })
    }

    pub(crate) fn draw(&self, dice: &mut Dice) -> Case {
        let zone = dice.of(&ZONES).copied().unwrap_or("UTC");
        let code = dice.of(&self.codes).copied().flatten();
        let kind = dice.of(&self.kinds).copied().unwrap_or(LineKind::Ticket);
        let gross = dice.of(&PRICES).copied().unwrap_or(100);
        let mut case = Case {
            now: self.start,
            purchase: self.purchase,
            start: self.start,
            zone,
            currency: self.currency,
            kind,
            gross,
            units: if dice.below(4) == 0 { 3 } else { 1 },
            code,
            evidence: dice.of(&self.evidence).cloned().unwrap_or_default(),
            facts: BTreeMap::new(),
            whole_order: dice.below(3) > 0,
            buyer_refunds: u32::from(dice.below(4) == 0),
        };
        case.now = self.moment(dice, &case);
        let policies = self.policies;
        for fact in policies.iter().flat_map(|policy| &policy.facts) {
            if fact.assume.is_some() && dice.below(3) == 0 || case.facts.contains_key(&fact.name) {
                continue;
            }
            let value = match fact.kind {
                FactKind::Bool => FactValue::Bool(dice.below(2) == 0),
                FactKind::Int => FactValue::Int(self.number(dice, gross)),
                FactKind::Duration => FactValue::Duration(self.number(dice, gross)),
                FactKind::String => {
                    FactValue::String(dice.of(&self.words).cloned().unwrap_or_default())
                }
                FactKind::Timestamp => FactValue::Timestamp(self.told(dice, &case)),
            };
            case.facts.insert(fact.name.clone(), value);
        }
        case
    }

    fn number(&self, dice: &mut Dice, gross: i64) -> i64 {
        match dice.below(4) {
            0 => gross,
            1 => gross / 2,
            _ => dice.of(&self.numbers).copied().unwrap_or(0),
        }
    }

    /// When it is asked: around a boundary of either policy, or around the start.
    fn moment(&self, dice: &mut Dice, case: &Case) -> Timestamp {
        let mut boundaries =
            vec![self.start, Timestamp(self.purchase.0 + 3_600 * MICROS_PER_SECOND)];
        let line = case.line();
        for policy in self.policies {
            let found = case.with(&[line], |situation| policy.boundaries(situation, &line));
            boundaries.extend(found.unwrap_or_default());
        }
        let around = dice.of(&boundaries).copied().unwrap_or(self.start);
        let step = [-MICROS_PER_SECOND, -1, 0, 1, MICROS_PER_SECOND, MICROS_PER_DAY];
        Timestamp(around.0.saturating_add(dice.of(&step).copied().unwrap_or(0)))
    }

    /// An instant that a fact tells: around now and the start, as far off as moments look.
    fn told(&self, dice: &mut Dice, case: &Case) -> Timestamp {
        let mut days = vec![0_i64];
        for moment in self.policies.iter().flat_map(|policy| &policy.moments) {
            days.push(match moment.distance {
                Distance::Days(days) => days.into(),
                Distance::Months(months) => i64::from(months) * 30,
            });
        }
        let from = if dice.below(2) == 0 { case.now } else { case.start };
        let far = dice.of(&days).copied().unwrap_or(0) * MICROS_PER_DAY;
        let far = if dice.below(2) == 0 { far } else { -far };
        let step = [-MICROS_PER_DAY, -MICROS_PER_SECOND, 0, MICROS_PER_SECOND, MICROS_PER_DAY];
        let step = dice.of(&step).copied().unwrap_or(0);
        Timestamp(from.0.saturating_add(far).saturating_add(step))
    }
}

impl Case {
    pub(crate) fn line(&self) -> LineFacts<'static> {
        LineFacts {
            id: "line",
            kind: self.kind,
            gross: self.gross,
            units: self.units,
            start: self.start,
            time_zone: self.zone,
            event: "",
            place: "",
        }
    }

    pub(crate) fn with<T>(
        &self,
        lines: &[LineFacts<'_>],
        ask: impl FnOnce(&Situation<'_>) -> T,
    ) -> T {
        ask(&Situation {
            now: self.now,
            purchase: self.purchase,
            channel: "web",
            currency: self.currency,
            override_code: self.code,
            evidence: &self.evidence,
            facts: &self.facts,
            buyer_refunds: Some(self.buyer_refunds),
            whole_order: self.whole_order,
            lines,
        })
    }

    pub(super) fn compare(&self, own: &Policy, law: &Policy) -> Option<Shortfall> {
        let line = self.line();
        let Decision::Priced(mut due) = self.with(&[line], |situation| law.price(situation)) else {
            return None;
        };
        let due = due.pop()?;
        if due.refund == 0 && due.compensation.is_none() {
            return None;
        }
        let given = match self.with(&[line], |situation| own.price(situation)) {
            Decision::Priced(mut prices) => prices.pop()?,
            Decision::NeedsFacts(needed) => {
                // What the law asks too, nobody is refused for.
                let other = needed.iter().find(|fact| law.declared(&fact.name).is_none())?;
                return Some(self.nothing(&due, format!("asks for {}", other.name)));
            }
            Decision::Review(reviews) => {
                let rule = reviews.first().map_or("", |review| review.rule.as_str());
                return Some(self.nothing(&due, format!("leaves it to a person (rule {rule})")));
            }
            Decision::Refused(refusal) => return Some(self.nothing(&due, refusal.to_string())),
        };
        self.refund_gap(&due, &given)
            .or_else(|| self.compensation_gap(&due, &given))
            .or_else(|| self.clock_gap(own, law))
    }

    fn money(&self, minor_units: i64) -> Money {
        Money { currency: self.currency, minor_units }
    }

    /// Nothing at all is given.
    fn nothing(&self, due: &LinePrice, own: String) -> Shortfall {
        let owed = due.compensation.as_ref();
        let (title, rule) = owed
            .filter(|_| due.refund == 0)
            .map_or((due.citation.title.as_str(), due.rule.as_str()), |owed| {
                (owed.citation.title.as_str(), owed.rule.as_str())
            });
        let gap = match owed.and_then(|owed| owed.amount) {
            Some(amount) if due.refund == 0 => amount,
            _ => self.money(due.refund),
        };
        Shortfall {
            case: self.in_words(),
            law: format!("{gap} (rule {rule}, {title})"),
            own,
            gap: Some(gap).filter(|gap| gap.minor_units > 0),
        }
    }

    fn refund_gap(&self, due: &LinePrice, given: &LinePrice) -> Option<Shortfall> {
        let gap = due.refund - given.refund;
        (gap > 0).then(|| Shortfall {
            case: self.in_words(),
            law: format!("{} (rule {}, {})", self.money(due.refund), due.rule, due.citation.title),
            own: format!("{} (rule {})", self.money(given.refund), given.rule),
            gap: Some(self.money(gap)),
        })
    }

    fn compensation_gap(&self, due: &LinePrice, given: &LinePrice) -> Option<Shortfall> {
        let owed = due.compensation.as_ref()?;
        let own = given.compensation.as_ref();
        let given = own.and_then(|own| own.amount);
        let (what, gap) = match owed.amount {
            // Damages are claimed and proven; any compensation is taken into account then.
            None => ("damages".to_owned(), own.is_none().then_some(None)),
            Some(amount) => {
                let given = given.filter(|given| given.currency == amount.currency);
                let gap = amount.minor_units - given.map_or(0, |given| given.minor_units);
                let less = Money { currency: amount.currency, minor_units: gap };
                (format!("compensation of {amount}"), (gap > 0).then_some(Some(less)))
            }
        };
        gap.map(|gap| Shortfall {
            case: self.in_words(),
            law: format!("{what} (rule {}, {})", owed.rule, owed.citation.title),
            own: own.map_or_else(
                || "no compensation".to_owned(),
                |own| {
                    let amount = own.amount.map_or_else(|| "damages".to_owned(), |a| a.to_string());
                    format!("{amount} (rule {})", own.rule)
                },
            ),
            gap,
        })
    }

    /// The money comes later than the law allows.
    fn clock_gap(&self, own: &Policy, law: &Policy) -> Option<Shortfall> {
        let line = self.line();
        let clock = |policy: &Policy| {
            self.with(&[line], |situation| policy.legal_clock(situation, &line)).ok()
        };
        let (due, given) = (clock(law)?, clock(own)?);
        let day = |at: Timestamp| format!("payment by {}", format_instant(at));
        (given.due > due.due).then(|| Shortfall {
            case: self.in_words(),
            law: format!("{} ({})", day(due.due), due.law.title),
            own: day(given.due),
            gap: None,
        })
    }

    fn in_words(&self) -> String {
        let price = Money { currency: self.currency, minor_units: self.gross };
        let code = self.code.map_or_else(String::new, |code| format!(", {}", code.as_str()));
        let facts: Vec<_> =
            self.facts.iter().map(|(name, value)| format!("{name} = {value}")).collect();
        let facts =
            if facts.is_empty() { String::new() } else { format!(", {}", facts.join(", ")) };
        let part = if self.whole_order { "" } else { ", a part of the order" };
        format!(
            "for {} of {price} asked for at {}, starting at {} in {}{code}{part}{facts}",
            self.kind.as_str(),
            format_instant(self.now),
            format_instant(self.start),
            self.zone
        )
    }
}
