//! A message to one customer: what it is about and where it stands.
//!
//! Invariant: a notification holds ids, amounts and states, never contact data; it leaves PENDING
//! once and for good.

use redress_core::clock::Timestamp;
use redress_core::id::{CustomerId, DisruptionId, NotificationId, OrderId, RefundId, TenantId};
use redress_core::money::Money;

use super::locale::Locale;
use super::template::Template;

/// Where a notification stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum State {
    /// To be sent, now or at its next attempt.
    Pending,
    /// Handed to the mail server.
    Sent,
    /// Cannot be sent; the reason says why.
    Failed,
}

impl State {
    /// All states, in the order of their declaration.
    pub const ALL: [Self; 3] = [Self::Pending, Self::Sent, Self::Failed];

    /// The name in databases, filters and logs.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Pending => "PENDING",
            Self::Sent => "SENT",
            Self::Failed => "FAILED",
        }
    }

    /// The state of this name.
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|state| state.as_str() == name)
    }
}

/// Why a notification failed or is tried again.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Reason {
    /// The order, or an address with it, is not known. Final.
    NoContact,
    /// The address is none that mail can be sent to. Final.
    InvalidAddress,
    /// The mail server refused the message for good, or put it off too often. Final.
    MailRefused,
    /// The text could not be rendered; a defect. Final.
    RenderFailed,
    /// The mail server asks to come back later, a bounded number of times, or takes no mail at all.
    MailUnavailable,
    /// The service that knows the contacts is not reachable. Tried again until it is.
    ContactsUnavailable,
    /// The tenant's settings have not been applied here, or name no usable sender. Tried again
    /// until they are.
    TenantNotReady,
}

impl Reason {
    /// All reasons.
    pub const ALL: [Self; 7] = [
        Self::NoContact,
        Self::InvalidAddress,
        Self::MailRefused,
        Self::RenderFailed,
        Self::MailUnavailable,
        Self::ContactsUnavailable,
        Self::TenantNotReady,
    ];

    /// The code in databases and on the wire.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::NoContact => "NO_CONTACT",
            Self::InvalidAddress => "INVALID_ADDRESS",
            Self::MailRefused => "MAIL_REFUSED",
            Self::RenderFailed => "RENDER_FAILED",
            Self::MailUnavailable => "MAIL_UNAVAILABLE",
            Self::ContactsUnavailable => "CONTACTS_UNAVAILABLE",
            Self::TenantNotReady => "TENANT_NOT_READY",
        }
    }

    /// The reason of this code.
    pub fn from_code(code: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|reason| reason.as_str() == code)
    }
}

/// What a message is about; written once and never changed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewNotification {
    /// The tenant in whose name it is sent.
    pub tenant: TenantId,
    /// Its id.
    pub id: NotificationId,
    /// What it was written for. A tenant has at most one notification per occasion, however often
    /// the fact arrives.
    pub occasion: String,
    /// The text to send.
    pub template: Template,
    /// The order it is about, which also knows the contact.
    pub order: OrderId,
    /// The buyer, by the platform's own id.
    pub customer: CustomerId,
    /// The disruption it belongs to.
    pub disruption: Option<DisruptionId>,
    /// The refund it reports on.
    pub refund: Option<RefundId>,
    /// What was to be paid.
    pub requested: Option<Money>,
    /// What has been paid, as confirmed by the provider.
    pub issued: Option<Money>,
    /// When it was decided that it is due.
    pub create_time: Timestamp,
}

/// A notification as stored.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Notification {
    /// What it is about.
    pub about: NewNotification,
    /// Where it stands.
    pub state: State,
    /// The language it was written in; `None` before it was sent.
    pub locale: Option<Locale>,
    /// Why it failed or is tried again.
    pub reason: Option<Reason>,
    /// How often a mail server put this message off.
    pub attempts: u32,
    /// When it was handed over; `None` before.
    pub send_time: Option<Timestamp>,
}

/// What became of one attempt to send a notification.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Delivery {
    /// Handed to the mail server.
    Sent {
        /// The language it was written in.
        locale: Locale,
        /// When.
        send_time: Timestamp,
    },
    /// It will never be sent.
    Failed {
        /// Why.
        reason: Reason,
    },
    /// Not sent this time.
    Postponed {
        /// Why; `None` when it was not its turn yet.
        reason: Option<Reason>,
        /// How often a mail server has put it off so far.
        attempts: u32,
        /// When to try again.
        due_time: Timestamp,
    },
}

impl Delivery {
    /// The state that it leads to.
    pub const fn state(&self) -> State {
        match self {
            Self::Sent { .. } => State::Sent,
            Self::Failed { .. } => State::Failed,
            Self::Postponed { .. } => State::Pending,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn stored_names_read_back() {
        for state in State::ALL {
            assert_eq!(State::from_name(state.as_str()), Some(state));
        }
        for reason in Reason::ALL {
            assert_eq!(Reason::from_code(reason.as_str()), Some(reason));
        }
        assert_eq!(State::from_name("sent"), None);
        assert_eq!(Reason::from_code(""), None);
    }
}
