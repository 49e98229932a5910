//! `PolicyService`.

use redress_api::page::Page;
use redress_api::{ApiError, Valid, validated};
use redress_core::id::PolicyId;
use redress_proto::refunds::v1 as pb;
use redress_proto::refunds::v1::policy_service_server::PolicyService;
use tonic::{Request, Response, Status};

use super::convert::{self, evaluation, policy};
use super::status::refuse;
use crate::app::{self, Refunds};

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

#[tonic::async_trait]
impl PolicyService for PolicyGrpc {
    async fn apply_policy(
        &self,
        request: Request<pb::ApplyPolicyRequest>,
    ) -> Result<Response<pb::Policy>, Status> {
        let Valid { caller, message, .. } = validated(request)?;
        let policy = policy::from_proto(message.policy.unwrap_or_default(), "policy")
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
        let ask = evaluation::read(message)?;
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
