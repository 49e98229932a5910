//! What somebody did is kept with its reason, in a chain of its own.

use std::collections::BTreeMap;

use redress_core::caller::Role;
use redress_core::chain::Walk;
use redress_core::id::{AuditRecordId, TenantId};
use redress_store::{Database, StoreError};

use super::ledger::ALL;
use super::{Fixture, arena, at, by_card, open_fixture, order, other};
use crate::domain::audit::{AuditAction, AuditEntry};
use crate::store::{self, AuditFilter};

redress_testkit::conformance! {
    open = open_fixture;
    audit_entries_are_chained_apart_and_found_by_what_they_are_about,
    a_reason_that_is_too_long_is_refused,
}

impl Fixture {
    pub(super) async fn audit(&self, entries: &[AuditEntry]) -> Result<(), StoreError> {
        match &self.database {
            Database::Sqlite(database) => {
                let mut tx = database.begin().await?;
                store::sqlite::insert_audit(&mut tx, entries).await?;
                database.commit(tx).await
            }
            Database::Postgres(database) => {
                let mut tx = database.begin().await?;
                store::postgres::insert_audit(&mut tx, entries).await?;
                database.commit(tx).await
            }
        }
    }
}

pub(super) fn approval(id: &str, resource: &str, actor: &str) -> AuditEntry {
    AuditEntry {
        tenant: arena(),
        id: AuditRecordId::new(id).unwrap(),
        actor: actor.to_owned(),
        roles: vec![Role::Supervisor, Role::Finance],
        action: AuditAction::REFUND_APPROVED,
        resource: resource.to_owned(),
        reason: "seen the certificate: \"ок\"".to_owned(),
        details: BTreeMap::from([("amount".to_owned(), "1000".to_owned())]),
        at: at(5),
    }
}

async fn audit_entries_are_chained_apart_and_found_by_what_they_are_about(fixture: Fixture) {
    fixture.import([order("A1")]).await;
    fixture.refund("A1", by_card(100)).await;
    let first = approval("e1", "refunds/r1", "agent-1");
    let second = AuditEntry { roles: vec![], ..approval("e2", "refunds/r2", "agent-2") };
    let third = AuditEntry { at: at(9), ..approval("e3", "refunds/r1", "agent-2") };
    let theirs = AuditEntry { tenant: other(), ..approval("e1", "refunds/r1", "agent-1") };
    fixture.audit(&[first.clone(), second.clone(), theirs]).await.unwrap();
    fixture.audit(std::slice::from_ref(&third)).await.unwrap();
    let of = async |resource| fixture.store.audit_of(&arena(), resource).await.unwrap();
    assert_eq!(of("refunds/r1").await, [first.clone(), third.clone()], "before the chain");
    assert_eq!(of("refunds/r3").await, []);
    assert_eq!(fixture.chain().await, 1, "the refund's reservation");

    let list = async |tenant: &TenantId, filter: AuditFilter| {
        fixture.store.audit_records(tenant, &filter, ALL).await.unwrap()
    };
    let page = list(&arena(), AuditFilter::default()).await;
    let mut walk = Walk::default();
    for record in &page.rows {
        walk.step(record.position, &record.canonical(), record.hash).unwrap();
    }
    assert_eq!((walk.head(), page.head.position), (page.head, 4));
    let entries: Vec<AuditEntry> = page.rows.into_iter().map(|record| record.entry).collect();
    assert_eq!(entries[0].action, AuditAction::REFUND_CREATED);
    assert_eq!(entries[1..], [first, second, third]);

    let positions = async |resource: Option<&str>, actor: Option<&str>| {
        let (resource, actor) = (resource.map(str::to_owned), actor.map(str::to_owned));
        let page = list(&arena(), AuditFilter { resource, actor }).await;
        page.rows.iter().map(|record| record.position).collect::<Vec<i64>>()
    };
    assert_eq!(positions(Some("refunds/r1"), None).await, [2, 4]);
    assert_eq!(positions(None, Some("agent-2")).await, [3, 4]);
    assert_eq!(positions(Some("refunds/r1"), Some("agent-2")).await, [4]);
    let filter = AuditFilter { actor: Some("agent-2".to_owned()), resource: None };
    assert_eq!(list(&other(), filter).await.rows, []);
    assert_eq!(list(&other(), AuditFilter::default()).await.head.position, 1);
    assert_eq!(fixture.verify(&arena()).await.unwrap().position, 1, "the books are another chain");
    assert_eq!(fixture.store.recount(&arena()).await.unwrap().differences(), [""; 0]);
}

async fn a_reason_that_is_too_long_is_refused(fixture: Fixture) {
    let reason = |letters| AuditEntry {
        reason: "ж".repeat(letters),
        ..approval(&format!("e{letters}"), "refunds/r1", "agent-1")
    };
    fixture.audit(&[reason(1_000)]).await.unwrap();
    let refused = fixture.audit(&[reason(1_001)]).await.unwrap_err();
    let StoreError::CheckViolated { constraint } = refused else { panic!("{refused:?}") };
    assert_eq!(constraint, "audit_reason_at_most_1000");
}
