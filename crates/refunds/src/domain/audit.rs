//! The audit log: who did what to money or to its rules, and why.
//!
//! Invariant: an entry is written in the transaction that does what it tells of, and never changes;
//! after its commit it gets its place in the tenant's audit chain. It carries ids, amounts and
//! codes, never contact data.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::fmt;

use redress_core::caller::Role;
use redress_core::chain::{AuditFields, Hash};
use redress_core::clock::Timestamp;
use redress_core::id::{AuditRecordId, TenantId};

/// The longest reason that an actor can give, in characters; the database refuses a longer one.
pub const MAX_REASON: usize = 1_000;

/// What was done, UPPER_SNAKE. Open, so that a release reads what a later one has written.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct AuditAction(Cow<'static, str>);

impl AuditAction {
    /// A refund was asked for.
    pub const REFUND_CREATED: Self = Self::named("REFUND_CREATED");
    /// A second person agreed to a refund.
    pub const REFUND_APPROVED: Self = Self::named("REFUND_APPROVED");
    /// A second person refused a refund.
    pub const REFUND_REJECTED: Self = Self::named("REFUND_REJECTED");
    /// A refund was called off before it was sent.
    pub const REFUND_CANCELLED: Self = Self::named("REFUND_CANCELLED");
    /// A refund that had failed was tried again.
    pub const REFUND_RETRIED: Self = Self::named("REFUND_RETRIED");
    /// A person decided what became of an attempt.
    pub const ATTEMPT_RESOLVED: Self = Self::named("ATTEMPT_RESOLVED");
    /// A disruption was opened.
    pub const DISRUPTION_CREATED: Self = Self::named("DISRUPTION_CREATED");
    /// What a disruption pays was agreed to.
    pub const DISRUPTION_APPROVED: Self = Self::named("DISRUPTION_APPROVED");
    /// Orders were added to what was agreed to.
    pub const DISRUPTION_EXTENDED: Self = Self::named("DISRUPTION_EXTENDED");
    /// A disruption's workers were let loose.
    pub const DISRUPTION_STARTED: Self = Self::named("DISRUPTION_STARTED");
    /// A disruption was paused.
    pub const DISRUPTION_PAUSED: Self = Self::named("DISRUPTION_PAUSED");
    /// A paused disruption went on.
    pub const DISRUPTION_RESUMED: Self = Self::named("DISRUPTION_RESUMED");
    /// A disruption was called off.
    pub const DISRUPTION_ABORTED: Self = Self::named("DISRUPTION_ABORTED");
    /// What had failed of a disruption was tried again.
    pub const DISRUPTION_RETRIED: Self = Self::named("DISRUPTION_RETRIED");
    /// The rules of a policy changed.
    pub const POLICY_APPLIED: Self = Self::named("POLICY_APPLIED");

    const fn named(name: &'static str) -> Self {
        Self(Cow::Borrowed(name))
    }

    /// An action as it is stored.
    pub const fn stored(name: String) -> Self {
        Self(Cow::Owned(name))
    }

    /// The name in the database and on the wire.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for AuditAction {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// One thing that somebody did.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AuditEntry {
    /// Whose log.
    pub tenant: TenantId,
    /// The entry.
    pub id: AuditRecordId,
    /// Who did it: the subject of the credential.
    pub actor: String,
    /// What the actor could act as.
    pub roles: Vec<Role>,
    /// What was done.
    pub action: AuditAction,
    /// Resource name of what it was done to, such as `refunds/0198c7`.
    pub resource: String,
    /// Why, in the actor's words; may be empty, at most [`MAX_REASON`] characters.
    pub reason: String,
    /// Ids, amounts and codes by name; never contact data.
    pub details: BTreeMap<String, String>,
    /// When.
    pub at: Timestamp,
}

impl AuditEntry {
    /// What the hash of this entry covers at `position`.
    pub fn canonical(&self, position: i64) -> Vec<u8> {
        let fields = AuditFields {
            tenant: self.tenant.as_str(),
            position,
            id: self.id.as_str(),
            actor: &self.actor,
            roles: self.roles.iter().map(|role| role.as_str()).collect(),
            action: self.action.as_str(),
            resource: &self.resource,
            reason: &self.reason,
            details: self.details.iter().map(|(name, value)| (&**name, &**value)).collect(),
            created: self.at.0,
        };
        fields.canonical()
    }
}

/// An entry with its place in the tenant's chain.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AuditRecord {
    /// What was done.
    pub entry: AuditEntry,
    /// Its place: 1, 2, 3 in each tenant's log.
    pub position: i64,
    /// Over its content and the hash before it.
    pub hash: Hash,
}

impl AuditRecord {
    /// What its hash covers.
    pub fn canonical(&self) -> Vec<u8> {
        self.entry.canonical(self.position)
    }
}
