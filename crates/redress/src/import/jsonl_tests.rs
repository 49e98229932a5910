use serde_json::json;

use super::*;
use crate::import::record::MAX_RECORD_BYTES;
use crate::import::sample::Sample;

fn line() -> Value {
    json!({
        "name": "orders/A1",
        "source_version": 7,
        "customer": "customers/c1",
        "contact": {"email": "buyer0@example.org", "locale": "zh-hans"},
        "purchase_time": "2026-10-01T08:00:00Z",
        "state": "PLACED",
        "lines": [{
            "line_id": "p1",
            "kind": "TICKET",
            "event": "events/derby",
            "title": "Main stand",
            "event_start_time": "2026-12-19T15:30:00+01:00",
            "event_time_zone": "Europe/Berlin",
            "gross": {"currency_code": "EUR", "minor_units": 6200},
            "tax": {"currency_code": "EUR", "minor_units": 990},
        }],
        "payments": [{
            "payment_id": "P-1",
            "tender": "CARD",
            "provider": "stripe",
            "provider_reference": "pi_1",
            "captured": {"currency_code": "EUR", "minor_units": 6200},
            "refunded_elsewhere": {"currency_code": "EUR", "minor_units": 0},
            "capture_time": "2026-10-01T08:00:05Z",
        }],
        "total": {"currency_code": "EUR", "minor_units": 6200},
    })
}

/// Fills in what a line may leave out.
fn add_details(order: &mut Value) {
    order["policy"] = json!("policies/p");
    order["policy_version"] = json!(3);
    order["sales_channel"] = json!("web");
    order["place_of_sale"] = json!("US-CA");
    order["travellers"] = json!([{"traveller_id": "a1", "display_name": "Jane Doe"}]);
    let steps = json!([{"min_units": 10, "basis_points": 500}]);
    order["discounts"] = json!([{"discount_id": "group", "steps": steps}]);
    let line = &mut order["lines"][0];
    line["kind"] = json!("RAIL_LEG");
    line["quantity"] = json!(10);
    line["place"] = json!("Berlin Hbf");
    line["section"] = json!("Coach 7");
    line["carrier"] = json!("DB");
    line["trip"] = json!("trips/t-5");
    line["discount"] = json!({"currency_code": "EUR", "minor_units": 326});
    line["discount_id"] = json!("group");
    line["traveller_ids"] = json!(["a1"]);
    line["event_end_time"] = json!("2026-12-19T19:02:00+01:00");
    order["payments"][0]["tender"] = json!("POINTS");
    order["payments"][0]["points"] = json!(57_000);
}

fn read(text: &[u8]) -> Vec<Record> {
    orders("orders.jsonl".to_owned(), text).collect()
}

/// The problem of a file of one bad line, as a person reads it.
fn problem(line: &Value) -> String {
    let text = format!("{line}\n");
    read(text.as_bytes()).remove(0).unwrap_err().to_string()
}

/// The problem after `value` was put at `pointer`.
fn problem_with(pointer: &str, value: Value) -> String {
    let mut line = line();
    *line.pointer_mut(pointer).unwrap() = value;
    problem(&line)
}

#[test]
fn a_good_line_becomes_an_order() {
    let records = read(format!("\u{feff}{}\n\n", line()).as_bytes());
    let [Ok((origin, order))] = records.as_slice() else { panic!("{records:?}") };
    assert_eq!(origin.to_string(), "orders.jsonl:1");
    assert_eq!((order.name.as_str(), order.source_version), ("orders/A1", 7));
    assert_eq!(order.lines[0].event_start_time.unwrap().seconds, 1_797_690_600);
    assert_eq!(order.payments[0].captured.as_ref().unwrap().minor_units, 6200);
}

#[test]
fn what_a_line_may_leave_out_is_read() {
    let mut full = line();
    add_details(&mut full);
    let (_, order) = read(format!("{full}\n").as_bytes()).remove(0).unwrap();
    assert_eq!((order.policy_version, order.sales_channel.as_str()), (3, "web"));
    assert_eq!(order.place_of_sale, "US-CA");
    let traveller = &order.travellers[0];
    assert_eq!((traveller.traveller_id.as_str(), &*traveller.display_name), ("a1", "Jane Doe"));
    assert_eq!(order.discounts[0].discount_id, "group");
    assert_eq!(order.discounts[0].steps, [DiscountStep { min_units: 10, basis_points: 500 }]);
    let line = &order.lines[0];
    assert_eq!((line.kind(), line.quantity), (order_line::Kind::RailLeg, 10));
    assert_eq!((line.place.as_str(), line.trip.as_str()), ("Berlin Hbf", "trips/t-5"));
    assert_eq!((line.section.as_str(), line.carrier.as_str()), ("Coach 7", "DB"));
    assert_eq!(line.discount.as_ref().unwrap().minor_units, 326);
    assert_eq!(
        (line.discount_id.as_str(), &line.traveller_ids[..]),
        ("group", &["a1".to_owned()][..])
    );
    assert_eq!(line.event_end_time.unwrap().to_string(), "2026-12-19T18:02:00Z");
    let payment = &order.payments[0];
    assert_eq!((payment.tender(), payment.points), (payment::Tender::Points, 57_000));
}

