//! One order of pretix's order list as Redress knows orders.
//!
//! Invariant: amounts are read from their decimal texts exactly, in the event's currency; what
//! cannot be mapped is reported, never guessed. Fields are pretix's own, as of 2026.8.

use redress_api::{money, time};
use redress_core::money::Money;
use redress_proto::common::v1 as common;
use redress_proto::refunds::v1::{Contact, Order, OrderLine, Traveller, order, order_line};
use serde_json::Value;

use super::super::check::describe_amount;
use super::super::fields::Object;
use super::super::record::{Origin, Record, Violations};
use super::catalog::Catalog;
use super::payment;

/// Maps an order.
pub(super) fn read(origin: Origin, value: &Value, catalog: &Catalog) -> Record {
    let violations = Violations::default();
    let order = Object::root(value, &violations).map(|root| map(&root, catalog));
    violations.conclude(origin, order.unwrap_or_default())
}

fn map(root: &Object<'_>, catalog: &Catalog) -> Order {
    let id = format!("{}-{}", catalog.slug, root.text("code"));
    if root.text("event") != catalog.slug {
        root.report("event", format!("expected the page's own event {}", catalog.slug));
    }
    if root.flag("testmode") {
        root.report("testmode", "a test order is not imported");
    }
    // A guest's order belongs to nobody else: its id stands for the buyer.
    let customer = match root.text_or_empty("customer") {
        known if known.is_empty() => id.clone(),
        known => known,
    };
    let locale = root.text("locale");
    let name = root.object_if_any("invoice_address").map(|a| a.text_or_empty("name"));
    let (lines, travellers) = lines(root, catalog, &locale);
    Order {
        name: format!("orders/{id}"),
        source_version: root.time("last_modified").0,
        customer: format!("customers/{customer}"),
        purchase_time: Some(time::to_proto(root.time("datetime"))),
        state: state(root).into(),
        policy: String::new(),
        lines,
        payments: payment::read_all(root, catalog),
        total: amount(root, "total", catalog),
        contact: Some(Contact {
            email: root.text_or_empty("email"),
            display_name: name.unwrap_or_default(),
            locale,
        }),
        sales_channel: root.text_or_empty("sales_channel"),
        travellers,
        ..Order::default()
    }
}

/// Paid and pending orders are placed; cancelled and expired ones are not.
fn state(root: &Object<'_>) -> order::State {
    match root.text("status").as_str() {
        "p" | "n" => order::State::Placed,
        "c" | "e" => order::State::Cancelled,
        _ => {
            root.report("status", "expected one of n, p, e, c");
            order::State::Unspecified
        }
    }
}

/// Positions, then fees; cancelled ones are gone from the total and from here. A position with a
/// name brings a traveller of its own.
fn lines(root: &Object<'_>, catalog: &Catalog, locale: &str) -> (Vec<OrderLine>, Vec<Traveller>) {
    let (positions, fees) = (root.objects("positions"), root.objects("fees"));
    let standing = |object: &&Object<'_>| !object.flag("canceled");
    let (mut lines, mut travellers) = (Vec::new(), Vec::new());
    for object in positions.iter().filter(standing) {
        let mut line = position(object, catalog, locale);
        let display_name = object.text_or_empty("attendee_name");
        if !display_name.is_empty() {
            let traveller_id = line.line_id.clone();
            line.traveller_ids.push(traveller_id.clone());
            travellers.push(Traveller { traveller_id, display_name });
        }
        lines.push(line);
    }
    lines.extend(fees.iter().filter(standing).map(|object| fee(object, catalog, locale)));
    (lines, travellers)
}

/// What a position is: a numbered seat, admission, or something sold beside it.
fn kind(position: &Object<'_>, item: i64, catalog: &Catalog) -> order_line::Kind {
    // An unknown item is reported with its title.
    if !catalog.is_admission(item).unwrap_or(true) {
        order_line::Kind::Ancillary
    } else if position.object_if_any("seat").is_some() {
        order_line::Kind::Seat
    } else {
        order_line::Kind::Ticket
    }
}

fn position(object: &Object<'_>, catalog: &Catalog, locale: &str) -> OrderLine {
    if object.integer_if_any("subevent").is_some() {
        object.report("subevent", "a date of an event series cannot be imported");
    }
    let (item, variation) = (object.integer("item"), object.integer_if_any("variation"));
    let title = catalog.title(item, variation, locale).unwrap_or_else(|| {
        object.report("item", format!("item {item} or its variation is not on the item list"));
        String::new()
    });
    // What a voucher with a budget took off; pretix tells of no other discount by its amount.
    let has_discount = !object.text_or_empty("voucher_budget_use").is_empty();
    OrderLine {
        line_id: format!("p{}", object.integer("positionid")),
        kind: kind(object, item, catalog).into(),
        title,
        gross: amount(object, "price", catalog),
        discount: if has_discount { amount(object, "voucher_budget_use", catalog) } else { None },
        ..of_event(object, catalog, locale)
    }
}

fn fee(object: &Object<'_>, catalog: &Catalog, locale: &str) -> OrderLine {
    let title = match object.text_or_empty("description") {
        text if text.is_empty() => fee_title(&object.text("fee_type")).to_owned(),
        text => text,
    };
    OrderLine {
        line_id: format!("f{}", object.integer("id")),
        kind: order_line::Kind::Fee.into(),
        title,
        gross: amount(object, "value", catalog),
        ..of_event(object, catalog, locale)
    }
}

fn fee_title(kind: &str) -> &'static str {
    match kind {
        "payment" => "Payment fee",
        "shipping" => "Shipping",
        "service" => "Service fee",
        "cancellation" => "Cancellation fee",
        "insurance" => "Insurance",
        "late" => "Late fee",
        "giftcard" => "Gift card",
        _ => "Fee",
    }
}

/// What all lines of an order share.
fn of_event(object: &Object<'_>, catalog: &Catalog, locale: &str) -> OrderLine {
    OrderLine {
        event: format!("events/{}", catalog.slug),
        event_start_time: Some(time::to_proto(catalog.start)),
        event_end_time: catalog.end.map(time::to_proto),
        event_time_zone: catalog.time_zone.clone(),
        place: catalog.place(locale),
        quantity: 1,
        tax: amount(object, "tax_value", catalog),
        ..OrderLine::default()
    }
}

/// The amount in a decimal text.
pub(super) fn read_amount(
    object: &Object<'_>,
    key: &'static str,
    catalog: &Catalog,
) -> Option<Money> {
    let text = object.text(key);
    let money = Money::parse_decimal(catalog.currency, &text);
    money.map_err(|error| object.report(key, describe_amount(&text, &error))).ok()
}

fn amount(object: &Object<'_>, key: &'static str, catalog: &Catalog) -> Option<common::Money> {
    read_amount(object, key, catalog).map(money::to_proto)
}
