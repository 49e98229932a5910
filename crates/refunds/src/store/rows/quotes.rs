//! Quotes as they are stored: JSON of the domain type.
//!
//! Invariant: what any release stored can be read. Before quotes had a clock they had its end only,
//! and the release that wrote those still finds it.

use redress_core::clock::Timestamp;
use redress_store::StoreError;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::{decode, encode, read};
use crate::domain::quote::Quote;

#[derive(Serialize)]
struct Body<'a> {
    #[serde(flatten)]
    quote: &'a Quote,
    /// Read by the release before clocks.
    legal_deadline: Timestamp,
}

/// What the clock of an older quote is made of.
#[derive(Deserialize)]
struct Older {
    legal_deadline: Timestamp,
    citation: Value,
}

/// A quote as JSON.
pub(in crate::store) fn encode_quote(quote: &Quote) -> Result<Vec<u8>, StoreError> {
    encode(&Body { quote, legal_deadline: quote.legal_clock.due })
}

/// A quote's JSON, which was stored at `created`.
pub(super) fn quote_from(body: &[u8], created: Timestamp, id: &str) -> Result<Quote, StoreError> {
    let Ok(quote) = serde_json::from_slice(body) else {
        return older_quote_from(body, created, id);
    };
    Ok(quote)
}

fn older_quote_from(body: &[u8], created: Timestamp, id: &str) -> Result<Quote, StoreError> {
    let older: Older = decode(body, "quotes", "body", id)?;
    let mut fields: Map<String, Value> = decode(body, "quotes", "body", id)?;
    let clock = serde_json::json!({
        "start": created,
        "due": older.legal_deadline,
        // Nobody kept it.
        "time_zone": "UTC",
        "law": older.citation,
        "uncertainty": null,
    });
    fields.insert("legal_clock".to_owned(), clock);
    read(Quote::deserialize(Value::Object(fields)).ok(), "quotes", "body", id)
}

#[cfg(test)]
mod tests {
    use redress_policy::LegalClock;

    use super::*;

    #[test]
    fn a_quote_with_a_deadline_only_is_read_as_one_with_a_clock() {
        let older = include_bytes!("../../../tests/golden/quote.v1.json");
        let quote = quote_from(older, Timestamp(7), "q1").unwrap();
        let clock = LegalClock {
            start: Timestamp(7),
            due: Timestamp(1_209_600_000_000),
            time_zone: "UTC".to_owned(),
            law: quote.citation.clone(),
            uncertainty: None,
        };
        assert_eq!((quote.id.as_str(), quote.citation.title.as_str()), ("q1", "Terms"));
        assert_eq!(quote.legal_clock, clock);
    }

    #[test]
    fn what_is_stored_today_is_read_as_it_is_and_found_by_the_release_before() {
        let today = include_bytes!("../../../tests/golden/quote.v2.json");
        let quote = quote_from(today, Timestamp(7), "q1").unwrap();
        assert_eq!(quote.legal_clock.time_zone, "Europe/Berlin");
        let stored: Value = serde_json::from_slice(&encode_quote(&quote).unwrap()).unwrap();
        assert_eq!(stored, serde_json::from_slice::<Value>(today).unwrap());
        assert_eq!(stored["legal_deadline"], stored["legal_clock"]["due"]);
    }

    #[test]
    fn what_is_no_quote_is_corrupt() {
        assert!(quote_from(b"{}", Timestamp(7), "q1").is_err());
    }
}
