//! Form-encoded parameters with bracketed names, as Stripe takes them in bodies and queries.
//!
//! A handler takes what it knows out of the form and then calls [`Form::finish`]; what is left over
//! is an unknown parameter and refused by name, so that a typing error never passes silently.

use std::collections::BTreeMap;

use aws_lc_rs::digest::{self, SHA256};

use crate::error::ApiError;

const MAX_METADATA_KEYS: usize = 50;
const MAX_METADATA_KEY_CHARS: usize = 40;
const MAX_METADATA_VALUE_CHARS: usize = 500;

/// Decoded parameters by full name (`metadata[order]`). A repeated name keeps its last value,
/// except for list names (`types[]`), whose values are kept in order.
#[derive(Debug, Default)]
pub(crate) struct Form {
    values: BTreeMap<String, Vec<String>>,
}

impl Form {
    /// Decodes `application/x-www-form-urlencoded` text.
    pub(crate) fn parse(encoded: &[u8]) -> Result<Self, ApiError> {
        let mut values: BTreeMap<String, Vec<String>> = BTreeMap::new();
        for pair in encoded.split(|byte| *byte == b'&').filter(|pair| !pair.is_empty()) {
            let mut halves = pair.splitn(2, |byte| *byte == b'=');
            let name = decode(halves.next().unwrap_or_default())?;
            let value = decode(halves.next().unwrap_or_default())?;
            let slot = values.entry(name).or_default();
            slot.push(value);
        }
        Ok(Self { values })
    }

    /// A digest that is equal for equal parameters in any order of names.
    pub(crate) fn fingerprint(&self) -> [u8; 32] {
        let mut context = digest::Context::new(&SHA256);
        for (name, values) in &self.values {
            for part in std::iter::once(name).chain(values) {
                context.update(&part.len().to_be_bytes());
                context.update(part.as_bytes());
            }
            context.update(&usize::MAX.to_be_bytes());
        }
        let mut fingerprint = [0; 32];
        fingerprint.copy_from_slice(context.finish().as_ref());
        fingerprint
    }

    /// Takes one value; an empty one counts as not given, as with Stripe.
    pub(crate) fn take(&mut self, name: &str) -> Option<String> {
        let last = self.values.remove(name)?.pop()?;
        (!last.is_empty()).then_some(last)
    }

    /// Takes an integer of at least 1.
    pub(crate) fn take_positive(&mut self, name: &str) -> Result<Option<i64>, ApiError> {
        let Some(text) = self.take(name) else { return Ok(None) };
        let value: i64 = text.parse().map_err(|_| ApiError::invalid_integer(name, &text))?;
        if value < 1 {
            return Err(ApiError::below_one(name));
        }
        Ok(Some(value))
    }

    /// Takes `true` or `false`.
    pub(crate) fn take_bool(&mut self, name: &str) -> Result<Option<bool>, ApiError> {
        match self.take(name).as_deref() {
            None => Ok(None),
            Some("true") => Ok(Some(true)),
            Some("false") => Ok(Some(false)),
            Some(other) => Err(ApiError::invalid(name, &format!("Invalid boolean: {other}"))),
        }
    }

    /// Takes a list given as `name[]` or `name[0]`, `name[1]`, ...
    pub(crate) fn take_list(&mut self, name: &str) -> Vec<String> {
        let mut indexed: Vec<(usize, String)> = Vec::new();
        let mut list = Vec::new();
        let names: Vec<String> = self.values.keys().cloned().collect();
        for full in names {
            let Some(index) = bracketed(&full, name) else { continue };
            if index.is_empty() {
                list = self.values.remove(&full).unwrap_or_default();
            } else if let Ok(position) = index.parse()
                && let Some(value) = self.take(&full)
            {
                indexed.push((position, value));
            }
        }
        indexed.sort_unstable();
        list.extend(indexed.into_iter().map(|(_, value)| value));
        list
    }

    /// Takes `metadata[...]` within Stripe's limits: 50 keys of 40 characters, values of 500.
    pub(crate) fn take_metadata(&mut self) -> Result<BTreeMap<String, String>, ApiError> {
        let names: Vec<String> = self
            .values
            .keys()
            .filter(|full| bracketed(full, "metadata").is_some())
            .cloned()
            .collect();
        let mut metadata = BTreeMap::new();
        for full in names {
            let key = bracketed(&full, "metadata").unwrap_or_default().to_owned();
            let Some(value) = self.take(&full) else { continue };
            if key.is_empty() || key.chars().count() > MAX_METADATA_KEY_CHARS {
                let message = "Metadata keys must have between 1 and 40 characters.";
                return Err(ApiError::invalid(&full, message));
            }
            if value.chars().count() > MAX_METADATA_VALUE_CHARS {
                let message = "Metadata values can have up to 500 characters.";
                return Err(ApiError::invalid(&full, message));
            }
            metadata.insert(key, value);
        }
        if metadata.len() > MAX_METADATA_KEYS {
            return Err(ApiError::invalid("metadata", "Metadata can have up to 50 keys."));
        }
        Ok(metadata)
    }

