//! A mail server's side of the conversation, on a free port. It speaks as much SMTP (RFC 5321) as
//! a client needs to hand over a message, and answers each message as the test says.

use std::collections::VecDeque;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use tokio::io::{AsyncBufReadExt as _, AsyncWriteExt as _, BufReader};
use tokio::net::{TcpListener, TcpStream};

const GREETING: &str = "250-mail.test\r\n250-8BITMIME\r\n250 AUTH PLAIN";

/// A message that was taken.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Received {
    pub(crate) from: String,
    pub(crate) to: String,
    pub(crate) data: String,
}

/// How the server treats its guests.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Manner {
    /// Takes mail from everybody.
    Open,
    /// Wants a login and accepts none.
    WrongPassword,
    /// Accepts the connection and says nothing.
    Silent,
}

#[derive(Clone)]
pub(crate) struct SmtpServer {
    pub(crate) address: SocketAddr,
    manner: Manner,
    replies: Arc<Mutex<VecDeque<&'static str>>>,
    received: Arc<Mutex<Vec<Received>>>,
    greeting: Arc<Mutex<Option<&'static str>>>,
    connections: Arc<AtomicUsize>,
}

impl SmtpServer {
    pub(crate) async fn start(manner: Manner) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let server = Self {
            address,
            manner,
            replies: Arc::default(),
            received: Arc::default(),
            greeting: Arc::default(),
            connections: Arc::default(),
        };
        let serving = server.clone();
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let serving = serving.clone();
                tokio::spawn(async move { serving.converse(stream).await });
            }
        });
        server
    }

    /// Answers the next messages with these replies to RCPT, one each; then takes all.
    pub(crate) fn will_say(&self, replies: &[&'static str]) {
        self.replies.lock().unwrap().extend(replies);
    }

    /// Greets with this and hangs up, or behaves again.
    pub(crate) fn greet_with(&self, greeting: Option<&'static str>) {
        *self.greeting.lock().unwrap() = greeting;
    }

    /// How often somebody connected.
    pub(crate) fn connections(&self) -> usize {
        self.connections.load(Ordering::SeqCst)
    }

    /// What was taken so far.
    pub(crate) fn received(&self) -> Vec<Received> {
        self.received.lock().unwrap().clone()
    }

    /// One connection, until either side ends it.
    async fn converse(&self, stream: TcpStream) -> std::io::Result<()> {
        self.connections.fetch_add(1, Ordering::SeqCst);
        let mut stream = BufReader::new(stream);
        let farewell = *self.greeting.lock().unwrap();
        if let Some(farewell) = farewell {
            return say(&mut stream, farewell).await;
        }
        let mut line = String::new();
        if self.manner == Manner::Silent {
            stream.read_line(&mut line).await?;
            return Ok(());
        }
        say(&mut stream, "220 mail.test ready").await?;
        let (mut from, mut to) = (String::new(), String::new());
        loop {
            line.clear();
            if stream.read_line(&mut line).await? == 0 {
                return Ok(());
            }
            let command = line.trim_end();
            let verb = command.split([' ', ':']).next().unwrap_or_default().to_uppercase();
            match verb.as_str() {
                "EHLO" => say(&mut stream, GREETING).await?,
                "AUTH" => say(&mut stream, "535 5.7.8 that is not the password").await?,
                "MAIL" => {
                    address(command).clone_into(&mut from);
                    say(&mut stream, "250 go on").await?;
                }
                "RCPT" => {
                    address(command).clone_into(&mut to);
                    let reply = self.replies.lock().unwrap().pop_front().unwrap_or("250 go on");
                    say(&mut stream, reply).await?;
                }
                "DATA" => {
                    say(&mut stream, "354 until a lonely dot").await?;
                    let data = read_data(&mut stream).await?;
                    let received = Received { from: from.clone(), to: to.clone(), data };
                    self.received.lock().unwrap().push(received);
                    say(&mut stream, "250 taken").await?;
                }
                "RSET" | "NOOP" => say(&mut stream, "250 fine").await?,
                "QUIT" => return say(&mut stream, "221 bye").await,
                _ => say(&mut stream, "502 not understood").await?,
            }
        }
    }
}

async fn say(stream: &mut BufReader<TcpStream>, reply: &str) -> std::io::Result<()> {
    stream.write_all(format!("{reply}\r\n").as_bytes()).await
}

/// What stands between the angle brackets.
fn address(command: &str) -> &str {
    let rest = command.split_once('<').map_or("", |(_, rest)| rest);
    rest.split_once('>').map_or(rest, |(address, _)| address)
}

/// A message up to the lonely dot, its dots unstuffed.
async fn read_data(stream: &mut BufReader<TcpStream>) -> std::io::Result<String> {
    let mut data = String::new();
    loop {
        let mut line = String::new();
        if stream.read_line(&mut line).await? == 0 || line == ".\r\n" {
            return Ok(data);
        }
        data.push_str(line.strip_prefix('.').unwrap_or(&line));
    }
}
