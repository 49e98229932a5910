//! What can be asked about disruptions, cancelled events first of all.

use std::path::PathBuf;

use clap::{Args, Subcommand, ValueEnum};
use redress_proto::refunds::v1::Remedy;
use redress_proto::refunds::v1::disruption::Kind;

use super::CallerArgs;

/// Disruptions that were opened, from start to end.
#[derive(Debug, Subcommand)]
pub enum DisruptionCommand {
    /// Show a disruption with its orders by state.
    #[command(after_help = "Example: redress disruption show 0198c7 --tenant arena")]
    Show(OneDisruptionArgs),
    /// Keep the workers from taking more orders on; what was begun is finished.
    #[command(after_help = "Example: redress disruption pause 0198c7 --reason 'balance is low' \
                            --tenant arena")]
    Pause(StepArgs),
    /// Let the workers go on.
    #[command(after_help = "Example: redress disruption resume 0198c7 --tenant arena")]
    Resume(StepArgs),
    /// Call it off for good; what was begun is finished, all else stays untouched.
    #[command(after_help = "Example: redress disruption abort 0198c7 --reason 'the match takes \
                            place' --tenant arena")]
    Abort(StepArgs),
    /// Try again what failed in a way that can change: all of it, or some orders.
    #[command(after_help = "Examples:\n  redress disruption retry 0198c7 --tenant arena\n  \
                      redress disruption retry 0198c7 --order ZQR3T --order ZQR4A --tenant arena")]
    Retry(RetryArgs),
    /// Add the orders that came into scope since it was approved. Without --yes or --expected it
    /// only shows what that would pay.
    #[command(after_help = "Examples:\n  redress disruption extend 0198c7 --tenant arena\n  \
                      redress disruption extend 0198c7 --expected 12 --tenant arena")]
    Extend(ExtendArgs),
    /// Follow a disruption, lane by lane, until it is completed or aborted.
    #[command(after_help = "Example: redress disruption watch 0198c7 --tenant arena")]
    Watch(OneDisruptionArgs),
    /// Compare what its orders say with refunds, attempts and books. Fails when they differ.
    #[command(after_help = "Example: redress disruption report 0198c7 --tenant arena --json")]
    Report(OneDisruptionArgs),
    /// Write what became of every order, as CSV, page by page.
    #[command(
        after_help = "Examples:\n  redress disruption export 0198c7 --tenant arena > orders.csv\n  \
                      redress disruption export 0198c7 --output orders.csv --tenant arena"
    )]
    Export(ExportArgs),
}

/// Options of commands about one disruption.
#[derive(Debug, Args)]
pub struct OneDisruptionArgs {
    /// The disruption's id.
    pub disruption: String,
    /// In whose name, and where.
    #[command(flatten)]
    pub caller: CallerArgs,
}

/// Options of commands that move a disruption on.
#[derive(Debug, Args)]
pub struct StepArgs {
    /// The disruption's id.
    pub disruption: String,
    /// Why, for the record.
    #[arg(long, default_value = "")]
    pub reason: String,
    /// In whose name, and where.
    #[command(flatten)]
    pub caller: CallerArgs,
}

/// Options of `redress disruption retry`.
#[derive(Debug, Args)]
pub struct RetryArgs {
    /// The disruption's id.
    pub disruption: String,
    /// Id of an order; repeat for several. Without it, everything that can be tried again.
    #[arg(long = "order")]
    pub orders: Vec<String>,
    /// Why, for the record.
    #[arg(long, default_value = "")]
    pub reason: String,
    /// In whose name, and where.
    #[command(flatten)]
    pub caller: CallerArgs,
}

/// Options of `redress disruption extend`.
#[derive(Debug, Args)]
pub struct ExtendArgs {
    /// The disruption's id.
    pub disruption: String,
    /// Add what is found, however much it is.
    #[arg(long, conflicts_with = "expected")]
    pub yes: bool,
    /// Add the orders if there are exactly this many, as seen without this option.
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(i64).range(1..))]
    pub expected: Option<i64>,
    /// Why, for the record.
    #[arg(long, default_value = "")]
    pub reason: String,
    /// In whose name, and where.
    #[command(flatten)]
    pub caller: CallerArgs,
}

/// Options of `redress disruption export`.
#[derive(Debug, Args)]
pub struct ExportArgs {
    /// The disruption's id.
    pub disruption: String,
    /// The file to write, over what is there; without it, standard output. It appears when it is
    /// complete.
    #[arg(long, value_name = "FILE")]
    pub output: Option<PathBuf>,
    /// In whose name, and where. With --json, one JSON array instead of CSV.
    #[command(flatten)]
    pub caller: CallerArgs,
}

/// Options of `redress cancel-event`.
#[derive(Debug, Args)]
pub struct CancelArgs {
    /// The event's id.
    pub event: String,
    /// Show what would be paid, and write nothing.
    #[arg(long)]
    pub preview: bool,
    /// What happened and what is offered.
    #[command(flatten)]
    pub what: WhatArgs,
    /// In whose name, and where.
    #[command(flatten)]
    pub caller: CallerArgs,
}

