//! From the rows of a file to rules.
//!
//! Invariant: a row says exactly one thing of each sort: one notice, one charge, one payment.

use super::super::section::{Section, Unreadable};
use super::{
    all, citation, int, line_kind, money, number, optional, override_code, period, text, texts,
    yes_no,
};
use crate::compensation::{Compensation, Halving, Pays};
use crate::condition::Condition;
use crate::model::{Charge, Citation, Notice, Override, PayClock, RestByDays, Terms, Tier};
use crate::vocabulary::FixedFeePer;

/// The rows of a policy.
pub(super) struct Rules {
    pub(super) tiers: Vec<Tier>,
    pub(super) overrides: Vec<Override>,
    pub(super) compensations: Vec<Compensation>,
    pub(super) clocks: Vec<PayClock>,
}

/// Reads every row; `None` when one cannot be read.
pub(super) fn all_rows(root: &Section<'_>, policy: Option<&Citation>) -> Option<Rules> {
    let rows = |key| root.sections(key).into_iter();
    let tiers: Vec<_> = rows("tiers").map(|row| tier(row, policy)).collect();
    let overrides: Vec<_> = rows("overrides").map(|row| replacement(row, policy)).collect();
    let compensations: Vec<_> =
        rows("compensations").map(|row| compensation(row, policy)).collect();
    let clocks: Vec<_> = rows("clocks").map(|row| clock(row, policy)).collect();
    Some(Rules {
        tiers: all(tiers)?,
        overrides: all(overrides)?,
        compensations: all(compensations)?,
        clocks: all(clocks)?,
    })
}

/// Where a row stands: an article of what the policy cites, or a place of its own.
fn own_citation(
    section: &Section<'_>,
    policy: Option<&Citation>,
) -> Result<Option<Citation>, Unreadable> {
    let article = section.may("article", text);
    if section.has("article") && section.has("citation") {
        section.report("citation", "stands beside article; give one of them");
    }
    match article {
        Some(article) => policy.map(|policy| Some(within(policy, &article))).ok_or(Unreadable),
        None => optional(section.section("citation"), citation),
    }
}

/// An article of what is cited.
fn within(policy: &Citation, article: &str) -> Citation {
    Citation { title: format!("{}, {article}", policy.title), uri: policy.uri.clone() }
}

fn tier(section: Section<'_>, policy: Option<&Citation>) -> Option<Tier> {
    let rule = section.must("rule", text);
    let bases = [
        section.may("notice_hours", |value| number(value).map(Notice::Hours)),
        section.may("notice_civil_days", |value| number(value).map(Notice::CivilDays)),
        section.may("notice_business_days", |value| number(value).map(Notice::BusinessDays)),
        section.may("until", |value| super::instant(value).map(Notice::Until)),
        section
            .may("before", |value| super::instant(value).map(|at| Notice::Until(just_before(at)))),
    ];
    let keys = ["notice_hours", "notice_civil_days", "notice_business_days", "until", "before"];
    let notice = one_of(&section, keys, bases);
    let kinds = section.list("kinds", line_kind);
    let condition = section.may("condition", text).map(Condition::new);
    let words = section.may("words", texts);
    let review = section.may("review", texts);
    let charged = section.has("fee_basis_points") || section.has("refund_basis_points");
    if !charged && review.is_none() {
        section.report("", "expected fee_basis_points or refund_basis_points");
    }
    let terms = terms(&section);
    let citation = own_citation(&section, policy);
    section.finish();
    Some(Tier {
        rule: rule?,
        notice: notice?,
        kinds,
        condition,
        words,
        review,
        terms: terms?,
        citation: citation.ok()?,
    })
}

/// The last instant before `at`.
const fn just_before(at: redress_core::clock::Timestamp) -> redress_core::clock::Timestamp {
    redress_core::clock::Timestamp(at.0.saturating_sub(1))
}

