//! `DisruptionService`.

use futures::StreamExt as _;
use futures::stream::BoxStream;
use prost::Message;
use redress_api::page::Page;
use redress_api::request_id::RequestKey;
use redress_api::{ApiError, Valid, validated};
use redress_core::id::{DisruptionId, OrderId};
use redress_proto::Validate;
use redress_proto::refunds::v1 as pb;
use redress_proto::refunds::v1::disruption_service_server::DisruptionService;
use tonic::{Request, Response, Status};

use super::answer;
use super::convert::{self, disruption, disruption_report, filter};
use super::status::refuse;
use crate::app::{self, Refunds};
use crate::domain::disruption::DisruptionEvent;

const CREATE_DISRUPTION: &str = "redress.refunds.v1.DisruptionService/CreateDisruption";
const APPROVE_DISRUPTION: &str = "redress.refunds.v1.DisruptionService/ApproveDisruption";
const START_DISRUPTION: &str = "redress.refunds.v1.DisruptionService/StartDisruption";
const EXTEND_DISRUPTION: &str = "redress.refunds.v1.DisruptionService/ExtendDisruption";
const PAUSE_DISRUPTION: &str = "redress.refunds.v1.DisruptionService/PauseDisruption";
const RESUME_DISRUPTION: &str = "redress.refunds.v1.DisruptionService/ResumeDisruption";
const ABORT_DISRUPTION: &str = "redress.refunds.v1.DisruptionService/AbortDisruption";
const RETRY_DISRUPTION: &str = "redress.refunds.v1.DisruptionService/RetryDisruption";
const CHOOSE_REMEDY: &str = "redress.refunds.v1.DisruptionService/ChooseRemedy";
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

/// A request that moves a disruption on.
trait StepRequest: Message + Validate + Default {
    /// What happens.
    const EVENT: DisruptionEvent;
    /// The method, as stored with its answer.
    const METHOD: &'static str;

    /// The id of the request, which is no part of what is asked.
    fn take_request_id(&mut self) -> String;

    /// What is asked.
    fn into_asked(self) -> Asked;
}

/// What every step is asked with.
struct Asked {
    name: String,
    etag: String,
    reason: String,
    /// Of a retry: which orders.
    orders: Vec<String>,
}

macro_rules! step_request {
    ($message:ident, $event:ident, $method:ident, |$asked:ident| $orders:expr) => {
        impl StepRequest for pb::$message {
            const EVENT: DisruptionEvent = DisruptionEvent::$event;
            const METHOD: &'static str = $method;

            fn take_request_id(&mut self) -> String {
                std::mem::take(&mut self.request_id)
            }

            fn into_asked(self) -> Asked {
                let $asked = self;
                let orders = $orders;
                let pb::$message { name, etag, reason, .. } = $asked;
                Asked { name, etag, reason, orders }
            }
        }
    };
}

step_request!(StartDisruptionRequest, Start, START_DISRUPTION, |asked| Vec::new());
step_request!(PauseDisruptionRequest, Pause, PAUSE_DISRUPTION, |asked| Vec::new());
step_request!(ResumeDisruptionRequest, Resume, RESUME_DISRUPTION, |asked| Vec::new());
step_request!(AbortDisruptionRequest, Abort, ABORT_DISRUPTION, |asked| Vec::new());
step_request!(RetryDisruptionRequest, Retry, RETRY_DISRUPTION, |asked| asked.orders.clone());

impl DisruptionGrpc {
    async fn step<M: StepRequest>(
        &self,
        request: Request<M>,
    ) -> Result<Response<pb::Disruption>, Status> {
        let Valid { caller, mut message, meta } = validated(request)?;
        let request_id = message.take_request_id();
        let key = RequestKey::new(&caller.tenant, M::METHOD, &request_id, &message);
        let asked = message.into_asked();
        let ask = app::ActOnDisruption {
            id: convert::id(DisruptionId::from_resource_name, &asked.name, "name")?,
            event: M::EVENT,
            orders: convert::ids(OrderId::from_resource_name, &asked.orders, "orders")?,
            actor: caller.subject,
            roles: caller.roles,
            reason: asked.reason,
            etag: asked.etag,
            traceparent: meta.traceparent,
            request: app::Request { key: &key, encode: encoded },
        };
        let outcome = app::act_on_disruption(&self.app, ask).await.map_err(refuse)?;
        Ok(Response::new(answer(outcome, disruption::to_proto)?))
    }
}

#[tonic::async_trait]
impl DisruptionService for DisruptionGrpc {
    type WatchDisruptionStream = BoxStream<'static, Result<pb::DisruptionProgress, Status>>;

    async fn preview_disruption(
        &self,
        request: Request<pb::PreviewDisruptionRequest>,
    ) -> Result<Response<pb::DisruptionPreview>, Status> {
        let Valid { caller, message, .. } = validated(request)?;
        let previewed = disruption::previewed(message)?;
        let preview =
            app::preview_disruption(&self.app, &caller.tenant, previewed).await.map_err(refuse)?;
        Ok(Response::new(disruption::preview(preview)))
    }

