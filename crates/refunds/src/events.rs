//! Facts as they leave the service: payload messages of `redress.events.v1`.
//!
//! Invariant: a stored payload stays readable; its meaning changes only by addition, or under a
//! higher payload version. Everything about one order has the order as its subject, so that it
//! reaches a consumer in the order in which it happened.

use prost::Message;
use redress_api::{money, time};
use redress_core::clock::Timestamp;
use redress_core::event::NewEvent;
use redress_core::id::{DisruptionId, EventId, IdSource, OrderId, RefundId};
use redress_proto::events::v1 as pb;

use crate::domain::deadline::RefundDeadline;
use crate::domain::disruption::DisruptionState;
use crate::domain::fact::{Amounts, Fact, FactKind, Needs};
use crate::domain::refund::Origin;

/// Version of the meaning of every payload.
const PAYLOAD_VERSION: u16 = 1;

const REFUND_STATE_CHANGED: &str = "redress.events.v1.RefundStateChanged";
const DEADLINE_APPROACHING: &str = "redress.events.v1.RefundDeadlineApproaching";
const DEADLINE_MISSED: &str = "redress.events.v1.RefundDeadlineMissed";
const DISRUPTION_STATE_CHANGED: &str = "redress.events.v1.DisruptionStateChanged";
const DISRUPTION_ITEM_SETTLED: &str = "redress.events.v1.DisruptionItemSettled";
const PAYMENT_OVERDRAWN: &str = "redress.events.v1.PaymentOverdrawn";
const REFUND_AMBIGUOUS: &str = "redress.events.v1.ProviderRefundAmbiguous";
const LINE_OVER_REFUNDED: &str = "redress.events.v1.LineOverRefunded";

/// The event that announces `fact`, which became true at `now`.
pub fn encode(fact: &Fact, ids: &dyn IdSource, now: Timestamp) -> NewEvent {
    let Announcement { event_type, subject, payload } = announce(&fact.kind);
    NewEvent {
        id: ids.next_id(),
        tenant: fact.tenant.clone(),
        event_type,
        subject,
        time: now,
        payload_version: PAYLOAD_VERSION,
        payload,
        traceparent: fact.traceparent.clone(),
    }
}

/// The events that announce `facts`, in their order.
pub fn encode_all(facts: &[Fact], ids: &dyn IdSource, now: Timestamp) -> Vec<NewEvent> {
    facts.iter().map(|fact| encode(fact, ids, now)).collect()
}

struct Announcement {
    event_type: &'static str,
    subject: String,
    payload: Vec<u8>,
}

/// What happened to an order, which keeps its place among all that happened to it.
fn of_order(event_type: &'static str, order: &OrderId, payload: &impl Message) -> Announcement {
    Announcement { event_type, subject: order.resource_name(), payload: payload.encode_to_vec() }
}

/// The name of a disruption; empty when there is none.
fn name_of(disruption: Option<&DisruptionId>) -> String {
    disruption.map(DisruptionId::resource_name).unwrap_or_default()
}

/// Only what was made past Redress is told by its origin.
const fn told_origin(origin: Origin) -> &'static str {
    match origin {
        Origin::Provider => origin.as_str(),
        Origin::Requested | Origin::Disruption => "",
    }
}

