//! The interfaces as their callers see them: real gRPC over memory, on both databases.

#![expect(clippy::assigning_clones, reason = "a test changes one field of a message, once")]

/// Compares a text with the snapshot beside it, on each of the two databases.
macro_rules! snapshot {
    ($told:expr, @$expected:literal) => {{
        let told = &$told;
        insta::allow_duplicates! { insta::assert_snapshot!(told, @$expected) }
    }};
}

mod approve_disruption;
mod create_disruption;
mod create_refund;
mod disruption_reads;
mod import_orders;
mod ledger;
mod order_reads;
mod policies;
mod preview_disruption;
mod quote_refund;
mod refund_reads;
mod start_disruption;
mod support;
mod tenants;
