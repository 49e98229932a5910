//! Reading TOML tables key by key, with the line of everything.
//!
//! Invariant: reading goes on after a problem, so that one pass finds them all; a key that nobody
//! asked for is a problem.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::ops::Range;

use toml::Spanned;
use toml::de::{DeTable, DeValue};

use super::Problem;

/// A file being read.
pub(super) struct Reader<'a> {
    table: Option<Spanned<DeTable<'a>>>,
    /// The line of each path.
    lines: BTreeMap<String, usize>,
    problems: RefCell<Vec<Problem>>,
}

impl<'a> Reader<'a> {
    pub(super) fn new(text: &'a str) -> Self {
        let (table, errors) = DeTable::parse_recoverable(text);
        let mut lines = BTreeMap::new();
        let starts = Starts::of(text);
        index(&starts, table.get_ref(), "", &mut lines);
        let problem = |error: &toml::de::Error| Problem {
            line: starts.line_of(&error.span().unwrap_or(0..0)),
            path: String::new(),
            reason: format!("is not TOML: {}", error.message()),
        };
        let problems: Vec<_> = errors.iter().map(problem).collect();
        let table = problems.is_empty().then_some(table);
        Self { table, lines, problems: RefCell::new(problems) }
    }

    /// The whole file; `None` when it is not TOML.
    pub(super) fn root(&self) -> Option<Section<'_>> {
        let table = self.table.as_ref()?.get_ref();
        let (path, known) = (String::new(), RefCell::default());
        Some(Section { reader: self, table, defaults: None, path, known })
    }

    pub(super) fn report(&self, path: &str, reason: impl Into<String>) {
        let mut at = path;
        // A field that is not there is told at the nearest thing around it that is.
        let line = loop {
            match self.lines.get(at) {
                Some(line) => break *line,
                None if at.is_empty() => break 1,
                None => at = &at[..at.rfind(['.', '[']).unwrap_or(0)],
            }
        };
        let problem = Problem { line, path: path.to_owned(), reason: reason.into() };
        let mut problems = self.problems.borrow_mut();
        if problems.len() < MAX_PROBLEMS {
            problems.push(problem);
        }
    }

    pub(super) fn is_clean(&self) -> bool {
        self.problems.borrow().is_empty()
    }

    /// What was found, line by line.
    pub(super) fn problems(&self) -> Vec<Problem> {
        let mut problems = self.problems.borrow().clone();
        problems.sort_by_key(|problem| problem.line);
        problems
    }
}

/// Who has so many problems reads the first of them first.
const MAX_PROBLEMS: usize = 200;

/// Where each line begins.
struct Starts(Vec<usize>);

impl Starts {
    fn of(text: &str) -> Self {
        let after = text.match_indices('\n').map(|(at, _)| at + 1);
        Self(std::iter::once(0).chain(after).collect())
    }

    fn line_of(&self, span: &Range<usize>) -> usize {
        self.0.partition_point(|start| *start <= span.start).max(1)
    }
}

fn index(text: &Starts, table: &DeTable<'_>, prefix: &str, lines: &mut BTreeMap<String, usize>) {
    for (key, value) in table {
        let path = join(prefix, key.get_ref());
        lines.insert(path.clone(), text.line_of(&key.span()));
        index_value(text, value, &path, lines);
    }
}

fn index_value(
    text: &Starts,
    value: &Spanned<DeValue<'_>>,
    path: &str,
    lines: &mut BTreeMap<String, usize>,
) {
    match value.get_ref() {
        DeValue::Table(table) => index(text, table, path, lines),
        DeValue::Array(items) => {
            for (at, item) in items.iter().enumerate() {
                let path = format!("{path}[{at}]");
                lines.insert(path.clone(), text.line_of(&item.span()));
                index_value(text, item, &path, lines);
            }
        }
        _ => {}
    }
}

/// A key as it can be shown: what moves the cursor is written out.
fn printable(key: &str) -> String {
    key.chars()
        .take(64)
        .flat_map(|c| if c.is_control() { c.escape_default().collect() } else { vec![c] })
        .collect()
}

fn join(prefix: &str, key: &str) -> String {
    if prefix.is_empty() { key.to_owned() } else { format!("{prefix}.{key}") }
}

/// Something that is there cannot be read; the reader has the problem.
#[derive(Debug)]
pub(super) struct Unreadable;

/// How a value is read: what was expected otherwise.
pub(super) type Read<T> = Result<T, String>;

/// A table being read.
pub(super) struct Section<'a> {
    reader: &'a Reader<'a>,
    table: &'a DeTable<'a>,
    /// Where keys are looked up that the table itself does not have.
    defaults: Option<&'a DeTable<'a>>,
    path: String,
    known: RefCell<Vec<&'static str>>,
}

