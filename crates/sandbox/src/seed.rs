//! Seeding payment intents in bulk: a stream of JSON objects, one a line or in one array.
//!
//! The body is cut into objects as it arrives, so that its size does not matter; one record may
//! have 64 KiB. Records before a bad one stay: seeding is idempotent, mend it and send it all again.

use std::collections::BTreeMap;

use serde::Deserialize;

use crate::currency::Currency;
use crate::error::ControlError;
use crate::ledger::Seeded;

const MAX_RECORD_BYTES: usize = 64 * 1024;

/// Twelve digits, the most that Stripe takes in any currency.
const MAX_AMOUNT: i64 = 999_999_999_999;

/// One payment intent as the control plane takes it.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Record {
    id: String,
    amount: i64,
    currency: String,
    #[serde(default)]
    amount_refunded: i64,
    #[serde(default = "card")]
    payment_method_type: String,
    #[serde(default)]
    metadata: BTreeMap<String, String>,
}

fn card() -> String {
    "card".to_owned()
}

impl Record {
    /// Reads one object, saying which field is wrong and what it may be.
    pub(crate) fn parse(text: &[u8], created: i64) -> Result<Seeded, String> {
        let record: Self = serde_json::from_slice(text).map_err(|error| error.to_string())?;
        let plain = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'_' || byte == b'-';
        if record.id.is_empty() || record.id.len() > 255 || !record.id.bytes().all(plain) {
            return Err("`id` must be 1 to 255 letters, digits, `_` or `-`".to_owned());
        }
        if !(1..=MAX_AMOUNT).contains(&record.amount) {
            let amount = record.amount;
            return Err(format!("`amount` must be 1 to {MAX_AMOUNT} smallest units, not {amount}"));
        }
        if !(0..=record.amount).contains(&record.amount_refunded) {
            return Err(format!(
                "`amount_refunded` must be 0 to `amount`, not {}",
                record.amount_refunded
            ));
        }
        let currency = Currency::parse(&record.currency).ok_or_else(|| {
            format!("`currency` must be a code that Stripe supports, not {:?}", record.currency)
        })?;
        let step = currency.step();
        if record.amount % step != 0 || record.amount_refunded % step != 0 {
            return Err(format!("amounts in {} must be divisible by {step}", currency.upper()));
        }
        Ok(Seeded {
            id: record.id,
            amount: record.amount,
            currency,
            earlier_refunds: record.amount_refunded,
            payment_method_types: vec![record.payment_method_type],
            metadata: record.metadata,
            captured: true,
            created,
        })
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Shape {
    Undecided,
    Lines,
    ArrayOpen,
    ArrayClosed,
}

/// Cuts a stream of bytes into JSON objects.
#[derive(Debug)]
pub(crate) struct Splitter {
    shape: Shape,
    record: Vec<u8>,
    depth: u32,
    in_string: bool,
    escaped: bool,
}

impl Splitter {
    pub(crate) fn new() -> Self {
        Self {
            shape: Shape::Undecided,
            record: Vec::new(),
            depth: 0,
            in_string: false,
            escaped: false,
        }
    }

    /// Takes the next bytes and hands every finished object to `emit`.
    pub(crate) fn push(
        &mut self,
        bytes: &[u8],
        mut emit: impl FnMut(&[u8]) -> Result<(), ControlError>,
    ) -> Result<(), ControlError> {
        for byte in bytes {
            if self.depth == 0 {
                self.between(*byte)?;
                continue;
            }
            self.record.push(*byte);
            if self.record.len() > MAX_RECORD_BYTES {
                let message = format!("a record is longer than {MAX_RECORD_BYTES} bytes");
                return Err(ControlError::bad_request(message));
            }
            self.inside(*byte);
            if self.depth == 0 {
                emit(&self.record)?;
                self.record.clear();
            }
        }
        Ok(())
    }

    fn between(&mut self, byte: u8) -> Result<(), ControlError> {
        match (byte, self.shape) {
            (b' ' | b'\t' | b'\r' | b'\n', _) | (b',', Shape::ArrayOpen) => {}
            (b'[', Shape::Undecided) => self.shape = Shape::ArrayOpen,
            (b']', Shape::ArrayOpen) => self.shape = Shape::ArrayClosed,
            (b'{', Shape::Undecided | Shape::Lines | Shape::ArrayOpen) => {
                if self.shape == Shape::Undecided {
                    self.shape = Shape::Lines;
                }
                self.record.push(byte);
                self.depth = 1;
            }
            _ => {
                let found = char::from(byte).escape_default();
                return Err(ControlError::bad_request(format!(
                    "expected JSON objects, one a line or in one array, but found `{found}` \
                     between them"
                )));
            }
        }
        Ok(())
    }

    fn inside(&mut self, byte: u8) {
        match byte {
            _ if self.escaped => self.escaped = false,
            b'\\' if self.in_string => self.escaped = true,
            b'"' => self.in_string = !self.in_string,
            _ if self.in_string => {}
            b'{' | b'[' => self.depth += 1,
            b'}' | b']' => self.depth -= 1,
            _ => {}
        }
    }

    /// Refuses a stream that ends in the middle.
    pub(crate) fn finish(self) -> Result<(), ControlError> {
        if self.depth > 0 || self.shape == Shape::ArrayOpen {
            return Err(ControlError::bad_request("the body ends in the middle: it is truncated"));
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn split(text: &str) -> Result<Vec<String>, ControlError> {
        let mut splitter = Splitter::new();
        let mut records = Vec::new();
        // Byte by byte: the worst way in which a body can arrive.
        for byte in text.as_bytes() {
            splitter.push(std::slice::from_ref(byte), |record| {
                records.push(String::from_utf8(record.to_vec()).unwrap());
                Ok(())
            })?;
        }
        splitter.finish()?;
        Ok(records)
    }

    #[test]
    fn lines_and_arrays_are_cut_alike() {
        let first = r#"{"a":"}\"{","b":[{"c":1}]}"#;
        let second = r#"{"d":2}"#;
        let expected = vec![first.to_owned(), second.to_owned()];
        assert_eq!(split(&format!("{first}\n{second}\n")).unwrap(), expected);
        assert_eq!(split(&format!(" [{first},\r\n {second} ]\n")).unwrap(), expected);
        assert_eq!(split("").unwrap(), Vec::<String>::new());
    }

    #[test]
    fn truncated_and_foreign_bodies_are_refused() {
        for text in ["[{\"a\":1}", "{\"a\":", "[", "nonsense", "{\"a\":1},{\"b\":2}", "[]{}"] {
            assert!(split(text).is_err(), "{text}");
        }
    }

    #[test]
    fn a_record_names_its_bad_field() {
        for (text, named) in [
            (r#"{"id":"pi_1","amount":0,"currency":"EUR"}"#, "`amount`"),
            (r#"{"id":"pi_1","amount":-1,"currency":"EUR"}"#, "`amount`"),
            (r#"{"id":"pi_1","amount":5,"currency":"EUX"}"#, "`currency`"),
            (r#"{"id":"pi 1","amount":5,"currency":"EUR"}"#, "`id`"),
            (
                r#"{"id":"pi_1","amount":5,"currency":"EUR","amount_refunded":6}"#,
                "`amount_refunded`",
            ),
            (r#"{"id":"pi_1","amount":5,"currency":"KWD"}"#, "divisible by 10"),
            (r#"{"id":"pi_1","amount":5,"currency":"EUR","amout":6}"#, "amout"),
        ] {
            let message = Record::parse(text.as_bytes(), 0).unwrap_err();
            assert!(message.contains(named), "{message}");
        }
    }
}
