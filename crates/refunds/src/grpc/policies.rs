//! `PolicyService`.

use redress_api::page::Page;
use redress_api::{ApiError, Valid, validated};
use redress_core::id::PolicyId;
use redress_proto::refunds::v1 as pb;
use redress_proto::refunds::v1::policy_service_server::PolicyService;
use tokio::sync::Semaphore;
use tonic::{Request, Response, Status};

use super::convert::{self, evaluation, policy};
use super::status::refuse;
use crate::app::{self, RefundError, Refunds};

const LIST_POLICIES: &str = "redress.refunds.v1.PolicyService/ListPolicies";

const LIST_POLICY_PACKS: &str = "redress.refunds.v1.PolicyService/ListPolicyPacks";

/// `PolicyService` over the use cases.
#[derive(Clone)]
pub struct PolicyGrpc {
    app: Refunds,
}

impl PolicyGrpc {
    /// Serves `app`.
    pub const fn new(app: Refunds) -> Self {
        Self { app }
    }
}

/// How many policy files are read at once. Reading one can take a second of work, most of it for the
/// laws that it promises.
static READERS: Semaphore = Semaphore::const_new(1);

/// Does work apart from the threads that serve calls.
async fn apart<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> Result<T, Status> {
    let closed = |error: tokio::sync::AcquireError| ApiError::Internal(error.into());
    let permit = READERS.acquire().await.map_err(closed)?;
    let done = tokio::task::spawn_blocking(move || {
        // Held until the work is over, also when nobody waits for it any more.
        let _permit = permit;
        work()
    });
    done.await.map_err(|error| refuse(RefundError::Api(ApiError::Internal(error.into()))))
}

#[tonic::async_trait]
impl PolicyService for PolicyGrpc {
    async fn apply_policy(
        &self,
        request: Request<pb::ApplyPolicyRequest>,
    ) -> Result<Response<pb::Policy>, Status> {
        let Valid { caller, message, .. } = validated(request)?;
        let sent = message.policy.unwrap_or_default();
        let policy = apart(move || policy::from_proto(sent, "policy"))
            .await?
            .map_err(ApiError::invalid_fields)?;
        let ask = app::ApplyPolicy { policy, actor: caller.subject, roles: caller.roles };
        let stored = app::apply_policy(&self.app, &caller.tenant, ask).await.map_err(refuse)?;
        Ok(Response::new(policy::to_proto(&stored)))
    }

    async fn get_policy(
        &self,
        request: Request<pb::GetPolicyRequest>,
    ) -> Result<Response<pb::Policy>, Status> {
        let Valid { caller, message, .. } = validated(request)?;
        let id = convert::id(PolicyId::from_resource_name, &message.name, "name")?;
        let found = app::get_policy(&self.app, &caller.tenant, &id).await.map_err(refuse)?;
        Ok(Response::new(policy::to_proto(&found)))
    }

    async fn evaluate_policy(
        &self,
        request: Request<pb::EvaluatePolicyRequest>,
    ) -> Result<Response<pb::EvaluatePolicyResponse>, Status> {
        let Valid { caller, message, .. } = validated(request)?;
        let language = convert::language(&message.language_code, "language_code")?;
        let ask = apart(move || evaluation::read(message)).await??;
        let currency = ask.price.currency;
        let found = app::evaluate_policy(&self.app, &caller.tenant, ask).await.map_err(refuse)?;
        Ok(Response::new(evaluation::to_proto(&found, currency, language)))
    }

    async fn list_policy_packs(
        &self,
        request: Request<pb::ListPolicyPacksRequest>,
    ) -> Result<Response<pb::ListPolicyPacksResponse>, Status> {
        let Valid { caller, message, .. } = validated(request)?;
        let (size, token) = (message.page_size, message.page_token.as_str());
        let page = Page::read(&caller.tenant, LIST_POLICY_PACKS, &[], size, token)?;
        let rows = convert::store_page(&page, false);
        let listed = app::list_policy_packs(&rows);
        Ok(Response::new(pb::ListPolicyPacksResponse {
            next_page_token: convert::next_page_token(&page, &listed, |pack| pack.id),
            packs: listed.rows.iter().filter_map(|pack| policy::pack(pack)).collect(),
        }))
    }

    async fn list_policies(
        &self,
        request: Request<pb::ListPoliciesRequest>,
    ) -> Result<Response<pb::ListPoliciesResponse>, Status> {
        let Valid { caller, message, .. } = validated(request)?;
        let (size, token) = (message.page_size, message.page_token.as_str());
        let page = Page::read(&caller.tenant, LIST_POLICIES, &[], size, token)?;
        let rows = convert::store_page(&page, false);
        let listed = app::list_policies(&self.app, &caller.tenant, &rows).await.map_err(refuse)?;
        Ok(Response::new(pb::ListPoliciesResponse {
            next_page_token: convert::next_page_token(&page, &listed, |stored| {
                stored.policy.id.as_str()
            }),
            policies: listed.rows.iter().map(policy::to_proto).collect(),
        }))
    }
}
