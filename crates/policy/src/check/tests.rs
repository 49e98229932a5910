use super::*;

const SOUND: &str = r#"id = "standard"
display_name = "Standard"
effective = 2026-01-01T00:00:00Z
pay_within_days = 14

[citation]
title = "Terms"

[[tiers]]
rule = "two-weeks"
notice_hours = 336
fee_basis_points = 0

[[tiers]]
rule = "two-days"
notice_hours = 48
fee_basis_points = 5000
"#;

/// What is wrong after replacing `old` with `new`: line, path and a part of the reason.
#[track_caller]
fn wrong(old: &str, new: &str, expected: &[(usize, &str, &str)]) {
    assert!(SOUND.contains(old), "{old}");
    let text = SOUND.replacen(old, new, 1);
    let found = check(&text).err().unwrap_or_default();
    let places: Vec<_> = found.iter().map(|p| (p.line, p.path.as_str())).collect();
    let wanted: Vec<_> = expected.iter().map(|(line, path, _)| (*line, *path)).collect();
    assert_eq!(places, wanted, "{found:#?}");
    for (problem, (.., part)) in found.iter().zip(expected) {
        assert!(problem.reason.contains(part), "{problem:?} lacks {part:?}");
    }
}

#[test]
fn a_sound_file_is_read() {
    let policy = check(SOUND).unwrap();
    assert_eq!((policy.tiers.len(), policy.refunds_fees, policy.version), (2, false, 0));
    assert_eq!(redress_calendar::format_instant(policy.effective), "2026-01-01T00:00:00Z");
    let everything = report(include_str!("../../tests/data/everything.toml"));
    assert_eq!(everything.problems, []);
    assert_eq!((everything.examples, everything.examples_passed), (4, 4));
    let policy = everything.policy.unwrap();
    assert_eq!(policy.tiers[1].citation.as_ref().unwrap().title, "Terms of sale, section 8");
    assert_eq!(policy.business_days().unwrap().holidays.len(), 2);
}

#[test]
fn what_is_not_toml_is_told_with_its_line() {
    wrong("title = \"Terms\"", "title = Terms", &[(7, "", "is not TOML")]);
    wrong("[[tiers]]", "[[tiers]", &[(9, "", "is not TOML")]);
    let double = "pay_within_days = 14\npay_within_days = 15";
    wrong("pay_within_days = 14", double, &[(5, "", "is not TOML")]);
}

#[test]
fn keys_and_types_are_told_with_their_line() {
    wrong(
        "display_name",
        "displayname",
        &[
            (1, "display_name", "is missing"),
            (2, "displayname", "is an unknown key; there are id, display_name,"),
        ],
    );
    wrong(
        "notice_hours = 336",
        "notice_hours = \"336\"",
        &[(11, "tiers[0].notice_hours", "expected a whole number, not a string")],
    );
    wrong(
        "notice_hours = 336",
        "notice_hours = -1",
        &[(11, "tiers[0].notice_hours", "beyond the range")],
    );
    wrong(
        "notice_hours = 336",
        "notice_hours = 99999999999999999999",
        &[(11, "tiers[0].notice_hours", "beyond all bounds")],
    );
    wrong(
        "notice_hours = 336",
        "notice_hour = 336",
        &[
            (9, "tiers[0]", "expected one of notice_hours,"),
            (11, "tiers[0].notice_hour", "unknown key"),
        ],
    );
    wrong(
        "notice_hours = 336",
        "notice_hours = 336\nnotice_civil_days = 14",
        &[(12, "tiers[0].notice_civil_days", "only one of")],
    );
    wrong(
        "fee_basis_points = 0",
        "kinds = [\"TICKET\"]",
        &[(9, "tiers[0]", "expected fee_basis_points or refund_basis_points")],
    );
    wrong(
        "fee_basis_points = 0",
        "fee_basis_points = 0\nrefund_basis_points = 10000",
        &[(13, "tiers[0].refund_basis_points", "stands beside fee_basis_points")],
    );
    wrong("2026-01-01T00:00:00Z", "2026-01-01", &[(3, "effective", "with its offset")]);
    wrong("2026-01-01T00:00:00Z", "2026-01-01T00:00:00", &[(3, "effective", "with its offset")]);
    wrong("[citation]\ntitle = \"Terms\"\n", "", &[(1, "citation", "where do the rules stand?")]);
    wrong("id = \"standard\"", "id = \"stan dard\"", &[(1, "id", "expected 1 to 64 characters")]);
    wrong(
        "pay_within_days = 14",
        "pay_within_days = 14\ncurrency = \"euro\"",
        &[(5, "currency", "unknown currency")],
    );
    wrong(
        "pay_within_days = 14",
        "pay_within_days = 14\nkinds = [\n\"TICKET\",\n\"ticket\"]",
        &[(7, "kinds[1]", "there are TICKET, SEAT,")],
    );
    wrong(
        "pay_within_days = 14",
        "pay_within_days = 14\nkinds = 3",
        &[(5, "kinds", "expected a list, not a integer")],
    );
    wrong(
        "pay_within_days = 14",
        "pay_within_days = 14\nfacts = 3",
        &[(5, "facts", "expected [[facts]], not a integer")],
    );
    wrong(
        "pay_within_days = 14",
        "pay_within_days = 14\nrounding = 3",
        &[(5, "rounding", "expected a table, not a integer")],
    );
    wrong(
        "pay_within_days = 14",
        "pay_within_days = 14\nstatus = \"old\"",
        &[(5, "status", "expected active, draft or disabled")],
    );
}

