//! Policy files: TOML that a lawyer can read, checked down to the line.
//!
//! Invariant: a file that passes can be stored as it is, and its own examples come true. What is
//! wrong is told with its line and its path, all of it that one reading can find.

mod examples;
mod read;
mod section;

use crate::model::{Policy, PolicyProblem};
pub use examples::{Example, Expected, ExpectedCompensation, ExpectedPrice};
use section::Reader;

use crate::packs::Pack;

/// What is wrong in a file, and where.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Problem {
    /// The line, from 1 on.
    pub line: usize,
    /// Path of the field, such as `tiers[1].notice_hours`; empty for the file as a whole.
    pub path: String,
    /// What is wrong and what is expected.
    pub reason: String,
}

/// Everything that a check finds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Report {
    /// The policy, where the file could be read.
    pub policy: Option<Policy>,
    /// How many examples the file has.
    pub examples: usize,
    /// These examples.
    pub cases: Vec<Example>,
    /// How many of them came true.
    pub examples_passed: usize,
    /// What is wrong; empty when the policy can be stored.
    pub problems: Vec<Problem>,
}

/// Reads a policy file, checks it and runs its examples.
pub fn check(text: &str) -> Result<Policy, Vec<Problem>> {
    let report = report(text);
    match report.policy {
        Some(policy) if report.problems.is_empty() => Ok(policy),
        _ => Err(report.problems),
    }
}

/// Reads a policy file and checks it, but does not run its examples and does not look whether it
/// keeps what it promises: enough to ask it something.
pub fn read(text: &str) -> Result<Policy, Vec<Problem>> {
    let reader = Reader::new(text);
    let read = reader.root().and_then(read::file).filter(|_| reader.is_clean());
    for PolicyProblem { field, description } in read.iter().flat_map(|(p, _)| p.problems()) {
        reader.report(&field, description);
    }
    match read {
        Some((policy, _)) if reader.is_clean() => Ok(policy),
        _ => Err(reader.problems()),
    }
}

/// Reads a policy file, checks it and runs its examples; tells the figures too.
pub fn report(text: &str) -> Report {
    let reader = Reader::new(text);
    let read = reader.root().and_then(read::file);
    let Some((policy, examples)) = read.filter(|_| reader.is_clean()) else {
        return Report {
            policy: None,
            examples: 0,
            cases: Vec::new(),
            examples_passed: 0,
            problems: reader.problems(),
        };
    };
    for PolicyProblem { field, description } in policy.problems() {
        reader.report(&field, description);
    }
    if reader.is_clean() {
        identity(&policy, text, &reader);
        promises(&policy, &reader);
    }
    let mut examples_passed = 0;
    let sound = reader.is_clean();
    for (at, example) in examples.iter().enumerate() {
        // What a policy with problems answers says nothing about the example.
        match sound.then(|| example.failure(&policy)) {
            Some(None) => examples_passed += 1,
            Some(Some(failure)) => reader.report(&format!("examples[{at}].expect"), failure),
            None => {}
        }
    }
    Report {
        policy: Some(policy),
        examples: examples.len(),
        examples_passed,
        problems: reader.problems(),
        cases: examples,
    }
}

/// Whether a policy that has the id of a law is that law: its file, with choices behind it at most.
fn identity(policy: &Policy, text: &str, reader: &Reader<'_>) {
    let Some(law) = Pack::find(policy.id.as_str()) else { return };
    let is_its_file = text.strip_prefix(law.source).is_some_and(|rest| {
        let mut lines = rest.lines().map(str::trim).filter(|line| !line.is_empty());
        let head = lines.next();
        head.is_none_or(|head| head == "[choices]") && lines.all(|line| !line.starts_with('['))
    });
    if !is_its_file {
        let what = "is the id of a law that comes with Redress, and this is not its file: choose \
                    another id, and promise the law with `at_least`";
        reader.report("id", what);
    }
}

/// Whether the policy keeps what it promises: to give no less than certain laws.
fn promises(policy: &Policy, reader: &Reader<'_>) {
    for (at, id) in policy.at_least.iter().enumerate() {
        let field = format!("at_least[{at}]");
        let Some(law) = Pack::find(id.as_str()).and_then(Pack::policy) else {
            reader.report(&field, format!("no law with the id {id} comes with Redress"));
            continue;
        };
        if !law.mandatory {
            reader.report(&field, format!("{id} is no mandatory law"));
            continue;
        }
        let unprovable = policy.unprovable(law);
        for PolicyProblem { field, description } in &unprovable {
            reader.report(field, format!("{id} is promised: {description}"));
        }
        if unprovable.is_empty()
            && let Some(less) = policy.shortfall(law)
        {
            reader.report(&field, format!("gives less than {id}: {less}"));
        }
    }
}

#[cfg(test)]
mod tests;
