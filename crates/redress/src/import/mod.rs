//! Order exports of shops, read record by record and sent to Redress.
//!
//! Invariant: memory does not grow with the file; a bad record is named with its file, place and
//! field and costs nothing but itself; an order is imported whole or not at all.
//!
//! The formats are described in `docs/import.md`. Each reader is an iterator of [`Record`]s;
//! [`run`] sends them in chunks.

mod array;
mod check;
pub mod csv;
mod csv_table;
mod fields;
pub mod jsonl;
mod lines;
mod names;
pub mod pretix;
mod record;
mod report;
mod sample;
mod send;
mod time;

use std::fs::File;
use std::io::BufReader;
use std::path::{Path, PathBuf};

pub use record::{ImportProblem, MAX_RECORD_BYTES, Origin, Record, Violation};
pub use report::ImportReport;
pub use sample::Sample;
pub use send::{CHUNK_ORDERS, ImportError, run};

/// Records of any format, to be read by one thread.
pub type Records = Box<dyn Iterator<Item = Record> + Send>;

/// What to import.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Source {
    /// A folder of answers of pretix's REST API.
    Pretix(PathBuf),
    /// A JSON Lines file.
    Jsonl(PathBuf),
    /// A CSV file.
    Csv(PathBuf),
}

impl Source {
    /// Opens the file or folder; fails when it cannot be opened, or holds nothing of its format.
    pub fn open(&self) -> Result<Records, ImportProblem> {
        Ok(match self {
            Self::Pretix(folder) => Box::new(pretix::orders(folder)?),
            Self::Jsonl(path) => {
                let (name, reader) = open(path)?;
                Box::new(jsonl::orders(name, reader))
            }
            Self::Csv(path) => {
                let (name, reader) = open(path)?;
                Box::new(csv::orders(name, reader))
            }
        })
    }
}

fn open(path: &Path) -> Result<(String, BufReader<File>), ImportProblem> {
    let name = file_name(path);
    match File::open(path) {
        Ok(file) => Ok((name, BufReader::new(file))),
        Err(error) => {
            Err(ImportProblem::whole(Origin::file(&name), format!("cannot open: {error}")))
        }
    }
}

/// A path's last part: messages name files, not the machine's folders.
fn file_name(path: &Path) -> String {
    path.file_name().map_or_else(|| ".".to_owned(), |name| name.to_string_lossy().into_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    const DOC: &str = include_str!("../../../../docs/import.md");

    fn example(language: &str) -> &'static str {
        let (_, rest) = DOC.split_once(&format!("```{language}\n")).unwrap();
        rest.split_once("```").unwrap().0
    }

    #[test]
    fn the_examples_of_the_document_can_be_imported() {
        let line = format!("{}\n", example("json").replace('\n', " "));
        let lines: Vec<_> = jsonl::orders("doc".to_owned(), line.as_bytes()).collect();
        let rows: Vec<_> = csv::orders("doc".to_owned(), example("csv").as_bytes()).collect();
        for records in [lines, rows] {
            let [Ok((_, order))] = records.as_slice() else { panic!("{records:?}") };
            assert_eq!(order.name, "orders/A1");
        }
    }

    #[test]
    fn a_file_that_is_not_there_is_named_without_its_folder() {
        let source = Source::Jsonl(PathBuf::from("no/such/folder/orders.jsonl"));
        let Err(problem) = source.open().map(drop) else { panic!("opened") };
        assert!(problem.to_string().starts_with("orders.jsonl: cannot open: "), "{problem}");
    }
}
