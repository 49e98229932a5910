//! The service over real gRPC, with a real database of both kinds, a real mail server's side of
//! the conversation, and a stand-in for the refunds service that answers over a socket.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on has failed, and says why")]

mod deliver;
mod dispatch;
mod get_notification;
mod list_notifications;
mod postponed;
mod refunds;
mod served;
mod smtp;
mod smtp_server;
mod support;
mod templates;
mod worker;
