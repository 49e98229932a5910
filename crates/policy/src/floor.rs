//! Whether a policy gives less than a law somewhere, and by how much.
//!
//! Invariant: what is reported is a case in which [`Policy::price`] of both says so; nothing is
//! worked out a second time. Cases are drawn where answers can change: at the boundaries of every
//! notice, around every number that a condition names, for every code and kind of line. The same
//! policies always get the same cases.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use redress_calendar::format_instant;
use redress_core::clock::Timestamp;
use redress_core::money::{Currency, Money};

use crate::declared::Distance;
use crate::facts::{FactKind, FactValue};
use crate::model::Policy;
use crate::situation::{Decision, LineFacts, LinePrice, Situation};
use crate::vocabulary::{LineKind, OverrideCode};

/// How many cases are tried.
const CASES: usize = 12_000;
/// How long before its start something is bought: longer than any notice that laws ask for.
const SOLD_BEFORE: i64 = 800 * MICROS_PER_DAY;
const MICROS_PER_DAY: i64 = 86_400_000_000;
const MICROS_PER_SECOND: i64 = 1_000_000;
/// Prices in minor units: the smallest, around whole ones, and large ones.
const PRICES: [i64; 9] = [1, 99, 100, 101, 1_050, 9_999, 12_345, 100_000, 1_000_000];
const ZONES: [&str; 3] = ["Europe/Berlin", "Asia/Shanghai", "America/New_York"];

/// A case in which a policy gives less than a law.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Shortfall {
    /// What the case is, in words.
    pub case: String,
    /// What the law gives, with the rule and where it stands.
    pub law: (Money, String, String),
    /// What the policy gives, with the rule or the reason why nothing.
    pub own: (Money, String),
    /// Whether it is the compensation; otherwise the refund.
    pub compensation: bool,
}

impl Shortfall {
    /// By how much less.
    pub fn gap(&self) -> i64 {
        self.law.0.minor_units - self.own.0.minor_units
    }
}

impl fmt::Display for Shortfall {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let what = if self.compensation { "compensation of " } else { "" };
        let (law, rule, title) = &self.law;
        let (own, by) = &self.own;
        let less = Money { currency: law.currency, minor_units: self.gap() };
        write!(
            f,
            "{}, the law gives {what}{law} (rule {rule}, {title}) and this policy {own} ({by}): {less} \
             less",
            self.case
        )
    }
}

