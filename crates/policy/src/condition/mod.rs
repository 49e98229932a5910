//! Conditions of rules, in CEL, with three answers: yes, no, and "these facts are missing".
//!
//! Invariant: what a missing fact could change is never answered with yes or no, and what it cannot
//! change is never asked for. Text from a policy can neither run for long nor nest deep: it has no
//! loops, and its length, its size and its depth are bounded before anything walks it.

mod eval;
mod parse;
mod plain;
mod types;

use std::fmt;
use std::sync::{Arc, OnceLock};

use serde::{Deserialize, Deserializer, Serialize, Serializer};

pub(crate) use eval::{Facts, Outcome, Value};
use parse::Parsed;

use crate::facts::FactKind;

/// The longest condition, in characters.
pub const MAX_CONDITION_LEN: usize = 2_000;

/// A condition as written; it is parsed once, when it is first needed.
#[derive(Clone)]
pub struct Condition {
    source: String,
    parsed: OnceLock<Result<Arc<Parsed>, String>>,
}

impl Condition {
    /// A condition with this text, which may turn out to be wrong: see
    /// [`crate::Policy::problems`].
    pub fn new(source: impl Into<String>) -> Self {
        Self { source: source.into(), parsed: OnceLock::new() }
    }

    /// The text.
    pub fn as_str(&self) -> &str {
        &self.source
    }

    fn parsed(&self) -> Result<&Parsed, &str> {
        let parsed = self.parsed.get_or_init(|| parse::parse(&self.source).map(Arc::new));
        parsed.as_deref().map_err(String::as_str)
    }

    /// What is wrong with the text, given the kind of every fact that it may name, and the values of
    /// every switch.
    pub(crate) fn problems(
        &self,
        kind_of: &dyn Fn(&str) -> Option<FactKind>,
        values_of: &dyn Fn(&str) -> Vec<String>,
    ) -> Vec<String> {
        match self.parsed() {
            Err(reason) => vec![reason.to_owned()],
            Ok(parsed) => types::problems(&parsed.root, kind_of, values_of),
        }
    }

    /// The facts that it names, each once, in order of appearance.
    pub(crate) fn names(&self) -> &[String] {
        self.parsed().map_or(&[], |parsed| &parsed.names)
    }

    /// The whole numbers and the texts that it names, instants and lengths of time in microseconds.
    pub(crate) fn constants(&self) -> (Vec<i64>, Vec<String>) {
        let mut found = (Vec::new(), Vec::new());
        if let Ok(parsed) = self.parsed() {
            parse::constants(&parsed.root, &mut found);
        }
        found
    }

    /// Whether it holds.
    pub(crate) fn evaluate(&self, facts: &dyn Facts) -> Outcome {
        match self.parsed() {
            Err(reason) => Outcome::Failed(reason.to_owned()),
            Ok(parsed) => eval::evaluate(&parsed.root, facts),
        }
    }
}

impl PartialEq for Condition {
    fn eq(&self, other: &Self) -> bool {
        self.source == other.source
    }
}

impl Eq for Condition {}

impl fmt::Debug for Condition {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.source.fmt(f)
    }
}

impl fmt::Display for Condition {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.source)
    }
}

impl Serialize for Condition {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.source)
    }
}

impl<'de> Deserialize<'de> for Condition {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer).map(Self::new)
    }
}
