//! Holds the policies that a tenant chooses to the laws that it names for them.
//!
//! Invariant: settings are stored only when the newest version of each policy promises the law that
//! its choice names. Later versions are held to it when they are applied.

use std::collections::HashMap;

use async_trait::async_trait;
use redress_api::FieldViolation;
use redress_api::ports::{PortError, TenantRules};
use redress_core::id::{PolicyId, TenantId};
use redress_core::tenant::Tenant;
use redress_policy::Policy;

use crate::domain::policy_choice::obstacle;
use crate::store::SharedStore;

/// The rules for a tenant's settings, over the policies that are stored.
pub struct PromisedLaws {
    store: SharedStore,
}

impl PromisedLaws {
    /// Looks the policies up in `store`.
    pub const fn new(store: SharedStore) -> Self {
        Self { store }
    }

    async fn newest(&self, tenant: &TenantId, id: &str) -> Result<Option<Policy>, PortError> {
        let Ok(id) = PolicyId::new(id) else { return Ok(None) };
        let stored = self.store.policy(tenant, &id).await?;
        Ok(stored.map(|applied| applied.policy))
    }
}

#[async_trait]
impl TenantRules for PromisedLaws {
    async fn broken_by(&self, tenant: &Tenant) -> Result<Vec<FieldViolation>, PortError> {
        let mut looked_up: HashMap<&str, Option<Policy>> = HashMap::new();
        let mut broken = Vec::new();
        for (at, choice) in tenant.policies.iter().enumerate() {
            let Some(law) = &choice.law else { continue };
            let id = choice.policy.as_str();
            if !looked_up.contains_key(id) {
                looked_up.insert(id, self.newest(&tenant.id, id).await?);
            }
            let newest = looked_up.get(id).and_then(Option::as_ref);
            if let Some(reason) = obstacle(id, newest, law) {
                broken.push(FieldViolation::new(format!("policies[{at}].law"), reason));
            }
        }
        Ok(broken)
    }
}
