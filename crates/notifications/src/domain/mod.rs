//! What customers are told, decided without I/O: which fact is worth a message, in which language,
//! how amounts read there, and when a failed hand-over is tried again.
//!
//! Invariant: nothing here is async or knows a database, a wire format or a mail server; contact
//! data passes through as text to be cleaned and is never part of a stored value.

pub mod amount;
pub mod fact;
pub mod locale;
pub mod notification;
pub mod plain_text;
pub mod retry;
pub mod template;
