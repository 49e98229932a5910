//! The languages that ship, and the chain that finds one of them for a customer.
//!
//! Invariant: the chain always ends in a shipped language, and the same inputs give the same one.

/// A language that every template exists in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Locale {
    /// German.
    De,
    /// English; the last resort of the chain.
    En,
    /// Russian.
    Ru,
    /// Chinese, in Simplified characters.
    Zh,
}

impl Locale {
    /// All shipped languages, by tag.
    pub const ALL: [Self; 4] = [Self::De, Self::En, Self::Ru, Self::Zh];

    /// The BCP 47 tag.
    pub const fn tag(self) -> &'static str {
        match self {
            Self::De => "de",
            Self::En => "en",
            Self::Ru => "ru",
            Self::Zh => "zh",
        }
    }

    /// The shipped language of exactly this tag; the case of letters does not matter.
    pub fn from_tag(tag: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|locale| locale.tag().eq_ignore_ascii_case(tag))
    }

    /// The shipped language nearest to `wanted`: the exact tag, then the tag without its last
    /// subtag, and so on down to the bare language (`zh-Hans-SG`, `zh-Hans`, `zh`). Underscores
    /// count as hyphens, because some shops write `de_AT`.
    pub fn nearest(wanted: &str) -> Option<Self> {
        let wanted = wanted.replace('_', "-");
        let mut tag = wanted.as_str();
        loop {
            if let Some(found) = Self::from_tag(tag) {
                return Some(found);
            }
            (tag, _) = tag.rsplit_once('-')?;
        }
    }

    /// The language to write in: what the customer wants, else the tenant's first language, else
    /// English. Each is looked up by [`Locale::nearest`]; an empty tag wants nothing.
    pub fn choose(wanted: &str, tenant_locales: &[String]) -> Self {
        Self::nearest(wanted)
            .or_else(|| tenant_locales.first().and_then(|first| Self::nearest(first)))
            .unwrap_or(Self::En)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_chain_trims_subtags_then_asks_the_tenant_then_speaks_english() {
        let cases: [(&str, &[&str], Locale); 13] = [
            ("de", &["en"], Locale::De),
            ("DE", &["en"], Locale::De),
            ("de-informal", &["en"], Locale::De),
            ("de_AT", &["en"], Locale::De),
            ("zh-hans", &["en"], Locale::Zh),
            ("zh-Hans-SG", &["en"], Locale::Zh),
            ("zh-Hant-HK", &["en"], Locale::Zh),
            ("ru-RU", &["en"], Locale::Ru),
            ("fr", &["de-CH", "en"], Locale::De),
            ("fr", &["it", "de"], Locale::En),
            ("", &["ru"], Locale::Ru),
            ("", &[], Locale::En),
            ("den", &["zh"], Locale::Zh),
        ];
        for (wanted, tenant, expected) in cases {
            let tenant: Vec<String> = tenant.iter().map(|&tag| tag.to_owned()).collect();
            assert_eq!(Locale::choose(wanted, &tenant), expected, "{wanted:?} with {tenant:?}");
        }
    }
}
