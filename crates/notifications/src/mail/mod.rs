//! How a message leaves: an SMTP server, or a folder of `.eml` files.
//!
//! Invariant: neither a `Debug` form nor an error of this module shows an address, a name, a
//! subject or a body. A server's answer may quote the recipient, so only its code is kept.

mod compose;
mod connections;
mod mailbox;
mod smtp;

use std::{fmt, io};

use async_trait::async_trait;
use redress_core::clock::Timestamp;
use redress_core::id::NotificationId;

use crate::domain::locale::Locale;

pub use mailbox::MailboxMailer;
pub use smtp::{SmtpMailer, SmtpSettings, SmtpSetupError, SmtpTls};

/// One message and where it goes.
#[derive(Clone)]
pub struct Mail {
    /// The notification it carries out; makes the Message-ID, so that a second copy is known as
    /// one.
    pub id: NotificationId,
    /// Who writes, for people.
    pub sender_name: String,
    /// Who writes, for mail servers.
    pub sender_address: String,
    /// Who reads, for people; may be empty.
    pub recipient_name: String,
    /// Who reads, for mail servers.
    pub recipient_address: String,
    /// The language of subject and body.
    pub locale: Locale,
    /// Subject: one line.
    pub subject: String,
    /// Plain text.
    pub body: String,
    /// The date that the message bears.
    pub date: Timestamp,
}

impl fmt::Debug for Mail {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Mail").field("id", &self.id).finish_non_exhaustive()
    }
}

/// Takes a message off our hands.
#[async_trait]
pub trait Mailer: Send + Sync + fmt::Debug {
    /// Hands `mail` over; `Ok` once somebody else is responsible for it. The same mail may come
    /// again, when it is not known whether the last time succeeded.
    async fn send(&self, mail: &Mail) -> Result<(), MailError>;
}

/// Why a message was not handed over.
#[derive(Debug, thiserror::Error)]
pub enum MailError {
    /// No mail can be sent to such an address.
    #[error("the recipient's address is not one")]
    InvalidRecipient,
    /// The tenant's own address cannot stand in a message.
    #[error("the sender's address is not one")]
    InvalidSender,
    /// The message could not be put together; a defect.
    #[error("the message cannot be composed")]
    Compose(#[source] lettre::error::Error),
    /// The server will never take this message.
    #[error("the mail server refused the message with code {code}")]
    Refused {
        /// SMTP reply code.
        code: u16,
    },
    /// The server asks to come back with this message later.
    #[error("the mail server does not take the message now, code {code}")]
    Later {
        /// SMTP reply code.
        code: u16,
    },
    /// The server takes no mail at all, or none from us.
    #[error("the mail server takes no mail from us, code {code}")]
    Closed {
        /// SMTP reply code.
        code: u16,
    },
    /// No conversation with the server came about, or it broke off.
    #[error("the mail server cannot be reached: {0}")]
    Unreachable(&'static str),
    /// The folder does not take the file.
    #[error("the mailbox folder cannot be written")]
    Folder(#[source] io::Error),
}

impl MailError {
    /// Whether the trouble would meet any message, so that this one is not to blame.
    pub const fn is_outage(&self) -> bool {
        matches!(self, Self::Closed { .. } | Self::Unreachable(_) | Self::Folder(_))
    }
}
