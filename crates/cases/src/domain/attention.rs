//! The fact that a person is needed, and what a case is opened for.
//!
//! Invariant: an [`Origin`] names the one thing a case is about. A tenant has at most one case for
//! it, however many facts tell of it and however often they are delivered.

use redress_core::id::{CustomerId, DisruptionId, OrderId, PaymentId, RefundId, TenantId};
use redress_core::money::{Money, MoneyError};

/// What a case is about; unique within a tenant.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Origin {
    /// A refund that came to rest with something for a person to decide.
    Refund {
        /// The refund.
        refund: RefundId,
        /// The disruption that asked for it, when one did.
        disruption: Option<DisruptionId>,
    },
    /// An order that a disruption could not even open a refund for.
    Order {
        /// The disruption.
        disruption: DisruptionId,
    },
    /// A payment of the order with more given back or held than was captured.
    Payment {
        /// The payment.
        payment: PaymentId,
    },
    /// A line of the order that refunds have taken up more of than there is.
    Line {
        /// Id of the line.
        line: String,
    },
    /// A refund that was made at the provider, past Redress, and fits several payments.
    ProviderRefund {
        /// The provider.
        provider: String,
        /// The provider's id of the refund.
        id: String,
    },
}

/// What an origin names, as it is stored and sent: whatever it does not name is `None`.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Parts {
    /// The refund.
    pub refund: Option<RefundId>,
    /// The disruption.
    pub disruption: Option<DisruptionId>,
    /// The payment.
    pub payment: Option<PaymentId>,
    /// Id of the line.
    pub line: Option<String>,
    /// The provider, and its id of a refund.
    pub provider_refund: Option<(String, String)>,
}

impl Origin {
    /// What it names.
    pub fn parts(&self) -> Parts {
        let none = Parts::default();
        match self.clone() {
            Self::Refund { refund, disruption } => {
                Parts { refund: Some(refund), disruption, ..none }
            }
            Self::Order { disruption } => Parts { disruption: Some(disruption), ..none },
            Self::Payment { payment } => Parts { payment: Some(payment), ..none },
            Self::Line { line } => Parts { line: Some(line), ..none },
            Self::ProviderRefund { provider, id } => {
                Parts { provider_refund: Some((provider, id)), ..none }
            }
        }
    }

    /// The origin that names `parts`; `None` when none stands there, or one beside another that it
    /// cannot stand beside.
    pub fn of(parts: Parts) -> Option<Self> {
        let Parts { refund, disruption, payment, line, provider_refund } = parts;
        match (refund, disruption, payment, line, provider_refund) {
            (Some(refund), disruption, None, None, None) => {
                Some(Self::Refund { refund, disruption })
            }
            (None, Some(disruption), None, None, None) => Some(Self::Order { disruption }),
            (None, None, Some(payment), None, None) => Some(Self::Payment { payment }),
            (None, None, None, Some(line), None) => Some(Self::Line { line }),
            (None, None, None, None, Some((provider, id))) => {
                Some(Self::ProviderRefund { provider, id })
            }
            _ => None,
        }
    }

    /// The text that is unique within a tenant. Part of the stored format: it never changes.
    ///
    /// The disruption is left out where there is a refund, so that a fact of the refund and a fact
    /// of the disruption about it meet in one case.
    pub fn key(&self, order: &OrderId) -> String {
        match self {
            Self::Refund { refund, .. } => refund.resource_name(),
            Self::Order { disruption } => {
                format!("{}/{}", disruption.resource_name(), order.resource_name())
            }
            Self::Payment { payment } => {
                format!("{}/{}", order.resource_name(), payment.resource_name())
            }
            Self::Line { line } => format!("{}/lines/{line}", order.resource_name()),
            Self::ProviderRefund { provider, id } => format!("providers/{provider}/refunds/{id}"),
        }
    }
}

/// What became of something that needed a person, so that nobody is needed any more.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ending {
    /// Paid in full.
    Succeeded,
    /// What was not paid was given up.
    Failed,
    /// Taken back.
    Cancelled,
    /// The second person did not agree.
    Rejected,
    /// Under way again, or still: nobody has to act now.
    TriedAgain,
}

impl Ending {
    /// What the case says was done.
    pub const fn text(self) -> &'static str {
        match self {
            Self::Succeeded => "The refund has been paid in full.",
            Self::Failed => "What was left of the refund was given up.",
            Self::Cancelled => "The refund was taken back before anything was sent.",
            Self::Rejected => "The refund was not approved.",
            Self::TriedAgain => "The refund is being tried again.",
        }
    }
}

