//! `SurveyService` and `RatingService`: decode, call one use case, encode.
//!
//! Invariant: the tenant is the caller's; roles were checked before a call gets here.

mod convert;
mod rating;
mod status;
mod survey;

pub use rating::RatingGrpc;
pub use survey::SurveyGrpc;
