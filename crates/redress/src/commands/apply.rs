//! `redress tenant apply` and `redress policy apply`: files that become versions.

use std::fs;
use std::path::Path;

use anyhow::{Context as _, Result};
use prost_types::Timestamp;
use redress_core::tenant::Tenant;
use redress_proto::common::v1 as common;
use redress_proto::common::v1::tenant_service_client::TenantServiceClient;
use redress_proto::refunds::v1 as refunds;
use redress_proto::refunds::v1::policy_service_client::PolicyServiceClient;
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::json;

use super::resource;
use crate::cli::{ApplyArgs, CallerArgs, ServiceName};
use crate::connect::Connections;
use crate::output;

fn read<T: DeserializeOwned>(file: &Path) -> Result<T> {
    let text =
        fs::read_to_string(file).with_context(|| format!("cannot read {}", file.display()))?;
    toml::from_str(&text).with_context(|| format!("{} does not fit", file.display()))
}

fn connect(args: &ApplyArgs, tenant: Option<&str>) -> Result<Connections> {
    let named = args.caller.tenant.as_deref().or(tenant);
    let tenant = named.context("--tenant is missing")?.to_owned();
    Connections::open(&CallerArgs {
        data: args.caller.data.clone(),
        tenant,
        token: args.caller.token.clone(),
        json: args.caller.json,
    })
}

pub(super) async fn tenant(args: &ApplyArgs) -> Result<()> {
    let tenant: Tenant = read(&args.file)?;
    let connections = connect(args, Some(tenant.id.as_str()))?;
    let versions = apply_tenant(&connections, &tenant).await?;
    if args.caller.json {
        let versions: serde_json::Map<_, _> =
            versions.iter().map(|(s, version)| (s.as_str().to_owned(), json!(version))).collect();
        return output::json(&json!({ "tenant": tenant.id, "versions": versions }));
    }
    for (service, version) in versions {
        output::line(format!("{:<14} {} version {version}", service.as_str(), tenant.id));
    }
    Ok(())
}

/// Applies a tenant's settings to every service; returns the version that each now has.
pub(crate) async fn apply_tenant(
    connections: &Connections,
    tenant: &Tenant,
) -> Result<Vec<(ServiceName, i64)>> {
    let mut versions = Vec::new();
    for service in ServiceName::ALL {
        let request = common::ApplyTenantRequest {
            tenant: Some(common::Tenant {
                name: tenant.id.resource_name(),
                display_name: tenant.display_name.clone(),
                locales: tenant.locales.clone(),
                time_zone: tenant.time_zone.clone(),
                sender_email: tenant.sender_email.clone(),
                support_url: tenant.support_url.clone(),
                default_policy: resource("policies", &tenant.default_policy),
                version: 0,
            }),
        };
        let mut client = TenantServiceClient::new(connections.unary(service)?);
        let applied = client.apply_tenant(request).await;
        let applied = applied.with_context(|| format!("{} refused it", service.as_str()))?;
        versions.push((service, applied.into_inner().version));
    }
    Ok(versions)
}

/// A policy file.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct PolicyFile {
    id: String,
    display_name: String,
    effective: toml::value::Datetime,
    #[serde(default)]
    refunds_fees: bool,
    pay_within_days: i32,
    citation: CitationFile,
    tiers: Vec<TierFile>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct CitationFile {
    title: String,
    #[serde(default)]
    uri: String,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct TierFile {
    rule: String,
    notice_hours: i32,
    fee_basis_points: i32,
}

impl PolicyFile {
    /// Reads a policy from TOML.
    pub(crate) fn parse(text: &str) -> Result<Self> {
        Ok(toml::from_str(text)?)
    }

    fn into_proto(self) -> Result<refunds::Policy> {
        let effective: Timestamp = self
            .effective
            .to_string()
            .parse()
            .context("effective: expected an instant such as 2026-01-01T00:00:00Z")?;
        let tier = |tier: TierFile| refunds::PolicyTier {
            rule: tier.rule,
            notice_hours: tier.notice_hours,
            fee_basis_points: tier.fee_basis_points,
        };
        Ok(refunds::Policy {
            name: resource("policies", &self.id),
            version: 0,
            display_name: self.display_name,
            effective_time: Some(effective),
            tiers: self.tiers.into_iter().map(tier).collect(),
            refunds_fees: self.refunds_fees,
            citation: Some(refunds::Citation {
                title: self.citation.title,
                uri: self.citation.uri,
            }),
            pay_within_days: self.pay_within_days,
        })
    }
}

pub(super) async fn policy(args: &ApplyArgs) -> Result<()> {
    let connections = connect(args, None)?;
    let policy = apply_policy(&connections, read(&args.file)?).await?;
    if args.caller.json {
        return output::json(&json!({ "policy": policy.name, "version": policy.version }));
    }
    output::line(format!("{} version {}", policy.name, policy.version));
    Ok(())
}

/// Applies a policy; returns it with the version that it now has.
pub(crate) async fn apply_policy(
    connections: &Connections,
    file: PolicyFile,
) -> Result<refunds::Policy> {
    let request = refunds::ApplyPolicyRequest { policy: Some(file.into_proto()?) };
    let mut client = PolicyServiceClient::new(connections.unary(ServiceName::Refunds)?);
    let applied = client.apply_policy(request).await.context("the policy was refused")?;
    Ok(applied.into_inner())
}
