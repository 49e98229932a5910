//! Pricing: what each line gives back, and on which tender it goes back.
//!
//! Invariant: on each line `fee + refund` is what was left of its price; the lines' refunds sum to
//! the total; the tenders' shares sum to the total; no share exceeds what its payment still holds.

use std::time::Duration;

use redress_core::clock::Timestamp;
use redress_core::id::{OrderId, PaymentId, PolicyId, QuoteId};
use redress_core::money::{Currency, split_by_largest_remainder};
use redress_policy::{Citation, LineFacts, LineKind, Policy};
use serde::{Deserialize, Serialize};

use super::order::{Order, OrderLine, OrderState};

const DAY: Duration = Duration::from_hours(24);

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
    /// By when the money has to be paid if the quote is accepted at once.
    pub legal_deadline: Timestamp,
    /// When the buyer will see the money; `None` when no provider says.
    pub expected_arrival: Option<Timestamp>,
    /// Until when it can be accepted.
    pub expires: Timestamp,
}

/// What a refund pays, by line and by tender. Amounts are minor units of `currency`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Price {
    /// The order's currency.
    pub currency: Currency,
    /// What the buyer gets.
    pub total: i64,
    /// By line.
    pub lines: Vec<QuoteLine>,
    /// By tender.
    pub shares: Vec<TenderShare>,
}

/// The price of refunding one line, in minor units.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct QuoteLine {
    /// Id of the order line.
    pub line_id: String,
    /// What was left of its price.
    pub gross: i64,
    /// What the seller keeps.
    pub fee: i64,
    /// What the buyer gets.
    pub refund: i64,
    /// The rule that decided.
    pub rule: String,
}

/// What goes back on one payment.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct TenderShare {
    /// The payment.
    pub payment: PaymentId,
    /// Who processed it.
    pub provider: String,
    /// The provider's id of the payment.
    pub payment_reference: String,
    /// In minor units, above zero.
    pub amount: i64,
    /// Whether Redress can send it by itself.
    pub connected: bool,
}

/// Why nothing can be quoted.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum QuoteError {
    /// The order has no such line.
    #[error("the order has no line {0:?}")]
    UnknownLine(String),
    /// Everything of a line, or of all lines, is refunded or on its way.
    #[error("nothing is left to refund on the lines asked for")]
    LineNotRefundable,
    /// No payment of the order holds money.
    #[error("no captured payment of the order holds money to give back")]
    NothingCaptured,
}

/// How a quote is made: what stays the same for every order.
#[derive(Debug, Clone, Copy)]
pub struct QuoteTerms<'a> {
    /// Names of the providers that have a connector.
    pub connected: &'a [String],
    /// How long a quote can be accepted.
    pub validity: Duration,
    /// How long a provider's money takes to arrive, at most.
    pub arrival: Option<Duration>,
}

/// Prices the withdrawal of a buyer from `line_ids`, or from every ticket when it is empty.
pub fn quote_withdrawal(
    id: QuoteId,
    order: &Order,
    line_ids: &[String],
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
    let priced = chosen_lines(order, line_ids)?.into_iter().map(|line| {
        let gross = line.remaining();
        let facts = LineFacts { kind: line.kind, gross, start: line.event_start };
        let price = policy.price_withdrawal(facts, now);
        QuoteLine {
            line_id: line.id.clone(),
            gross,
            fee: price.fee,
            refund: price.refund,
            rule: price.rule,
        }
    });
    let price = price_lines(order, priced.collect(), terms.connected);
    Ok(Quote {
        id,
        order: order.id.clone(),
        price,
        policy: policy.id.clone(),
        policy_version: policy.version,
        citation: policy.citation.clone(),
        legal_deadline: now.plus(DAY * u32::from(policy.pay_within_days)),
        expected_arrival: terms.arrival.map(|arrival| now.plus(arrival)),
        expires: now.plus(terms.validity),
    })
}

