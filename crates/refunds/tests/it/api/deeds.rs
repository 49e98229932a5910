//! What people and providers do to a refund before a test looks at it.

use std::time::Duration;

use redress_core::caller::Role;
use redress_core::clock::Clock as _;
use redress_proto::common::v1 as common;
use redress_proto::refunds::v1 as pb;
use redress_refunds::domain::attempt::{Attempt, Reason};
use redress_refunds::domain::settle::{AttemptFinding, Finding};
use redress_refunds::store::Claim;
use tonic::Status;

use super::support::{Api, acceptance, euros, settings_of, told};

/// May ask, and has a limit where a test sets one.
pub(crate) const AGENT: &[Role] = &[Role::Agent];
/// May decide about what others ask for.
pub(crate) const SUPERVISOR: &[Role] = &[Role::Supervisor];

pub(crate) const REQUEST_ID: &str = "7b2ac7f6-0c53-4f4e-9a35-3f9a0a6f6b01";
pub(crate) const OTHER_ID: &str = "7b2ac7f6-0c53-4f4e-9a35-3f9a0a6f6b02";

const LEASE: Duration = Duration::from_hours(1);

/// A refusal as a caller sees it, with the refund's own name taken out.
pub(crate) fn told_of(refused: Result<pb::Refund, Status>, refund: &str) -> String {
    told(&refused.unwrap_err()).replace(refund, "refunds/R")
}

impl Api {
    /// The refund as it is now, with what people decided about it.
    pub(crate) async fn refund(&self, name: &str) -> pb::Refund {
        let request = pb::GetRefundRequest { name: name.to_owned() };
        self.refunds("arena").get_refund(request).await.unwrap().into_inner()
    }

    /// A refund of order `A1` that `agent-1`, whose limit is 10.00, may not make alone.
    pub(crate) async fn pending(&self) -> pb::Refund {
        let limit = common::ApprovalLimit { role: common::Role::Agent.into(), limit: euros(1000) };
        let tenant = common::Tenant { approval_limits: vec![limit], ..settings_of("arena") };
        let request = common::ApplyTenantRequest { tenant: Some(tenant) };
        self.tenants("arena").apply_tenant(request).await.unwrap();
        let request = acceptance(&self.quote(&[]).await, &self.request_id());
        let mut agent = self.refunds_as("agent-1", AGENT);
        let refund = agent.create_refund(request).await.unwrap().into_inner();
        assert_eq!(refund.state(), pb::refund::State::PendingApproval);
        refund
    }

    /// A refund of order `A1`, queued.
    pub(crate) async fn queued(&self) -> pb::Refund {
        let quote = self.quote(&[]).await;
        self.accept(&quote).await
    }

    /// A refund of order `A1` that the provider refused for `reason`.
    pub(crate) async fn refused(&self, reason: Reason) -> pb::Refund {
        let refund = self.queued().await;
        let provider_refund = String::new();
        self.send(&Finding::Refused { reason, provider_refund }).await;
        self.refund(&refund.name).await
    }

    /// A refund of order `A1` whose outcome has stayed unknown for so long that a person must look.
    pub(crate) async fn unclear(&self) -> pb::Refund {
        let refund = self.queued().await;
        let check = self.clock.now();
        self.send(&Finding::AnswerLost { check }).await;
        let attempts = self.store.claim_to_look_up(&self.claim()).await.unwrap();
        self.find(attempts, &Finding::Inconclusive { check, to_person: true }).await;
        let refund = self.refund(&refund.name).await;
        assert_eq!(refund.state(), pb::refund::State::Attention);
        refund
    }

    /// Takes what is armed as a worker does, and does not come back with an answer.
    pub(crate) async fn claim_armed(&self) -> Vec<Attempt> {
        let attempts = self.store.claim_to_send(&self.claim(), None).await.unwrap().attempts;
        assert!(!attempts.is_empty(), "nothing was armed");
        attempts
    }

    /// Sends what is armed, with `finding` as the answer to each.
    pub(crate) async fn send(&self, finding: &Finding) {
        let attempts = self.claim_armed().await;
        self.find(attempts, finding).await;
    }

    async fn find(&self, attempts: Vec<Attempt>, finding: &Finding) {
        let about = |attempt: Attempt| AttemptFinding {
            tenant: attempt.tenant,
            attempt: attempt.id,
            claim: attempt.claim,
            finding: finding.clone(),
        };
        let findings: Vec<_> = attempts.into_iter().map(about).collect();
        let settled = self.store.settle(&findings, &*self.ids, self.clock.now()).await.unwrap();
        assert_eq!(settled, findings.len());
    }

    fn claim(&self) -> Claim<'static> {
        let now = self.clock.now();
        Claim { provider: "stripe", claim: "test", limit: 1000, now, lease: LEASE }
    }
}