#[test]
fn details_that_are_wrong_are_named() {
    let cases = [
        ("/lines/0/quantity", json!(10_001), "lines[0].quantity: "),
        ("/lines/0/quantity", json!(3_000_000_000_i64), "lines[0].quantity: expected a small"),
        ("/lines/0/traveller_ids/0", json!("a2"), "lines[0].traveller_ids[0]: is none of"),
        ("/lines/0/traveller_ids/0", json!(1), "lines[0].traveller_ids[0]: expected a text"),
        ("/lines/0/traveller_ids", json!("a1"), "lines[0].traveller_ids: expected a list"),
        ("/lines/0/discount_id", json!("family"), "lines[0].discount_id: is none of"),
        (
            "/lines/0/discount/minor_units",
            json!(-1),
            "lines[0].discount.minor_units: must be between 0",
        ),
        ("/lines/0/section", json!("x".repeat(101)), "lines[0].section: "),
        ("/lines/0/carrier", json!("x".repeat(101)), "lines[0].carrier: "),
        ("/lines/0/carrier", json!(7), "lines[0].carrier: expected a text"),
        ("/lines/0/trip", json!("t-5"), "lines[0].trip: "),
        ("/payments/0/tender", json!("CARD"), "payments[0].points: must be 0"),
        ("/discounts/0/steps", json!([]), "discounts[0].steps: "),
        ("/discounts/0/steps/0/basis_points", json!(10_001), "discounts[0].steps[0].basis_points"),
        ("/discounts/0/steps/0/colour", json!(1), "discounts[0].steps[0].colour: unknown field"),
        ("/travellers", json!({}), "travellers: expected a list"),
        (
            "/travellers",
            json!([{"traveller_id": "a1"}, {"traveller_id": "a1"}]),
            "travellers[1].traveller_id: is used by an earlier traveller",
        ),
    ];
    for (pointer, value, expected) in cases {
        let mut full = line();
        add_details(&mut full);
        let (parent, key) = pointer.rsplit_once('/').unwrap();
        let parent = full.pointer_mut(parent).unwrap();
        match key.parse::<usize>() {
            Ok(at) => parent[at] = value,
            Err(_) => parent[key] = value,
        }
        let text = problem(&full);
        assert!(text.starts_with(&format!("orders.jsonl:1: {expected}")), "{pointer}: {text}");
        assert!(!text.contains("Doe"), "{text}");
    }
}

#[test]
fn an_unknown_field_is_named_with_its_path() {
    for (pointer, field) in [
        ("", "colour"),
        ("/lines/0", "lines[0].colour"),
        ("/lines/0/gross", "lines[0].gross.colour"),
    ] {
        let mut line = line();
        line.pointer_mut(pointer).unwrap()["colour"] = json!("red");
        let text = problem(&line);
        assert!(text.starts_with(&format!("orders.jsonl:1: {field}: unknown field")), "{text}");
    }
}