fn chosen_lines<'a>(
    order: &'a Order,
    line_ids: &[String],
) -> Result<Vec<&'a OrderLine>, QuoteError> {
    let chosen: Vec<&OrderLine> = if line_ids.is_empty() {
        let open = |line: &&OrderLine| line.kind == LineKind::Ticket && line.remaining() > 0;
        order.lines.iter().filter(open).collect()
    } else {
        let find = |id: &String| {
            let found = order.lines.iter().find(|line| line.id == *id);
            found.ok_or_else(|| QuoteError::UnknownLine(id.clone()))
        };
        line_ids.iter().map(find).collect::<Result<_, _>>()?
    };
    let repeated = (1..line_ids.len()).any(|at| line_ids[..at].contains(&line_ids[at]));
    if chosen.is_empty() || repeated || chosen.iter().any(|line| line.remaining() <= 0) {
        return Err(QuoteError::LineNotRefundable);
    }
    Ok(chosen)
}

/// What the cancellation of `event` pays on an order: everything left of its lines for that event,
/// as far as payments hold it. `None` when nothing is due.
pub fn price_cancelled_lines(
    order: &Order,
    event: &redress_core::id::EventId,
    connected: &[String],
) -> Option<Price> {
    if order.state == OrderState::Cancelled {
        return None;
    }
    let lines = order.lines.iter().filter(|line| line.event == *event && line.remaining() > 0);
    let priced = lines.map(|line| {
        let gross = line.remaining();
        let price = redress_policy::tiered::price_cancellation(gross);
        QuoteLine {
            line_id: line.id.clone(),
            gross,
            fee: price.fee,
            refund: price.refund,
            rule: price.rule,
        }
    });
    let price = price_lines(order, priced.collect(), connected);
    (price.total > 0).then_some(price)
}

/// Caps the lines' refunds by what the payments hold and shares the total over them.
fn price_lines(order: &Order, mut lines: Vec<QuoteLine>, connected: &[String]) -> Price {
    let wanted: Vec<i64> = lines.iter().map(|line| line.refund).collect();
    let held: i64 = order.payments.iter().map(super::order::Payment::refundable).sum();
    let total = wanted.iter().sum::<i64>().min(held);
    // Partly paid orders: what was paid is spread over the lines by what they would have given.
    if let Some(capped) = split_by_largest_remainder(total, &wanted) {
        for (line, refund) in lines.iter_mut().zip(capped) {
            line.refund = refund;
            line.fee = line.gross - refund;
        }
    }
    let shares = share_over_payments(order, total, connected);
    Price { currency: order.currency, total, lines, shares }
}

/// Fills payments in the order they were made, those that Redress can send on first.
fn share_over_payments(order: &Order, total: i64, connected: &[String]) -> Vec<TenderShare> {
    let mut payments: Vec<_> = order.payments.iter().collect();
    payments.sort_by_key(|payment| !connected.contains(&payment.provider));
    let mut left = total;
    let mut shares = Vec::new();
    for payment in payments {
        let amount = left.min(payment.refundable());
        if amount > 0 {
            left -= amount;
            shares.push(TenderShare {
                payment: payment.id.clone(),
                provider: payment.provider.clone(),
                payment_reference: payment.provider_reference.clone(),
                amount,
                connected: connected.contains(&payment.provider),
            });
        }
    }
    shares
}

#[cfg(test)]
mod tests {
    use super::super::order::tests::{order, payment};
    use super::super::order::{Payment, Tender};
    use super::*;
    use proptest::prelude::*;
    use redress_core::id::EventId;
    use redress_policy::Tier;

    fn connected() -> Vec<String> {
        vec!["stripe".to_owned()]
    }

    fn policy(fee_basis_points: u16) -> Policy {
        Policy {
            id: PolicyId::new("standard").unwrap(),
            version: 3,
            display_name: "Standard".to_owned(),
            effective: Timestamp(0),
            tiers: vec![Tier { rule: "early".to_owned(), notice_hours: 0, fee_basis_points }],
            refunds_fees: false,
            citation: Citation { title: "Terms".to_owned(), uri: String::new() },
            pay_within_days: 14,
        }
    }

    fn withdraw(order: &Order, line_ids: &[&str], fee: u16) -> Result<Quote, QuoteError> {
        let ids: Vec<String> = line_ids.iter().map(|id| (*id).to_owned()).collect();
        let connected = connected();
        let terms = QuoteTerms { connected: &connected, validity: DAY, arrival: None };
        let id = QuoteId::new("q").unwrap();
        quote_withdrawal(id, order, &ids, &policy(fee), terms, Timestamp(0))
    }

