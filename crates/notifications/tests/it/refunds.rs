//! What stands in for the refunds service: its `OrderService` on a port of its own, with contacts
//! that the test writes. It refuses what the contract refuses.

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};

use redress_api::validate::check;
use redress_client::{PeerChannel, PeerSettings, SystemResolver, TokenError, TokenSource};
use redress_core::id::TenantId;
use redress_proto::refunds::v1 as pb;
use redress_proto::refunds::v1::order_service_server::{OrderService, OrderServiceServer};
use secrecy::SecretString;
use tokio::net::TcpListener;
use tokio_stream::wrappers::TcpListenerStream;
use tonic::{Request, Response, Status, Streaming};

/// The contacts of all tenants, and whether they can be had.
#[derive(Clone, Default)]
pub(crate) struct Refunds {
    contacts: Arc<Mutex<HashMap<(String, String), pb::OrderContact>>>,
    asked: Arc<Mutex<Vec<usize>>>,
    down: Arc<AtomicBool>,
}

impl Refunds {
    /// Serves on a free port and returns the way there.
    pub(crate) async fn serve(&self) -> PeerChannel {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let server = OrderServiceServer::new(self.clone());
        let server = tonic::transport::Server::builder().add_service(server);
        tokio::spawn(server.serve_with_incoming(TcpListenerStream::new(listener)));
        let (resolver, tokens) = (Arc::new(SystemResolver), Arc::new(TenantAsToken));
        PeerChannel::connect(&PeerSettings::new(url), resolver, tokens).unwrap()
    }

    /// Writes down how to reach the buyer of an order.
    pub(crate) fn knows(&self, tenant: &TenantId, order: &str, contact: pb::Contact) {
        let order = format!("orders/{order}");
        let key = (tenant.as_str().to_owned(), order.clone());
        let title = "Main stand".to_owned();
        let entry = pb::OrderContact { order, contact: Some(contact), title };
        self.contacts.lock().unwrap().insert(key, entry);
    }

    /// From now on the service answers, or does not.
    pub(crate) fn set_down(&self, down: bool) {
        self.down.store(down, Ordering::SeqCst);
    }

    /// How many orders each question named.
    pub(crate) fn asked(&self) -> Vec<usize> {
        self.asked.lock().unwrap().clone()
    }
}

/// The token of a tenant is its id, so that the stand-in knows in whose name it is asked.
struct TenantAsToken;

impl TokenSource for TenantAsToken {
    fn token(&self, tenant: &TenantId) -> Result<SecretString, TokenError> {
        Ok(SecretString::from(tenant.as_str().to_owned()))
    }
}

#[tonic::async_trait]
impl OrderService for Refunds {
    type ImportOrdersStream = tokio_stream::Empty<Result<pb::ImportOrdersResponse, Status>>;

    async fn batch_get_order_contacts(
        &self,
        request: Request<pb::BatchGetOrderContactsRequest>,
    ) -> Result<Response<pb::BatchGetOrderContactsResponse>, Status> {
        if self.down.load(Ordering::SeqCst) {
            return Err(Status::unavailable("down for the test"));
        }
        let token = request.metadata().get("authorization").unwrap().to_str().unwrap();
        let tenant = token.strip_prefix("Bearer ").unwrap().to_owned();
        let message = request.into_inner();
        check(&message)?;
        self.asked.lock().unwrap().push(message.names.len());
        let known = self.contacts.lock().unwrap();
        let contact = |name: String| known.get(&(tenant.clone(), name)).cloned();
        let contacts = message.names.into_iter().filter_map(contact).collect();
        Ok(Response::new(pb::BatchGetOrderContactsResponse { contacts }))
    }

    async fn import_orders(
        &self,
        _request: Request<Streaming<pb::ImportOrdersRequest>>,
    ) -> Result<Response<Self::ImportOrdersStream>, Status> {
        Err(Status::unimplemented("not asked for here"))
    }

    async fn get_order(
        &self,
        _request: Request<pb::GetOrderRequest>,
    ) -> Result<Response<pb::Order>, Status> {
        Err(Status::unimplemented("not asked for here"))
    }

    async fn list_orders(
        &self,
        _request: Request<pb::ListOrdersRequest>,
    ) -> Result<Response<pb::ListOrdersResponse>, Status> {
        Err(Status::unimplemented("not asked for here"))
    }
}