#[test]
fn bad_values_are_named_with_field_and_shape() {
    let cases = [
        ("/total/currency_code", json!("XXX"), "total.currency_code: unknown currency"),
        ("/total/currency_code", json!("eur"), "total.currency_code: "),
        (
            "/total/minor_units",
            json!(62.5),
            "total.minor_units: expected a whole number, found the number 62.5",
        ),
        (
            "/total/minor_units",
            json!("6200"),
            "total.minor_units: expected a whole number, found \"6200\"",
        ),
        (
            "/total/minor_units",
            json!(6300),
            "total.minor_units: lines sum to 6200 but total is 6300",
        ),
        (
            "/lines/0/gross/minor_units",
            json!(-1),
            "lines[0].gross.minor_units: must be between 0 and 1000000000000, is -1",
        ),
        (
            "/lines/0/gross/minor_units",
            json!(1_000_000_000_001_i64),
            "lines[0].gross.minor_units: ",
        ),
        (
            "/lines/0/gross/currency_code",
            json!("USD"),
            "lines[0].gross.currency_code: must be the order's currency EUR, is USD",
        ),
        (
            "/lines/0/tax/minor_units",
            json!(6201),
            "lines[0].tax.minor_units: must not exceed the gross of 6200",
        ),
        (
            "/lines/0/event_time_zone",
            json!("Europe/Atlantis"),
            "lines[0].event_time_zone: is not a zone",
        ),
        (
            "/lines/0/event_start_time",
            json!("2026-02-30T08:00:00Z"),
            "lines[0].event_start_time: is a date or time that does not exist",
        ),
        ("/purchase_time", json!("yesterday"), "purchase_time: expected an RFC 3339 time"),
        ("/state", json!("OPEN"), "state: expected one of PLACED, CANCELLED, WAITING_LIST"),
        (
            "/state",
            json!("STATE_UNSPECIFIED"),
            "state: expected one of PLACED, CANCELLED, WAITING_LIST",
        ),
        ("/lines/0/kind", json!("STANDING"), "lines[0].kind: expected one of TICKET, FEE"),
        ("/payments/0/tender", json!("CASH"), "payments[0].tender: expected one of CARD"),
        (
            "/payments/0/captured/minor_units",
            json!(0),
            "payments[0].captured.minor_units: must be between 1 and",
        ),
        ("/payments/0", json!(null), "payments[0]: expected an object, found null"),
        ("/lines", json!({}), "lines: expected a list, found an object"),
        ("/name", json!("A1"), "name: "),
        ("/customer", json!(null), "customer: value is required"),
        ("/source_version", json!(-1), "source_version: "),
    ];
    for (pointer, value, expected) in cases {
        let text = problem_with(pointer, value);
        assert!(text.starts_with(&format!("orders.jsonl:1: {expected}")), "{pointer}: {text}");
    }
}

#[test]
fn all_faults_of_a_line_come_at_once() {
    let mut bad = line();
    bad["state"] = json!("OPEN");
    bad["lines"][0]["kind"] = json!(5);
    bad["lines"][0]["gross"]["minor_units"] = json!(true);
    let [Err(problem)] = &read(format!("{bad}\n").as_bytes())[..] else { panic!() };
    let fields: Vec<_> = problem.violations.iter().map(|v| v.field.as_str()).collect();
    assert_eq!(fields, ["state", "lines[0].kind", "lines[0].gross.minor_units"]);
}

#[test]
fn problems_never_repeat_personal_data() {
    let cases = [
        ("/contact/email", json!("Jane Doe, Main Street 5")),
        ("/contact/locale", json!("Jane Doe")),
        ("/total/minor_units", json!("Jane Doe")),
        ("/purchase_time", json!("Jane Doe")),
        ("/name", json!("orders/Jane Doe")),
        ("/lines/0/event_time_zone", json!("Jane Doe")),
        ("/total/currency_code", json!("Jane Doe")),
        ("/payments/0/provider", json!("Jane Doe")),
    ];
    for (pointer, value) in cases {
        let text = problem_with(pointer, value);
        assert!(!text.contains("Jane"), "{pointer}: {text}");
    }
}

#[test]
fn a_bad_line_does_not_cost_the_next() {
    let good = line();
    let text = format!("{good}\n{{\"name\": \n[1]\n{good}\n");
    let records = read(text.as_bytes());
    let problems: Vec<_> =
        records.iter().filter_map(|r| r.as_ref().err()).map(ToString::to_string).collect();
    assert_eq!(
        problems,
        [
            "orders.jsonl:2: not valid JSON: EOF while parsing a value at byte 9",
            "orders.jsonl:3: expected an object, found a list of 1",
        ]
    );
    assert!(records[0].is_ok() && records[3].is_ok());
}

#[test]
fn a_truncated_file_gives_what_stands_before_its_end() {
    let text = format!("{}\n{}\n", line(), line());
    let records = read(&text.as_bytes()[..text.len() - 20]);
    assert!(records[0].is_ok());
    let text = records[1].as_ref().unwrap_err().to_string();
    assert_eq!(text, "orders.jsonl:2: the file is truncated: it ends within this line");
}

