//! CSV: one row an order line; the columns of the order and its payments repeat on each row.
//!
//! Invariant: the rows of an order follow each other and agree about the order; one bad row costs
//! the order, not the next one. A row without its line break is never taken: it may be cut.

use std::io::BufRead;
use std::iter::Peekable;

use redress_api::time::to_proto;
use redress_core::money::Currency;
use redress_proto::common::v1::Money;
use redress_proto::refunds::v1::{
    Contact, Discount, DiscountStep, Order, OrderLine, Payment, Traveller, order, order_line,
    payment,
};

use super::check::describe_amount;
use super::csv_table::{Header, Row, Rows};
use super::names;
use super::record::{ImportProblem, Origin, Record, Violations, shape};
use super::time::parse_time;

/// An order of more rows than this is refused; the contract allows as many lines.
const MAX_ROWS: usize = 200;

/// The orders of a CSV file; `file` is its name in messages.
pub fn orders<R: BufRead>(file: String, reader: R) -> impl Iterator<Item = Record> {
    let mut rows = Rows::new(file.clone(), reader);
    let header = rows.header();
    let (header, mut refused) = match header {
        Ok(header) => (Some(header), None),
        Err(problem) => (None, Some(problem)),
    };
    let mut rows = rows.peekable();
    std::iter::from_fn(move || match &header {
        Some(header) => next_order(&file, header, &mut rows),
        None => refused.take().map(Err),
    })
}

/// The rows of one order, read as far as they are the same order's.
struct Group {
    rows: Vec<Row>,
    first: u64,
    name: String,
    problem: Option<ImportProblem>,
}

fn next_order<R: BufRead>(
    file: &str,
    header: &Header,
    rows: &mut Peekable<Rows<R>>,
) -> Option<Record> {
    let first = match rows.next()? {
        Ok(row) => row,
        Err(problem) => return Some(Err(problem)),
    };
    let name = header.get(&first, "name").to_owned();
    let mut group = Group { first: first.line, name, rows: vec![first], problem: None };
    loop {
        let same = rows.next_if(|next| match next {
            Ok(row) => header.get(row, "name") == group.name,
            // A row that cannot be read may have been one of this order.
            Err(_) => true,
        });
        match same {
            None => break,
            Some(Err(problem)) => {
                group.problem.get_or_insert(problem);
            }
            Some(Ok(row)) if group.rows.len() < MAX_ROWS => group.rows.push(row),
            Some(Ok(row)) => {
                let origin = Origin::line(file, row.line);
                let text = format!("an order has at most {MAX_ROWS} rows");
                group.problem.get_or_insert_with(|| ImportProblem::whole(origin, text));
            }
        }
    }
    Some(read_group(file, header, group))
}

fn read_group(file: &str, header: &Header, group: Group) -> Record {
    let origin = Origin::line(file, group.first);
    if let Some(mut problem) = group.problem {
        let text = format!("the order that starts in line {} is left out whole", group.first);
        problem
            .violations
            .push(super::record::Violation { field: String::new(), description: text });
        return Err(problem);
    }
    let violations = Violations::default();
    let Some((first, rest)) = group.rows.split_first() else {
        return Err(ImportProblem::whole(origin, "the order has no rows"));
    };
    for row in rest {
        for column in header.order_columns() {
            if header.get(row, column) != header.get(first, column) {
                let text = format!("line {} differs from line {}", row.line, first.line);
                violations.report(column, text);
            }
        }
    }
    let cells = Cells { header, violations: &violations, row: first, currency: None };
    let currency = cells.currency();
    let order = read_order(&Cells { currency, ..cells }, &group.rows);
    violations.conclude(origin, order)
}

fn read_order(cells: &Cells<'_>, rows: &[Row]) -> Order {
    let state = order::State::from_str_name(cells.text("state"));
    let state = cells.known("state", state.map(Into::into), names::STATES);
    let is_line = |row: &&Row| !cells.header.get(row, "line_id").is_empty();
    Order {
        name: cells.text("name").to_owned(),
        source_version: cells.integer("source_version"),
        customer: cells.text("customer").to_owned(),
        contact: Some(Contact {
            email: cells.text("email").to_owned(),
            display_name: cells.text("display_name").to_owned(),
            locale: cells.text("locale").to_owned(),
        }),
        purchase_time: cells.time("purchase_time"),
        state,
        policy: cells.text("policy").to_owned(),
        lines: rows.iter().filter(is_line).map(|row| cells.on(row).line()).collect(),
        payments: (1..=cells.header.payments())
            .filter_map(|number| cells.payment(number))
            .collect(),
        total: cells.money("total"),
        policy_version: cells.integer_or_zero("policy_version"),
        sales_channel: cells.text("sales_channel").to_owned(),
        place_of_sale: cells.text("place_of_sale").to_owned(),
        travellers: cells.travellers(),
        discounts: cells.discounts(),
    }
}

/// The entries of a cell that holds several, divided by semicolons.
fn entries(cell: &str) -> impl Iterator<Item = &str> {
    cell.split(';').map(str::trim).filter(|entry| !entry.is_empty())
}

/// The cells of one row, by column.
#[derive(Clone, Copy)]
struct Cells<'a> {
    header: &'a Header,
    violations: &'a Violations,
    row: &'a Row,
    currency: Option<Currency>,
}

impl<'a> Cells<'a> {
    const fn on(self, row: &'a Row) -> Self {
        Self { row, ..self }
    }

