//! Typed ids: which kind of thing a string names is checked by the compiler.
//!
//! Invariant: an id that Redress makes is a UUIDv7 in its simple form, so that ids made later sort
//! later and none can be guessed; an id that a platform brings is 1 to 64 characters of
//! `A-Z a-z 0-9 . _ ~ -`, so that it can stand in a resource name.

use std::fmt;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

/// The longest id accepted from outside, in characters.
pub const MAX_ID_LEN: usize = 64;

/// Why a text is not an id.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("expected 1 to {MAX_ID_LEN} characters of A-Z a-z 0-9 . _ ~ -")]
pub struct InvalidId;

/// Tells whether `text` can stand as one segment of a resource name.
pub fn is_valid_id(text: &str) -> bool {
    (1..=MAX_ID_LEN).contains(&text.len())
        && text.bytes().all(|b| b.is_ascii_alphanumeric() || b"._~-".contains(&b))
}

/// Makes fresh ids; injected, because it draws on the clock and on entropy.
pub trait IdSource: Send + Sync + fmt::Debug {
    /// A new unique id.
    fn next_id(&self) -> String;
}

/// UUIDv7 ids; for binaries.
#[derive(Debug, Clone, Copy, Default)]
pub struct RandomIds;

impl IdSource for RandomIds {
    #[expect(clippy::disallowed_methods, reason = "the one place that draws an id from entropy")]
    fn next_id(&self) -> String {
        uuid::Uuid::now_v7().simple().to_string()
    }
}

/// Shared handle to an id source.
pub type Ids = Arc<dyn IdSource>;

macro_rules! typed_ids {
    ($($(#[$doc:meta])* $name:ident in $collection:literal;)*) => {$(
        $(#[$doc])*
        #[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        #[serde(try_from = "String", into = "String")]
        pub struct $name(String);

        impl $name {
            /// The collection segment of this id's resource name.
            pub const COLLECTION: &'static str = $collection;

            /// Checks and wraps an id.
            pub fn new(id: impl Into<String>) -> Result<Self, InvalidId> {
                let id = id.into();
                if is_valid_id(&id) { Ok(Self(id)) } else { Err(InvalidId) }
            }

            /// A fresh id from `source`.
            pub fn fresh(source: &dyn IdSource) -> Self {
                Self(source.next_id())
            }

            /// The bare id.
            pub fn as_str(&self) -> &str {
                &self.0
            }

            /// The resource name: collection, slash, id.
            pub fn resource_name(&self) -> String {
                format!("{}/{}", $collection, self.0)
            }

            /// Reads a resource name of this collection.
            pub fn from_resource_name(name: &str) -> Result<Self, InvalidId> {
                let id = name
                    .strip_prefix($collection)
                    .and_then(|rest| rest.strip_prefix('/'))
                    .ok_or(InvalidId)?;
                Self::new(id)
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }

        impl TryFrom<String> for $name {
            type Error = InvalidId;
            fn try_from(id: String) -> Result<Self, InvalidId> {
                Self::new(id)
            }
        }

        impl From<$name> for String {
            fn from(id: $name) -> Self {
                id.0
            }
        }
    )*};
}

typed_ids! {
    /// One try to send money back on one tender; doubles as the provider's idempotency key.
    AttemptId in "attempts";
    /// One entry of an audit log: what somebody did.
    AuditRecordId in "auditRecords";
    /// Work that a person owns.
    CaseId in "cases";
    /// The platform's own opaque id of a buyer.
    CustomerId in "customers";
    /// A cancelled, postponed or moved event and what it does to its orders.
    DisruptionId in "disruptions";
    /// A match, a concert, a departure: what an order line is for.
    EventId in "events";
    /// An invitation to answer a survey.
    InvitationId in "invitations";
    /// One message to one customer.
    NotificationId in "notifications";
    /// A purchase, as the platform's shop knows it.
    OrderId in "orders";
    /// One payment (tender) of an order.
    PaymentId in "payments";
    /// A set of refund rules; its versions never change.
    PolicyId in "policies";
    /// A priced offer of a refund, valid until it expires.
    QuoteId in "quotes";
    /// Money going back for lines of one order.
    RefundId in "refunds";
    /// An answer to a survey.
    ResponseId in "responses";
    /// A set of questions and the rule for whom to ask.
    SurveyId in "surveys";
    /// A platform or a brand on it; the outermost key of every row.
    TenantId in "tenants";
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_keep_to_url_safe_characters() {
        for good in ["ZQR3T", "city-derby", "a.b_c~d", &"x".repeat(64)] {
            assert!(OrderId::new(good).is_ok(), "{good}");
        }
        for bad in ["", "a/b", "ä", "a b", &"x".repeat(65), "a\n"] {
            assert_eq!(OrderId::new(bad), Err(InvalidId), "{bad:?}");
        }
    }

    #[test]
    fn resource_names_read_back_only_in_their_own_collection() {
        let order = OrderId::new("ZQR3T");
        assert_eq!(order.clone().map(|o| o.resource_name()), Ok("orders/ZQR3T".to_owned()));
        assert_eq!(OrderId::from_resource_name("orders/ZQR3T"), order);
        assert!(OrderId::from_resource_name("refunds/ZQR3T").is_err());
        assert!(OrderId::from_resource_name("orders/a/b").is_err());
        assert!(OrderId::from_resource_name("ordersZQR3T").is_err());
    }
}
