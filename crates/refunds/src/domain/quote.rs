//! Quotes: what a buyer gets who gives lines of an order back, under the rules it was sold under.
//!
//! Invariant: the policy decides on what is left of the chosen lines, less what their return makes
//! dearer of the ones that the buyer keeps; a fact that a rule asks for and nobody told is asked
//! for, never guessed.

use std::collections::{BTreeMap, HashMap};
use std::time::Duration;

use redress_core::clock::Timestamp;
use redress_core::id::{EventId, OrderId, PolicyId, QuoteId};
use redress_core::money::split_by_largest_remainder;
use redress_policy::reprice::{DiscountedLine, reprice};
use redress_policy::{
    Citation, Decision, FactValue, Language, LegalClock, LineFacts, LineKind, LinePrice,
    NeededFact, OverrideCode, Policy, Refusal, Review, Situation,
};
use serde::{Deserialize, Serialize};

use super::order::{Order, OrderLine, OrderState};
use super::price::{Price, QuoteLine, Repriced, Routing, settle_price};

/// A priced offer, as stored.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Quote {
    /// Its id.
    pub id: QuoteId,
    /// The order.
    pub order: OrderId,
    /// What it pays.
    pub price: Price,
    /// The policy in force at purchase.
    pub policy: PolicyId,
    /// The version of that policy.
    pub policy_version: i64,
    /// Where the rules stand.
    pub citation: Citation,
    /// By when the law wants the money to be paid if the quote is accepted at once.
    pub legal_clock: LegalClock,
    /// When the buyer will see the money; `None` when no provider says.
    pub expected_arrival: Option<Timestamp>,
    /// Until when it can be accepted.
    pub expires: Timestamp,
    /// Why the tiers did not apply.
    pub override_code: Option<OverrideCode>,
    /// What was named for that.
    pub evidence: Vec<Evidence>,
    /// What could still change the figures, UPPER_SNAKE.
    pub uncertainties: Vec<String>,
    /// The events for which it uses up what the policy gives each buyer once.
    pub once_for: Vec<EventId>,
    /// Whether the rule that decided asks for a second person, whatever the amount.
    pub needs_approval: bool,
}

/// What somebody holds in hand for an override.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Evidence {
    /// What it is, UPPER_SNAKE.
    pub kind: String,
    /// Where the caller keeps it.
    pub reference: String,
}

/// What is to be given back, and what is known about why.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Withdrawal {
    /// Lines with how many of their units, `None` for all that are left; empty for everything that
    /// is left of the order but its fees and taxes.
    pub lines: Vec<(String, Option<i64>)>,
    /// Why the tiers should not apply.
    pub override_code: Option<OverrideCode>,
    /// What is in hand for that.
    pub evidence: Vec<Evidence>,
    /// Facts that the rules may ask for.
    pub facts: BTreeMap<String, FactValue>,
}

/// Why nothing can be quoted.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
pub enum QuoteError {
    /// The order has no such line.
    #[error("the order has no line {0:?}")]
    UnknownLine(String),
    /// Everything of a line, or of all lines, is refunded or on its way.
    #[error("nothing is left to refund on the lines asked for")]
    LineNotRefundable,
    /// Fewer units of a line are left than are asked for.
    #[error("line {line:?} has {left} units left, {wanted} are asked for")]
    TooManyUnits {
        /// The line.
        line: String,
        /// Units that are left.
        left: i64,
        /// Units that are asked for.
        wanted: i64,
    },
    /// No payment of the order holds money.
    #[error("no captured payment of the order holds money to give back")]
    NothingCaptured,
    /// The rules ask for facts that were not told.
    #[error("the rules need to know more: {}", names(.0))]
    NeedsFacts(Vec<NeededFact>),
    /// The rules refuse.
    #[error("{0}")]
    Refused(Refusal),
    /// The rules leave it to a person.
    #[error("a person has to decide by the rules {}", rules(.0))]
    Review(Vec<Review>),
}

fn rules(reviews: &[Review]) -> String {
    reviews.iter().map(|review| review.rule.as_str()).collect::<Vec<_>>().join(", ")
}

fn names(facts: &[NeededFact]) -> String {
    facts.iter().map(|fact| fact.name.as_str()).collect::<Vec<_>>().join(", ")
}

/// How a quote is made: what does not come from the order or the caller.
#[derive(Clone, Copy)]
pub struct QuoteTerms<'a> {
    /// Which payments Redress can send on.
    pub routing: &'a dyn Routing,
    /// How long a quote can be accepted.
    pub validity: Duration,
    /// How long a provider's money takes to arrive, at most.
    pub arrival: Option<Duration>,
    /// How often the buyer has used up before what policies give once, by event.
    pub buyer_refunds: &'a HashMap<EventId, u32>,
    /// The language of explanations.
    pub language: Language,
}

/// A line that is given back.
struct Chosen<'a> {
    line: &'a OrderLine,
    units: i64,
    gross: i64,
    clawback: i64,
}

