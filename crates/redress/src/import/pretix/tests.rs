use std::collections::{BTreeMap, BTreeSet};

use redress_proto::refunds::v1::order_line::Kind;
use redress_proto::refunds::v1::payment::Tender;
use redress_proto::refunds::v1::{Order, order};
use tempfile::TempDir;

use super::*;

const DATA: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/data/pretix");

fn all(folder: &Path) -> Vec<Record> {
    orders(folder).unwrap().collect()
}

fn real() -> Vec<(Origin, Order)> {
    all(Path::new(DATA)).into_iter().map(Result::unwrap).collect()
}

/// A copy of the match's files with one of them changed.
fn with(file: &str, change: impl Fn(Vec<u8>) -> Vec<u8>) -> TempDir {
    let folder = tempfile::tempdir().unwrap();
    for entry in fs::read_dir(DATA).unwrap() {
        let entry = entry.unwrap();
        let name = entry.file_name().into_string().unwrap();
        let bytes = fs::read(entry.path()).unwrap();
        let bytes = if name == file { change(bytes) } else { bytes };
        if name.starts_with("city-derby") {
            fs::write(folder.path().join(name), bytes).unwrap();
        }
    }
    folder
}

fn replace(from: &'static str, to: &'static str) -> impl Fn(Vec<u8>) -> Vec<u8> {
    move |bytes| {
        let text = String::from_utf8(bytes).unwrap();
        assert!(text.contains(from), "{from}");
        text.replacen(from, to, 1).into_bytes()
    }
}

/// How many orders are good, and what is wrong with the others.
fn outcome(folder: &TempDir) -> (usize, Vec<String>) {
    let records = all(folder.path());
    let good = records.iter().filter(|record| record.is_ok()).count();
    (good, records.into_iter().filter_map(Result::err).map(|p| p.to_string()).collect())
}

fn units(money: Option<&redress_proto::common::v1::Money>) -> i64 {
    money.unwrap().minor_units
}

/// Orders; total, tax, captured and refunded in minor units; lines; cancelled orders.
const EUR: [i64; 7] = [240, 4_375_402, 698_664, 4_289_149, 287_189, 678, 8];
const CNY: [i64; 7] = [120, 13_114_358, 742_319, 12_646_088, 398_910, 336, 4];

// The figures above were added up from the files by another program.
#[test]
fn every_order_is_read_and_the_sums_are_those_of_the_files() {
    let mut sums = BTreeMap::new();
    for (_, order) in real() {
        let total = order.total.as_ref().unwrap();
        let sum: &mut [i64; 7] = sums.entry(total.currency_code.clone()).or_default();
        let elsewhere =
            |p: &redress_proto::refunds::v1::Payment| units(p.refunded_elsewhere.as_ref());
        for (at, figure) in [
            1,
            total.minor_units,
            order.lines.iter().map(|line| units(line.tax.as_ref())).sum(),
            order.payments.iter().map(|p| units(p.captured.as_ref())).sum(),
            order.payments.iter().map(elsewhere).sum(),
            i64::try_from(order.lines.len()).unwrap(),
            i64::from(order.state() == order::State::Cancelled),
        ]
        .into_iter()
        .enumerate()
        {
            sum[at] += figure;
        }
    }
    assert_eq!(sums, BTreeMap::from([("CNY".to_owned(), CNY), ("EUR".to_owned(), EUR)]));
}

#[test]
fn payments_are_mapped_by_provider_and_tender() {
    let mut counts = BTreeMap::new();
    for (_, order) in real() {
        for payment in &order.payments {
            let has_reference = payment.provider_reference.starts_with("pi_");
            assert_eq!(has_reference, payment.provider == "stripe", "{}", order.name);
            *counts.entry((payment.provider.clone(), payment.tender())).or_default() += 1;
        }
    }
    let key = |provider: &str, tender| (provider.to_owned(), tender);
    let expected: BTreeMap<_, usize> = BTreeMap::from([
        (key("stripe", Tender::Card), 259),
        (key("stripe", Tender::Wallet), 45),
        (key("giftcard", Tender::GiftCard), 31),
        (key("banktransfer", Tender::BankTransfer), 35),
    ]);
    assert_eq!(counts, expected);
}

