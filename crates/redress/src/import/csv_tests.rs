use super::*;

const HEADER: &str = "name,source_version,customer,email,display_name,locale,purchase_time,state,\
                      policy,currency,total,line_id,line_kind,event,title,event_start_time,\
                      event_time_zone,gross,tax,payment_1_id,payment_1_tender,payment_1_provider,\
                      payment_1_reference,payment_1_captured,payment_1_refunded,payment_1_time";

const ORDER: &str =
    "customers/c1,buyer0@example.org,Jane Doe,de,2026-10-01T08:00:00Z,PLACED,,EUR,65.90";
const TICKET: &str =
    "p1,TICKET,events/derby,\"Main stand, row 5\",2026-12-19T14:30:00Z,Europe/Berlin,62.00,9.90";
const FEE: &str = "f1,FEE,events/derby,Shipping,2026-12-19T14:30:00Z,Europe/Berlin,3.9,0.62";
const PAYMENT: &str = "P-1,CARD,stripe,pi_1,65.90,0,2026-10-01T08:00:05Z";

fn rows(name: &str) -> String {
    let order = format!("orders/{name},7,{ORDER}");
    format!("{order},{TICKET},{PAYMENT}\n{order},{FEE},{PAYMENT}\n")
}

fn read(text: &str) -> Vec<Record> {
    orders("orders.csv".to_owned(), text.as_bytes()).collect()
}

fn problems(text: &str) -> Vec<String> {
    read(text).into_iter().filter_map(Result::err).map(|p| p.to_string()).collect()
}

/// The problems of one order after `from` was replaced by `to` in its rows.
fn problems_with(from: &str, to: &str) -> String {
    let rows = rows("A1");
    assert!(rows.contains(from), "{from}");
    problems(&format!("{HEADER}\n{}", rows.replace(from, to))).join("\n")
}

#[test]
fn the_rows_of_an_order_become_its_lines() {
    let text = format!("\u{feff}{HEADER}\r\n{}{}", rows("A1"), rows("A2"));
    let records = read(&text);
    let [Ok((first, one)), Ok((second, two))] = records.as_slice() else { panic!("{records:?}") };
    assert_eq!(
        (first.to_string(), second.to_string()),
        ("orders.csv:2".into(), "orders.csv:4".into())
    );
    assert_eq!((one.name.as_str(), two.name.as_str()), ("orders/A1", "orders/A2"));
    assert_eq!(one.total.as_ref().unwrap().minor_units, 6590);
    let amounts: Vec<_> = one.lines.iter().map(|l| l.gross.as_ref().unwrap().minor_units).collect();
    assert_eq!(amounts, [6200, 390]);
    assert_eq!(one.lines[0].title, "Main stand, row 5");
    assert_eq!(one.payments.len(), 1);
    assert_eq!(one.payments[0].captured.as_ref().unwrap().minor_units, 6590);
}

#[test]
fn an_order_may_have_no_payment_and_no_line() {
    let text = format!(
        "{HEADER}\norders/A1,7,{}{}{}\n",
        ORDER.replace("65.90", "0"),
        ",".repeat(8),
        ",".repeat(7)
    );
    let records = read(&text);
    let [Ok((_, order))] = records.as_slice() else { panic!("{records:?}") };
    assert!(order.lines.is_empty() && order.payments.is_empty());
}

#[test]
fn bad_cells_are_named_with_column_line_and_shape() {
    let cases = [
        (
            ",EUR,",
            ",XXX,",
            "currency (line 2): expected an upper-case ISO 4217 code such as EUR, found \"XXX\"",
        ),
        (",62.00,", ",-62.00,", "lines[0].gross.minor_units: must be between 0 and"),
        (
            ",62.00,",
            ",62.001,",
            "gross (line 2): amount \"62.001\" has more decimal places than EUR has (2)",
        ),
        (
            ",62.00,",
            ",\"62,00\",",
            "gross (line 2): expected a plain decimal number such as 107.81, found \"62,00\"",
        ),
        (",3.9,", ",3.8,", "total.minor_units: lines sum to 6580 but total is 6590"),
        (",62.00,", ",99999999999999999999,", "gross (line 2): amount is outside the range"),
        ("TICKET", "STANDING", "line_kind (line 2): expected one of TICKET, FEE, SEAT"),
        ("CARD", "CASH", "payment_1_tender (line 2): expected one of CARD"),
        (
            ",7,",
            ",seven,",
            "source_version (line 2): expected a whole number, found a text of 5 characters",
        ),
        ("P-1,", ",", "payment_1_tender (line 2): is filled although the payment has no id"),
        ("T08:00:05Z", "", "payment_1_time (line 2): expected an RFC 3339 time"),
        ("Europe/Berlin", "Europe/Atlantis", "lines[0].event_time_zone: is not a zone"),
    ];
    for (from, to, expected) in cases {
        let text = problems_with(from, to);
        assert!(text.starts_with(&format!("orders.csv:2: {expected}")), "{to}: {text}");
    }
}

