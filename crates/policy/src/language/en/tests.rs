//! Every step in English, word by word.

use crate::language::tests::{all_read, every_step, in_own_words, sparse_steps};
use crate::texts::Language;

use super::*;

#[test]
fn every_step_is_a_sentence() {
    all_read(
        Language::En,
        &every_step(),
        &[
            "Rule two-days, for when someone fell ill, could be claimed until 17 December 2026, \
             15:30 (Europe/Berlin).",
            "Rule two-days applies instead of the usual ones, because someone died; shown: \
             DEATH_CERTIFICATE and KINSHIP.",
            "No special rule for the case that there was a strike covers this line, so the usual \
             ones apply.",
            "Rule two-days does not apply any more: it asks for 2 days (48 hours) before the \
             start, so it ended on 17 December 2026, 15:30 (Europe/Berlin).",
            "Rule two-days applies: it asks for 5 days before the day of the start, so until \
             17 December 2026, 15:30 (Europe/Berlin).",
            "Rule two-days is taken to apply: it asks for 3 business days before the day of the \
             start, and the calendar of business days ends too early to be sure.",
            "Rule two-days is for this case: ill && !late; here, sales channel is \"web\"; \
             days is 3; ill is yes; late is no.",
            "Rule two-days is for another case: ill && !late.",
            "This tax is not given back when a buyer withdraws.",
            "These rules give nothing back to a buyer who withdraws; they are about what the \
             seller has to answer for.",
            "It is too late for every rule; the start is on 17 December 2026, 15:30 \
             (Europe/Berlin).",
            "No rule remains whose condition holds, so nothing is given back.",
            "Of the price of EUR 107.81, 25.5 % is kept.",
            "Of EUR 80.00 (unused_part), 30 % goes back.",
            "Of the rest, 3 of 10 days are kept too.",
            "A cost of EUR 12.00 (visa_cost) is kept besides.",
            "A fixed fee of EUR 5.00 is kept for 2 units.",
            "The fee is rounded to the nearest (the half up) to a multiple of EUR 0.50, which \
             makes EUR 27.50.",
            "The fee is at least EUR 2.00.",
            "The fee is at most EUR 30.00.",
            "The fee cannot be higher than the price of EUR 1.50.",
            "Of EUR 1.00, the seller keeps EUR 0.25, and EUR 0.75 goes back to the buyer.",
            "No rule gives compensation for this case.",
            "By rule two-days, no compensation is owed.",
            "By rule two-days, damages can be claimed besides; their amount has to be proven.",
            "Rule two-days gives compensation of EUR 250.00 for each of 2 passengers.",
            "Rule two-days gives 25 % of the price of EUR 107.81 as compensation.",
            "Rule two-days makes good a cost of EUR 30.00.",
            "The compensation is halved, which makes EUR 125.00.",
            "That would be EUR 3.00; less than EUR 4.00 need not be paid, so no compensation is \
             owed.",
            "Compensation of EUR 125.00 is owed besides the refund.",
        ],
    );
}

#[test]
fn what_a_step_leaves_out_is_not_told() {
    all_read(
        Language::En,
        &sparse_steps(),
        &[
            "Rule two-days does not apply any more: it asks for a request until 17 December 2026, \
             15:30 (Europe/Berlin).",
            "Rule two-days applies: it asks for 1 day before the day of the start, so until \
             2026-12-17T14:30:00Z.",
            "Rule two-days applies: it asks for 1 business day before the day of the start.",
            "Rule two-days applies instead of the usual ones, because someone died.",
            "This fee is not given back when a buyer withdraws.",
            "Of the price of EUR 107.81, 1 % goes back.",
            "A fixed fee of EUR 2.50 is kept.",
            "The fee is rounded down, which makes EUR 53.90.",
            "Rule two-days gives compensation of EUR 250.00.",
        ],
    );
}

#[test]
fn a_policys_own_words_are_told() {
    in_own_words(
        Language::En,
        [
            "Rule bereavement (Terms, § 3) is for this case: a traveller has died; here, quantity \
             is 1.",
            "Rule bereavement (Terms, § 3) applies instead of the usual ones, because someone \
             died; shown: the death certificate.",
            "By rule bereavement (Terms, § 3), no compensation is owed.",
        ],
    );
}

#[test]
fn what_is_counted_agrees_with_its_number() {
    assert_eq!((count(1, "day").as_str(), count(2, "day").as_str()), ("1 day", "2 days"));
    assert_eq!(list(&["a", "b", "c"]), "a, b and c");
}

#[test]
fn notices_are_told_in_the_unit_that_people_use() {
    for (asked, text) in [
        (Notice::Hours(0), "a request before the start"),
        (Notice::Hours(1), "1 hour before the start"),
        (Notice::Hours(24), "1 day (24 hours) before the start"),
        (Notice::Hours(36), "36 hours before the start"),
        (Notice::CivilDays(0), "a request no later than the day of the start"),
        (Notice::CivilDays(10), "10 days before the day of the start"),
        (Notice::BusinessDays(0), "a request no later than the day of the start"),
        (Notice::BusinessDays(1), "1 business day before the day of the start"),
        (Notice::Until(Timestamp(0)), "a request until then"),
    ] {
        assert_eq!(notice(asked, |_| "then".to_owned()), text);
    }
}

#[test]
fn every_way_of_rounding_is_told() {
    let told = RoundingMode::ALL.iter().map(|mode| rounding(*mode));
    let all =
        ["down", "up", "to the nearest (the half up)", "to the nearest (the half to the even one)"];
    assert!(told.eq(all));
}
