//! `RefundService`.

use prost::Message as _;
use redress_api::page::Page;
use redress_api::request_id::RequestKey;
use redress_api::{Valid, validated};
use redress_core::id::{OrderId, QuoteId, RefundId};
use redress_proto::refunds::v1 as pb;
use redress_proto::refunds::v1::refund_service_server::RefundService;
use tonic::{Request, Response, Status};

use super::convert::{self, filter, ledger, refund};
use super::status::refuse;
use super::{answer, caller};
use crate::app::{self, Refunds};

const QUOTE_REFUND: &str = "redress.refunds.v1.RefundService/QuoteRefund";
const CREATE_REFUND: &str = "redress.refunds.v1.RefundService/CreateRefund";
const LIST_REFUNDS: &str = "redress.refunds.v1.RefundService/ListRefunds";

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

#[tonic::async_trait]
impl RefundService for RefundGrpc {
    async fn quote_refund(
        &self,
        request: Request<pb::QuoteRefundRequest>,
    ) -> Result<Response<pb::Quote>, Status> {
        let Valid { caller, mut message, .. } = validated(request)?;
        let request_id = std::mem::take(&mut message.request_id);
        let key = RequestKey::new(&caller.tenant, QUOTE_REFUND, &request_id, &message);
        let ask = app::QuoteRefund {
            order: convert::id(OrderId::from_resource_name, &message.order, "order")?,
            line_ids: refund::line_ids(message.line_ids)?,
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
        let ask = app::CreateRefund {
            quote: convert::id(QuoteId::from_resource_name, &message.quote, "quote")?,
            entitlement_voided: message.entitlement_voided,
            validate_only,
            requester: caller.subject,
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
        let found = app::get_refund(&self.app, &caller.tenant, &id).await.map_err(refuse)?;
        Ok(Response::new(refund::to_proto(&found)))
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

    async fn check_ledger(
        &self,
        request: Request<pb::CheckLedgerRequest>,
    ) -> Result<Response<pb::LedgerReport>, Status> {
        let tenant = &caller(request.extensions())?.tenant;
        let check = app::check_ledger(&self.app, tenant).await.map_err(refuse)?;
        Ok(Response::new(ledger::report(check)))
    }
}