/// What happened to an event and what its buyers are offered.
#[derive(Debug, Clone, Default, Args)]
pub struct WhatArgs {
    /// What happened.
    #[arg(long, value_enum, default_value_t)]
    pub kind: EventKind,
    /// When it takes place instead, such as 2026-10-01T18:00:00Z; with --kind postponed.
    #[arg(long, value_name = "TIME")]
    pub new_start: Option<String>,
    /// Where it takes place instead; with --kind moved.
    #[arg(long, value_name = "PLACE")]
    pub new_place: Option<String>,
    /// By how many minutes it is late; with --kind delayed.
    #[arg(long, value_name = "MINUTES", value_parser = clap::value_parser!(i32).range(1..))]
    pub delay_minutes: Option<i32>,
    /// Id of the event that takes place instead; with --kind replaced.
    #[arg(long, value_name = "EVENT")]
    pub replacement: Option<String>,
    /// Let buyers choose until this time, such as 2026-09-01T00:00:00Z, between their money and
    /// keeping what they bought.
    #[arg(long, value_name = "TIME", requires = "default")]
    pub keep_until: Option<String>,
    /// What the silence of a buyer means.
    #[arg(long, value_enum, requires = "keep_until")]
    pub default: Option<DefaultRemedy>,
}

/// What happened to an event.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, ValueEnum)]
pub enum EventKind {
    /// It will not take place.
    #[default]
    Cancelled,
    /// It takes place at another time.
    Postponed,
    /// It takes place elsewhere.
    Moved,
    /// It takes place later than sold.
    Delayed,
    /// Something else takes place instead.
    Replaced,
}

impl From<EventKind> for Kind {
    fn from(kind: EventKind) -> Self {
        match kind {
            EventKind::Cancelled => Self::Cancelled,
            EventKind::Postponed => Self::Postponed,
            EventKind::Moved => Self::Moved,
            EventKind::Delayed => Self::Delayed,
            EventKind::Replaced => Self::Replaced,
        }
    }
}

/// What the silence of a buyer means.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum DefaultRemedy {
    /// The money goes back.
    Refund,
    /// The buyer keeps what was bought.
    Keep,
}

impl From<DefaultRemedy> for Remedy {
    fn from(remedy: DefaultRemedy) -> Self {
        match remedy {
            DefaultRemedy::Refund => Self::Refund,
            DefaultRemedy::Keep => Self::Keep,
        }
    }
}

#[cfg(test)]
mod tests {
    use clap::error::ErrorKind;
    use clap::{CommandFactory as _, Parser as _};

    use super::*;
    use crate::cli::{Cli, Command};

    fn parse(arguments: &[&str]) -> Result<Command, ErrorKind> {
        let words = ["redress"].iter().chain(arguments).chain(&["--tenant", "arena"]);
        Cli::try_parse_from(words).map(|cli| cli.command).map_err(|error| error.kind())
    }

    fn disruption(arguments: &[&str]) -> Result<DisruptionCommand, ErrorKind> {
        match parse(&[&["disruption"], arguments].concat())? {
            Command::Disruption(command) => Ok(command),
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn every_command_about_disruptions_has_help_and_an_example() {
        let mut cli = Cli::command();
        cli.build();
        let group = cli.find_subcommand("disruption").unwrap();
        let names: Vec<_> = group.get_subcommands().map(clap::Command::get_name).collect();
        let expected = [
            "show", "pause", "resume", "abort", "retry", "extend", "watch", "report", "export",
            "help",
        ];
        assert_eq!(names, expected);
        for command in group.get_subcommands().filter(|command| command.get_name() != "help") {
            let name = command.get_name();
            assert!(command.get_about().is_some(), "{name} has no help");
            let help = command.get_after_help().map(ToString::to_string).unwrap_or_default();
            assert!(help.contains(&format!("redress disruption {name} ")), "{name}: no example");
        }
    }

    #[test]
    fn orders_of_a_retry_are_repeated() {
        let command = disruption(&["retry", "d1", "--order", "A1", "--order", "A2"]).unwrap();
        let DisruptionCommand::Retry(args) = command else { panic!("{command:?}") };
        assert_eq!((&*args.disruption, args.orders), ("d1", vec!["A1".into(), "A2".into()]));
    }

    #[test]
    fn an_extension_is_confirmed_in_one_way() {
        let extend = |rest: &[&str]| match disruption(&[&["extend", "d1"], rest].concat())? {
            DisruptionCommand::Extend(args) => Ok((args.yes, args.expected)),
            other => panic!("{other:?}"),
        };
        assert_eq!(extend(&[]), Ok((false, None)));
        assert_eq!(extend(&["--yes"]), Ok((true, None)));
        assert_eq!(extend(&["--expected", "12"]), Ok((false, Some(12))));
        assert_eq!(extend(&["--yes", "--expected", "12"]), Err(ErrorKind::ArgumentConflict));
        assert_eq!(extend(&["--expected", "0"]), Err(ErrorKind::ValueValidation));
    }

    #[test]
    fn a_choice_needs_its_end_and_its_default() {
        let what = |rest: &[&str]| match parse(&[&["cancel-event", "derby"], rest].concat())? {
            Command::CancelEvent(args) => Ok((args.what.kind, args.what.default)),
            other => panic!("{other:?}"),
        };
        assert_eq!(what(&[]), Ok((EventKind::Cancelled, None)));
        assert_eq!(what(&["--kind", "postponed"]), Ok((EventKind::Postponed, None)));
        let until = ["--keep-until", "2026-09-01T00:00:00Z"];
        assert_eq!(what(&until), Err(ErrorKind::MissingRequiredArgument));
        assert_eq!(what(&["--default", "keep"]), Err(ErrorKind::MissingRequiredArgument));
        let both = what(&[&["--default", "keep"], &until[..]].concat());
        assert_eq!(both, Ok((EventKind::Cancelled, Some(DefaultRemedy::Keep))));
    }
}