#[test]
fn one_order_is_mapped_field_by_field() {
    let (origin, order) = real().remove(0);
    assert_eq!(origin.to_string(), "city-derby.orders.1.json, order 1 (ZQR3T)");
    assert_eq!(order.name, "orders/city-derby-ZQR3T");
    assert_eq!(order.customer, "customers/city-derby-ZQR3T");
    assert_eq!(order.source_version, 1_795_298_673_456_633);
    assert_eq!(order.state(), order::State::Placed);
    let contact = order.contact.unwrap();
    assert_eq!((contact.email.as_str(), contact.locale.as_str()), ("buyer0@example.org", "de"));
    let lines: Vec<_> = order
        .lines
        .iter()
        .map(|l| {
            (l.line_id.as_str(), l.title.as_str(), units(l.gross.as_ref()), units(l.tax.as_ref()))
        })
        .collect();
    assert_eq!(
        lines,
        [
            ("p1", "Main stand", 6200, 990),
            ("p2", "Family block", 1990, 318),
            ("p3", "Family block", 1990, 318),
            ("f1", "Postal delivery", 390, 62),
            ("f2", "Payment fee", 211, 34),
        ]
    );
    assert_eq!(order.lines[0].event, "events/city-derby");
    assert_eq!(order.lines[0].event_time_zone, "Europe/Berlin");
    assert_eq!(order.lines[0].event_start_time.unwrap().to_string(), "2026-12-19T14:30:00Z");
    assert_eq!(order.lines[0].quantity, 1);
    assert_eq!((order.lines[0].place.as_str(), order.lines[0].event_end_time), ("", None));
    assert_eq!((order.lines[0].kind(), order.lines[0].discount.as_ref()), (Kind::Ticket, None));
    assert_eq!((order.lines[3].kind(), order.lines[3].traveller_ids.len()), (Kind::Fee, 0));
    assert_eq!(order.sales_channel, "web");
    assert_eq!(order.travellers.len(), 3);
    assert!(!order.travellers[0].display_name.is_empty());
    for (line, traveller) in order.lines.iter().zip(&order.travellers) {
        assert_eq!(line.traveller_ids, [traveller.traveller_id.as_str()]);
    }
    assert_eq!(order.payments[0].payment_id, "P-1");
    assert_eq!(order.payments[0].provider_reference, "pi_cityderby00000");
}

#[test]
fn what_lets_nobody_in_is_an_extra() {
    let mut kinds: BTreeMap<_, BTreeSet<i32>> = BTreeMap::new();
    for (_, order) in real() {
        for line in order.lines {
            kinds.entry(line.title.clone()).or_default().insert(line.kind);
        }
    }
    let extras: Vec<_> = kinds
        .iter()
        .filter(|(_, kinds)| kinds.contains(&Kind::Ancillary.into()))
        .map(|(title, kinds)| (title.as_str(), kinds.len()))
        .collect();
    assert_eq!(extras, [("Parking", 1)]);
    assert_eq!(kinds["Main stand"], BTreeSet::from([Kind::Ticket.into()]));
}

#[test]
fn seats_vouchers_and_positions_without_a_name_are_mapped() {
    let page = "city-derby.orders.1.json";
    let first =
        |change: fn(Vec<u8>) -> Vec<u8>| all(with(page, change).path()).remove(0).unwrap().1;
    let seated = first(|b| put(b, b"\"seat\": null", b"\"seat\": {\"name\": \"A-1\"}"));
    assert_eq!(seated.lines[0].kind(), Kind::Seat);
    let cheaper = first(|bytes| {
        put(bytes, b"\"voucher_budget_use\": null", b"\"voucher_budget_use\": \"5.00\"")
    });
    assert_eq!(units(cheaper.lines[0].discount.as_ref()), 500);
    let nameless = first(|bytes| {
        put(bytes, b"\"attendee_name\": \"", b"\"attendee_name\": null, \"was\": \"")
    });
    assert_eq!(nameless.travellers.len(), 2);
    assert!(nameless.lines[0].traveller_ids.is_empty());
}

