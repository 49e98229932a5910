//! What a bench says of itself while it runs.
//!
//! Invariant: on standard error only, so that standard output holds the result and nothing else.

use std::time::Duration;

use anyhow::Result;
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

use crate::output;

/// How fast progress is shown.
const TICK: Duration = Duration::from_millis(200);

/// Says on standard error where a bench stands.
pub(super) struct Progress {
    database: &'static str,
    bar: ProgressBar,
    quiet: bool,
}

impl Progress {
    pub(super) fn new(database: &'static str, quiet: bool) -> Result<Self> {
        let bar = ProgressBar::new_spinner();
        bar.set_style(ProgressStyle::with_template("{spinner} {msg} {elapsed}")?);
        if quiet {
            bar.set_draw_target(ProgressDrawTarget::hidden());
        }
        bar.enable_steady_tick(TICK);
        Ok(Self { database, bar, quiet })
    }

    pub(super) fn at(&self, what: &str) {
        self.bar.set_message(format!("{}: {what}", self.database));
    }

    pub(super) fn tell(&self, what: &str) {
        if !self.quiet {
            self.bar.suspend(|| output::note(format!("{}: {what}", self.database)));
        }
    }

    pub(super) fn end(&self) {
        self.bar.finish_and_clear();
    }
}
