//! `OrderService`.

use std::collections::{HashSet, VecDeque};

use futures::future::{BoxFuture, FutureExt as _};
use futures::stream::{self, BoxStream, FuturesOrdered, StreamExt as _};
use redress_api::page::Page;
use redress_api::{ApiError, FieldViolation, Valid, validated};
use redress_core::id::{OrderId, TenantId};
use redress_proto::refunds::v1 as pb;
use redress_proto::refunds::v1::order_service_server::OrderService;
use tonic::{Request, Response, Status, Streaming};

use super::caller;
use super::convert::{self, filter, order};
use super::status::refuse;
use crate::app::{self, MAX_CHUNK, Refunds};

const LIST_ORDERS: &str = "redress.refunds.v1.OrderService/ListOrders";

/// `OrderService` over the use cases.
#[derive(Clone)]
pub struct OrderGrpc {
    app: Refunds,
}

impl OrderGrpc {
    /// Serves `app`.
    pub const fn new(app: Refunds) -> Self {
        Self { app }
    }
}

#[tonic::async_trait]
impl OrderService for OrderGrpc {
    type ImportOrdersStream = BoxStream<'static, Result<pb::ImportOrdersResponse, Status>>;

    async fn import_orders(
        &self,
        request: Request<Streaming<pb::ImportOrdersRequest>>,
    ) -> Result<Response<Self::ImportOrdersStream>, Status> {
        let (_, extensions, chunks) = request.into_parts();
        let caller = caller(&extensions)?;
        let import = Import::new(self.app.clone(), caller.tenant.clone(), chunks);
        Ok(Response::new(import.answers()))
    }

    async fn get_order(
        &self,
        request: Request<pb::GetOrderRequest>,
    ) -> Result<Response<pb::Order>, Status> {
        let Valid { caller, message, .. } = validated(request)?;
        let id = convert::id(OrderId::from_resource_name, &message.name, "name")?;
        let found = app::get_order(&self.app, &caller.tenant, &id).await.map_err(refuse)?;
        Ok(Response::new(order::to_proto(&found)))
    }

    async fn list_orders(
        &self,
        request: Request<pb::ListOrdersRequest>,
    ) -> Result<Response<pb::ListOrdersResponse>, Status> {
        let Valid { caller, message, .. } = validated(request)?;
        let (size, token) = (message.page_size, message.page_token.as_str());
        let page = Page::read(&caller.tenant, LIST_ORDERS, &[&message.filter], size, token)?;
        let filter = filter::orders(&message.filter)?;
        let rows = convert::store_page(&page, true);
        let listed =
            app::list_orders(&self.app, &caller.tenant, &filter, &rows).await.map_err(refuse)?;
        Ok(Response::new(pb::ListOrdersResponse {
            next_page_token: convert::next_page_token(&page, &listed, |order| order.id.as_str()),
            total_size: listed.total.unwrap_or_default(),
            orders: listed.rows.iter().map(order::to_proto).collect(),
        }))
    }

    async fn batch_get_order_contacts(
        &self,
        request: Request<pb::BatchGetOrderContactsRequest>,
    ) -> Result<Response<pb::BatchGetOrderContactsResponse>, Status> {
        let Valid { caller, message, .. } = validated(request)?;
        let ids = convert::ids(OrderId::from_resource_name, &message.names, "names")?;
        let found =
            app::batch_get_order_contacts(&self.app, &caller.tenant, &ids).await.map_err(refuse)?;
        let contacts = found.into_iter().map(|(id, contact, title)| pb::OrderContact {
            order: id.resource_name(),
            contact: Some(order::contact_to_proto(&contact)),
            title,
        });
        Ok(Response::new(pb::BatchGetOrderContactsResponse { contacts: contacts.collect() }))
    }
}

/// Chunks of one import that are stored at the same time: while one waits for the database, the
/// next is checked.
const SIDE_BY_SIDE: usize = 2;

/// An import under way. It is driven by whoever reads the answers: [`SIDE_BY_SIDE`] chunks are in
/// memory and one that waits, and the next is read from the connection only when an answer has been
/// taken. Chunks with an order in common are stored one after the other.
struct Import {
    app: Refunds,
    tenant: TenantId,
    chunks: Streaming<pb::ImportOrdersRequest>,
    /// The orders of the chunks that are being stored, oldest first.
    names: VecDeque<HashSet<String>>,
    under_way: FuturesOrdered<BoxFuture<'static, Result<pb::ImportOrdersResponse, Status>>>,
    /// Read, and not taken on yet.
    waiting: Option<pb::ImportOrdersRequest>,
    /// How the chunks ended, once they did.
    ended: Option<Result<(), Status>>,
}

impl Import {
    fn new(app: Refunds, tenant: TenantId, chunks: Streaming<pb::ImportOrdersRequest>) -> Self {
        Self {
            app,
            tenant,
            chunks,
            names: VecDeque::new(),
            under_way: FuturesOrdered::new(),
            waiting: None,
            ended: None,
        }
    }

    /// One answer a chunk, in order; ends with the caller's chunks, or with the first error.
    fn answers(self) -> BoxStream<'static, Result<pb::ImportOrdersResponse, Status>> {
        let step = |mut import: Self| async move {
            Ok(import.next_answer().await?.map(|answer| (answer, import)))
        };
        stream::try_unfold(self, step).boxed()
    }

    async fn next_answer(&mut self) -> Result<Option<pb::ImportOrdersResponse>, Status> {
        loop {
            self.take_on();
            let reads = self.waiting.is_none() && self.ended.is_none();
            tokio::select! {
                biased;
                Some(answer) = self.under_way.next() => {
                    self.names.pop_front();
                    return answer.map(Some);
                }
                chunk = self.chunks.message(), if reads => match chunk {
                    Ok(Some(chunk)) => self.waiting = Some(chunk),
                    Ok(None) => self.ended = Some(Ok(())),
                    Err(status) => self.ended = Some(Err(status)),
                },
                // Nothing is under way and nothing is read: that was all.
                else => return self.ended.take().unwrap_or(Ok(())).map(|()| None),
            }
        }
    }

    /// Begins to store the chunk that waits, when there is room and none of its orders is being
    /// stored.
    fn take_on(&mut self) {
        if self.names.len() >= SIDE_BY_SIDE {
            return;
        }
        let Some(chunk) = self.waiting.take() else { return };
        let is_under_way = |order: &pb::Order| self.names.iter().any(|of| of.contains(&order.name));
        if chunk.orders.iter().any(is_under_way) {
            self.waiting = Some(chunk);
            return;
        }
        self.names.push_back(chunk.orders.iter().map(|order| order.name.clone()).collect());
        let (app, tenant) = (self.app.clone(), self.tenant.clone());
        self.under_way.push_back(async move { store(&app, &tenant, chunk).await }.boxed());
    }
}

async fn store(
    app: &Refunds,
    tenant: &TenantId,
    chunk: pb::ImportOrdersRequest,
) -> Result<pb::ImportOrdersResponse, Status> {
    let size = chunk.orders.len();
    if !(1..=MAX_CHUNK).contains(&size) {
        let text = format!("must hold 1 to {MAX_CHUNK} orders, holds {size}");
        let violation = FieldViolation::new("orders", text);
        return Err(ApiError::invalid_fields(vec![violation]).into());
    }
    // Only the chunk's size is judged as a whole; each order is judged by itself.
    let candidates = chunk.orders.into_iter().map(order::candidate).collect();
    let report = app::import_orders(app, tenant, candidates).await.map_err(refuse)?;
    Ok(order::import_report(report))
}