    async fn create_disruption(
        &self,
        request: Request<pb::CreateDisruptionRequest>,
    ) -> Result<Response<pb::Disruption>, Status> {
        let Valid { caller, mut message, meta } = validated(request)?;
        let request_id = std::mem::take(&mut message.request_id);
        let key = RequestKey::new(&caller.tenant, CREATE_DISRUPTION, &request_id, &message);
        let kind = message.kind();
        let ask = app::CreateDisruption {
            scope: disruption::scope(&message.event, message.scope)?,
            change: disruption::change(kind, message.change)?,
            terms: disruption::terms(message.terms)?,
            requester: caller.subject,
            roles: caller.roles,
            reason: message.reason,
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
            is_extension: false,
            expected_orders: message.expected_orders,
            expected_totals: disruption::amounts(&message.expected_totals, "expected_totals")?,
            actor: caller.subject,
            roles: caller.roles,
            reason: message.reason,
            etag: message.etag,
            request: app::Request { key: &key, encode: encoded },
        };
        let outcome = app::approve_disruption(&self.app, ask).await.map_err(refuse)?;
        Ok(Response::new(answer(outcome, disruption::to_proto)?))
    }

    async fn extend_disruption(
        &self,
        request: Request<pb::ExtendDisruptionRequest>,
    ) -> Result<Response<pb::Disruption>, Status> {
        let Valid { caller, mut message, .. } = validated(request)?;
        let request_id = std::mem::take(&mut message.request_id);
        let key = RequestKey::new(&caller.tenant, EXTEND_DISRUPTION, &request_id, &message);
        let ask = app::ApproveDisruption {
            id: convert::id(DisruptionId::from_resource_name, &message.name, "name")?,
            is_extension: true,
            expected_orders: message.expected_orders,
            expected_totals: disruption::amounts(&message.expected_totals, "expected_totals")?,
            actor: caller.subject,
            roles: caller.roles,
            reason: message.reason,
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
        self.step(request).await
    }

    async fn pause_disruption(
        &self,
        request: Request<pb::PauseDisruptionRequest>,
    ) -> Result<Response<pb::Disruption>, Status> {
        self.step(request).await
    }

    async fn resume_disruption(
        &self,
        request: Request<pb::ResumeDisruptionRequest>,
    ) -> Result<Response<pb::Disruption>, Status> {
        self.step(request).await
    }

    async fn abort_disruption(
        &self,
        request: Request<pb::AbortDisruptionRequest>,
    ) -> Result<Response<pb::Disruption>, Status> {
        self.step(request).await
    }

    async fn retry_disruption(
        &self,
        request: Request<pb::RetryDisruptionRequest>,
    ) -> Result<Response<pb::Disruption>, Status> {
        self.step(request).await
    }

    async fn choose_remedy(
        &self,
        request: Request<pb::ChooseRemedyRequest>,
    ) -> Result<Response<pb::DisruptionItem>, Status> {
        let Valid { caller, mut message, .. } = validated(request)?;
        let request_id = std::mem::take(&mut message.request_id);
        let key = RequestKey::new(&caller.tenant, CHOOSE_REMEDY, &request_id, &message);
        let remedy = disruption::remedy(message.remedy());
        let ask = app::ChooseRemedy {
            id: convert::id(DisruptionId::from_resource_name, &message.name, "name")?,
            order: convert::id(OrderId::from_resource_name, &message.order, "order")?,
            remedy: remedy.ok_or_else(|| ApiError::invalid("remedy", "expected a remedy"))?,
            request: app::Request {
                key: &key,
                encode: |item| disruption::item(item).encode_to_vec(),
            },
        };
        let outcome = app::choose_remedy(&self.app, ask).await.map_err(refuse)?;
        Ok(Response::new(answer(outcome, disruption::item)?))
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

    async fn watch_disruption(
        &self,
        request: Request<pb::WatchDisruptionRequest>,
    ) -> Result<Response<Self::WatchDisruptionStream>, Status> {
        let Valid { caller, message, .. } = validated(request)?;
        let id = convert::id(DisruptionId::from_resource_name, &message.name, "name")?;
        let told = app::watch_disruption(&self.app, caller.tenant, id).await.map_err(refuse)?;
        let encoded = told.map(|progress| match progress {
            Ok(progress) => Ok(disruption_report::progress(&progress)),
            Err(error) => Err(refuse(error)),
        });
        Ok(Response::new(encoded.boxed()))
    }

    async fn reconcile_disruption(
        &self,
        request: Request<pb::ReconcileDisruptionRequest>,
    ) -> Result<Response<pb::DisruptionReconciliation>, Status> {
        let Valid { caller, message, .. } = validated(request)?;
        let id = convert::id(DisruptionId::from_resource_name, &message.name, "name")?;
        let found =
            app::reconcile_disruption(&self.app, &caller.tenant, &id).await.map_err(refuse)?;
        Ok(Response::new(disruption_report::reconciliation(&found)))
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
        let filter = filter::items(&message.filter)?;
        let rows = convert::store_page(&page, false);
        let listed = app::list_disruption_items(&self.app, &caller.tenant, &id, &filter, &rows)
            .await
            .map_err(refuse)?;
        Ok(Response::new(pb::ListDisruptionItemsResponse {
            next_page_token: convert::next_page_token(&page, &listed, |item| item.order.as_str()),
            items: listed.rows.iter().map(disruption::item).collect(),
        }))
    }
}
