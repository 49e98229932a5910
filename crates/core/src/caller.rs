//! Who calls: the verified identity behind a request.
//!
//! Invariant: a `Caller` is only built from a verified credential, and the tenant comes from it,
//! never from a request body.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use crate::id::TenantId;

/// What a caller may act as. A method lists the roles that may call it; no other may.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Role {
    /// The ticketing or travel platform's own backend.
    Platform,
    /// A person who works on cases and refunds.
    Agent,
    /// An agent who may also approve.
    Supervisor,
    /// A person who answers for the money.
    Finance,
    /// A person who may read everything and change nothing.
    Auditor,
    /// A buyer, who sees only what is theirs.
    Customer,
    /// A service: one of the four, or another one of the same company.
    Service,
}

impl Role {
    /// All roles, in the order of their declaration.
    pub const ALL: [Self; 7] = [
        Self::Platform,
        Self::Agent,
        Self::Supervisor,
        Self::Finance,
        Self::Auditor,
        Self::Customer,
        Self::Service,
    ];

    /// The name in tokens, configuration and logs.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Platform => "platform",
            Self::Agent => "agent",
            Self::Supervisor => "supervisor",
            Self::Finance => "finance",
            Self::Auditor => "auditor",
            Self::Customer => "customer",
            Self::Service => "service",
        }
    }
}

impl fmt::Display for Role {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// The text is no role's name.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "unknown role: expected one of platform, agent, supervisor, finance, auditor, customer, service"
)]
pub struct UnknownRole;

impl FromStr for Role {
    type Err = UnknownRole;

    fn from_str(name: &str) -> Result<Self, UnknownRole> {
        Self::ALL.into_iter().find(|role| role.as_str() == name).ok_or(UnknownRole)
    }
}

/// The verified caller of one request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Caller {
    /// The tenant in whose name the call is made.
    pub tenant: TenantId,
    /// Who calls: a person's, platform's or service's own id, opaque to Redress.
    pub subject: String,
    /// The issuer that vouched for the caller.
    pub issuer: String,
    /// Roles that the token claims and its issuer may assert; never empty.
    pub roles: Vec<Role>,
}

impl Caller {
    /// Whether the caller holds any of `roles`.
    pub fn has_any(&self, roles: &[Role]) -> bool {
        self.roles.iter().any(|role| roles.contains(role))
    }
}
