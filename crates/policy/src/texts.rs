//! Texts that a policy brings along for people, in one language or in several.
//!
//! Invariant: there is always a text to show: the language asked for, else English, else the first.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

/// A language that explanations are written in.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize, Deserialize,
)]
#[serde(rename_all = "lowercase")]
pub enum Language {
    /// German.
    De,
    /// English.
    #[default]
    En,
    /// Russian.
    Ru,
    /// Simplified Chinese.
    Zh,
}

impl Language {
    /// All of them.
    pub const ALL: [Self; 4] = [Self::De, Self::En, Self::Ru, Self::Zh];

    /// The BCP 47 tag: `zh`.
    pub const fn tag(self) -> &'static str {
        match self {
            Self::De => "de",
            Self::En => "en",
            Self::Ru => "ru",
            Self::Zh => "zh",
        }
    }

    /// The language of a BCP 47 tag such as `de-AT` or `zh-Hans`; `None` when explanations are not
    /// written in it.
    pub fn nearest(tag: &str) -> Option<Self> {
        let primary = tag.split(['-', '_']).next().unwrap_or_default();
        Self::ALL.into_iter().find(|language| language.tag().eq_ignore_ascii_case(primary))
    }
}

/// A text for people.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum Texts {
    /// One, whatever the language asked for.
    One(String),
    /// One for each language; never empty.
    Several(BTreeMap<Language, String>),
}

impl Texts {
    /// The text in `language`, or the nearest thing to it.
    pub fn in_language(&self, language: Language) -> &str {
        match self {
            Self::One(text) => text,
            Self::Several(texts) => texts
                .get(&language)
                .or_else(|| texts.get(&Language::En))
                .or_else(|| texts.values().next())
                .map_or("", String::as_str),
        }
    }

    /// Each text.
    pub fn all(&self) -> Vec<&str> {
        match self {
            Self::One(text) => vec![text],
            Self::Several(texts) => texts.values().map(String::as_str).collect(),
        }
    }
}

impl From<&str> for Texts {
    fn from(text: &str) -> Self {
        Self::One(text.to_owned())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tags_lead_to_languages() {
        for (tag, language) in [
            ("zh", Some(Language::Zh)),
            ("zh-Hant-HK", Some(Language::Zh)),
            ("de_AT", Some(Language::De)),
            ("RU", Some(Language::Ru)),
            ("en-GB", Some(Language::En)),
            ("fr", None),
            ("den", None),
            ("", None),
        ] {
            assert_eq!(Language::nearest(tag), language, "{tag}");
        }
    }

    #[test]
    fn there_is_always_a_text() {
        let one = Texts::from("a visa");
        let two: Texts = serde_json::from_str(r#"{"de":"ein Visum","en":"a visa"}"#).unwrap();
        let german: Texts = serde_json::from_str(r#"{"de":"ein Visum"}"#).unwrap();
        assert_eq!(one.in_language(Language::Zh), "a visa");
        assert_eq!(two.in_language(Language::De), "ein Visum");
        assert_eq!(two.in_language(Language::Ru), "a visa");
        assert_eq!(german.in_language(Language::Ru), "ein Visum");
        assert_eq!(serde_json::from_str::<Texts>(r#""a visa""#).unwrap(), one);
        assert_eq!(serde_json::to_string(&one).unwrap(), r#""a visa""#);
    }
}
