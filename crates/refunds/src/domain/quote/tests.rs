use super::super::order::tests::{order, payment};
use super::super::order::{Discount, DiscountStep, Tender};
use super::super::price::Repriced;
use super::super::price::tests::routes;
use super::super::refund::{Refund, RefundTerms};
use super::super::reserve::tests::apply;
use super::super::reserve::{self, Holding};
use super::*;
use proptest::prelude::*;
use redress_core::id::{RandomIds, TenantId};
use redress_policy::check::check;

const HOUR: i64 = 3_600_000_000;
/// What the sample order's event starts at.
const START: i64 = 1_000_000_000_000;

/// All of it until 48 hours before, then half; fees are kept.
const POLICY: &str = r#"
id = "standard"
display_name = "Standard"
effective = 1970-01-01T00:00:00Z
pay_within_days = 14
citation = { title = "Terms" }

[[tiers]]
rule = "early"
notice_hours = 48
fee_basis_points = 2500

[[tiers]]
rule = "late"
notice_hours = 0
fee_basis_points = 5000
"#;

fn policy(more: &str) -> Policy {
    let (head, tiers) = POLICY.split_once("\n[[tiers]]").unwrap();
    let text = format!("{head}\n{more}\n[[tiers]]{tiers}");
    check(&text).unwrap_or_else(|problems| panic!("{problems:?}"))
}

fn with_tables(tables: &str) -> Policy {
    check(&format!("{POLICY}\n{tables}")).unwrap_or_else(|problems| panic!("{problems:?}"))
}

fn before_start(hours: i64) -> Timestamp {
    Timestamp(START - hours * HOUR)
}

fn lines(ids: &[(&str, Option<i64>)]) -> Withdrawal {
    let lines = ids.iter().map(|(id, units)| ((*id).to_owned(), *units)).collect();
    Withdrawal { lines, ..Withdrawal::default() }
}

fn quote_at(
    order: &Order,
    ask: &Withdrawal,
    policy: &Policy,
    now: Timestamp,
) -> Result<Quote, QuoteError> {
    let routes = routes();
    let used = HashMap::new();
    let terms = QuoteTerms {
        routing: &routes,
        validity: Duration::from_mins(30),
        arrival: None,
        language: Language::En,
        buyer_refunds: &used,
    };
    quote_withdrawal(QuoteId::new("q").unwrap(), order, ask, policy, terms, now)
}

fn quote(order: &Order, ids: &[(&str, Option<i64>)]) -> Result<Quote, QuoteError> {
    quote_at(order, &lines(ids), &policy(""), before_start(100))
}

#[test]
fn without_lines_everything_is_quoted_but_fees_and_taxes() {
    let quote = quote(&order(), &[]).unwrap();
    let refunds: Vec<_> = quote.price.lines.iter().map(|l| (&*l.rule, l.fee, l.refund)).collect();
    assert_eq!(refunds, [("early", 750, 2250), ("early", 500, 1500)]);
    assert_eq!(quote.price.total, 3750);
    let clock = &quote.legal_clock;
    assert_eq!(clock.start, before_start(100));
    assert_eq!(clock.due, Timestamp(before_start(100).0 + 14 * 24 * HOUR));
    assert_eq!(clock.time_zone, order().lines[0].event_time_zone);
    assert_eq!((clock.law.title.as_str(), clock.uncertainty), ("Terms", None));
    assert_eq!(quote.expires, before_start(100).plus(Duration::from_mins(30)));
    assert_eq!(quote.price.lines[0].citation.as_ref().unwrap().title, "Terms");
    assert!(!quote.price.lines[0].path.is_empty(), "the way to the figure is told");
    assert!(!quote.needs_approval && quote.once_for.is_empty() && quote.uncertainties.is_empty());
}

#[test]
fn the_notice_decides_at_its_boundary() {
    let total = |hours: i64, late: i64| {
        let now = Timestamp(before_start(hours).0 + late);
        quote_at(&order(), &lines(&[("p1", None)]), &policy(""), now).unwrap().price.total
    };
    assert_eq!((total(48, 0), total(48, 1)), (2250, 1500));
}

