//! What the facts are called that Redress knows by itself.
//!
//! Invariant: every one of [`crate::facts::BUILTINS`] has a name in every language.

use crate::texts::Language;

/// The name of a fact that Redress knows by itself; `None` for all others.
pub(super) fn label(name: &str, language: Language) -> Option<&'static str> {
    let [de, en, ru, zh] = match name {
        "kind" => ["Art der Position", "kind of line", "вид позиции", "项目类型"],
        "event" => ["Veranstaltung", "event", "мероприятие", "活动"],
        "place" => ["Ort", "place", "место", "地点"],
        "channel" => ["Verkaufsweg", "sales channel", "канал продаж", "销售渠道"],
        "quantity" => ["Anzahl", "quantity", "количество", "数量"],
        "gross_minor_units" => [
            "Preis in kleinsten Einheiten",
            "price in minor units",
            "цена в мелких единицах",
            "价格（最小货币单位）",
        ],
        "currency" => ["Währung", "currency", "валюта", "币种"],
        "whole_order" => ["gesamte Bestellung", "whole order", "заказ целиком", "整单"],
        "now" => ["Zeitpunkt des Antrags", "time of the request", "время заявления", "申请时间"],
        "purchase" => ["Zeitpunkt des Kaufs", "time of purchase", "время покупки", "购买时间"],
        "start" => ["Beginn", "start", "начало", "开始时间"],
        "hours_before_start" => {
            ["Stunden bis zum Beginn", "hours before the start", "часов до начала", "距开始小时数"]
        }
        "days_before_start" => {
            ["Tage bis zum Beginn", "days before the start", "дней до начала", "距开始天数"]
        }
        "hours_since_purchase" => {
            ["Stunden seit dem Kauf", "hours since purchase", "часов после покупки", "购买后小时数"]
        }
        "buyer_refunds" => [
            "frühere Rückgaben des Käufers",
            "earlier withdrawals of the buyer",
            "прежние возвраты покупателя",
            "买方此前退订次数",
        ],
        _ => return None,
    };
    Some(match language {
        Language::De => de,
        Language::En => en,
        Language::Ru => ru,
        Language::Zh => zh,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::facts::BUILTINS;

    #[test]
    fn every_fact_that_is_known_has_a_name() {
        for fact in BUILTINS {
            for language in Language::ALL {
                assert!(label(fact.name, language).is_some_and(|name| !name.is_empty()));
            }
        }
        assert_eq!(label("ill", Language::En), None);
    }
}
