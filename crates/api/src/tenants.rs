//! `TenantService`, the same in every service.
//!
//! Invariant: a caller reaches only the tenant that its credential names; every other name is
//! NOT_FOUND, exactly like a missing one.

use std::sync::Arc;

use redress_core::caller::Caller;
use redress_core::id::{PolicyId, TenantId};
use redress_core::tenant::Tenant;
use redress_proto::common::v1 as pb;
use redress_proto::common::v1::tenant_service_server::TenantService;
use tonic::{Request, Response, Status};

use crate::error::ApiError;
use crate::ports::TenantDirectory;
use crate::problem::FieldViolation;
use crate::validate::{Valid, validated};

/// The wire form of a tenant.
pub fn to_proto(tenant: &Tenant) -> pb::Tenant {
    pb::Tenant {
        name: tenant.id.resource_name(),
        display_name: tenant.display_name.clone(),
        locales: tenant.locales.clone(),
        time_zone: tenant.time_zone.clone(),
        sender_email: tenant.sender_email.clone(),
        support_url: tenant.support_url.clone(),
        default_policy: format!("{}/{}", PolicyId::COLLECTION, tenant.default_policy),
        version: tenant.version,
    }
}

/// Reads a tenant that stands at `path`; its version is not taken over.
pub fn from_proto(tenant: pb::Tenant, path: &str) -> Result<Tenant, FieldViolation> {
    let bad = |field: &str, error: redress_core::id::InvalidId| {
        FieldViolation::new(field, error.to_string()).under(path)
    };
    let id = TenantId::from_resource_name(&tenant.name).map_err(|e| bad("name", e))?;
    let policy = PolicyId::from_resource_name(&tenant.default_policy)
        .map_err(|e| bad("default_policy", e))?;
    Ok(Tenant {
        id,
        display_name: tenant.display_name,
        locales: tenant.locales,
        time_zone: tenant.time_zone,
        sender_email: tenant.sender_email,
        support_url: tenant.support_url,
        default_policy: policy.into(),
        version: 0,
    })
}

/// `TenantService` over a service's own copy of the tenants.
#[derive(Clone)]
pub struct TenantGrpc {
    directory: Arc<dyn TenantDirectory>,
}

impl TenantGrpc {
    /// Serves `directory`.
    pub const fn new(directory: Arc<dyn TenantDirectory>) -> Self {
        Self { directory }
    }
}

fn require_own(caller: &Caller, name: &str) -> Result<(), ApiError> {
    if caller.tenant.resource_name() == name { Ok(()) } else { Err(ApiError::not_found(name)) }
}

#[tonic::async_trait]
impl TenantService for TenantGrpc {
    async fn apply_tenant(
        &self,
        request: Request<pb::ApplyTenantRequest>,
    ) -> Result<Response<pb::Tenant>, Status> {
        let Valid { caller, message, .. } = validated(request)?;
        let tenant = message.tenant.unwrap_or_default();
        require_own(&caller, &tenant.name)?;
        let tenant = from_proto(tenant, "tenant")
            .map_err(|violation| ApiError::invalid_fields(vec![violation]))?;
        let stored = self.directory.apply(tenant).await.map_err(ApiError::from)?;
        Ok(Response::new(to_proto(&stored)))
    }

    async fn get_tenant(
        &self,
        request: Request<pb::GetTenantRequest>,
    ) -> Result<Response<pb::Tenant>, Status> {
        let Valid { caller, message, .. } = validated(request)?;
        require_own(&caller, &message.name)?;
        let stored = self.directory.get(&caller.tenant).await.map_err(ApiError::from)?;
        let tenant = stored.ok_or_else(|| ApiError::not_found(message.name))?;
        Ok(Response::new(to_proto(&tenant)))
    }
}