/// What a refund was waiting for a person about has come to an end.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Settled {
    /// The tenant whose refund it is.
    pub tenant: TenantId,
    /// The refund.
    pub refund: RefundId,
    /// How it ended.
    pub ending: Ending,
}

impl Settled {
    /// The origin of the case that closes, as [`Origin::key`] has it.
    pub fn key(&self) -> String {
        self.refund.resource_name()
    }
}

/// What a fact means to the cases.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Effect {
    /// A person is needed.
    Call(Attention),
    /// A person is not needed any more.
    Settle(Settled),
}

impl Effect {
    /// The one case that it is about: its tenant and the key of its origin.
    pub fn target(&self) -> (TenantId, String) {
        match self {
            Self::Call(call) => (call.tenant.clone(), call.origin.key(&call.order)),
            Self::Settle(settled) => (settled.tenant.clone(), settled.key()),
        }
    }
}

/// A refund, an order of a disruption, a payment, a line or a provider's refund needs a person.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Attention {
    /// The tenant whose order it is.
    pub tenant: TenantId,
    /// What the case is to be about.
    pub origin: Origin,
    /// The order.
    pub order: OrderId,
    /// The buyer.
    pub customer: CustomerId,
    /// What was to be paid less what has been paid. Below zero when more was paid than asked for,
    /// given back or held than was captured, or taken up of a line than it costs.
    pub outstanding: Money,
    /// Why a person is needed, UPPER_SNAKE.
    pub reason_code: String,
    /// What that person should do next, UPPER_SNAKE.
    pub next_action: String,
}

/// What is still owed: `requested` less `issued`.
pub fn outstanding(requested: Money, issued: Money) -> Result<Money, MoneyError> {
    let paid = Money::new(issued.currency, -issued.minor_units)?;
    requested.checked_add(paid)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn money(code: &str, minor: i64) -> Money {
        Money::new(code.parse().unwrap(), minor).unwrap()
    }

    #[test]
    fn origins_are_keyed_by_refund_first() {
        let refund = RefundId::new("r1").unwrap();
        let disruption = DisruptionId::new("d1").unwrap();
        let order = OrderId::new("o1").unwrap();
        let payment = PaymentId::new("p1").unwrap();
        let key = |refund, disruption| {
            let parts = Parts { refund, disruption, ..Parts::default() };
            Origin::of(parts).map(|origin| origin.key(&order))
        };
        assert_eq!(key(None, None), None);
        assert_eq!(key(Some(refund.clone()), None).unwrap(), "refunds/r1");
        assert_eq!(
            key(Some(refund), Some(disruption.clone())).unwrap(),
            "refunds/r1",
            "both facts about one refund meet"
        );
        assert_eq!(key(None, Some(disruption.clone())).unwrap(), "disruptions/d1/orders/o1");
        let none = Parts::default;
        let of_payment = Parts { payment: Some(payment), ..none() };
        let of_line = Parts { line: Some("t1".to_owned()), ..none() };
        let at_provider = Some(("stripe".to_owned(), "re_1".to_owned()));
        let of_provider = Parts { provider_refund: at_provider, ..none() };
        for (parts, expected) in [
            (of_payment.clone(), "orders/o1/payments/p1"),
            (of_line.clone(), "orders/o1/lines/t1"),
            (of_provider.clone(), "providers/stripe/refunds/re_1"),
        ] {
            let origin = Origin::of(parts.clone()).unwrap();
            assert_eq!(origin.key(&order), expected);
            assert_eq!(origin.parts(), parts);
        }
        for mixed in [
            Parts { disruption: Some(disruption), ..of_payment.clone() },
            Parts { payment: of_payment.payment, ..of_line.clone() },
            Parts { line: of_line.line, ..of_provider },
        ] {
            assert_eq!(Origin::of(mixed), None, "one thing only");
        }
    }

    #[test]
    fn outstanding_is_what_was_not_paid() {
        assert_eq!(outstanding(money("EUR", 1000), money("EUR", 400)), Ok(money("EUR", 600)));
        assert_eq!(outstanding(money("EUR", 400), money("EUR", 1000)), Ok(money("EUR", -600)));
        assert!(outstanding(money("EUR", 1000), money("JPY", 400)).is_err());
    }
}
