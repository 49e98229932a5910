use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use futures::Stream;
use redress_client::{PeerSettings, StaticToken, SystemResolver};
use redress_proto::refunds::v1::order_service_server::{OrderService, OrderServiceServer};
use redress_proto::refunds::v1::{
    BatchGetOrderContactsRequest, BatchGetOrderContactsResponse, GetOrderRequest, ImportViolation,
    ListOrdersRequest, ListOrdersResponse,
};
use tokio::net::TcpListener;
use tokio::sync::Semaphore;
use tokio_stream::wrappers::TcpListenerStream;
use tonic::transport::Server;
use tonic::{Request, Response};

use super::*;
use crate::import::Sample;

type Answer = fn(&[Order]) -> Result<ImportOrdersResponse, Status>;

/// Answers each chunk as the test says, once the test lets it.
#[derive(Clone)]
struct Importer {
    answer: Answer,
    may_answer: Arc<Semaphore>,
    chunks: Arc<Mutex<Vec<usize>>>,
    received: Arc<AtomicUsize>,
}

impl Importer {
    fn new(answer: Answer) -> Self {
        Self {
            answer,
            may_answer: Arc::new(Semaphore::new(Semaphore::MAX_PERMITS)),
            chunks: Arc::default(),
            received: Arc::default(),
        }
    }
}

#[tonic::async_trait]
impl OrderService for Importer {
    type ImportOrdersStream =
        Pin<Box<dyn Stream<Item = Result<ImportOrdersResponse, Status>> + Send>>;

    async fn import_orders(
        &self,
        request: Request<Streaming<ImportOrdersRequest>>,
    ) -> Result<Response<Self::ImportOrdersStream>, Status> {
        let (sender, answers) = mpsc::channel(64);
        let (importer, mut requests) = (self.clone(), request.into_inner());
        let (questions, mut queue) = mpsc::channel::<ImportOrdersRequest>(64);
        let received = Arc::clone(&self.received);
        tokio::spawn(async move {
            while let Ok(Some(request)) = requests.message().await {
                received.fetch_add(1, Ordering::SeqCst);
                if questions.send(request).await.is_err() {
                    return;
                }
            }
        });
        tokio::spawn(async move {
            while let Some(request) = queue.recv().await {
                importer.may_answer.acquire().await.unwrap().forget();
                importer.chunks.lock().unwrap().push(request.orders.len());
                if sender.send((importer.answer)(&request.orders)).await.is_err() {
                    return;
                }
            }
        });
        Ok(Response::new(Box::pin(ReceiverStream::new(answers))))
    }

    async fn get_order(&self, _: Request<GetOrderRequest>) -> Result<Response<Order>, Status> {
        Err(Status::unimplemented("not part of the test"))
    }

    async fn list_orders(
        &self,
        _: Request<ListOrdersRequest>,
    ) -> Result<Response<ListOrdersResponse>, Status> {
        Err(Status::unimplemented("not part of the test"))
    }

    async fn batch_get_order_contacts(
        &self,
        _: Request<BatchGetOrderContactsRequest>,
    ) -> Result<Response<BatchGetOrderContactsResponse>, Status> {
        Err(Status::unimplemented("not part of the test"))
    }
}

async fn serve(importer: &Importer) -> PeerChannel {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address: SocketAddr = listener.local_addr().unwrap();
    let serving = Server::builder()
        .add_service(OrderServiceServer::new(importer.clone()))
        .serve_with_incoming(TcpListenerStream::new(listener));
    tokio::spawn(serving);
    let settings = PeerSettings::new(format!("http://{address}"));
    let token = Arc::new(StaticToken::new("t".to_owned().into()));
    PeerChannel::connect(&settings, Arc::new(SystemResolver), token).unwrap()
}

fn tenant() -> TenantId {
    TenantId::new("arena").unwrap()
}

#[expect(clippy::unnecessary_wraps, reason = "is an Answer")]
fn created(orders: &[Order]) -> Result<ImportOrdersResponse, Status> {
    let created = i32::try_from(orders.len()).unwrap();
    Ok(ImportOrdersResponse { created, ..ImportOrdersResponse::default() })
}

fn sample(count: usize) -> impl Iterator<Item = Record> + Send + 'static {
    Sample::load().unwrap().records(count)
}