fn announce(fact: &FactKind) -> Announcement {
    match fact {
        FactKind::RefundStateChanged {
            refund,
            order,
            customer,
            disruption,
            origin,
            state,
            amounts: Amounts { requested, issued },
            needs: Needs { reason_code, next_action },
        } => of_order(
            REFUND_STATE_CHANGED,
            order,
            &pb::RefundStateChanged {
                refund: refund.resource_name(),
                order: order.resource_name(),
                customer: customer.resource_name(),
                disruption: name_of(disruption.as_ref()),
                state: state.as_str().to_owned(),
                requested: Some(money::to_proto(*requested)),
                issued: Some(money::to_proto(*issued)),
                reason_code: (*reason_code).to_owned(),
                next_action: (*next_action).to_owned(),
                origin: told_origin(*origin).to_owned(),
            },
        ),
        FactKind::RefundDeadlineApproaching(deadline) => approaching(deadline),
        FactKind::RefundDeadlineMissed(deadline) => missed(deadline),
        FactKind::DisruptionStateChanged { disruption, event, state } => {
            disruption_changed(disruption, event.as_ref(), *state)
        }
        FactKind::DisruptionItemSettled {
            disruption,
            order,
            customer,
            refund,
            change,
            outcome,
            amounts: Amounts { requested, issued },
            needs: Needs { reason_code, next_action },
        } => of_order(
            DISRUPTION_ITEM_SETTLED,
            order,
            &pb::DisruptionItemSettled {
                disruption: disruption.id.resource_name(),
                event: disruption.event.resource_name(),
                order: order.resource_name(),
                customer: customer.resource_name(),
                refund: refund.as_ref().map(RefundId::resource_name).unwrap_or_default(),
                outcome: outcome.as_str().to_owned(),
                requested: Some(money::to_proto(*requested)),
                issued: Some(money::to_proto(*issued)),
                reason_code: (*reason_code).to_owned(),
                next_action: (*next_action).to_owned(),
                kind: (*change).to_owned(),
            },
        ),
        FactKind::ProviderRefundAmbiguous {
            order,
            customer,
            provider,
            provider_refund,
            amount,
        } => of_order(
            REFUND_AMBIGUOUS,
            order,
            &pb::ProviderRefundAmbiguous {
                order: order.resource_name(),
                customer: customer.resource_name(),
                provider: provider.clone(),
                provider_refund: provider_refund.clone(),
                amount: Some(money::to_proto(*amount)),
            },
        ),
        FactKind::PaymentOverdrawn { order, customer, payment, excess } => of_order(
            PAYMENT_OVERDRAWN,
            order,
            &pb::PaymentOverdrawn {
                order: order.resource_name(),
                customer: customer.resource_name(),
                payment_id: payment.as_str().to_owned(),
                excess: Some(money::to_proto(*excess)),
            },
        ),
        FactKind::LineOverRefunded { order, customer, line, excess } => of_order(
            LINE_OVER_REFUNDED,
            order,
            &pb::LineOverRefunded {
                order: order.resource_name(),
                customer: customer.resource_name(),
                line_id: line.clone(),
                excess: Some(money::to_proto(*excess)),
            },
        ),
    }
}

fn disruption_changed(
    disruption: &DisruptionId,
    event: Option<&EventId>,
    state: DisruptionState,
) -> Announcement {
    Announcement {
        event_type: DISRUPTION_STATE_CHANGED,
        subject: disruption.resource_name(),
        payload: pb::DisruptionStateChanged {
            disruption: disruption.resource_name(),
            event: event.map(EventId::resource_name).unwrap_or_default(),
            state: state.as_str().to_owned(),
        }
        .encode_to_vec(),
    }
}

fn approaching(deadline: &RefundDeadline) -> Announcement {
    let RefundDeadline { order, clock, amounts, .. } = deadline;
    of_order(
        DEADLINE_APPROACHING,
        order,
        &pb::RefundDeadlineApproaching {
            refund: deadline.refund.resource_name(),
            order: order.resource_name(),
            customer: deadline.customer.resource_name(),
            disruption: name_of(deadline.disruption.as_ref()),
            law: clock.law.title.clone(),
            law_uri: clock.law.uri.clone(),
            due_time: Some(time::to_proto(clock.due)),
            requested: Some(money::to_proto(amounts.requested)),
            issued: Some(money::to_proto(amounts.issued)),
            state: deadline.state.as_str().to_owned(),
        },
    )
}

