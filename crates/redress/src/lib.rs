//! What the `redress` command is made of.
//!
//! Invariant: only this crate reads the environment, the clock and entropy, and hands them to the
//! services; it decides nothing about refunds itself.

pub mod bench;
pub mod cli;
pub mod commands;
pub mod connect;
pub mod demo;
pub mod home;
pub mod import;
pub mod output;
pub mod seed;
pub mod services;
