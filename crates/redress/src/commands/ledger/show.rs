//! Shows accounts, movements and the audit log; as JSON, everything that a hash covers.

use anyhow::Result;
use redress_proto::refunds::v1::{AuditRecord, LedgerEntry};
use serde_json::{Map, Value, json};

use super::super::resource;
use super::{Pages, account_json, bare, hex, micros};
use crate::cli::{AuditArgs, CallerArgs, EntriesArgs};
use crate::connect::Connections;
use crate::output::{self, JsonItems};

pub(super) async fn balances(args: &CallerArgs) -> Result<()> {
    let connections = Connections::open(args)?;
    let answer = Pages::open(&connections)?.balances().await?;
    if args.json {
        return output::json(&json!({
            "accounts": answer.accounts.iter().map(account_json).collect::<Vec<_>>(),
            "chain_position": answer.chain_position,
            "chain_hash": hex(&answer.chain_hash),
            "unchained": answer.unchained,
        }));
    }
    let rows = answer.accounts.iter().map(|row| {
        let balance = row.credits.saturating_sub(row.debits);
        let [debits, credits, balance] =
            [row.debits, row.credits, balance].map(|figure| figure.to_string());
        [row.account.clone(), row.currency_code.clone(), debits, credits, balance]
    });
    output::table(["account", "currency", "debits", "credits", "credits less debits"], rows);
    output::line(format!(
        "in minor units, over {} movements with a place in the chain and {} that wait for one",
        answer.chain_position, answer.unchained
    ));
    Ok(())
}

pub(super) async fn entries(args: &EntriesArgs) -> Result<()> {
    let connections = Connections::open(&args.caller)?;
    let tenant = connections.tenant().as_str().to_owned();
    let name = args.refund.as_ref().map(|refund| resource("refunds", refund));
    let filter = name.map(|name| format!("refund = \"{name}\"")).unwrap_or_default();
    let mut pages = Pages::open(&connections)?;
    let (mut token, mut items) = (String::new(), JsonItems::default());
    loop {
        let page = pages.entries(&filter, &token).await?;
        if args.caller.json {
            page.entries.iter().try_for_each(|entry| items.push(&entry_json(&tenant, entry)))?;
        } else {
            show_entries(&page.entries);
        }
        if page.next_page_token.is_empty() {
            break;
        }
        token = page.next_page_token;
    }
    if args.caller.json {
        items.end();
    }
    Ok(())
}

fn show_entries(entries: &[LedgerEntry]) {
    let rows = entries.iter().map(|entry| {
        [
            entry.position.to_string(),
            entry.kind.clone(),
            entry.refund.clone(),
            entry.debit.clone(),
            entry.credit.clone(),
            entry.amount.to_string(),
            entry.currency_code.clone(),
        ]
    });
    let header = ["position", "kind", "refund", "debit", "credit", "minor units", "currency"];
    output::table(header, rows);
}

fn entry_json(tenant: &str, entry: &LedgerEntry) -> Value {
    json!({
        "tenant": tenant,
        "position": entry.position,
        "kind": entry.kind,
        "attempt": entry.attempt_id,
        "phase": entry.phase,
        "refund": bare(&entry.refund, "refunds"),
        "debit": entry.debit,
        "credit": entry.credit,
        "currency": entry.currency_code,
        "amount": entry.amount,
        "created": micros(entry.create_time.as_ref()),
        "hash": hex(&entry.hash),
    })
}

pub(super) async fn audit(args: &AuditArgs) -> Result<()> {
    let connections = Connections::open(&args.caller)?;
    let tenant = connections.tenant().as_str().to_owned();
    let resource = args.resource.as_ref().map(|name| format!("resource = \"{name}\""));
    let actor = args.actor.as_ref().map(|name| format!("actor = \"{name}\""));
    let filter = resource.into_iter().chain(actor).collect::<Vec<_>>().join(" AND ");
    let mut pages = Pages::open(&connections)?;
    let (mut token, mut items) = (String::new(), JsonItems::default());
    loop {
        let page = pages.audit(&filter, &token).await?;
        if args.caller.json {
            let records = &page.audit_records;
            records.iter().try_for_each(|record| items.push(&record_json(&tenant, record)))?;
        } else {
            show_records(&page.audit_records);
        }
        if page.next_page_token.is_empty() {
            break;
        }
        token = page.next_page_token;
    }
    if args.caller.json {
        items.end();
    }
    Ok(())
}

fn show_records(records: &[AuditRecord]) {
    for record in records {
        let time = record.create_time.as_ref().map(ToString::to_string).unwrap_or_default();
        output::line(format!(
            "{} {time} {} by {} ({}) on {}",
            record.position,
            record.action,
            record.actor,
            record.roles.join(", "),
            record.resource,
        ));
        for detail in &record.details {
            output::line(format!("    {}: {}", detail.name, detail.value));
        }
        if !record.reason.is_empty() {
            output::line(format!("    {:?}", record.reason));
        }
    }
}

fn record_json(tenant: &str, record: &AuditRecord) -> Value {
    let details: Map<String, Value> = record
        .details
        .iter()
        .map(|detail| (detail.name.clone(), Value::from(detail.value.as_str())))
        .collect();
    json!({
        "tenant": tenant,
        "position": record.position,
        "id": bare(&record.name, "auditRecords"),
        "actor": record.actor,
        "roles": record.roles,
        "action": record.action,
        "resource": record.resource,
        "reason": record.reason,
        "details": details,
        "created": micros(record.create_time.as_ref()),
        "hash": hex(&record.hash),
    })
}