impl<'a> Section<'a> {
    fn value(&self, key: &'static str) -> Option<&'a DeValue<'a>> {
        self.known.borrow_mut().push(key);
        let default = || self.defaults.and_then(|defaults| defaults.get(key));
        self.table.get(key).or_else(default).map(Spanned::get_ref)
    }

    pub(super) fn has(&self, key: &str) -> bool {
        self.table.contains_key(key) || self.defaults.is_some_and(|other| other.contains_key(key))
    }

    /// The section, with the keys that it lacks taken from `other`.
    pub(super) fn or_from(self, other: Option<&Section<'a>>) -> Self {
        Self { defaults: other.map(|other| other.table), ..self }
    }

    /// The table of this section's own under `key`, and the one among its defaults.
    pub(super) fn both(&self, key: &'static str) -> [Option<Section<'a>>; 2] {
        self.known.borrow_mut().push(key);
        let within = |table: &'a DeTable<'a>| {
            table.get(key).and_then(|value| self.inner(value.get_ref(), key))
        };
        [self.defaults.and_then(within), within(self.table)]
    }

    /// Reports the keys that are none of `known`.
    pub(super) fn only(&self, known: &[&str]) {
        for key in self.table.keys().map(Spanned::get_ref) {
            if !known.contains(&key.as_ref()) {
                self.report(
                    &printable(key),
                    format!("is an unknown key; there are {}", known.join(", ")),
                );
            }
        }
    }

    /// Whether the value of `key` is a text.
    pub(super) fn is_text(&self, key: &str) -> bool {
        self.table.get(key).is_some_and(|value| value.get_ref().is_str())
    }

    pub(super) fn report(&self, key: &str, reason: impl Into<String>) {
        let path = if key.is_empty() { self.path.clone() } else { join(&self.path, key) };
        self.reader.report(&path, reason);
    }

    /// A value that may be missing.
    pub(super) fn may<T>(
        &self,
        key: &'static str,
        read: impl FnOnce(&DeValue<'_>) -> Read<T>,
    ) -> Option<T> {
        let read = read(self.value(key)?);
        read.map_err(|reason| self.report(key, reason)).ok()
    }

    /// A value that has to be there.
    pub(super) fn must<T>(
        &self,
        key: &'static str,
        read: impl FnOnce(&DeValue<'_>) -> Read<T>,
    ) -> Option<T> {
        if !self.has(key) {
            self.report(key, "is missing");
        }
        self.may(key, read)
    }

    /// A list of values; empty when it is missing.
    pub(super) fn list<T>(
        &self,
        key: &'static str,
        read: impl Fn(&DeValue<'_>) -> Read<T>,
    ) -> Vec<T> {
        let Some(value) = self.value(key) else { return Vec::new() };
        let Some(items) = value.as_array() else {
            self.report(key, format!("expected a list, not a {}", value.type_str()));
            return Vec::new();
        };
        let each = items.iter().enumerate().filter_map(|(at, item)| {
            let reason = |reason| self.report(&format!("{key}[{at}]"), reason);
            read(item.get_ref()).map_err(reason).ok()
        });
        each.collect()
    }

    fn inner(&self, value: &'a DeValue<'a>, key: &str) -> Option<Section<'a>> {
        let Some(table) = value.as_table() else {
            self.report(key, format!("expected a table, not a {}", value.type_str()));
            return None;
        };
        let path = join(&self.path, key);
        let known = RefCell::default();
        Some(Section { reader: self.reader, table, defaults: None, path, known })
    }

    /// A table that may be missing.
    pub(super) fn section(&self, key: &'static str) -> Option<Section<'a>> {
        self.value(key).and_then(|value| self.inner(value, key))
    }

    /// A list of tables; empty when it is missing.
    pub(super) fn sections(&self, key: &'static str) -> Vec<Section<'a>> {
        let Some(value) = self.value(key) else { return Vec::new() };
        let Some(items) = value.as_array() else {
            self.report(key, format!("expected [[{key}]], not a {}", value.type_str()));
            return Vec::new();
        };
        let items = items.iter().enumerate();
        items.filter_map(|(at, item)| self.inner(item.get_ref(), &format!("{key}[{at}]"))).collect()
    }

    /// Every key with its value, for tables whose keys are free.
    pub(super) fn entries<T>(&self, read: impl Fn(&DeValue<'_>) -> Read<T>) -> BTreeMap<String, T> {
        let each = self.table.iter().filter_map(|(key, value)| {
            let key = key.get_ref().to_string();
            match read(value.get_ref()) {
                Ok(value) => Some((key, value)),
                Err(reason) => {
                    self.report(&key, reason);
                    None
                }
            }
        });
        each.collect()
    }

    /// Reports the keys that nobody asked for.
    pub(super) fn finish(self) {
        let known = self.known.borrow();
        for key in self.table.keys().map(Spanned::get_ref) {
            if !known.contains(&key.as_ref()) {
                let known = known.join(", ");
                self.report(&printable(key), format!("is an unknown key; there are {known}"));
            }
        }
    }
}
