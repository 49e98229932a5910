//! Conversations with one mail server, kept open from one message to the next.
//!
//! lettre's own pool opens sockets that wait, with the last bytes of each message, for the server's
//! acknowledgment of those before them, which TCP delays by up to 40 ms, and asks for a sign of life
//! before each message. Here small writes leave at once, except where TLS comes first: that socket is
//! lettre's.
//!
//! Invariant: no more conversations than agreed, and one that broke off, or was dropped in the middle
//! of a message, is never used again.

use std::sync::{Mutex, PoisonError};
use std::time::Duration;
use std::{fmt, io};

use lettre::address::Envelope;
use lettre::transport::smtp::Error;
use lettre::transport::smtp::authentication::{Credentials, DEFAULT_MECHANISMS};
use lettre::transport::smtp::client::{AsyncSmtpConnection, TlsParameters};
use lettre::transport::smtp::extension::ClientId;
use tokio::net::TcpStream;
use tokio::sync::Semaphore;
use tokio::time::Instant;

use super::smtp::SmtpTls;

/// A conversation that rested for longer is asked for a sign of life before it is used.
const TRUSTED: Duration = Duration::from_secs(1);
/// One that rested for longer is ended.
const KEPT: Duration = Duration::from_mins(1);

/// A conversation did not come about, or went wrong.
#[derive(Debug)]
pub(super) enum Broken {
    /// No connection.
    Connection(io::Error),
    /// What SMTP or TLS makes of it.
    Smtp(Error),
}

impl From<Error> for Broken {
    fn from(error: Error) -> Self {
        Self::Smtp(error)
    }
}

/// How to begin a conversation.
pub(super) struct Opening {
    pub(super) host: String,
    pub(super) port: u16,
    pub(super) tls: SmtpTls,
    pub(super) parameters: Option<TlsParameters>,
    pub(super) credentials: Option<Credentials>,
    pub(super) hello: ClientId,
    pub(super) limit: Duration,
}

/// The conversations.
pub(super) struct Connections {
    opening: Opening,
    idle: Mutex<Vec<(AsyncSmtpConnection, Instant)>>,
    turns: Semaphore,
}

impl fmt::Debug for Connections {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Connections").finish_non_exhaustive()
    }
}

impl Connections {
    /// At most `most` at once.
    pub(super) fn new(opening: Opening, most: usize) -> Self {
        Self { opening, idle: Mutex::default(), turns: Semaphore::new(most) }
    }

    /// Hands one message over.
    pub(super) async fn send(&self, envelope: &Envelope, message: &[u8]) -> Result<(), Broken> {
        // It is never closed, so that there is a turn.
        let _turn = self.turns.acquire().await.ok();
        let mut connection = match self.rested().await {
            Some(connection) => connection,
            None => self.begin().await?,
        };
        let sent = connection.send(envelope, message).await;
        if !connection.has_broken() {
            self.with_idle(|idle| idle.push((connection, Instant::now())));
        }
        sent?;
        Ok(())
    }

    /// Whether the server begins a conversation with us.
    pub(super) async fn is_served(&self) -> bool {
        match self.begin().await {
            Ok(mut connection) => {
                connection.abort().await;
                true
            }
            Err(_) => false,
        }
    }

    /// The conversation that rested for the shortest time.
    async fn rested(&self) -> Option<AsyncSmtpConnection> {
        loop {
            let (mut connection, since) = self.with_idle(Vec::pop)?;
            let rested = since.elapsed();
            if rested <= TRUSTED || (rested <= KEPT && connection.test_connected().await) {
                return Some(connection);
            }
            connection.abort().await;
        }
    }

    async fn begin(&self) -> Result<AsyncSmtpConnection, Broken> {
        let Opening { host, port, tls, parameters, credentials, hello, limit } = &self.opening;
        let address = (host.as_str(), *port);
        let mut connection = if *tls == SmtpTls::Implicit {
            let parameters = parameters.clone();
            AsyncSmtpConnection::connect_tokio1(address, Some(*limit), hello, parameters, None)
                .await?
        } else {
            let stream = TcpStream::connect(address).await.map_err(Broken::Connection)?;
            stream.set_nodelay(true).map_err(Broken::Connection)?;
            AsyncSmtpConnection::connect_with_transport(Box::new(stream), hello).await?
        };
        if let (SmtpTls::Starttls, Some(parameters)) = (tls, parameters) {
            connection.starttls(parameters.clone(), hello).await?;
        }
        if let Some(credentials) = credentials {
            connection.auth(DEFAULT_MECHANISMS, credentials).await?;
        }
        Ok(connection)
    }

    /// The list is whole after any panic.
    fn with_idle<T>(
        &self,
        change: impl FnOnce(&mut Vec<(AsyncSmtpConnection, Instant)>) -> T,
    ) -> T {
        change(&mut self.idle.lock().unwrap_or_else(PoisonError::into_inner))
    }
}
