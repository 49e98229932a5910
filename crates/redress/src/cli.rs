//! The command line: what can be asked, with an example for each.

mod bench;
mod deadlines;
mod disruptions;
mod policies;
mod refunds;

use std::net::SocketAddr;
use std::path::PathBuf;

use clap::{Args, Parser, Subcommand, ValueEnum};
use redress_core::caller::Role;
use redress_core::chain::Head;

pub use bench::{BenchCommand, BenchDatabase, DisruptionArgs, DisruptionDatabase, UnaryArgs};
pub use deadlines::DeadlinesArgs;
pub use disruptions::{
    CancelArgs, DefaultRemedy, DisruptionCommand, EventKind, ExportArgs, ExtendArgs,
    OneDisruptionArgs, RetryArgs, StepArgs, WhatArgs,
};
pub use policies::{ApplyPolicyArgs, AskArgs, CheckArgs, PacksArgs, PolicyCommand};
pub use refunds::{
    ActArgs, GetArgs, ListRefundsArgs, PayArgs, QuoteArgs, RefundCommand, ResolveArgs,
};

/// After-sales for ticketing and travel: refunds, cases, messages and feedback.
#[derive(Debug, Parser)]
#[command(name = "redress", version, about, propagate_version = true)]
pub struct Cli {
    /// What to do.
    #[command(subcommand)]
    pub command: Command,
}

/// Everything that the command does.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Cancel an event end to end on a real order export, in one go.
    #[command(after_help = "Example: redress demo --orders 20000 --json")]
    Demo(DemoArgs),
    /// Run all four services in this process until it is stopped.
    #[command(after_help = "Example: redress up --data ./redress-data")]
    Up(UpArgs),
    /// Run one service in this process until it is stopped.
    #[command(after_help = "Example: redress serve refunds --config redress-data/refunds.toml")]
    Serve(ServeArgs),
    /// Bring the database of one service to this release's schema.
    #[command(after_help = "Example: redress migrate refunds --config redress-data/refunds.toml")]
    Migrate(MigrateArgs),
    /// Run the payment sandbox: an HTTP server with the shape of Stripe's API and seeded faults.
    #[command(after_help = "Example: redress sandbox --listen 127.0.0.1:7410 --lost-answers 20")]
    Sandbox(SandboxArgs),
    /// Mint an access token from the local key of `redress up`, or from a key of your own.
    #[command(after_help = "Examples:\n  redress token --tenant arena --role platform\n  \
                      redress token --tenant arena --role service --issuer billing --key billing.pem")]
    Token(TokenArgs),
    /// Write the contracts as a FileDescriptorSet, from which any language's generator makes a
    /// client.
    #[command(after_help = "Examples:\n  redress contracts --out contracts.binpb\n  \
                      redress contracts --list\n\n\
                      docs/clients.md shows what to do with them in Go, Python and TypeScript.")]
    Contracts(ContractsArgs),
    /// A tenant's settings.
    #[command(subcommand)]
    Tenant(TenantCommand),
    /// Refund policies.
    #[command(subcommand)]
    Policy(PolicyCommand),
    /// Import orders; a second import of the same orders changes nothing.
    #[command(subcommand)]
    Import(ImportCommand),
    /// Refunds of single orders.
    #[command(subcommand)]
    Refund(RefundCommand),
    /// Show refunds that are due soon by law, and those that were not paid in time.
    #[command(after_help = "Examples:\n  redress deadlines --within 3d --tenant arena\n  \
                      redress deadlines --missed --json --tenant arena")]
    Deadlines(DeadlinesArgs),
    /// The books and the audit log.
    #[command(subcommand)]
    Ledger(LedgerCommand),
    /// Refund every order of a cancelled event, or settle one that was postponed, moved, delayed
    /// or replaced.
    #[command(
        after_help = "Examples:\n  redress cancel-event city-derby --preview --tenant arena\n  \
                      redress cancel-event city-derby --tenant arena\n  \
                      redress cancel-event city-derby --kind postponed --new-start \
                      2026-10-01T18:00:00Z --keep-until 2026-09-01T00:00:00Z --default keep"
    )]
    CancelEvent(CancelArgs),
    /// Disruptions that were opened, from start to end.
    #[command(subcommand)]
    Disruption(DisruptionCommand),
    /// What customers say about an event: mean, number of answers, 95 % interval.
    #[command(after_help = "Example: redress rating city-derby --tenant arena")]
    Rating(RatingArgs),
    /// Measure what this machine gives, beside what bare code gives on it in the same run.
    #[command(subcommand)]
    Bench(BenchCommand),
}