#[test]
fn lines_that_give_nothing_are_refused() {
    let unknown = QuoteError::UnknownLine("p9".to_owned());
    assert_eq!(quote(&order(), &[("p9", None)]), Err(unknown));
    let none = Err(QuoteError::LineNotRefundable);
    assert_eq!(quote(&order(), &[("p1", None), ("p1", None)]), none);
    let mut spent = order();
    spent.lines[0].committed = 3000;
    assert_eq!(quote(&spent, &[("p1", None)]), none);
    spent.lines[1].committed = 2000;
    assert_eq!(quote(&spent, &[]), none);
    let mut cancelled = order();
    cancelled.state = OrderState::Cancelled;
    assert_eq!(quote(&cancelled, &[]), none);
    let mut unpaid = order();
    unpaid.payments.clear();
    assert_eq!(quote(&unpaid, &[]), Err(QuoteError::NothingCaptured));
}

#[test]
fn parts_of_a_line_sum_to_the_line() {
    let mut order = order();
    order.lines[0].units = 3;
    order.lines[0].gross = 1000;
    let mut parts = Vec::new();
    for _ in 0..3 {
        let quote = quote(&order, &[("p1", Some(1))]).unwrap();
        let line = &quote.price.lines[0];
        assert_eq!((line.units, line.gross), (1, line.fee + line.refund));
        parts.push(line.gross);
        order.lines[0].committed += line.gross;
        order.lines[0].committed_units += 1;
    }
    assert_eq!(parts, [334, 333, 333]);
    let left = QuoteError::LineNotRefundable;
    assert_eq!(quote(&order, &[("p1", Some(1))]), Err(left));
    order.lines[1].units = 2;
    let too_many = QuoteError::TooManyUnits { line: "p2".to_owned(), left: 2, wanted: 3 };
    assert_eq!(quote(&order, &[("p2", Some(3))]), Err(too_many));
}