const MORE: &str = "policy_version,sales_channel,place_of_sale,travellers,discounts,quantity,place,section,\
                    carrier,trip,discount,discount_id,traveller_ids,event_end_time,\
                    payment_1_points";
/// The cells of those columns, of the order before the line.
const MORE_OF_ORDER: &str = "3,web,US-CA,a1 Jane Doe;a2,group 10:500 20:1000; early 1:300";
const MORE_OF_LINE: &str =
    "10,\"Berlin, Hbf\",\"Coach 7, top\",DB,trips/t-5,3.26,group,a1 a2,2026-12-19T19:02:00+01:00";

/// An order of two rows, of which the second leaves out what it may.
fn detailed() -> String {
    let [first, second] = [format!("{MORE_OF_LINE},57000"), format!("{},57000", ",".repeat(8))];
    let rows = rows("A1").replace(",CARD,", ",POINTS,");
    let rows = rows.lines().zip([first, second]);
    let row = |(row, more): (&str, String)| format!("{row},{MORE_OF_ORDER},{more}\n");
    format!("{HEADER},{MORE}\n{}", rows.map(row).collect::<String>())
}

#[test]
fn columns_that_a_file_may_leave_out_are_read() {
    let records = read(&detailed());
    let [Ok((_, order))] = records.as_slice() else { panic!("{records:?}") };
    assert_eq!((order.policy_version, order.sales_channel.as_str()), (3, "web"));
    assert_eq!(order.place_of_sale, "US-CA");
    let travellers: Vec<_> = order
        .travellers
        .iter()
        .map(|traveller| (traveller.traveller_id.as_str(), traveller.display_name.as_str()))
        .collect();
    assert_eq!(travellers, [("a1", "Jane Doe"), ("a2", "")]);
    let discounts: Vec<_> = order
        .discounts
        .iter()
        .map(|discount| {
            let steps = discount.steps.iter().map(|s| (s.min_units, s.basis_points));
            (discount.discount_id.as_str(), steps.collect::<Vec<_>>())
        })
        .collect();
    assert_eq!(discounts, [("group", vec![(10, 500), (20, 1000)]), ("early", vec![(1, 300)])]);
    let line = &order.lines[0];
    assert_eq!((line.quantity, line.place.as_str()), (10, "Berlin, Hbf"));
    assert_eq!((line.section.as_str(), line.carrier.as_str()), ("Coach 7, top", "DB"));
    assert_eq!((line.trip.as_str(), line.discount_id.as_str()), ("trips/t-5", "group"));
    assert_eq!(line.discount.as_ref().unwrap().minor_units, 326);
    assert_eq!(line.traveller_ids, ["a1", "a2"]);
    assert_eq!(line.event_end_time.unwrap().to_string(), "2026-12-19T18:02:00Z");
    assert_eq!(order.payments[0].points, 57_000);
    let plain = &order.lines[1];
    assert_eq!((plain.section.as_str(), plain.carrier.as_str()), ("", ""));
    assert_eq!((plain.quantity, plain.discount.as_ref(), plain.event_end_time), (0, None, None));
}

#[test]
fn bad_cells_of_those_columns_are_named() {
    for (from, to, expected) in [
        (",3,web", ",three,web", "policy_version (line 2): expected a whole number"),
        (",10,\"Berlin", ",ten,\"Berlin", "quantity (line 2): expected a whole number"),
        (
            ",10,\"Berlin",
            ",9999999999,\"Berlin",
            "quantity (line 2): expected a small whole number",
        ),
        ("10:500", "10-500", "discounts (line 2): expected steps such as group 10:500"),
        (",a1 a2,", ",a1 a3,", "lines[0].traveller_ids[1]: is none of the order's travellers"),
        (",3.26,", ",3.261,", "discount (line 2): amount"),
        ("T19:02:00+01:00", "", "event_end_time (line 2): expected an RFC 3339 time"),
        (",57000", ",many", "payment_1_points (line 2): expected a whole number"),
        (",POINTS,", ",CARD,", "payments[0].points: must be 0"),
    ] {
        let text = detailed();
        assert!(text.contains(from), "{from}");
        let text = problems(&text.replace(from, to)).join("\n");
        assert!(text.starts_with(&format!("orders.csv:2: {expected}")), "{to}: {text}");
        assert!(!text.contains("Doe"), "{text}");
    }
}

