//! Explanations in words, in each language: how a price was found, rule by rule.
//!
//! Invariant: each step is a whole sentence by itself, true of this line, that an agent could read
//! out; instants are told in the local time of the place, amounts with their currency.

mod de;
mod en;
mod improve;
mod labels;
mod ru;
mod zh;

use redress_calendar::{Zone, format_instant};
use redress_core::clock::Timestamp;

pub(crate) use en::list;
use labels::label;

use crate::compensation::Pays;
use crate::facts::FactValue;
use crate::model::{Citation, Notice, Policy};
use crate::situation::LinePrice;
use crate::step::{KnownFacts, Step};
use crate::texts::{Language, Texts};

impl Policy {
    /// How `price`, an answer of this very version, was found: one sentence for each step.
    pub fn explain(&self, price: &LinePrice, language: Language) -> Vec<String> {
        price.path.iter().map(|step| step.text(language, Some(self))).collect()
    }

    /// What a rule says in plain words, where the policy tells.
    pub fn words_of(&self, rule: &str) -> Option<&Texts> {
        let tiers = self.tiers.iter().map(|tier| (&tier.rule, &tier.words));
        let overrides = self.overrides.iter().map(|rule| (&rule.rule, &rule.words));
        let rows = self.compensations.iter().map(|row| (&row.rule, &row.words));
        let mut all = tiers.chain(overrides).chain(rows);
        let words = all.find(|(id, _)| *id == rule).and_then(|(_, words)| words.as_ref());
        words.or_else(|| self.review_of(rule))
    }

    /// Why a person has to decide by a rule, in plain words.
    fn review_of(&self, rule: &str) -> Option<&Texts> {
        let tiers = self.tiers.iter().map(|tier| (&tier.rule, tier.review.as_ref()));
        let overrides = self.overrides.iter().map(|rule| (&rule.rule, rule.review.as_ref()));
        let rows = self.compensations.iter().map(|row| match &row.pays {
            Pays::Review(reason) => (&row.rule, Some(reason)),
            _ => (&row.rule, None),
        });
        tiers.chain(overrides).chain(rows).find(|(id, _)| *id == rule)?.1
    }

    /// Where a rule stands.
    pub fn citation_of(&self, rule: &str) -> &Citation {
        let tiers = self.tiers.iter().map(|tier| (&tier.rule, &tier.citation));
        let overrides = self.overrides.iter().map(|rule| (&rule.rule, &rule.citation));
        let rows = self.compensations.iter().map(|row| (&row.rule, &row.citation));
        let mut all = tiers.chain(overrides).chain(rows);
        let own = all.find(|(id, _)| *id == rule).and_then(|(_, citation)| citation.as_ref());
        own.unwrap_or(&self.citation)
    }
}

impl Step {
    /// The step as one sentence. With the policy version that it belongs to, rules are told in the
    /// words that the policy has for them; without, by their conditions.
    pub fn text(&self, language: Language, policy: Option<&Policy>) -> String {
        let words = Words { policy, language };
        match language {
            Language::De => de::sentence(self, &words),
            Language::En => en::sentence(self, &words),
            Language::Ru => ru::sentence(self, &words),
            Language::Zh => zh::sentence(self, &words),
        }
    }
}

/// Where sentences find the words of a policy.
struct Words<'a> {
    policy: Option<&'a Policy>,
    language: Language,
}

impl Words<'_> {
    /// What the condition of a rule says: the policy's words, or the condition itself.
    fn condition(&self, rule: &str, condition: &str) -> String {
        let words = self.policy.and_then(|policy| policy.words_of(rule));
        words.map_or_else(|| condition.to_owned(), |words| words.in_language(self.language).into())
    }

    /// Where a rule stands; `None` without a policy.
    fn title(&self, rule: &str) -> Option<&str> {
        self.policy.map(|policy| policy.citation_of(rule).title.as_str())
    }

    /// Where a rule stands, in brackets after a space; nothing without a policy.
    fn article(&self, rule: &str) -> String {
        self.title(rule).map_or_else(String::new, |title| format!(" ({title})"))
    }

    /// The name of a kind of document.
    fn document(&self, kind: &str) -> String {
        let named = self.policy.and_then(|policy| policy.documents.get(kind));
        named.map_or_else(|| kind.to_owned(), |name| name.in_language(self.language).to_owned())
    }

    /// What is known of each fact: the policy's question with its answer, or `name is value`. `[no,
    /// yes]` are the words for what is false and true.
    fn facts(&self, facts: &KnownFacts, is: &str, [no, yes]: [&str; 2]) -> Vec<String> {
        let told = |(name, value): (&String, &FactValue)| {
            let value = match value {
                FactValue::Bool(value) => (if *value { yes } else { no }).to_owned(),
                FactValue::Int(_)
                | FactValue::String(_)
                | FactValue::Timestamp(_)
                | FactValue::Duration(_) => value.to_string(),
            };
            let declared = self.policy.and_then(|policy| policy.declared(name));
            declared.map_or_else(
                || format!("{}{is}{value}", label(name, self.language).unwrap_or(name)),
                |fact| format!("{} {value}", fact.question.in_language(self.language)),
            )
        };
        // A switch and a moment are the policy's own, and the words of its rules speak of them.
        let own = |name: &str| {
            self.policy.is_some_and(|policy| {
                policy.switches.iter().any(|switch| switch.name == name)
                    || policy.moments.iter().any(|moment| moment.name == name)
            })
        };
        facts.iter().filter(|(name, _)| !own(name)).map(told).collect()
    }
}

/// The local time of an instant, by a language's way of telling it.
fn local(at: Timestamp, zone: &str, tell: fn(&Zone, Timestamp) -> Option<String>) -> String {
    let told = Zone::named(zone).ok().and_then(|zone| tell(&zone, at));
    told.unwrap_or_else(|| format_instant(at))
}

/// `25.5 %` from hundredths of a percent, by a language's decimal point and sign.
fn percent(basis_points: u32, point: char, sign: &str) -> String {
    let (whole, rest) = (basis_points / 100, basis_points % 100);
    match (rest, rest % 10) {
        (0, _) => format!("{whole}{sign}"),
        (_, 0) => format!("{whole}{point}{}{sign}", rest / 10),
        _ => format!("{whole}{point}{rest:02}{sign}"),
    }
}

/// `a, b and c`, by a language's word for ` and `.
fn joined<T: AsRef<str>>(items: &[T], and: &str) -> String {
    match items {
        [] => String::new(),
        [only] => only.as_ref().to_owned(),
        [first @ .., last] => {
            let first: Vec<_> = first.iter().map(AsRef::as_ref).collect();
            format!("{}{and}{}", first.join(", "), last.as_ref())
        }
    }
}

/// `words`, except for a notice that is an instant and has told it already.
fn unless_instant(notice: Notice, words: String) -> String {
    if matches!(notice, Notice::Until(_)) { String::new() } else { words }
}

#[cfg(test)]
mod tests;
