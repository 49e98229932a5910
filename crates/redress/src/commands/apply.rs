//! `redress tenant apply` and `redress policy apply`: files that become versions.

use std::fs;
use std::path::Path;

use anyhow::{Context as _, Result};
use redress_core::tenant::Tenant;
use redress_proto::common::v1 as common;
use redress_proto::common::v1::tenant_service_client::TenantServiceClient;
use redress_proto::refunds::v1 as refunds;
use redress_proto::refunds::v1::policy_service_client::PolicyServiceClient;
use serde::Deserialize;
use serde_json::json;

use super::{policy, resource};
use crate::cli::{ApplyArgs, ApplyPolicyArgs, CallerArgs, ServiceName};
use crate::connect::Connections;
use crate::output;

fn read(file: &Path) -> Result<String> {
    fs::read_to_string(file).with_context(|| format!("cannot read {}", file.display()))
}

fn connect(args: &ApplyArgs, tenant: Option<&str>) -> Result<Connections> {
    let named = args.caller.tenant.as_deref().or(tenant);
    let tenant = named.context("--tenant is missing")?.to_owned();
    Connections::open(&CallerArgs {
        data: args.caller.data.clone(),
        tenant,
        token: args.caller.token.clone(),
        subject: "cli".to_owned(),
        json: args.caller.json,
    })
}

pub(super) async fn tenant(args: &ApplyArgs) -> Result<()> {
    let tenant: Tenant = toml::from_str(&read(&args.file)?)
        .with_context(|| format!("{} does not fit", args.file.display()))?;
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
    let mut services = ServiceName::ALL;
    // Refunds asks the most of settings: what it refuses is then stored nowhere.
    services.sort_by_key(|service| *service != ServiceName::Refunds);
    for service in services {
        let request =
            common::ApplyTenantRequest { tenant: Some(redress_api::tenants::to_proto(tenant)) };
        let mut client = TenantServiceClient::new(connections.unary(service)?);
        let applied = client.apply_tenant(request).await;
        let applied = applied.with_context(|| format!("{} refused it", service.as_str()))?;
        versions.push((service, applied.into_inner().version));
    }
    Ok(versions)
}

/// What names a policy in its file; the service reads the rest.
#[derive(Deserialize)]
struct PolicyHead {
    id: String,
}

pub(super) async fn policy(args: &ApplyPolicyArgs) -> Result<()> {
    let ApplyPolicyArgs { apply: args, choices } = args;
    let connections = connect(args, None)?;
    let source = policy::chosen(policy::source(&args.file)?, choices)?;
    let policy = apply_policy(&connections, source)
        .await
        .with_context(|| format!("try `redress policy check {}`", args.file.display()))?;
    if args.caller.json {
        return output::json(&json!({ "policy": policy.name, "version": policy.version }));
    }
    output::line(format!("{} version {}", policy.name, policy.version));
    Ok(())
}

/// Applies the policy that a file's text, `source`, describes; returns it with the version that it
/// now has.
pub(crate) async fn apply_policy(
    connections: &Connections,
    source: String,
) -> Result<refunds::Policy> {
    let head: PolicyHead = toml::from_str(&source).context("no policy can be read")?;
    let name = resource("policies", &head.id);
    let policy = refunds::Policy { name, source, ..refunds::Policy::default() };
    let request = refunds::ApplyPolicyRequest { policy: Some(policy) };
    let mut client = PolicyServiceClient::new(connections.unary(ServiceName::Refunds)?);
    let applied = client.apply_policy(request).await.context("the policy was refused")?;
    Ok(applied.into_inner())
}

#[cfg(test)]
mod tests {
    use super::*;

    const FILE: &str = include_str!("../../data/demo/tenant.toml");

    #[test]
    fn a_tenants_file_may_choose_policies() {
        let plain: Tenant = toml::from_str(FILE).unwrap();
        assert_eq!(plain.policies, []);
        let choices = "
            [[policies]]
            kinds = [\"TICKET\", \"SEAT\"]
            places_of_sale = [\"RU\", \"US-CA\"]
            policy = \"theatre\"
            law = \"ru-culture-52.1\"
            [[policies]]
            policy = \"rail\"
            kinds = [\"RAIL_LEG\"]
        ";
        let tenant: Tenant = toml::from_str(&format!("{FILE}{choices}")).unwrap();
        let sent = redress_api::tenants::to_proto(&tenant);
        let choice = |kinds: &[&str], places: &[&str], policy: &str, law: &str| {
            let owned = |words: &[&str]| words.iter().map(|word| (*word).to_owned()).collect();
            common::PolicyChoice {
                kinds: owned(kinds),
                places_of_sale: owned(places),
                policy: format!("policies/{policy}"),
                law: law.to_owned(),
            }
        };
        let expected = [
            choice(&["TICKET", "SEAT"], &["RU", "US-CA"], "theatre", "ru-culture-52.1"),
            choice(&["RAIL_LEG"], &[], "rail", ""),
        ];
        assert_eq!(sent.policies, expected);
        assert_eq!(redress_api::tenants::from_proto(sent, "tenant").unwrap(), tenant);
        let misspelt = format!("{FILE}[[policies]]\npolicy = \"rail\"\nkind = [\"RAIL_LEG\"]\n");
        toml::from_str::<Tenant>(&misspelt).unwrap_err();
    }
}
