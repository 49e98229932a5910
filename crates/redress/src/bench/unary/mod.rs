//! `redress bench unary`: CreateRefund beside a bare server with one INSERT a call.
//!
//! Invariant: both servers run in this process, on the same runtime, with equal pools on equal
//! databases, and get the same calls from the same callers over as many connections; they are
//! measured in turn, so that what the machine does meanwhile meets both.

mod bare;
mod refunds;
mod report;

use std::ops::Range;
use std::process::ExitCode;
use std::sync::Arc;

use anyhow::{Context as _, Result, bail, ensure};

use self::bare::Bare;
use self::refunds::RefundsService;
use self::report::{BareFigures, Comparison, Figures, Report};
use super::databases::{self, Postgres};
use super::load::{Round, closed_loop};
use super::progress::Progress;
use crate::cli::{BenchDatabase, UnaryArgs};
use crate::output;

/// Calls before the measured ones: a tenth of them, within these bounds.
const WARM_UP: (usize, usize) = (20, 1_000);

/// What the run is made of.
#[derive(Debug, Clone)]
struct Plan {
    warm_up: Range<usize>,
    /// The calls of each round.
    rounds: Vec<Range<usize>>,
    total: usize,
    concurrency: usize,
    connections: usize,
}

impl Plan {
    fn new(args: &UnaryArgs) -> Self {
        let requests = args.requests as usize;
        let warm_up = (requests / 10).clamp(WARM_UP.0, WARM_UP.1);
        let count = (args.rounds as usize).min(requests);
        let bound = |round: usize| warm_up + requests * round / count;
        Self {
            warm_up: 0..warm_up,
            rounds: (0..count).map(|round| bound(round)..bound(round + 1)).collect(),
            total: warm_up + requests,
            concurrency: args.concurrency as usize,
            connections: args.connections as usize,
        }
    }
}

/// Where a comparison runs.
struct Urls {
    /// For the report.
    name: &'static str,
    bare: String,
    refunds: String,
}

/// Measures and shows; fails when a result does not add up.
pub(super) async fn run(args: &UnaryArgs) -> Result<ExitCode> {
    let plan = Plan::new(args);
    let mut report = Report::new(args, plan.warm_up.len(), databases::flush_time().await?);
    let wanted = args.database.unwrap_or(BenchDatabase::Both);
    if wanted != BenchDatabase::Postgres {
        report.sqlite = Some(on_sqlite(args, &plan).await.context("on SQLite")?);
    }
    if wanted != BenchDatabase::Sqlite {
        match Postgres::find(args.postgres.as_deref()).await {
            Ok(server) => {
                report.postgres =
                    Some(on_postgres(args, &plan, server).await.context("on PostgreSQL")?);
            }
            // Who names it wants it; who names nothing gets what there is.
            Err(error) if args.database.is_none() && args.postgres.is_none() => {
                report.not_run.insert("postgres", format!("{error:#}"));
            }
            Err(error) => return Err(error.context("PostgreSQL was not run")),
        }
    }
    if args.json {
        output::json(&report)?;
    } else {
        report.show();
    }
    Ok(ExitCode::SUCCESS)
}

async fn on_sqlite(args: &UnaryArgs, plan: &Plan) -> Result<Comparison> {
    let folder = tempfile::tempdir().context("no temporary folder can be made")?;
    let url = |name: &str| format!("sqlite:{}", folder.path().join(name).display());
    let urls = Urls { name: "sqlite", bare: url("bare.db"), refunds: url("refunds.db") };
    compare(args, plan, &urls).await
}

async fn on_postgres(args: &UnaryArgs, plan: &Plan, mut server: Postgres) -> Result<Comparison> {
    let compared = async {
        let (bare, refunds) = (server.create("bare").await?, server.create("refunds").await?);
        compare(args, plan, &Urls { name: "postgres", bare, refunds }).await
    }
    .await;
    let removed = server.remove().await;
    let compared = compared?;
    removed?;
    Ok(compared)
}

