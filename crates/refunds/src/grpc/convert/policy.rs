//! Policies on the wire and in the domain.
//!
//! Invariant: a policy that comes as a file is read from the file alone; one that comes field by
//! field has tiers by hours and nothing that the fields do not show.

use redress_api::{FieldViolation, money, time};
use redress_core::id::PolicyId;
use redress_policy::{Charge, Citation, CompensationDue, Notice, Pack, Policy, Tier, check};
use redress_proto::refunds::v1 as pb;

use super::in_range;
use crate::store::AppliedPolicy;

/// The wire form of a policy version.
pub(in crate::grpc) fn to_proto(applied: &AppliedPolicy) -> pb::Policy {
    let policy = &applied.policy;
    pb::Policy {
        name: policy.id.resource_name(),
        version: policy.version,
        display_name: policy.display_name.clone(),
        effective_time: Some(time::to_proto(policy.effective)),
        tiers: policy.tiers.iter().filter_map(tier_to_proto).collect(),
        refunds_fees: policy.refunds_fees,
        citation: Some(citation_to_proto(&policy.citation)),
        pay_within_days: policy.pay_within_days.into(),
        source: applied.source.clone(),
    }
}

/// A tier by hours; the file shows all others.
fn tier_to_proto(tier: &Tier) -> Option<pb::PolicyTier> {
    let Notice::Hours(notice_hours) = tier.notice else { return None };
    Some(pb::PolicyTier {
        rule: tier.rule.clone(),
        // In the contract's range since it came in.
        notice_hours: i32::try_from(notice_hours).unwrap_or(i32::MAX),
        fee_basis_points: tier.terms.charge.fee_basis_points().into(),
    })
}

/// The wire form of a citation.
pub(super) fn citation_to_proto(citation: &Citation) -> pb::Citation {
    pb::Citation { title: citation.title.clone(), uri: citation.uri.clone() }
}

/// The wire form of a compensation.
pub(super) fn compensation(due: &CompensationDue) -> pb::Compensation {
    pb::Compensation {
        amount: due.amount.map(money::to_proto),
        rule: due.rule.clone(),
        citation: Some(citation_to_proto(&due.citation)),
    }
}

/// The wire form of a law that comes with Redress.
pub(in crate::grpc) fn pack(pack: &Pack) -> Option<pb::PolicyPack> {
    let policy = pack.policy()?;
    Some(pb::PolicyPack {
        pack: pack.id.to_owned(),
        display_name: policy.display_name.clone(),
        citation: Some(citation_to_proto(&policy.citation)),
        status: policy.status.as_str().to_owned(),
        mandatory: policy.mandatory,
        source: pack.source.to_owned(),
    })
}

/// Reads a policy that stands at `path` and keeps the declared rules; its version is not taken
/// over. Returns everything that is wrong at once.
pub(in crate::grpc) fn from_proto(
    policy: pb::Policy,
    path: &str,
) -> Result<AppliedPolicy, Vec<FieldViolation>> {
    let read = if policy.source.is_empty() { from_fields(policy) } else { from_file(policy) };
    read.map_err(|found| found.into_iter().map(|violation| violation.under(path)).collect())
}

fn from_file(message: pb::Policy) -> Result<AppliedPolicy, Vec<FieldViolation>> {
    let read = from_source(message.source)?;
    if read.policy.id.resource_name() != message.name {
        let text = format!("differs from the id in source, {}", read.policy.id.resource_name());
        return Err(vec![FieldViolation::new("name", text)]);
    }
    Ok(read)
}

/// Reads a policy file that stands in the field `source`, and keeps its examples and promises to
/// what they say.
fn from_source(source: String) -> Result<AppliedPolicy, Vec<FieldViolation>> {
    let policy = check::check(&source).map_err(violations)?;
    Ok(AppliedPolicy { policy, source })
}

/// Reads a policy file that stands in the field `source`, to ask it something.
pub(super) fn read_source(source: &str) -> Result<Policy, Vec<FieldViolation>> {
    check::read(source).map_err(violations)
}

fn violations(problems: Vec<check::Problem>) -> Vec<FieldViolation> {
    let describe = |problem: check::Problem| {
        let place = if problem.path.is_empty() { "the file" } else { &*problem.path };
        let text = format!("line {}: {place}: {}", problem.line, problem.reason);
        FieldViolation::new("source", text)
    };
    problems.into_iter().map(describe).collect()
}

