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
mod approve_refund;
mod cancel_refund;
mod create_at_once;
mod create_disruption;
mod create_refund;
mod deeds;
mod disruption_reads;
mod disruption_steps;
mod evaluate_policy;
mod import_orders;
mod ledger;
mod order_reads;
mod policies;
mod policy_choices;
mod preview_disruption;
mod quote_refund;
mod quote_rules;
mod reconcile_disruption;
mod refund_deadlines;
mod refund_reads;
mod reject_refund;
mod resolve_attempt;
mod retry_refund;
mod start_disruption;
pub(crate) mod support;
mod tenants;
mod watch_disruption;
mod watch_refund;