async fn compare(args: &UnaryArgs, plan: &Plan, urls: &Urls) -> Result<Comparison> {
    let progress = Progress::new(urls.name, args.json)?;
    progress.at("preparing");
    let service = RefundsService::start(&urls.refunds, plan.total, plan.connections).await?;
    let outcome = async {
        service.stock(plan.concurrency).await?;
        let bare = Bare::start(&urls.bare, service.pool_size(), plan.connections).await?;
        let compared = take_turns(plan, &bare, &service, &progress).await;
        bare.stop().await?;
        compared
    }
    .await;
    let stopped = service.stop().await;
    progress.end();
    let compared = outcome?;
    stopped?;
    Ok(compared)
}

async fn take_turns(
    plan: &Plan,
    bare: &Bare,
    service: &RefundsService,
    progress: &Progress,
) -> Result<Comparison> {
    let (bare_calls, service_calls) = (bare.calls(), service.calls()?);
    let call_bare = |calls: &Range<usize>| {
        closed_loop(Arc::clone(&bare_calls), calls.clone(), plan.concurrency)
    };
    let call_service = |calls: &Range<usize>| {
        closed_loop(Arc::clone(&service_calls), calls.clone(), plan.concurrency)
    };
    progress.at("warming up");
    call_bare(&plan.warm_up).await.context("the bare server")?;
    call_service(&plan.warm_up).await.context("CreateRefund")?;
    service.settled(plan.warm_up.end).await?;
    service.analyze().await?;

    let (mut bare_rounds, mut service_rounds): (Vec<Round>, Vec<Round>) = (Vec::new(), Vec::new());
    for (number, calls) in (1..).zip(&plan.rounds) {
        let of = plan.rounds.len();
        progress.at(&format!("round {number} of {of}, bare"));
        let bare_round = call_bare(calls).await.context("the bare server")?;
        progress.at(&format!("round {number} of {of}, CreateRefund"));
        let service_round = call_service(calls).await.context("CreateRefund")?;
        // What the events still cost must not slow the other server.
        service.settled(calls.end).await?;
        progress.tell(&format!(
            "round {number} of {of}: bare {:.0}/s, CreateRefund {:.0}/s",
            bare_round.per_second(),
            service_round.per_second()
        ));
        bare_rounds.push(bare_round);
        service_rounds.push(service_round);
    }

    progress.at("checking");
    let rows = bare.rows().await?;
    ensure!(rows == plan.total, "the bare server has {rows} rows of {} calls", plan.total);
    let refunds = service.verify(plan.total).await?;
    let figures = Figures::of(&service_rounds);
    let bare = Figures::of(&bare_rounds);
    if bare.requests_per_s <= 0.0 {
        bail!("the clock stood still while the bare server was measured");
    }
    Ok(Comparison {
        ratio_to_bare: figures.requests_per_s / bare.requests_per_s,
        figures,
        refunds,
        bare: BareFigures { figures: bare, rows },
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn plan(requests: u32, rounds: u32) -> Plan {
        Plan::new(&UnaryArgs {
            requests,
            concurrency: 32,
            connections: 4,
            rounds,
            database: None,
            postgres: None,
            json: true,
        })
    }

    #[test]
    fn every_call_belongs_to_one_round() {
        for (requests, rounds) in [(5_000, 3), (1, 3), (7, 7), (10, 4), (1_000_000, 100)] {
            let plan = plan(requests, rounds);
            let mut next = plan.warm_up.end;
            for calls in &plan.rounds {
                assert_eq!(calls.start, next);
                assert!(!calls.is_empty(), "{requests} in {rounds} rounds");
                next = calls.end;
            }
            assert_eq!(next, plan.total);
            assert_eq!(next - plan.warm_up.end, requests as usize);
        }
    }

    #[test]
    fn the_warm_up_stays_within_its_bounds() {
        let warm_ups = [1, 5_000, 1_000_000].map(|requests| plan(requests, 3).warm_up.len());
        assert_eq!(warm_ups, [20, 500, 1_000]);
    }
}