    fn text(&self, column: &str) -> &'a str {
        self.header.get(self.row, column)
    }

    fn report(&self, column: &str, description: impl AsRef<str>) {
        let place = format!("{column} (line {})", self.row.line);
        self.violations.report(place, description.as_ref());
    }

    fn currency(&self) -> Option<Currency> {
        let text = self.text("currency");
        let currency = text.parse().ok();
        if currency.is_none() {
            let code = text.len() == 3 && text.bytes().all(|b| b.is_ascii_alphabetic());
            let found = if code { format!("{text:?}") } else { shape(text) };
            let text = format!("expected an upper-case ISO 4217 code such as EUR, found {found}");
            self.report("currency", text);
        }
        currency
    }

    fn integer(&self, column: &str) -> i64 {
        let text = self.text(column);
        text.parse().unwrap_or_else(|_| {
            self.report(column, format!("expected a whole number, found {}", shape(text)));
            0
        })
    }

    fn integer_or_zero(&self, column: &str) -> i64 {
        if self.text(column).is_empty() { 0 } else { self.integer(column) }
    }

    /// A small whole number; 0 when the cell is empty.
    fn small_or_zero(&self, column: &str) -> i32 {
        let number = self.integer_or_zero(column);
        i32::try_from(number).unwrap_or_else(|_| {
            self.report(column, format!("expected a small whole number, found \"{number}\""));
            0
        })
    }

    /// `ID NAME`, divided by semicolons; the name may be left out.
    fn travellers(&self) -> Vec<Traveller> {
        let read = |entry: &str| {
            let (id, name) = entry.split_once(' ').unwrap_or((entry, ""));
            Traveller { traveller_id: id.to_owned(), display_name: name.trim().to_owned() }
        };
        entries(self.text("travellers")).map(read).collect()
    }

    /// `ID UNITS:BASIS_POINTS ...`, divided by semicolons.
    fn discounts(&self) -> Vec<Discount> {
        let read = |entry: &str| {
            let mut words = entry.split_ascii_whitespace();
            let discount_id = words.next().unwrap_or_default().to_owned();
            let steps = words.filter_map(|word| {
                let step = word.split_once(':').and_then(|(units, points)| {
                    let (min_units, basis_points) = (units.parse().ok()?, points.parse().ok()?);
                    Some(DiscountStep { min_units, basis_points })
                });
                if step.is_none() {
                    let found = shape(word);
                    let text =
                        format!("expected steps such as group 10:500 20:1000, found {found}");
                    self.report("discounts", text);
                }
                step
            });
            Discount { discount_id, steps: steps.collect() }
        };
        entries(self.text("discounts")).map(read).collect()
    }

    fn time_if_any(&self, column: &str) -> Option<prost_types::Timestamp> {
        if self.text(column).is_empty() { None } else { self.time(column) }
    }

    fn money_if_any(&self, column: &str) -> Option<Money> {
        if self.text(column).is_empty() { None } else { self.money(column) }
    }

    fn time(&self, column: &str) -> Option<prost_types::Timestamp> {
        let time = parse_time(self.text(column));
        time.map_err(|reason| self.report(column, reason)).ok().map(to_proto)
    }

    fn money(&self, column: &str) -> Option<Money> {
        let text = self.text(column);
        let money = redress_core::money::Money::parse_decimal(self.currency?, text);
        let money = money.map_err(|error| self.report(column, describe_amount(text, &error)));
        money.ok().map(redress_api::money::to_proto)
    }

    fn known(&self, column: &str, value: Option<i32>, names: &str) -> i32 {
        value.filter(|number| *number != 0).unwrap_or_else(|| {
            self.report(column, format!("expected one of {names}"));
            0
        })
    }

    fn line(&self) -> OrderLine {
        let kind = order_line::Kind::from_str_name(self.text("line_kind")).map(Into::into);
        OrderLine {
            line_id: self.text("line_id").to_owned(),
            kind: self.known("line_kind", kind, names::KINDS),
            event: self.text("event").to_owned(),
            title: self.text("title").to_owned(),
            event_start_time: self.time("event_start_time"),
            event_time_zone: self.text("event_time_zone").to_owned(),
            gross: self.money("gross"),
            tax: self.money("tax"),
            quantity: self.small_or_zero("quantity"),
            place: self.text("place").to_owned(),
            section: self.text("section").to_owned(),
            carrier: self.text("carrier").to_owned(),
            trip: self.text("trip").to_owned(),
            discount: self.money_if_any("discount"),
            discount_id: self.text("discount_id").to_owned(),
            traveller_ids: self
                .text("traveller_ids")
                .split_ascii_whitespace()
                .map(str::to_owned)
                .collect(),
            event_end_time: self.time_if_any("event_end_time"),
            over_refunded: false,
        }
    }

    /// The payment of that number; `None` when its columns are empty.
    fn payment(&self, number: usize) -> Option<Payment> {
        let column = |name: &str| format!("payment_{number}_{name}");
        let id = self.text(&column("id"));
        if id.is_empty() {
            let columns = Header::PAYMENT_COLUMNS.iter().chain([&Header::POINTS]);
            let filled = columns.map(|name| column(name));
            for column in filled.filter(|column| !self.text(column).is_empty()) {
                self.report(&column, "is filled although the payment has no id");
            }
            return None;
        }
        let tender = payment::Tender::from_str_name(self.text(&column("tender"))).map(Into::into);
        Some(Payment {
            payment_id: id.to_owned(),
            tender: self.known(&column("tender"), tender, names::TENDERS),
            provider: self.text(&column("provider")).to_owned(),
            provider_reference: self.text(&column("reference")).to_owned(),
            captured: self.money(&column("captured")),
            refunded_elsewhere: self.money(&column("refunded")),
            capture_time: self.time(&column("time")),
            overdrawn: false,
            points: self.integer_or_zero(&column(Header::POINTS)),
        })
    }
}

#[cfg(test)]
#[path = "csv_tests.rs"]
mod tests;
