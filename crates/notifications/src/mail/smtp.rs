//! Any SMTP server, through lettre.
//!
//! Invariant: a message counts as refused only when the server said so about this message; a
//! refusal of us (who we are, whether it serves at all) and every broken conversation leave it to
//! be tried again.

use std::fmt;
use std::io::ErrorKind;
use std::time::Duration;

use async_trait::async_trait;
use lettre::transport::smtp::Error;
use lettre::transport::smtp::authentication::Credentials;
use lettre::transport::smtp::client::TlsParameters;
use lettre::transport::smtp::extension::ClientId;
use secrecy::{ExposeSecret as _, SecretString};
use serde::Deserialize;
use tokio::time::timeout;

use super::compose::compose;
use super::connections::{Broken, Connections, Opening};
use super::{Mail, MailError, Mailer};

/// How the conversation with the server is protected.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum SmtpTls {
    /// Not at all; for a relay on the same machine.
    None,
    /// Plain first, then STARTTLS; a server without it is not used. Port 587.
    Starttls,
    /// From the first byte. Port 465.
    Implicit,
}

/// Which server to use and how.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SmtpSettings {
    /// Host name; with TLS also the name that the certificate must bear.
    pub host: String,
    /// TCP port.
    pub port: u16,
    /// How the conversation is protected; `starttls` when not given.
    #[serde(default = "default_tls")]
    pub tls: SmtpTls,
    /// Who logs in; nobody when not given.
    #[serde(default)]
    pub username: Option<String>,
    /// The password that goes with it.
    #[serde(default)]
    pub password: Option<SecretString>,
    /// The name in EHLO; the machine's own when not given.
    #[serde(default)]
    pub hello_name: Option<String>,
    /// How long handing over one message may take, in milliseconds; 30 000 when not given.
    #[serde(default = "default_timeout_ms")]
    pub timeout_ms: u64,
    /// Connections at once, kept open between messages; 16 when not given.
    #[serde(default = "default_pool_size")]
    pub pool_size: u32,
}

const fn default_tls() -> SmtpTls {
    SmtpTls::Starttls
}

const fn default_timeout_ms() -> u64 {
    30_000
}

const fn default_pool_size() -> u32 {
    16
}

/// The settings cannot be used.
#[derive(Debug, thiserror::Error)]
#[error("mail.smtp.host: TLS cannot be set up for this host")]
pub struct SmtpSetupError(#[source] Error);

/// Hands messages to an SMTP server.
pub struct SmtpMailer {
    connections: Connections,
    limit: Duration,
}

impl fmt::Debug for SmtpMailer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SmtpMailer").field("limit", &self.limit).finish_non_exhaustive()
    }
}

impl SmtpMailer {
    /// Prepares for the server; connects with the first message.
    pub fn new(settings: &SmtpSettings) -> Result<Self, SmtpSetupError> {
        let limit = Duration::from_millis(settings.timeout_ms);
        let parameters = match settings.tls {
            SmtpTls::None => None,
            SmtpTls::Starttls | SmtpTls::Implicit => {
                Some(TlsParameters::new(settings.host.clone()).map_err(SmtpSetupError)?)
            }
        };
        let credentials = settings.username.as_ref().zip(settings.password.as_ref());
        let opening = Opening {
            host: settings.host.clone(),
            port: settings.port,
            tls: settings.tls,
            parameters,
            credentials: credentials.map(|(username, password)| {
                Credentials::new(username.clone(), password.expose_secret().to_owned())
            }),
            hello: settings.hello_name.clone().map_or_else(ClientId::default, ClientId::Domain),
            limit,
        };
        let most = usize::try_from(settings.pool_size).unwrap_or(usize::MAX);
        Ok(Self { connections: Connections::new(opening, most), limit })
    }

    /// Whether the server talks to us at all.
    async fn is_served(&self) -> bool {
        timeout(self.limit, self.connections.is_served()).await == Ok(true)
    }
}

#[async_trait]
impl Mailer for SmtpMailer {
    async fn send(&self, mail: &Mail) -> Result<(), MailError> {
        let message = compose(mail)?;
        let bytes = message.formatted();
        let sent = self.connections.send(message.envelope(), &bytes);
        let error = match timeout(self.limit, sent).await {
            Err(_) => return Err(MailError::Unreachable("no answer in time")),
            Ok(Err(Broken::Connection(error))) => {
                return Err(MailError::Unreachable(match error.kind() {
                    ErrorKind::ConnectionRefused => "nobody listens there",
                    _ => "the connection failed",
                }));
            }
            Ok(Err(Broken::Smtp(error))) => error,
            Ok(Ok(())) => return Ok(()),
        };
        match classify(&error) {
            // A server can also say so instead of a greeting, to everybody who comes.
            MailError::Refused { code } if !self.is_served().await => {
                Err(MailError::Closed { code })
            }
            error => Err(error),
        }
    }
}

fn classify(error: &Error) -> MailError {
    match error.status().map(u16::from) {
        Some(code) if is_about_us(code) => MailError::Closed { code },
        Some(code) if error.is_permanent() => MailError::Refused { code },
        Some(code) => MailError::Later { code },
        None if error.is_tls() => MailError::Unreachable("TLS failed"),
        None if error.is_client() => {
            MailError::Unreachable("it lacks a feature that is needed, such as STARTTLS")
        }
        None if error.is_response() => MailError::Unreachable("it does not speak SMTP"),
        None => MailError::Unreachable("the connection failed"),
    }
}

/// Replies that say nothing about the message: the server is closing down (421), serves no mail
/// (521), or wants another login (530, 534, 535, 538). A wrong password must not fail 40,000
/// messages for good.
const fn is_about_us(code: u16) -> bool {
    matches!(code, 421 | 521 | 530 | 534 | 535 | 538)
}
