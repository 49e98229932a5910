//! `CaseService`: decodes, calls one use case, encodes.
//!
//! Invariant: the tenant is the caller's; roles were checked before a call gets here.

mod convert;
mod status;

use std::sync::Arc;

use prost::Message as _;
use redress_api::page::Page;
use redress_api::request_id::RequestKey;
use redress_api::{ApiError, Valid, validated};
use redress_core::clock::Clock;
use redress_proto::cases::v1 as pb;
use redress_proto::cases::v1::case_service_server::CaseService;
use tonic::{Request, Response, Status};

use crate::app;
use crate::store::CaseStore;
use status::refuse;

const LIST_CASES: &str = "redress.cases.v1.CaseService/ListCases";
const RESOLVE_CASE: &str = "redress.cases.v1.CaseService/ResolveCase";

/// `CaseService` over a store.
#[derive(Debug, Clone)]
pub struct CaseGrpc {
    store: Arc<dyn CaseStore>,
    clock: Arc<dyn Clock>,
}

impl CaseGrpc {
    /// Serves the cases of `store`; `clock` says when one is closed.
    pub const fn new(store: Arc<dyn CaseStore>, clock: Arc<dyn Clock>) -> Self {
        Self { store, clock }
    }
}

#[tonic::async_trait]
impl CaseService for CaseGrpc {
    async fn get_case(
        &self,
        request: Request<pb::GetCaseRequest>,
    ) -> Result<Response<pb::Case>, Status> {
        let Valid { caller, message, .. } = validated(request)?;
        let id = convert::case_id(&message.name)?;
        let case = app::get_case(&*self.store, &caller.tenant, &id).await.map_err(refuse)?;
        Ok(Response::new(convert::case(&case)))
    }

    async fn list_cases(
        &self,
        request: Request<pb::ListCasesRequest>,
    ) -> Result<Response<pb::ListCasesResponse>, Status> {
        let Valid { caller, message, .. } = validated(request)?;
        let (size, token) = (message.page_size, message.page_token.as_str());
        let page = Page::read(&caller.tenant, LIST_CASES, &[&message.filter], size, token)?;
        let filter = convert::filter(&message.filter)?;
        let listed =
            app::list_cases(&*self.store, &caller.tenant, &filter, &page).await.map_err(refuse)?;
        Ok(Response::new(pb::ListCasesResponse {
            cases: listed.cases.iter().map(convert::case).collect(),
            next_page_token: listed.next_page_token,
            total_size: listed.total_size.unwrap_or_default(),
        }))
    }

    async fn resolve_case(
        &self,
        request: Request<pb::ResolveCaseRequest>,
    ) -> Result<Response<pb::Case>, Status> {
        let Valid { caller, mut message, .. } = validated(request)?;
        let request_id = std::mem::take(&mut message.request_id);
        let request = RequestKey::new(&caller.tenant, RESOLVE_CASE, &request_id, &message);
        let ask = app::ResolveCase {
            id: convert::case_id(&message.name)?,
            resolution: convert::resolution(message.resolution, caller.subject)?,
            etag: message.etag,
            request: &request,
            encode: convert::encoded_case,
        };
        let outcome =
            app::resolve_case(&*self.store, ask, self.clock.now()).await.map_err(refuse)?;
        let case = match outcome {
            app::Outcome::Done(case) => convert::case(&case),
            app::Outcome::Replayed(answer) => pb::Case::decode(answer.as_slice())
                .map_err(|error| ApiError::Internal(Box::new(error)))?,
        };
        Ok(Response::new(case))
    }
}
