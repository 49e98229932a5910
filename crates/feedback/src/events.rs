//! The facts of other services, as feedback hears them.
//!
//! Invariant: a fact that is of interest is either understood completely or refused with the field
//! that is wrong; a refusal never repeats a value, because it is stored and shown.

use prost::Message as _;
use redress_core::event::Event;
use redress_core::id::{CustomerId, DisruptionId, EventId, InvalidId, OrderId};
use redress_proto::events::v1 as pb;

use crate::domain::settled::Settled;

const KEPT: &str = "KEPT";
const ITEM_SETTLED: &str = "redress.events.v1.DisruptionItemSettled";

/// The settled order that `event` tells of; `None` when it tells of something else.
pub fn settled(event: &Event) -> Result<Option<Settled>, String> {
    if event.event_type != ITEM_SETTLED {
        return Ok(None);
    }
    let fact = pb::DisruptionItemSettled::decode(event.payload.as_slice())
        .map_err(|error| format!("the payload is no {ITEM_SETTLED}: {error}"))?;
    // Who keeps what was bought is asked by the shop, like any other guest.
    if fact.outcome == KEPT {
        return Ok(None);
    }
    Ok(Some(Settled {
        tenant: event.tenant.clone(),
        disruption: DisruptionId::from_resource_name(&fact.disruption)
            .map_err(bad("disruption"))?,
        event: EventId::from_resource_name(&fact.event).map_err(bad("event"))?,
        order: OrderId::from_resource_name(&fact.order).map_err(bad("order"))?,
        customer: CustomerId::from_resource_name(&fact.customer).map_err(bad("customer"))?,
        outcome: fact.outcome.parse().map_err(|error| format!("outcome: {error}"))?,
    }))
}

fn bad(field: &'static str) -> impl Fn(InvalidId) -> String {
    move |error| format!("{field}: not a resource name: {error}")
}

/// Facts for tests.
#[cfg(test)]
pub(crate) mod sample {
    use redress_core::clock::Timestamp;
    use redress_core::id::TenantId;

    use super::*;

    /// Order `o1` of customer `c1`, paid.
    pub(crate) fn fact() -> pb::DisruptionItemSettled {
        pb::DisruptionItemSettled {
            disruption: "disruptions/d1".to_owned(),
            event: "events/derby".to_owned(),
            order: "orders/o1".to_owned(),
            customer: "customers/c1".to_owned(),
            outcome: "SUCCEEDED".to_owned(),
            ..Default::default()
        }
    }

    /// An event of tenant `arena` about `subject`, without a place yet.
    pub(crate) fn event(event_type: &str, subject: &str, payload: Vec<u8>) -> Event {
        Event {
            id: format!("event-{subject}"),
            tenant: TenantId::new("arena").unwrap(),
            event_type: event_type.to_owned(),
            subject: subject.to_owned(),
            time: Timestamp(1),
            payload_version: 1,
            payload,
            traceparent: None,
            position: 1,
        }
    }

    /// The event of a settled item, as `change` makes it.
    pub(crate) fn item(change: impl FnOnce(&mut pb::DisruptionItemSettled)) -> Event {
        let mut fact = fact();
        change(&mut fact);
        let subject = fact.order.clone();
        event(ITEM_SETTLED, &subject, fact.encode_to_vec())
    }
}

#[cfg(test)]
mod tests {
    use redress_core::id::TenantId;

    use super::sample::{event, item};
    use super::*;
    use crate::domain::settled::Outcome;

    #[test]
    fn a_settled_order_is_read_whole() {
        let read = settled(&item(|_| ())).unwrap().unwrap();
        assert_eq!(
            read,
            Settled {
                tenant: TenantId::new("arena").unwrap(),
                disruption: DisruptionId::new("d1").unwrap(),
                event: EventId::new("derby").unwrap(),
                order: OrderId::new("o1").unwrap(),
                customer: CustomerId::new("c1").unwrap(),
                outcome: Outcome::Succeeded,
            }
        );
    }

    #[test]
    fn other_facts_are_of_no_interest() {
        let other = event("redress.events.v1.RefundStateChanged", "x", b"\xff".to_vec());
        assert_eq!(settled(&other), Ok(None), "whatever its state, which is not even read");
        let kept = item(|fact| fact.outcome = KEPT.to_owned());
        assert_eq!(settled(&kept), Ok(None), "nothing was taken from the customer");
    }

    #[test]
    fn what_is_not_understood_names_the_field() {
        let with = |change: fn(&mut pb::DisruptionItemSettled)| settled(&item(change)).unwrap_err();
        for (error, field) in [
            (with(|fact| fact.disruption.clear()), "disruption:"),
            (with(|fact| fact.event = "orders/o1".to_owned()), "event:"),
            (with(|fact| fact.order = "orders/a b".to_owned()), "order:"),
            (with(|fact| fact.customer.clear()), "customer:"),
            (with(|fact| fact.outcome = "LOST".to_owned()), "outcome:"),
            (settled(&event(ITEM_SETTLED, "x", b"\xff".to_vec())).unwrap_err(), "the payload"),
        ] {
            assert!(error.starts_with(field), "{error}");
        }
    }
}
