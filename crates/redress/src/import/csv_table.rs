//! The rows of a CSV file and the names of its columns.
//!
//! Invariant: a row has exactly as many cells as the header, and is one line of the file: a cell
//! holds no line break.

use std::collections::HashMap;
use std::io::BufRead;

use super::lines::{Line, Lines};
use super::record::{ImportProblem, Origin};

/// The columns of the order that every file has.
const ORDER_COLUMNS: [&str; 11] = [
    "name",
    "source_version",
    "customer",
    "email",
    "display_name",
    "locale",
    "purchase_time",
    "state",
    "policy",
    "currency",
    "total",
];
/// Those that a file may leave out.
const MORE_ORDER_COLUMNS: [&str; 5] =
    ["policy_version", "sales_channel", "place_of_sale", "travellers", "discounts"];
/// The columns of the line that every file has.
const LINE_COLUMNS: [&str; 8] = [
    "line_id",
    "line_kind",
    "event",
    "title",
    "event_start_time",
    "event_time_zone",
    "gross",
    "tax",
];
/// Those that a file may leave out.
const MORE_LINE_COLUMNS: [&str; 9] = [
    "quantity",
    "place",
    "section",
    "carrier",
    "trip",
    "discount",
    "discount_id",
    "traveller_ids",
    "event_end_time",
];
/// As many payments as the contract allows.
const MAX_PAYMENTS: usize = 20;

/// One row.
#[derive(Debug)]
pub(crate) struct Row {
    pub(crate) line: u64,
    cells: Vec<String>,
}

/// Where each column stands.
#[derive(Debug)]
pub(crate) struct Header {
    columns: HashMap<String, usize>,
    payments: usize,
}

impl Header {
    /// The columns `payment_N_...` of payment N.
    pub(crate) const PAYMENT_COLUMNS: [&'static str; 7] =
        ["id", "tender", "provider", "reference", "captured", "refunded", "time"];

    /// The column of payment N that a file may leave out.
    pub(crate) const POINTS: &'static str = "points";

    /// The cell of a row in `column`; empty when there is no such column.
    pub(crate) fn get<'r>(&self, row: &'r Row, column: &str) -> &'r str {
        let at = self.columns.get(column);
        at.and_then(|at| row.cells.get(*at)).map_or("", String::as_str)
    }

    /// For how many payments there are columns.
    pub(crate) const fn payments(&self) -> usize {
        self.payments
    }

    /// The columns that all rows of an order must agree in.
    pub(crate) fn order_columns(&self) -> impl Iterator<Item = &str> {
        let of_line =
            |column: &&str| LINE_COLUMNS.contains(column) || MORE_LINE_COLUMNS.contains(column);
        self.columns.keys().map(String::as_str).filter(move |column| !of_line(column))
    }

    fn read(names: &[String]) -> Result<Self, String> {
        let mut columns = HashMap::new();
        for (at, name) in names.iter().enumerate() {
            if columns.insert(name.clone(), at).is_some() {
                return Err(format!("column {name} stands twice in the header"));
            }
        }
        let payment = |number: usize| {
            Self::PAYMENT_COLUMNS.map(|column| format!("payment_{number}_{column}"))
        };
        let has = |number: &usize| payment(*number).iter().any(|name| columns.contains_key(name));
        let payments = (1..=MAX_PAYMENTS).take_while(has).count();
        let owned = |column: &&str| (*column).to_owned();
        let required: Vec<String> = ORDER_COLUMNS
            .iter()
            .chain(&LINE_COLUMNS)
            .map(owned)
            .chain((1..=payments).flat_map(payment))
            .collect();
        if let Some(missing) = required.iter().find(|column| !columns.contains_key(*column)) {
            return Err(format!("column {missing} is missing in the header"));
        }
        let points = |number| format!("payment_{number}_{}", Self::POINTS);
        let more: Vec<String> = MORE_ORDER_COLUMNS
            .iter()
            .chain(&MORE_LINE_COLUMNS)
            .map(owned)
            .chain((1..=payments).map(points))
            .collect();
        let known = |name: &String| required.contains(name) || more.contains(name);
        if let Some((at, _)) = names.iter().enumerate().find(|(_, name)| !known(name)) {
            let text = "is not known: expected the columns of docs/import.md, and payments numbered \
                        from 1 without a gap";
            return Err(format!("column {} of the header {text}", at + 1));
        }
        Ok(Self { columns, payments })
    }
}

/// The rows behind the header.
pub(crate) struct Rows<R> {
    file: String,
    lines: Lines<R>,
    width: usize,
}

impl<R: BufRead> Rows<R> {
    pub(crate) const fn new(file: String, reader: R) -> Self {
        Self { file, lines: Lines::new(reader), width: 0 }
    }

    /// Reads the header; must come first.
    pub(crate) fn header(&mut self) -> Result<Header, ImportProblem> {
        let refused = |text: String| ImportProblem::whole(Origin::line(&self.file, 1), text);
        let line = self.lines.next().ok_or_else(|| refused("the file is empty".to_owned()))?;
        let text = line.content.map_err(refused)?;
        let names = split(text.trim_start_matches('\u{feff}')).map_err(refused)?;
        self.width = names.len();
        Header::read(&names).map_err(refused)
    }

    fn row(&self, line: Line) -> Result<Row, String> {
        let text = line.content?;
        if !line.ended {
            return Err("the file is truncated: its last row has no line break".to_owned());
        }
        let cells = split(&text)?;
        if cells.len() != self.width {
            return Err(format!("the row has {} cells, the header {}", cells.len(), self.width));
        }
        Ok(Row { line: line.number, cells })
    }
}

impl<R: BufRead> Iterator for Rows<R> {
    type Item = Result<Row, ImportProblem>;

    fn next(&mut self) -> Option<Self::Item> {
        let blank = |line: &Line| line.content.as_ref().is_ok_and(|text| text.trim().is_empty());
        let line = self.lines.find(|line| !blank(line))?;
        let origin = Origin::line(&self.file, line.number);
        Some(self.row(line).map_err(|reason| ImportProblem::whole(origin, reason)))
    }
}

fn split(line: &str) -> Result<Vec<String>, String> {
    if line.bytes().filter(|byte| *byte == b'"').count() % 2 == 1 {
        return Err("a quote is not closed in its line".to_owned());
    }
    let mut reader = ::csv::ReaderBuilder::new()
        .has_headers(false)
        .trim(::csv::Trim::All)
        .from_reader(line.as_bytes());
    let mut record = ::csv::StringRecord::new();
    reader.read_record(&mut record).map_err(|error| error.to_string())?;
    Ok(record.iter().map(str::to_owned).collect())
}
