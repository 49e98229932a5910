//! JSON Lines: one order a line, in the shape of `docs/import.schema.json`.
//!
//! Invariant: a line is imported whole or not at all, and a bad one does not cost the next.

use std::io::BufRead;

use redress_api::time::to_proto;
use redress_proto::common::v1::Money;
use redress_proto::refunds::v1::{
    Contact, Discount, DiscountStep, Order, OrderLine, Payment, Traveller, order, order_line,
    payment,
};
use serde_json::Value;

use super::fields::Object;
use super::lines::{Line, Lines};
use super::names;
use super::record::{ImportProblem, Origin, Record, Violations};

/// The orders of a JSON Lines file; `file` is its name in messages. Empty lines are skipped.
pub fn orders<R: BufRead>(file: String, reader: R) -> impl Iterator<Item = Record> {
    Lines::new(reader).filter_map(move |line| read_line(&file, line))
}

fn read_line(file: &str, line: Line) -> Option<Record> {
    let origin = Origin::line(file, line.number);
    let text = match line.content {
        Err(reason) => return Some(Err(ImportProblem::whole(origin, reason))),
        Ok(text) if text.trim().is_empty() => return None,
        Ok(text) => text,
    };
    // A byte order mark may stand at the start of a file.
    let text = text.trim_start_matches('\u{feff}');
    Some(match serde_json::from_str::<Value>(text) {
        Ok(value) => read_order(origin, &value),
        Err(error) if error.is_eof() && !line.ended => {
            Err(ImportProblem::whole(origin, "the file is truncated: it ends within this line"))
        }
        Err(error) => Err(ImportProblem::whole(origin, describe(&error))),
    })
}

/// Says where a text stops being JSON; the parser's own words name no content.
pub(crate) fn describe(error: &serde_json::Error) -> String {
    let text = error.to_string();
    let reason = text.split(" at line ").next().unwrap_or_default();
    format!("not valid JSON: {reason} at byte {}", error.column())
}

fn read_order(origin: Origin, value: &Value) -> Record {
    let violations = Violations::default();
    let order = Object::root(value, &violations).map(|root| {
        let order = Order {
            name: root.text("name"),
            source_version: root.integer("source_version"),
            customer: root.text("customer"),
            contact: root.object("contact").map(|contact| read_contact(&contact)),
            purchase_time: Some(to_proto(root.time("purchase_time"))),
            state: one_of(&root, "state", order::State::from_str_name, names::STATES),
            policy: root.text_or_empty("policy"),
            lines: root.objects("lines").iter().map(read_order_line).collect(),
            payments: root.objects("payments").iter().map(read_payment).collect(),
            total: read_money(&root, "total"),
            policy_version: root.integer_if_any("policy_version").unwrap_or_default(),
            sales_channel: root.text_or_empty("sales_channel"),
            place_of_sale: root.text_or_empty("place_of_sale"),
            travellers: root.objects_if_any("travellers").iter().map(read_traveller).collect(),
            discounts: root.objects_if_any("discounts").iter().map(read_discount).collect(),
        };
        root.refuse_unknown_fields();
        order
    });
    violations.conclude(origin, order.unwrap_or_default())
}

fn read_contact(object: &Object<'_>) -> Contact {
    let contact = Contact {
        email: object.text_or_empty("email"),
        display_name: object.text_or_empty("display_name"),
        locale: object.text_or_empty("locale"),
    };
    object.refuse_unknown_fields();
    contact
}

fn read_traveller(object: &Object<'_>) -> Traveller {
    let traveller = Traveller {
        traveller_id: object.text("traveller_id"),
        display_name: object.text_or_empty("display_name"),
    };
    object.refuse_unknown_fields();
    traveller
}

fn read_discount(object: &Object<'_>) -> Discount {
    let step = |step: &Object<'_>| {
        let read = DiscountStep {
            min_units: step.small_or_zero("min_units"),
            basis_points: step.small_or_zero("basis_points"),
        };
        step.refuse_unknown_fields();
        read
    };
    let discount = Discount {
        discount_id: object.text("discount_id"),
        steps: object.objects("steps").iter().map(step).collect(),
    };
    object.refuse_unknown_fields();
    discount
}

fn read_order_line(object: &Object<'_>) -> OrderLine {
    let line = OrderLine {
        line_id: object.text("line_id"),
        kind: one_of(object, "kind", order_line::Kind::from_str_name, names::KINDS),
        event: object.text("event"),
        title: object.text_or_empty("title"),
        event_start_time: Some(to_proto(object.time("event_start_time"))),
        event_time_zone: object.text("event_time_zone"),
        gross: read_money(object, "gross"),
        tax: read_money(object, "tax"),
        quantity: object.small_or_zero("quantity"),
        place: object.text_or_empty("place"),
        section: object.text_or_empty("section"),
        carrier: object.text_or_empty("carrier"),
        trip: object.text_or_empty("trip"),
        discount: object.object_if_any("discount").as_ref().map(money),
        discount_id: object.text_or_empty("discount_id"),
        traveller_ids: object.texts_if_any("traveller_ids"),
        event_end_time: object.time_if_any("event_end_time").map(to_proto),
        over_refunded: false,
    };
    object.refuse_unknown_fields();
    line
}

fn read_payment(object: &Object<'_>) -> Payment {
    let payment = Payment {
        payment_id: object.text("payment_id"),
        tender: one_of(object, "tender", payment::Tender::from_str_name, names::TENDERS),
        provider: object.text("provider"),
        provider_reference: object.text_or_empty("provider_reference"),
        captured: read_money(object, "captured"),
        refunded_elsewhere: read_money(object, "refunded_elsewhere"),
        capture_time: Some(to_proto(object.time("capture_time"))),
        overdrawn: false,
        points: object.integer_if_any("points").unwrap_or_default(),
    };
    object.refuse_unknown_fields();
    payment
}

fn read_money(object: &Object<'_>, key: &'static str) -> Option<Money> {
    object.object(key).as_ref().map(money)
}

fn money(object: &Object<'_>) -> Money {
    let money = Money {
        currency_code: object.text("currency_code"),
        minor_units: object.integer("minor_units"),
    };
    object.refuse_unknown_fields();
    money
}

/// The number of a named value; 0, and reported, when the name is none of `names`.
fn one_of<E: Into<i32>>(
    object: &Object<'_>,
    key: &'static str,
    read: impl Fn(&str) -> Option<E>,
    names: &str,
) -> i32 {
    let text = object.text(key);
    match read(&text).map(Into::into) {
        Some(number) if number != 0 => number,
        _ => {
            if !text.is_empty() {
                object.report(key, format!("expected one of {names}"));
            }
            0
        }
    }
}

#[cfg(test)]
#[path = "jsonl_tests.rs"]
mod tests;
