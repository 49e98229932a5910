//! The use cases of this service: load, decide, commit.
//!
//! Invariant: one use case a file; no wire types and no SQL. Each one reaches only the rows of the
//! tenant it is given, and none calls a provider: paying is the workers' part.

mod act_on_disruption;
mod act_on_refund;
mod apply_policy;
mod approve_disruption;
mod batch_get_order_contacts;
mod batches;
mod check_ledger;
mod choose_remedy;
mod connections;
mod create_disruption;
mod create_refund;
mod error;
mod evaluate_policy;
mod get_disruption;
mod get_order;
mod get_policy;
mod get_refund;
mod import_orders;
mod list_account_balances;
mod list_audit_records;
mod list_disruption_items;
mod list_disruptions;
mod list_ledger_entries;
mod list_orders;
mod list_policies;
mod list_policy_packs;
mod list_refund_deadlines;
mod list_refunds;
mod orders_in_scope;
mod pace;
mod preview_disruption;
mod promised_laws;
mod quote_refund;
mod reconcile_disruption;
mod record_external_refund;
mod request;
mod watch_disruption;
mod watch_refund;

pub use act_on_disruption::{ActOnDisruption, act_on_disruption};
pub use act_on_refund::{ActOnRefund, act_on_refund};
pub use apply_policy::{ApplyPolicy, apply_policy};
pub use approve_disruption::{ApproveDisruption, approve_disruption};
pub use batch_get_order_contacts::batch_get_order_contacts;
pub use batches::{Batches, Created, Draft};
pub use check_ledger::{LedgerCheck, check_ledger};
pub use choose_remedy::{ChooseRemedy, choose_remedy};
pub use connections::Connections;
pub use create_disruption::{CreateDisruption, create_disruption};
pub use create_refund::{CreateRefund, Wanted, create_refund};
pub use error::RefundError;
pub use evaluate_policy::{EvaluatePolicy, Evaluation, Rules, evaluate_policy};
pub use get_disruption::{DisruptionReport, LaneProgress, get_disruption};
pub use get_order::get_order;
pub use get_policy::get_policy;
pub use get_refund::{get_refund, get_refund_with_decisions};
pub use import_orders::{Candidate, ImportReport, MAX_CHUNK, Rejection, import_orders};
pub use list_account_balances::list_account_balances;
pub use list_audit_records::list_audit_records;
pub use list_disruption_items::list_disruption_items;
pub use list_disruptions::list_disruptions;
pub use list_ledger_entries::list_ledger_entries;
pub use list_orders::list_orders;
pub use list_policies::list_policies;
pub use list_policy_packs::list_policy_packs;
pub use list_refund_deadlines::{DeadlinesAsked, list_refund_deadlines};
pub use list_refunds::list_refunds;
pub use preview_disruption::{
    DisruptionPreview, PreviewLane, PreviewOutcome, PreviewTotal, Previewed, Proposal,
    preview_disruption,
};
pub use promised_laws::PromisedLaws;
pub use quote_refund::{QuoteRefund, quote_refund};
pub use reconcile_disruption::{ReconciledDisruption, reconcile_disruption};
pub use record_external_refund::record_external_refund;
pub use request::{Outcome, Request};
pub use watch_disruption::{DisruptionProgress, watch_disruption};
pub use watch_refund::watch_refund;

use std::sync::Arc;
use std::time::Duration;

use redress_api::ports::TenantDirectory;
use redress_core::clock::Clock;
use redress_core::id::Ids;

use crate::store::SharedStore;
use crate::worker::WorkSignals;

/// What every use case works with.
#[derive(Clone)]
pub struct Refunds {
    /// Where everything is kept.
    pub store: SharedStore,
    /// Creates refunds that are asked for at the same moment together.
    pub batches: Batches,
    /// The tenants' settings.
    pub tenants: Arc<dyn TenantDirectory>,
    /// The providers that Redress can send through.
    pub connections: Arc<Connections>,
    /// The time.
    pub clock: Arc<dyn Clock>,
    /// Makes ids.
    pub ids: Ids,
    /// Wakes the workers.
    pub signals: WorkSignals,
    /// How long a quote can be accepted.
    pub quote_validity: Duration,
    /// How long the law gives for paying when something does not take place.
    pub pay_within: Duration,
}
