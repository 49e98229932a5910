//! Whom to ask, what they answered, and what all the answers say together.
//!
//! Invariant: pure. Nothing here waits, reads a clock or knows a database or a wire.

pub mod decide;
pub mod invitation;
pub mod rating;
pub mod response;
pub mod settled;
pub mod student_t;
pub mod survey;