impl Policy {
    /// The worst case found in which the policy gives less than `law`; `None` when there is none.
    pub fn shortfall(&self, law: &Self) -> Option<Shortfall> {
        let cases = Cases::new(self, law)?;
        let mut dice = Dice(0x005e_ed0f_1a35);
        let mut worst: Option<Shortfall> = None;
        for _ in 0..CASES {
            let Some(found) = cases.draw(&mut dice).compare(self, law) else { continue };
            if worst.as_ref().is_none_or(|worst| found.gap() > worst.gap()) {
                worst = Some(found);
            }
        }
        worst
    }
}

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
                numbers.extend([int - 1, int, int + 1]);
                // Where it is a length of time, a second is what clocks show.
                if int.abs() >= MICROS_PER_SECOND {
                    numbers.extend([int - MICROS_PER_SECOND, int + MICROS_PER_SECOND]);
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
                FactKind::String => match dice.of(&self.words) {
                    Some(word) => FactValue::String(word.clone()),
                    None => continue,
                },
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

    fn compare(&self, own: &Policy, law: &Policy) -> Option<Shortfall> {
        let line = self.line();
        let Decision::Priced(mut due) = self.with(&[line], |situation| law.price(situation)) else {
            return None;
        };
        let due = due.pop()?;
        if due.refund == 0 && due.compensation.is_none() {
            return None;
        }
        let (given, by) = match self.with(&[line], |situation| own.price(situation)) {
            Decision::Priced(mut prices) => {
                let price = prices.pop()?;
                let by = format!("rule {}", price.rule);
                (Some(price), by)
            }
            // Nobody is refused: a person decides, or more is asked.
            Decision::Review(_) | Decision::NeedsFacts(_) => return None,
            Decision::Refused(refusal) => (None, refusal.to_string()),
        };
        self.refund_gap(&due, given.as_ref(), &by).or_else(|| self.other_gap(&due, given.as_ref()))
    }

    fn refund_gap(
        &self,
        due: &LinePrice,
        given: Option<&LinePrice>,
        by: &str,
    ) -> Option<Shortfall> {
        let money = |minor_units| Money { currency: self.currency, minor_units };
        let refund = given.map_or(0, |given| given.refund);
        (refund < due.refund).then(|| Shortfall {
            case: self.in_words(),
            law: (money(due.refund), due.rule.clone(), due.citation.title.clone()),
            own: (money(refund), by.to_owned()),
            compensation: false,
        })
    }

    fn other_gap(&self, due: &LinePrice, given: Option<&LinePrice>) -> Option<Shortfall> {
        let owed = due.compensation.as_ref()?;
        let own = given.and_then(|given| given.compensation.as_ref());
        let given = own.and_then(|own| own.amount);
        // Damages that are claimed and proven have no amount that could be compared.
        let law = owed.amount?;
        let enough = given.is_some_and(|given| {
            given.currency == law.currency && given.minor_units >= law.minor_units
        });
        (!enough).then(|| Shortfall {
            case: self.in_words(),
            law: (law, owed.rule.clone(), owed.citation.title.clone()),
            own: (
                given
                    .filter(|given| given.currency == law.currency)
                    .unwrap_or(Money { currency: law.currency, minor_units: 0 }),
                own.map_or_else(
                    || "no compensation".to_owned(),
                    |own| format!("rule {}", own.rule),
                ),
            ),
            compensation: true,
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::check::check;
    use crate::packs::Pack;

    /// Russia's law on performances, and a policy that promises to give no less.
    fn found(terms: &str) -> Option<Shortfall> {
        let text = format!(
            "id = \"own\"\ndisplay_name = \"Own\"\neffective = 2026-01-01T00:00:00+03:00\n\
             pay_within = \"10 days\"\n[citation]\ntitle = \"Terms\"\n{terms}"
        );
        let own = check(&text).unwrap();
        own.shortfall(Pack::find("ru-culture-52.1").unwrap().policy().unwrap())
    }

    const OVERRIDES: &str = "
[[overrides]]
code = \"EVENT_CANCELLED\"
rule = \"cancelled\"
[[overrides]]
code = \"EVENT_POSTPONED\"
rule = \"postponed\"
[[overrides]]
code = \"EVENT_MOVED\"
rule = \"moved\"
[[overrides]]
code = \"NOT_AS_DESCRIBED\"
rule = \"replaced\"
[[overrides]]
code = \"ILLNESS\"
rule = \"illness\"
[[overrides]]
code = \"DEATH\"
rule = \"death\"
";

    #[test]
    fn a_policy_that_gives_everything_gives_no_less() {
        let generous = "[[tiers]]\nrule = \"always\"\nuntil = 9998-01-01T00:00:00Z\n\
                        refund_basis_points = 10000\n";
        let less = found(&format!("{generous}{OVERRIDES}"));
        assert!(less.as_ref().is_none_or(|less| less.compensation), "{less:?}");
    }

    #[test]
    fn a_day_less_and_a_kopeck_less_are_found_and_told() {
        let late = "[[tiers]]\nrule = \"eleven\"\nnotice_civil_days = 11\n\
                    refund_basis_points = 10000\n[[tiers]]\nrule = \"half\"\n\
                    notice_civil_days = 3\nrefund_basis_points = 5000\n";
        let less = found(&format!("{late}{OVERRIDES}")).unwrap();
        assert_eq!((less.gap(), less.law.0.minor_units), (500_000, 1_000_000), "{less}");
        let told = less.to_string();
        assert!(told.contains("52.1") && told.ends_with("EUR 5000.00 less"), "{told}");
        let thin = "[[tiers]]\nrule = \"all\"\nnotice_civil_days = 10\n\
                    refund_basis_points = 10000\n[[tiers]]\nrule = \"half\"\n\
                    notice_civil_days = 5\nrefund_basis_points = 5000\n[[tiers]]\nrule = \"thin\"\n\
                    notice_civil_days = 3\nrefund_basis_points = 2999\n";
        let less = found(&format!("{thin}{OVERRIDES}")).unwrap();
        assert_eq!((less.gap(), less.own.1.as_str()), (100, "rule thin"), "{less}");
    }

    #[test]
    fn what_is_not_offered_gives_nothing() {
        let always =
            "[[tiers]]\nrule = \"all\"\nnotice_civil_days = 0\nrefund_basis_points = 10000\n";
        let less = found(always).unwrap();
        assert_eq!(less.own.0.minor_units, 0);
        assert!(less.own.1.contains("override"), "{less}");
    }
}
