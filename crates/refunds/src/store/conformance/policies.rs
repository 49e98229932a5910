//! Policies are versioned: a change is a new version, and the one in force depends on the instant.

use std::collections::BTreeMap;
use std::sync::Arc;

use redress_core::clock::Timestamp;
use redress_core::id::{AuditRecordId, PolicyId};
use redress_policy::{Citation, Policy, Tier};

use super::{Fixture, arena, at, open_fixture};
use crate::domain::audit::{AuditAction, AuditEntry};
use crate::store::{AppliedPolicy, Page};

redress_testkit::conformance! {
    open = open_fixture;
    each_change_is_a_new_version,
    an_identical_policy_changes_nothing,
    going_back_to_an_earlier_text_is_a_change,
    the_version_in_force_follows_the_instant,
    of_two_versions_from_one_instant_the_newer_is_in_force,
    policies_are_listed_by_id_in_their_newest_version,
    concurrent_changes_get_versions_of_their_own,
}

pub(super) fn policy(id: &str, effective: Timestamp, fee_basis_points: u16) -> Policy {
    let citation = Citation { title: "Terms, section 7".to_owned(), uri: String::new() };
    Policy {
        effective,
        tiers: vec![Tier::hours("early", 48, fee_basis_points)],
        ..Policy::new(PolicyId::new(id).unwrap(), "Standard", citation)
    }
}

/// An entry of the audit log about a policy.
pub(super) fn audit(policy: &Policy) -> AuditEntry {
    AuditEntry {
        tenant: arena(),
        id: AuditRecordId::new(format!("{}-{}", policy.id, policy.version)).unwrap(),
        actor: "shop".to_owned(),
        roles: Vec::new(),
        action: AuditAction::POLICY_APPLIED,
        resource: policy.id.resource_name(),
        reason: String::new(),
        details: BTreeMap::from([("version".to_owned(), policy.version.to_string())]),
        at: at(0),
    }
}

impl Fixture {
    pub(super) async fn apply(&self, policy: Policy) -> Policy {
        let applied = AppliedPolicy { policy, source: "the file".to_owned() };
        let stored = self.store.apply_policy(&arena(), applied, &audit, at(0)).await.unwrap();
        assert_eq!(stored.source, "the file");
        stored.policy
    }

    async fn newest(&self, id: &str) -> Option<Policy> {
        let id = PolicyId::new(id).unwrap();
        let stored = self.store.policy(&arena(), &id).await.unwrap()?;
        assert_eq!(stored.source, "the file");
        let version = stored.policy.version;
        let by_version = self.store.policy_version(&arena(), &id, version).await.unwrap();
        assert_eq!(by_version.as_ref(), Some(&stored.policy));
        assert_eq!(self.store.policy_version(&arena(), &id, version + 1).await.unwrap(), None);
        Some(stored.policy)
    }

    async fn version_at(&self, instant: Timestamp) -> Option<i64> {
        let id = PolicyId::new("standard").unwrap();
        let found = self.store.policy_in_force(&arena(), &id, instant).await.unwrap();
        found.map(|policy| policy.version)
    }
}

async fn each_change_is_a_new_version(fixture: Fixture) {
    assert_eq!(fixture.newest("standard").await, None);
    for (version, fee) in [(1, 0), (2, 500)] {
        let stored = fixture.apply(policy("standard", at(0), fee)).await;
        assert_eq!(stored, Policy { version, ..policy("standard", at(0), fee) });
        assert_eq!(fixture.newest("standard").await, Some(stored));
    }
    let entries = fixture.store.audit_of(&arena(), "policies/standard").await.unwrap();
    let versions: Vec<_> = entries.iter().map(|entry| entry.details["version"].as_str()).collect();
    assert_eq!(versions, ["1", "2"], "who changed the rules, and when");
}

async fn an_identical_policy_changes_nothing(fixture: Fixture) {
    let first = fixture.apply(policy("standard", at(0), 0)).await;
    assert_eq!(fixture.apply(policy("standard", at(0), 0)).await, first);
    let with_another_version = Policy { version: 9, ..first.clone() };
    assert_eq!(fixture.apply(with_another_version).await, first);
    assert_eq!(fixture.newest("standard").await, Some(first));
}

async fn going_back_to_an_earlier_text_is_a_change(fixture: Fixture) {
    fixture.apply(policy("standard", at(0), 0)).await;
    fixture.apply(policy("standard", at(0), 500)).await;
    assert_eq!(fixture.apply(policy("standard", at(0), 0)).await.version, 3);
}

async fn the_version_in_force_follows_the_instant(fixture: Fixture) {
    fixture.apply(policy("standard", at(10), 0)).await;
    fixture.apply(policy("standard", at(30), 500)).await;
    // A correction of the first one leaves what was announced for later.
    fixture.apply(policy("standard", at(20), 900)).await;
    for (instant, version) in [
        (at(9), None),
        (at(10), Some(1)),
        (at(19), Some(1)),
        (at(20), Some(3)),
        (at(29), Some(3)),
        (at(30), Some(2)),
        (at(99), Some(2)),
    ] {
        assert_eq!(fixture.version_at(instant).await, version, "{instant:?}");
    }
}

async fn of_two_versions_from_one_instant_the_newer_is_in_force(fixture: Fixture) {
    fixture.apply(policy("standard", at(10), 0)).await;
    fixture.apply(policy("standard", at(10), 500)).await;
    assert_eq!(fixture.version_at(at(10)).await, Some(2));
}

async fn policies_are_listed_by_id_in_their_newest_version(fixture: Fixture) {
    for (id, fee) in [("b", 1), ("a.1", 2), ("A1", 3), ("b", 4), ("a-1", 5)] {
        fixture.apply(policy(id, at(0), fee)).await;
    }
    let list = async |size: i64, after: Option<&str>| {
        let page = Page { size, after: after.map(str::to_owned), count: true };
        fixture.store.list_policies(&arena(), &page).await.unwrap()
    };
    let first = list(2, None).await;
    let ids = |rows: &[AppliedPolicy]| -> Vec<(String, i64)> {
        let id = |row: &AppliedPolicy| (row.policy.id.to_string(), row.policy.version);
        rows.iter().map(id).collect()
    };
    assert_eq!(ids(&first.rows), [("A1".to_owned(), 1), ("a-1".to_owned(), 1)]);
    assert_eq!((first.more, first.total), (true, Some(4)));
    let second = list(2, Some("a-1")).await;
    assert_eq!(ids(&second.rows), [("a.1".to_owned(), 1), ("b".to_owned(), 2)]);
    assert!(!second.more);
}

async fn concurrent_changes_get_versions_of_their_own(fixture: Fixture) {
    let fixture = Arc::new(fixture);
    let changes: Vec<_> = (0..8)
        .map(|fee| {
            let fixture = Arc::clone(&fixture);
            tokio::spawn(async move { fixture.apply(policy("standard", at(0), fee)).await.version })
        })
        .collect();
    let mut versions = Vec::new();
    for change in changes {
        versions.push(change.await.unwrap());
    }
    versions.sort_unstable();
    assert_eq!(versions, [1, 2, 3, 4, 5, 6, 7, 8]);
}