    /// Refuses whatever no handler took.
    pub(crate) fn finish(self) -> Result<(), ApiError> {
        match self.values.into_keys().next() {
            None => Ok(()),
            Some(name) => Err(ApiError::unknown_parameter(&name)),
        }
    }
}

/// The text between the brackets of `name[text]`.
fn bracketed<'a>(full: &'a str, name: &str) -> Option<&'a str> {
    full.strip_prefix(name)?.strip_prefix('[')?.strip_suffix(']')
}

fn decode(encoded: &[u8]) -> Result<String, ApiError> {
    let malformed = || ApiError::malformed("The form body is not valid percent-encoded UTF-8.");
    let mut decoded = Vec::with_capacity(encoded.len());
    let mut rest = encoded.iter();
    while let Some(byte) = rest.next() {
        decoded.push(match byte {
            b'+' => b' ',
            b'%' => {
                let high = rest.next().copied().and_then(hex).ok_or_else(malformed)?;
                let low = rest.next().copied().and_then(hex).ok_or_else(malformed)?;
                high * 16 + low
            }
            plain => *plain,
        });
    }
    String::from_utf8(decoded).map_err(|_| malformed())
}

fn hex(byte: u8) -> Option<u8> {
    char::from(byte).to_digit(16).and_then(|digit| u8::try_from(digit).ok())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(text: &str) -> Form {
        Form::parse(text.as_bytes()).unwrap()
    }

    #[test]
    fn brackets_plus_signs_and_percents_are_decoded() {
        let mut form =
            parse("a=1+2&metadata%5Bcity%5D=%E5%8C%97%E4%BA%AC&metadata[x]=%2B&t[]=a&t[]=b");
        assert_eq!(form.take("a").unwrap(), "1 2");
        assert_eq!(form.take_list("t"), ["a", "b"]);
        let metadata = form.take_metadata().unwrap();
        assert_eq!(metadata["city"], "北京");
        assert_eq!(metadata["x"], "+");
        form.finish().unwrap();
    }

    #[test]
    fn indexed_lists_keep_their_order() {
        assert_eq!(parse("t[1]=b&t[0]=a&t[10]=c").take_list("t"), ["a", "b", "c"]);
    }

    #[test]
    fn a_repeated_name_keeps_its_last_value_and_an_empty_one_is_absent() {
        let mut form = parse("a=1&a=2&b=");
        assert_eq!(form.take("a").unwrap(), "2");
        assert!(form.take("b").is_none());
    }

    #[test]
    fn integers_must_be_whole_and_at_least_one() {
        for (text, message) in [
            ("amount=0", "This value must be greater than or equal to 1."),
            ("amount=-5", "This value must be greater than or equal to 1."),
            ("amount=1.5", "Invalid integer: 1.5"),
            ("amount=ten", "Invalid integer: ten"),
        ] {
            let error = parse(text).take_positive("amount").unwrap_err();
            assert_eq!(error.message(), message);
            assert_eq!(error.code(), Some("parameter_invalid_integer"));
        }
    }

    #[test]
    fn leftovers_are_named() {
        let error = parse("amuont=3").finish().unwrap_err();
        assert_eq!(error.code(), Some("parameter_unknown"));
        assert_eq!(error.message(), "Received unknown parameter: amuont");
    }

    #[test]
    fn broken_encodings_are_refused() {
        for text in ["a=%", "a=%4", "a=%zz", "a=%ff"] {
            assert!(Form::parse(text.as_bytes()).is_err(), "{text}");
        }
    }

    #[test]
    fn metadata_limits_hold() {
        assert!(parse(&format!("metadata[{}]=1", "k".repeat(41))).take_metadata().is_err());
        assert!(parse(&format!("metadata[k]={}", "v".repeat(501))).take_metadata().is_err());
        let many: Vec<String> = (0..51).map(|index| format!("metadata[k{index}]=v")).collect();
        assert!(parse(&many.join("&")).take_metadata().is_err());
    }

    #[test]
    fn the_fingerprint_ignores_the_order_of_names_only() {
        let base = parse("a=1&b=2").fingerprint();
        assert_eq!(base, parse("b=2&a=1").fingerprint());
        for other in ["a=1&b=3", "a=1", "a=1&b=2&c=", "a=12&b=", "a=1&b=2&b=2"] {
            assert_ne!(base, parse(other).fingerprint(), "{other}");
        }
    }
}
