//! What a policy needs to know before it can be asked.

use crate::condition::Condition;
use crate::facts::BUYER_REFUNDS;
use crate::model::Policy;
use crate::vocabulary::OverrideCode;

impl Policy {
    /// Whether the number of a buyer's earlier refunds can change what the policy answers.
    pub fn counts_buyer_refunds(&self) -> bool {
        let named = |condition: &Condition| condition.names().iter().any(|n| n == BUYER_REFUNDS);
        self.once_per_buyer || self.conditions().any(named)
    }

    /// Whether a refund under this override needs a second person, whatever its amount.
    pub fn override_needs_approval(&self, code: Option<OverrideCode>) -> bool {
        self.overrides.iter().any(|rule| Some(rule.code) == code && rule.needs_approval)
    }
}

#[cfg(test)]
mod tests {
    use redress_core::id::PolicyId;

    use super::*;
    use crate::model::{Citation, Override, Tier};

    fn policy() -> Policy {
        let citation = Citation { title: "Terms".to_owned(), uri: String::new() };
        let id = PolicyId::new("standard").unwrap();
        Policy { tiers: vec![Tier::hours("early", 48, 0)], ..Policy::new(id, "Standard", citation) }
    }

    #[test]
    fn earlier_refunds_matter_to_limits_and_conditions_only() {
        assert!(!policy().counts_buyer_refunds());
        assert!(Policy { once_per_buyer: true, ..policy() }.counts_buyer_refunds());
        let condition = Some(Condition::new("buyer_refunds < 2"));
        let tier = Tier { condition: condition.clone(), ..Tier::hours("early", 48, 0) };
        assert!(Policy { tiers: vec![tier], ..policy() }.counts_buyer_refunds());
        let other = Some(Condition::new("quantity < 2"));
        let tier = Tier { condition: other, ..Tier::hours("early", 48, 0) };
        assert!(!Policy { tiers: vec![tier], ..policy() }.counts_buyer_refunds());
        let rule = Override { condition, ..Override::full(OverrideCode::Death, "mourning") };
        assert!(Policy { overrides: vec![rule], ..policy() }.counts_buyer_refunds());
    }

    #[test]
    fn an_override_asks_for_approval_of_its_own_refunds_only() {
        let strict = Override::full(OverrideCode::Death, "mourning");
        let strict = Override { needs_approval: true, ..strict };
        let lenient = Override::full(OverrideCode::Strike, "strike");
        let policy = Policy { overrides: vec![strict, lenient], ..policy() };
        assert!(policy.override_needs_approval(Some(OverrideCode::Death)));
        assert!(!policy.override_needs_approval(Some(OverrideCode::Strike)));
        assert!(!policy.override_needs_approval(None));
    }
}
