//! The database as a process reaches it that may end at each step.
//!
//! Invariant: each method is forwarded as it is. The store trait is the seam where a process meets
//! its database, so a hook here stands before and after every transaction there is; one macro
//! forwards them all, so that none is left out.

use std::sync::Arc;

use async_trait::async_trait;
use redress_core::clock::Timestamp;
use redress_core::id::{
    CustomerId, DisruptionId, EventId, IdSource, OrderId, PolicyId, QuoteId, RefundId, TenantId,
};
use redress_core::money::Currency;
use redress_core::tenant::Tenant;
use redress_policy::Policy;
use redress_refunds::domain::attempt::Attempt;
use redress_refunds::domain::audit::{AuditEntry, AuditRecord};
use redress_refunds::domain::deadline::RefundDeadline;
use redress_refunds::domain::disruption::{
    Disruption, Item, ItemPlan, Reconciliation, Remedy, Scope,
};
use redress_refunds::domain::lane::{ArmedSum, FundsWait, Lane, LaneNews};
use redress_refunds::domain::ledger::{Balances, CurrencySums, LedgerEntry, Recount};
use redress_refunds::domain::order::{Contact, Order};
use redress_refunds::domain::quote::Quote;
use redress_refunds::domain::refund::Refund;
use redress_refunds::domain::settle::AttemptFinding;
use redress_refunds::store::{
    ActOutcome, Advanced, AmbiguousRefund, Announced, AppliedPolicy, AuditFilter, AuditOf,
    ChainPage, Claim, CreateOutcome, DeadlinePage, DeadlineStore, Decision, DisruptionFilter,
    DisruptionStore, ImportOutcome, ImportedOrder, ItemFilter, ItemRecord, ItemTerms, ItemTotals,
    LaneState, LaneStore, LedgerStore, Listed, NewRefund, OrderFilter, Page, PaymentAt,
    RefundFilter, RefundStore, RequestRecord, SharedStore, Slice, Slot, Step, StoredQuote,
    StoredReply, Take, Taken, Watch, Work,
};
use redress_store::StoreError;
use redress_store::lease::Lease;

use super::mortal::Mortal;

/// A store as `process` reaches it.
pub(crate) struct MortalStore {
    process: Arc<Mortal>,
    store: SharedStore,
}

impl MortalStore {
    pub(crate) fn shared(process: &Arc<Mortal>, store: &SharedStore) -> SharedStore {
        Arc::new(Self { process: Arc::clone(process), store: Arc::clone(store) })
    }
}

macro_rules! forward {
    (impl $trait:ident {
        $($name:ident($($arg:ident: $type:ty),* $(,)?) -> $answer:ty;)+
    }) => {
        #[async_trait]
        impl $trait for MortalStore {
            $(async fn $name(&self, $($arg: $type),*) -> Result<$answer, StoreError> {
                self.process.step(stringify!($name), self.store.$name($($arg),*)).await
            })+
        }
    };
}

forward! {
    impl LedgerStore {
        chain(lease: &Lease) -> u64;
        ledger_entries(
            tenant: &TenantId,
            refund: Option<&RefundId>,
            slice: Slice,
        ) -> ChainPage<LedgerEntry>;
        audit_records(
            tenant: &TenantId,
            filter: &AuditFilter,
            slice: Slice,
        ) -> ChainPage<AuditRecord>;
        audit_of(tenant: &TenantId, resource: &str) -> Vec<AuditEntry>;
        account_balances(tenant: &TenantId) -> Balances;
        recount(tenant: &TenantId) -> Recount;
    }
}

forward! {
    impl DeadlineStore {
        announce_deadlines(watch: Watch, ids: &dyn IdSource, now: Timestamp) -> Announced;
        list_deadlines(
            tenant: &TenantId,
            before: Option<Timestamp>,
            page: &DeadlinePage,
        ) -> Listed<RefundDeadline>;
    }
}