#[test]
fn all_problems_of_a_reading_are_told_in_the_order_of_lines() {
    let text = SOUND
        .replace("rule = \"two-days\"", "rule = 2")
        .replace("pay_within_days = 14", "pay_within_days = \"two weeks\"")
        .replace("id = ", "ID = ");
    let found = check(&text).unwrap_err();
    let places: Vec<_> = found.iter().map(|p| (p.line, p.path.as_str())).collect();
    assert_eq!(places, [(1, "id"), (1, "ID"), (4, "pay_within_days"), (15, "tiers[1].rule")]);
}

#[test]
fn what_is_wrong_with_the_rules_is_told_with_its_line() {
    wrong(
        "notice_hours = 48",
        "notice_hours = 336",
        &[(16, "tiers[1].notice_hours", "can never apply: tier two-weeks comes before it")],
    );
    wrong(
        "fee_basis_points = 0",
        "fee_basis_points = 6000",
        &[(17, "tiers[1].fee_basis_points", "less notice cannot cost less")],
    );
    wrong(
        "notice_hours = 48",
        "notice_hours = 48\nfixed_fee = 5",
        &[(17, "tiers[1].fixed_fee", "needs the policy's `currency`")],
    );
    wrong(
        "notice_hours = 48",
        "notice_hours = 48\nfixed_fee_per = \"UNIT\"",
        &[(17, "tiers[1].fixed_fee_per", "needs `fixed_fee`")],
    );
    wrong(
        "notice_hours = 48",
        "notice_hours = 48\ncondition = \"ill\"",
        &[(17, "tiers[1].condition", "unknown fact ill")],
    );
    wrong(
        "notice_hours = 48",
        "notice_hours = 48\ncondition = \"quantity >\"",
        &[(17, "tiers[1].condition", "is not CEL")],
    );
    wrong(
        "notice_hours = 48",
        "notice_business_days = 2",
        &[(16, "tiers[1].notice_business_days", "working days need a calendar")],
    );
    wrong("\"two-days\"", "\"two-weeks\"", &[(15, "tiers[1].rule", "used by an earlier rule")]);
    wrong(
        "pay_within_days = 14",
        "pay_within_days = 14\nexpires = 2025-01-01T00:00:00Z",
        &[(5, "expires", "must lie after `effective`")],
    );
    // A field with a default that is not in the file is told at what is around it.
    wrong(
        "pay_within_days = 14",
        "pay_within_days = 14\npay_within_unit = \"BUSINESS_DAYS\"",
        &[(5, "pay_within_unit", "working days need a calendar")],
    );
}

