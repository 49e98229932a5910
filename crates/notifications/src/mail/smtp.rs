//! Any SMTP server, through lettre.
//!
//! Invariant: a message counts as refused only when the server said so about this message; a
//! refusal of us (who we are, whether it serves at all) and every broken conversation leave it to
//! be tried again.

use std::fmt;
use std::time::Duration;

use async_trait::async_trait;
use lettre::transport::smtp::authentication::Credentials;
use lettre::transport::smtp::client::{Tls, TlsParameters};
use lettre::transport::smtp::extension::ClientId;
use lettre::transport::smtp::{AsyncSmtpTransport, Error, PoolConfig};
use lettre::{AsyncTransport as _, Tokio1Executor};
use secrecy::{ExposeSecret as _, SecretString};
use serde::Deserialize;
use tokio::time::timeout;

use super::compose::compose;
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
    /// Connections kept open between messages; 16 when not given.
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
    transport: AsyncSmtpTransport<Tokio1Executor>,
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
        let tls = || TlsParameters::new(settings.host.clone()).map_err(SmtpSetupError);
        let limit = Duration::from_millis(settings.timeout_ms);
        let mut builder =
            AsyncSmtpTransport::<Tokio1Executor>::builder_dangerous(settings.host.as_str())
                .port(settings.port)
                .timeout(Some(limit))
                .pool_config(PoolConfig::new().max_size(settings.pool_size))
                .tls(match settings.tls {
                    SmtpTls::None => Tls::None,
                    SmtpTls::Starttls => Tls::Required(tls()?),
                    SmtpTls::Implicit => Tls::Wrapper(tls()?),
                });
        if let (Some(username), Some(password)) = (&settings.username, &settings.password) {
            let password = password.expose_secret().to_owned();
            builder = builder.credentials(Credentials::new(username.clone(), password));
        }
        if let Some(name) = &settings.hello_name {
            builder = builder.hello_name(ClientId::Domain(name.clone()));
        }
        Ok(Self { transport: builder.build(), limit })
    }
}

#[async_trait]
impl Mailer for SmtpMailer {
    async fn send(&self, mail: &Mail) -> Result<(), MailError> {
        let message = compose(mail)?;
        // lettre bounds each step of the conversation; this bounds their sum.
        let error = match timeout(self.limit, self.transport.send(message)).await {
            Err(_) => return Err(MailError::Unreachable("no answer in time")),
            Ok(Err(error)) => error,
            Ok(Ok(_)) => return Ok(()),
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

impl SmtpMailer {
    /// Whether the server talks to us at all.
    async fn is_served(&self) -> bool {
        matches!(timeout(self.limit, self.transport.test_connection()).await, Ok(Ok(true)))
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
