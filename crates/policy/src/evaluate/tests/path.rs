use super::*;
use crate::texts::Language;

fn english(step: &Step) -> String {
    step.text(Language::En, None)
}

#[test]
fn the_path_tells_each_step_with_its_amount() {
    let mut policy = Policy { currency: Some("EUR".parse().unwrap()), ..policy() };
    policy.rounding = Rounding { step: 50, mode: RoundingMode::HalfUp };
    policy.tiers[1].terms =
        Terms { charge: Charge::Fee(1000), fixed_fee: 100, minimum_fee: 1_500, ..Terms::default() };
    let words =
        |ask: &Ask| -> Vec<String> { ask.price(&policy).path.iter().map(english).collect() };
    assert_eq!(
        words(&ask()),
        [
            "Rule two-weeks does not apply any more: it asks for 14 days (336 hours) before the start, \
         so it ended on 5 December 2026, 15:30 (Europe/Berlin).",
            "Rule two-days applies: it asks for 2 days (48 hours) before the start, so until \
         17 December 2026, 15:30 (Europe/Berlin).",
            "Of the price of EUR 107.81, 10 % is kept.",
            "A fixed fee of EUR 1.00 is kept.",
            "The fee is rounded to the nearest (the half up) to a multiple of EUR 0.50, which makes \
         EUR 12.00.",
            "The fee is at least EUR 15.00.",
            "Of EUR 107.81, the seller keeps EUR 15.00, and EUR 92.81 goes back to the buyer.",
        ]
    );
    let mut cheap = ask();
    cheap.line.gross = 1_400;
    assert_eq!(
        words(&cheap)[5..],
        [
            "The fee is at least EUR 15.00.",
            "The fee cannot be higher than the price of EUR 14.00.",
            "Of EUR 14.00, the seller keeps EUR 14.00, and EUR 0.00 goes back to the buyer.",
        ]
    );
    policy.tiers[1].terms.minimum_fee = 0;
    assert_eq!(ask().price(&policy).path.len(), 6, "a bound that binds nothing is not told");
    policy.tiers[1].terms.maximum_fee = Some(1_000);
    let path = ask().price(&policy).path;
    assert_eq!(english(&path[5]), "The fee is at most EUR 10.00.");
    assert_eq!(path.len(), 7);
}

#[test]
fn a_tier_that_drops_out_by_its_condition_leaves_only_that_reason() {
    let policy = with_tier(|tier| {
        tier.notice = Notice::Hours(0);
        tier.condition = Some(Condition::new("ill"));
    });
    let path = ask().told("ill", false).price(&policy).path;
    let first: Vec<_> = path.iter().take(3).map(english).collect();
    assert_eq!(
        first,
        [
            "Rule two-weeks is for another case: ill; here, ill is no.",
            "Rule two-days applies: it asks for 2 days (48 hours) before the start, so until \
         17 December 2026, 15:30 (Europe/Berlin).",
            "Of the price of EUR 107.81, 50 % is kept.",
        ]
    );
    let path = ask().told("ill", true).price(&policy).path;
    assert!(
        matches!(path[0], Step::NoticeMet { .. }) && matches!(path[1], Step::ConditionMet { .. })
    );
}

#[test]
fn a_fact_that_was_told_is_shown_as_it_was_told() {
    let mut policy = with_tier(|tier| {
        tier.notice = Notice::Hours(0);
        tier.condition = Some(Condition::new("reported < start"));
    });
    policy.facts.push(FactDeclaration { kind: FactKind::Timestamp, ..fact("reported") });
    let mut ask = ask();
    let (reported, start) = (Timestamp(ask.line.start.0 - 1), ask.line.start);
    ask.facts.insert("reported".to_owned(), FactValue::Timestamp(reported));
    let path = ask.price(&policy).path;
    let Step::ConditionMet { facts, .. } = &path[1] else { panic!("{path:?}") };
    let told = [("reported", reported), ("start", start)]
        .map(|(name, at)| (name.to_owned(), FactValue::Timestamp(at)));
    assert_eq!(*facts, BTreeMap::from(told));
}
