//! What people and programs read: results on standard output, everything else on standard error.
//!
//! Invariant: with `--json`, standard output holds exactly one JSON value.
#![expect(clippy::print_stdout, clippy::print_stderr, reason = "a command speaks to its terminal")]

use std::io::{self, IsTerminal as _, Write as _};

use comfy_table::presets::UTF8_FULL_CONDENSED;
use comfy_table::{CellAlignment, Table};
use serde::Serialize;
use tonic::Status;
use tonic_types::StatusExt as _;

/// A line for people.
pub fn line(text: impl AsRef<str>) {
    println!("{}", text.as_ref());
}

/// A remark that is not the result.
pub fn note(text: impl AsRef<str>) {
    eprintln!("{}", text.as_ref());
}

/// One JSON value for programs.
pub fn json(value: &impl Serialize) -> anyhow::Result<()> {
    println!("{}", serde_json::to_string_pretty(value)?);
    Ok(())
}

/// Bytes for programs, as they are; a terminal is no place for them.
pub fn bytes(bytes: &[u8]) -> io::Result<()> {
    let mut stdout = io::stdout().lock();
    if stdout.is_terminal() {
        return Err(io::Error::other("standard output is a terminal, and this is no text"));
    }
    stdout.write_all(bytes)?;
    stdout.flush()
}

/// One JSON array for programs, written item by item, so that nothing long waits in memory.
#[derive(Debug, Default)]
pub struct JsonItems {
    written: u64,
}

impl JsonItems {
    /// Writes the next item.
    pub fn push(&mut self, item: &impl Serialize) -> anyhow::Result<()> {
        let before = if self.written == 0 { "[\n" } else { ",\n" };
        print!("{before}  {}", serde_json::to_string(item)?);
        self.written += 1;
        Ok(())
    }

    /// Ends the array.
    pub fn end(self) {
        println!("{}", if self.written == 0 { "[]" } else { "\n]" });
    }
}

/// A table whose columns from the second on are figures.
pub fn table<const N: usize>(header: [&str; N], rows: impl IntoIterator<Item = [String; N]>) {
    let mut table = Table::new();
    table.load_style(UTF8_FULL_CONDENSED).set_header(header);
    for row in rows {
        table.add_row(row);
    }
    for column in table.column_iter_mut().skip(1) {
        column.set_cell_alignment(CellAlignment::Right);
    }
    println!("{table}");
}

/// What went wrong, cause by cause, with the fields that a service complains about.
pub fn error(error: &anyhow::Error) {
    let mut label = "error";
    for cause in error.chain() {
        if let Some(status) = cause.downcast_ref::<Status>() {
            eprintln!("{label}: {} ({:?})", status.message(), status.code());
            describe_details(status);
        } else {
            eprintln!("{label}: {cause}");
        }
        label = "  because";
    }
}

fn describe_details(status: &Status) {
    let details = status.get_error_details();
    if let Some(info) = details.error_info() {
        eprintln!("  reason: {}", info.reason);
    }
    for violation in details.bad_request().into_iter().flat_map(|bad| &bad.field_violations) {
        eprintln!("  {}: {}", violation.field, violation.description);
    }
}