fn from_fields(policy: pb::Policy) -> Result<AppliedPolicy, Vec<FieldViolation>> {
    let mut violations = Vec::new();
    let mut keep = |violation: FieldViolation| violations.push(violation);
    let id = PolicyId::from_resource_name(&policy.name)
        .map_err(|error| keep(FieldViolation::new("name", error.to_string())))
        .ok();
    if id.as_ref().is_some_and(|id| Pack::find(id.as_str()).is_some()) {
        let text = "is the id of a law that comes with Redress: send its file as source";
        keep(FieldViolation::new("name", text));
    }
    if policy.display_name.is_empty() {
        keep(FieldViolation::new("display_name", "value is required"));
    }
    let effective =
        time::required(policy.effective_time.as_ref(), "effective_time").map_err(&mut keep).ok();
    if policy.tiers.is_empty() {
        keep(FieldViolation::new("tiers", "at least one is required, or a source"));
    }
    let mut tiers = Vec::with_capacity(policy.tiers.len());
    for (at, read) in policy.tiers.into_iter().enumerate() {
        match tier(read) {
            Ok(tier) => tiers.push(tier),
            Err(violation) => keep(violation.under(&format!("tiers[{at}]"))),
        }
    }
    let citation = policy.citation.unwrap_or_default();
    if citation.title.is_empty() {
        keep(FieldViolation::new("citation.title", "value is required"));
    }
    if policy.pay_within_days == 0 {
        keep(FieldViolation::new("pay_within_days", "must be at least 1"));
    }
    let pay_within_days =
        in_range(policy.pay_within_days, "pay_within_days").map_err(&mut keep).ok();
    let (Some(id), Some(effective), Some(pay_within_days), []) =
        (id, effective, pay_within_days, violations.as_slice())
    else {
        return Err(violations);
    };
    let citation = Citation { title: citation.title, uri: citation.uri };
    let read = Policy {
        effective,
        tiers,
        refunds_fees: policy.refunds_fees,
        pay_within_days,
        ..Policy::new(id, policy.display_name, citation)
    };
    Ok(AppliedPolicy { policy: read, source: String::new() })
}

fn tier(tier: pb::PolicyTier) -> Result<Tier, FieldViolation> {
    let notice_hours = in_range(tier.notice_hours, "notice_hours")?;
    let fee_basis_points = in_range(tier.fee_basis_points, "fee_basis_points")?;
    let mut read = Tier::hours(tier.rule, notice_hours, fee_basis_points);
    read.terms.charge = Charge::Fee(fee_basis_points);
    Ok(read)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn message() -> pb::Policy {
        pb::Policy {
            name: "policies/standard".to_owned(),
            version: 0,
            display_name: "Standard".to_owned(),
            effective_time: Some(time::to_proto(redress_core::clock::Timestamp(5_000_000))),
            tiers: vec![pb::PolicyTier {
                rule: "early".to_owned(),
                notice_hours: 72,
                fee_basis_points: 1000,
            }],
            refunds_fees: true,
            citation: Some(pb::Citation {
                title: "General terms of sale, section 7".to_owned(),
                uri: "https://arena.example/terms".to_owned(),
            }),
            pay_within_days: 14,
            source: String::new(),
        }
    }

    const SOURCE: &str = r#"
id = "standard"
display_name = "Standard"
effective = 2026-01-01T00:00:00Z
pay_within_days = 14
citation = { title = "Terms" }

[[tiers]]
rule = "early"
notice_civil_days = 3
fee_basis_points = 1000
"#;

    fn fields(bad: pb::Policy) -> Vec<String> {
        from_proto(bad, "policy").unwrap_err().into_iter().map(|v| v.field).collect()
    }

    #[test]
    fn a_policy_reads_back_as_sent() {
        assert_eq!(to_proto(&from_proto(message(), "policy").unwrap()), message());
    }

    #[test]
    fn everything_unreadable_is_named() {
        let mut bad = message();
        bad.name = "orders/standard".to_owned();
        bad.display_name.clear();
        bad.effective_time = None;
        bad.tiers[0].notice_hours = -1;
        bad.citation = None;
        bad.pay_within_days = 0;
        assert_eq!(
            fields(bad),
            [
                "policy.name",
                "policy.display_name",
                "policy.effective_time",
                "policy.tiers[0].notice_hours",
                "policy.citation.title",
                "policy.pay_within_days",
            ]
        );
        assert_eq!(fields(pb::Policy { tiers: Vec::new(), ..message() }), ["policy.tiers"]);
    }

    #[test]
    fn a_file_is_read_from_the_file_alone_and_kept() {
        let sent = pb::Policy {
            name: "policies/standard".to_owned(),
            source: SOURCE.to_owned(),
            ..pb::Policy::default()
        };
        let read = from_proto(sent.clone(), "policy").unwrap();
        assert_eq!(read.policy.tiers[0].notice, Notice::CivilDays(3));
        assert_eq!(to_proto(&read).source, SOURCE);
        let other = pb::Policy { name: "policies/other".to_owned(), ..sent.clone() };
        assert_eq!(fields(other), ["policy.name"]);
        let source = SOURCE.replace("fee_basis_points = 1000", "fee_basis_points = 10001");
        let found = from_proto(pb::Policy { source, ..sent }, "policy").unwrap_err();
        assert_eq!(found[0].field, "policy.source");
        assert!(found[0].description.starts_with("line 11: "), "{}", found[0].description);
    }
}
