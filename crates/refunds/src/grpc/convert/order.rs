//! Orders on the wire and in the domain.
//!
//! Invariant: an order is read completely or not at all, and everything that is wrong with it is
//! reported at once.

use redress_api::time;
use redress_api::validate::violations_of;
use redress_core::money::Currency;
use redress_policy::LineKind;
use redress_proto::common::v1::Money;
use redress_proto::refunds::v1 as pb;

use super::amount;
use super::order_reader::{TRIPS, digest, read};
use crate::app::{Candidate, ImportReport, Rejection};
use crate::domain::order::{
    Contact, Discount, DiscountStep, Order, OrderLine, OrderState, Payment, Tender, Traveller,
    Violation,
};
use crate::store::ImportedOrder;

/// Reads an order that is to be imported, and judges its single fields: the declared rules first,
/// then what they do not say.
pub(in crate::grpc) fn candidate(mut message: pb::Order) -> Candidate {
    let name = message.name.clone();
    settle_defaults(&mut message);
    let digest = digest(&mut message);
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

/// An order that is sent back as it was read is the same order: what is output only is cleared,
/// and what may be left out is written as it is read.
fn settle_defaults(order: &mut pb::Order) {
    let currency = order.total.as_ref().map(|total| total.currency_code.as_str());
    for line in &mut order.lines {
        line.over_refunded = false;
        if line.quantity == 0 {
            line.quantity = 1;
        }
        // In another currency it is no default but a fault.
        let nothing = |discount: &Money| {
            discount.minor_units == 0 && Some(discount.currency_code.as_str()) == currency
        };
        if line.discount.as_ref().is_some_and(nothing) {
            line.discount = None;
        }
    }
    order.payments.iter_mut().for_each(|payment| payment.overdrawn = false);
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
        OrderState::WaitingList => pb::order::State::WaitingList,
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
        policy_version: order.policy_version.unwrap_or_default(),
        sales_channel: order.sales_channel.clone(),
        place_of_sale: order.place_of_sale.clone(),
        travellers: order.travellers.iter().map(traveller_to_proto).collect(),
        discounts: order.discounts.iter().map(discount_to_proto).collect(),
    }
}

fn traveller_to_proto(traveller: &Traveller) -> pb::Traveller {
    pb::Traveller {
        traveller_id: traveller.id.clone(),
        display_name: traveller.display_name.clone(),
    }
}

