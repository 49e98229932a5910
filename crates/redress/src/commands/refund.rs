//! `redress refund`: single refunds, from the price to the provider.

use anyhow::{Context as _, Result};
use redress_proto::common::v1::Money as WireMoney;
use redress_proto::refunds::v1::refund_service_client::RefundServiceClient;
use redress_proto::refunds::v1::{
    CreateRefundRequest, CreditNote, CreditNoteLine, GetRefundRequest, OrderRefund, Quote,
    QuoteRefundRequest, Refund, RefundDecision, refund, refund_attempt,
};
use serde_json::{Value, json};

use super::{deadlines, request_id, resource};
use crate::cli::{GetArgs, PayArgs, QuoteArgs, ServiceName};
use crate::connect::Connections;
use crate::output;

/// An amount for people, such as `EUR 107.81`.
pub(crate) fn money(amount: Option<&WireMoney>) -> String {
    let Some(amount) = amount else { return String::new() };
    let known = amount
        .currency_code
        .parse()
        .and_then(|currency| redress_core::money::Money::new(currency, amount.minor_units));
    known.map_or_else(
        |_| format!("{} {}", amount.currency_code, amount.minor_units),
        |money| money.to_string(),
    )
}

pub(crate) fn money_json(amount: Option<&WireMoney>) -> Value {
    amount.map_or(Value::Null, |amount| {
        json!({ "currency_code": amount.currency_code, "minor_units": amount.minor_units })
    })
}

pub(crate) fn time_text(time: Option<&prost_types::Timestamp>) -> String {
    time.map_or_else(|| "unknown".to_owned(), ToString::to_string)
}

pub(super) async fn quote(args: &QuoteArgs) -> Result<()> {
    let connections = Connections::open(&args.caller)?;
    let order = resource("orders", &args.order);
    let quote = get_quote(&connections, &order, args.lines.clone()).await?;
    if args.caller.json {
        return output::json(&quote_json(&quote));
    }
    show_quote(&quote);
    output::line(format!(
        "Pay it with: redress refund pay {} --entitlement-voided",
        quote.name.trim_start_matches("quotes/")
    ));
    Ok(())
}

/// A quote of the withdrawal from lines of an order, or from all its tickets.
pub(crate) async fn get_quote(
    connections: &Connections,
    order: &str,
    line_ids: Vec<String>,
) -> Result<Quote> {
    let request = QuoteRefundRequest {
        order: order.to_owned(),
        line_ids,
        request_id: request_id(),
        ..QuoteRefundRequest::default()
    };
    let mut client = RefundServiceClient::new(connections.unary(ServiceName::Refunds)?);
    let quote = client.quote_refund(request).await.context("the refund cannot be quoted")?;
    Ok(quote.into_inner())
}

/// Shows a quote as a table.
pub(crate) fn show_quote(quote: &Quote) {
    let rows = quote.lines.iter().map(|line| {
        [
            line.line_id.clone(),
            line.rule.clone(),
            money(line.gross.as_ref()),
            money(line.fee.as_ref()),
            money(line.refund.as_ref()),
        ]
    });
    output::table(["line", "rule", "price", "fee kept", "refund"], rows);
    let title = quote.citation.as_ref().map_or("", |citation| citation.title.as_str());
    output::line(format!(
        "{} back by {} ({title}, {} version {}); the offer stands until {}",
        money(quote.total.as_ref()),
        time_text(quote.legal_deadline_time.as_ref()),
        quote.policy,
        quote.policy_version,
        time_text(quote.expire_time.as_ref()),
    ));
}

fn quote_json(quote: &Quote) -> Value {
    let lines: Vec<Value> = quote
        .lines
        .iter()
        .map(|line| {
            json!({
                "line_id": line.line_id,
                "gross": money_json(line.gross.as_ref()),
                "fee": money_json(line.fee.as_ref()),
                "refund": money_json(line.refund.as_ref()),
                "rule": line.rule,
            })
        })
        .collect();
    json!({
        "name": quote.name,
        "order": quote.order,
        "lines": lines,
        "total": money_json(quote.total.as_ref()),
        "policy": quote.policy,
        "policy_version": quote.policy_version,
        "legal_deadline_time": quote.legal_deadline_time.as_ref().map(ToString::to_string),
        "legal_clock": deadlines::clock_json(quote.legal_clock.as_ref()),
        "expected_arrival_time": quote.expected_arrival_time.as_ref().map(ToString::to_string),
        "expire_time": quote.expire_time.as_ref().map(ToString::to_string),
    })
}

pub(super) async fn pay(args: &PayArgs) -> Result<()> {
    let connections = Connections::open(&args.caller)?;
    let selection = args.order.as_ref().map(|order| OrderRefund {
        order: resource("orders", order),
        line_ids: args.lines.clone(),
        ..OrderRefund::default()
    });
    let request = CreateRefundRequest {
        quote: args.quote.as_ref().map(|quote| resource("quotes", quote)).unwrap_or_default(),
        order_refund: selection,
        entitlement_voided: args.entitlement_voided,
        reason: args.reason.clone(),
        request_id: request_id(),
        ..CreateRefundRequest::default()
    };
    let refund = create(&connections, request).await?;
    show_refund(&refund, args.caller.json)
}

