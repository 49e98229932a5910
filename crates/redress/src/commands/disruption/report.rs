//! `redress disruption report`: what a disruption came to, told four times.

use std::process::ExitCode;

use anyhow::{Context as _, Result};
use redress_proto::refunds::v1::{
    CurrencyReconciliation, DisruptionReconciliation, ReconcileDisruptionRequest,
    ReconciledAccount, ReconciledItems, ReconciledProvider,
};
use serde_json::{Value, json};

use super::{client, name_of};
use crate::cli::OneDisruptionArgs;
use crate::commands::refund::{money, money_json};
use crate::connect::Connections;
use crate::output;

/// Fails when the four do not agree.
pub(super) async fn run(args: &OneDisruptionArgs) -> Result<ExitCode> {
    let connections = Connections::open(&args.caller)?;
    let request = ReconcileDisruptionRequest { name: name_of(&args.disruption) };
    let answer = client(&connections)?.reconcile_disruption(request).await;
    let found = answer.context("the disruption cannot be reconciled")?.into_inner();
    if args.caller.json {
        output::json(&report_json(&found))?;
    } else {
        show(&found);
    }
    Ok(if found.is_balanced { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

fn show(found: &DisruptionReconciliation) {
    output::line(format!("{}: {}", found.name, found.state().as_str_name()));
    for currency in &found.currencies {
        output::table(["told by", "number", "amount"], rows(currency));
        if currency.orders_that_differ > 0 {
            output::line(format!(
                "{} orders: item, refund, attempts and postings name different sums",
                currency.orders_that_differ
            ));
        }
        let verdict = if currency.is_balanced { "agree" } else { "DO NOT AGREE" };
        output::line(format!(
            "{}: items, refunds, attempts and books {verdict}",
            currency.currency_code
        ));
    }
}

fn rows(currency: &CurrencyReconciliation) -> Vec<[String; 3]> {
    let mut rows = Vec::new();
    for items in &currency.items {
        let what = format!("items {}", items.state().as_str_name());
        rows.push([what, items.orders.to_string(), money(items.issued.as_ref())]);
    }
    let refunds = currency.refunds.to_string();
    rows.push(["refunds".to_owned(), refunds, money(currency.refunds_issued.as_ref())]);
    for provider in &currency.providers {
        let what = format!(
            "attempts on {}, with {} refunds there",
            provider.provider, provider.provider_refunds
        );
        rows.push([what, provider.attempts.to_string(), money(provider.amount.as_ref())]);
    }
    for account in &currency.ledger_posted {
        let what = format!("books, from {}", account.account);
        rows.push([what, String::new(), money(account.amount.as_ref())]);
    }
    let open = money(currency.open.as_ref());
    rows.push(["still open".to_owned(), String::new(), open]);
    rows
}

fn report_json(found: &DisruptionReconciliation) -> Value {
    json!({
        "disruption": found.name,
        "state": found.state().as_str_name(),
        "is_balanced": found.is_balanced,
        "currencies": found.currencies.iter().map(currency_json).collect::<Vec<_>>(),
    })
}

fn currency_json(currency: &CurrencyReconciliation) -> Value {
    let items = |items: &ReconciledItems| {
        json!({
            "state": items.state().as_str_name(),
            "orders": items.orders,
            "requested": money_json(items.requested.as_ref()),
            "issued": money_json(items.issued.as_ref()),
        })
    };
    let provider = |provider: &ReconciledProvider| {
        json!({
            "provider": provider.provider,
            "attempts": provider.attempts,
            "amount": money_json(provider.amount.as_ref()),
            "provider_refunds": provider.provider_refunds,
        })
    };
    let account = |account: &ReconciledAccount| {
        json!({
            "account": account.account,
            "amount": money_json(account.amount.as_ref()),
        })
    };
    json!({
        "currency_code": currency.currency_code,
        "is_balanced": currency.is_balanced,
        "requested": money_json(currency.requested.as_ref()),
        "issued": money_json(currency.issued.as_ref()),
        "items": currency.items.iter().map(items).collect::<Vec<_>>(),
        "refunds": currency.refunds,
        "refunds_issued": money_json(currency.refunds_issued.as_ref()),
        "providers": currency.providers.iter().map(provider).collect::<Vec<_>>(),
        "open": money_json(currency.open.as_ref()),
        "ledger_reserved": money_json(currency.ledger_reserved.as_ref()),
        "ledger_posted": currency.ledger_posted.iter().map(account).collect::<Vec<_>>(),
        "ledger_voided": money_json(currency.ledger_voided.as_ref()),
        "orders_that_differ": currency.orders_that_differ,
    })
}
