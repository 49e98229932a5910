//! Explanations in words, in each language: how a price was found, rule by rule.
//!
//! Invariant: each step is a whole sentence by itself, true of this line, that an agent could read
//! out; instants are told in the local time of the place, amounts with their currency.

mod en;

use redress_calendar::{Zone, format_instant};
use redress_core::clock::Timestamp;

pub(crate) use en::list;

use crate::model::{Citation, Policy};
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
        all.find(|(id, _)| *id == rule).and_then(|(_, words)| words.as_ref())
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
        match language {
            Language::De | Language::Ru | Language::Zh | Language::En => {
                en::sentence(self, &Words { policy, language })
            }
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

    /// The article that a rule stands in, in brackets; nothing without a policy.
    fn article(&self, rule: &str) -> String {
        let title = self.policy.map(|policy| policy.citation_of(rule).title.as_str());
        title.map_or_else(String::new, |title| format!(" ({title})"))
    }

    /// The name of a kind of document.
    fn document(&self, kind: &str) -> String {
        let named = self.policy.and_then(|policy| policy.documents.get(kind));
        named.map_or_else(|| kind.to_owned(), |name| name.in_language(self.language).to_owned())
    }

    /// `name is value` for each fact, joined by `with`.
    fn facts(facts: &KnownFacts, is: &str) -> Vec<String> {
        facts.iter().map(|(name, value)| format!("{name}{is}{value}")).collect()
    }
}

/// The local time of an instant, by a language's way of telling it.
fn local(at: Timestamp, zone: &str, tell: fn(&Zone, Timestamp) -> Option<String>) -> String {
    let told = Zone::named(zone).ok().and_then(|zone| tell(&zone, at));
    told.unwrap_or_else(|| format_instant(at))
}

/// `25.5 %` from hundredths of a percent.
fn percent(basis_points: u32) -> String {
    let (whole, rest) = (basis_points / 100, basis_points % 100);
    match (rest, rest % 10) {
        (0, _) => format!("{whole} %"),
        (_, 0) => format!("{whole}.{} %", rest / 10),
        _ => format!("{whole}.{rest:02} %"),
    }
}
