//! What became of an import.
//!
//! Invariant: `created + updated + unchanged + stale + rejected` is the number of records that
//! were read; the problems kept are bounded, their count is not.

use serde::Serialize;

use super::record::ImportProblem;

/// As many problems are kept as somebody will read.
const MAX_PROBLEMS: usize = 100;

/// What became of an import, so far or in all.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct ImportReport {
    /// Orders that were new.
    pub created: u64,
    /// Orders that replaced an older version.
    pub updated: u64,
    /// Orders that were known exactly so.
    pub unchanged: u64,
    /// Orders older than what is stored; ignored.
    pub stale: u64,
    /// Records that were refused, here or by the server, and files that could not be read on.
    pub rejected: u64,
    /// The first hundred of those.
    pub problems: Vec<ImportProblem>,
}

impl ImportReport {
    /// How many records were dealt with.
    pub const fn total(&self) -> u64 {
        self.created + self.updated + self.unchanged + self.stale + self.rejected
    }

    pub(super) fn reject(&mut self, problem: ImportProblem) {
        self.rejected += 1;
        if self.problems.len() < MAX_PROBLEMS {
            self.problems.push(problem);
        }
    }
}
