//! `redress ledger verify`: recomputes the chains and the accounts from what the service lists.
//!
//! Invariant: nothing is believed that can be computed. Every hash, position and sum is made here
//! from the entries themselves, and only then compared with what the service says of them.

use std::collections::BTreeMap;
use std::process::ExitCode;

use anyhow::Result;
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use redress_core::chain::{AuditFields, Hash, Head, LedgerFields, Walk};
use redress_proto::refunds::v1::{AccountBalance, AuditRecord, LedgerEntry};
use serde_json::{Value, json};

use super::{Pages, bare, micros};
use crate::cli::VerifyArgs;
use crate::connect::Connections;
use crate::output;

/// Debits and credits by account and currency.
type Sums = BTreeMap<(String, String), (i64, i64)>;

/// Something that a chain has to agree with at one position.
#[derive(Debug)]
struct Checkpoint {
    /// Who says so.
    source: &'static str,
    /// Position and hash.
    head: Head,
    /// Every account, as of that position; `None` when only the hash is known.
    sums: Option<Sums>,
}

/// A chain that is being recomputed.
#[derive(Debug, Default)]
struct Chain {
    walk: Walk,
    sums: Sums,
    checkpoints: Vec<Checkpoint>,
}

impl Chain {
    /// From the first entry, past `checkpoints`.
    fn new(checkpoints: Vec<Checkpoint>) -> Result<Self, String> {
        let mut chain = Self { checkpoints, ..Self::default() };
        chain.compare()?;
        Ok(chain)
    }

    /// Takes the next movement.
    fn movement(&mut self, tenant: &str, entry: &LedgerEntry) -> Result<(), String> {
        let fields = LedgerFields {
            tenant,
            position: entry.position,
            kind: &entry.kind,
            attempt: &entry.attempt_id,
            phase: entry.phase,
            refund: bare(&entry.refund, "refunds"),
            debit: &entry.debit,
            credit: &entry.credit,
            currency: &entry.currency_code,
            amount: entry.amount,
            created: micros(entry.create_time.as_ref()),
        };
        self.step(entry.position, &fields.canonical(), &entry.hash)?;
        if entry.amount <= 0 || entry.debit == entry.credit {
            return Err(format!("position {} moves nothing", entry.position));
        }
        let key = |account: &String| (account.clone(), entry.currency_code.clone());
        let (debit, credit) = (key(&entry.debit), key(&entry.credit));
        let debits = &mut self.sums.entry(debit).or_default().0;
        *debits = debits.saturating_add(entry.amount);
        let credits = &mut self.sums.entry(credit).or_default().1;
        *credits = credits.saturating_add(entry.amount);
        self.compare()
    }

    /// Takes the next record of the audit log.
    fn record(&mut self, tenant: &str, record: &AuditRecord) -> Result<(), String> {
        let details = record.details.iter().map(|detail| (&*detail.name, &*detail.value));
        let fields = AuditFields {
            tenant,
            position: record.position,
            id: bare(&record.name, "auditRecords"),
            actor: &record.actor,
            roles: record.roles.iter().map(String::as_str).collect(),
            action: &record.action,
            resource: &record.resource,
            reason: &record.reason,
            details: details.collect(),
            created: micros(record.create_time.as_ref()),
        };
        self.step(record.position, &fields.canonical(), &record.hash)?;
        self.compare()
    }

    fn step(&mut self, position: i64, canonical: &[u8], hash: &[u8]) -> Result<(), String> {
        let hash = Hash::try_from(hash).map_err(|error| format!("position {position}: {error}"))?;
        self.walk.step(position, canonical, hash).map_err(|broken| broken.to_string())
    }

    /// Compares with whatever is known of the position that was reached.
    fn compare(&mut self) -> Result<(), String> {
        let head = self.walk.head();
        for known in self.checkpoints.iter().filter(|known| known.head.position == head.position) {
            let source = known.source;
            if known.head.hash != head.hash {
                return Err(format!("{source} has {}, the chain gives {head}", known.head));
            }
            let Some(sums) = &known.sums else { continue };
            if let Some(difference) = first_difference(sums, &self.sums) {
                return Err(format!("position {}: {source} {difference}", head.position));
            }
        }
        self.checkpoints.retain(|known| known.head.position > head.position);
        Ok(())
    }

    /// The end of the chain, unless something is known of a place behind it.
    fn end(self) -> Result<Head, String> {
        let head = self.walk.head();
        match self.checkpoints.first() {
            Some(known) => Err(format!(
                "{} has {}, but the chain ends at {head}: its end was cut off",
                known.source, known.head
            )),
            None => Ok(head),
        }
    }
}

/// The first account that two sums do not agree on.
fn first_difference(said: &Sums, computed: &Sums) -> Option<String> {
    let of = |sums: &Sums, key| sums.get(key).copied().unwrap_or_default();
    said.keys().chain(computed.keys()).find(|key| of(said, key) != of(computed, key)).map(|key| {
        let ((debits, credits), (d, c)) = (of(said, key), of(computed, key));
        format!(
            "says {}: {} has debits {debits} and credits {credits}, the entries sum to {d} and {c}",
            key.1, key.0
        )
    })
}

