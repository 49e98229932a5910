//! `RefundService`.

use futures::StreamExt as _;
use futures::stream::BoxStream;
use prost::Message as _;
use redress_api::page::Page;
use redress_api::request_id::RequestKey;
use redress_api::{ApiError, Valid, money, time, validated};
use redress_core::caller::Caller;
use redress_core::id::{AttemptId, OrderId, QuoteId, RefundId};
use redress_proto::refunds::v1 as pb;
use redress_proto::refunds::v1::refund_service_server::RefundService;
use tonic::{Request, Response, Status};

use super::convert::{self, deadline, filter, ledger, refund, withdrawal};
use super::status::refuse;
use super::{answer, caller};
use crate::app::{self, Refunds};
use crate::domain::act::{self, Action};

const QUOTE_REFUND: &str = "redress.refunds.v1.RefundService/QuoteRefund";
const CREATE_REFUND: &str = "redress.refunds.v1.RefundService/CreateRefund";
const APPROVE_REFUND: &str = "redress.refunds.v1.RefundService/ApproveRefund";
const REJECT_REFUND: &str = "redress.refunds.v1.RefundService/RejectRefund";
const CANCEL_REFUND: &str = "redress.refunds.v1.RefundService/CancelRefund";
const RETRY_REFUND: &str = "redress.refunds.v1.RefundService/RetryRefund";
const RESOLVE_ATTEMPT: &str = "redress.refunds.v1.RefundService/ResolveAttempt";
const LIST_REFUNDS: &str = "redress.refunds.v1.RefundService/ListRefunds";
const LIST_REFUND_DEADLINES: &str = "redress.refunds.v1.RefundService/ListRefundDeadlines";

/// `RefundService` over the use cases.
#[derive(Clone)]
pub struct RefundGrpc {
    app: Refunds,
}

impl RefundGrpc {
    /// Serves `app`.
    pub const fn new(app: Refunds) -> Self {
        Self { app }
    }
}

impl RefundGrpc {
    /// Hands what a person decided to the use case.
    async fn act(
        &self,
        caller: Caller,
        name: &str,
        action: Action,
        reason: String,
        etag: String,
        key: &RequestKey,
    ) -> Result<Response<pb::Refund>, Status> {
        let ask = app::ActOnRefund {
            id: convert::id(RefundId::from_resource_name, name, "name")?,
            action,
            actor: caller.subject,
            roles: caller.roles,
            reason,
            etag,
            request: app::Request { key, encode: |r| refund::to_proto(r).encode_to_vec() },
        };
        let outcome = app::act_on_refund(&self.app, ask).await.map_err(refuse)?;
        Ok(Response::new(answer(outcome, refund::to_proto)?))
    }
}

/// What a refund is to pay: one of the two ways to say it.
fn wanted(quote: &str, selection: Option<pb::OrderRefund>) -> Result<app::Wanted, ApiError> {
    match (quote, selection) {
        ("", Some(selection)) => {
            let order =
                convert::id(OrderId::from_resource_name, &selection.order, "order_refund.order")?;
            let withdrawal = withdrawal::read(selection.into(), "order_refund")?;
            Ok(app::Wanted::Withdrawal(order, withdrawal))
        }
        (_, None) if !quote.is_empty() => {
            Ok(app::Wanted::Quote(convert::id(QuoteId::from_resource_name, quote, "quote")?))
        }
        _ => Err(ApiError::invalid("quote", "give either a quote or an order_refund")),
    }
}

/// What a person says about an attempt.
fn resolution(message: &pb::ResolveAttemptRequest) -> Result<Action, ApiError> {
    use pb::resolve_attempt_request::Outcome;
    let reference = message.provider_reference.clone();
    let outcome = match message.outcome() {
        Outcome::Paid => act::Outcome::Paid { reference },
        Outcome::NotPaid if reference.is_empty() => act::Outcome::NotPaid,
        _ => {
            let text = "belongs to the outcome PAID: leave it empty";
            return Err(ApiError::invalid("provider_reference", text));
        }
    };
    let attempt = AttemptId::new(message.attempt_id.as_str())
        .map_err(|error| ApiError::invalid("attempt_id", error.to_string()))?;
    Ok(Action::Resolve { attempt, outcome })
}

#[tonic::async_trait]
impl RefundService for RefundGrpc {
    type WatchRefundStream = BoxStream<'static, Result<pb::Refund, Status>>;

