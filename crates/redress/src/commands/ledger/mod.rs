//! `redress ledger`: the books and the audit log, shown, checked by the service, and verified here.

mod show;
mod verify;

use std::process::ExitCode;

use anyhow::{Context as _, Result};
use redress_client::TenantChannel;
use redress_core::chain::Hash;
use redress_proto::refunds::v1::ledger_service_client::LedgerServiceClient;
use redress_proto::refunds::v1::refund_service_client::RefundServiceClient;
use redress_proto::refunds::v1::{
    AccountBalance, CheckLedgerRequest, LedgerReport, ListAccountBalancesRequest,
    ListAccountBalancesResponse, ListAuditRecordsRequest, ListAuditRecordsResponse,
    ListLedgerEntriesRequest, ListLedgerEntriesResponse,
};
use serde_json::{Value, json};

use crate::cli::{CallerArgs, LedgerCommand, ServiceName};
use crate::connect::Connections;
use crate::output;

/// Rows that are asked for at a time: the most that the service gives.
const PAGE: i32 = 1_000;

pub(super) async fn run(command: &LedgerCommand) -> Result<ExitCode> {
    match command {
        LedgerCommand::Check(args) => check(args).await,
        LedgerCommand::Verify(args) => verify::run(args).await,
        LedgerCommand::Balances(args) => show::balances(args).await.map(|()| ExitCode::SUCCESS),
        LedgerCommand::Entries(args) => show::entries(args).await.map(|()| ExitCode::SUCCESS),
        LedgerCommand::Audit(args) => show::audit(args).await.map(|()| ExitCode::SUCCESS),
    }
}

/// The tenant's books, recomputed by the service.
pub(crate) async fn report(connections: &Connections) -> Result<LedgerReport> {
    let mut client = RefundServiceClient::new(connections.unary(ServiceName::Refunds)?);
    let report = client.check_ledger(CheckLedgerRequest {}).await;
    Ok(report.context("the books cannot be checked")?.into_inner())
}

async fn check(args: &CallerArgs) -> Result<ExitCode> {
    let connections = Connections::open(args)?;
    let report = report(&connections).await?;
    if args.json {
        output::json(&report_json(&report))?;
    } else {
        let rows = report.balances.iter().map(|balance| {
            let figures = [balance.debits, balance.credits, balance.payable, balance.paid];
            let [debits, credits, payable, paid] = figures.map(|figure| figure.to_string());
            [balance.currency_code.clone(), debits, credits, payable, paid]
        });
        output::table(["minor units", "debits", "credits", "payable", "paid"], rows);
        for difference in &report.differences {
            output::line(difference);
        }
        output::line(if report.balanced { "balanced" } else { "NOT balanced" });
    }
    Ok(if report.balanced { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

fn report_json(report: &LedgerReport) -> Value {
    let balances: Vec<Value> = report
        .balances
        .iter()
        .map(|balance| {
            json!({
                "currency_code": balance.currency_code,
                "debits": balance.debits,
                "credits": balance.credits,
                "payable": balance.payable,
                "paid": balance.paid,
            })
        })
        .collect();
    json!({
        "balanced": report.balanced,
        "balances": balances,
        "differences": report.differences,
        "accounts": report.accounts.iter().map(account_json).collect::<Vec<_>>(),
        "chain_position": report.chain_position,
        "chain_hash": hex(&report.chain_hash),
        "unchained": report.unchained,
    })
}

fn account_json(account: &AccountBalance) -> Value {
    json!({
        "account": account.account,
        "currency_code": account.currency_code,
        "debits": account.debits,
        "credits": account.credits,
        "unchained_debits": account.unchained_debits,
        "unchained_credits": account.unchained_credits,
    })
}

/// A hash as people write it; empty when it is none.
fn hex(hash: &[u8]) -> String {
    Hash::try_from(hash).map(|hash| hash.to_string()).unwrap_or_default()
}

/// An instant as hashes cover it: microseconds since 1970.
fn micros(time: Option<&prost_types::Timestamp>) -> i64 {
    time.map_or(0, |time| {
        time.seconds.saturating_mul(1_000_000).saturating_add(i64::from(time.nanos / 1_000))
    })
}

/// The id behind a resource name.
fn bare<'a>(name: &'a str, collection: &str) -> &'a str {
    name.strip_prefix(collection).and_then(|rest| rest.strip_prefix('/')).unwrap_or(name)
}

/// The pages of the books and of the audit log.
struct Pages {
    client: LedgerServiceClient<TenantChannel>,
}

impl Pages {
    fn open(connections: &Connections) -> Result<Self> {
        let channel = connections.unary(ServiceName::Refunds)?;
        Ok(Self { client: LedgerServiceClient::new(channel) })
    }

    async fn entries(&mut self, filter: &str, token: &str) -> Result<ListLedgerEntriesResponse> {
        let request = ListLedgerEntriesRequest {
            page_size: PAGE,
            page_token: token.to_owned(),
            filter: filter.to_owned(),
        };
        let page = self.client.list_ledger_entries(request).await;
        Ok(page.context("the books cannot be read")?.into_inner())
    }

    async fn audit(&mut self, filter: &str, token: &str) -> Result<ListAuditRecordsResponse> {
        let request = ListAuditRecordsRequest {
            page_size: PAGE,
            page_token: token.to_owned(),
            filter: filter.to_owned(),
        };
        let page = self.client.list_audit_records(request).await;
        Ok(page.context("the audit log cannot be read")?.into_inner())
    }

    async fn balances(&mut self) -> Result<ListAccountBalancesResponse> {
        let answer = self.client.list_account_balances(ListAccountBalancesRequest {}).await;
        Ok(answer.context("the accounts cannot be read")?.into_inner())
    }
}
