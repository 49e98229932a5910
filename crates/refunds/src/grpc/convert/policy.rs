//! Policies on the wire and in the domain.

use redress_api::FieldViolation;
use redress_api::time;
use redress_core::id::PolicyId;
use redress_policy::{Citation, Policy, Tier};
use redress_proto::refunds::v1 as pb;

use super::in_range;

/// The wire form of a policy version.
pub(in crate::grpc) fn to_proto(policy: &Policy) -> pb::Policy {
    let tier = |tier: &Tier| pb::PolicyTier {
        rule: tier.rule.clone(),
        // Both are in the contract's range since they came in.
        notice_hours: i32::try_from(tier.notice_hours).unwrap_or(i32::MAX),
        fee_basis_points: tier.fee_basis_points.into(),
    };
    pb::Policy {
        name: policy.id.resource_name(),
        version: policy.version,
        display_name: policy.display_name.clone(),
        effective_time: Some(time::to_proto(policy.effective)),
        tiers: policy.tiers.iter().map(tier).collect(),
        refunds_fees: policy.refunds_fees,
        citation: Some(citation_to_proto(&policy.citation)),
        pay_within_days: policy.pay_within_days.into(),
    }
}

/// The wire form of a citation.
pub(super) fn citation_to_proto(citation: &Citation) -> pb::Citation {
    pb::Citation { title: citation.title.clone(), uri: citation.uri.clone() }
}

/// Reads a policy that stands at `path` and keeps the declared rules; its version is not taken
/// over. Returns everything that is wrong at once.
pub(in crate::grpc) fn from_proto(
    policy: pb::Policy,
    path: &str,
) -> Result<Policy, Vec<FieldViolation>> {
    let mut violations = Vec::new();
    let mut keep = |violation: FieldViolation| violations.push(violation.under(path));
    let id = PolicyId::from_resource_name(&policy.name)
        .map_err(|error| keep(FieldViolation::new("name", error.to_string())))
        .ok();
    let effective =
        time::required(policy.effective_time.as_ref(), "effective_time").map_err(&mut keep).ok();
    let pay_within_days =
        in_range(policy.pay_within_days, "pay_within_days").map_err(&mut keep).ok();
    let mut tiers = Vec::with_capacity(policy.tiers.len());
    for (at, read) in policy.tiers.into_iter().enumerate() {
        match tier(read) {
            Ok(tier) => tiers.push(tier),
            Err(violation) => keep(violation.under(&format!("tiers[{at}]"))),
        }
    }
    let citation = policy.citation.unwrap_or_default();
    let (Some(id), Some(effective), Some(pay_within_days), []) =
        (id, effective, pay_within_days, violations.as_slice())
    else {
        return Err(violations);
    };
    Ok(Policy {
        id,
        version: 0,
        display_name: policy.display_name,
        effective,
        tiers,
        refunds_fees: policy.refunds_fees,
        citation: Citation { title: citation.title, uri: citation.uri },
        pay_within_days,
    })
}

fn tier(tier: pb::PolicyTier) -> Result<Tier, FieldViolation> {
    Ok(Tier {
        rule: tier.rule,
        notice_hours: in_range(tier.notice_hours, "notice_hours")?,
        fee_basis_points: in_range(tier.fee_basis_points, "fee_basis_points")?,
    })
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
        }
    }

    #[test]
    fn a_policy_reads_back_as_sent() {
        assert_eq!(to_proto(&from_proto(message(), "policy").unwrap()), message());
    }

    #[test]
    fn everything_unreadable_is_named() {
        let mut bad = message();
        bad.name = "orders/standard".to_owned();
        bad.effective_time = None;
        bad.tiers[0].notice_hours = -1;
        let violations = from_proto(bad, "policy").unwrap_err();
        let fields: Vec<_> = violations.iter().map(|v| v.field.as_str()).collect();
        assert_eq!(
            fields,
            ["policy.name", "policy.effective_time", "policy.tiers[0].notice_hours"]
        );
    }
}