/// A tenant's settings.
#[derive(Debug, Subcommand)]
pub enum TenantCommand {
    /// Apply a tenant file to all four services.
    #[command(after_help = "Example: redress tenant apply arena.toml")]
    Apply(ApplyArgs),
}

/// Where orders come from.
#[derive(Debug, Subcommand)]
pub enum ImportCommand {
    /// A folder with what pretix' REST API answers: event, items and pages of orders.
    #[command(after_help = "Example: redress import pretix exports/ --tenant arena")]
    Pretix(ImportArgs),
    /// A file with one order a line, as docs/import.md describes.
    #[command(after_help = "Example: redress import jsonl orders.jsonl --tenant arena")]
    Jsonl(ImportArgs),
    /// A table with one order line a row, as docs/import.md describes.
    #[command(after_help = "Example: redress import csv orders.csv --tenant arena")]
    Csv(ImportArgs),
}

/// The books and the audit log.
#[derive(Debug, Subcommand)]
pub enum LedgerCommand {
    /// Let the service recompute the books and compare them with everything that depends on them.
    #[command(after_help = "Example: redress ledger check --tenant arena")]
    Check(CallerArgs),
    /// Recompute every hash and every sum here, from what the service lists.
    #[command(
        after_help = "Keep the heads that it prints: that nothing was cut off a chain, only a head \
                      proves that was noted elsewhere.\n\nExample: redress ledger verify --tenant \
                      arena --expect 42:9f86d081884c7d65…"
    )]
    Verify(VerifyArgs),
    /// Show every account.
    #[command(after_help = "Example: redress ledger balances --tenant arena")]
    Balances(CallerArgs),
    /// Show movements of money, by position.
    #[command(after_help = "Example: redress ledger entries --refund 0198c7 --tenant arena")]
    Entries(EntriesArgs),
    /// Show what was done to money and to its rules, by position.
    #[command(
        after_help = "Example: redress ledger audit --resource refunds/0198c7 --tenant arena"
    )]
    Audit(AuditArgs),
}

/// The four services.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, ValueEnum)]
pub enum ServiceName {
    /// Work that a person owns.
    Cases,
    /// Money on its way back.
    Refunds,
    /// What customers are told.
    Notifications,
    /// What customers say.
    Feedback,
}

impl ServiceName {
    /// All four.
    pub const ALL: [Self; 4] = [Self::Cases, Self::Refunds, Self::Notifications, Self::Feedback];

    /// The name in settings, files and logs.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Cases => "cases",
            Self::Refunds => "refunds",
            Self::Notifications => "notifications",
            Self::Feedback => "feedback",
        }
    }
}

/// Options of `redress demo`.
#[derive(Debug, Args)]
pub struct DemoArgs {
    /// Multiply the sample of 360 orders to this many.
    #[arg(long, value_parser = clap::value_parser!(u32).range(1..=1_000_000))]
    pub orders: Option<u32>,
    /// Print one JSON object.
    #[arg(long)]
    pub json: bool,
    /// Keep everything in this folder, which must not exist yet; else a temporary one is removed.
    #[arg(long)]
    pub data: Option<PathBuf>,
    /// Requests a second that the payment provider takes; 0 for no limit.
    #[arg(long, default_value_t = 0)]
    pub provider_rate: u32,
    /// Decides which payments meet a fault at the provider.
    #[arg(long, default_value_t = 7)]
    pub seed: u64,
}

