//! What the orders of an event refer to: the event itself and the names of what it sells.
//!
//! Invariant: an event without a known currency, start or zone yields no orders at all.

use std::collections::HashMap;
use std::io::Read as _;
use std::path::Path;

use redress_core::clock::Timestamp;
use redress_core::money::Currency;
use serde_json::Value;

use super::super::fields::Object;
use super::super::jsonl::describe;
use super::super::record::{ImportProblem, Origin, Violations};
use super::super::time::is_time_zone;

/// The most bytes of an event's or item list's file.
const MAX_FILE_BYTES: u64 = 16 * 1024 * 1024;

/// The most characters of a place.
const MAX_PLACE: usize = 200;

/// An event and what it sells.
#[derive(Debug)]
pub(super) struct Catalog {
    pub(super) slug: String,
    pub(super) currency: Currency,
    pub(super) start: Timestamp,
    pub(super) end: Option<Timestamp>,
    pub(super) time_zone: String,
    /// By language; empty when the event has none.
    location: Names,
    items: HashMap<i64, Product>,
}

/// Names by language.
type Names = Vec<(String, String)>;

#[derive(Debug)]
struct Product {
    names: Names,
    /// Whether it lets somebody in; parking and programmes do not.
    is_admission: bool,
    variations: HashMap<i64, Names>,
}

impl Catalog {
    /// Reads the two files of an event.
    pub(super) fn read(folder: &Path, slug: &str) -> Result<Self, ImportProblem> {
        let (event, items) = (format!("{slug}.event.json"), format!("{slug}.items.json"));
        let (event_bytes, item_bytes) = (bytes(folder, &event)?, bytes(folder, &items)?);
        Self::parse(&event, &event_bytes, &items, &item_bytes)
    }

    /// Reads an event and its items from what their files hold.
    pub(super) fn parse(
        event_file: &str,
        event: &[u8],
        items_file: &str,
        items: &[u8],
    ) -> Result<Self, ImportProblem> {
        let mut catalog = read_event(event_file, &json(event_file, event)?)?;
        catalog.items = read_items(items_file, &json(items_file, items)?)?;
        Ok(catalog)
    }

    /// What the buyer saw of an item, and of its variation, in their language; `None` for an item
    /// that is not on the list.
    pub(super) fn title(&self, item: i64, variation: Option<i64>, locale: &str) -> Option<String> {
        let product = self.items.get(&item)?;
        let name = localised(&product.names, locale)?;
        let Some(variation) = variation else { return Some(name.to_owned()) };
        let variation = localised(product.variations.get(&variation)?, locale)?;
        Some(format!("{name}, {variation}"))
    }
}

impl Catalog {
    /// Whether an item lets somebody in; `None` for one that is not on the list.
    pub(super) fn is_admission(&self, item: i64) -> Option<bool> {
        self.items.get(&item).map(|product| product.is_admission)
    }

    /// Where the event takes place, in the language of an order, on one line; empty when the event
    /// does not tell.
    pub(super) fn place(&self, locale: &str) -> String {
        let text = localised(&self.location, locale).unwrap_or_default();
        let lines: Vec<&str> = text.lines().map(str::trim).filter(|l| !l.is_empty()).collect();
        lines.join(", ").chars().take(MAX_PLACE).collect()
    }
}

/// The name in `locale`, in its language, in English, or in whatever language there is.
fn localised<'n>(names: &'n Names, locale: &str) -> Option<&'n str> {
    let language = locale.split('-').next().unwrap_or_default();
    let find = |wanted: &str| names.iter().find(|(tag, _)| tag == wanted);
    let name = find(locale).or_else(|| find(language)).or_else(|| find("en"));
    name.or_else(|| names.first()).map(|(_, name)| name.as_str())
}

fn read_event(file: &str, value: &Value) -> Result<Catalog, ImportProblem> {
    let violations = Violations::default();
    let catalog = Object::root(value, &violations).and_then(|event| {
        let currency: Result<Currency, _> = event.text("currency").parse();
        if currency.is_err() {
            event.report("currency", "expected an upper-case ISO 4217 code such as EUR");
        }
        let time_zone = event.text("timezone");
        if !is_time_zone(&time_zone) {
            event.report("timezone", "expected a zone of the IANA database such as Europe/Berlin");
        }
        if event.flag("has_subevents") {
            event.report(
                "has_subevents",
                "an event series cannot be imported: its dates are missing",
            );
        }
        Some(Catalog {
            slug: event.text("slug"),
            currency: currency.ok()?,
            start: event.time("date_from"),
            end: event.time_if_any("date_to"),
            time_zone,
            location: event
                .object_if_any("location")
                .as_ref()
                .map(in_languages)
                .unwrap_or_default(),
            items: HashMap::new(),
        })
    });
    finish(file, violations, catalog)
}

fn read_items(file: &str, value: &Value) -> Result<HashMap<i64, Product>, ImportProblem> {
    let violations = Violations::default();
    let items = Object::root(value, &violations).map(|list| {
        if !list.text_or_empty("next").is_empty() {
            list.report("next", "the item list has a further page: export it as one");
        }
        list.objects("results").iter().map(read_product).collect()
    });
    finish(file, violations, items)
}

fn read_product(item: &Object<'_>) -> (i64, Product) {
    let variation = |v: &Object<'_>| (v.integer("id"), names(v, "value"));
    let variations = item.objects("variations").iter().map(variation).collect();
    let (names, is_admission) = (names(item, "name"), item.flag("admission"));
    (item.integer("id"), Product { names, is_admission, variations })
}

fn names(object: &Object<'_>, key: &'static str) -> Names {
    object.object(key).as_ref().map(in_languages).unwrap_or_default()
}

fn in_languages(names: &Object<'_>) -> Names {
    names.texts().map(|(tag, name)| (tag.to_owned(), name.to_owned())).collect()
}

fn finish<T>(file: &str, violations: Violations, value: Option<T>) -> Result<T, ImportProblem> {
    let origin = Origin::file(file);
    match value {
        Some(value) if violations.is_empty() => Ok(value),
        _ => Err(violations.into_problem(origin)),
    }
}

fn json(file: &str, bytes: &[u8]) -> Result<Value, ImportProblem> {
    serde_json::from_slice(bytes)
        .map_err(|error| ImportProblem::whole(Origin::file(file), describe(&error)))
}

fn bytes(folder: &Path, name: &str) -> Result<Vec<u8>, ImportProblem> {
    let refused = |text: String| ImportProblem::whole(Origin::file(name), text);
    let mut bytes = Vec::new();
    let file = super::open(folder, name)?;
    file.take(MAX_FILE_BYTES + 1)
        .read_to_end(&mut bytes)
        .map_err(|error| refused(format!("cannot read: {error}")))?;
    if bytes.len() as u64 > MAX_FILE_BYTES {
        return Err(refused(format!("the file has more than {MAX_FILE_BYTES} bytes")));
    }
    Ok(bytes)
}
