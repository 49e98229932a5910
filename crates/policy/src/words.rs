//! Small pieces of English for steps and messages.
//!
//! Invariant: numbers are exact; nothing is rounded to be readable.

use redress_core::clock::Timestamp;

use crate::model::Notice;
use crate::vocabulary::RoundingMode;

/// `1 day`, `2 days`.
pub(crate) fn count(number: i64, thing: &str) -> String {
    let plural = if number == 1 { "" } else { "s" };
    format!("{number} {thing}{plural}")
}

/// `25.5 %` from hundredths of a percent.
pub(crate) fn percent(basis_points: u16) -> String {
    let (whole, rest) = (basis_points / 100, basis_points % 100);
    match (rest, rest % 10) {
        (0, _) => format!("{whole} %"),
        (_, 0) => format!("{whole}.{} %", rest / 10),
        _ => format!("{whole}.{rest:02} %"),
    }
}

/// `a, b and c`.
pub(crate) fn list<T: AsRef<str>>(items: &[T]) -> String {
    match items {
        [] => String::new(),
        [only] => only.as_ref().to_owned(),
        [first @ .., last] => {
            let first: Vec<_> = first.iter().map(AsRef::as_ref).collect();
            format!("{} and {}", first.join(", "), last.as_ref())
        }
    }
}

/// What a tier asks for: `2 days (48 hours) before the start`.
pub(crate) fn notice(notice: Notice, local: impl Fn(Timestamp) -> String) -> String {
    match notice {
        Notice::Hours(0) => "a request before the start".to_owned(),
        Notice::Hours(hours) if hours % 24 == 0 => {
            let days = count(i64::from(hours / 24), "day");
            format!("{days} ({hours} hours) before the start")
        }
        Notice::Hours(hours) => format!("{} before the start", count(hours.into(), "hour")),
        Notice::CivilDays(0) | Notice::BusinessDays(0) => {
            "a request no later than the day of the start".to_owned()
        }
        Notice::CivilDays(days) => {
            format!("{} before the day of the start", count(days.into(), "day"))
        }
        Notice::BusinessDays(days) => {
            format!("{} before the day of the start", count(days.into(), "business day"))
        }
        Notice::Until(instant) => format!("a request until {}", local(instant)),
    }
}

/// `words`, except for a notice that is an instant and has told it already.
pub(crate) fn unless_instant(notice: Notice, words: String) -> String {
    if matches!(notice, Notice::Until(_)) { String::new() } else { words }
}

/// `down`, `up`, `to the nearest`.
pub(crate) const fn rounding(mode: RoundingMode) -> &'static str {
    match mode {
        RoundingMode::Down => "down",
        RoundingMode::Up => "up",
        RoundingMode::HalfUp => "to the nearest (the half up)",
        RoundingMode::HalfEven => "to the nearest (the half to the even one)",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn figures_are_exact() {
        for (points, text) in
            [(0, "0 %"), (2500, "25 %"), (2550, "25.5 %"), (2505, "25.05 %"), (1, "0.01 %")]
        {
            assert_eq!(percent(points), text);
        }
        assert_eq!((count(1, "day").as_str(), count(2, "day").as_str()), ("1 day", "2 days"));
    }

    #[test]
    fn lists_end_with_and() {
        assert_eq!(list::<&str>(&[]), "");
        assert_eq!(list(&["a"]), "a");
        assert_eq!(list(&["a", "b", "c"]), "a, b and c");
    }

    #[test]
    fn notices_are_told_in_the_unit_that_people_use() {
        let local = |_| "then".to_owned();
        for (asked, text) in [
            (Notice::Hours(0), "a request before the start"),
            (Notice::Hours(1), "1 hour before the start"),
            (Notice::Hours(24), "1 day (24 hours) before the start"),
            (Notice::Hours(36), "36 hours before the start"),
            (Notice::CivilDays(0), "a request no later than the day of the start"),
            (Notice::CivilDays(10), "10 days before the day of the start"),
            (Notice::BusinessDays(1), "1 business day before the day of the start"),
            (Notice::Until(Timestamp(0)), "a request until then"),
        ] {
            assert_eq!(notice(asked, local), text);
        }
        assert_eq!(unless_instant(Notice::Hours(1), "x".to_owned()), "x");
        assert_eq!(unless_instant(Notice::Until(Timestamp(0)), "x".to_owned()), "");
    }
}
