//! What arrives from other services' logs, read into domain facts.
//!
//! Invariant: an event that nobody is told about is `None`; one of a known type that cannot be
//! read is an error that says why, so that it is parked and a person can look, and never dropped.

use prost::Message as _;
use redress_api::{FieldViolation, money};
use redress_core::event::Event;
use redress_core::id::{CustomerId, DisruptionId, InvalidId, OrderId, RefundId};
use redress_core::money::Money;
use redress_proto::common::v1 as common_pb;
use redress_proto::events::v1 as pb;

use crate::domain::fact::{Fact, Outcome, Settled};

/// The one source that this service listens to.
pub const SOURCE: &str = "refunds";

/// The kind of disruption that buyers without money due are told of.
const CANCELLED: &str = "CANCELLED";
/// Why nothing is due to somebody who had only a place on the waiting list.
const WAITING_LIST: &str = "WAITING_LIST";
/// Why a person is needed where the buyer has chosen something else than money.
const CHOSEN: [&str; 2] = ["VOUCHER_CHOSEN", "REBOOKING_CHOSEN"];
const ITEM_SETTLED: &str = "redress.events.v1.DisruptionItemSettled";
const REFUND_STATE_CHANGED: &str = "redress.events.v1.RefundStateChanged";
/// The origin of a refund that was made at the provider, past Redress.
const MADE_AT_PROVIDER: &str = "PROVIDER";
/// The newest meaning of the payloads that this build understands.
pub(crate) const PAYLOAD_VERSION: u16 = 1;

/// Why an event of a known type cannot be read.
#[derive(Debug, thiserror::Error)]
pub enum Undecodable {
    /// The payload follows a version that came after this build.
    #[error("payload version {0} is newer than this build reads ({PAYLOAD_VERSION})")]
    NewerVersion(u16),
    /// The bytes are not the message that the type names.
    #[error("the payload is not of the type it names")]
    Malformed(#[from] prost::DecodeError),
    /// A field holds nothing that can stand there.
    #[error("{field}: {description}")]
    Field {
        /// Name of the field in the payload.
        field: String,
        /// What is wrong with it.
        description: String,
    },
}

impl From<FieldViolation> for Undecodable {
    fn from(violation: FieldViolation) -> Self {
        Self::Field { field: violation.field, description: violation.description }
    }
}

/// The fact in an event of [`SOURCE`]; `None` when no customer is told about it.
pub fn decode(event: &Event) -> Result<Option<Fact>, Undecodable> {
    let known = [ITEM_SETTLED, REFUND_STATE_CHANGED].contains(&event.event_type.as_str());
    if known && event.payload_version > PAYLOAD_VERSION {
        return Err(Undecodable::NewerVersion(event.payload_version));
    }
    match event.event_type.as_str() {
        ITEM_SETTLED => item_settled(event),
        REFUND_STATE_CHANGED => refund_state_changed(event),
        _ => Ok(None),
    }
}

/// What a buyer has chosen is known to the buyer, and what a disruption other than a cancellation
/// leaves as it is needs no word about money: the platform tells what takes place instead.
fn item_settled(event: &Event) -> Result<Option<Fact>, Undecodable> {
    let payload = pb::DisruptionItemSettled::decode(event.payload.as_slice())?;
    let disruption = id("disruption", DisruptionId::from_resource_name(&payload.disruption))?;
    let refund = match payload.refund.as_str() {
        "" => None,
        name => Some(id("refund", RefundId::from_resource_name(name))?),
    };
    let issued = payload.issued.as_ref();
    let outcome = match payload.outcome.as_str() {
        "KEPT" => return Ok(None),
        "ATTENTION" if CHOSEN.contains(&payload.reason_code.as_str()) => return Ok(None),
        "NOTHING_DUE" if !["", CANCELLED].contains(&payload.kind.as_str()) => return Ok(None),
        "SUCCEEDED" => succeeded(issued)?,
        "ATTENTION" => attention(issued)?,
        "NOTHING_DUE" if payload.reason_code == WAITING_LIST => Outcome::WaitedInVain,
        "NOTHING_DUE" => Outcome::NothingDue,
        other => return Err(unknown("outcome", other)),
    };
    Ok(Some(Fact {
        tenant: event.tenant.clone(),
        order: id("order", OrderId::from_resource_name(&payload.order))?,
        customer: id("customer", CustomerId::from_resource_name(&payload.customer))?,
        settled: Settled::DisruptionItem { disruption, refund },
        outcome,
        requested: positive(payload.requested.as_ref(), "requested")?,
    }))
}

/// A refund within a disruption is told by the disruption. One that was only accepted, that waits
/// for approval, that is under way again or that somebody took back is not told, and neither is one that was made past
/// Redress: whoever made it has told the customer.
fn refund_state_changed(event: &Event) -> Result<Option<Fact>, Undecodable> {
    let payload = pb::RefundStateChanged::decode(event.payload.as_slice())?;
    if !payload.disruption.is_empty() || payload.origin == MADE_AT_PROVIDER {
        return Ok(None);
    }
    let issued = payload.issued.as_ref();
    let outcome = match payload.state.as_str() {
        "PENDING_APPROVAL" | "QUEUED" | "PROCESSING" | "REJECTED" | "CANCELLED" | "FAILED" => {
            return Ok(None);
        }
        "SUCCEEDED" => succeeded(issued)?,
        "ATTENTION" => attention(issued)?,
        other => return Err(unknown("state", other)),
    };
    Ok(Some(Fact {
        tenant: event.tenant.clone(),
        order: id("order", OrderId::from_resource_name(&payload.order))?,
        customer: id("customer", CustomerId::from_resource_name(&payload.customer))?,
        settled: Settled::Refund(id("refund", RefundId::from_resource_name(&payload.refund))?),
        outcome,
        requested: positive(payload.requested.as_ref(), "requested")?,
    }))
}

fn succeeded(issued: Option<&common_pb::Money>) -> Result<Outcome, Undecodable> {
    let issued = positive(issued, "issued")?.ok_or_else(|| Undecodable::Field {
        field: "issued".to_owned(),
        description: "expected an amount above zero, because the refund succeeded".to_owned(),
    })?;
    Ok(Outcome::Succeeded { issued })
}

fn attention(issued: Option<&common_pb::Money>) -> Result<Outcome, Undecodable> {
    Ok(Outcome::Attention { issued: positive(issued, "issued")? })
}

/// An amount worth telling: `None` when it is absent or zero; a negative one is refused.
fn positive(amount: Option<&common_pb::Money>, field: &str) -> Result<Option<Money>, Undecodable> {
    // No amount travels as an absent message, or as one in no currency.
    let Some(amount) = amount.filter(|amount| **amount != common_pb::Money::default()) else {
        return Ok(None);
    };
    let amount = money::from_proto(amount, field)?;
    if amount.minor_units < 0 {
        let description = "expected an amount of at least zero".to_owned();
        return Err(Undecodable::Field { field: field.to_owned(), description });
    }
    Ok(Some(amount).filter(|amount| amount.minor_units > 0))
}

fn id<T>(field: &str, id: Result<T, InvalidId>) -> Result<T, Undecodable> {
    id.map_err(|error| Undecodable::Field {
        field: field.to_owned(),
        description: format!("not a resource name of its collection: {error}"),
    })
}

fn unknown(field: &str, value: &str) -> Undecodable {
    let value: String = value.chars().take(32).collect();
    Undecodable::Field { field: field.to_owned(), description: format!("unknown value {value:?}") }
}

#[cfg(test)]
mod tests {
    use redress_core::clock::Timestamp;
    use redress_core::id::TenantId;

