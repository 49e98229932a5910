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
}

impl Origin {
    /// The refund, when there is one.
    pub const fn refund(&self) -> Option<&RefundId> {
        match self {
            Self::Refund { refund, .. } => Some(refund),
            Self::Order { .. } | Self::Payment { .. } => None,
        }
    }

    /// The disruption, when there is one.
    pub const fn disruption(&self) -> Option<&DisruptionId> {
        match self {
            Self::Refund { disruption, .. } => disruption.as_ref(),
            Self::Order { disruption } => Some(disruption),
            Self::Payment { .. } => None,
        }
    }

    /// The payment, when the case is about one.
    pub const fn payment(&self) -> Option<&PaymentId> {
        match self {
            Self::Payment { payment } => Some(payment),
            Self::Refund { .. } | Self::Order { .. } => None,
        }
    }

    /// The origin of what names these resources; `None` when none stands there, or a payment
    /// beside another.
    pub fn of(
        refund: Option<RefundId>,
        disruption: Option<DisruptionId>,
        payment: Option<PaymentId>,
    ) -> Option<Self> {
        match (refund, disruption, payment) {
            (Some(refund), disruption, None) => Some(Self::Refund { refund, disruption }),
            (None, Some(disruption), None) => Some(Self::Order { disruption }),
            (None, None, Some(payment)) => Some(Self::Payment { payment }),
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
        }
    }
}

/// A refund, an order of a disruption or a payment needs a person.
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
    /// What was to be paid less what has been paid. Below zero when more was paid than asked for, or
    /// given back or held than was captured.
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
            Origin::of(refund, disruption, None).map(|origin| origin.key(&order))
        };
        assert_eq!(key(None, None), None);
        assert_eq!(key(Some(refund.clone()), None).unwrap(), "refunds/r1");
        assert_eq!(
            key(Some(refund), Some(disruption.clone())).unwrap(),
            "refunds/r1",
            "both facts about one refund meet"
        );
        assert_eq!(key(None, Some(disruption.clone())).unwrap(), "disruptions/d1/orders/o1");
        let of_payment = Origin::of(None, None, Some(payment.clone())).unwrap();
        assert_eq!(of_payment.key(&order), "orders/o1/payments/p1");
        assert_eq!(Origin::of(None, Some(disruption), Some(payment)), None, "one thing only");
    }

    #[test]
    fn outstanding_is_what_was_not_paid() {
        assert_eq!(outstanding(money("EUR", 1000), money("EUR", 400)), Ok(money("EUR", 600)));
        assert_eq!(outstanding(money("EUR", 400), money("EUR", 1000)), Ok(money("EUR", -600)));
        assert!(outstanding(money("EUR", 1000), money("JPY", 400)).is_err());
    }
}
