//! Where the buyers' addresses come from; the refunds service keeps them with the orders.
//!
//! Invariant: contacts are asked for when a message is about to leave, and are never stored here.

use std::collections::HashMap;
use std::fmt;

use async_trait::async_trait;
use redress_core::id::{OrderId, TenantId};

/// How to reach the buyer of one order, and what the order is called.
#[derive(Clone, PartialEq, Eq)]
pub struct Contact {
    /// E-mail address; empty when the shop has none.
    pub email: String,
    /// How the buyer calls themselves; empty when unknown.
    pub display_name: String,
    /// BCP 47 tag of the language the order was placed in; empty when unknown.
    pub locale: String,
    /// Title of the order's first line.
    pub title: String,
}

impl fmt::Debug for Contact {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Contact").field("locale", &self.locale).finish_non_exhaustive()
    }
}

/// Knows the buyers.
#[async_trait]
pub trait Contacts: Send + Sync {
    /// The contacts of a tenant's orders. An order that the tenant does not have is left out.
    async fn of_orders(
        &self,
        tenant: &TenantId,
        orders: &[OrderId],
    ) -> Result<HashMap<OrderId, Contact>, ContactsError>;
}

/// The contacts cannot be had now.
#[derive(Debug, thiserror::Error)]
#[error("the buyers' contacts cannot be had now")]
pub struct ContactsError(#[source] pub Box<dyn std::error::Error + Send + Sync>);