#[tokio::test]
async fn all_records_arrive_in_chunks_and_are_counted() {
    let importer = Importer::new(created);
    let peer = serve(&importer).await;
    let mut seen = Vec::new();
    let report = run(&peer, tenant(), sample(1050), |r| seen.push(r.created)).await.unwrap();
    assert_eq!((report.created, report.total()), (1050, 1050));
    assert_eq!(*importer.chunks.lock().unwrap(), [500, 500, 50]);
    assert_eq!(seen, [500, 1000, 1050]);
}

#[tokio::test]
async fn an_empty_import_makes_no_call() {
    let importer = Importer::new(created);
    let peer = serve(&importer).await;
    let bad = ImportProblem::whole(Origin::line("orders.jsonl", 1), "bad");
    let report = run(&peer, tenant(), vec![Err(bad.clone())].into_iter(), |_| {}).await.unwrap();
    assert_eq!(
        report,
        ImportReport { rejected: 1, problems: vec![bad], ..ImportReport::default() }
    );
    assert!(importer.chunks.lock().unwrap().is_empty());
}

#[tokio::test]
async fn no_more_than_four_chunks_are_unanswered() {
    let importer = Importer::new(created);
    importer.may_answer.forget_permits(Semaphore::MAX_PERMITS);
    let peer = serve(&importer).await;
    let importing = tokio::spawn(async move { run(&peer, tenant(), sample(10_000), |_| {}).await });
    let received = |count| {
        let received = Arc::clone(&importer.received);
        async move {
            while received.load(Ordering::SeqCst) < count {
                tokio::task::yield_now().await;
            }
        }
    };
    timeout(Duration::from_secs(5), received(4)).await.unwrap();
    // Each answer lets exactly one more chunk through.
    for answered in 1..=16 {
        importer.may_answer.add_permits(1);
        timeout(Duration::from_secs(5), received(4 + answered)).await.unwrap();
        assert_eq!(importer.received.load(Ordering::SeqCst), 4 + answered);
    }
    importer.may_answer.add_permits(4);
    assert_eq!(importing.await.unwrap().unwrap().created, 10_000);
}

#[tokio::test]
async fn a_rejection_is_traced_to_its_record() {
    let importer = Importer::new(|orders| {
        let at = orders.iter().position(|order| order.name.ends_with("DTU9D")).unwrap();
        let violation = ImportViolation { field: "lines".into(), description: "too many".into() };
        let rejection = ImportRejection {
            index: i32::try_from(at).unwrap(),
            order: orders[at].name.clone(),
            violations: vec![violation],
        };
        let created = i32::try_from(orders.len() - 1).unwrap();
        Ok(ImportOrdersResponse { created, rejections: vec![rejection], ..Default::default() })
    });
    let peer = serve(&importer).await;
    let report = run(&peer, tenant(), sample(150), |_| {}).await.unwrap();
    assert_eq!((report.created, report.rejected), (149, 1));
    assert_eq!(report.problems[0].to_string(), "sample, order 9: lines: too many");
    let json = serde_json::to_value(&report).unwrap();
    assert_eq!(json["problems"][0]["origin"], "sample, order 9");
}

#[tokio::test]
async fn problems_are_kept_up_to_a_hundred_and_counted_beyond() {
    let importer = Importer::new(created);
    let peer = serve(&importer).await;
    let bad = |n| Err(ImportProblem::whole(Origin::line("orders.jsonl", n), "bad"));
    let records = (1..=250).map(bad).chain(sample(10));
    let report = run(&peer, tenant(), records, |_| {}).await.unwrap();
    assert_eq!((report.rejected, report.problems.len(), report.created), (250, 100, 10));
}

#[tokio::test]
async fn an_answer_that_does_not_add_up_ends_the_import() {
    let importer = Importer::new(|_| Ok(ImportOrdersResponse::default()));
    let peer = serve(&importer).await;
    let error = run(&peer, tenant(), sample(10), |_| {}).await.unwrap_err();
    assert!(matches!(error.cause, Cause::Mismatch), "{error:?}");
}

#[tokio::test]
async fn an_error_of_the_server_ends_the_import_with_what_was_done() {
    let importer = Importer::new(|orders| {
        if orders.iter().any(|order| order.name.contains(".c3")) {
            return Err(Status::permission_denied("the role agent may not import"));
        }
        created(orders)
    });
    let peer = serve(&importer).await;
    let error = run(&peer, tenant(), sample(5000), |_| {}).await.unwrap_err();
    assert_eq!(error.report.created, 1000);
    assert_eq!(error.to_string(), "the import ended early, after 1000 records");
    assert_eq!(
        error.cause.to_string(),
        "the server ended the import: the role agent may not import (PermissionDenied)"
    );
}
