//! The part of AIP-160 that Redress speaks: `field = "value" AND other = "value"`.
//!
//! Invariant: a filter that is not understood completely is refused; nothing is ever skipped.

use crate::error::ApiError;
use crate::problem::FieldViolation;

/// A parsed filter: each field at most once, all must hold.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Filter {
    terms: Vec<(&'static str, String)>,
}

impl Filter {
    /// Parses `text`. Values stand in double quotes (`\"` and `\\` inside) or, when they consist
    /// of letters, digits and `. _ ~ / -` only, may stand bare. An empty text filters nothing.
    ///
    /// Anything else, an unknown field, or a field named twice is INVALID_ARGUMENT naming
    /// `filter`, the position (in characters, from 1) and the `allowed` fields.
    pub fn parse(text: &str, allowed: &[&'static str]) -> Result<Self, ApiError> {
        let chars: Vec<char> = text.chars().collect();
        let mut parser = Parser { chars: &chars, at: 0, allowed };
        let mut terms: Vec<(&'static str, String)> = Vec::new();
        parser.skip_space();
        while parser.at < chars.len() {
            if !terms.is_empty() {
                parser.expect_and()?;
            }
            let start = parser.at;
            let (field, value) = parser.term()?;
            if terms.iter().any(|(known, _)| *known == field) {
                return Err(parser.refuse(start, "a field stands twice"));
            }
            terms.push((field, value));
            parser.skip_space();
        }
        Ok(Self { terms })
    }

    /// The value that `field` must have, `None` when the filter does not name it.
    pub fn get(&self, field: &str) -> Option<&str> {
        self.terms.iter().find(|(known, _)| *known == field).map(|(_, value)| value.as_str())
    }

    /// All conditions in the order they were written.
    pub fn terms(&self) -> &[(&'static str, String)] {
        &self.terms
    }
}

struct Parser<'a> {
    chars: &'a [char],
    at: usize,
    allowed: &'a [&'static str],
}

impl Parser<'_> {
    fn refuse(&self, at: usize, what: &str) -> ApiError {
        let allowed = self.allowed.join(", ");
        let description = format!(
            "{what} at character {}; expected field = \"value\", joined by AND, with fields: {allowed}",
            at + 1
        );
        ApiError::InvalidArgument {
            reason: "INVALID_FILTER",
            violations: vec![FieldViolation::new("filter", description)],
        }
    }

    fn peek(&self) -> Option<char> {
        self.chars.get(self.at).copied()
    }

    fn skip_space(&mut self) {
        while self.peek() == Some(' ') {
            self.at += 1;
        }
    }

    fn word(&mut self, accepts: impl Fn(char) -> bool) -> String {
        let start = self.at;
        while self.peek().is_some_and(&accepts) {
            self.at += 1;
        }
        self.chars[start..self.at].iter().collect()
    }

    fn expect_and(&mut self) -> Result<(), ApiError> {
        let start = self.at;
        let spaced = start > 0 && self.chars[start - 1] == ' ';
        let word = self.word(|c| !c.is_whitespace());
        if !spaced || word != "AND" {
            return Err(self.refuse(start, "expected AND"));
        }
        self.skip_space();
        Ok(())
    }

    fn term(&mut self) -> Result<(&'static str, String), ApiError> {
        let start = self.at;
        let name = self.word(|c| c.is_ascii_alphanumeric() || c == '_');
        if name.is_empty() {
            return Err(self.refuse(start, "expected a field"));
        }
        let Some(field) = self.allowed.iter().find(|known| **known == name).copied() else {
            return Err(self.refuse(start, "unknown field"));
        };
        self.skip_space();
        if self.peek() != Some('=') {
            return Err(self.refuse(self.at, "expected ="));
        }
        self.at += 1;
        self.skip_space();
        let value = if self.peek() == Some('"') { self.quoted()? } else { self.bare()? };
        Ok((field, value))
    }

    fn bare(&mut self) -> Result<String, ApiError> {
        let start = self.at;
        let value = self.word(|c| c.is_ascii_alphanumeric() || "._~/-".contains(c));
        if value.is_empty() {
            return Err(self.refuse(start, "expected a value"));
        }
        Ok(value)
    }

    fn quoted(&mut self) -> Result<String, ApiError> {
        let start = self.at;
        let mut value = String::new();
        self.at += 1;
        loop {
            match self.peek() {
                None => return Err(self.refuse(start, "unclosed quote")),
                Some('"') => break,
                Some('\\') => {
                    self.at += 1;
                    match self.peek() {
                        Some(escaped @ ('"' | '\\')) => value.push(escaped),
                        _ => return Err(self.refuse(self.at, "unknown escape")),
                    }
                }
                Some(plain) if plain.is_control() => {
                    return Err(self.refuse(self.at, "control character"));
                }
                Some(plain) => value.push(plain),
            }
            self.at += 1;
        }
        self.at += 1;
        Ok(value)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const FIELDS: &[&str] = &["order", "state"];

    fn parse(text: &str) -> Result<Vec<(&'static str, String)>, String> {
        match Filter::parse(text, FIELDS) {
            Ok(filter) => Ok(filter.terms().to_vec()),
            Err(ApiError::InvalidArgument { violations, .. }) => {
                assert_eq!(violations[0].field, "filter");
                Err(violations[0].description.clone())
            }
            Err(other) => panic!("{other:?}"),
        }
    }

    #[test]
    fn good_filters_give_their_pairs() {
        let order = ("order", "orders/A-1".to_owned());
        let state = ("state", "QUEUED".to_owned());
        assert_eq!(parse(""), Ok(vec![]));
        assert_eq!(parse("  "), Ok(vec![]));
        assert_eq!(parse("order = \"orders/A-1\""), Ok(vec![order.clone()]));
        assert_eq!(parse("state=QUEUED AND order=orders/A-1"), Ok(vec![state, order]));
        assert_eq!(
            parse(r#"state = "a \"b\" \\ AND c""#),
            Ok(vec![("state", r#"a "b" \ AND c"#.to_owned())])
        );
    }

    #[test]
    fn everything_else_is_refused_with_its_position() {
        for (text, what) in [
            ("colour = red", "unknown field at character 1;"),
            ("state", "expected = at character 6;"),
            ("state =", "expected a value at character 8;"),
            ("state = \"open", "unclosed quote at character 9;"),
            ("state = a OR order = b", "expected AND at character 11;"),
            ("state = a order = b", "expected AND at character 11;"),
            ("state = \"a\"AND order = b", "expected AND at character 12;"),
            ("state = a AND", "expected a field at character 14;"),
            ("state = a AND state = b", "a field stands twice at character 15;"),
            ("state > a", "expected = at character 7;"),
            ("NOT state = a", "unknown field at character 1;"),
            ("state = \"\\n\"", "unknown escape at character 11;"),
            ("state = \"a\u{0}\"", "control character at character 11;"),
            ("(state = a)", "expected a field at character 1;"),
        ] {
            let error = parse(text).unwrap_err();
            assert!(error.starts_with(what), "{text}: {error}");
            assert!(error.ends_with("with fields: order, state"), "{error}");
        }
    }

    proptest! {
        #[test]
        fn any_value_survives_quoting(value in "\\PC*") {
            let quoted = value.replace('\\', "\\\\").replace('"', "\\\"");
            prop_assert_eq!(parse(&format!("state = \"{quoted}\"")), Ok(vec![("state", value)]));
        }

        #[test]
        fn no_text_makes_the_parser_panic(text in "\\PC*") {
            drop(parse(&text));
        }
    }
}
