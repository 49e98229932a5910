//! Orders on the wire and in the domain.
//!
//! Invariant: an order is read completely or not at all, and everything that is wrong with it is
//! reported at once.

use redress_api::time;
use redress_api::validate::violations_of;
use redress_core::money::Currency;
use redress_policy::LineKind;
use redress_proto::refunds::v1 as pb;

use super::amount;
use super::order_reader::{digest, read};
use crate::app::{Candidate, ImportReport, Rejection};
use crate::domain::order::{Contact, Order, OrderLine, OrderState, Payment, Tender, Violation};
use crate::store::ImportedOrder;

/// Reads an order that is to be imported, and judges its single fields: the declared rules first,
/// then what they do not say.
pub(in crate::grpc) fn candidate(mut message: pb::Order) -> Candidate {
    // Output only: an order that is sent back as it was read is the same order.
    message.payments.iter_mut().for_each(|payment| payment.overdrawn = false);
    let name = message.name.clone();
    let digest = digest(&message);
    let mut violations = violations_of(&message, "");
    let order = match read(message) {
        Ok(order) => Some(ImportedOrder { order, digest }),
        Err(more) => {
            // A field that breaks a declared rule need not be named twice.
            let fresh: Vec<_> = more
                .into_iter()
                .filter(|found| violations.iter().all(|known| known.field != found.field))
                .collect();
            violations.extend(fresh);
            None
        }
    };
    let violation = |found: redress_api::FieldViolation| Violation {
        field: found.field,
        description: found.description,
    };
    Candidate { name, order, violations: violations.into_iter().map(violation).collect() }
}

/// The wire form of what became of a chunk.
pub(in crate::grpc) fn import_report(report: ImportReport) -> pb::ImportOrdersResponse {
    let rejection = |rejection: Rejection| pb::ImportRejection {
        // A chunk has at most a thousand orders.
        index: i32::try_from(rejection.index).unwrap_or(i32::MAX),
        order: rejection.order,
        violations: rejection
            .violations
            .into_iter()
            .map(|found| pb::ImportViolation { field: found.field, description: found.description })
            .collect(),
    };
    pb::ImportOrdersResponse {
        created: report.created,
        updated: report.updated,
        unchanged: report.unchanged,
        stale: report.stale,
        rejections: report.rejections.into_iter().map(rejection).collect(),
    }
}

/// The wire form of an order.
pub(in crate::grpc) fn to_proto(order: &Order) -> pb::Order {
    let state = match order.state {
        OrderState::Placed => pb::order::State::Placed,
        OrderState::Cancelled => pb::order::State::Cancelled,
    };
    let policy = order.policy.as_ref().map(redress_core::id::PolicyId::resource_name);
    pb::Order {
        name: order.id.resource_name(),
        source_version: order.source_version,
        customer: order.customer.resource_name(),
        contact: Some(contact_to_proto(&order.contact)),
        purchase_time: Some(time::to_proto(order.purchase_time)),
        state: state.into(),
        policy: policy.unwrap_or_default(),
        lines: order.lines.iter().map(|line| line_to_proto(order.currency, line)).collect(),
        payments: order
            .payments
            .iter()
            .map(|payment| payment_to_proto(order.currency, payment))
            .collect(),
        total: Some(amount(order.currency, order.total)),
    }
}

/// The wire form of a contact.
pub(in crate::grpc) fn contact_to_proto(contact: &Contact) -> pb::Contact {
    pb::Contact {
        email: contact.email.clone(),
        display_name: contact.display_name.clone(),
        locale: contact.locale.clone(),
    }
}

fn line_to_proto(currency: Currency, line: &OrderLine) -> pb::OrderLine {
    let kind = match line.kind {
        LineKind::Ticket => pb::order_line::Kind::Ticket,
        LineKind::Fee => pb::order_line::Kind::Fee,
    };
    pb::OrderLine {
        line_id: line.id.clone(),
        kind: kind.into(),
        event: line.event.resource_name(),
        title: line.title.clone(),
        event_start_time: Some(time::to_proto(line.event_start)),
        event_time_zone: line.event_time_zone.clone(),
        gross: Some(amount(currency, line.gross)),
        tax: Some(amount(currency, line.tax)),
    }
}

fn payment_to_proto(currency: Currency, payment: &Payment) -> pb::Payment {
    let tender = match payment.tender {
        Tender::Card => pb::payment::Tender::Card,
        Tender::Wallet => pb::payment::Tender::Wallet,
        Tender::GiftCard => pb::payment::Tender::GiftCard,
        Tender::BankTransfer => pb::payment::Tender::BankTransfer,
    };
    pb::Payment {
        payment_id: payment.id.as_str().to_owned(),
        tender: tender.into(),
        provider: payment.provider.clone(),
        provider_reference: payment.provider_reference.clone(),
        captured: Some(amount(currency, payment.captured)),
        refunded_elsewhere: Some(amount(currency, payment.refunded_elsewhere)),
        capture_time: Some(time::to_proto(payment.capture_time)),
        overdrawn: payment.counters.overdrawn,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::order::tests::order;
    use redress_proto::common::v1::Money as WireMoney;

    #[test]
    fn the_mark_of_an_overdrawn_payment_leaves_and_does_not_come_in() {
        let mut stored = order();
        stored.payments[0].counters.overdrawn = true;
        let shown = to_proto(&stored);
        assert!(shown.payments[0].overdrawn);
        let (sent_back, plain) = (candidate(shown), candidate(to_proto(&order())));
        assert_eq!(sent_back.violations, []);
        let (sent_back, plain) = (sent_back.order.unwrap(), plain.order.unwrap());
        assert_eq!(sent_back.order, order());
        assert_eq!(sent_back.digest, plain.digest, "the same order");
    }

    #[test]
    fn an_order_reads_back_as_sent() {
        let sent = to_proto(&order());
        let candidate = candidate(sent.clone());
        assert_eq!(candidate.violations, []);
        let read = candidate.order.unwrap();
        assert_eq!(read.order, order());
        assert_eq!(to_proto(&read.order), sent);
    }

    #[test]
    fn the_digest_tells_any_change_of_the_content() {
        let digest = |order: &Order| candidate(to_proto(order)).order.unwrap().digest;
        let mut raised = order();
        raised.source_version += 1;
        let mut renamed = order();
        renamed.lines[0].title.push('!');
        assert_eq!(digest(&order()), digest(&order()));
        assert_ne!(digest(&order()), digest(&raised));
        assert_ne!(digest(&order()), digest(&renamed));
    }

    #[test]
    fn everything_wrong_is_named_once() {
        let mut bad = to_proto(&order());
        bad.customer = "buyer 1".to_owned();
        bad.contact = None;
        bad.state = 9;
        bad.lines[0].gross = Some(WireMoney { currency_code: "XXX".to_owned(), minor_units: 1 });
        bad.lines[1].tax = Some(WireMoney { currency_code: "CNY".to_owned(), minor_units: 0 });
        bad.payments[0].captured = None;
        let candidate = candidate(bad);
        assert!(candidate.order.is_none());
        let mut fields: Vec<_> = candidate.violations.iter().map(|v| v.field.as_str()).collect();
        fields.sort_unstable();
        assert_eq!(
            fields,
            [
                "contact",
                "customer",
                "lines[0].gross.currency_code",
                "lines[1].tax.currency_code",
                "payments[0].captured",
                "state",
            ]
        );
    }
}