fn missed(deadline: &RefundDeadline) -> Announcement {
    let RefundDeadline { order, clock, amounts, .. } = deadline;
    of_order(
        DEADLINE_MISSED,
        order,
        &pb::RefundDeadlineMissed {
            refund: deadline.refund.resource_name(),
            order: order.resource_name(),
            customer: deadline.customer.resource_name(),
            disruption: name_of(deadline.disruption.as_ref()),
            law: clock.law.title.clone(),
            law_uri: clock.law.uri.clone(),
            due_time: Some(time::to_proto(clock.due)),
            requested: Some(money::to_proto(amounts.requested)),
            issued: Some(money::to_proto(amounts.issued)),
            state: deadline.state.as_str().to_owned(),
        },
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::attempt::Reason;
    use crate::domain::disruption::ItemState;
    use crate::domain::refund::{DisruptionRef, RefundState};
    use redress_core::id::{CustomerId, EventId, PaymentId, TenantId};
    use redress_core::money::Money;
    use redress_policy::{Citation, LegalClock};

    #[derive(Debug)]
    struct OneId;

    impl IdSource for OneId {
        fn next_id(&self) -> String {
            "e1".to_owned()
        }
    }

    fn fact(kind: FactKind) -> Fact {
        Fact {
            tenant: TenantId::new("arena").unwrap(),
            traceparent: Some("00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01".to_owned()),
            kind,
        }
    }

    fn amounts(requested: i64, issued: i64) -> Amounts {
        let money = |minor| Money::new("EUR".parse().unwrap(), minor).unwrap();
        Amounts { requested: money(requested), issued: money(issued) }
    }

    fn needs(reason: Reason) -> Needs {
        Needs { reason_code: reason.code(), next_action: reason.next_action() }
    }

    fn refund_state_changed() -> FactKind {
        FactKind::RefundStateChanged {
            refund: RefundId::new("r1").unwrap(),
            order: OrderId::new("ZQR3T").unwrap(),
            customer: CustomerId::new("c1").unwrap(),
            disruption: Some(DisruptionId::new("d1").unwrap()),
            origin: Origin::Provider,
            state: RefundState::Attention,
            amounts: amounts(5390, 3000),
            needs: needs(Reason::NoConnector),
        }
    }

    fn disruption_state_changed() -> FactKind {
        FactKind::DisruptionStateChanged {
            disruption: DisruptionId::new("d1").unwrap(),
            event: Some(EventId::new("derby").unwrap()),
            state: DisruptionState::Running,
        }
    }

    fn disruption_item_settled() -> FactKind {
        FactKind::DisruptionItemSettled {
            disruption: DisruptionRef {
                id: DisruptionId::new("d1").unwrap(),
                event: EventId::new("derby").unwrap(),
            },
            order: OrderId::new("ZQR3T").unwrap(),
            customer: CustomerId::new("c1").unwrap(),
            refund: Some(RefundId::new("r1").unwrap()),
            change: "",
            outcome: ItemState::Attention,
            amounts: amounts(5390, 0),
            needs: needs(Reason::AccountClosed),
        }
    }

    fn deadline() -> RefundDeadline {
        let uri = "https://example.com/terms".to_owned();
        RefundDeadline {
            refund: RefundId::new("r1").unwrap(),
            order: OrderId::new("ZQR3T").unwrap(),
            customer: CustomerId::new("c1").unwrap(),
            disruption: Some(DisruptionId::new("d1").unwrap()),
            state: RefundState::Processing,
            amounts: amounts(5390, 3000),
            clock: LegalClock {
                start: Timestamp(1_000_000),
                due: Timestamp(7_000_000),
                time_zone: "Europe/Berlin".to_owned(),
                law: Citation { title: "Terms".to_owned(), uri },
                uncertainty: None,
            },
        }
    }

    fn payment_overdrawn() -> FactKind {
        FactKind::PaymentOverdrawn {
            order: OrderId::new("ZQR3T").unwrap(),
            customer: CustomerId::new("c1").unwrap(),
            payment: PaymentId::new("P-1").unwrap(),
            excess: Money::new("EUR".parse().unwrap(), 1610).unwrap(),
        }
    }

    fn provider_refund_ambiguous() -> FactKind {
        FactKind::ProviderRefundAmbiguous {
            order: OrderId::new("ZQR3T").unwrap(),
            customer: CustomerId::new("c1").unwrap(),
            provider: "stripe".to_owned(),
            provider_refund: "re_1".to_owned(),
            amount: Money::new("EUR".parse().unwrap(), 1610).unwrap(),
        }
    }

    fn line_over_refunded() -> FactKind {
        FactKind::LineOverRefunded {
            order: OrderId::new("ZQR3T").unwrap(),
            customer: CustomerId::new("c1").unwrap(),
            line: "p1".to_owned(),
            excess: Money::new("EUR".parse().unwrap(), 1610).unwrap(),
        }
    }

    /// The bytes stand in hexadecimal in `tests/golden`; one file for each type and version.
    fn check_golden(kind: FactKind, golden: &str) {
        let payload = encode(&fact(kind), &OneId, Timestamp(5)).payload;
        let hex = payload.iter().fold(String::new(), |hex, byte| hex + &format!("{byte:02x}"));
        let golden: String = golden.split_whitespace().collect();
        assert_eq!(hex, golden, "stored payloads of this type can no longer be told from new ones");
    }

    #[test]
    fn payloads_are_encoded_as_they_are_stored() {
        check_golden(
            refund_state_changed(),
            include_str!("../tests/golden/refund_state_changed.v1.hex"),
        );
        check_golden(
            disruption_state_changed(),
            include_str!("../tests/golden/disruption_state_changed.v1.hex"),
        );
        check_golden(
            disruption_item_settled(),
            include_str!("../tests/golden/disruption_item_settled.v1.hex"),
        );
        check_golden(
            FactKind::RefundDeadlineApproaching(deadline()),
            include_str!("../tests/golden/refund_deadline_approaching.v1.hex"),
        );
        check_golden(
            FactKind::RefundDeadlineMissed(deadline()),
            include_str!("../tests/golden/refund_deadline_missed.v1.hex"),
        );
        check_golden(payment_overdrawn(), include_str!("../tests/golden/payment_overdrawn.v1.hex"));
        check_golden(
            provider_refund_ambiguous(),
            include_str!("../tests/golden/provider_refund_ambiguous.v1.hex"),
        );
        check_golden(
            line_over_refunded(),
            include_str!("../tests/golden/line_over_refunded.v1.hex"),
        );
    }

    #[test]
    fn only_a_refund_made_past_redress_names_its_origin() {
        let origin_of = |of: Origin| {
            let mut kind = refund_state_changed();
            let FactKind::RefundStateChanged { origin, .. } = &mut kind else { unreachable!() };
            *origin = of;
            let payload = encode(&fact(kind), &OneId, Timestamp(5)).payload;
            pb::RefundStateChanged::decode(payload.as_slice()).unwrap().origin
        };
        let origins = Origin::ALL.map(origin_of);
        assert_eq!(origins, ["", "", "PROVIDER"]);
    }

    #[test]
    fn types_are_the_full_names_of_their_payload_messages() {
        let pool = String::from_utf8_lossy(redress_proto::FILE_DESCRIPTOR_SET);
        for name in [
            REFUND_STATE_CHANGED,
            DEADLINE_APPROACHING,
            DEADLINE_MISSED,
            DISRUPTION_STATE_CHANGED,
            DISRUPTION_ITEM_SETTLED,
            PAYMENT_OVERDRAWN,
            REFUND_AMBIGUOUS,
            LINE_OVER_REFUNDED,
        ] {
            let message = name.rsplit('.').next().unwrap();
            assert!(pool.contains(message), "no message {message} in the contracts");
            assert_eq!(name, format!("redress.events.v1.{message}"));
        }
    }

    #[test]
    fn everything_about_an_order_has_the_order_as_its_subject() {
        let now = Timestamp(5);
        let facts = [
            refund_state_changed(),
            FactKind::RefundDeadlineApproaching(deadline()),
            FactKind::RefundDeadlineMissed(deadline()),
            disruption_item_settled(),
            payment_overdrawn(),
            provider_refund_ambiguous(),
            line_over_refunded(),
        ]
        .map(fact);
        for event in encode_all(&facts, &OneId, now) {
            assert_eq!(event.subject, "orders/ZQR3T");
            assert_eq!((event.time, event.payload_version), (now, 1));
            assert_eq!(event.traceparent, facts[0].traceparent);
        }
        let event = encode(&fact(disruption_state_changed()), &OneId, now);
        assert_eq!(event.subject, "disruptions/d1");
    }
}
