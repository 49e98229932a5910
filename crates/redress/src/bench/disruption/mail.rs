//! A mail server that takes every message, forgets it and counts.
//!
//! Invariant: a message counts once its end was read and before it is acknowledged, so that none
//! that the sender believes in is missing.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use anyhow::{Context as _, Result};
use tokio::io::{AsyncBufReadExt as _, AsyncWriteExt as _, BufReader};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

/// The running server.
#[derive(Debug)]
pub(super) struct MailServer {
    address: SocketAddr,
    taken: Arc<AtomicU64>,
    stop: CancellationToken,
    tasks: TaskTracker,
}

impl MailServer {
    /// Listens on a free port of this machine.
    pub(super) async fn start() -> Result<Self> {
        let listener = TcpListener::bind("127.0.0.1:0").await.context("no port can be bound")?;
        let address = listener.local_addr()?;
        let (taken, stop, tasks) = (Arc::default(), CancellationToken::new(), TaskTracker::new());
        tasks.spawn(accept(listener, Arc::clone(&taken), stop.clone()));
        Ok(Self { address, taken, stop, tasks })
    }

    pub(super) const fn address(&self) -> SocketAddr {
        self.address
    }

    /// How many messages were taken.
    pub(super) fn taken(&self) -> u64 {
        self.taken.load(Ordering::Relaxed)
    }

    /// Hangs up.
    pub(super) async fn stop(self) {
        self.stop.cancel();
        self.tasks.close();
        self.tasks.wait().await;
    }
}

async fn accept(listener: TcpListener, taken: Arc<AtomicU64>, stop: CancellationToken) {
    let mut guests = JoinSet::new();
    loop {
        let accepted = tokio::select! {
            () = stop.cancelled() => return,
            accepted = listener.accept() => accepted,
        };
        while guests.try_join_next().is_some() {}
        if let Ok((stream, _)) = accepted {
            let taken = Arc::clone(&taken);
            guests.spawn(async move {
                // A guest who breaks off sends its message again, over another connection.
                let _broken_off = converse(stream, &taken).await;
            });
        }
    }
}

/// As much SMTP (RFC 5321) as a client needs to hand messages over.
async fn converse(stream: TcpStream, taken: &AtomicU64) -> std::io::Result<()> {
    stream.set_nodelay(true)?;
    let mut stream = BufReader::new(stream);
    say(&mut stream, "220 mail.test ready").await?;
    let mut line = Vec::new();
    loop {
        line.clear();
        if stream.read_until(b'\n', &mut line).await? == 0 {
            return Ok(());
        }
        let verb = line.get(..4).map(<[u8]>::to_ascii_uppercase).unwrap_or_default();
        match verb.as_slice() {
            b"EHLO" => say(&mut stream, "250-mail.test\r\n250 8BITMIME").await?,
            b"DATA" => {
                say(&mut stream, "354 until a lonely dot").await?;
                while line != b".\r\n" {
                    line.clear();
                    if stream.read_until(b'\n', &mut line).await? == 0 {
                        return Ok(());
                    }
                }
                taken.fetch_add(1, Ordering::Relaxed);
                say(&mut stream, "250 taken").await?;
            }
            b"MAIL" | b"RCPT" | b"RSET" | b"NOOP" => say(&mut stream, "250 fine").await?,
            b"QUIT" => return say(&mut stream, "221 bye").await,
            _ => say(&mut stream, "502 not understood").await?,
        }
    }
}

async fn say(stream: &mut BufReader<TcpStream>, reply: &str) -> std::io::Result<()> {
    stream.write_all(format!("{reply}\r\n").as_bytes()).await
}
