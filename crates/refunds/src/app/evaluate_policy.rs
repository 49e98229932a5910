//! Tells what a policy would give in a situation that need not exist, and why.
//!
//! Invariant: reads only. Every figure is the policy's own; what is missing is said, never guessed.

use std::collections::BTreeMap;

use redress_api::{ApiError, FieldViolation};
use redress_core::clock::Timestamp;
use redress_core::id::{PolicyId, TenantId};
use redress_core::money::Money;
use redress_policy::{
    Decision, FactUse, FactValue, Improvement, LegalClock, LineFacts, LineKind, OverrideCode, Pack,
    Policy, Situation,
};

use super::{RefundError, Refunds, get_policy};

/// Which rules are asked.
#[derive(Debug)]
pub enum Rules {
    /// The newest version of a policy of the tenant.
    Applied(PolicyId),
    /// A law that comes with Redress, by its id.
    Pack(String),
    /// A policy that was not applied.
    Given(Box<Policy>),
}

/// One line of an order that need not exist, and who asks for what.
#[derive(Debug)]
pub struct EvaluatePolicy {
    /// Which rules.
    pub rules: Rules,
    /// The price of the units asked for.
    pub price: Money,
    /// When the event or trip starts.
    pub start: Timestamp,
    /// The IANA zone of the place.
    pub time_zone: String,
    /// What the line is.
    pub kind: LineKind,
    /// How many units are asked for.
    pub units: i64,
    /// When the refund is asked for; `None` for now.
    pub at: Option<Timestamp>,
    /// When the order was bought; `None` for when the policy came into force.
    pub purchase: Option<Timestamp>,
    /// What happened.
    pub override_code: Option<OverrideCode>,
    /// The kinds of document in hand.
    pub evidence: Vec<String>,
    /// Facts by name, as people write them.
    pub facts: BTreeMap<String, String>,
    /// How often the buyer withdrew before.
    pub buyer_refunds: Option<u32>,
    /// Whether the whole order is asked for.
    pub whole_order: bool,
    /// Where the order was sold.
    pub channel: String,
    /// Where it takes place.
    pub place: String,
}

/// The answer, with what it rests on.
#[derive(Debug)]
pub struct Evaluation {
    /// The rules that were asked.
    pub policy: Policy,
    /// What they answer.
    pub decision: Decision,
    /// Every fact that was looked at.
    pub facts: Vec<FactUse>,
    /// What would change the answer in the buyer's favour.
    pub improvements: Vec<Improvement>,
    /// The clock for paying; `None` where there is nothing to pay by it.
    pub clock: Option<LegalClock>,
}

/// Asks the rules about the situation.
pub async fn evaluate_policy(
    app: &Refunds,
    tenant: &TenantId,
    ask: EvaluatePolicy,
) -> Result<Evaluation, RefundError> {
    let policy = match ask.rules {
        Rules::Applied(id) => get_policy(app, tenant, &id).await?.policy,
        Rules::Pack(id) => {
            let found = Pack::find(&id).and_then(Pack::policy);
            found.cloned().ok_or_else(|| unknown_pack(&id))?
        }
        Rules::Given(policy) => *policy,
    };
    let facts = told(&policy, ask.facts)?;
    let line = LineFacts {
        id: "line",
        kind: ask.kind,
        gross: ask.price.minor_units,
        units: ask.units,
        start: ask.start,
        time_zone: &ask.time_zone,
        event: "",
        place: &ask.place,
    };
    let situation = Situation {
        now: ask.at.unwrap_or_else(|| app.clock.now()),
        purchase: ask.purchase.unwrap_or(policy.effective),
        channel: &ask.channel,
        currency: ask.price.currency,
        override_code: ask.override_code,
        evidence: &ask.evidence,
        facts: &facts,
        buyer_refunds: ask.buyer_refunds,
        whole_order: ask.whole_order,
        lines: &[line],
    };
    let decision = policy.price(&situation);
    let priced = matches!(decision, Decision::Priced(_));
    let clock = priced.then(|| policy.legal_clock(&situation, &line).ok()).flatten();
    let looked_at = policy.facts_of(&situation, &decision);
    let improvements = policy.improvements(&situation, &decision);
    Ok(Evaluation { decision, facts: looked_at, improvements, clock, policy })
}

fn unknown_pack(id: &str) -> RefundError {
    RefundError::NotFound { name: format!("pack {id}") }
}

/// Reads the facts as the kinds that the policy declares.
fn told(
    policy: &Policy,
    facts: BTreeMap<String, String>,
) -> Result<BTreeMap<String, FactValue>, RefundError> {
    let mut read = BTreeMap::new();
    let mut violations = Vec::new();
    for (name, text) in facts {
        let declared = policy.declared(&name);
        if let Some(value) = declared.and_then(|fact| fact.kind.value(&text)) {
            read.insert(name, value);
        } else {
            let expected = declared.map_or_else(
                || "is no fact of this policy".to_owned(),
                |fact| format!("expected a value of type {}", fact.kind.as_str()),
            );
            violations.push(FieldViolation::new(format!("facts[{name:?}]"), expected));
        }
    }
    if violations.is_empty() {
        Ok(read)
    } else {
        Err(RefundError::Api(ApiError::invalid_fields(violations)))
    }
}
