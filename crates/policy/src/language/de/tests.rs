//! Every step in German, word by word.

use crate::language::tests::{all_read, every_step, in_own_words, reads, sparse_steps};
use crate::texts::Language;

use super::*;

#[test]
fn every_step_is_a_sentence() {
    all_read(
        Language::De,
        &every_step(),
        &[
            "Regel two-days, die gilt, wenn jemand erkrankt ist, konnte nur bis zum 17. Dezember \
             2026, 15:30 Uhr (Europe/Berlin) geltend gemacht werden.",
            "Regel two-days gilt anstelle der üblichen Regeln, weil jemand verstorben ist; \
             vorgelegt wurden: DEATH_CERTIFICATE und KINSHIP.",
            "Für den Fall, dass gestreikt wurde, gibt es zu dieser Position keine besondere Regel; \
             daher gelten die üblichen Regeln.",
            "Regel two-days gilt nicht mehr; sie verlangt einen Antrag mindestens 2 Tage (48 \
             Stunden) vor Beginn, die Frist endete also am 17. Dezember 2026, 15:30 Uhr \
             (Europe/Berlin).",
            "Regel two-days gilt; sie verlangt einen Antrag mindestens 5 Tage vor dem Tag des \
             Beginns, also spätestens am 17. Dezember 2026, 15:30 Uhr (Europe/Berlin).",
            "Es wird angenommen, dass Regel two-days gilt; sie verlangt einen Antrag mindestens 3 \
             Arbeitstage vor dem Tag des Beginns, und der Kalender der Arbeitstage reicht nicht \
             weit genug, um sicher zu sein.",
            "Regel two-days gilt für diesen Fall: ill && !late; Angaben dazu: Verkaufsweg = \
             \"web\"; days = 3; ill = ja; late = nein.",
            "Regel two-days gilt für einen anderen Fall: ill && !late.",
            "Diese Steuer wird bei einem Rücktritt des Käufers nicht erstattet.",
            "Bei einem Rücktritt des Käufers sehen diese Regeln keine Erstattung vor; sie \
             betreffen nur das, wofür der Anbieter einzustehen hat.",
            "Die Fristen aller Regeln sind abgelaufen; Beginn ist am 17. Dezember 2026, 15:30 Uhr \
             (Europe/Berlin).",
            "Es bleibt keine Regel, deren Bedingung erfüllt ist; daher wird nichts erstattet.",
            "Vom Preis von EUR 107.81 werden 25,5 % einbehalten.",
            "Von EUR 80.00 (unused_part) werden 30 % erstattet.",
            "Vom Rest wird außerdem der Anteil für 3 von 10 Tagen einbehalten.",
            "Zusätzlich werden Kosten von EUR 12.00 (visa_cost) einbehalten.",
            "Für 2 Einheiten wird eine Pauschale von insgesamt EUR 5.00 einbehalten.",
            "Die Stornogebühr wird auf ein Vielfaches von EUR 0.50 kaufmännisch gerundet (genau \
             die Hälfte nach oben); das ergibt EUR 27.50.",
            "Die Stornogebühr beträgt mindestens EUR 2.00.",
            "Die Stornogebühr beträgt höchstens EUR 30.00.",
            "Die Stornogebühr kann nicht höher sein als der Preis von EUR 1.50.",
            "Von EUR 1.00 behält der Anbieter EUR 0.25 ein; der Käufer erhält EUR 0.75 zurück.",
            "Für diesen Fall sieht keine Regel eine Ausgleichszahlung vor.",
            "Nach Regel two-days ist keine Ausgleichszahlung zu leisten.",
            "Nach Regel two-days kann außerdem Schadensersatz verlangt werden; seine Höhe ist \
             nachzuweisen.",
            "Nach Regel two-days ist eine Ausgleichszahlung von EUR 250.00 pro Person (2 Personen) \
             zu leisten.",
            "Nach Regel two-days beträgt die Ausgleichszahlung 25 % des Preises von EUR 107.81.",
            "Nach Regel two-days werden Kosten von EUR 30.00 ersetzt.",
            "Die Ausgleichszahlung wird halbiert; das ergibt EUR 125.00.",
            "Das wären EUR 3.00; weniger als EUR 4.00 muss nicht gezahlt werden, daher ist keine \
             Ausgleichszahlung zu leisten.",
            "Zusätzlich zur Erstattung ist eine Ausgleichszahlung von EUR 125.00 zu leisten.",
        ],
    );
}

