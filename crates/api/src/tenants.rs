//! `TenantService`, the same in every service.
//!
//! Invariant: a caller reaches only the tenant that its credential names; every other name is
//! NOT_FOUND, exactly like a missing one.

use std::sync::Arc;

use redress_core::caller::Caller;
use redress_core::id::{PolicyId, TenantId};
use redress_core::tenant::{ApprovalLimit, PolicyChoice, Tenant};
use redress_policy::LineKind;
use redress_proto::common::v1 as pb;
use redress_proto::common::v1::tenant_service_server::TenantService;
use tonic::{Request, Response, Status};

use crate::error::ApiError;
use crate::ports::{TenantDirectory, TenantRules};
use crate::problem::FieldViolation;
use crate::validate::{Valid, validated};
use crate::{access, money};

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
        approval_limits: tenant.approval_limits.iter().map(limit_to_proto).collect(),
        policies: tenant.policies.iter().map(choice_to_proto).collect(),
    }
}

fn choice_to_proto(choice: &PolicyChoice) -> pb::PolicyChoice {
    pb::PolicyChoice {
        kinds: choice.kinds.clone(),
        places_of_sale: choice.places_of_sale.clone(),
        policy: format!("{}/{}", PolicyId::COLLECTION, choice.policy),
        law: choice.law.clone().unwrap_or_default(),
    }
}

fn choice_from_proto(at: usize, choice: pb::PolicyChoice) -> Result<PolicyChoice, FieldViolation> {
    let path = format!("policies[{at}]");
    for (at, word) in choice.kinds.iter().enumerate() {
        if LineKind::parse(word).is_none_or(LineKind::is_fee_or_tax) {
            let kinds = LineKind::ALL.iter().filter(|kind| !kind.is_fee_or_tax());
            let words: Vec<&str> = kinds.map(|kind| kind.as_str()).collect();
            let text = format!(
                "must be one of {}; fees and taxes go with the other lines of their order",
                words.join(", ")
            );
            return Err(FieldViolation::new(format!("kinds[{at}]"), text).under(&path));
        }
    }
    let policy = PolicyId::from_resource_name(&choice.policy)
        .map_err(|error| FieldViolation::new("policy", error.to_string()).under(&path))?;
    Ok(PolicyChoice {
        kinds: choice.kinds,
        places_of_sale: choice.places_of_sale,
        policy: policy.into(),
        law: Some(choice.law).filter(|law| !law.is_empty()),
    })
}

fn limit_to_proto(limit: &ApprovalLimit) -> pb::ApprovalLimit {
    pb::ApprovalLimit {
        role: access::role_to_proto(limit.role).into(),
        limit: Some(money::to_proto(limit.limit)),
    }
}

fn limit_from_proto(at: usize, limit: &pb::ApprovalLimit) -> Result<ApprovalLimit, FieldViolation> {
    let path = format!("approval_limits[{at}]");
    let role = access::role(limit.role())
        .ok_or_else(|| FieldViolation::new("role", "is not a role").under(&path))?;
    let limit = money::required(limit.limit.as_ref(), "limit").map_err(|v| v.under(&path))?;
    if limit.minor_units < 0 {
        let negative = FieldViolation::new("limit.minor_units", "must not be negative");
        return Err(negative.under(&path));
    }
    Ok(ApprovalLimit { role, limit })
}

/// Reads a tenant that stands at `path`; its version is not taken over.
pub fn from_proto(tenant: pb::Tenant, path: &str) -> Result<Tenant, FieldViolation> {
    let bad = |field: &str, error: redress_core::id::InvalidId| {
        FieldViolation::new(field, error.to_string()).under(path)
    };
    let id = TenantId::from_resource_name(&tenant.name).map_err(|e| bad("name", e))?;
    let policy = PolicyId::from_resource_name(&tenant.default_policy)
        .map_err(|e| bad("default_policy", e))?;
    let limits = tenant.approval_limits.iter().enumerate();
    let approval_limits = limits
        .map(|(at, limit)| limit_from_proto(at, limit).map_err(|violation| violation.under(path)))
        .collect::<Result<_, _>>()?;
    let policies = tenant.policies.into_iter().enumerate();
    let policies = policies
        .map(|(at, choice)| choice_from_proto(at, choice).map_err(|bad| bad.under(path)))
        .collect::<Result<_, _>>()?;
    Ok(Tenant {
        id,
        display_name: tenant.display_name,
        locales: tenant.locales,
        time_zone: tenant.time_zone,
        sender_email: tenant.sender_email,
        support_url: tenant.support_url,
        default_policy: policy.into(),
        policies,
        approval_limits,
        version: 0,
    })
}

