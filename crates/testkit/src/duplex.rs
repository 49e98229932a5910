//! gRPC over memory: a real client and a real server without a socket.
//!
//! Invariant: every connection of the channel reaches the server that was given the incoming end;
//! when that server is gone, calls fail as UNAVAILABLE.

use std::io;

use hyper_util::rt::TokioIo;
use tokio::io::DuplexStream;
use tokio::sync::mpsc;
use tokio_stream::wrappers::ReceiverStream;
use tonic::transport::server::Router;
use tonic::transport::{Channel, Endpoint};

/// Bytes in flight in each direction before the writer waits.
const BUFFER: usize = 256 * 1024;

/// The server's end: what `serve_with_incoming` takes.
pub type Incoming = ReceiverStream<io::Result<DuplexStream>>;

/// A channel and the incoming connections that it will make.
pub fn pair() -> (Incoming, Channel) {
    let (connections, incoming) = mpsc::channel(16);
    let connector = tower::service_fn(move |_uri: http::Uri| {
        let connections = connections.clone();
        async move {
            let (client, server) = tokio::io::duplex(BUFFER);
            let gone = |_| io::Error::new(io::ErrorKind::ConnectionRefused, "the server is gone");
            connections.send(Ok(server)).await.map_err(gone)?;
            Ok::<_, io::Error>(TokioIo::new(client))
        }
    });
    let channel = Endpoint::from_static("http://in-memory").connect_with_connector_lazy(connector);
    (ReceiverStream::new(incoming), channel)
}

/// Serves `router` on the current runtime until the channel and all its clones are gone, and
/// returns the channel. A server with layers is served by its owner, over [`pair`].
pub fn serve(router: Router) -> Channel {
    let (incoming, channel) = pair();
    tokio::spawn(router.serve_with_incoming(incoming));
    channel
}

#[cfg(test)]
mod tests {
    use tonic::Code;
    use tonic::transport::Server;
    use tonic_health::pb::HealthCheckRequest;
    use tonic_health::pb::health_client::HealthClient;

    use super::*;

    #[tokio::test]
    async fn calls_reach_the_server_and_fail_when_it_is_gone() {
        let (_, health) = tonic_health::server::health_reporter();
        let channel = serve(Server::builder().add_service(health));
        let answer = HealthClient::new(channel).check(HealthCheckRequest::default()).await.unwrap();
        assert_eq!(answer.into_inner().status, 1);

        let (incoming, channel) = pair();
        drop(incoming);
        let error = HealthClient::new(channel).check(HealthCheckRequest::default()).await;
        assert_eq!(error.unwrap_err().code(), Code::Unavailable);
    }
}