/// What the service says of the accounts at the head of the chain.
fn checkpoint(
    source: &'static str,
    accounts: &[AccountBalance],
    position: i64,
    hash: &[u8],
) -> Result<Checkpoint> {
    let of_chain = |row: &AccountBalance| {
        let sums = (
            row.debits.saturating_sub(row.unchained_debits),
            row.credits.saturating_sub(row.unchained_credits),
        );
        ((row.account.clone(), row.currency_code.clone()), sums)
    };
    let sums = accounts.iter().map(of_chain).filter(|(_, sums)| *sums != (0, 0)).collect();
    let head = Head { position, hash: Hash::try_from(hash)? };
    Ok(Checkpoint { source, head, sums: Some(sums) })
}

fn noted(head: Head) -> Checkpoint {
    Checkpoint { source: "the head noted earlier", head, sums: None }
}

/// What was found.
struct Findings {
    /// How far the books go, when their chain fits.
    ledger: Option<Head>,
    /// How far the audit log goes, when its chain fits.
    audit: Option<Head>,
    differences: Vec<String>,
}

pub(super) async fn run(args: &VerifyArgs) -> Result<ExitCode> {
    let connections = Connections::open(&args.caller)?;
    let found = verify(&connections, args).await?;
    let sound = found.differences.is_empty();
    if args.caller.json {
        output::json(&json!({
            "tenant": connections.tenant().as_str(),
            "sound": sound,
            "ledger": head_json(found.ledger),
            "audit": head_json(found.audit),
            "differences": found.differences,
        }))?;
    } else {
        for (chain, head) in [("ledger", found.ledger), ("audit", found.audit)] {
            if let Some(head) = head {
                output::line(format!("{chain} {head}"));
            }
        }
        found.differences.iter().for_each(output::line);
        output::line(if sound { "sound" } else { "NOT sound" });
    }
    Ok(if sound { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

fn head_json(head: Option<Head>) -> Value {
    head.map_or(
        Value::Null,
        |head| json!({ "position": head.position, "hash": head.hash.to_string() }),
    )
}

async fn verify(connections: &Connections, args: &VerifyArgs) -> Result<Findings> {
    // Both before the walk, so that it reaches the positions that they speak of.
    let report = super::report(connections).await?;
    let mut pages = Pages::open(connections)?;
    let accounts = pages.balances().await?;
    let mut known: Vec<Checkpoint> = args.expect.map(noted).into_iter().collect();
    known.push(checkpoint(
        "CheckLedger",
        &report.accounts,
        report.chain_position,
        &report.chain_hash,
    )?);
    known.push(checkpoint(
        "ListAccountBalances",
        &accounts.accounts,
        accounts.chain_position,
        &accounts.chain_hash,
    )?);
    let noted_audit = args.expect_audit.map(noted).into_iter().collect();

    let bar = progress(args.caller.json);
    let tenant = connections.tenant().as_str();
    let mut differences = Vec::new();
    let ledger = walk_ledger(&mut pages, tenant, known, &bar).await?;
    let ledger = ledger.map_err(|found| differences.push(format!("ledger: {found}"))).ok();
    let audit = walk_audit(&mut pages, tenant, noted_audit, &bar).await?;
    let audit = audit.map_err(|found| differences.push(format!("audit: {found}"))).ok();
    bar.finish_and_clear();
    let of_service = report.differences.iter().map(|found| format!("CheckLedger: {found}"));
    differences.extend(of_service);
    Ok(Findings { ledger, audit, differences })
}

fn progress(quiet: bool) -> ProgressBar {
    let target = if quiet { ProgressDrawTarget::hidden() } else { ProgressDrawTarget::stderr() };
    let bar = ProgressBar::with_draw_target(None, target);
    if let Ok(style) = ProgressStyle::with_template("{bar:40} {pos}/{len} {msg}, {elapsed}") {
        bar.set_style(style);
    }
    bar
}

/// The end of the books, or the first place that does not fit.
async fn walk_ledger(
    pages: &mut Pages,
    tenant: &str,
    known: Vec<Checkpoint>,
    bar: &ProgressBar,
) -> Result<Result<Head, String>> {
    bar.set_message("movements");
    let mut chain = match Chain::new(known) {
        Ok(chain) => chain,
        Err(found) => return Ok(Err(found)),
    };
    let mut token = String::new();
    loop {
        let page = pages.entries("", &token).await?;
        for entry in &page.entries {
            if let Err(found) = chain.movement(tenant, entry) {
                return Ok(Err(found));
            }
        }
        show(bar, chain.walk.head(), page.chain_position);
        if page.next_page_token.is_empty() {
            return Ok(chain.end());
        }
        token = page.next_page_token;
    }
}

/// The end of the audit log, or the first place that does not fit.
async fn walk_audit(
    pages: &mut Pages,
    tenant: &str,
    known: Vec<Checkpoint>,
    bar: &ProgressBar,
) -> Result<Result<Head, String>> {
    bar.set_message("audit records");
    let mut chain = match Chain::new(known) {
        Ok(chain) => chain,
        Err(found) => return Ok(Err(found)),
    };
    let mut token = String::new();
    loop {
        let page = pages.audit("", &token).await?;
        for record in &page.audit_records {
            if let Err(found) = chain.record(tenant, record) {
                return Ok(Err(found));
            }
        }
        show(bar, chain.walk.head(), page.chain_position);
        if page.next_page_token.is_empty() {
            return Ok(chain.end());
        }
        token = page.next_page_token;
    }
}

fn show(bar: &ProgressBar, head: Head, end: i64) {
    bar.set_length(end.unsigned_abs());
    bar.set_position(head.position.unsigned_abs());
}

#[cfg(test)]
mod tests;
