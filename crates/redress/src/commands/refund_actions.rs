//! `redress refund approve`, `reject`, `cancel`, `retry`, `resolve`, `watch` and `list`: what people
//! do about refunds.

use anyhow::{Context as _, Result};
use redress_core::caller::Role;
use redress_proto::refunds::v1::refund_service_client::RefundServiceClient;
use redress_proto::refunds::v1::resolve_attempt_request::Outcome;
use redress_proto::refunds::v1::{
    ApproveRefundRequest, CancelRefundRequest, ListRefundsRequest, Refund, RejectRefundRequest,
    ResolveAttemptRequest, RetryRefundRequest, WatchRefundRequest,
};
use serde_json::{Value, json};

use super::refund::{money, refund_json, show_refund};
use super::{request_id, resource};
use crate::cli::{ActArgs, GetArgs, ListRefundsArgs, ResolveArgs, ServiceName};
use crate::connect::Connections;
use crate::output;

/// What the commands that share [`ActArgs`] do.
#[derive(Debug, Clone, Copy)]
pub(super) enum Act {
    Approve,
    Reject,
    Cancel,
    Retry,
}

pub(super) async fn act(args: &ActArgs, act: Act) -> Result<()> {
    let role = match act {
        Act::Approve | Act::Reject => Role::Supervisor,
        Act::Cancel | Act::Retry => Role::Agent,
    };
    let connections = Connections::open_as(&args.caller, &[role])?;
    let mut client = RefundServiceClient::new(connections.unary(ServiceName::Refunds)?);
    let (name, etag) = (resource("refunds", &args.refund), String::new());
    let (request_id, reason) = (request_id(), args.reason.clone());
    let answer = match act {
        Act::Approve => {
            let request = ApproveRefundRequest { name, request_id, etag, reason };
            client.approve_refund(request).await
        }
        Act::Reject => {
            let request = RejectRefundRequest { name, request_id, etag, reason };
            client.reject_refund(request).await
        }
        Act::Cancel => {
            let request = CancelRefundRequest { name, request_id, etag, reason };
            client.cancel_refund(request).await
        }
        Act::Retry => {
            let request = RetryRefundRequest { name, request_id, etag, reason };
            client.retry_refund(request).await
        }
    };
    let refund = answer.context("the refund stays as it was")?.into_inner();
    show_refund(&refund, args.caller.json)
}

pub(super) async fn resolve(args: &ResolveArgs) -> Result<()> {
    let connections = Connections::open_as(&args.caller, &[Role::Finance])?;
    let outcome = if args.paid { Outcome::Paid } else { Outcome::NotPaid };
    let request = ResolveAttemptRequest {
        name: resource("refunds", &args.refund),
        attempt_id: args.attempt.clone(),
        outcome: outcome.into(),
        provider_reference: args.reference.clone().unwrap_or_default(),
        reason: args.reason.clone(),
        request_id: request_id(),
        etag: String::new(),
    };
    let mut client = RefundServiceClient::new(connections.unary(ServiceName::Refunds)?);
    let answer = client.resolve_attempt(request).await;
    let refund = answer.context("the attempt stays as it was")?.into_inner();
    show_refund(&refund, args.caller.json)
}

pub(super) async fn watch(args: &GetArgs) -> Result<()> {
    let connections = Connections::open(&args.caller)?;
    let request = WatchRefundRequest { name: resource("refunds", &args.refund) };
    let mut client = RefundServiceClient::new(connections.streaming(ServiceName::Refunds)?);
    let answer = client.watch_refund(request).await.context("the refund cannot be watched")?;
    let mut versions = answer.into_inner();
    let mut last = None;
    while let Some(refund) = versions.message().await.context("the watch has ended early")? {
        if !args.caller.json {
            output::line(line_of(&refund));
        }
        last = Some(refund);
    }
    let last = last.context("the service told nothing about the refund")?;
    if args.caller.json { output::json(&refund_json(&last)) } else { Ok(()) }
}

fn line_of(refund: &Refund) -> String {
    let (issued, requested) = (money(refund.issued.as_ref()), money(refund.requested.as_ref()));
    let state = refund.state().as_str_name();
    let needs = [refund.reason_code.as_str(), refund.next_action.as_str()];
    let needs = needs.into_iter().filter(|code| !code.is_empty()).collect::<Vec<_>>().join(", ");
    format!("{state:<16} {issued} of {requested} paid {needs}").trim_end().to_owned()
}

pub(super) async fn list(args: &ListRefundsArgs) -> Result<()> {
    let connections = Connections::open(&args.caller)?;
    let mut client = RefundServiceClient::new(connections.unary(ServiceName::Refunds)?);
    let mut request =
        ListRefundsRequest { page_size: 1000, filter: filter(args), ..Default::default() };
    let mut found: Vec<Refund> = Vec::new();
    loop {
        let page = client.list_refunds(request.clone()).await;
        let page = page.context("the refunds cannot be listed")?.into_inner();
        found.extend(page.refunds);
        if page.next_page_token.is_empty() || found.len() >= args.limit {
            break;
        }
        request.page_token = page.next_page_token;
    }
    found.truncate(args.limit);
    if args.caller.json {
        return output::json(&json!(found.iter().map(refund_json).collect::<Vec<Value>>()));
    }
    let rows = found.iter().map(|refund| {
        [
            refund.name.clone(),
            refund.order.clone(),
            refund.state().as_str_name().to_owned(),
            refund.reason_code.clone(),
            money(refund.issued.as_ref()),
            money(refund.requested.as_ref()),
        ]
    });
    output::table(["refund", "order", "state", "reason", "paid", "asked for"], rows);
    Ok(())
}

/// The conditions of the options, in the filter's language.
fn filter(args: &ListRefundsArgs) -> String {
    let named = |field: &str, collection: &str, id: &Option<String>| {
        let id = id.as_deref()?;
        Some(format!("{field} = \"{}\"", resource(collection, id)))
    };
    let state = args.state.as_ref().map(|state| format!("state = \"{}\"", state.to_uppercase()));
    let conditions = [
        named("order", "orders", &args.order),
        named("customer", "customers", &args.customer),
        named("disruption", "disruptions", &args.disruption),
        state,
    ];
    conditions.into_iter().flatten().collect::<Vec<_>>().join(" AND ")
}
