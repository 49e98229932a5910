//! Reads a JSON object field by field and names everything that is wrong with it.
//!
//! Invariant: a bad field is reported with its path and the shape of its value, and reading goes
//! on with an empty value, so that all faults of a record come out at once.

use std::cell::RefCell;

use redress_core::clock::Timestamp;
use serde_json::{Map, Value};

use super::record::{Violations, shape};
use super::time::parse_time;

/// An object at a path.
pub(crate) struct Object<'v> {
    violations: &'v Violations,
    path: String,
    map: &'v Map<String, Value>,
    read: RefCell<Vec<&'static str>>,
}

impl<'v> Object<'v> {
    /// The object that a record consists of; `None`, and reported, when it is something else.
    pub(crate) fn root(value: &'v Value, violations: &'v Violations) -> Option<Self> {
        Self::at(String::new(), value, violations)
    }

    fn at(path: String, value: &'v Value, violations: &'v Violations) -> Option<Self> {
        let Value::Object(map) = value else {
            violations.report(path, format!("expected an object, found {}", describe(value)));
            return None;
        };
        Some(Self { violations, path, map, read: RefCell::default() })
    }

    /// The path of a field of this object.
    pub(crate) fn path(&self, key: &str) -> String {
        if self.path.is_empty() { key.to_owned() } else { format!("{}.{key}", self.path) }
    }

    /// Reports a field of this object.
    pub(crate) fn report(&self, key: &str, description: impl Into<String>) {
        self.violations.report(self.path(key), description);
    }

    fn value(&self, key: &'static str) -> Option<&'v Value> {
        self.read.borrow_mut().push(key);
        self.map.get(key).filter(|value| !value.is_null())
    }

    fn expected<T>(&self, key: &str, value: Option<&Value>, what: &str) -> Option<T> {
        match value {
            None => self.report(key, "value is required"),
            Some(value) => {
                self.report(key, format!("expected {what}, found {}", describe(value)));
            }
        }
        None
    }

    /// A text that must be there; empty, and reported, when it is not.
    pub(crate) fn text(&self, key: &'static str) -> String {
        match self.value(key) {
            Some(Value::String(text)) => text.clone(),
            other => self.expected(key, other, "a text").unwrap_or_default(),
        }
    }

    /// A text that may be absent or null.
    pub(crate) fn text_or_empty(&self, key: &'static str) -> String {
        match self.value(key) {
            None => String::new(),
            Some(Value::String(text)) => text.clone(),
            other => self.expected(key, other, "a text").unwrap_or_default(),
        }
    }

    /// A whole number that must be there.
    pub(crate) fn integer(&self, key: &'static str) -> i64 {
        let value = self.value(key);
        match value.and_then(Value::as_i64) {
            Some(number) => number,
            None => self.expected(key, value, "a whole number").unwrap_or_default(),
        }
    }

    /// A whole number that may be absent or null.
    pub(crate) fn integer_if_any(&self, key: &'static str) -> Option<i64> {
        let value = self.value(key)?;
        value.as_i64().or_else(|| self.expected(key, Some(value), "a whole number"))
    }

    /// A small whole number that may be absent or null, which is 0.
    pub(crate) fn small_or_zero(&self, key: &'static str) -> i32 {
        let Some(value) = self.value(key) else { return 0 };
        let number = value.as_i64().and_then(|number| i32::try_from(number).ok());
        number
            .or_else(|| self.expected(key, Some(value), "a small whole number"))
            .unwrap_or_default()
    }

    /// True, false, or absent, which is false.
    pub(crate) fn flag(&self, key: &'static str) -> bool {
        match self.value(key) {
            None => false,
            Some(Value::Bool(flag)) => *flag,
            other => self.expected(key, other, "true or false").unwrap_or_default(),
        }
    }

    /// An RFC 3339 time that must be there.
    pub(crate) fn time(&self, key: &'static str) -> Timestamp {
        match self.value(key) {
            Some(Value::String(text)) => parse_time(text).unwrap_or_else(|reason| {
                self.report(key, reason);
                Timestamp::default()
            }),
            other => self.expected(key, other, "an RFC 3339 time").unwrap_or_default(),
        }
    }

    /// An RFC 3339 time that may be absent or null.
    pub(crate) fn time_if_any(&self, key: &'static str) -> Option<Timestamp> {
        self.value(key).map(|_| self.time(key))
    }

    /// An object that must be there.
    pub(crate) fn object(&self, key: &'static str) -> Option<Self> {
        match self.value(key) {
            None => self.expected(key, None, "an object"),
            Some(value) => Self::at(self.path(key), value, self.violations),
        }
    }

    /// An object that may be absent or null.
    pub(crate) fn object_if_any(&self, key: &'static str) -> Option<Self> {
        self.value(key).and_then(|value| Self::at(self.path(key), value, self.violations))
    }

    /// A list of objects that must be there.
    pub(crate) fn objects(&self, key: &'static str) -> Vec<Self> {
        let value = self.value(key);
        if value.is_none() {
            self.report(key, "value is required");
        }
        self.objects_of(key, value)
    }

    /// A list of objects that may be absent or null, which is none.
    pub(crate) fn objects_if_any(&self, key: &'static str) -> Vec<Self> {
        self.objects_of(key, self.value(key))
    }

    fn objects_of(&self, key: &'static str, value: Option<&'v Value>) -> Vec<Self> {
        let items = match value {
            Some(Value::Array(items)) => items.as_slice(),
            None => &[],
            other => self.expected(key, other, "a list").unwrap_or_default(),
        };
        let at = |(index, value)| {
            Self::at(format!("{}[{index}]", self.path(key)), value, self.violations)
        };
        items.iter().enumerate().filter_map(at).collect()
    }

    /// A list of texts that may be absent or null, which is none.
    pub(crate) fn texts_if_any(&self, key: &'static str) -> Vec<String> {
        let items = match self.value(key) {
            Some(Value::Array(items)) => items.as_slice(),
            None => &[],
            other => self.expected(key, other, "a list of texts").unwrap_or_default(),
        };
        let text = |(at, item): (usize, &Value)| match item {
            Value::String(text) => text.clone(),
            other => {
                let text = format!("expected a text, found {}", describe(other));
                self.report(&format!("{key}[{at}]"), text);
                String::new()
            }
        };
        items.iter().enumerate().map(text).collect()
    }

    /// The texts of an object, by name.
    pub(crate) fn texts(&self) -> impl Iterator<Item = (&'v str, &'v str)> {
        self.map.iter().filter_map(|(key, value)| Some((key.as_str(), value.as_str()?)))
    }

    /// Reports every field that was not asked for.
    pub(crate) fn refuse_unknown_fields(&self) {
        let read = self.read.borrow();
        for key in self.map.keys().filter(|key| !read.contains(&key.as_str())) {
            let name: String = key.chars().filter(char::is_ascii_graphic).take(40).collect();
            self.report(&name, format!("unknown field: expected one of {}", read.join(", ")));
        }
    }
}

fn describe(value: &Value) -> String {
    match value {
        Value::Null => "null".to_owned(),
        Value::Bool(_) => "true or false".to_owned(),
        Value::Number(number) => format!("the number {number}"),
        Value::String(text) => shape(text),
        Value::Array(items) => format!("a list of {}", items.len()),
        Value::Object(_) => "an object".to_owned(),
    }
}
