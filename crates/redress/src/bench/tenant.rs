//! In whose name a bench calls, and on which terms its orders were sold.
//!
//! Invariant: the same tenant and policy in every bench, so that their figures are of one kind.

use anyhow::Result;
use redress_proto::common::v1::tenant_service_client::TenantServiceClient;
use redress_proto::common::v1::{ApplyTenantRequest, Tenant};

use crate::cli::ServiceName;
use crate::commands::apply_policy;
use crate::connect::Connections;

pub(super) const TENANT: &str = "arena";

/// The terms that the orders were sold under; they have one tier, which keeps a tenth.
const POLICY: &str = r#"
id = "standard"
display_name = "Standard terms"
effective = 2000-01-01T00:00:00Z
pay_within_days = 14
citation = { title = "Terms of sale, section 7" }
tiers = [{ rule = "four-weeks", notice_hours = 672, fee_basis_points = 1000 }]
"#;

/// Applies the tenant's settings to `services`, and the policy to refunds.
pub(super) async fn apply(connections: &Connections, services: &[ServiceName]) -> Result<()> {
    let tenant = Tenant {
        name: connections.tenant().resource_name(),
        display_name: "Arena Tickets".to_owned(),
        locales: vec!["en".to_owned()],
        time_zone: "Europe/Berlin".to_owned(),
        sender_email: "tickets@arena.example".to_owned(),
        support_url: "https://arena.example/help".to_owned(),
        default_policy: "policies/standard".to_owned(),
        ..Tenant::default()
    };
    for service in services {
        let mut client = TenantServiceClient::new(connections.unary(*service)?);
        client.apply_tenant(ApplyTenantRequest { tenant: Some(tenant.clone()) }).await?;
    }
    apply_policy(connections, POLICY.to_owned()).await?;
    Ok(())
}
