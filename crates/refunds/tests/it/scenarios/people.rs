//! Scenarios 4 and 18: where a second person is needed, and what the record says of it.

use redress_core::caller::Role;
use redress_proto::common::v1::{ApplyTenantRequest, ApprovalLimit, Role as RoleName, Tenant};
use redress_proto::refunds::v1 as pb;
use redress_proto::refunds::v1::refund::State;
use redress_proto::refunds::v1::refund_attempt::State as AttemptState;
use serde_json::json;

use super::stage::{DAY, Stage, booking, only, open, ticket, wanted};
use crate::api::support::{acceptance, euros, settings_of, told};

redress_testkit::conformance! {
    open = open;
    scenario_04_an_override_waives_fees_on_evidence_and_names_code_and_approver,
    scenario_18_above_the_agents_limit_a_second_person_decides_and_never_the_requester,
}

const MOURNING: &str = r#"
[[overrides]]
code = "DEATH"
rule = "mourning"
evidence = ["DEATH_CERTIFICATE"]
needs_approval = true
"#;

fn approval(stage: &Stage, refund: &pb::Refund) -> pb::ApproveRefundRequest {
    pb::ApproveRefundRequest {
        name: refund.name.clone(),
        request_id: stage.api.request_id(),
        etag: refund.etag.clone(),
        reason: "seen and agreed".to_owned(),
    }
}

async fn scenario_04_an_override_waives_fees_on_evidence_and_names_code_and_approver(stage: Stage) {
    assert_eq!(stage.apply("standard", "", MOURNING).await, 2);
    for id in ["A1", "A2"] {
        stage.sell(booking(id, vec![ticket("t1", 3000, DAY * 3)])).await;
    }
    let claim = pb::QuoteRefundRequest {
        override_code: pb::OverrideCode::Death.into(),
        ..wanted("A1", &[])
    };
    let text = told(&stage.ask(claim.clone()).await.unwrap_err());
    assert!(text.starts_with("FailedPrecondition EVIDENCE_REQUIRED"), "{text}");
    let certificate =
        pb::Evidence { kind: "DEATH_CERTIFICATE".to_owned(), reference: "doc-7".to_owned() };
    let claim = pb::QuoteRefundRequest { evidence: vec![certificate.clone()], ..claim };
    let quote = stage.ask(claim).await.unwrap();
    assert_eq!((&quote.total, &quote.lines[0].fee), (&euros(3000), &euros(0)));
    assert_eq!(
        (&*quote.lines[0].rule, quote.override_code()),
        ("mourning", pb::OverrideCode::Death)
    );
    assert_eq!(quote.evidence, [certificate]);

    let crew = stage.hire();
    let refund = stage.api.accept(&quote).await;
    assert_eq!(refund.state(), State::PendingApproval);
    assert_eq!(refund.override_code(), pb::OverrideCode::Death);
    let mut second = stage.api.refunds_as("supervisor-1", &[Role::Supervisor]);
    second.approve_refund(approval(&stage, &refund)).await.unwrap();
    let refund = stage.at_rest(&refund).await;
    assert_eq!((refund.state(), &*refund.approver), (State::Succeeded, "supervisor-1"));

    // The same booking without the code, under the same policy.
    let plain = stage.quote("A2", &[]).await;
    assert_eq!((&*plain.lines[0].rule, &plain.total), ("two-days", &euros(1500)));
    let plain = stage.api.accept(&plain).await;
    assert_eq!((plain.state(), plain.override_code), (State::Queued, 0));
    assert_eq!(stage.at_rest(&plain).await.issued, euros(1500));
    crew.dismiss().await;
    assert_eq!(stage.paid().await, json!({ "EUR": 4500 }));
    assert_recorded(&stage, &refund).await;
}

