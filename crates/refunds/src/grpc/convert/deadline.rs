//! Legal clocks and their lists on the wire.

use redress_api::page::Page;
use redress_api::{ApiError, FieldViolation, money, time};
use redress_core::clock::Timestamp;
use redress_core::id::{DisruptionId, RefundId};
use redress_core::money::Money;
use redress_policy::LegalClock;
use redress_proto::refunds::v1 as pb;

use super::policy::citation_to_proto;
use crate::domain::deadline::RefundDeadline;
use crate::store::DeadlinePage;

/// The wire form of a legal clock.
pub(super) fn legal_clock(clock: &LegalClock) -> pb::LegalClock {
    pb::LegalClock {
        start_time: Some(time::to_proto(clock.start)),
        due_time: Some(time::to_proto(clock.due)),
        time_zone: clock.time_zone.clone(),
        // Of before laws were kept nobody knows it.
        law: (!clock.law.title.is_empty()).then(|| citation_to_proto(&clock.law)),
        earliest: clock.uncertainty.is_some(),
    }
}

/// The wire form of an open refund with its clock.
pub(in crate::grpc) fn deadline(deadline: &RefundDeadline, missed: bool) -> pb::RefundDeadline {
    let amounts = deadline.amounts;
    let left = amounts.requested.minor_units - amounts.issued.minor_units;
    let left = Money { currency: amounts.requested.currency, minor_units: left };
    let disruption = deadline.disruption.as_ref();
    pb::RefundDeadline {
        refund: deadline.refund.resource_name(),
        order: deadline.order.resource_name(),
        customer: deadline.customer.resource_name(),
        disruption: disruption.map(DisruptionId::resource_name).unwrap_or_default(),
        state: deadline.state.as_str().to_owned(),
        requested: Some(money::to_proto(amounts.requested)),
        issued: Some(money::to_proto(amounts.issued)),
        outstanding: Some(money::to_proto(left)),
        legal_clock: Some(legal_clock(&deadline.clock)),
        missed,
    }
}

/// The refunds behind a page.
pub(in crate::grpc) fn deadline_page(page: &Page) -> Result<DeadlinePage, ApiError> {
    let after = match page.after.as_deref() {
        None => None,
        Some([due, refund]) => match (due.parse(), RefundId::new(refund.as_str())) {
            (Ok(due), Ok(refund)) => Some((Timestamp(due), refund)),
            _ => return Err(no_place()),
        },
        Some(_) => return Err(no_place()),
    };
    Ok(DeadlinePage { size: page.size.into(), after })
}

fn no_place() -> ApiError {
    let text = "names no place in this list; start with an empty one";
    ApiError::InvalidArgument {
        reason: "INVALID_PAGE_TOKEN",
        violations: vec![FieldViolation::new("page_token", text)],
    }
}

/// The token of the page behind `last`.
pub(in crate::grpc) fn token_after(page: &Page, last: &RefundDeadline) -> String {
    page.token_after(&[&last.clock.due.0.to_string(), last.refund.as_str()])
}
