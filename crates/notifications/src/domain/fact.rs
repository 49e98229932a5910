//! Which facts are worth a message, and which message.
//!
//! Invariant: one occasion, one message. A disruption speaks to an order once, whatever happens to
//! that order later; a refund that somebody asked for speaks once for each way it comes to rest.

use redress_core::clock::Timestamp;
use redress_core::id::{CustomerId, DisruptionId, NotificationId, OrderId, RefundId, TenantId};
use redress_core::money::Money;

use super::notification::NewNotification;
use super::template::Template;

/// How a refund, or a disruption's part in one order, came to rest.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Outcome {
    /// Paid in full.
    Succeeded {
        /// What was paid; above zero.
        issued: Money,
    },
    /// A person must decide something.
    Attention {
        /// What has been paid so far; above zero when there is any.
        issued: Option<Money>,
    },
    /// Nothing was due.
    NothingDue,
    /// Nothing was bought yet, and there is nothing to wait for any more.
    WaitedInVain,
}

/// What came to rest.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Settled {
    /// A disruption is done with one order.
    DisruptionItem {
        /// The disruption.
        disruption: DisruptionId,
        /// The refund it made, unless nothing was due.
        refund: Option<RefundId>,
    },
    /// A refund that somebody asked for.
    Refund(RefundId),
}

/// A fact from the refunds service that a customer should hear of.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fact {
    /// The tenant whose fact it is.
    pub tenant: TenantId,
    /// The order.
    pub order: OrderId,
    /// The buyer.
    pub customer: CustomerId,
    /// What came to rest.
    pub settled: Settled,
    /// How.
    pub outcome: Outcome,
    /// What was to be paid.
    pub requested: Option<Money>,
}

impl Fact {
    /// The message that this fact calls for.
    pub fn into_notification(self, id: NotificationId, now: Timestamp) -> NewNotification {
        let (template, issued) = match self.outcome {
            Outcome::Succeeded { issued } => (Template::RefundIssued, Some(issued)),
            Outcome::Attention { issued } => (Template::RefundDelayed, issued),
            Outcome::NothingDue => (Template::EventCancelled, None),
            Outcome::WaitedInVain => (Template::WaitingListClosed, None),
        };
        let (occasion, disruption, refund) = match self.settled {
            Settled::DisruptionItem { disruption, refund } => {
                let occasion =
                    format!("{}/{}", disruption.resource_name(), self.order.resource_name());
                (occasion, Some(disruption), refund)
            }
            Settled::Refund(refund) => {
                (format!("{}/{}", refund.resource_name(), template.id()), None, Some(refund))
            }
        };
        NewNotification {
            tenant: self.tenant,
            id,
            occasion,
            template,
            order: self.order,
            customer: self.customer,
            disruption,
            refund,
            requested: self.requested,
            issued,
            create_time: now,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn told(settled: Settled, outcome: Outcome) -> NewNotification {
        let fact = Fact {
            tenant: TenantId::new("arena").unwrap(),
            order: OrderId::new("ZQR3T").unwrap(),
            customer: CustomerId::new("ada").unwrap(),
            settled,
            outcome,
            requested: None,
        };
        fact.into_notification(NotificationId::new("n1").unwrap(), Timestamp(7))
    }

    fn eur(minor_units: i64) -> Money {
        Money::new("EUR".parse().unwrap(), minor_units).unwrap()
    }

    fn item() -> Settled {
        Settled::DisruptionItem { disruption: DisruptionId::new("d1").unwrap(), refund: None }
    }

    fn refund() -> Settled {
        Settled::Refund(RefundId::new("r1").unwrap())
    }

    #[test]
    fn each_outcome_has_its_template_and_amount() {
        let cases = [
            (Outcome::Succeeded { issued: eur(500) }, Template::RefundIssued, Some(eur(500))),
            (Outcome::Attention { issued: Some(eur(3)) }, Template::RefundDelayed, Some(eur(3))),
            (Outcome::Attention { issued: None }, Template::RefundDelayed, None),
            (Outcome::NothingDue, Template::EventCancelled, None),
            (Outcome::WaitedInVain, Template::WaitingListClosed, None),
        ];
        for (outcome, template, issued) in cases {
            let notification = told(item(), outcome);
            assert_eq!((notification.template, notification.issued), (template, issued));
        }
    }

    #[test]
    fn a_disruption_has_one_occasion_per_order_and_a_refund_one_per_outcome() {
        let attention = Outcome::Attention { issued: None };
        let succeeded = Outcome::Succeeded { issued: eur(500) };
        let first = told(item(), attention.clone());
        let later = told(item(), succeeded.clone());
        assert_eq!(first.occasion, "disruptions/d1/orders/ZQR3T");
        assert_eq!(first.occasion, later.occasion);

        assert_eq!(told(refund(), attention).occasion, "refunds/r1/refund-delayed");
        assert_eq!(told(refund(), succeeded).occasion, "refunds/r1/refund-issued");
    }
}