/// Code, evidence and approver stand in the refund's history and in the chained audit log.
async fn assert_recorded(stage: &Stage, refund: &pb::Refund) {
    let history = |action: &str| {
        let found = refund.decisions.iter().find(|decision| decision.action == action);
        let decision = found.unwrap_or_else(|| panic!("no {action}: {:?}", refund.decisions));
        (decision.actor.clone(), decision.details.clone())
    };
    let (actor, details) = history("REFUND_CREATED");
    assert_eq!((&*actor, &*details["override_code"]), ("agent-1", "DEATH"));
    assert_eq!(details["evidence"], "DEATH_CERTIFICATE=doc-7");
    let (actor, details) = history("REFUND_APPROVED");
    assert_eq!((&*actor, &*details["override_code"]), ("supervisor-1", "DEATH"));

    stage.api.chain().await;
    let filter = format!("resource = \"{}\"", refund.name);
    let request = pb::ListAuditRecordsRequest { filter, ..Default::default() };
    let mut ledger = stage.api.ledger("arena");
    let records = ledger.list_audit_records(request).await.unwrap().into_inner().audit_records;
    let told: Vec<_> = records
        .iter()
        .map(|record| {
            let detail = |name| record.details.iter().find(|detail| detail.name == name);
            let code = detail("override_code").map(|detail| &*detail.value);
            (&*record.action, &*record.actor, code)
        })
        .collect();
    let code = Some("DEATH");
    assert_eq!(
        told,
        [("REFUND_CREATED", "agent-1", code), ("REFUND_APPROVED", "supervisor-1", code)]
    );
    assert_eq!(records[1].roles, ["supervisor"]);
}

async fn scenario_18_above_the_agents_limit_a_second_person_decides_and_never_the_requester(
    stage: Stage,
) {
    let limit = ApprovalLimit { role: RoleName::Agent.into(), limit: euros(2000) };
    let tenant = Tenant { approval_limits: vec![limit], ..settings_of("arena") };
    let request = ApplyTenantRequest { tenant: Some(tenant) };
    stage.api.tenants("arena").apply_tenant(request).await.unwrap();
    for (id, gross) in [("A1", 2001), ("A2", 2000)] {
        stage.sell(booking(id, vec![ticket("t1", gross, DAY * 20)])).await;
    }
    let crew = stage.hire();
    let mut agent = stage.api.refunds_as("agent-1", &[Role::Agent]);
    let mut made = Vec::new();
    for id in ["A1", "A2"] {
        let request = acceptance(&stage.quote(id, &[]).await, &stage.api.request_id());
        made.push(agent.create_refund(request).await.unwrap().into_inner());
    }
    let [above, within] = made.try_into().unwrap();
    assert_eq!((above.state(), only(&above).state()), (State::PendingApproval, AttemptState::Held));
    assert_eq!(within.state(), State::Queued, "the limit itself is within it");

    // Whatever roles the requester has, and whatever the requester calls.
    for roles in [&[Role::Agent][..], &[Role::Supervisor, Role::Finance], &Role::ALL] {
        let mut same = stage.api.refunds_as("agent-1", roles);
        let refused = same.approve_refund(approval(&stage, &above)).await.unwrap_err();
        let text = told(&refused);
        assert!(text.starts_with("FailedPrecondition OWN_REFUND"), "{text}");
    }
    // The refund within the limit was paid by workers that could have sent the other one.
    assert_eq!(stage.at_rest(&within).await.state(), State::Succeeded);
    assert_eq!(stage.get(&above).await.state(), State::PendingApproval);
    assert_eq!((stage.sent().await, stage.paid().await), ((1, 1), json!({ "EUR": 2000 })));

    let mut second = stage.api.refunds_as("supervisor-1", &[Role::Supervisor]);
    let approved = second.approve_refund(approval(&stage, &above)).await.unwrap().into_inner();
    assert_eq!((approved.state(), &*approved.approver), (State::Queued, "supervisor-1"));
    let paid = stage.at_rest(&above).await;
    assert_eq!((paid.state(), &*paid.requester), (State::Succeeded, "agent-1"));
    crew.dismiss().await;
    assert_eq!((stage.sent().await, stage.paid().await), ((2, 2), json!({ "EUR": 4001 })));
    stage.assert_books_balance().await;
}
