//! What can be asked about the legal deadlines of refunds.

use std::time::Duration;

use clap::Args;

use super::CallerArgs;

/// The longest span that can be asked for, in days.
const MOST_DAYS: u64 = 3_650;

/// Options of `redress deadlines`.
#[derive(Debug, Args)]
pub struct DeadlinesArgs {
    /// Also what is due within this time, such as 3d or 48h.
    #[arg(long, default_value = "48h", value_parser = span)]
    pub within: Duration,
    /// Only what was missed.
    #[arg(long, conflicts_with = "within")]
    pub missed: bool,
    /// At most this many.
    #[arg(long, default_value_t = 1_000)]
    pub limit: usize,
    /// In whose name, and where.
    #[command(flatten)]
    pub caller: CallerArgs,
}

/// Reads `90m`, `48h` or `3d`.
fn span(text: &str) -> Result<Duration, String> {
    let expected = || format!("expected a time such as 3d, 48h or 90m, at most {MOST_DAYS}d");
    let unit = text.chars().last().ok_or_else(expected)?;
    let minutes = match unit {
        'm' => 1,
        'h' => 60,
        'd' => 24 * 60,
        _ => return Err(expected()),
    };
    let count: u64 = text[..text.len() - unit.len_utf8()].parse().map_err(|_| expected())?;
    let span = count.checked_mul(minutes).filter(|span| *span <= MOST_DAYS * 24 * 60);
    span.map(Duration::from_mins).ok_or_else(expected)
}

#[cfg(test)]
mod tests {
    use clap::error::ErrorKind;
    use clap::{CommandFactory as _, Parser as _};

    use super::*;
    use crate::cli::{Cli, Command};

    fn parse(arguments: &[&str]) -> Result<DeadlinesArgs, ErrorKind> {
        let words = ["redress", "deadlines", "--tenant", "arena"].iter().chain(arguments);
        match Cli::try_parse_from(words).map_err(|error| error.kind())?.command {
            Command::Deadlines(args) => Ok(args),
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn a_span_is_a_number_and_its_unit() {
        for (text, hours) in [("48h", 48), ("3d", 72), ("120m", 2), ("0h", 0)] {
            assert_eq!(span(text), Ok(Duration::from_hours(hours)), "{text}");
        }
        for text in ["", "3", "d", "3w", "-1d", "1.5h", "4000d", "99999999999999999999d", "3ä"] {
            assert!(span(text).is_err(), "{text}");
        }
    }

    #[test]
    fn two_days_are_shown_unless_asked_otherwise() {
        assert_eq!(parse(&[]).unwrap().within, Duration::from_hours(48));
        let asked = parse(&["--within", "3d", "--json"]).unwrap();
        assert_eq!(
            (asked.within, asked.missed, asked.caller.json),
            (span("3d").unwrap(), false, true)
        );
        assert!(parse(&["--missed"]).unwrap().missed);
        let both = parse(&["--missed", "--within", "3d"]).unwrap_err();
        assert_eq!(both, ErrorKind::ArgumentConflict, "what was missed is not due any more");
        assert_eq!(parse(&["--within", "soon"]).unwrap_err(), ErrorKind::ValueValidation);
    }

    #[test]
    fn the_command_has_help_and_an_example() {
        let mut cli = Cli::command();
        cli.build();
        let command = cli.find_subcommand("deadlines").unwrap();
        assert!(command.get_about().is_some());
        let help = command.get_after_help().unwrap().to_string();
        assert!(help.contains("redress deadlines --within 3d"), "{help}");
    }
}