/// Accepts the quote of this name.
pub(crate) async fn accept(connections: &Connections, quote: &str) -> Result<Refund> {
    let request = CreateRefundRequest {
        quote: quote.to_owned(),
        request_id: request_id(),
        entitlement_voided: true,
        ..CreateRefundRequest::default()
    };
    create(connections, request).await
}

async fn create(connections: &Connections, request: CreateRefundRequest) -> Result<Refund> {
    let mut client = RefundServiceClient::new(connections.unary(ServiceName::Refunds)?);
    let refund = client.create_refund(request).await.context("the refund was not created")?;
    Ok(refund.into_inner())
}

/// A refund by its resource name.
pub(crate) async fn read(connections: &Connections, name: &str) -> Result<Refund> {
    let mut client = RefundServiceClient::new(connections.unary(ServiceName::Refunds)?);
    let request = GetRefundRequest { name: name.to_owned() };
    Ok(client.get_refund(request).await.context("the refund cannot be read")?.into_inner())
}

pub(super) async fn get(args: &GetArgs) -> Result<()> {
    let connections = Connections::open(&args.caller)?;
    let refund = read(&connections, &resource("refunds", &args.refund)).await?;
    show_refund(&refund, args.caller.json)
}

pub(super) fn show_refund(refund: &Refund, as_json: bool) -> Result<()> {
    if as_json {
        return output::json(&refund_json(refund));
    }
    output::line(format!(
        "{} of {}: {}, {} of {} paid, due by {}",
        refund.name,
        refund.order,
        refund.state().as_str_name(),
        money(refund.issued.as_ref()),
        money(refund.requested.as_ref()),
        due_by(refund),
    ));
    if refund.state() == refund::State::Attention {
        output::line(format!("{}: {}", refund.reason_code, refund.next_action));
    }
    let rows = refund.attempts.iter().map(|attempt| {
        [
            attempt.attempt_id.clone(),
            attempt.provider.clone(),
            attempt.state().as_str_name().to_owned(),
            attempt.provider_reference.clone(),
            money(attempt.amount.as_ref()),
        ]
    });
    output::table(["attempt", "provider", "state", "reference", "amount"], rows);
    for decision in &refund.decisions {
        let (action, actor) = (&decision.action, &decision.actor);
        let reason = if decision.reason.is_empty() { "" } else { ": " };
        let when = time_text(decision.time.as_ref());
        output::line(format!("{when} {action} by {actor}{reason}{}", decision.reason));
    }
    Ok(())
}

/// The end of the legal clock with its law, as far as they are known.
fn due_by(refund: &Refund) -> String {
    let Some(clock) = &refund.legal_clock else {
        return time_text(refund.legal_deadline_time.as_ref());
    };
    let law = deadlines::law(clock);
    let since = time_text(clock.start_time.as_ref());
    let law = if law.is_empty() { law } else { format!("{law}, ") };
    format!("{} ({law}counted from {since})", deadlines::due_text(clock))
}

pub(super) fn refund_json(refund: &Refund) -> Value {
    let attempt = |attempt: &redress_proto::refunds::v1::RefundAttempt| {
        let state: refund_attempt::State = attempt.state();
        json!({
            "attempt_id": attempt.attempt_id,
            "payment_id": attempt.payment_id,
            "provider": attempt.provider,
            "state": state.as_str_name(),
            "amount": money_json(attempt.amount.as_ref()),
            "provider_reference": attempt.provider_reference,
            "reason_code": attempt.reason_code,
        })
    };
    json!({
        "name": refund.name,
        "order": refund.order,
        "state": refund.state().as_str_name(),
        "requested": money_json(refund.requested.as_ref()),
        "issued": money_json(refund.issued.as_ref()),
        "reason_code": refund.reason_code,
        "next_action": refund.next_action,
        "legal_deadline_time": refund.legal_deadline_time.as_ref().map(ToString::to_string),
        "legal_clock": deadlines::clock_json(refund.legal_clock.as_ref()),
        "attempts": refund.attempts.iter().map(attempt).collect::<Vec<_>>(),
        "approver": refund.approver,
        "credit_notes": refund.credit_notes.iter().map(credit_note_json).collect::<Vec<_>>(),
        "decisions": refund.decisions.iter().map(decision_json).collect::<Vec<_>>(),
    })
}

fn credit_note_json(note: &CreditNote) -> Value {
    let line = |line: &CreditNoteLine| {
        json!({
            "line_id": line.line_id,
            "amount": money_json(line.amount.as_ref()),
            "tax": money_json(line.tax.as_ref()),
        })
    };
    json!({
        "attempt_id": note.attempt_id,
        "issue_time": note.issue_time.as_ref().map(ToString::to_string),
        "total": money_json(note.total.as_ref()),
        "tax": money_json(note.tax.as_ref()),
        "lines": note.lines.iter().map(line).collect::<Vec<_>>(),
    })
}

fn decision_json(decision: &RefundDecision) -> Value {
    json!({
        "action": decision.action,
        "actor": decision.actor,
        "reason": decision.reason,
        "details": decision.details,
        "time": decision.time.as_ref().map(ToString::to_string),
    })
}
