//! Whether the money adds up, asked of everybody who has counted it.
//!
//! Invariant: nothing is taken from memory: the items and the books are read over gRPC, and the
//! provider's count over its own control plane.

use anyhow::Result;
use redress_proto::refunds::v1::LedgerReport;
use tokio::time::{Duration, Instant, sleep};

use super::super::orders;
use super::course::Ran;
use super::provider::Totals;
use crate::commands::ledger;
use crate::connect::Connections;

/// How long the chain of the books may take to catch up.
const PATIENCE: Duration = Duration::from_mins(2);
const POLL: Duration = Duration::from_millis(100);

/// Everything that does not add up after `count` orders were refunded, in words; empty when the
/// money matches.
pub(super) async fn differences(
    connections: &Connections,
    ran: &Ran,
    totals: &Totals,
    count: usize,
) -> Result<Vec<String>> {
    let report = chained(connections).await?;
    let mut found = report.differences.clone();
    let mut expect = |what: &str, is: i64, should: i64| {
        if is != should {
            found.push(format!("{what}: {is}, expected {should}"));
        }
    };
    let orders = i64::try_from(count)?;
    let money = orders * orders::paid();
    let issued = ran.disruption.issued.iter().map(|issued| issued.minor_units).sum();
    let paid = report.balances.iter().map(|balance| balance.paid).sum();
    let owed = report.balances.iter().map(|balance| balance.payable).sum();
    let given = totals.refunded_minor_units_by_currency.values().sum();
    expect("orders in scope", ran.counts.orders_in_scope, orders);
    expect("items succeeded", ran.counts.succeeded, orders);
    expect("minor units of all items", issued, money);
    expect("minor units paid in the books", paid, money);
    expect("minor units owed in the books", owed, 0);
    expect("minor units given back by the provider", given, money);
    expect("refunds at the provider", i64::try_from(totals.refunds_made)?, orders);
    let twice = totals.max_refunds_per_attempt.max(totals.max_refunds_per_payment_intent);
    expect("refunds of one payment at most", i64::try_from(twice)?, 1);
    if !report.balanced {
        found.push("the books do not balance".to_owned());
    }
    Ok(found)
}

/// The books, once every movement has its place in the chain.
async fn chained(connections: &Connections) -> Result<LedgerReport> {
    let start = Instant::now();
    loop {
        let report = ledger::report(connections).await?;
        if report.unchained == 0 || start.elapsed() > PATIENCE {
            return Ok(report);
        }
        sleep(POLL).await;
    }
}