#[test]
fn an_event_tells_where_it_is_and_when_it_ends() {
    let folder = with("city-derby.event.json", |bytes| {
        let place = r#""location": {"en": "Stadium\nGate 3", "de": "Stadion\n\nTor 3"}"#;
        let bytes = put(bytes, br#""location": null"#, place.as_bytes());
        put(bytes, br#""date_to": null"#, br#""date_to": "2026-12-19T16:30:00Z""#)
    });
    let order = all(folder.path()).remove(0).unwrap().1;
    for line in &order.lines {
        assert_eq!(line.place, "Stadion, Tor 3");
        assert_eq!(line.event_end_time.unwrap().to_string(), "2026-12-19T16:30:00Z");
    }
}

#[test]
fn an_earlier_refund_counts_against_its_payment() {
    let orders = real();
    let (_, order) = orders.iter().find(|(_, o)| o.name == "orders/city-derby-DTU9D").unwrap();
    let payment = &order.payments[0];
    assert_eq!(units(order.total.as_ref()), 800);
    assert_eq!(units(payment.captured.as_ref()), 2790);
    assert_eq!(units(payment.refunded_elsewhere.as_ref()), 1990);
}

#[test]
fn a_title_comes_in_the_language_of_the_order() {
    let folder = with(
        "city-derby.items.json",
        replace(r#"{"en": "Main stand"}"#, r#"{"en": "Main stand", "de": "Haupttribüne"}"#),
    );
    let first = all(folder.path()).remove(0).unwrap().1;
    assert_eq!(first.lines[0].title, "Haupttribüne");
}

#[test]
fn a_bad_order_is_named_and_the_rest_imported() {
    let page = "city-derby.orders.1.json";
    let cases = [
        (
            r#""price": "62.00""#,
            r#""price": "61.00""#,
            "total.minor_units: lines sum to 10681 but total is 10781",
        ),
        (
            r#""price": "62.00""#,
            r#""price": "-62.00""#,
            "lines[0].gross.minor_units: must be between 0",
        ),
        (
            r#""price": "62.00""#,
            r#""price": 62.00"#,
            "positions[0].price: expected a text, found the number 62",
        ),
        (
            r#""price": "62.00""#,
            r#""price": "9999999999999""#,
            "positions[0].price: amount is outside the range",
        ),
        (
            r#""item": 2"#,
            r#""item": 99"#,
            "positions[0].item: item 99 or its variation is not on the item list",
        ),
        (r#""subevent": null"#, r#""subevent": 4"#, "positions[0].subevent: "),
        (r#""status": "p""#, r#""status": "x""#, "status: expected one of n, p, e, c"),
        (r#""state": "confirmed""#, r#""state": "maybe""#, "payments[0].state: expected one of"),
        (
            r#""datetime": "2026-10-01T08:00:00Z""#,
            r#""datetime": "01.10.2026""#,
            "datetime: expected an RFC 3339 time",
        ),
        (r#""testmode": false"#, r#""testmode": true"#, "testmode: a test order is not imported"),
        (r#""id": "pi_cityderby00000", "#, "", "payments[0].details.id: a payment by Stripe needs"),
    ];
    for (from, to, expected) in cases {
        let (good, problems) = outcome(&with(page, replace(from, to)));
        assert_eq!((good, problems.len()), (239, 1), "{problems:?}");
        let expected = format!("{page}, order 1 (ZQR3T): {expected}");
        assert!(problems[0].starts_with(&expected), "{}", problems[0]);
    }
}

#[test]
fn a_tender_that_cannot_be_told_is_reported() {
    let change = |bytes: Vec<u8>| {
        let text = String::from_utf8(bytes).unwrap();
        let payments = text.find(r#""payments""#).unwrap();
        let (head, tail) = text.split_at(payments);
        let tail = tail.replacen(r#""provider": "stripe""#, r#""provider": "boxoffice""#, 1);
        let tail = tail.replacen(r#", "payment_method": "card""#, "", 1);
        format!("{head}{tail}").into_bytes()
    };
    let (good, problems) = outcome(&with("city-derby.orders.1.json", change));
    assert_eq!(good, 239);
    assert!(
        problems[0].contains("payments[0].provider: does not tell by which tender"),
        "{problems:?}"
    );
}

#[test]
fn a_refund_without_its_payment_is_reported() {
    for (to, expected) in [
        (r#""payment": null"#, "refunds[0].payment: a refund that belongs to no payment"),
        (r#""payment": 9"#, "refunds[0].payment: payment 9 is not among those"),
    ] {
        let change = replace(r#""payment": 1"#, to);
        let (good, problems) = outcome(&with("city-derby.orders.1.json", change));
        assert_eq!(good, 239);
        assert!(problems[0].contains(expected), "{problems:?}");
    }
}

#[test]
fn a_truncated_page_gives_the_orders_before_its_end_and_tells_what_is_missing() {
    let page = "city-derby.orders.2.json";
    let (good, problems) = outcome(&with(page, |mut bytes| {
        bytes.truncate(bytes.len() / 2);
        bytes
    }));
    assert!((200..240).contains(&good), "{good}");
    let read = good - 190;
    assert_eq!(
        problems,
        [
            format!(
                "{page}: the file is truncated: it ends at byte offset 77172; {read} orders before that were read"
            ),
            format!("city-derby.orders: pretix announced 240 orders, the pages hold {good}"),
        ]
    );
}

#[test]
fn a_missing_page_is_told() {
    let folder = with("", |bytes| bytes);
    fs::remove_file(folder.path().join("city-derby.orders.3.json")).unwrap();
    let (good, problems) = outcome(&folder);
    assert_eq!(good, 190);
    assert_eq!(problems, ["city-derby.orders: pretix announced 240 orders, the pages hold 190"]);
}

#[test]
fn an_order_that_is_no_text_or_no_json_or_too_long_costs_only_itself() {
    let page = "city-derby.orders.1.json";
    let cases: [(Change, &str); 3] = [
        (|bytes| put(bytes, b"buyer0@", b"buyer\xff@"), "invalid UTF-8 at byte offset"),
        (|bytes| put(bytes, b"\"status\": ", b"\"status\"  "), "not valid JSON: expected `:`"),
        (
            |bytes| {
                put(
                    bytes,
                    b"\"phone\": null",
                    format!("\"phone\": \"{}\"", "5".repeat(2 * MAX_RECORD_BYTES)).as_bytes(),
                )
            },
            "the order has 2",
        ),
    ];
    for (change, expected) in cases {
        let (good, problems) = outcome(&with(page, change));
        assert_eq!((good, problems.len()), (239, 1), "{problems:?}");
        assert!(problems[0].starts_with(&format!("{page}, order 1: {expected}")), "{problems:?}");
    }
}

type Change = fn(Vec<u8>) -> Vec<u8>;

fn put(mut bytes: Vec<u8>, from: &[u8], to: &[u8]) -> Vec<u8> {
    let at = bytes.windows(from.len()).position(|window| window == from).unwrap();
    bytes.splice(at..at + from.len(), to.iter().copied());
    bytes
}

#[test]
fn a_bad_event_yields_no_orders() {
    let cases = [
        (r#""EUR""#, r#""XXX""#, "currency: expected an upper-case ISO 4217 code"),
        ("Europe/Berlin", "Europe/Atlantis", "timezone: expected a zone of the IANA database"),
        ("2026-12-19T14:30:00Z", "soon", "date_from: expected an RFC 3339 time"),
        (r#""has_subevents": false"#, r#""has_subevents": true"#, "has_subevents: an event series"),
    ];
    for (from, to, expected) in cases {
        let change =
            move |bytes: Vec<u8>| String::from_utf8(bytes).unwrap().replace(from, to).into_bytes();
        let (good, problems) = outcome(&with("city-derby.event.json", change));
        assert_eq!(good, 0);
        assert!(
            problems[0].starts_with(&format!("city-derby.event.json: {expected}")),
            "{problems:?}"
        );
    }
}

#[test]
fn a_folder_that_is_none_or_holds_no_export_is_refused() {
    let empty = tempfile::tempdir().unwrap();
    let Err(problem) = orders(empty.path()).map(drop) else { panic!() };
    assert!(problem.to_string().contains("holds no EVENT.event.json"), "{problem}");
    let Err(problem) = orders(&empty.path().join("absent")).map(drop) else { panic!() };
    assert!(problem.to_string().starts_with("absent: cannot read the folder"), "{problem}");
}
