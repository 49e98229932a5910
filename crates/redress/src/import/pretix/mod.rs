//! A folder of what pretix's REST API answers: `EVENT.event.json`, `EVENT.items.json` and the
//! order list page by page, `EVENT.orders.N.json`.
//!
//! Invariant: pages are read one order at a time; a bad order, page or event costs nothing but
//! itself; pages that are missing or cut are told by the count that pretix announced.

mod catalog;
mod order;
mod payment;

use std::fs::{self, File};
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use serde_json::Value;

use self::catalog::Catalog;
use super::array::{Item, Results};
use super::file_name;
use super::jsonl::describe;
use super::record::{ImportProblem, MAX_RECORD_BYTES, Origin, Record};

/// All orders of the events in a folder.
pub fn orders(folder: &Path) -> Result<impl Iterator<Item = Record> + use<>, ImportProblem> {
    let events = events(folder)?;
    Ok(events.into_iter().flat_map(Event::orders))
}

/// The files of one event.
struct Event {
    slug: String,
    folder: PathBuf,
    /// Pages by number.
    pages: Vec<(u64, String)>,
}

fn events(folder: &Path) -> Result<Vec<Event>, ImportProblem> {
    let name = file_name(folder);
    let refused = |text: String| ImportProblem::whole(Origin::file(&name), text);
    let listing =
        fs::read_dir(folder).map_err(|e| refused(format!("cannot read the folder: {e}")))?;
    let mut names = Vec::new();
    for entry in listing {
        let entry = entry.map_err(|e| refused(format!("cannot read the folder: {e}")))?;
        names.push(entry.file_name().to_string_lossy().into_owned());
    }
    names.sort();
    let slugs: Vec<&str> = names.iter().filter_map(|n| n.strip_suffix(".event.json")).collect();
    if slugs.is_empty() {
        return Err(refused("holds no EVENT.event.json: expected an export of pretix".to_owned()));
    }
    let page = |slug: &str, name: &String| {
        let number = name.strip_prefix(slug)?.strip_prefix(".orders.")?.strip_suffix(".json")?;
        Some((number.parse().ok()?, name.clone()))
    };
    let event = |slug: &&str| {
        let mut pages: Vec<_> = names.iter().filter_map(|name| page(slug, name)).collect();
        pages.sort();
        Event { slug: (*slug).to_owned(), folder: folder.to_owned(), pages }
    };
    Ok(slugs.iter().map(event).collect())
}

impl Event {
    /// The orders of all pages, and then what is missing.
    fn orders(self) -> Box<dyn Iterator<Item = Record> + Send> {
        let catalog = match Catalog::read(&self.folder, &self.slug) {
            Ok(catalog) => Arc::new(catalog),
            Err(problem) => return Box::new(std::iter::once(Err(problem))),
        };
        let whole = Origin::file(&format!("{}.orders", self.slug));
        let folder = self.folder;
        let open = move |(_, name): (u64, String)| Page::open(&folder, name, Arc::clone(&catalog));
        let mut pages = self.pages.into_iter().map(open);
        let mut page: Option<Page<BufReader<File>>> = None;
        let (mut seen, mut announced, mut told) = (0_u64, None, false);
        Box::new(std::iter::from_fn(move || {
            loop {
                if let Some(current) = &mut page {
                    if let Some(record) = current.next() {
                        return Some(record);
                    }
                    seen += current.number;
                    announced = announced.max(current.results.announced());
                    page = None;
                }
                match pages.next() {
                    Some(Ok(next)) => page = Some(next),
                    Some(Err(problem)) => return Some(Err(problem)),
                    None if told => return None,
                    None => {
                        told = true;
                        return shortfall(&whole, announced, seen).map(Err);
                    }
                }
            }
        }))
    }
}

fn shortfall(origin: &Origin, announced: Option<u64>, seen: u64) -> Option<ImportProblem> {
    let text = match announced {
        None => "no page of orders says how many there are".to_owned(),
        Some(announced) if announced == seen => return None,
        Some(announced) => format!("pretix announced {announced} orders, the pages hold {seen}"),
    };
    Some(ImportProblem::whole(origin.clone(), text))
}

/// One page of orders.
struct Page<R> {
    file: String,
    results: Results<R>,
    catalog: Arc<Catalog>,
    /// How many orders were seen.
    number: u64,
}

impl Page<BufReader<File>> {
    fn open(folder: &Path, name: String, catalog: Arc<Catalog>) -> Result<Self, ImportProblem> {
        let file = open(folder, &name)?;
        Ok(Self::new(name, BufReader::new(file), catalog))
    }
}

impl<R: BufRead> Page<R> {
    const fn new(file: String, reader: R, catalog: Arc<Catalog>) -> Self {
        Self { file, results: Results::new(reader), catalog, number: 0 }
    }

    fn read(&self, item: Item) -> Record {
        let origin = |code| Origin::order(&self.file, self.number, code);
        let refused = |text: String| ImportProblem::whole(origin(None), text);
        let bytes = item.bytes.map_err(|length| {
            refused(format!("the order has {length} bytes; at most {MAX_RECORD_BYTES} are allowed"))
        })?;
        let text = String::from_utf8(bytes).map_err(|error| {
            let at = item.offset + error.utf8_error().valid_up_to() as u64;
            refused(format!("invalid UTF-8 at byte offset {at}"))
        })?;
        let value: Value = serde_json::from_str(&text).map_err(|e| refused(describe(&e)))?;
        let code = value.get("code").and_then(Value::as_str);
        order::read(origin(code), &value, &self.catalog)
    }
}

impl<R: BufRead> Iterator for Page<R> {
    type Item = Record;

    fn next(&mut self) -> Option<Record> {
        Some(match self.results.next()? {
            Ok(item) => {
                self.number += 1;
                self.read(item)
            }
            Err(broken) => {
                let text = format!("{broken}; {} orders before that were read", self.number);
                Err(ImportProblem::whole(Origin::file(&self.file), text))
            }
        })
    }
}

/// The orders of one page that is at hand, for an event and items that are, too.
pub(crate) fn page_orders(
    file: &str,
    event: &[u8],
    items: &[u8],
    page: &'static [u8],
) -> Result<impl Iterator<Item = Record> + use<>, ImportProblem> {
    let catalog = Catalog::parse(file, event, file, items)?;
    Ok(Page::new(file.to_owned(), page, Arc::new(catalog)))
}

fn open(folder: &Path, name: &str) -> Result<File, ImportProblem> {
    File::open(folder.join(name))
        .map_err(|error| ImportProblem::whole(Origin::file(name), format!("cannot open: {error}")))
}

#[cfg(test)]
#[path = "tests.rs"]
mod tests;
