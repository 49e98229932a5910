//! The acceptance scenarios, by their numbers: real gRPC over memory, the real workers, and where
//! money is sent or a webhook arrives, the sandbox over real HTTP. On both databases.
//!
//! Killing the process (12) stands with the other processes that end, in `crash`.

mod crowds;
mod disruptions;
mod lanes;
mod notes;
mod outside;
mod people;
mod quotes;
mod stage;
mod tenders;
mod unclear;
