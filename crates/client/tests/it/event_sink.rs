//! Events over gRPC, against the receiving half that every service uses.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use redress_api::events::EventSinkGrpc;
use redress_api::ports::{EventHandler, EventSink as _, HandleError, PortError, SinkError};
use redress_api::{ApiError, to_status};
use redress_client::GrpcEventSink;
use redress_core::caller::{Caller, Role};
use redress_core::clock::Timestamp;
use redress_core::event::{Event, EventBatch, SUITE_TENANT};
use redress_core::id::TenantId;
use redress_proto::events::v1::event_sink_service_server::{
    EventSinkService, EventSinkServiceServer,
};
use redress_proto::events::v1::{DeliverRequest, DeliverResponse};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpListener;
use tonic::transport::Server;
use tonic::{Request, Response, Status};

use crate::peers::{Answers, Running, connect, run};

fn batch() -> EventBatch {
    let event = |position| Event {
        id: format!("e{position}"),
        tenant: TenantId::new("arena").unwrap(),
        event_type: "redress.refunds.v1.RefundStateChanged".to_owned(),
        subject: "refunds/r1".to_owned(),
        time: Timestamp(1_767_225_600_123_456),
        payload_version: 1,
        payload: vec![8, 1],
        traceparent: None,
        position,
    };
    EventBatch { source: "refunds".to_owned(), partition: 3, events: vec![event(7), event(8)] }
}

async fn sink_to<S: EventSinkService>(service: S) -> (GrpcEventSink, Running) {
    let service = EventSinkServiceServer::new(service);
    let running = run("127.0.0.1:0".parse().unwrap(), Server::builder(), service).await;
    let peer = connect(&Answers::of(&[running.address]));
    (GrpcEventSink::new(&peer).unwrap(), running)
}

/// Does to a batch what the test says.
struct Handler<F>(F);

#[async_trait]
impl<F> EventHandler for Handler<F>
where
    F: Fn(EventBatch) -> Result<i64, HandleError> + Send + Sync,
{
    async fn handle(&self, batch: EventBatch) -> Result<i64, HandleError> {
        (self.0)(batch)
    }
}

async fn sink_with<F>(handle: F) -> (GrpcEventSink, Running)
where
    F: Fn(EventBatch) -> Result<i64, HandleError> + Send + Sync + 'static,
{
    sink_to(Verified(EventSinkGrpc::new(Arc::new(Handler(handle))))).await
}

/// Names the caller that a server's auth layer would have verified.
struct Verified(EventSinkGrpc);

#[tonic::async_trait]
impl EventSinkService for Verified {
    async fn deliver(
        &self,
        mut request: Request<DeliverRequest>,
    ) -> Result<Response<DeliverResponse>, Status> {
        request.extensions_mut().insert(Caller {
            tenant: TenantId::new(SUITE_TENANT).unwrap(),
            subject: "refunds".to_owned(),
            issuer: "refunds".to_owned(),
            roles: vec![Role::Service],
        });
        self.0.deliver(request).await
    }
}

#[tokio::test]
async fn a_batch_arrives_as_it_was_sent() {
    let seen = Arc::new(Mutex::new(Vec::new()));
    let (sink, _running) = sink_with({
        let seen = Arc::clone(&seen);
        move |batch| {
            let last = batch.events.last().unwrap().position;
            seen.lock().unwrap().push(batch);
            Ok(last)
        }
    })
    .await;
    assert_eq!(sink.deliver(&batch()).await.unwrap(), 8);
    assert_eq!(*seen.lock().unwrap(), [batch()]);
}

#[tokio::test]
async fn a_gap_names_the_position_that_is_expected() {
    let (sink, _running) = sink_with(|_| Err(HandleError::Gap { expected: 5 })).await;
    let error = sink.deliver(&batch()).await.unwrap_err();
    assert!(matches!(error, SinkError::Gap { expected: 5 }), "{error:?}");
}

