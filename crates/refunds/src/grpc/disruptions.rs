//! `DisruptionService`.

use prost::Message as _;
use redress_api::page::Page;
use redress_api::request_id::RequestKey;
use redress_api::{Valid, validated};
use redress_core::id::{DisruptionId, EventId};
use redress_proto::refunds::v1 as pb;
use redress_proto::refunds::v1::disruption_service_server::DisruptionService;
use tonic::{Request, Response, Status};

use super::answer;
use super::convert::{self, disruption, filter};
use super::status::refuse;
use crate::app::{self, Refunds};

const CREATE_DISRUPTION: &str = "redress.refunds.v1.DisruptionService/CreateDisruption";
const APPROVE_DISRUPTION: &str = "redress.refunds.v1.DisruptionService/ApproveDisruption";
const START_DISRUPTION: &str = "redress.refunds.v1.DisruptionService/StartDisruption";
const LIST_DISRUPTIONS: &str = "redress.refunds.v1.DisruptionService/ListDisruptions";
const LIST_ITEMS: &str = "redress.refunds.v1.DisruptionService/ListDisruptionItems";

/// `DisruptionService` over the use cases.
#[derive(Clone)]
pub struct DisruptionGrpc {
    app: Refunds,
}

impl DisruptionGrpc {
    /// Serves `app`.
    pub const fn new(app: Refunds) -> Self {
        Self { app }
    }
}

fn encoded(report: &app::DisruptionReport) -> Vec<u8> {
    disruption::to_proto(report).encode_to_vec()
}

#[tonic::async_trait]
impl DisruptionService for DisruptionGrpc {
    async fn preview_disruption(
        &self,
        request: Request<pb::PreviewDisruptionRequest>,
    ) -> Result<Response<pb::DisruptionPreview>, Status> {
        let Valid { caller, message, .. } = validated(request)?;
        let event = convert::id(EventId::from_resource_name, &message.event, "event")?;
        let preview =
            app::preview_disruption(&self.app, &caller.tenant, &event).await.map_err(refuse)?;
        Ok(Response::new(disruption::preview(&event, preview)))
    }

    async fn create_disruption(
        &self,
        request: Request<pb::CreateDisruptionRequest>,
    ) -> Result<Response<pb::Disruption>, Status> {
        let Valid { caller, mut message, meta } = validated(request)?;
        let request_id = std::mem::take(&mut message.request_id);
        let key = RequestKey::new(&caller.tenant, CREATE_DISRUPTION, &request_id, &message);
        let ask = app::CreateDisruption {
            event: convert::id(EventId::from_resource_name, &message.event, "event")?,
            kind: disruption::kind(message.kind())?,
            requester: caller.subject,
            traceparent: meta.traceparent,
            request: app::Request { key: &key, encode: encoded },
        };
        let outcome = app::create_disruption(&self.app, ask).await.map_err(refuse)?;
        Ok(Response::new(answer(outcome, disruption::to_proto)?))
    }

    async fn approve_disruption(
        &self,
        request: Request<pb::ApproveDisruptionRequest>,
    ) -> Result<Response<pb::Disruption>, Status> {
        let Valid { caller, mut message, .. } = validated(request)?;
        let request_id = std::mem::take(&mut message.request_id);
        let key = RequestKey::new(&caller.tenant, APPROVE_DISRUPTION, &request_id, &message);
        let ask = app::ApproveDisruption {
            id: convert::id(DisruptionId::from_resource_name, &message.name, "name")?,
            expected_orders: message.expected_orders,
            etag: message.etag,
            request: app::Request { key: &key, encode: encoded },
        };
        let outcome = app::approve_disruption(&self.app, ask).await.map_err(refuse)?;
        Ok(Response::new(answer(outcome, disruption::to_proto)?))
    }

    async fn start_disruption(
        &self,
        request: Request<pb::StartDisruptionRequest>,
    ) -> Result<Response<pb::Disruption>, Status> {
        let Valid { caller, mut message, meta } = validated(request)?;
        let request_id = std::mem::take(&mut message.request_id);
        let key = RequestKey::new(&caller.tenant, START_DISRUPTION, &request_id, &message);
        let ask = app::StartDisruption {
            id: convert::id(DisruptionId::from_resource_name, &message.name, "name")?,
            etag: message.etag,
            traceparent: meta.traceparent,
            request: app::Request { key: &key, encode: encoded },
        };
        let outcome = app::start_disruption(&self.app, ask).await.map_err(refuse)?;
        Ok(Response::new(answer(outcome, disruption::to_proto)?))
    }

    async fn get_disruption(
        &self,
        request: Request<pb::GetDisruptionRequest>,
    ) -> Result<Response<pb::Disruption>, Status> {
        let Valid { caller, message, .. } = validated(request)?;
        let id = convert::id(DisruptionId::from_resource_name, &message.name, "name")?;
        let report = app::get_disruption(&self.app, &caller.tenant, &id).await.map_err(refuse)?;
        Ok(Response::new(disruption::to_proto(&report)))
    }

    async fn list_disruptions(
        &self,
        request: Request<pb::ListDisruptionsRequest>,
    ) -> Result<Response<pb::ListDisruptionsResponse>, Status> {
        let Valid { caller, message, .. } = validated(request)?;
        let (size, token) = (message.page_size, message.page_token.as_str());
        let page = Page::read(&caller.tenant, LIST_DISRUPTIONS, &[&message.filter], size, token)?;
        let filter = filter::disruptions(&message.filter)?;
        let rows = convert::store_page(&page, false);
        let listed = app::list_disruptions(&self.app, &caller.tenant, &filter, &rows)
            .await
            .map_err(refuse)?;
        let key = |report: &app::DisruptionReport| report.disruption.id.as_str().to_owned();
        Ok(Response::new(pb::ListDisruptionsResponse {
            next_page_token: convert::next_page_token(&page, &listed, key),
            disruptions: listed.rows.iter().map(disruption::to_proto).collect(),
        }))
    }

    async fn list_disruption_items(
        &self,
        request: Request<pb::ListDisruptionItemsRequest>,
    ) -> Result<Response<pb::ListDisruptionItemsResponse>, Status> {
        let Valid { caller, message, .. } = validated(request)?;
        let (size, token) = (message.page_size, message.page_token.as_str());
        let shape = [message.parent.as_str(), &message.filter];
        let page = Page::read(&caller.tenant, LIST_ITEMS, &shape, size, token)?;
        let id = convert::id(DisruptionId::from_resource_name, &message.parent, "parent")?;
        let state = filter::item_state(&message.filter)?;
        let rows = convert::store_page(&page, false);
        let listed = app::list_disruption_items(&self.app, &caller.tenant, &id, state, &rows)
            .await
            .map_err(refuse)?;
        Ok(Response::new(pb::ListDisruptionItemsResponse {
            next_page_token: convert::next_page_token(&page, &listed, |item| item.order.as_str()),
            items: listed.rows.iter().map(disruption::item).collect(),
        }))
    }
}
