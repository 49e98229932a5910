//! What can be asked of refund policies.

use std::path::PathBuf;

use clap::{Args, Subcommand};
use redress_core::clock::Timestamp;
use redress_core::money::Currency;
use redress_policy::{Language, LineKind, OverrideCode};

use super::ApplyArgs;

/// Refund policies.
#[derive(Debug, Subcommand)]
pub enum PolicyCommand {
    /// Apply a policy file; a changed policy becomes its next version.
    #[command(
        after_help = "Examples: redress policy apply standard.toml --tenant arena\n          \
                            redress policy apply cn-rail-12306 --choose free_window_basis=hours"
    )]
    Apply(ApplyPolicyArgs),
    /// Check policy files and run their examples; without files, the laws that come with Redress.
    /// Needs no server.
    #[command(after_help = "Example: redress policy check standard.toml strict.toml --json")]
    Check(CheckArgs),
    /// List the laws that come with Redress, or print one of them; needs no server.
    #[command(after_help = "Example: redress policy packs eu-air-261 > my-copy.toml")]
    Packs(PacksArgs),
    /// Tell what a buyer would get by a policy file, and why; needs no server.
    #[command(
        after_help = "Example: redress policy explain standard.toml --price 100.00 --currency EUR \\\n  \
                      --start 2026-12-19T14:30:00Z --zone Europe/Berlin --at 2026-12-16T10:00:00Z\n\n\
                      By a law, in Chinese: redress policy explain ru-culture-52.1 --language zh \\\n  \
                      --price 3000 --currency RUB --start 2026-12-20T19:00:00+03:00 --zone Europe/Moscow"
    )]
    Explain(AskArgs),
    /// Tell what a buyer would get at every boundary of a policy file, and for each answer to its
    /// questions; needs no server.
    #[command(
        after_help = "Example: redress policy what-if standard.toml --price 100.00 --currency EUR \\\n  \
                      --start 2026-12-19T14:30:00Z --zone Europe/Berlin"
    )]
    WhatIf(AskArgs),
}

/// Options of `redress policy apply`.
#[derive(Debug, Args)]
pub struct ApplyPolicyArgs {
    /// The file, or the id of a law that comes with Redress, and in whose name.
    #[command(flatten)]
    pub apply: ApplyArgs,
    /// How a switch of the policy stands, as name=value; repeat for several.
    #[arg(long = "choose", value_name = "NAME=VALUE")]
    pub choices: Vec<String>,
}

/// Options of `redress policy check`.
#[derive(Debug, Args)]
pub struct CheckArgs {
    /// Policy files, or ids of laws that come with Redress; without any, all of these laws.
    pub files: Vec<PathBuf>,
    /// Print JSON.
    #[arg(long)]
    pub json: bool,
}

/// Options of `redress policy packs`.
#[derive(Debug, Args)]
pub struct PacksArgs {
    /// The id of the law to print; without it, all are listed.
    pub id: Option<String>,
    /// Print JSON.
    #[arg(long)]
    pub json: bool,
}

/// Options of `redress policy explain` and `redress policy what-if`: one line of an order, and who
/// asks for what.
#[derive(Debug, Args)]
pub struct AskArgs {
    /// The policy file, or the id of a law that comes with Redress, such as eu-air-261.
    pub file: PathBuf,
    /// The price of the units asked for, such as 107.81.
    #[arg(long)]
    pub price: String,
    /// The order's currency, such as EUR.
    #[arg(long)]
    pub currency: Currency,
    /// When the event or trip starts, such as 2026-12-19T14:30:00Z.
    #[arg(long, value_parser = redress_calendar::parse_instant)]
    pub start: Timestamp,
    /// The time zone of the place, such as Europe/Berlin.
    #[arg(long)]
    pub zone: String,
    /// When the refund is asked for; without it, now.
    #[arg(long, value_parser = redress_calendar::parse_instant)]
    pub at: Option<Timestamp>,
    /// When the order was bought; without it, when the policy came into force.
    #[arg(long, value_parser = redress_calendar::parse_instant)]
    pub purchase: Option<Timestamp>,
    /// What the line is: TICKET, SEAT, FLIGHT_LEG, RAIL_LEG, HOTEL_NIGHT, PACKAGE, ANCILLARY, FEE
    /// or TAX.
    #[arg(long, default_value = "TICKET", value_parser = parse_line_kind)]
    pub kind: LineKind,
    /// How many units are asked for.
    #[arg(long, default_value_t = 1, value_parser = clap::value_parser!(i64).range(1..=1_000_000))]
    pub units: i64,
    /// Where the order was sold.
    #[arg(long, default_value = "web")]
    pub channel: String,
    /// Id of the event.
    #[arg(long, default_value = "")]
    pub event: String,
    /// Where it takes place.
    #[arg(long, default_value = "")]
    pub place: String,
    /// Only a part of the order is asked for.
    #[arg(long)]
    pub part: bool,
    /// How often this buyer withdrew from this event before.
    #[arg(long)]
    pub buyer_refunds: Option<u32>,
    /// A fact that the policy asks for, as name=value; repeat for several.
    #[arg(long = "fact", value_name = "NAME=VALUE")]
    pub facts: Vec<String>,
    /// What happened, such as ILLNESS.
    #[arg(long = "override", value_name = "CODE", value_parser = parse_override)]
    pub override_code: Option<OverrideCode>,
    /// A kind of document that was shown, such as DEATH_CERTIFICATE; repeat for several.
    #[arg(long = "evidence", value_name = "KIND")]
    pub evidence: Vec<String>,
    /// How a switch of the policy stands, as name=value; repeat for several.
    #[arg(long = "choose", value_name = "NAME=VALUE")]
    pub choices: Vec<String>,
    /// The language of explanations: en, zh, ru or de.
    #[arg(long, default_value = "en", value_parser = parse_language)]
    pub language: Language,
    /// Print JSON.
    #[arg(long)]
    pub json: bool,
}

fn parse_language(tag: &str) -> Result<Language, String> {
    Language::nearest(tag).ok_or_else(|| "expected one of en, zh, ru, de".to_owned())
}

fn parse_line_kind(text: &str) -> Result<LineKind, String> {
    LineKind::parse(text).ok_or_else(|| one_of(LineKind::ALL, LineKind::as_str))
}

fn parse_override(text: &str) -> Result<OverrideCode, String> {
    OverrideCode::parse(text).ok_or_else(|| one_of(OverrideCode::ALL, OverrideCode::as_str))
}

fn one_of<T: Copy>(words: &[T], as_str: fn(T) -> &'static str) -> String {
    let words: Vec<_> = words.iter().map(|word| as_str(*word)).collect();
    format!("expected one of {}", words.join(", "))
}
