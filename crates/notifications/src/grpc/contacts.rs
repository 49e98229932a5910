//! The buyers' contacts, asked from the refunds service.
//!
//! Invariant: the answer is used for the message at hand and forgotten; an answer for an order
//! that was not asked for is ignored.

use std::collections::HashMap;
use std::time::Duration;

use async_trait::async_trait;
use redress_client::PeerChannel;
use redress_core::id::{OrderId, TenantId};
use redress_proto::refunds::v1 as pb;
use redress_proto::refunds::v1::order_service_client::OrderServiceClient;

use crate::app::contacts::{Contact, Contacts, ContactsError};

/// How long an answer with up to 500 contacts may take.
const DEADLINE: Duration = Duration::from_secs(10);

/// [`Contacts`] over `OrderService.BatchGetOrderContacts`.
#[derive(Debug, Clone)]
pub struct GrpcContacts {
    refunds: PeerChannel,
}

impl GrpcContacts {
    /// Asks `refunds`.
    pub const fn new(refunds: PeerChannel) -> Self {
        Self { refunds }
    }
}

#[async_trait]
impl Contacts for GrpcContacts {
    async fn of_orders(
        &self,
        tenant: &TenantId,
        orders: &[OrderId],
    ) -> Result<HashMap<OrderId, Contact>, ContactsError> {
        let channel = self.refunds.for_tenant(tenant.clone()).idempotent().with_deadline(DEADLINE);
        let names = orders.iter().map(OrderId::resource_name).collect();
        let answer = OrderServiceClient::new(channel)
            .batch_get_order_contacts(pb::BatchGetOrderContactsRequest { names })
            .await
            .map_err(|status| ContactsError(Box::new(status)))?;
        let mut contacts = HashMap::with_capacity(orders.len());
        for entry in answer.into_inner().contacts {
            let order = OrderId::from_resource_name(&entry.order)
                .map_err(|error| ContactsError(Box::new(error)))?;
            let reach = entry.contact.unwrap_or_default();
            let contact = Contact {
                email: reach.email,
                display_name: reach.display_name,
                locale: reach.locale,
                title: entry.title,
            };
            contacts.insert(order, contact);
        }
        Ok(contacts)
    }
}