forward! {
    impl LaneStore {
        claim_to_send(claim: &Claim<'_>, sends_per_second: Option<u32>) -> Taken;
        renew_slot(provider: &str, sends_per_second: u32, unused: Slot) -> Option<Slot>;
        tell_lane(provider: &str, news: LaneNews, now: Timestamp) -> (Lane, Lane);
        take_funds_turn(provider: &str, now: Timestamp, until: Timestamp)
            -> Option<Vec<FundsWait>>;
        armed_sums(provider: &str, next: i64) -> Vec<ArmedSum>;
        put_funds(provider: &str, waits: &[FundsWait], look_again: Timestamp) -> ();
        await_funds(provider: &str, currency: Currency, needed: i64, now: Timestamp) -> ();
        lane_states() -> Vec<LaneState>;
    }
}

forward! {
    impl RefundStore {
        import_orders(
            tenant: &TenantId,
            orders: &[ImportedOrder],
            settings: Option<&Tenant>,
            ids: &dyn IdSource,
            now: Timestamp,
        ) -> Vec<ImportOutcome>;
        orders(tenant: &TenantId, ids: &[OrderId]) -> Vec<Order>;
        list_orders(tenant: &TenantId, filter: &OrderFilter, page: &Page) -> Listed<Order>;
        contacts(tenant: &TenantId, ids: &[OrderId]) -> Vec<(OrderId, Contact, String)>;
        apply_policy(
            tenant: &TenantId,
            policy: AppliedPolicy,
            audit: AuditOf<'_, Policy>,
            now: Timestamp,
        ) -> AppliedPolicy;
        policy(tenant: &TenantId, id: &PolicyId) -> Option<AppliedPolicy>;
        policy_version(tenant: &TenantId, id: &PolicyId, version: i64) -> Option<Policy>;
        policy_in_force(tenant: &TenantId, id: &PolicyId, at: Timestamp) -> Option<Policy>;
        list_policies(tenant: &TenantId, page: &Page) -> Listed<AppliedPolicy>;
        replay(tenant: &TenantId, method: &'static str, request_id: &str) -> Option<StoredReply>;
        create_quote(
            tenant: &TenantId,
            quote: &Quote,
            request: &RequestRecord,
            now: Timestamp,
        ) -> ();
        quotes(keys: &[(TenantId, QuoteId)]) -> Vec<Option<StoredQuote>>;
        create_refunds(refunds: &[NewRefund], ids: &dyn IdSource) -> Vec<CreateOutcome>;
        act(
            tenant: &TenantId,
            id: &RefundId,
            decision: &Decision<'_>,
            ids: &dyn IdSource,
            now: Timestamp,
        ) -> ActOutcome;
        buyer_refunds(
            tenant: &TenantId,
            customer: &CustomerId,
            events: &[EventId],
        ) -> Vec<(EventId, i64)>;
        payments_at(provider: &str, reference: &str, limit: i64) -> Vec<PaymentAt>;
        record_external(refund: &Refund, ids: &dyn IdSource, now: Timestamp) -> bool;
        announce_ambiguous(ambiguous: &AmbiguousRefund, ids: &dyn IdSource, now: Timestamp) -> bool;
        refund(tenant: &TenantId, id: &RefundId) -> Option<Refund>;
        list_refunds(tenant: &TenantId, filter: &RefundFilter, page: &Page) -> Listed<Refund>;
        claim_to_look_up(claim: &Claim<'_>) -> Vec<Attempt>;
        settle(findings: &[AttemptFinding], ids: &dyn IdSource, now: Timestamp) -> usize;
        hint(provider: &str, provider_refund: &str, attempt: Option<&str>, now: Timestamp) -> bool;
        attempt_by_provider_refund(
            provider: &str,
            provider_refund: &str,
            attempt: Option<&str>,
        ) -> Option<Attempt>;
        next_due(provider: &str) -> Option<Timestamp>;
        ledger_sums(tenant: &TenantId) -> Vec<CurrencySums>;
    }
}

forward! {
    impl DisruptionStore {
        orders_in_scope(
            tenant: &TenantId,
            scope: &Scope,
            beside: Option<&DisruptionId>,
            after: Option<&OrderId>,
            limit: i64,
        ) -> Vec<OrderId>;
        count_scope(tenant: &TenantId, scope: &Scope) -> i64;
        create_disruption(
            disruption: &Disruption,
            audit: &AuditEntry,
            request: &RequestRecord,
            ids: &dyn IdSource,
        ) -> ();
        disruption(tenant: &TenantId, id: &DisruptionId) -> Option<Disruption>;
        list_disruptions(
            tenant: &TenantId,
            filter: &DisruptionFilter,
            page: &Page,
        ) -> Listed<Disruption>;
        item_totals(tenant: &TenantId, ids: &[DisruptionId]) -> Vec<ItemTotals>;
        held_totals(tenant: &TenantId, id: &DisruptionId) -> Vec<ItemTotals>;
        list_items(
            tenant: &TenantId,
            id: &DisruptionId,
            filter: &ItemFilter,
            page: &Page,
        ) -> Listed<Item>;
        reconcile(tenant: &TenantId, id: &DisruptionId) -> Vec<Reconciliation>;
        discard_items(disruption: &Disruption) -> ();
        freeze_items(disruption: &Disruption, plans: &[ItemPlan]) -> ();
        advance_disruption(
            disruption: &Disruption,
            step: &Step<'_>,
            ids: &dyn IdSource,
        ) -> Advanced;
        choose(
            disruption: &Disruption,
            order: &OrderId,
            remedy: Remedy,
            record: ItemRecord<'_>,
            ids: &dyn IdSource,
            now: Timestamp,
        ) -> Option<Item>;
        work() -> Vec<Work>;
        next_item(work: &Work) -> Option<OrderId>;
        start_items(
            work: &Work,
            take: &Take,
            backlog: i64,
            terms: &ItemTerms,
            ids: &dyn IdSource,
            now: Timestamp,
        ) -> usize;
        set_aside(work: &Work, order: &OrderId, ids: &dyn IdSource, now: Timestamp) -> bool;
        lapse_choices(limit: i64, ids: &dyn IdSource, now: Timestamp) -> usize;
        abort_items(limit: i64) -> usize;
        complete_disruptions(ids: &dyn IdSource, now: Timestamp) -> usize;
    }
}
