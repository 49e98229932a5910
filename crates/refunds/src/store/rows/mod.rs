//! Rows as both databases give them, and how they become domain types.
//!
//! Invariant: a value that cannot be read back is reported as corrupt with table, column and key;
//! it is never replaced by a default.

mod deadlines;
mod disruptions;
mod lanes;
mod ledger;
mod orders;
mod quotes;
mod reconcile;
mod refunds;

use redress_policy::Policy;
use redress_store::StoreError;
use serde::Serialize;
use serde::de::DeserializeOwned;

pub(super) use deadlines::{DeadlineRow, announcements};
pub(super) use disruptions::{
    DisruptionRow, ItemFactRow, ItemRow, ItemTotalsRow, PendingItemRow, WorkRow, scope_digest,
    selection_from,
};
pub(super) use lanes::{ArmedRow, FundsRow, LaneRow, lane_states};
pub(super) use ledger::{
    AuditRow, BalanceRow, HeadRow, LinkedRow, PostingRow, WaitingRow, head_from, roles_of,
    sums_from, tally_from,
};
pub(super) use orders::{
    ElsewhereRow, HeldRow, KnownOrderRow, LineRow, OrderRow, PaymentRow, PolicyVersionRow,
    assemble_holdings, assemble_orders, line_kind, order_state,
};
pub(super) use quotes::encode_quote;
pub(super) use reconcile::{Told, reconciliations};
pub(super) use refunds::{
    AttemptRow, PaymentAtRow, QuoteRow, RefundRow, SumsRow, assemble_refunds, attempts_from,
    quotes_of,
};

/// Reads a stored text back, or reports the place.
fn read<T>(
    value: Option<T>,
    table: &'static str,
    column: &'static str,
    row: &str,
) -> Result<T, StoreError> {
    value.ok_or_else(|| StoreError::corrupt(table, column, row))
}

/// Encodes a body column: quotes, lines, plans and policies are JSON of domain types.
pub(super) fn encode<T: Serialize>(value: &T) -> Result<Vec<u8>, StoreError> {
    serde_json::to_vec(value).map_err(|cause| StoreError::Internal(Box::new(cause)))
}

/// Encodes the rows of a set-based SQLite statement, which reads them back with `jsonb_each`: with
/// `json_each` each row would be written as text again, and parsed again for each of its fields.
pub(super) fn encode_rows<T: Serialize>(rows: &[T]) -> Result<String, StoreError> {
    serde_json::to_string(rows).map_err(|cause| StoreError::Internal(Box::new(cause)))
}

fn decode<T: DeserializeOwned>(
    bytes: &[u8],
    table: &'static str,
    column: &'static str,
    row: &str,
) -> Result<T, StoreError> {
    read(serde_json::from_slice(bytes).ok(), table, column, row)
}

/// A policy version's JSON.
pub(super) fn policy_from(body: &[u8], id: &str) -> Result<Policy, StoreError> {
    decode(body, "policies", "body", id)
}