#[tokio::test]
async fn a_receiver_without_its_database_is_unavailable() {
    let (sink, _running) =
        sink_with(|_| Err(PortError::Unavailable("pool timed out".into()).into())).await;
    let error = sink.deliver(&batch()).await.unwrap_err();
    assert!(matches!(error, SinkError::Unavailable(_)), "{error:?}");
}

#[tokio::test]
async fn a_defect_of_the_receiver_is_a_refusal() {
    let (sink, _running) =
        sink_with(|_| Err(PortError::Internal("corrupt row".into()).into())).await;
    let error = sink.deliver(&batch()).await.unwrap_err();
    assert!(matches!(error, SinkError::Refused(_)), "{error:?}");
    assert!(!error.to_string().contains("corrupt"), "{error}");
}

#[tokio::test]
async fn a_receiver_that_does_not_listen_is_unavailable() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    drop(listener);
    let sink = GrpcEventSink::new(&connect(&Answers::of(&[address]))).unwrap();
    let error = sink.deliver(&batch()).await.unwrap_err();
    assert!(matches!(error, SinkError::Unavailable(_)), "{error:?}");
}

#[tokio::test]
async fn a_receiver_that_hangs_up_in_the_middle_is_unavailable() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let sink =
        GrpcEventSink::new(&connect(&Answers::of(&[listener.local_addr().unwrap()]))).unwrap();
    let hanging_up = tokio::spawn(async move {
        loop {
            let (mut socket, _) = listener.accept().await.unwrap();
            // An HTTP/2 server's empty SETTINGS, then the first bytes of the call, then the end.
            socket.write_all(&[0, 0, 0, 4, 0, 0, 0, 0, 0]).await.unwrap();
            let mut seen = 0;
            while seen < 200 {
                seen += socket.read(&mut [0; 1024]).await.unwrap();
            }
        }
    });
    let error = sink.deliver(&batch()).await.unwrap_err();
    assert!(matches!(error, SinkError::Unavailable(_)), "{error:?}");
    hanging_up.abort();
}

/// Answers every batch with one error.
struct Refusing(fn() -> Status);

#[tonic::async_trait]
impl EventSinkService for Refusing {
    async fn deliver(
        &self,
        request: Request<DeliverRequest>,
    ) -> Result<Response<DeliverResponse>, Status> {
        assert_eq!(request.metadata().get("authorization").unwrap(), "Bearer token-of-suite");
        Err((self.0)())
    }
}

#[tokio::test]
async fn a_busy_receiver_says_how_long_to_wait() {
    let (sink, _running) = sink_to(Refusing(|| {
        to_status(ApiError::ResourceExhausted {
            reason: "QUEUE_FULL",
            message: "the queue is full".to_owned(),
            retry_after: Some(Duration::from_secs(7)),
        })
    }))
    .await;
    let error = sink.deliver(&batch()).await.unwrap_err();
    let SinkError::Busy { retry_after } = error else { panic!("{error:?}") };
    assert_eq!(retry_after, Duration::from_secs(7));
}

#[tokio::test]
async fn lost_answers_are_unavailable_and_clear_ones_refused() {
    let cases: [(fn() -> Status, bool); 5] = [
        (|| Status::cancelled("timeout expired"), true),
        (|| Status::deadline_exceeded("late"), true),
        (|| Status::invalid_argument("bad"), false),
        (|| Status::permission_denied("no"), false),
        (|| Status::failed_precondition("something else"), false),
    ];
    for (status, unavailable) in cases {
        let (sink, _running) = sink_to(Refusing(status)).await;
        let error = sink.deliver(&batch()).await.unwrap_err();
        assert_eq!(matches!(error, SinkError::Unavailable(_)), unavailable, "{error:?}");
        assert_eq!(matches!(error, SinkError::Refused(_)), !unavailable, "{error:?}");
    }
}