    use super::*;

    fn event(event_type: &str, payload: Vec<u8>) -> Event {
        Event {
            id: "e1".to_owned(),
            tenant: TenantId::new("arena").unwrap(),
            event_type: event_type.to_owned(),
            subject: "disruptions/d1".to_owned(),
            time: Timestamp(1),
            payload_version: 1,
            payload,
            traceparent: None,
            position: 1,
        }
    }

    fn eur(minor_units: i64) -> common_pb::Money {
        common_pb::Money { currency_code: "EUR".to_owned(), minor_units }
    }

    fn item(outcome: &str) -> pb::DisruptionItemSettled {
        pb::DisruptionItemSettled {
            disruption: "disruptions/d1".to_owned(),
            event: "events/derby".to_owned(),
            order: "orders/o1".to_owned(),
            customer: "customers/c1".to_owned(),
            refund: "refunds/r1".to_owned(),
            outcome: outcome.to_owned(),
            requested: Some(eur(500)),
            issued: Some(eur(300)),
            ..Default::default()
        }
    }

    fn refund(state: &str) -> pb::RefundStateChanged {
        pb::RefundStateChanged {
            refund: "refunds/r1".to_owned(),
            order: "orders/o1".to_owned(),
            customer: "customers/c1".to_owned(),
            state: state.to_owned(),
            requested: Some(eur(500)),
            issued: Some(eur(500)),
            ..Default::default()
        }
    }

    fn read(payload: &pb::DisruptionItemSettled) -> Result<Option<Fact>, Undecodable> {
        decode(&event(ITEM_SETTLED, payload.encode_to_vec()))
    }

    fn money(minor_units: i64) -> Money {
        Money::new("EUR".parse().unwrap(), minor_units).unwrap()
    }

