//! Terms that give less than the law they promise, in every way that was thought of.

use super::*;
use crate::check::check;
use crate::packs::Pack;

/// Russia's law on performances, and a policy that promises to give no less.
fn found(terms: &str) -> Option<Shortfall> {
    let text = format!(
        "id = \"own\"\ndisplay_name = \"Own\"\neffective = 2026-01-01T00:00:00+03:00\n\
             pay_within = \"10 days\"\n[citation]\ntitle = \"Terms\"\n{terms}"
    );
    let own = check(&text).unwrap();
    own.shortfall(Pack::find("ru-culture-52.1").unwrap().policy().unwrap())
}

const OVERRIDES: &str = "
[[overrides]]
code = \"EVENT_CANCELLED\"
rule = \"cancelled\"
[[overrides]]
code = \"EVENT_POSTPONED\"
rule = \"postponed\"
[[overrides]]
code = \"EVENT_MOVED\"
rule = \"moved\"
[[overrides]]
code = \"NOT_AS_DESCRIBED\"
rule = \"replaced\"
[[overrides]]
code = \"ILLNESS\"
rule = \"illness\"
[[overrides]]
code = \"DEATH\"
rule = \"death\"
";

const CLAIMS: &str = "
[[compensations]]
codes = [\"EVENT_CANCELLED\", \"EVENT_POSTPONED\", \"EVENT_MOVED\", \"NOT_AS_DESCRIBED\"]
rule = \"damages\"
claim = true
";

#[test]
fn a_policy_that_gives_everything_gives_no_less() {
    let generous = "[[tiers]]\nrule = \"always\"\nuntil = 9998-01-01T00:00:00Z\n\
                        refund_basis_points = 10000\n";
    assert_eq!(found(&format!("{generous}{OVERRIDES}{CLAIMS}")), None);
    let less = found(&format!("{generous}{OVERRIDES}")).unwrap();
    assert!(less.law.starts_with("damages (rule "), "{less}");
}

#[test]
fn a_day_less_and_a_kopeck_less_are_found_and_told() {
    let late = "[[tiers]]\nrule = \"eleven\"\nnotice_civil_days = 11\n\
                    refund_basis_points = 10000\n[[tiers]]\nrule = \"half\"\n\
                    notice_civil_days = 3\nrefund_basis_points = 5000\n";
    let less = found(&format!("{late}{OVERRIDES}{CLAIMS}")).unwrap();
    assert_eq!(less.size(), 500_000, "{less}");
    let told = less.to_string();
    assert!(told.contains("52.1") && told.ends_with("EUR 5000.00 less"), "{told}");
    let thin = "[[tiers]]\nrule = \"all\"\nnotice_civil_days = 10\n\
                    refund_basis_points = 10000\n[[tiers]]\nrule = \"half\"\n\
                    notice_civil_days = 5\nrefund_basis_points = 5000\n[[tiers]]\nrule = \"thin\"\n\
                    notice_civil_days = 3\nrefund_basis_points = 2999\n";
    let less = found(&format!("{thin}{OVERRIDES}{CLAIMS}")).unwrap();
    assert_eq!(less.size(), 100, "{less}");
    assert!(less.own.ends_with("(rule thin)"), "{less}");
}

const LADDER: &str = "[[tiers]]\nrule = \"all\"\nnotice_civil_days = 10\n\
                          refund_basis_points = 10000\n[[tiers]]\nrule = \"half\"\n\
                          notice_civil_days = 5\nrefund_basis_points = 5000\n[[tiers]]\n\
                          rule = \"third\"\nnotice_civil_days = 3\nrefund_basis_points = 3000\n";

#[test]
fn the_law_itself_in_other_words_gives_no_less() {
    assert_eq!(found(&format!("{LADDER}{OVERRIDES}{CLAIMS}")), None);
}

#[test]
fn to_leave_it_to_a_person_to_ask_for_more_and_to_pay_later_is_less() {
    let review = "[[tiers]]\nrule = \"ask\"\nnotice_civil_days = 0\nreview = \"we decide\"\n";
    let less = found(&format!("{review}{OVERRIDES}{CLAIMS}")).unwrap();
    assert!(less.own.contains("leaves it to a person"), "{less}");
    let late = format!(
        "[[clocks]]\nrule = \"year\"\npay_within = \"365 days\"\n{LADDER}{OVERRIDES}{CLAIMS}"
    );
    let less = found(&late).unwrap();
    assert!(less.law.starts_with("payment by ") && less.gap.is_none(), "{less}");
}

#[test]
fn what_nobody_could_try_cannot_be_promised() {
    let law = Pack::find("ru-culture-52.1").unwrap().policy().unwrap();
    let paths = |condition: &str, points: u32, more: &str| {
        let text = format!(
            "id = \"own\"\ndisplay_name = \"Own\"\neffective = 2026-01-01T00:00:00Z\n\
                 pay_within = \"10 days\"\n{more}\n[citation]\ntitle = \"T\"\n[[facts]]\n\
                 name = \"member\"\ntype = \"bool\"\nquestion = \"A member?\"\n[[tiers]]\n\
                 rule = \"bad\"\nnotice_civil_days = 0\nrefund_basis_points = {points}\n\
                 condition = '{condition}'\n"
        );
        let own = crate::check::read(&text).unwrap();
        let found = own.unprovable(law).into_iter();
        found.map(|problem| problem.field).collect::<Vec<_>>()
    };
    for condition in [
        "channel != \"web\"",
        "quantity == 2",
        "gross_minor_units == 300000",
        "days_before_start == 11",
        "start - purchase < duration(\"2400h\")",
        "buyer_refunds > 1",
        "member && place != \"\"",
    ] {
        assert_eq!(paths(condition, 0, ""), ["tiers[0].condition"], "{condition}");
        assert_eq!(paths(condition, 10_000, ""), [] as [&str; 0], "{condition}");
    }
    assert_eq!(paths("member", 0, ""), [] as [&str; 0], "every answer is tried");
    assert_eq!(paths("member", 0, "currency = \"JPY\""), ["currency"]);
    assert_eq!(paths("member", 0, "repricing = \"CLAW_BACK\""), ["repricing"]);
}

#[test]
fn what_is_not_offered_gives_nothing() {
    let always = "[[tiers]]\nrule = \"all\"\nnotice_civil_days = 0\nrefund_basis_points = 10000\n";
    let less = found(always).unwrap();
    assert!(less.own.contains("override"), "{less}");
}
