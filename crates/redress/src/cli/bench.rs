//! What `redress bench` takes.

use std::str::FromStr;

use clap::{Args, Subcommand, ValueEnum};

/// What can be measured.
#[derive(Debug, Subcommand)]
pub enum BenchCommand {
    /// CreateRefund, beside a bare tonic server that does one INSERT a call.
    #[command(
        after_help = "Databases are made in the folder for temporary files and removed again; to \
                      measure another disk, set TMPDIR.\n\n\
                      Examples:\n  redress bench unary --requests 20000\n  \
                      redress bench unary --database postgres --concurrency 32 --json"
    )]
    Unary(UnaryArgs),
    /// A whole event refunded: import, preview, approval and run, beside hand-written SQL that
    /// writes the same rows, and beside the sandbox alone.
    #[command(
        after_help = "The provider is the sandbox, in a process of its own. Databases are made in \
                      the folder for temporary files and removed again; to measure another disk, \
                      set TMPDIR. The command fails when the money does not add up.\n\n\
                      Examples:\n  redress bench disruption --orders 100000\n  \
                      redress bench disruption --orders 10000 --database sqlite --json\n  \
                      redress bench disruption --orders 1000 --replicas 4 --rate-limit 25\n  \
                      redress bench disruption --orders 5000 --replicas 2 --provider-latency 200"
    )]
    Disruption(DisruptionArgs),
}

/// Options of `redress bench unary`.
#[derive(Debug, Args)]
pub struct UnaryArgs {
    /// Measured calls to each of the two servers, on each database.
    #[arg(long, default_value_t = 10_000, value_parser = clap::value_parser!(u32).range(1..=1_000_000))]
    pub requests: u32,
    /// Callers; each sends its next call when the one before is answered.
    #[arg(long, default_value_t = 128, value_parser = clap::value_parser!(u32).range(1..=512))]
    pub concurrency: u32,
    /// Connections that the callers share.
    #[arg(long, default_value_t = 4, value_parser = clap::value_parser!(u32).range(1..=64))]
    pub connections: u32,
    /// Rounds that the calls are spread over; in each, one server is measured after the other.
    #[arg(long, default_value_t = 5, value_parser = clap::value_parser!(u32).range(1..=100))]
    pub rounds: u32,
    /// Measure on this; without it on both, as far as there is a PostgreSQL.
    #[arg(long)]
    pub database: Option<BenchDatabase>,
    /// A PostgreSQL server whose user may create databases, such as postgres://me@localhost;
    /// without it a private cluster is started from the installed binaries.
    #[arg(long)]
    pub postgres: Option<String>,
    /// Print one JSON object.
    #[arg(long)]
    pub json: bool,
}

/// What a bench runs on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum BenchDatabase {
    /// A SQLite file.
    Sqlite,
    /// PostgreSQL.
    Postgres,
    /// One after the other.
    Both,
}

/// Options of `redress bench disruption`.
#[derive(Debug, Args)]
pub struct DisruptionArgs {
    /// Orders of the event that is cancelled.
    #[arg(long, default_value_t = 10_000, value_parser = clap::value_parser!(u32).range(1..=10_000_000))]
    pub orders: u32,
    /// `sqlite`, `postgres` for a private cluster from the installed binaries, or the URL of a
    /// server whose user may create databases, such as postgres://me@localhost.
    #[arg(long, default_value = "postgres")]
    pub database: DisruptionDatabase,
    /// Refunds services on the one database, each with workers of its own.
    #[arg(long, default_value_t = 1, value_parser = clap::value_parser!(u32).range(1..=16))]
    pub replicas: u32,
    /// Calls of the provider that each replica may have under way.
    #[arg(long, default_value_t = 32, value_parser = clap::value_parser!(u32).range(1..=1_024))]
    pub concurrency: u32,
    /// Milliseconds that the provider takes for each answer.
    #[arg(long, default_value_t = 0, value_parser = clap::value_parser!(u64).range(..=60_000))]
    pub provider_latency: u64,
    /// Requests that the provider takes in a calendar second; 0 for no limit.
    #[arg(long, default_value_t = 0)]
    pub rate_limit: u32,
    /// Orders of the run with all four services; 0 leaves it out. Without this as many as
    /// `--orders`, and 20000 at most.
    #[arg(long)]
    pub suite_orders: Option<u32>,
    /// Print one JSON object.
    #[arg(long)]
    pub json: bool,
}

/// What `redress bench disruption` runs on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum DisruptionDatabase {
    /// SQLite files.
    Sqlite,
    /// A private PostgreSQL.
    Postgres,
    /// The PostgreSQL server at this URL.
    At(String),
}

impl FromStr for DisruptionDatabase {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        match text {
            "sqlite" => Ok(Self::Sqlite),
            "postgres" => Ok(Self::Postgres),
            url if url.starts_with("postgres://") || url.starts_with("postgresql://") => {
                Ok(Self::At(url.to_owned()))
            }
            _ => Err("expected sqlite, postgres or postgres://<user>@<host>"),
        }
    }
}