#[test]
fn rows_may_differ_in_the_columns_of_their_lines_only() {
    let text = detailed().replacen(",web,", ",desk,", 1);
    assert_eq!(problems(&text), ["orders.csv:2: sales_channel: line 3 differs from line 2"]);
}

#[test]
fn problems_never_repeat_a_cell_that_may_be_personal() {
    // A shifted column: the name stands where the amount should.
    for (from, to) in [(",62.00,", ",Jane Roe,"), (",EUR,", ",Jane Roe,"), (",7,", ",Jane Roe,")] {
        let text = problems_with(from, to);
        assert!(!text.is_empty() && !text.contains("Roe"), "{text}");
    }
}

#[test]
fn rows_that_disagree_about_their_order_are_refused() {
    let text = format!("{HEADER}\n{}", rows("A1").replacen("PLACED", "CANCELLED", 1));
    assert_eq!(problems(&text), ["orders.csv:2: state: line 3 differs from line 2"]);
}

#[test]
fn a_bad_row_costs_its_order_and_not_the_next() {
    let broken = rows("A1").replacen("\norders/A1,7,", "\norders/A1,", 1);
    let text = format!("{HEADER}\n{broken}{}", rows("A2"));
    let records = read(&text);
    assert_eq!(
        problems(&text),
        ["orders.csv:3: the row has 25 cells, the header 26; \
          the order that starts in line 2 is left out whole"]
    );
    assert_eq!(records[1].as_ref().unwrap().1.name, "orders/A2");
}

#[test]
fn a_truncated_file_costs_the_order_that_is_cut() {
    let text = format!("{HEADER}\n{}{}", rows("A1"), rows("A2"));
    let records = read(&text[..text.len() - 1]);
    assert!(records[0].is_ok());
    let text = records[1].as_ref().unwrap_err().to_string();
    assert!(text.starts_with("orders.csv:5: the file is truncated"), "{text}");
    assert!(text.ends_with("the order that starts in line 4 is left out whole"), "{text}");
    assert_eq!(records.len(), 2);
}

#[test]
fn an_open_quote_costs_its_order_only() {
    let text = format!("{HEADER}\n{}{}", rows("A1").replace("\"Main", "Main"), rows("A2"));
    assert!(problems(&text)[0].starts_with("orders.csv:2: a quote is not closed in its line"));
    assert_eq!(read(&text).last().unwrap().as_ref().unwrap().1.name, "orders/A2");
}

#[test]
fn a_bad_header_is_refused_before_any_row() {
    let cases = [
        (String::new(), "the file is empty"),
        (HEADER.replace("gross,", ""), "column gross is missing in the header"),
        (format!("{HEADER},gross"), "column gross stands twice in the header"),
        (format!("{HEADER},colour"), "column 27 of the header is not known"),
        (format!("{HEADER},payment_3_id"), "column 27 of the header is not known"),
        (format!("{HEADER},payment_2_id"), "column payment_2_tender is missing"),
    ];
    for (header, expected) in cases {
        let text = if header.is_empty() { header } else { format!("{header}\n{}", rows("A1")) };
        let problems = problems(&text);
        assert_eq!(problems.len(), 1, "{problems:?}");
        assert!(problems[0].starts_with(&format!("orders.csv:1: {expected}")), "{problems:?}");
    }
}

#[test]
fn an_order_has_at_most_two_hundred_rows() {
    let row = format!("orders/A1,7,{ORDER},{TICKET},{PAYMENT}\n");
    let text = format!("{HEADER}\n{}{}", row.repeat(201), rows("A2"));
    assert!(problems(&text)[0].starts_with("orders.csv:202: an order has at most 200 rows"));
    assert!(read(&text)[1].is_ok());
}

#[test]
fn a_row_of_a_megabyte_and_invalid_utf_8_are_refused() {
    let long = rows("A1").replacen("Main stand", &"x".repeat(2 * 1024 * 1024), 1);
    let text = format!("{HEADER}\n{}{long}{}", rows("A0"), rows("A2"));
    let records = read(&text);
    assert!(records[0].is_err(), "the row may have been one of the order before it");
    assert!(records.last().unwrap().is_ok());

    let bytes = format!("{HEADER}\n{}", rows("A1")).replace("Jane", "\u{1}").into_bytes();
    let bytes: Vec<u8> = bytes.into_iter().map(|b| if b == 1 { 0xff } else { b }).collect();
    let records: Vec<_> = orders("orders.csv".to_owned(), bytes.as_slice()).collect();
    let text = records[0].as_ref().unwrap_err().to_string();
    assert!(text.contains("invalid UTF-8 at byte offset"), "{text}");
}
