//! What every service knows of a tenant: name, brand, locales, zone and limits.
//!
//! Invariant: a tenant's settings carry a version that rises with each change, so that a service
//! that missed one can tell.

use serde::{Deserialize, Serialize};

use crate::caller::Role;
use crate::id::TenantId;
use crate::money::Money;

/// A tenant's settings, as applied from its TOML file.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Tenant {
    /// The tenant's id: the value of the `tenant` claim in its callers' tokens.
    pub id: TenantId,
    /// Name shown to customers.
    pub display_name: String,
    /// BCP 47 tags of the languages the tenant speaks, the default first; never empty.
    pub locales: Vec<String>,
    /// IANA time zone of the tenant's office, such as `Europe/Berlin`.
    pub time_zone: String,
    /// The sender of messages to customers, such as `tickets@arena.example`.
    pub sender_email: String,
    /// Where a customer finds help; shown in messages. An absolute https URL.
    pub support_url: String,
    /// Id of the refund policy for orders that name none and that no choice covers.
    pub default_policy: String,
    /// Refund policies for orders that name none; the first choice that covers an order decides.
    #[serde(default)]
    pub policies: Vec<PolicyChoice>,
    /// Above which amount a refund needs a second person, by the role that asks for it. A role, or a
    /// currency, without an entry has no limit.
    #[serde(default)]
    pub approval_limits: Vec<ApprovalLimit>,
    /// Rises by one with each change; 0 means not stored yet.
    #[serde(skip)]
    pub version: i64,
}

/// The most that a role refunds without a second person.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ApprovalLimit {
    /// Whose limit.
    pub role: Role,
    /// A refund above this amount waits for approval; 0 means every refund does.
    pub limit: Money,
}

/// The refund policy of orders of some kinds, sold in some places.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PolicyChoice {
    /// The kinds of line that it covers, such as `TICKET`; empty for all.
    #[serde(default)]
    pub kinds: Vec<String>,
    /// Where an order has to have been sold: a country (ISO 3166-1 alpha-2), or a part of one
    /// (ISO 3166-2), such as `US-CA`; empty for everywhere.
    #[serde(default)]
    pub places_of_sale: Vec<String>,
    /// Id of the policy.
    pub policy: String,
    /// Id of the law that the policy has to promise, of those that come with Redress.
    #[serde(default)]
    pub law: Option<String>,
}