/// Prices the withdrawal of a buyer.
pub fn quote_withdrawal(
    id: QuoteId,
    order: &Order,
    ask: &Withdrawal,
    policy: &Policy,
    terms: QuoteTerms<'_>,
    now: Timestamp,
) -> Result<Quote, QuoteError> {
    if order.captured_and_kept() == 0 {
        return Err(QuoteError::NothingCaptured);
    }
    // The shop has settled a cancelled order by its own rules: nothing is left to withdraw from.
    if order.state == OrderState::Cancelled {
        return Err(QuoteError::LineNotRefundable);
    }
    let mut chosen = choose(order, &ask.lines)?;
    let repriced = claw_back(order, &mut chosen, policy);
    let Decided { prices, explanations, legal_clock } =
        decide(order, &chosen, ask, policy, terms, now)?;
    let mut uncertainties: Vec<String> =
        prices.iter().filter_map(|price| Some(price.uncertainty?.as_str().to_owned())).collect();
    uncertainties.extend(legal_clock.uncertainty.map(|why| why.as_str().to_owned()));
    uncertainties.sort();
    uncertainties.dedup();
    let once_for = if policy.once_per_buyer { events_of(&chosen) } else { Vec::new() };
    let priced = chosen.iter().zip(prices).map(|(chosen, price)| chosen.priced(price));
    let lines = priced
        .zip(explanations)
        .map(|(line, explanation)| QuoteLine { explanation, ..line })
        .collect();
    let price = settle_price(order, lines, repriced, &policy.tender_order, terms.routing, now);
    Ok(Quote {
        id,
        order: order.id.clone(),
        price,
        policy: policy.id.clone(),
        policy_version: policy.version,
        citation: policy.citation.clone(),
        legal_clock,
        expected_arrival: terms.arrival.map(|arrival| now.plus(arrival)),
        expires: now.plus(terms.validity),
        override_code: ask.override_code,
        evidence: ask.evidence.clone(),
        uncertainties,
        once_for,
        needs_approval: policy.override_needs_approval(ask.override_code),
    })
}

impl Chosen<'_> {
    fn priced(&self, price: LinePrice) -> QuoteLine {
        QuoteLine {
            line_id: self.line.id.clone(),
            units: self.units,
            gross: self.gross,
            fee: price.fee + self.clawback,
            refund: price.refund,
            tax: 0,
            clawback: self.clawback,
            rule: price.rule,
            citation: Some(price.citation),
            compensation: price.compensation,
            path: price.path,
            explanation: Vec::new(),
        }
    }
}

/// The lines that are given back, each with what is left of the price of its units.
fn choose<'a>(
    order: &'a Order,
    asked: &[(String, Option<i64>)],
) -> Result<Vec<Chosen<'a>>, QuoteError> {
    let whole = |line: &'a OrderLine| Chosen {
        line,
        units: line.remaining_units(),
        gross: line.remaining(),
        clawback: 0,
    };
    if asked.is_empty() {
        let open = |line: &&OrderLine| is_wanted(line.kind) && line.remaining() > 0;
        let chosen: Vec<_> = order.lines.iter().filter(open).map(whole).collect();
        return if chosen.is_empty() { Err(QuoteError::LineNotRefundable) } else { Ok(chosen) };
    }
    let mut chosen: Vec<Chosen<'_>> = Vec::with_capacity(asked.len());
    for (id, units) in asked {
        let found = order.lines.iter().find(|line| line.id == *id);
        let line = found.ok_or_else(|| QuoteError::UnknownLine(id.clone()))?;
        let repeated = chosen.iter().any(|earlier| earlier.line.id == *id);
        if repeated || line.remaining() == 0 {
            return Err(QuoteError::LineNotRefundable);
        }
        let left = line.remaining_units();
        chosen.push(match units {
            None => whole(line),
            Some(wanted) if *wanted > left => {
                let line = id.clone();
                return Err(QuoteError::TooManyUnits { line, left, wanted: *wanted });
            }
            Some(units) => {
                Chosen { units: *units, gross: line.price_of_units(*units), ..whole(line) }
            }
        });
    }
    Ok(chosen)
}

/// What a buyer means who gives "the order" back: what was bought, and not what came on top.
const fn is_wanted(kind: LineKind) -> bool {
    !matches!(kind, LineKind::Fee | LineKind::Tax)
}

