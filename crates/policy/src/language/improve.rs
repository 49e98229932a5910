//! What would change an answer in the buyer's favour, in words.
//!
//! Invariant: a whole sentence that names every document that is needed, and what would be owed then.

use redress_core::money::{Currency, Money};

use crate::evaluation::{ImprovedBy, Improvement};
use crate::model::Policy;
use crate::texts::Language;

impl Policy {
    /// The improvement as one sentence, about an order in `currency`.
    pub fn improvement_text(
        &self,
        improvement: &Improvement,
        currency: Currency,
        language: Language,
    ) -> String {
        let kinds = match &improvement.by {
            ImprovedBy::Documents { kinds, .. } => kinds.as_slice(),
            ImprovedBy::Fact { document, .. } => std::slice::from_ref(document),
        };
        let names: Vec<String> = kinds.iter().map(|kind| self.document(kind, language)).collect();
        let Some(price) = &improvement.price else {
            return unknown(&names, language);
        };
        let refund = Money { currency, minor_units: price.refund };
        let due = price.compensation.as_ref();
        let text = known(&names, refund, due.and_then(|due| due.amount), language);
        if due.is_some_and(|due| due.amount.is_none()) {
            return format!("{text}{}", damages(language));
        }
        text
    }

    /// The name of a kind of document, with its word.
    pub fn document(&self, kind: &str, language: Language) -> String {
        let name = self.documents.get(kind).map(|name| name.in_language(language));
        let around = |name: &str| match language {
            Language::Zh => format!("{name}（{kind}）"),
            Language::De | Language::En | Language::Ru => format!("{name} ({kind})"),
        };
        name.map_or_else(|| kind.to_owned(), around)
    }
}

fn known(names: &[String], refund: Money, owed: Option<Money>, language: Language) -> String {
    let besides = |text: fn(Money) -> String| owed.map_or_else(String::new, text);
    match language {
        Language::De => format!(
            "Bei Vorlage von „{}“ werden {refund} erstattet{}.",
            names.join("“ und „"),
            besides(|owed| format!(" und zusätzlich {owed} als Ausgleich gezahlt"))
        ),
        Language::En => format!(
            "With {}, {refund} would go back{}.",
            names.join(" and "),
            besides(|owed| format!(", and compensation of {owed} would be owed besides"))
        ),
        Language::Ru => format!(
            "При предъявлении {} «{}» возврат составит {refund}{}.",
            russian_documents(names.len()),
            names.join("» и «"),
            besides(|owed| format!(", и дополнительно полагается компенсация {owed}"))
        ),
        Language::Zh => format!(
            "如提供{}，可退款 {refund}{}。",
            names.join("和"),
            besides(|owed| format!("，另应支付补偿金 {owed}"))
        ),
    }
}

/// Damages can be claimed besides.
const fn damages(language: Language) -> &'static str {
    match language {
        Language::De => " Zusätzlich kann Schadensersatz verlangt werden.",
        Language::En => " Damages could be claimed besides.",
        Language::Ru => " Кроме того, можно требовать возмещения убытков.",
        Language::Zh => "此外，还可主张损害赔偿。",
    }
}

/// `документа` or `документов`.
const fn russian_documents(count: usize) -> &'static str {
    if count == 1 { "документа" } else { "документов" }
}

fn unknown(names: &[String], language: Language) -> String {
    match language {
        Language::De => format!(
            "Bei Vorlage von „{}“ könnte mehr zustehen; dafür muss mehr bekannt sein.",
            names.join("“ und „")
        ),
        Language::En => format!(
            "With {}, more could be owed; for that, more has to be known.",
            names.join(" and ")
        ),
        Language::Ru => format!(
            "При предъявлении {} «{}» может полагаться больше; для этого нужны дополнительные сведения.",
            russian_documents(names.len()),
            names.join("» и «")
        ),
        Language::Zh => {
            format!("如提供{}，可能获得更多款项，但须先了解更多情况。", names.join("和"))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::packs::Pack;
    use crate::vocabulary::OverrideCode;

    #[test]
    fn an_improvement_is_a_sentence_in_every_language() {
        let policy = Pack::find("ru-culture-52.1").unwrap().policy().unwrap();
        let euros = |minor_units| Money { currency: "EUR".parse().unwrap(), minor_units };
        let names = ["a".to_owned(), "b".to_owned()];
        for (language, words) in [
            (
                Language::En,
                "With a and b, EUR 30.00 would go back, and compensation of EUR 2.50 would be owed besides.",
            ),
            (
                Language::De,
                "Bei Vorlage von „a“ und „b“ werden EUR 30.00 erstattet und zusätzlich EUR 2.50 als Ausgleich gezahlt.",
            ),
            (
                Language::Ru,
                "При предъявлении документов «a» и «b» возврат составит EUR 30.00, и дополнительно полагается компенсация EUR 2.50.",
            ),
            (Language::Zh, "如提供a和b，可退款 EUR 30.00，另应支付补偿金 EUR 2.50。"),
        ] {
            assert_eq!(known(&names, euros(3_000), Some(euros(250)), language), words);
            let by = ImprovedBy::Documents {
                code: OverrideCode::Illness,
                kinds: vec!["UNNAMED".to_owned()],
            };
            let open = Improvement { by, price: None };
            let text = policy.improvement_text(&open, "RUB".parse().unwrap(), language);
            assert!(text.contains("UNNAMED"), "{text}");
        }
    }
}