/// Options of `redress up`.
#[derive(Debug, Args)]
pub struct UpArgs {
    /// Folder for databases, keys, settings and mail; made on first start.
    #[arg(long, env = "REDRESS_DATA", default_value = "redress-data")]
    pub data: PathBuf,
    /// First of the four ports that a new folder is set up with.
    #[arg(long, default_value_t = 7401, value_parser = clap::value_parser!(u16).range(1024..=65_000))]
    pub ports: u16,
}

/// Options of `redress serve`.
#[derive(Debug, Args)]
pub struct ServeArgs {
    /// Which service.
    pub service: ServiceName,
    /// Its settings file.
    #[arg(long)]
    pub config: PathBuf,
    /// Bring the database to this release's schema first.
    #[arg(long)]
    pub migrate: bool,
}

/// Options of `redress migrate`.
#[derive(Debug, Args)]
pub struct MigrateArgs {
    /// Which service.
    pub service: ServiceName,
    /// Its settings file.
    #[arg(long)]
    pub config: PathBuf,
}

/// Options of `redress sandbox`. Rates of faults count payments in a thousand.
#[derive(Debug, Args)]
pub struct SandboxArgs {
    /// Address to listen on; port 0 takes a free one.
    #[arg(long, default_value = "127.0.0.1:7410")]
    pub listen: SocketAddr,
    /// Know the payments of the sample orders from the start.
    #[arg(long)]
    pub sample: bool,
    /// Requests a second for each endpoint; 0 for no limit.
    #[arg(long, default_value_t = 25)]
    pub rate: u32,
    /// Decides which payments meet a fault.
    #[arg(long, default_value_t = 7)]
    pub seed: u64,
    /// Refunds that are made and whose answer is lost.
    #[arg(long, default_value_t = 0)]
    pub lost_answers: u16,
    /// Refunds that fail with a server error before they are made.
    #[arg(long, default_value_t = 0)]
    pub server_errors: u16,
    /// Refunds that are accepted and fail later because the card is closed.
    #[arg(long, default_value_t = 0)]
    pub closed_cards: u16,
    /// Refunds that are refused for lack of balance.
    #[arg(long, default_value_t = 0)]
    pub insufficient_balance: u16,
    /// Answers that come late.
    #[arg(long, default_value_t = 0)]
    pub slow_answers: u16,
    /// Send signed webhooks to this URL.
    #[arg(long, requires = "webhook_secret_file")]
    pub webhook_url: Option<String>,
    /// File with the secret that signs webhooks.
    #[arg(long)]
    pub webhook_secret_file: Option<PathBuf>,
}

/// Options of `redress token`.
#[derive(Debug, Args)]
pub struct TokenArgs {
    /// The folder of `redress up`.
    #[arg(long, env = "REDRESS_DATA", default_value = "redress-data")]
    pub data: PathBuf,
    /// The tenant in whose name calls are made.
    #[arg(long, env = "REDRESS_TENANT")]
    pub tenant: String,
    /// What the caller may act as; repeat for several.
    #[arg(long = "role", required = true, value_parser = parse_role)]
    pub roles: Vec<Role>,
    /// Who calls.
    #[arg(long, default_value = "cli")]
    pub subject: String,
    /// How long the token is valid, in seconds.
    #[arg(long, default_value_t = 3600, value_parser = clap::value_parser!(u32).range(1..=86_400))]
    pub lifetime: u32,
    /// Sign with this key (Ed25519, PKCS#8 PEM) instead of the local one; --data is not read then.
    #[arg(long, value_name = "FILE", requires = "issuer")]
    pub key: Option<PathBuf>,
    /// Whose key that is, as `auth.issuers` in the services' settings names it.
    #[arg(long, requires = "key")]
    pub issuer: Option<String>,
}

