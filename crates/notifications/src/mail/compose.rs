//! A message in the form of RFC 5322.
//!
//! Invariant: the same mail composes to the same bytes: its Message-ID comes from the notification
//! and its date from the caller, so that a second copy after a lost answer is known as one. Every
//! text that goes into a header is one clean line, whoever wrote it.

use std::time::{Duration, UNIX_EPOCH};

use lettre::address::Address;
use lettre::message::header::{ContentType, HeaderName, HeaderValue};
use lettre::message::{Mailbox, Message};

use super::{Mail, MailError};
use crate::domain::plain_text::plain_line;

/// Composes `mail`. Non-ASCII text is encoded as RFC 2047 and RFC 2045 want it.
pub(super) fn compose(mail: &Mail) -> Result<Message, MailError> {
    let sender: Address = mail.sender_address.parse().map_err(|_| MailError::InvalidSender)?;
    let recipient: Address =
        mail.recipient_address.parse().map_err(|_| MailError::InvalidRecipient)?;
    let message_id = format!("<{}@{}>", mail.id, sender.domain());
    let micros = u64::try_from(mail.date.0).unwrap_or(0);
    Message::builder()
        .from(Mailbox::new(name(&mail.sender_name), sender))
        .to(Mailbox::new(name(&mail.recipient_name), recipient))
        .subject(single_line(&mail.subject))
        .date(UNIX_EPOCH + Duration::from_micros(micros))
        .message_id(Some(message_id))
        // RFC 3834: nobody's out-of-office answer is called for.
        .raw_header(plain_header("Auto-Submitted", "auto-generated"))
        .raw_header(plain_header("Content-Language", mail.locale.tag()))
        .header(ContentType::TEXT_PLAIN)
        .body(mail.body.clone())
        .map_err(MailError::Compose)
}

fn name(name: &str) -> Option<String> {
    Some(plain_line(name)).filter(|name| !name.is_empty())
}

/// A subject is longer than a name may be, but is one line all the same.
fn single_line(subject: &str) -> String {
    let words: Vec<&str> = subject.split(|c: char| c.is_control() || c.is_whitespace()).collect();
    words.join(" ")
}

/// A header whose value needs no encoding.
fn plain_header(name: &'static str, value: &'static str) -> HeaderValue {
    HeaderValue::new(HeaderName::new_from_ascii_str(name), value.to_owned())
}

#[cfg(test)]
mod tests {
    use redress_core::clock::Timestamp;
    use redress_core::id::NotificationId;

    use super::*;
    use crate::domain::locale::Locale;

    fn mail() -> Mail {
        Mail {
            id: NotificationId::new("n1").unwrap(),
            sender_name: "Zürich Arena, Tickets".to_owned(),
            sender_address: "tickets@arena.example".to_owned(),
            recipient_name: "李雷".to_owned(),
            recipient_address: "li@mail.example".to_owned(),
            locale: Locale::Zh,
            subject: "活动取消通知".to_owned(),
            body: "您好!\n.\nEnde\n".to_owned(),
            date: Timestamp(1_780_000_000_000_000),
        }
    }

    #[test]
    fn a_message_is_the_same_bytes_each_time() {
        let bytes = compose(&mail()).unwrap().formatted();
        assert_eq!(bytes, compose(&mail()).unwrap().formatted());
        insta::assert_snapshot!(String::from_utf8(bytes).unwrap());
    }

    #[test]
    fn no_value_starts_a_header_of_its_own() {
        let break_out = "x\r\nBcc: victim@mail.example\r\n\r\nbody";
        let mail = Mail {
            subject: break_out.to_owned(),
            sender_name: break_out.to_owned(),
            recipient_name: break_out.to_owned(),
            ..mail()
        };
        let text = String::from_utf8(compose(&mail).unwrap().formatted()).unwrap();
        let (headers, _) = text.split_once("\r\n\r\n").unwrap();
        assert!(
            !headers.lines().any(|line| line.to_ascii_lowercase().starts_with("bcc")),
            "{text}"
        );
    }

    #[test]
    fn every_character_can_stand_in_a_name_and_a_subject() {
        let all: Vec<char> = ('\0'..=char::MAX).collect();
        for some in all.chunks(997) {
            let text = String::from_iter(some);
            let mail = Mail {
                subject: text.clone(),
                sender_name: text.clone(),
                recipient_name: text.chars().rev().collect(),
                body: text,
                ..mail()
            };
            let message = compose(&mail).unwrap().formatted();
            assert!(message.is_ascii(), "U+{:04X}", u32::from(some[0]));
        }
    }

    #[test]
    fn addresses_that_are_none_are_told_apart() {
        for bad in ["", "nobody", "a@", "a b@mail.example", "a@mail.example\r\nBcc: b@c.example"] {
            let to = Mail { recipient_address: bad.to_owned(), ..mail() };
            assert!(matches!(compose(&to), Err(MailError::InvalidRecipient)), "{bad:?}");
            let from = Mail { sender_address: bad.to_owned(), ..mail() };
            assert!(matches!(compose(&from), Err(MailError::InvalidSender)), "{bad:?}");
        }
    }

    #[test]
    fn debug_shows_no_personal_data() {
        let shown = format!("{:?}", mail());
        assert_eq!(shown, "Mail { id: NotificationId(\"n1\"), .. }");
    }
}