    async fn quote_refund(
        &self,
        request: Request<pb::QuoteRefundRequest>,
    ) -> Result<Response<pb::Quote>, Status> {
        let Valid { caller, mut message, .. } = validated(request)?;
        let request_id = std::mem::take(&mut message.request_id);
        let key = RequestKey::new(&caller.tenant, QUOTE_REFUND, &request_id, &message);
        let ask = app::QuoteRefund {
            order: convert::id(OrderId::from_resource_name, &message.order, "order")?,
            language: convert::language(&message.language_code, "language_code")?,
            withdrawal: withdrawal::read(message.into(), "")?,
            request: app::Request { key: &key, encode: |q| refund::quote(q).encode_to_vec() },
        };
        let outcome = app::quote_refund(&self.app, ask).await.map_err(refuse)?;
        Ok(Response::new(answer(outcome, refund::quote)?))
    }

    async fn create_refund(
        &self,
        request: Request<pb::CreateRefundRequest>,
    ) -> Result<Response<pb::Refund>, Status> {
        let Valid { caller, mut message, meta } = validated(request)?;
        let request_id = std::mem::take(&mut message.request_id);
        // A check under the id of a real call, before or after it, tells what that call answers.
        let validate_only = std::mem::take(&mut message.validate_only);
        let key = RequestKey::new(&caller.tenant, CREATE_REFUND, &request_id, &message);
        let expected = message.expected_refundable.as_ref();
        let expected = expected.map(|money| money::from_proto(money, "expected_refundable"));
        let ask = app::CreateRefund {
            wanted: wanted(&message.quote, message.order_refund)?,
            entitlement_voided: message.entitlement_voided,
            validate_only,
            expected_refundable: expected
                .transpose()
                .map_err(|violation| ApiError::invalid_fields(vec![violation]))?,
            reason: message.reason,
            requester: caller.subject,
            roles: caller.roles,
            traceparent: meta.traceparent,
            request: app::Request { key: &key, encode: |r| refund::to_proto(r).encode_to_vec() },
        };
        let outcome = app::create_refund(&self.app, ask).await.map_err(refuse)?;
        let encode = if validate_only { refund::unnamed } else { refund::to_proto };
        Ok(Response::new(answer(outcome, encode)?))
    }

    async fn get_refund(
        &self,
        request: Request<pb::GetRefundRequest>,
    ) -> Result<Response<pb::Refund>, Status> {
        let Valid { caller, message, .. } = validated(request)?;
        let id = convert::id(RefundId::from_resource_name, &message.name, "name")?;
        let found = app::get_refund_with_decisions(&self.app, &caller.tenant, &id).await;
        let (found, decisions) = found.map_err(refuse)?;
        Ok(Response::new(refund::with_decisions(&found, &decisions)))
    }

    async fn approve_refund(
        &self,
        request: Request<pb::ApproveRefundRequest>,
    ) -> Result<Response<pb::Refund>, Status> {
        let Valid { caller, mut message, .. } = validated(request)?;
        let request_id = std::mem::take(&mut message.request_id);
        let key = RequestKey::new(&caller.tenant, APPROVE_REFUND, &request_id, &message);
        let pb::ApproveRefundRequest { name, etag, reason, .. } = message;
        self.act(caller, &name, Action::Approve, reason, etag, &key).await
    }

    async fn reject_refund(
        &self,
        request: Request<pb::RejectRefundRequest>,
    ) -> Result<Response<pb::Refund>, Status> {
        let Valid { caller, mut message, .. } = validated(request)?;
        let request_id = std::mem::take(&mut message.request_id);
        let key = RequestKey::new(&caller.tenant, REJECT_REFUND, &request_id, &message);
        let pb::RejectRefundRequest { name, etag, reason, .. } = message;
        self.act(caller, &name, Action::Reject, reason, etag, &key).await
    }

    async fn cancel_refund(
        &self,
        request: Request<pb::CancelRefundRequest>,
    ) -> Result<Response<pb::Refund>, Status> {
        let Valid { caller, mut message, .. } = validated(request)?;
        let request_id = std::mem::take(&mut message.request_id);
        let key = RequestKey::new(&caller.tenant, CANCEL_REFUND, &request_id, &message);
        let pb::CancelRefundRequest { name, etag, reason, .. } = message;
        self.act(caller, &name, Action::Cancel, reason, etag, &key).await
    }