#[test]
fn the_policy_tells_in_which_order_tenders_are_filled() {
    let mut order = order();
    order.payments = vec![
        payment("p1", "stripe", Tender::Card, 3000),
        payment("p2", "giftcard", Tender::GiftCard, 2390),
    ];
    let shares = |policy: &Policy| {
        let ask = lines(&[("p1", None), ("p2", None)]);
        let quote = quote_at(&order, &ask, policy, before_start(100)).unwrap();
        quote.price.shares.iter().map(|s| (s.provider.clone(), s.amount)).collect::<Vec<_>>()
    };
    let expect = |list: [(&str, i64); 2]| list.map(|(name, amount)| (name.to_owned(), amount));
    assert_eq!(shares(&policy("")), expect([("stripe", 3000), ("giftcard", 750)]));
    let gift_card_first = policy(r#"tender_order = ["GIFT_CARD", "CARD"]"#);
    assert_eq!(shares(&gift_card_first), expect([("giftcard", 2390), ("stripe", 1360)]));
}

#[test]
fn a_fact_that_nobody_told_is_asked_for() {
    let asks = with_tables(
        r#"
[[facts]]
name = "scanned"
type = "bool"
question = "Was the ticket scanned at the gate?"

[[overrides]]
code = "ILLNESS"
rule = "ill"
condition = "!scanned"
"#,
    );
    let mut ask = lines(&[("p1", None)]);
    ask.override_code = Some(OverrideCode::Illness);
    let refused = quote_at(&order(), &ask, &asks, before_start(1)).unwrap_err();
    assert_eq!(refused.to_string(), "the rules need to know more: scanned");
    let QuoteError::NeedsFacts(needed) = refused else { panic!("a missing fact was guessed") };
    assert_eq!(needed[0].name, "scanned");
    assert_eq!(needed[0].question, "Was the ticket scanned at the gate?".into());
    ask.facts.insert("scanned".to_owned(), FactValue::Bool(false));
    let quote = quote_at(&order(), &ask, &asks, before_start(1)).unwrap();
    assert_eq!((quote.price.total, &*quote.price.lines[0].rule), (3000, "ill"));
}

#[test]
fn an_override_needs_its_evidence_and_perhaps_a_second_person() {
    let merciful = with_tables(
        r#"
[[overrides]]
code = "DEATH"
rule = "mourning"
evidence = ["DEATH_CERTIFICATE"]
needs_approval = true
"#,
    );
    let mut ask = lines(&[("p1", None)]);
    ask.override_code = Some(OverrideCode::Death);
    let missing = Refusal::EvidenceRequired(vec!["DEATH_CERTIFICATE".to_owned()]);
    let refused =
        |ask: &Withdrawal, policy: &Policy| quote_at(&order(), ask, policy, before_start(1));
    assert_eq!(refused(&ask, &merciful), Err(QuoteError::Refused(missing)));
    let not_offered = Refusal::OverrideNotOffered(OverrideCode::Death);
    assert_eq!(refused(&ask, &policy("")), Err(QuoteError::Refused(not_offered)));
    let held = Evidence { kind: "DEATH_CERTIFICATE".to_owned(), reference: "doc-7".to_owned() };
    ask.evidence.push(held.clone());
    let quote = refused(&ask, &merciful).unwrap();
    assert_eq!((quote.price.total, quote.needs_approval), (3000, true));
    assert_eq!((quote.override_code, quote.evidence), (Some(OverrideCode::Death), vec![held]));
    ask.override_code = None;
    let plain = refused(&ask, &merciful).unwrap();
    assert_eq!((plain.price.total, plain.needs_approval), (1500, false), "nothing else changes");
}

#[test]
fn only_the_whole_order_where_the_policy_says_so() {
    let whole = policy("whole_order = true");
    let at = |ids: &[(&str, Option<i64>)]| {
        quote_at(&order(), &lines(ids), &whole, before_start(100)).map(|quote| quote.price.total)
    };
    assert_eq!(at(&[("p1", None)]), Err(QuoteError::Refused(Refusal::WholeOrderOnly)));
    assert_eq!(at(&[]), Ok(3750));
    assert_eq!(at(&[("p1", None), ("p2", None)]), Ok(3750));
    // Neither a part of a line nor another line of the same price is the line.
    let mut order = order();
    (order.lines[0].units, order.lines[1].gross) = (3, order.lines[0].gross);
    for ask in [&[("p1", Some(2)), ("p2", None)][..], &[("p2", None)]] {
        let quote = quote_at(&order, &lines(ask), &whole, before_start(100));
        assert_eq!(quote, Err(QuoteError::Refused(Refusal::WholeOrderOnly)), "{ask:?}");
    }
}

#[test]
fn once_per_buyer_counts_the_events_of_the_lines_asked_for() {
    let once = policy("once_per_buyer = true");
    let mut order = order();
    let other = EventId::new("other").unwrap();
    order.lines[1].event = other.clone();
    let routes = routes();
    let used = HashMap::from([(other.clone(), 1)]);
    let ask = |id: &str| {
        let terms = QuoteTerms {
            routing: &routes,
            validity: Duration::ZERO,
            arrival: None,
            language: Language::En,
            buyer_refunds: &used,
        };
        let id_of = QuoteId::new("q").unwrap();
        quote_withdrawal(id_of, &order, &lines(&[(id, None)]), &once, terms, before_start(100))
    };
    assert_eq!(ask("p2"), Err(QuoteError::Refused(Refusal::BuyerLimit)));
    assert_eq!(ask("p1").unwrap().once_for, [order.lines[0].event.clone()]);
}

/// Five tickets of 100.00, sold at 20 % off from five on, 10 % from three on.
fn group() -> Order {
    let mut order = order();
    order.discounts = vec![Discount {
        id: "group".to_owned(),
        steps: vec![
            DiscountStep { min_units: 3, basis_points: 1000 },
            DiscountStep { min_units: 5, basis_points: 2000 },
        ],
    }];
    let line = &mut order.lines[0];
    (line.units, line.gross, line.discount) = (5, 40_000, 10_000);
    line.discount_id = Some("group".to_owned());
    order.lines.truncate(1);
    order.total = 40_000;
    order.payments[0].captured = 40_000;
    order
}

fn accept(order: &mut Order, quote: &Quote) {
    let terms = RefundTerms {
        tenant: TenantId::new("arena").unwrap(),
        order: order.id.clone(),
        customer: order.customer.clone(),
        disruption: None,
        override_code: None,
        needs_approval: false,
        legal_clock: quote.legal_clock.clone(),
        expected_arrival: None,
        requester: "test".to_owned(),
        traceparent: None,
    };
    let refund = Refund::new(terms, &quote.price, &RandomIds, Timestamp(0));
    reserve::check(&Holding::from(&*order), &refund).unwrap();
    apply(order, &refund);
}

#[test]
fn the_rule_for_group_discounts_decides_and_what_is_kept_sums_to_what_is_paid_for_it() {
    for (rule, clawback, kept) in
        [("KEEP", 0, 24_000), ("RERATE", 3_000, 27_000), ("CLAW_BACK", 6_000, 30_000)]
    {
        let mut order = group();
        let policy = policy(&format!("repricing = \"{rule}\""));
        let ask = lines(&[("p1", Some(2))]);
        let quote = quote_at(&order, &ask, &policy, before_start(100)).unwrap();
        let line = &quote.price.lines[0];
        assert_eq!((line.gross, line.clawback), (16_000, clawback), "{rule}");
        assert_eq!(line.refund, (16_000 - clawback) * 3 / 4, "a quarter of the rest is kept");
        let repriced: Vec<_> = quote.price.repriced.iter().map(|kept| kept.amount).collect();
        assert_eq!(repriced, if clawback > 0 { vec![clawback] } else { vec![] });
        accept(&mut order, &quote);
        assert_eq!((order.lines[0].remaining(), order.lines[0].remaining_units()), (kept, 3));
    }
}

#[test]
fn only_lines_that_are_kept_become_dearer() {
    let mut order = group();
    let mut returned = order.lines[0].clone();
    (returned.id, returned.units, returned.gross, returned.discount) =
        ("p2".to_owned(), 2, 16_000, 4_000);
    let kept = &mut order.lines[0];
    (kept.units, kept.gross, kept.discount) = (3, 24_000, 6_000);
    order.lines.push(returned);
    let policy = policy("repricing = \"RERATE\"");
    let quote = quote_at(&order, &lines(&[("p2", None)]), &policy, before_start(100)).unwrap();
    assert_eq!(quote.price.lines[0].clawback, 3_000);
    assert_eq!(quote.price.repriced, [Repriced { line_id: "p1".to_owned(), amount: 3_000 }]);
}

#[test]
fn a_discount_that_was_taken_back_is_not_taken_twice() {
    let mut order = group();
    let policy = policy("repricing = \"CLAW_BACK\"");
    let ask = lines(&[("p1", Some(2))]);
    let first = quote_at(&order, &ask, &policy, before_start(100)).unwrap();
    accept(&mut order, &first);
    let again = quote_at(&order, &lines(&[("p1", Some(1))]), &policy, before_start(100)).unwrap();
    let line = &again.price.lines[0];
    assert_eq!((line.gross, line.clawback, line.refund), (10_000, 0, 7_500));
}

#[test]
fn nothing_is_clawed_back_when_nothing_is_kept() {
    let order = group();
    let policy = policy("repricing = \"CLAW_BACK\"");
    let quote = quote_at(&order, &lines(&[]), &policy, before_start(100)).unwrap();
    assert_eq!((quote.price.lines[0].clawback, quote.price.total), (0, 30_000));
    assert_eq!(quote.price.repriced, []);
}

proptest! {
    #[test]
    fn a_group_can_be_given_back_in_any_parts(
        units in 1..12_i64,
        list in 1..10_000_i64,
        parts in prop::collection::vec(1..4_i64, 1..12),
        rule in prop::sample::select(vec!["KEEP", "RERATE", "CLAW_BACK"]),
    ) {
        let mut order = group();
        let paid = list * units * 4 / 5;
        let line = &mut order.lines[0];
        (line.units, line.gross, line.discount) = (units, paid, list * units - paid);
        order.payments[0].captured = paid;
        let policy = policy(&format!("repricing = \"{rule}\""));
        let mut refunded = 0;
        for part in parts {
            let left = order.lines[0].remaining_units();
            if left == 0 || order.lines[0].remaining() == 0 {
                break;
            }
            let ask = lines(&[("p1", Some(part.min(left)))]);
            let quote = quote_at(&order, &ask, &policy, before_start(100)).unwrap();
            let line = &quote.price.lines[0];
            prop_assert_eq!(line.fee + line.refund, line.gross);
            prop_assert!(line.refund >= 0 && line.clawback >= 0 && line.clawback <= line.fee);
            let dearer: i64 = quote.price.repriced.iter().map(|kept| kept.amount).sum();
            prop_assert_eq!(dearer, line.clawback);
            if quote.price.total == 0 {
                break;
            }
            refunded += quote.price.total;
            accept(&mut order, &quote);
            let line = &order.lines[0];
            prop_assert!(line.remaining() <= list * units);
            prop_assert!(line.remaining() + refunded <= paid);
        }
        prop_assert!(refunded <= paid);
    }
}