#[test]
fn calendars_are_read_and_checked() {
    let calendar = "[calendar]\nweekend = [\"SUNDAY\"]\nholidays = [\n2026-01-01,\n2027-01-01]\n\
                    valid_from = 2026-01-01\nvalid_until = 2026-12-31\n\n[[tiers]]";
    wrong(
        "[[tiers]]",
        calendar,
        &[(11, "calendar.holidays", "2027-01-01 lies outside the validity")],
    );
    wrong(
        "[[tiers]]",
        "[calendar]\nweekend = [\"Sunday\"]\n\n[[tiers]]",
        &[
            (9, "calendar.valid_from", "is missing"),
            (9, "calendar.valid_until", "is missing"),
            (10, "calendar.weekend[0]", "there are MONDAY,"),
        ],
    );
}

#[test]
fn examples_that_do_not_come_true_are_told() {
    let example = |expect: &str| {
        format!(
            "{SOUND}\n[[examples]]\nname = \"three days before\"\nnow = 2026-12-16T14:30:00Z\n\
             start = 2026-12-19T14:30:00Z\ntime_zone = \"Europe/Berlin\"\ngross = 1000\n\
             currency = \"EUR\"\nexpect = {expect}\n"
        )
    };
    let passed = report(&example("{ rule = \"two-days\", fee = 500, refund = 500 }"));
    assert_eq!((passed.examples, passed.examples_passed, passed.problems.len()), (1, 1, 0));
    for expect in [
        "{ rule = \"two-days\", fee = 499, refund = 500 }",
        "{ rule = \"two-days\", fee = 500, refund = 499 }",
        "{ rule = \"two-weeks\", fee = 500, refund = 500 }",
        "{ needs_facts = [] }",
        "{ refused = \"WHOLE_ORDER_ONLY\" }",
    ] {
        let failed = report(&example(expect));
        assert_eq!((failed.examples, failed.examples_passed), (1, 0), "{expect}");
        let [problem] = failed.problems.as_slice() else { panic!("{expect}: one problem") };
        assert_eq!((problem.line, problem.path.as_str()), (26, "examples[0].expect"));
        let (head, tail) = (
            "example \"three days before\" fails: expected ",
            "the answer is rule \
                            two-days, fee 500, refund 500",
        );
        assert!(problem.reason.starts_with(head) && problem.reason.ends_with(tail), "{problem:?}");
    }
    let incomplete = report(&example("{ rule = \"two-days\", fee = 500 }"));
    assert_eq!(incomplete.problems[0].path, "examples[0].expect.refund");
    // With other problems the examples prove nothing.
    let broken = example("{ rule = \"two-days\", fee = 500, refund = 500 }")
        .replace("notice_hours = 48", "notice_hours = 400");
    let broken = report(&broken);
    assert_eq!((broken.examples, broken.examples_passed, broken.problems.len()), (1, 0, 1));
}

#[test]
fn a_policy_with_the_id_of_a_law_is_that_law() {
    let law = crate::packs::Pack::find("cn-rail-12306").unwrap().source;
    let chosen = format!("{law}\n[choices]\nfree_window_basis = \"hours\"\n");
    assert_eq!(check(&chosen).unwrap().switches[0].value, "hours");
    for other in [
        law.replacen("fee_basis_points = 500", "fee_basis_points = 600", 1),
        format!("{law}\n[[overrides]]\ncode = \"STRIKE\"\nrule = \"strike\"\n"),
    ] {
        let found = check(&other).unwrap_err();
        assert!(found.iter().any(|p| p.path == "id" && p.reason.contains("at_least")), "{found:?}");
    }
    let wrong = format!("{law}\n[choices]\nfree_window_basis = \"weeks\"\n");
    let found = check(&wrong).unwrap_err();
    assert_eq!(found[0].path, "choices.free_window_basis");
}

#[test]
fn a_promise_of_a_law_is_kept_or_told() {
    let promise = |law: &str| format!("at_least = [\"{law}\"]\n{SOUND}");
    for (law, part) in [
        ("mars-air", "no law with the id mars-air"),
        ("in-bookmyshow", "is no mandatory law"),
        ("ru-culture-52.1", "gives less than ru-culture-52.1: for "),
    ] {
        let found = check(&promise(law)).unwrap_err();
        assert_eq!(found[0].path, "at_least[0]");
        assert!(found[0].reason.contains(part), "{found:?}");
    }
}
