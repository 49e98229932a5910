//! Records on their way to `OrderService.ImportOrders`.
//!
//! Invariant: at most [`IN_FLIGHT`] chunks are unanswered, so that a slow server slows the reading;
//! every rejection is traced back to the record it came from.

use std::collections::VecDeque;
use std::time::Duration;

use prost::Message as _;
use redress_client::PeerChannel;
use redress_core::id::TenantId;
use redress_proto::refunds::v1::order_service_client::OrderServiceClient;
use redress_proto::refunds::v1::{
    ImportOrdersRequest, ImportOrdersResponse, ImportRejection, Order,
};
use tokio::sync::mpsc;
use tokio::time::timeout;
use tokio_stream::wrappers::ReceiverStream;
use tonic::{Status, Streaming};

use super::record::{ImportProblem, Origin, Record, Violation};
use super::report::ImportReport;

/// Orders in one chunk, which the server stores in one transaction.
pub const CHUNK_ORDERS: usize = 500;
/// A chunk ends early rather than grow beyond this.
const CHUNK_BYTES: usize = 512 * 1024;
/// Chunks that are sent and not answered.
const IN_FLIGHT: usize = 4;
/// A chunk that is not answered in this time ends the import.
const ANSWER_LIMIT: Duration = Duration::from_mins(1);

/// The import ended early. The orders answered for so far stay imported; the same import again is
/// harmless and goes on where this one ended.
#[derive(Debug, thiserror::Error)]
#[error("the import ended early, after {} records", report.total())]
pub struct ImportError {
    /// What had become of the records by then.
    pub report: Box<ImportReport>,
    /// Why.
    #[source]
    pub cause: Cause,
}

/// Why an import ended early.
#[derive(Debug, thiserror::Error)]
pub enum Cause {
    /// The call failed.
    #[error("the server ended the import: {} ({:?})", .0.message(), .0.code())]
    Call(Box<Status>),
    /// A chunk was not answered in time.
    #[error("the server did not answer a chunk within {} s", ANSWER_LIMIT.as_secs())]
    NoAnswer,
    /// The server ended the stream with chunks unanswered.
    #[error("the server ended the import without answering every chunk")]
    Unanswered,
    /// An answer does not fit its chunk.
    #[error("the server's answer does not add up to the chunk it answers")]
    Mismatch,
    /// The reader ended by a defect.
    #[error("reading the records failed")]
    Reader(#[source] tokio::task::JoinError),
}

impl From<Status> for Cause {
    fn from(status: Status) -> Self {
        Self::Call(Box::new(status))
    }
}

/// What the reading thread hands over.
enum Read {
    Chunk(Chunk),
    Problem(ImportProblem),
}

/// Orders, and where each came from.
type Chunk = (Vec<Origin>, ImportOrdersRequest);

/// Sends `records` in the name of `tenant` and calls `progress` after each answer. Returns what
/// became of all records; their order in the file is kept.
pub async fn run(
    peer: &PeerChannel,
    tenant: TenantId,
    records: impl Iterator<Item = Record> + Send + 'static,
    progress: impl FnMut(&ImportReport),
) -> Result<ImportReport, ImportError> {
    let (sender, reads) = mpsc::channel(2);
    let reading = tokio::task::spawn_blocking(move || read(records, &sender));
    let mut import =
        Import { report: ImportReport::default(), unanswered: VecDeque::new(), progress };
    let client = OrderServiceClient::new(peer.for_tenant(tenant).streaming());
    let mut result = import.send_all(client, reads).await;
    // The reader ends with its records, or with the channel that `send_all` has dropped.
    if let Err(error) = reading.await {
        result = Err(Cause::Reader(error));
    }
    match result {
        Ok(()) => Ok(import.report),
        Err(cause) => Err(ImportError { report: Box::new(import.report), cause }),
    }
}

/// Reads to the end, or until nobody takes what is read.
fn read(records: impl Iterator<Item = Record>, reads: &mpsc::Sender<Read>) {
    let (mut origins, mut orders, mut bytes) = (Vec::new(), Vec::new(), 0);
    for record in records {
        let (origin, order): (Origin, Order) = match record {
            Ok(record) => record,
            Err(problem) => {
                if reads.blocking_send(Read::Problem(problem)).is_err() {
                    return;
                }
                continue;
            }
        };
        let length = order.encoded_len();
        if orders.len() == CHUNK_ORDERS || bytes + length > CHUNK_BYTES && !orders.is_empty() {
            let orders = std::mem::take(&mut orders);
            let chunk = (std::mem::take(&mut origins), ImportOrdersRequest { orders });
            if reads.blocking_send(Read::Chunk(chunk)).is_err() {
                return;
            }
            bytes = 0;
        }
        bytes += length;
        origins.push(origin);
        orders.push(order);
    }
    if !orders.is_empty() {
        // A receiver that is gone has its reason and does not want the rest.
        let _unwanted = reads.blocking_send(Read::Chunk((origins, ImportOrdersRequest { orders })));
    }
}

struct Import<P> {
    report: ImportReport,
    /// Where the orders of each unanswered chunk came from, oldest first.
    unanswered: VecDeque<Vec<Origin>>,
    progress: P,
}

impl<P: FnMut(&ImportReport)> Import<P> {
    async fn send_all(
        &mut self,
        mut client: OrderServiceClient<redress_client::TenantChannel>,
        mut reads: mpsc::Receiver<Read>,
    ) -> Result<(), Cause> {
        let Some(first) = self.next_chunk(&mut reads).await else { return Ok(()) };
        let (sender, chunks) = mpsc::channel(IN_FLIGHT);
        // The first chunk goes ahead of the call: a server may answer only once it has seen one.
        self.send(&sender, first).await;
        let call = timeout(ANSWER_LIMIT, client.import_orders(ReceiverStream::new(chunks))).await;
        let mut answers = call.map_err(|_| Cause::NoAnswer)??.into_inner();
        loop {
            while self.unanswered.len() < IN_FLIGHT {
                match self.next_chunk(&mut reads).await {
                    Some(chunk) => self.send(&sender, chunk).await,
                    None => break,
                }
            }
            let Some(origins) = self.unanswered.pop_front() else { return Ok(()) };
            let answer = next_answer(&mut answers).await?;
            self.settle(&origins, answer)?;
            (self.progress)(&self.report);
        }
    }

