//! From a rule's terms to the price of a line, step by step.
//!
//! Invariant: `fee + refund` is the gross, and neither is below zero.

use redress_core::money::{Currency, Money};

use crate::fee::{Told, fee, fee_by_unit};
use crate::model::{Charge, Citation, Rounding, Terms};
use crate::situation::LinePrice;
use crate::step::Step;
use crate::vocabulary::FixedFeePer;

/// Fills in what the terms make of `gross`, which is not below zero.
pub(super) fn charge(
    price: &mut LinePrice,
    terms: &Terms,
    told: Told,
    (rounding, per): (Rounding, FixedFeePer),
    currency: Currency,
    gross: i64,
    units: i64,
) {
    let money = |minor_units| Money { currency, minor_units };
    let found = match per {
        FixedFeePer::Line => fee(terms, told, rounding, gross, units),
        FixedFeePer::Unit => fee_by_unit(terms, told, rounding, gross, units),
    };
    let (basis_points, kept) = match terms.charge {
        Charge::Fee(points) => (points, true),
        Charge::Refund(points) => (points, false),
    };
    let gross_share = Step::Share { gross: money(gross), basis_points, kept };
    price.path.push(match (&terms.share_of, told.base) {
        (Some(fact), Some(base)) => {
            let base = money(base.clamp(0, gross));
            Step::ShareOf { base, fact: fact.clone(), basis_points, kept }
        }
        _ => gross_share,
    });
    if let Some((done, of)) = told.days {
        price.path.push(Step::RestByDays { done, of });
    }
    if let Some(fact) = &terms.fee_fact {
        price.path.push(Step::CostKept { cost: money(told.cost.max(0)), fact: fact.clone() });
    }
    if found.fixed != 0 {
        let per = terms.fixed_fee_per;
        price.path.push(Step::FixedFee { fee: money(found.fixed), per, units });
    }
    if found.inexact {
        let (to, step) = (money(found.rounded), money(rounding.step));
        price.path.push(Step::Rounded { to, step, mode: rounding.mode });
    }
    match found.bounded {
        bounded if bounded > found.rounded => {
            price.path.push(Step::Minimum { fee: money(bounded) });
        }
        bounded if bounded < found.rounded => {
            price.path.push(Step::Maximum { fee: money(bounded) });
        }
        _ => {}
    }
    if found.amount < found.bounded {
        price.path.push(Step::Capped { gross: money(gross) });
    }
    finish(price, currency, gross, found.amount);
}

/// A price that gives nothing back.
pub(super) fn keep_all(
    currency: Currency,
    gross: i64,
    rule: &str,
    citation: &Citation,
    path: Vec<Step>,
) -> LinePrice {
    let mut price = LinePrice {
        fee: 0,
        refund: 0,
        rule: rule.to_owned(),
        citation: citation.clone(),
        uncertainty: None,
        compensation: None,
        path,
    };
    finish(&mut price, currency, gross, gross);
    price
}

fn finish(price: &mut LinePrice, currency: Currency, gross: i64, fee: i64) {
    let money = |minor_units| Money { currency, minor_units };
    (price.fee, price.refund) = (fee, gross - fee);
    let (fee, refund) = (money(price.fee), money(price.refund));
    price.path.push(Step::Result { gross: money(gross), fee, refund });
}