/// Options of `redress contracts`.
#[derive(Debug, Args)]
pub struct ContractsArgs {
    /// The file to write, over what is there; without it, standard output.
    #[arg(long, value_name = "FILE")]
    pub out: Option<PathBuf>,
    /// Print the names of its files instead, without those below google/, which the runtimes of
    /// most languages bring along.
    #[arg(long, conflicts_with = "out")]
    pub list: bool,
}

fn parse_role(text: &str) -> Result<Role, redress_core::caller::UnknownRole> {
    text.parse()
}

/// In whose name a command calls, and where.
#[derive(Debug, Clone, Args)]
pub struct CallerArgs {
    /// The folder of `redress up`: tells the services' addresses and holds the local key.
    #[arg(long, env = "REDRESS_DATA", default_value = "redress-data")]
    pub data: PathBuf,
    /// The tenant.
    #[arg(long, env = "REDRESS_TENANT")]
    pub tenant: String,
    /// Call with this token instead of one from the local key.
    #[arg(long, env = "REDRESS_TOKEN", hide_env_values = true)]
    pub token: Option<String>,
    /// Who calls, in a token from the local key; decisions are recorded under this name.
    #[arg(long = "as", env = "REDRESS_SUBJECT", default_value = "cli")]
    pub subject: String,
    /// Print JSON.
    #[arg(long)]
    pub json: bool,
}

/// Options of commands that apply a file.
#[derive(Debug, Args)]
pub struct ApplyArgs {
    /// The TOML file.
    pub file: PathBuf,
    /// In whose name, and where.
    #[command(flatten)]
    pub caller: OptionalTenantArgs,
}

/// In whose name a command calls when the file may name the tenant.
#[derive(Debug, Clone, Args)]
pub struct OptionalTenantArgs {
    /// The folder of `redress up`: tells the services' addresses and holds the local key.
    #[arg(long, env = "REDRESS_DATA", default_value = "redress-data")]
    pub data: PathBuf,
    /// The tenant; for a tenant file, the one that it describes.
    #[arg(long, env = "REDRESS_TENANT")]
    pub tenant: Option<String>,
    /// Call with this token instead of one from the local key.
    #[arg(long, env = "REDRESS_TOKEN", hide_env_values = true)]
    pub token: Option<String>,
    /// Print JSON.
    #[arg(long)]
    pub json: bool,
}

/// Options of `redress import`.
#[derive(Debug, Args)]
pub struct ImportArgs {
    /// The folder or file.
    pub path: PathBuf,
    /// In whose name, and where.
    #[command(flatten)]
    pub caller: CallerArgs,
}

/// Options of `redress ledger verify`.
#[derive(Debug, Args)]
pub struct VerifyArgs {
    /// A head of the books that was noted before: POSITION:HASH.
    #[arg(long, value_name = "POSITION:HASH")]
    pub expect: Option<Head>,
    /// A head of the audit log that was noted before: POSITION:HASH.
    #[arg(long, value_name = "POSITION:HASH")]
    pub expect_audit: Option<Head>,
    /// In whose name, and where.
    #[command(flatten)]
    pub caller: CallerArgs,
}

/// Options of `redress ledger entries`.
#[derive(Debug, Args)]
pub struct EntriesArgs {
    /// Only those of this refund.
    #[arg(long)]
    pub refund: Option<String>,
    /// In whose name, and where.
    #[command(flatten)]
    pub caller: CallerArgs,
}

/// Options of `redress ledger audit`.
#[derive(Debug, Args)]
pub struct AuditArgs {
    /// Only what was done to this, by its resource name.
    #[arg(long)]
    pub resource: Option<String>,
    /// Only what this subject did.
    #[arg(long)]
    pub actor: Option<String>,
    /// In whose name, and where.
    #[command(flatten)]
    pub caller: CallerArgs,
}

/// Options of `redress rating`.
#[derive(Debug, Args)]
pub struct RatingArgs {
    /// The event's id.
    pub event: String,
    /// In whose name, and where.
    #[command(flatten)]
    pub caller: CallerArgs,
}