fn discount_to_proto(discount: &Discount) -> pb::Discount {
    let step = |step: &DiscountStep| pb::DiscountStep {
        // At most 10000, by the contract's rules.
        min_units: i32::try_from(step.min_units).unwrap_or(i32::MAX),
        basis_points: i32::from(step.basis_points),
    };
    pb::Discount {
        discount_id: discount.id.clone(),
        steps: discount.steps.iter().map(step).collect(),
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

/// The wire form of a kind of line.
pub(in crate::grpc) const fn kind_to_proto(kind: LineKind) -> pb::order_line::Kind {
    match kind {
        LineKind::Ticket => pb::order_line::Kind::Ticket,
        LineKind::Seat => pb::order_line::Kind::Seat,
        LineKind::FlightLeg => pb::order_line::Kind::FlightLeg,
        LineKind::RailLeg => pb::order_line::Kind::RailLeg,
        LineKind::HotelNight => pb::order_line::Kind::HotelNight,
        LineKind::Package => pb::order_line::Kind::Package,
        LineKind::Ancillary => pb::order_line::Kind::Ancillary,
        LineKind::Fee => pb::order_line::Kind::Fee,
        LineKind::Tax => pb::order_line::Kind::Tax,
    }
}

fn line_to_proto(currency: Currency, line: &OrderLine) -> pb::OrderLine {
    let kind = kind_to_proto(line.kind);
    pb::OrderLine {
        line_id: line.id.clone(),
        kind: kind.into(),
        event: line.event.resource_name(),
        title: line.title.clone(),
        event_start_time: Some(time::to_proto(line.event_start)),
        event_time_zone: line.event_time_zone.clone(),
        gross: Some(amount(currency, line.gross)),
        tax: Some(amount(currency, line.tax)),
        // At most 10000, by the contract's rules.
        quantity: i32::try_from(line.units).unwrap_or(i32::MAX),
        place: line.place.clone(),
        trip: line.trip.as_ref().map(|trip| format!("{TRIPS}{trip}")).unwrap_or_default(),
        discount: Some(amount(currency, line.discount)),
        discount_id: line.discount_id.clone().unwrap_or_default(),
        traveller_ids: line.traveller_ids.clone(),
        event_end_time: line.event_end.map(time::to_proto),
        over_refunded: line.over_refunded,
        section: line.section.clone(),
        carrier: line.carrier.clone(),
    }
}

/// The wire form of a tender.
pub(in crate::grpc) const fn tender_to_proto(tender: Tender) -> pb::payment::Tender {
    match tender {
        Tender::Card => pb::payment::Tender::Card,
        Tender::Wallet => pb::payment::Tender::Wallet,
        Tender::GiftCard => pb::payment::Tender::GiftCard,
        Tender::BankTransfer => pb::payment::Tender::BankTransfer,
        Tender::Voucher => pb::payment::Tender::Voucher,
        Tender::Points => pb::payment::Tender::Points,
    }
}

fn payment_to_proto(currency: Currency, payment: &Payment) -> pb::Payment {
    let tender = tender_to_proto(payment.tender);
    pb::Payment {
        payment_id: payment.id.as_str().to_owned(),
        tender: tender.into(),
        provider: payment.provider.clone(),
        provider_reference: payment.provider_reference.clone(),
        captured: Some(amount(currency, payment.captured)),
        refunded_elsewhere: Some(amount(currency, payment.elsewhere_reported)),
        capture_time: Some(time::to_proto(payment.capture_time)),
        overdrawn: payment.counters.overdrawn,
        points: payment.points,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::order::tests::order;

    #[test]
    fn the_marks_of_redress_leave_and_do_not_come_in() {
        let mut stored = order();
        stored.payments[0].counters.overdrawn = true;
        stored.lines[0].over_refunded = true;
        let shown = to_proto(&stored);
        assert!(shown.payments[0].overdrawn && shown.lines[0].over_refunded);
        let (sent_back, plain) = (candidate(shown), candidate(to_proto(&order())));
        assert_eq!(sent_back.violations, []);
        let (sent_back, plain) = (sent_back.order.unwrap(), plain.order.unwrap());
        assert_eq!(sent_back.order, order());
        assert_eq!(sent_back.digest, plain.digest, "the same order");
    }

    /// An order in which no field is left at its default.
    fn full() -> Order {
        let mut order = order();
        order.policy = Some("standard".to_owned().try_into().unwrap());
        order.policy_version = Some(3);
        order.sales_channel = "web".to_owned();
        order.place_of_sale = "US-CA".to_owned();
        order.travellers = vec![Traveller { id: "a1".to_owned(), display_name: "Ada".to_owned() }];
        let steps = vec![DiscountStep { min_units: 10, basis_points: 500 }];
        order.discounts = vec![Discount { id: "group".to_owned(), steps }];
        let line = &mut order.lines[0];
        (line.units, line.discount) = (10, 158);
        line.event_end = Some(line.event_start);
        line.place = "Stadium".to_owned();
        line.section = "Block C".to_owned();
        line.carrier = "DB".to_owned();
        line.trip = Some("weekend".to_owned());
        line.discount_id = Some("group".to_owned());
        line.traveller_ids = vec!["a1".to_owned()];
        order.payments[0].tender = Tender::Points;
        order.payments[0].points = 53_900;
        order
    }

    #[test]
    fn every_field_reads_back_as_sent() {
        let candidate = candidate(to_proto(&full()));
        assert_eq!(candidate.violations, []);
        assert_eq!(candidate.order.unwrap().order, full());
    }

    #[test]
    fn every_kind_and_tender_has_its_name_in_the_contract() {
        for number in 1..=9 {
            let mut sent = to_proto(&order());
            sent.lines[0].kind = number;
            assert_eq!(to_proto(&candidate(sent.clone()).order.unwrap().order), sent);
        }
        for number in 1..=6 {
            let mut sent = to_proto(&order());
            sent.payments[0].tender = number;
            assert_eq!(to_proto(&candidate(sent.clone()).order.unwrap().order), sent);
        }
        for tender in Tender::ALL {
            assert_eq!(Tender::parse(tender.as_str()), Some(*tender));
            assert!(pb::payment::Tender::from_str_name(tender.as_str()).is_some());
        }
    }

    #[test]
    fn what_may_be_left_out_is_the_same_order_written_out() {
        let mut short = to_proto(&order());
        for line in &mut short.lines {
            (line.quantity, line.discount) = (0, None);
        }
        let (short, long) = (candidate(short), candidate(to_proto(&order())));
        assert_eq!(short.order.as_ref().unwrap().digest, long.order.unwrap().digest);
        assert_eq!(short.order.unwrap().order, order());
        let mut foreign = to_proto(&order());
        foreign.lines[0].discount.as_mut().unwrap().currency_code = "CNY".to_owned();
        let fields: Vec<_> = candidate(foreign).violations.into_iter().map(|v| v.field).collect();
        assert_eq!(fields, ["lines[0].discount.currency_code"]);
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
        let mut reseated = order();
        reseated.lines[0].section = "Block C".to_owned();
        let mut carried = order();
        carried.lines[0].carrier = "Block C".to_owned();
        let placed = Order { place_of_sale: "DE".to_owned(), ..order() };
        assert_eq!(digest(&order()), digest(&order()));
        assert_ne!(digest(&order()), digest(&raised));
        assert_ne!(digest(&order()), digest(&renamed));
        assert_ne!(digest(&order()), digest(&reseated));
        assert_ne!(digest(&order()), digest(&carried));
        assert_ne!(digest(&order()), digest(&placed));
        assert_ne!(digest(&reseated), digest(&carried));
        // The store compares the policy by itself.
        let pinned = Order { policy_version: Some(3), ..order() };
        assert_eq!(digest(&order()), digest(&pinned));
    }

    #[test]
    fn everything_wrong_is_named_once() {
        let mut bad = to_proto(&order());
        bad.customer = "buyer 1".to_owned();
        bad.contact = None;
        bad.state = 9;
        bad.lines[0].gross = Some(Money { currency_code: "XXX".to_owned(), minor_units: 1 });
        bad.lines[1].tax = Some(Money { currency_code: "CNY".to_owned(), minor_units: 0 });
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
