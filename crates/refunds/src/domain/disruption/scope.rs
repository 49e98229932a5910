//! Which orders, and which of their lines, a disruption is about.
//!
//! Invariant: a scope names at least one event, trip or carrier, so that it never means everything
//! a tenant has sold; a line is covered when it meets every criterion that is given.

use redress_core::clock::Timestamp;
use redress_core::id::EventId;
use serde::{Deserialize, Serialize};

use super::Problem;
use crate::domain::order::{Order, OrderLine};

/// Values that one criterion may list.
pub const MAX_VALUES: usize = 100;

/// What a disruption is about. Of each list one value has to match; an empty list asks for nothing.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Scope {
    /// What did not go as sold.
    pub events: Vec<EventId>,
    /// Ids of journeys.
    pub trips: Vec<String>,
    /// Who operates it, in the shop's words.
    pub carriers: Vec<String>,
    /// The event starts at this time or later.
    pub starts_from: Option<Timestamp>,
    /// The event starts before this time.
    pub starts_before: Option<Timestamp>,
    /// Parts of the venue, in the shop's words.
    pub sections: Vec<String>,
    /// Where orders were sold, in the shop's words.
    pub sales_channels: Vec<String>,
}

/// By which of its criteria the candidates of a scope are found.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ScopeKey<'a> {
    /// Lines for one of these events.
    Events(&'a [EventId]),
    /// Lines of one of these journeys.
    Trips(&'a [String]),
    /// Lines operated by one of these carriers.
    Carriers(&'a [String]),
}

impl Scope {
    /// Everything sold for one event.
    pub fn of_event(event: EventId) -> Self {
        Self { events: vec![event], ..Self::default() }
    }

    /// The same scope in the one form that equal scopes share: sorted, nothing twice.
    #[must_use]
    pub fn normalised(mut self) -> Self {
        for list in
            [&mut self.trips, &mut self.carriers, &mut self.sections, &mut self.sales_channels]
        {
            list.sort();
            list.dedup();
        }
        self.events.sort();
        self.events.dedup();
        self
    }

    /// The narrowest criterion that an index knows; `None` when the scope names none of them.
    pub fn key(&self) -> Option<ScopeKey<'_>> {
        if !self.events.is_empty() {
            Some(ScopeKey::Events(&self.events))
        } else if !self.trips.is_empty() {
            Some(ScopeKey::Trips(&self.trips))
        } else if !self.carriers.is_empty() {
            Some(ScopeKey::Carriers(&self.carriers))
        } else {
            None
        }
    }

    /// What is wrong with it.
    pub fn problems(&self) -> Vec<Problem> {
        let mut problems = Vec::new();
        if self.key().is_none() {
            let reason = "name at least one event, trip or carrier: dates, sections and sales \
                          channels only narrow them";
            problems.push(Problem::new("scope", reason));
        }
        for (field, values) in [
            ("scope.trips", &self.trips),
            ("scope.carriers", &self.carriers),
            ("scope.sections", &self.sections),
            ("scope.sales_channels", &self.sales_channels),
        ] {
            if values.iter().any(String::is_empty) {
                problems.push(Problem::new(field, "an empty value matches what is unknown"));
            }
        }
        if let (Some(from), Some(before)) = (self.starts_from, self.starts_before)
            && from >= before
        {
            problems.push(Problem::new("scope.starts_before", "expected later than starts_from"));
        }
        problems
    }

    /// Whether a line of `order` is covered.
    pub fn covers(&self, order: &Order, line: &OrderLine) -> bool {
        let any = |values: &[String], value: &str| {
            values.is_empty() || values.iter().any(|listed| listed == value)
        };
        (self.events.is_empty() || self.events.contains(&line.event))
            && (self.trips.is_empty()
                || line.trip.as_ref().is_some_and(|trip| self.trips.contains(trip)))
            && any(&self.carriers, &line.carrier)
            && any(&self.sections, &line.section)
            && any(&self.sales_channels, &order.sales_channel)
            && self.starts_from.is_none_or(|from| line.event_start >= from)
            && self.starts_before.is_none_or(|before| line.event_start < before)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::order::tests::order;

    fn texts(values: &[&str]) -> Vec<String> {
        values.iter().map(|value| (*value).to_owned()).collect()
    }

    #[test]
    fn a_line_meets_every_criterion_or_is_left_alone() {
        let mut sold = order();
        sold.sales_channel = "web".to_owned();
        let line = &mut sold.lines[0];
        line.section = "north".to_owned();
        line.carrier = "LH".to_owned();
        line.trip = Some("t1".to_owned());
        let start = line.event_start;
        let event = line.event.clone();
        let whole = Scope {
            events: vec![event.clone(), EventId::new("gala").unwrap()],
            trips: texts(&["t1"]),
            carriers: texts(&["LH", "LX"]),
            starts_from: Some(start),
            starts_before: Some(Timestamp(start.0 + 1)),
            sections: texts(&["north"]),
            sales_channels: texts(&["web"]),
        };
        assert!(whole.covers(&sold, &sold.lines[0]));
        let other = |change: fn(&mut Scope)| {
            let mut scope = whole.clone();
            change(&mut scope);
            scope.covers(&sold, &sold.lines[0])
        };
        assert!(!other(|scope| scope.events = vec![EventId::new("gala").unwrap()]));
        assert!(!other(|scope| scope.trips = texts(&["t2"])));
        assert!(!other(|scope| scope.carriers = texts(&["LX"])));
        assert!(!other(|scope| scope.sections = texts(&["south"])));
        assert!(!other(|scope| scope.sales_channels = texts(&["box office"])));
        assert!(!other(|scope| scope.starts_before = scope.starts_from));
        assert!(!other(|scope| scope.starts_from = scope.starts_before));
        assert!(Scope::of_event(event).covers(&sold, &sold.lines[0]));
    }

    #[test]
    fn a_scope_of_everything_is_refused() {
        let field = |scope: &Scope| {
            scope.problems().into_iter().map(|problem| problem.field).collect::<Vec<_>>()
        };
        assert_eq!(field(&Scope::default()), ["scope"]);
        let narrowed = Scope { sections: texts(&["north"]), ..Scope::default() };
        assert_eq!(field(&narrowed), ["scope"], "a section alone is every venue's");
        let carrier = Scope { carriers: texts(&["LH"]), ..Scope::default() };
        assert_eq!(field(&carrier), [] as [&str; 0]);
        let unknown = Scope { carriers: texts(&[""]), ..Scope::default() };
        assert_eq!(field(&unknown), ["scope.carriers"]);
        let (from, before) = (Some(Timestamp(5)), Some(Timestamp(5)));
        let never = Scope { starts_from: from, starts_before: before, ..carrier };
        assert_eq!(field(&never), ["scope.starts_before"]);
    }

    #[test]
    fn equal_scopes_have_one_form_and_the_narrowest_key_comes_first() {
        let scope = Scope { trips: texts(&["b", "a", "b"]), ..Scope::default() }.normalised();
        assert_eq!(scope.trips, ["a", "b"]);
        assert_eq!(scope.key(), Some(ScopeKey::Trips(&texts(&["a", "b"]))));
        let derby =
            Scope { carriers: texts(&["LH"]), ..Scope::of_event(order().lines[0].event.clone()) };
        assert!(matches!(derby.key(), Some(ScopeKey::Events(_))));
    }
}