    async fn next_chunk(&mut self, reads: &mut mpsc::Receiver<Read>) -> Option<Chunk> {
        loop {
            match reads.recv().await? {
                Read::Chunk(chunk) => return Some(chunk),
                Read::Problem(problem) => self.report.reject(problem),
            }
        }
    }

    async fn send(
        &mut self,
        sender: &mpsc::Sender<ImportOrdersRequest>,
        (origins, request): Chunk,
    ) {
        self.unanswered.push_back(origins);
        // A call that has ended takes no more: its answer, read next, says why.
        let _ended = sender.send(request).await;
    }

    fn settle(&mut self, origins: &[Origin], answer: ImportOrdersResponse) -> Result<(), Cause> {
        let count = |number: i32| u64::try_from(number).map_err(|_| Cause::Mismatch);
        let (created, updated) = (count(answer.created)?, count(answer.updated)?);
        let (unchanged, stale) = (count(answer.unchanged)?, count(answer.stale)?);
        let rejected = answer.rejections.len() as u64;
        if created + updated + unchanged + stale + rejected != origins.len() as u64 {
            return Err(Cause::Mismatch);
        }
        for rejection in answer.rejections {
            self.report.reject(problem(origins, rejection)?);
        }
        self.report.created += created;
        self.report.updated += updated;
        self.report.unchanged += unchanged;
        self.report.stale += stale;
        Ok(())
    }
}

async fn next_answer(
    answers: &mut Streaming<ImportOrdersResponse>,
) -> Result<ImportOrdersResponse, Cause> {
    let answer = timeout(ANSWER_LIMIT, answers.message()).await.map_err(|_| Cause::NoAnswer)?;
    answer?.ok_or(Cause::Unanswered)
}

fn problem(origins: &[Origin], rejection: ImportRejection) -> Result<ImportProblem, Cause> {
    let index = usize::try_from(rejection.index).map_err(|_| Cause::Mismatch)?;
    let origin = origins.get(index).ok_or(Cause::Mismatch)?.clone();
    let violations = rejection.violations.into_iter();
    let violations =
        violations.map(|v| Violation { field: v.field, description: v.description }).collect();
    Ok(ImportProblem { origin, violations })
}

#[cfg(test)]
#[path = "send_tests.rs"]
mod tests;