/// `TenantService` over a service's own copy of the tenants.
#[derive(Clone)]
pub struct TenantGrpc {
    directory: Arc<dyn TenantDirectory>,
    rules: Option<Arc<dyn TenantRules>>,
}

impl TenantGrpc {
    /// Serves `directory`.
    pub const fn new(directory: Arc<dyn TenantDirectory>) -> Self {
        Self { directory, rules: None }
    }

    /// Stores only settings that keep `rules`, too.
    #[must_use]
    pub fn under(self, rules: Arc<dyn TenantRules>) -> Self {
        Self { rules: Some(rules), ..self }
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
        if let Some(rules) = &self.rules {
            let broken = rules.broken_by(&tenant).await.map_err(ApiError::from)?;
            if !broken.is_empty() {
                let broken = broken.into_iter().map(|violation| violation.under("tenant"));
                return Err(ApiError::invalid_fields(broken.collect()).into());
            }
        }
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

#[cfg(test)]
mod tests {
    use std::sync::Mutex;

    use async_trait::async_trait;
    use redress_core::caller::Role;
    use tonic::Code;

    use super::*;
    use crate::ports::PortError;

    /// A directory in memory that keeps the contract of the port.
    #[derive(Default)]
    struct Memory(Mutex<Option<Tenant>>);

    #[async_trait]
    impl TenantDirectory for Memory {
        async fn apply(&self, tenant: Tenant) -> Result<Tenant, PortError> {
            let mut stored = self.0.lock().unwrap();
            let version = stored.as_ref().map_or(0, |stored| stored.version);
            let unchanged = Tenant { version, ..tenant.clone() };
            if stored.as_ref() != Some(&unchanged) {
                *stored = Some(Tenant { version: version + 1, ..tenant });
            }
            Ok(stored.clone().unwrap())
        }

        async fn get(&self, id: &TenantId) -> Result<Option<Tenant>, PortError> {
            Ok(self.0.lock().unwrap().clone().filter(|tenant| tenant.id == *id))
        }
    }

    fn tenant(name: &str) -> pb::Tenant {
        pb::Tenant {
            name: name.to_owned(),
            display_name: "Arena".to_owned(),
            locales: vec!["de".to_owned(), "en".to_owned()],
            time_zone: "Europe/Berlin".to_owned(),
            sender_email: "tickets@arena.example".to_owned(),
            support_url: "https://arena.example/help".to_owned(),
            default_policy: "policies/flex".to_owned(),
            version: 77,
            approval_limits: vec![pb::ApprovalLimit {
                role: pb::Role::Agent.into(),
                limit: Some(pb::Money { currency_code: "EUR".to_owned(), minor_units: 5000 }),
            }],
            policies: vec![pb::PolicyChoice {
                kinds: vec!["TICKET".to_owned(), "SEAT".to_owned()],
                places_of_sale: vec!["RU".to_owned(), "US-CA".to_owned()],
                policy: "policies/strict".to_owned(),
                law: "ru-culture-52.1".to_owned(),
            }],
        }
    }

    fn from_arena<T>(message: T) -> Request<T> {
        let mut request = Request::new(message);
        request.extensions_mut().insert(Caller {
            tenant: TenantId::new("arena").unwrap(),
            subject: "shop".to_owned(),
            issuer: "test".to_owned(),
            roles: vec![Role::Platform],
        });
        request
    }

    async fn apply(grpc: &TenantGrpc, tenant: pb::Tenant) -> Result<pb::Tenant, Status> {
        let request = from_arena(pb::ApplyTenantRequest { tenant: Some(tenant) });
        grpc.apply_tenant(request).await.map(Response::into_inner)
    }

    async fn get(grpc: &TenantGrpc, name: &str) -> Result<pb::Tenant, Status> {
        let request = from_arena(pb::GetTenantRequest { name: name.to_owned() });
        grpc.get_tenant(request).await.map(Response::into_inner)
    }

    #[tokio::test]
    async fn settings_are_stored_as_versions_and_read_back() {
        let grpc = TenantGrpc::new(Arc::new(Memory::default()));
        let stored = apply(&grpc, tenant("tenants/arena")).await.unwrap();
        assert_eq!(stored, pb::Tenant { version: 1, ..tenant("tenants/arena") });
        assert_eq!(apply(&grpc, tenant("tenants/arena")).await.unwrap().version, 1);
        let renamed = pb::Tenant { display_name: "Dome".to_owned(), ..tenant("tenants/arena") };
        assert_eq!(apply(&grpc, renamed).await.unwrap().version, 2);
        assert_eq!(get(&grpc, "tenants/arena").await.unwrap().display_name, "Dome");
    }

    #[tokio::test]
    async fn another_tenant_looks_exactly_like_a_missing_one() {
        let grpc = TenantGrpc::new(Arc::new(Memory::default()));
        let missing = get(&grpc, "tenants/arena").await.unwrap_err();
        let foreign = get(&grpc, "tenants/other").await.unwrap_err();
        assert_eq!((missing.code(), foreign.code()), (Code::NotFound, Code::NotFound));
        assert_eq!(missing.message().replace("arena", "other"), foreign.message());
        let written = apply(&grpc, tenant("tenants/other")).await.unwrap_err();
        assert_eq!(written.code(), Code::NotFound);
    }

    #[tokio::test]
    async fn bad_settings_name_every_bad_field() {
        let grpc = TenantGrpc::new(Arc::new(Memory::default()));
        let bad = pb::Tenant {
            sender_email: "nobody".to_owned(),
            support_url: "http://arena.example".to_owned(),
            ..tenant("tenants/arena")
        };
        let status = apply(&grpc, bad).await.unwrap_err();
        assert_eq!(status.code(), Code::InvalidArgument);
        assert!(status.message().contains("tenant.sender_email"), "{}", status.message());
    }
    type Change = fn(&mut pb::PolicyChoice);

    #[tokio::test]
    async fn bad_choices_of_a_policy_are_named_by_their_place() {
        let grpc = TenantGrpc::new(Arc::new(Memory::default()));
        let cases: [(Change, &str); 7] = [
            (|choice| choice.kinds[1] = "STANDING".to_owned(), "kinds[1]: must be one of TICKET, "),
            (|choice| choice.kinds[0] = "FEE".to_owned(), "kinds[0]: must be one of TICKET, SEAT"),
            (|choice| choice.kinds[0] = "SEAT".to_owned(), "kinds: "),
            (|choice| choice.places_of_sale[1] = "us".to_owned(), "places_of_sale[1]: "),
            (|choice| choice.places_of_sale[1] = "US-CALI".to_owned(), "places_of_sale[1]: "),
            (|choice| choice.policy = "strict".to_owned(), "policy: "),
            (|choice| choice.law = "laws/x".to_owned(), "law: "),
        ];
        for (change, expected) in cases {
            let mut bad = tenant("tenants/arena");
            change(&mut bad.policies[0]);
            let status = apply(&grpc, bad).await.unwrap_err();
            assert_eq!(status.code(), Code::InvalidArgument, "{expected}");
            let expected = format!("tenant.policies[0].{expected}");
            assert!(status.message().starts_with(&expected), "{expected}: {}", status.message());
        }
    }

    /// Holds every choice to no law at all.
    struct Lawless;

    #[async_trait]
    impl TenantRules for Lawless {
        async fn broken_by(&self, tenant: &Tenant) -> Result<Vec<FieldViolation>, PortError> {
            let held = tenant.policies.iter().enumerate().filter(|(_, c)| c.law.is_some());
            Ok(held
                .map(|(at, _)| FieldViolation::new(format!("policies[{at}].law"), "is a law"))
                .collect())
        }
    }

    #[tokio::test]
    async fn what_breaks_the_rules_of_a_service_is_not_stored() {
        let grpc = TenantGrpc::new(Arc::new(Memory::default())).under(Arc::new(Lawless));
        let refused = apply(&grpc, tenant("tenants/arena")).await.unwrap_err();
        assert_eq!(refused.code(), Code::InvalidArgument);
        assert_eq!(refused.message(), "tenant.policies[0].law: is a law");
        assert_eq!(get(&grpc, "tenants/arena").await.unwrap_err().code(), Code::NotFound);
        let mut lawless = tenant("tenants/arena");
        lawless.policies[0].law.clear();
        assert_eq!(apply(&grpc, lawless).await.unwrap().version, 1);
    }
}