    #[test]
    fn what_the_buyer_knows_or_the_platform_tells_is_not_told() {
        let told = |payload: pb::DisruptionItemSettled| read(&payload).unwrap().is_some();
        let because = |reason_code: &str| pb::DisruptionItemSettled {
            reason_code: reason_code.to_owned(),
            ..item("ATTENTION")
        };
        let of =
            |kind: &str| pb::DisruptionItemSettled { kind: kind.to_owned(), ..item("NOTHING_DUE") };
        assert!(!told(item("KEPT")));
        assert!(!told(because("VOUCHER_CHOSEN")));
        assert!(!told(because("REBOOKING_CHOSEN")));
        assert!(told(because("ACCOUNT_CLOSED")));
        assert!(!told(of("POSTPONED")));
        assert!(told(of("CANCELLED")));
    }

    #[test]
    fn a_settled_item_is_told_whatever_its_outcome() {
        let cases = [
            ("SUCCEEDED", Outcome::Succeeded { issued: money(300) }),
            ("ATTENTION", Outcome::Attention { issued: Some(money(300)) }),
            ("NOTHING_DUE", Outcome::NothingDue),
        ];
        for (outcome, expected) in cases {
            let fact = read(&item(outcome)).unwrap().unwrap();
            assert_eq!(fact.outcome, expected);
            assert_eq!(fact.requested, Some(money(500)));
        }
        let waiting = pb::DisruptionItemSettled {
            reason_code: "WAITING_LIST".to_owned(),
            ..item("NOTHING_DUE")
        };
        assert_eq!(read(&waiting).unwrap().unwrap().outcome, Outcome::WaitedInVain);
    }

    #[test]
    fn nothing_issued_is_no_amount() {
        for issued in [None, Some(eur(0)), Some(common_pb::Money::default())] {
            let fact = read(&pb::DisruptionItemSettled { issued, ..item("ATTENTION") }).unwrap();
            assert_eq!(fact.unwrap().outcome, Outcome::Attention { issued: None });
        }
    }

    #[test]
    fn a_refund_is_told_by_itself_only_outside_a_disruption_and_at_rest() {
        let read = |payload: &pb::RefundStateChanged| {
            decode(&event(REFUND_STATE_CHANGED, payload.encode_to_vec())).unwrap()
        };
        let untold =
            ["PENDING_APPROVAL", "QUEUED", "PROCESSING", "REJECTED", "CANCELLED", "FAILED"];
        for state in untold {
            assert_eq!(read(&refund(state)), None, "{state}");
        }
        assert!(matches!(
            read(&refund("SUCCEEDED")).unwrap().outcome,
            Outcome::Succeeded { issued } if issued == money(500)
        ));
        assert!(read(&refund("ATTENTION")).is_some());
        let disruption = "disruptions/d1".to_owned();
        assert_eq!(read(&pb::RefundStateChanged { disruption, ..refund("SUCCEEDED") }), None);
    }

    #[test]
    fn a_refund_that_was_made_at_the_provider_is_not_told() {
        let read = |origin: &str| {
            let payload =
                pb::RefundStateChanged { origin: origin.to_owned(), ..refund("SUCCEEDED") };
            decode(&event(REFUND_STATE_CHANGED, payload.encode_to_vec())).unwrap()
        };
        assert_eq!(read("PROVIDER"), None);
        assert!(read("").is_some(), "one that Redress made is");
    }

    #[test]
    fn a_state_of_later_is_parked_until_somebody_says_what_to_tell() {
        let payload = refund("A_STATE_OF_LATER").encode_to_vec();
        let error = decode(&event(REFUND_STATE_CHANGED, payload)).unwrap_err().to_string();
        assert!(error.starts_with("state"), "{error}");
    }

    #[test]
    fn other_types_are_nobodys_news() {
        let other = event("redress.events.v1.DisruptionStateChanged", vec![0xff]);
        assert_eq!(decode(&other).unwrap(), None);
    }

    #[test]
    fn what_cannot_be_read_says_why() {
        let cases = [
            (pb::DisruptionItemSettled { order: "ZQR3T".to_owned(), ..item("SUCCEEDED") }, "order"),
            (
                pb::DisruptionItemSettled { customer: String::new(), ..item("SUCCEEDED") },
                "customer",
            ),
            (pb::DisruptionItemSettled { issued: Some(eur(0)), ..item("SUCCEEDED") }, "issued"),
            (pb::DisruptionItemSettled { issued: Some(eur(-1)), ..item("ATTENTION") }, "issued"),
            (item("PAID"), "outcome"),
        ];
        for (payload, field) in cases {
            let error = read(&payload).unwrap_err().to_string();
            assert!(error.starts_with(field), "{error}");
        }
        assert!(matches!(decode(&event(ITEM_SETTLED, vec![0xff])), Err(Undecodable::Malformed(_))));
        let newer = Event { payload_version: 2, ..event(ITEM_SETTLED, Vec::new()) };
        assert!(matches!(decode(&newer), Err(Undecodable::NewerVersion(2))));
    }
}