/// Exactly one of several values.
pub(super) fn one_of<T, const N: usize>(
    section: &Section<'_>,
    keys: [&'static str; N],
    values: [Option<T>; N],
) -> Option<T> {
    let told: Vec<_> = keys.into_iter().filter(|key| section.has(key)).collect();
    match told.as_slice() {
        [_] => values.into_iter().flatten().next(),
        [] => {
            section.report("", format!("expected one of {}", keys.join(", ")));
            None
        }
        [_, second, ..] => {
            section.report(second, format!("only one of {} can be given", keys.join(", ")));
            None
        }
    }
}

fn terms(section: &Section<'_>) -> Option<Terms> {
    let fee = section.may("fee_basis_points", number);
    let refund = section.may("refund_basis_points", number);
    let fixed_fee = section.may("fixed_fee", int).unwrap_or(0);
    let per = section
        .may("fixed_fee_per", |value| super::word(value, FixedFeePer::ALL, FixedFeePer::as_str));
    let minimum_fee = section.may("minimum_fee", int).unwrap_or(0);
    let maximum_fee = section.may("maximum_fee", int);
    let share_of = section.may("share_of", text);
    let fee_fact = section.may("fee_fact", text);
    let minimum_fee_fact = section.may("minimum_fee_fact", text);
    let rest = optional(section.section("rest_by_days"), rest_by_days);
    if section.has("fee_basis_points") && section.has("refund_basis_points") {
        section.report("refund_basis_points", "stands beside fee_basis_points; give one of them");
    }
    if section.has("fixed_fee_per") && !section.has("fixed_fee") {
        section.report("fixed_fee_per", "needs `fixed_fee`");
    }
    let charge = match (fee, refund) {
        (Some(fee), None) => Charge::Fee(fee),
        (None, Some(refund)) => Charge::Refund(refund),
        _ if section.has("fee_basis_points") || section.has("refund_basis_points") => return None,
        _ => Charge::Fee(0),
    };
    let fixed_fee_per = per.unwrap_or(FixedFeePer::Line);
    Some(Terms {
        charge,
        fixed_fee,
        fixed_fee_per,
        minimum_fee,
        maximum_fee,
        share_of,
        fee_fact,
        minimum_fee_fact,
        rest_by_days: rest.ok()?,
    })
}

fn rest_by_days(section: Section<'_>) -> Option<RestByDays> {
    let done = section.must("done", text);
    let of = section.must("of", text);
    section.finish();
    Some(RestByDays { done: done?, of: of? })
}

fn replacement(section: Section<'_>, policy: Option<&Citation>) -> Option<Override> {
    let code = section.must("code", override_code);
    let rule = section.must("rule", text);
    let evidence = section.list("evidence", text);
    let kinds = section.list("kinds", line_kind);
    let condition = section.may("condition", text).map(Condition::new);
    let until_hours_after_start = section.may("until_hours_after_start", number);
    let needs_approval = section.may("needs_approval", yes_no).unwrap_or(false);
    let words = section.may("words", texts);
    let review = section.may("review", texts);
    let terms = terms(&section);
    let citation = own_citation(&section, policy);
    section.finish();
    Some(Override {
        code: code?,
        rule: rule?,
        evidence,
        kinds,
        condition,
        until_hours_after_start,
        needs_approval,
        words,
        review,
        terms: terms?,
        citation: citation.ok()?,
    })
}

fn compensation(section: Section<'_>, policy: Option<&Citation>) -> Option<Compensation> {
    let codes = section.list("codes", override_code);
    if codes.is_empty() {
        section.report("codes", "expected what it is for, such as [\"JOURNEY_DELAYED\"]");
    }
    let rule = section.must("rule", text);
    let words = section.may("words", texts);
    let kinds = section.list("kinds", line_kind);
    let condition = section.may("condition", text).map(Condition::new);
    let pays = pays(&section);
    let halved_when = section.may("halved_when", text).map(Condition::new);
    let halved_article = section.may("halved_article", text);
    if section.has("halved_when") != section.has("halved_article") {
        section.report("", "halved_when and halved_article go together");
    }
    let nothing_below = section.may("nothing_below", money);
    let citation = own_citation(&section, policy);
    section.finish();
    let halved = halved_when.zip(halved_article).zip(policy);
    let halved = halved
        .map(|((when, article), policy)| Halving { when, citation: within(policy, &article) });
    Some(Compensation {
        codes,
        rule: rule?,
        words,
        kinds,
        condition,
        pays: pays?,
        halved,
        nothing_below,
        citation: citation.ok()?,
    })
}

/// Exactly one way of paying.
fn pays(section: &Section<'_>) -> Option<Pays> {
    let per = section.may("per", |value| super::word(value, FixedFeePer::ALL, FixedFeePer::as_str));
    let per = per.unwrap_or(FixedFeePer::Unit);
    let most = section.may("maximum_basis_points", number);
    for (key, needs) in [("per", "amount"), ("maximum_basis_points", "cost_fact")] {
        if section.has(key) && !section.has(needs) {
            section.report(key, format!("needs `{needs}`"));
        }
    }
    let nothing = section.may("nothing", yes_no);
    let claim = section.may("claim", yes_no);
    for (key, told) in [("nothing", nothing), ("claim", claim)] {
        if told == Some(false) {
            section.report(key, "is true or left out");
        }
    }
    let keys = ["amount", "basis_points", "cost_fact", "nothing", "claim", "review"];
    let values = [
        section.may("amount", money).map(|amount| Pays::Amount { amount, per }),
        section.may("basis_points", number).map(Pays::BasisPoints),
        section.may("cost_fact", text).map(|fact| Pays::Cost { fact, maximum_basis_points: most }),
        nothing.map(|_| Pays::Nothing),
        claim.map(|_| Pays::Claim),
        section.may("review", texts).map(Pays::Review),
    ];
    one_of(section, keys, values)
}

fn clock(section: Section<'_>, policy: Option<&Citation>) -> Option<PayClock> {
    let rule = section.must("rule", text);
    let codes = section.list("codes", override_code);
    let condition = section.may("condition", text).map(Condition::new);
    let from = section.may("from", text);
    let period = section.must("pay_within", period);
    let rolls = section.may("rolls", yes_no).unwrap_or(false);
    let citation = own_citation(&section, policy);
    section.finish();
    let (count, unit) = period?;
    Some(PayClock {
        rule: rule?,
        codes,
        condition,
        from,
        count,
        unit,
        rolls,
        citation: citation.ok()?,
    })
}