    async fn retry_refund(
        &self,
        request: Request<pb::RetryRefundRequest>,
    ) -> Result<Response<pb::Refund>, Status> {
        let Valid { caller, mut message, .. } = validated(request)?;
        let request_id = std::mem::take(&mut message.request_id);
        let key = RequestKey::new(&caller.tenant, RETRY_REFUND, &request_id, &message);
        let pb::RetryRefundRequest { name, etag, reason, .. } = message;
        self.act(caller, &name, Action::Retry, reason, etag, &key).await
    }

    async fn resolve_attempt(
        &self,
        request: Request<pb::ResolveAttemptRequest>,
    ) -> Result<Response<pb::Refund>, Status> {
        let Valid { caller, mut message, .. } = validated(request)?;
        let request_id = std::mem::take(&mut message.request_id);
        let key = RequestKey::new(&caller.tenant, RESOLVE_ATTEMPT, &request_id, &message);
        let action = resolution(&message)?;
        let pb::ResolveAttemptRequest { name, etag, reason, .. } = message;
        self.act(caller, &name, action, reason, etag, &key).await
    }

    async fn watch_refund(
        &self,
        request: Request<pb::WatchRefundRequest>,
    ) -> Result<Response<Self::WatchRefundStream>, Status> {
        let Valid { caller, message, .. } = validated(request)?;
        let id = convert::id(RefundId::from_resource_name, &message.name, "name")?;
        let versions = app::watch_refund(&self.app, caller.tenant, id).await.map_err(refuse)?;
        let encoded = versions.map(|version| match version {
            Ok(version) => Ok(refund::to_proto(&version)),
            Err(error) => Err(refuse(error)),
        });
        Ok(Response::new(encoded.boxed()))
    }

    async fn list_refunds(
        &self,
        request: Request<pb::ListRefundsRequest>,
    ) -> Result<Response<pb::ListRefundsResponse>, Status> {
        let Valid { caller, message, .. } = validated(request)?;
        let (size, token) = (message.page_size, message.page_token.as_str());
        let page = Page::read(&caller.tenant, LIST_REFUNDS, &[&message.filter], size, token)?;
        let filter = filter::refunds(&message.filter)?;
        let rows = convert::store_page(&page, true);
        let listed =
            app::list_refunds(&self.app, &caller.tenant, &filter, &rows).await.map_err(refuse)?;
        Ok(Response::new(pb::ListRefundsResponse {
            next_page_token: convert::next_page_token(&page, &listed, |refund| refund.id.as_str()),
            total_size: listed.total.unwrap_or_default(),
            refunds: listed.rows.iter().map(refund::to_proto).collect(),
        }))
    }

    async fn list_refund_deadlines(
        &self,
        request: Request<pb::ListRefundDeadlinesRequest>,
    ) -> Result<Response<pb::ListRefundDeadlinesResponse>, Status> {
        let Valid { caller, message, .. } = validated(request)?;
        let before = time::optional(message.due_before.as_ref(), "due_before")
            .map_err(|violation| ApiError::invalid_fields(vec![violation]))?;
        let asked = app::DeadlinesAsked { before, missed_only: message.missed_only };
        let text = before.map(|before| before.0.to_string()).unwrap_or_default();
        let arguments = [text.as_str(), if asked.missed_only { "missed" } else { "" }];
        let (size, token) = (message.page_size, message.page_token.as_str());
        let page = Page::read(&caller.tenant, LIST_REFUND_DEADLINES, &arguments, size, token)?;
        let rows = deadline::deadline_page(&page)?;
        let listed = app::list_refund_deadlines(&self.app, &caller.tenant, asked, &rows)
            .await
            .map_err(refuse)?;
        let last = listed.rows.last().filter(|_| listed.more);
        Ok(Response::new(pb::ListRefundDeadlinesResponse {
            next_page_token: last
                .map(|(last, _)| deadline::token_after(&page, last))
                .unwrap_or_default(),
            deadlines: listed
                .rows
                .iter()
                .map(|(open, missed)| deadline::deadline(open, *missed))
                .collect(),
        }))
    }

    async fn check_ledger(
        &self,
        request: Request<pb::CheckLedgerRequest>,
    ) -> Result<Response<pb::LedgerReport>, Status> {
        let tenant = &caller(request.extensions())?.tenant;
        let check = app::check_ledger(&self.app, tenant).await.map_err(refuse)?;
        Ok(Response::new(ledger::report(check)))
    }
}
