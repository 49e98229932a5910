//! What is wrong with the settings, all of it at once.

use std::fmt;
use std::ops::RangeInclusive;

/// One setting that cannot be used.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ConfigProblem {
    /// The setting's path below the service's own section: `providers.stripe.timeout_ms`.
    pub key: String,
    /// What is wrong and what is accepted; never a secret.
    pub reason: String,
}

/// Every setting that cannot be used; never empty.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ConfigProblems(pub Vec<ConfigProblem>);

impl fmt::Display for ConfigProblems {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("settings of refunds cannot be used, below [service]:")?;
        for ConfigProblem { key, reason } in &self.0 {
            write!(f, "\n  {key}: {reason}")?;
        }
        Ok(())
    }
}

impl std::error::Error for ConfigProblems {}

/// Collects problems.
#[derive(Debug, Default)]
pub(super) struct Checker(Vec<ConfigProblem>);

impl Checker {
    /// Notes a problem.
    pub(super) fn problem(&mut self, key: impl Into<String>, reason: impl Into<String>) {
        self.0.push(ConfigProblem { key: key.into(), reason: reason.into() });
    }

    /// `value`, noted when it lies outside `range`.
    pub(super) fn range<T>(&mut self, key: &str, value: T, range: RangeInclusive<T>) -> T
    where
        T: PartialOrd + fmt::Display,
    {
        if !range.contains(&value) {
            let (least, most) = (range.start(), range.end());
            self.problem(key, format!("expected {least} to {most}, got {value}"));
        }
        value
    }

    /// `settings`, unless there were problems.
    pub(super) fn finish<T>(self, settings: T) -> Result<T, ConfigProblems> {
        if self.0.is_empty() { Ok(settings) } else { Err(ConfigProblems(self.0)) }
    }
}