#[test]
fn a_hundred_megabytes_in_one_line_are_refused_without_being_held() {
    use std::io::{BufReader, Read as _};
    let (good, good_too) = (format!("{}\n", line()), format!("\n{}\n", line()));
    let long = std::io::repeat(b'x').take(100 * 1024 * 1024);
    let file = good.as_bytes().chain(long).chain(good_too.as_bytes());
    let records: Vec<_> = orders("orders.jsonl".to_owned(), BufReader::new(file)).collect();
    let text = records[1].as_ref().unwrap_err().to_string();
    assert!(text.starts_with("orders.jsonl:2: the line has 104857601 bytes"), "{text}");
    assert!(text.contains(&MAX_RECORD_BYTES.to_string()), "{text}");
    assert!(records[0].is_ok() && records[2].is_ok());
}

#[test]
fn invalid_utf_8_is_refused_by_its_place() {
    let mut text = format!("{}\n", line()).into_bytes();
    let first = text.len();
    text.extend(b"{\"name\": \"\xff\"}\n");
    text.extend(format!("{}\n", line()).as_bytes());
    let records = read(&text);
    let problem = records[1].as_ref().unwrap_err().to_string();
    assert_eq!(problem, format!("orders.jsonl:2: invalid UTF-8 at byte offset {}", first + 10));
    assert!(records[2].is_ok());
}

#[test]
fn the_schema_names_the_fields_that_the_reader_knows() {
    let schema: Value =
        serde_json::from_str(include_str!("../../../../docs/import.schema.json")).unwrap();
    let names = |value: &Value| -> Vec<String> {
        let mut names: Vec<_> = value.as_object().unwrap().keys().cloned().collect();
        names.sort();
        names
    };
    let mut full = line();
    full["contact"]["display_name"] = json!("");
    add_details(&mut full);
    assert_eq!(names(&schema["properties"]), names(&full));
    for (definition, pointer) in [
        ("contact", "/contact"),
        ("line", "/lines/0"),
        ("payment", "/payments/0"),
        ("traveller", "/travellers/0"),
        ("discount", "/discounts/0"),
        ("step", "/discounts/0/steps/0"),
        ("money", "/total"),
    ] {
        let properties = &schema["$defs"][definition]["properties"];
        assert_eq!(names(properties), names(full.pointer(pointer).unwrap()), "{definition}");
    }
}

#[test]
fn the_sample_written_as_lines_reads_back_the_same() {
    let sample = Sample::load().unwrap();
    let mut text = String::new();
    for order in sample.orders() {
        text.push_str(&write(order).to_string());
        text.push('\n');
    }
    let orders: Vec<_> = read(text.as_bytes()).into_iter().map(|r| r.unwrap().1).collect();
    assert_eq!(orders, sample.orders());
}

fn write(order: &Order) -> Value {
    let money = |money: &Option<Money>| {
        let money = money.as_ref().unwrap();
        json!({"currency_code": money.currency_code, "minor_units": money.minor_units})
    };
    let time = |time: &Option<prost_types::Timestamp>| time.unwrap().to_string();
    let contact = order.contact.as_ref().unwrap();
    let line = |line: &OrderLine| {
        json!({
            "line_id": line.line_id, "kind": line.kind().as_str_name(), "event": line.event,
            "title": line.title, "event_start_time": time(&line.event_start_time),
            "event_time_zone": line.event_time_zone, "gross": money(&line.gross),
            "tax": money(&line.tax), "quantity": line.quantity, "place": line.place,
            "discount": line.discount.as_ref().map(|_| money(&line.discount)),
            "traveller_ids": line.traveller_ids,
        })
    };
    let payment = |payment: &Payment| {
        json!({
            "payment_id": payment.payment_id, "tender": payment.tender().as_str_name(),
            "provider": payment.provider, "provider_reference": payment.provider_reference,
            "captured": money(&payment.captured),
            "refunded_elsewhere": money(&payment.refunded_elsewhere),
            "capture_time": time(&payment.capture_time),
        })
    };
    let traveller = |traveller: &Traveller| json!({"traveller_id": traveller.traveller_id, "display_name": traveller.display_name});
    json!({
        "sales_channel": order.sales_channel,
        "travellers": order.travellers.iter().map(traveller).collect::<Vec<_>>(),
        "name": order.name, "source_version": order.source_version, "customer": order.customer,
        "contact": {"email": contact.email, "display_name": contact.display_name,
                    "locale": contact.locale},
        "purchase_time": time(&order.purchase_time), "state": order.state().as_str_name(),
        "policy": order.policy, "total": money(&order.total),
        "lines": order.lines.iter().map(line).collect::<Vec<_>>(),
        "payments": order.payments.iter().map(payment).collect::<Vec<_>>(),
    })
}
