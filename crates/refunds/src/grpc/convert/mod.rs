//! Between the contract's messages and the domain.
//!
//! Invariant: what leaves is complete; what comes in is checked here for everything that the
//! declared rules do not say.

pub(super) mod deadline;
pub(super) mod disruption;
pub(super) mod disruption_report;
pub(super) mod evaluation;
pub(super) mod filter;
pub(super) mod ledger;
pub(super) mod order;
mod order_reader;
pub(super) mod policy;
pub(super) mod refund;
pub(super) mod withdrawal;

use redress_api::{ApiError, FieldViolation, money, page};
use redress_core::id::InvalidId;
use redress_core::money::{Currency, Money};
use redress_policy::Language;
use redress_proto::common::v1::Money as WireMoney;

use crate::store::{Listed, Page};

/// Reads a resource name that stands in `field`.
pub(super) fn id<T>(
    parse: fn(&str) -> Result<T, InvalidId>,
    name: &str,
    field: &str,
) -> Result<T, ApiError> {
    parse(name).map_err(|error| ApiError::invalid(field, error.to_string()))
}

/// Reads resource names that stand in the repeated `field`.
pub(super) fn ids<T>(
    parse: fn(&str) -> Result<T, InvalidId>,
    names: &[String],
    field: &str,
) -> Result<Vec<T>, ApiError> {
    names.iter().enumerate().map(|(at, name)| id(parse, name, &format!("{field}[{at}]"))).collect()
}

/// Reads the language of explanations that stands in `field`; English when it is empty.
pub(super) fn language(tag: &str, field: &str) -> Result<Language, ApiError> {
    if tag.is_empty() {
        return Ok(Language::En);
    }
    let tags: Vec<_> = Language::ALL.iter().map(|language| language.tag()).collect();
    let known = || format!("is none of the languages of explanations: {}", tags.join(", "));
    Language::nearest(tag).ok_or_else(|| ApiError::invalid(field, known()))
}

/// The rows behind a page. `count` asks for the number of all matches, on the first page only.
pub(super) fn store_page(page: &page::Page, count: bool) -> Page {
    let after = page.after_key().map(str::to_owned);
    Page { size: page.size.into(), count: count && after.is_none(), after }
}

/// The token of the page behind `listed`, whose rows are sorted by `key`; empty on the last one.
pub(super) fn next_page_token<'a, T, K: AsRef<str>>(
    page: &page::Page,
    listed: &'a Listed<T>,
    key: impl Fn(&'a T) -> K,
) -> String {
    let last = listed.rows.last().filter(|_| listed.more);
    last.map(|row| page.token_after(&[key(row).as_ref()])).unwrap_or_default()
}

/// A number that the declared rules keep in range; a violation when they do not.
fn in_range<N, M: TryFrom<N>>(number: N, field: &str) -> Result<M, FieldViolation> {
    M::try_from(number).map_err(|_| FieldViolation::new(field, "is out of range"))
}

fn amount(currency: Currency, minor_units: i64) -> WireMoney {
    money::to_proto(Money { currency, minor_units })
}
