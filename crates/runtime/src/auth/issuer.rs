//! Who may vouch for callers, and for which.
//!
//! Invariant: an issuer's rights are fixed by configuration; its tokens can only narrow them.

use std::collections::BTreeSet;

use jsonwebtoken::DecodingKey;
use redress_core::caller::Role;
use redress_core::id::TenantId;

use crate::token::PublicKey;

/// The tenants that an issuer may assert.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Tenants {
    /// Every tenant.
    All,
    /// Only these.
    Only(BTreeSet<TenantId>),
}

/// One issuer with one key.
#[derive(Clone)]
pub struct Issuer {
    name: String,
    key: DecodingKey,
    roles: Vec<Role>,
    tenants: Tenants,
}

impl Issuer {
    /// An issuer that may assert `roles` for `tenants`.
    pub fn new(name: &str, key: &PublicKey, roles: Vec<Role>, tenants: Tenants) -> Self {
        Self { name: name.to_owned(), key: key.decoding_key(), roles, tenants }
    }

    /// Reads tenants as they stand in settings: ids, or `*` alone.
    pub(crate) fn tenants_from(ids: &[String]) -> Result<Tenants, String> {
        match ids {
            [] => Err("must name the tenants that it may assert, or \"*\" for all".to_owned()),
            [all] if all == "*" => Ok(Tenants::All),
            ids => {
                let parse =
                    |id: &String| TenantId::new(id).map_err(|error| format!("{id}: {error}"));
                Ok(Tenants::Only(ids.iter().map(parse).collect::<Result<_, _>>()?))
            }
        }
    }

    pub(crate) fn name(&self) -> &str {
        &self.name
    }

    pub(crate) const fn key(&self) -> &DecodingKey {
        &self.key
    }

    pub(crate) fn may_assert_role(&self, role: Role) -> bool {
        self.roles.contains(&role)
    }

    pub(crate) fn may_assert_tenant(&self, tenant: &TenantId) -> bool {
        match &self.tenants {
            Tenants::All => true,
            Tenants::Only(tenants) => tenants.contains(tenant),
        }
    }
}
