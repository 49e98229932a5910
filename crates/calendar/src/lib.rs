//! Civil time: dates and local times in IANA zones, and business days by explicit calendars, those
//! of many countries among them.
//!
//! Invariant: pure, and the same on every machine: the zone rules are compiled in, never read from
//! the system. A date outside a business calendar is said to be outside; it is never taken for an
//! ordinary Monday to Friday.

mod business;
mod date;
mod instant;
mod named;
mod zone;

pub use business::{BusinessCalendar, BusinessDays, CalendarProblem, DueDay, Weekday};
pub use date::{Date, InvalidDate};
pub use instant::{InvalidInstant, format_instant, parse_instant};
pub use zone::{CalendarError, LocalParts, Zone, civil_date};