fn events_of(chosen: &[Chosen<'_>]) -> Vec<EventId> {
    let mut events: Vec<EventId> = chosen.iter().map(|line| line.line.event.clone()).collect();
    events.sort();
    events.dedup();
    events
}

/// Works out what the return makes dearer of the units that the buyer keeps, and takes it from the
/// lines that are given back, as far as their prices reach.
fn claw_back(order: &Order, chosen: &mut [Chosen<'_>], policy: &Policy) -> Vec<Repriced> {
    let mut repriced = Vec::new();
    for discount in &order.discounts {
        let in_group = |line: &&OrderLine| line.discount_id.as_ref() == Some(&discount.id);
        let lines: Vec<DiscountedLine> = order
            .lines
            .iter()
            .filter(in_group)
            .map(|line| {
                let returned = chosen.iter().find(|chosen| chosen.line.id == line.id);
                discounted(line, returned.map_or(0, |chosen| chosen.units))
            })
            .collect();
        let wanted = reprice(policy.repricing, discount, &lines);
        let returned: Vec<usize> =
            (0..chosen.len()).filter(|at| in_group(&chosen[*at].line)).collect();
        let prices: Vec<i64> = returned.iter().map(|at| chosen[*at].gross).collect();
        let total = wanted.iter().sum::<i64>().min(prices.iter().sum());
        let Some(shares) = split_by_largest_remainder(total, &prices) else { continue };
        for (at, share) in returned.into_iter().zip(shares) {
            chosen[at].clawback += share;
        }
        let increases = split_by_largest_remainder(total, &wanted).unwrap_or_default();
        let dearer = lines.into_iter().zip(increases).filter(|(_, amount)| *amount > 0);
        repriced.extend(dearer.map(|(line, amount)| Repriced { line_id: line.id, amount }));
    }
    repriced
}

/// What is left of a line that was sold under a group discount.
fn discounted(line: &OrderLine, returned: i64) -> DiscountedLine {
    let units = line.remaining_units();
    // The discount within what is left, less what was taken back of it before.
    let within = i128::from(line.discount) * i128::from(units) / i128::from(line.units.max(1));
    let within = i64::try_from(within).unwrap_or(line.discount);
    DiscountedLine {
        id: line.id.clone(),
        units,
        returned,
        gross: line.remaining(),
        discount: (within - line.repriced).max(0),
    }
}

/// What the policy says of the chosen lines.
struct Decided {
    /// One for each line.
    prices: Vec<LinePrice>,
    /// For each line the way to its price, and what documents would make it better.
    explanations: Vec<Vec<String>>,
    /// By when to pay, in days of the place that the first line is for.
    legal_clock: LegalClock,
}

/// Asks the policy about the chosen lines.
fn decide(
    order: &Order,
    chosen: &[Chosen<'_>],
    ask: &Withdrawal,
    policy: &Policy,
    terms: QuoteTerms<'_>,
    now: Timestamp,
) -> Result<Decided, QuoteError> {
    let facts = chosen.iter().map(|chosen| LineFacts {
        id: &chosen.line.id,
        kind: chosen.line.kind,
        gross: chosen.gross - chosen.clawback,
        units: chosen.units,
        start: chosen.line.event_start,
        time_zone: &chosen.line.event_time_zone,
        event: chosen.line.event.as_str(),
        place: &chosen.line.place,
    });
    let lines: Vec<LineFacts<'_>> = facts.collect();
    let covered = |line: &OrderLine| {
        let all =
            |chosen: &Chosen<'_>| chosen.line.id == line.id && chosen.gross == line.remaining();
        !is_wanted(line.kind) || line.remaining() == 0 || chosen.iter().any(all)
    };
    let used = events_of(chosen).iter().filter_map(|event| terms.buyer_refunds.get(event)).sum();
    let evidence: Vec<String> = ask.evidence.iter().map(|held| held.kind.clone()).collect();
    let situation = Situation {
        now,
        purchase: order.purchase_time,
        channel: &order.sales_channel,
        currency: order.currency,
        override_code: ask.override_code,
        evidence: &evidence,
        facts: &ask.facts,
        buyer_refunds: Some(used),
        whole_order: order.lines.iter().all(covered),
        lines: &lines,
    };
    let prices = match policy.price(&situation) {
        Decision::Priced(prices) => prices,
        Decision::NeedsFacts(facts) => return Err(QuoteError::NeedsFacts(facts)),
        Decision::Review(reviews) => return Err(QuoteError::Review(reviews)),
        Decision::Refused(refusal) => return Err(QuoteError::Refused(refusal)),
    };
    let first = lines.first().ok_or(QuoteError::LineNotRefundable)?;
    let legal_clock = policy.legal_clock(&situation, first).map_err(QuoteError::Refused)?;
    let explain = |(line, price): (&LineFacts<'_>, &LinePrice)| {
        let alone = Situation { lines: std::slice::from_ref(line), ..situation };
        explain(policy, &alone, price, terms.language)
    };
    let explanations = lines.iter().zip(&prices).map(explain).collect();
    Ok(Decided { prices, explanations, legal_clock })
}

/// How the price of a line was found, and what documents would make it better for the buyer.
fn explain(
    policy: &Policy,
    alone: &Situation<'_>,
    price: &LinePrice,
    language: Language,
) -> Vec<String> {
    let decision = Decision::Priced(vec![price.clone()]);
    let better = policy.improvements(alone, &decision);
    let texts = better.iter().map(|i| policy.improvement_text(i, alone.currency, language));
    policy.explain(price, language).into_iter().chain(texts).collect()
}

#[cfg(test)]
mod tests;