#[test]
fn what_a_step_leaves_out_is_not_told() {
    all_read(
        Language::De,
        &sparse_steps(),
        &[
            "Regel two-days gilt nicht mehr; sie verlangt einen Antrag bis zum 17. Dezember 2026, \
             15:30 Uhr (Europe/Berlin).",
            "Regel two-days gilt; sie verlangt einen Antrag mindestens 1 Tag vor dem Tag des \
             Beginns, also spätestens am 2026-12-17T14:30:00Z.",
            "Regel two-days gilt; sie verlangt einen Antrag mindestens 1 Arbeitstag vor dem Tag \
             des Beginns.",
            "Regel two-days gilt anstelle der üblichen Regeln, weil jemand verstorben ist.",
            "Diese Gebühr wird bei einem Rücktritt des Käufers nicht erstattet.",
            "Vom Preis von EUR 107.81 wird 1 % erstattet.",
            "Es wird eine Pauschale von EUR 2.50 einbehalten.",
            "Die Stornogebühr wird abgerundet; das ergibt EUR 53.90.",
            "Nach Regel two-days ist eine Ausgleichszahlung von EUR 250.00 zu leisten.",
        ],
    );
}

#[test]
fn a_policys_own_words_are_told() {
    in_own_words(
        Language::De,
        [
            "Regel bereavement (Terms, § 3) gilt für diesen Fall: eine reisende Person ist \
             verstorben; Angaben dazu: Anzahl = 1.",
            "Regel bereavement (Terms, § 3) gilt anstelle der üblichen Regeln, weil jemand \
             verstorben ist; vorgelegt wurde: die Sterbeurkunde.",
            "Nach Regel bereavement (Terms, § 3) ist keine Ausgleichszahlung zu leisten.",
        ],
    );
}

#[test]
fn what_is_counted_agrees_with_its_number() {
    for (number, text) in [(0, "0 Tage"), (1, "1 Tag"), (2, "2 Tage"), (21, "21 Tage")] {
        assert_eq!(count(number, "Tag", "Tage"), text);
    }
    let days = Step::RestByDays { done: 1, of: 1 };
    reads(Language::De, &days, "Vom Rest wird außerdem der Anteil für 1 von 1 Tag einbehalten.");
}

#[test]
fn figures_and_lists_are_german() {
    assert_eq!(percent(2550), "25,5 %");
    assert_eq!(percent(2505), "25,05 %");
    assert_eq!(goes(150, true), "werden 1,5 % einbehalten");
    assert_eq!(list(&["a", "b", "c"]), "a, b und c");
}

#[test]
fn instants_are_told_as_in_germany() {
    let told = |at: &str| local(redress_calendar::parse_instant(at).unwrap(), "Europe/Berlin");
    assert_eq!(told("2026-12-31T23:05:00Z"), "1. Januar 2027, 00:05 Uhr (Europe/Berlin)");
    assert_eq!(told("2026-03-19T14:30:09Z"), "19. März 2026, 15:30:09 Uhr (Europe/Berlin)");
}

#[test]
fn notices_are_told_in_the_unit_that_people_use() {
    for (asked, text) in [
        (Notice::Hours(0), "einen Antrag vor Beginn"),
        (Notice::Hours(1), "einen Antrag mindestens 1 Stunde vor Beginn"),
        (Notice::Hours(24), "einen Antrag mindestens 1 Tag (24 Stunden) vor Beginn"),
        (Notice::Hours(36), "einen Antrag mindestens 36 Stunden vor Beginn"),
        (Notice::CivilDays(0), "einen Antrag spätestens am Tag des Beginns"),
        (Notice::CivilDays(10), "einen Antrag mindestens 10 Tage vor dem Tag des Beginns"),
        (Notice::BusinessDays(0), "einen Antrag spätestens am Tag des Beginns"),
        (Notice::BusinessDays(1), "einen Antrag mindestens 1 Arbeitstag vor dem Tag des Beginns"),
        (Notice::Until(Timestamp(0)), "einen Antrag bis zum soundsovielten"),
    ] {
        assert_eq!(notice(asked, |_| "soundsovielten".to_owned()), text);
    }
}

#[test]
fn every_way_of_rounding_is_told() {
    let told = RoundingMode::ALL.iter().map(|mode| rounding(*mode));
    let all = [
        "abgerundet",
        "aufgerundet",
        "kaufmännisch gerundet (genau die Hälfte nach oben)",
        "zum nächsten Wert gerundet (genau die Hälfte zum geraden Wert)",
    ];
    assert!(told.eq(all));
}