    #[test]
    fn without_lines_every_ticket_is_quoted_and_no_fee() {
        let quote = withdraw(&order(), &[], 2500).unwrap();
        let refunds: Vec<_> = quote.price.lines.iter().map(|l| (l.fee, l.refund)).collect();
        assert_eq!(refunds, [(750, 2250), (500, 1500)]);
        assert_eq!(quote.price.total, 3750);
        assert_eq!(quote.policy_version, 3);
        assert_eq!(quote.legal_deadline, Timestamp(0).plus(DAY * 14));
    }

    #[test]
    fn lines_that_give_nothing_are_refused() {
        assert_eq!(withdraw(&order(), &["p9"], 0), Err(QuoteError::UnknownLine("p9".to_owned())));
        assert_eq!(withdraw(&order(), &["p1", "p1"], 0), Err(QuoteError::LineNotRefundable));
        let mut spent = order();
        spent.lines[0].committed = 3000;
        assert_eq!(withdraw(&spent, &["p1"], 0), Err(QuoteError::LineNotRefundable));
        let mut cancelled = order();
        cancelled.state = OrderState::Cancelled;
        assert_eq!(withdraw(&cancelled, &[], 0), Err(QuoteError::LineNotRefundable));
        let mut unpaid = order();
        unpaid.payments.clear();
        assert_eq!(withdraw(&unpaid, &[], 0), Err(QuoteError::NothingCaptured));
    }

    #[test]
    fn connected_tenders_are_filled_first() {
        let mut order = order();
        order.payments = vec![
            payment("p1", "giftcard", Tender::GiftCard, 2390),
            payment("p2", "stripe", Tender::Card, 3000),
        ];
        let quote = withdraw(&order, &["p1", "p2"], 2500).unwrap();
        let shares: Vec<_> = quote.price.shares.iter().map(|s| (&*s.provider, s.amount)).collect();
        assert_eq!(shares, [("stripe", 3000), ("giftcard", 750)]);
    }

    #[test]
    fn a_cancellation_gives_back_fees_and_only_lines_of_its_event() {
        let mut order = order();
        let event = order.lines[0].event.clone();
        order.lines[1].event = EventId::new("other").unwrap();
        let price = price_cancelled_lines(&order, &event, &connected()).unwrap();
        assert_eq!(price.total, 3390);
        order.state = OrderState::Cancelled;
        assert_eq!(price_cancelled_lines(&order, &event, &connected()), None);
    }

    proptest! {
        #[test]
        fn prices_always_sum(
            gross in prop::collection::vec(0..100_000_i64, 1..8),
            captured in prop::collection::vec((0..100_000_i64, 0..50_000_i64), 0..4),
        ) {
            let mut order = order();
            let template = order.lines[0].clone();
            order.lines = gross.iter().enumerate().map(|(at, gross)| {
                OrderLine { id: format!("p{at}"), gross: *gross, ..template.clone() }
            }).collect();
            order.payments = captured.iter().enumerate().map(|(at, (captured, elsewhere))| {
                let provider = if at % 2 == 0 { "giftcard" } else { "stripe" };
                let mut payment = payment(&format!("p{at}"), provider, Tender::Card, *captured);
                payment.refunded_elsewhere = *elsewhere;
                payment
            }).collect();
            let event = template.event.clone();
            let Some(price) = price_cancelled_lines(&order, &event, &connected()) else {
                let held: i64 = order.payments.iter().map(Payment::refundable).sum();
                prop_assert!(held == 0 || gross.iter().sum::<i64>() == 0);
                return Ok(());
            };
            prop_assert_eq!(price.lines.iter().map(|l| l.refund).sum::<i64>(), price.total);
            prop_assert_eq!(price.shares.iter().map(|s| s.amount).sum::<i64>(), price.total);
            for line in &price.lines {
                prop_assert_eq!(line.fee + line.refund, line.gross);
                prop_assert!(line.refund >= 0 && line.fee >= 0);
            }
            for share in &price.shares {
                let payment = order.payments.iter().find(|p| p.id == share.payment).unwrap();
                prop_assert!(share.amount <= payment.refundable());
            }
        }
    }
}
