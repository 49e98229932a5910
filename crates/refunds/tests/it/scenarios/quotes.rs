//! Scenarios 1, 2, 3 and 5: what a quote says, how long it is good for, and what decides it.

use std::time::Duration;

use redress_api::time;
use redress_proto::refunds::v1 as pb;
use redress_proto::refunds::v1::refund::State;
use redress_testkit::clock::START;
use serde_json::json;

use super::stage::{DAY, Stage, booking, open, policy, ticket, units, wanted};
use crate::api::support::{acceptance, euros, line, told};

redress_testkit::conformance! {
    open = open;
    scenario_01_a_quote_lists_each_line_with_its_fee_tax_rule_version_and_expiry,
    scenario_02_a_quote_is_honoured_until_it_expires_and_refused_after,
    scenario_03_the_policy_as_it_was_at_purchase_decides,
    scenario_05_the_rule_for_group_discounts_decides_and_what_is_kept_sums_to_what_is_paid,
}

async fn scenario_01_a_quote_lists_each_line_with_its_fee_tax_rule_version_and_expiry(
    stage: Stage,
) {
    let seat = pb::OrderLine { tax: euros(479), ..ticket("t1", 3000, DAY * 3) };
    let fee = pb::OrderLine {
        tax: euros(62),
        event_start_time: seat.event_start_time,
        ..line("f1", pb::order_line::Kind::Fee, 390)
    };
    stage.sell(booking("A1", vec![seat, fee])).await;
    let quote = stage.quote("A1", &["t1", "f1"]).await;
    let told: Vec<_> = quote
        .lines
        .iter()
        .map(|line| {
            let amounts = [&line.gross, &line.fee, &line.tax, &line.refund];
            (&*line.line_id, amounts.map(|amount| units(amount.as_ref())), &*line.rule)
        })
        .collect();
    // Half of 4.79 is 2.395; half a cent goes up.
    let expected =
        [("t1", [3000, 1500, 240, 1500], "two-days"), ("f1", [390, 390, 0, 0], "fee-kept")];
    assert_eq!(told, expected);
    assert_eq!((&*quote.policy, quote.policy_version), ("policies/standard", 1));
    assert_eq!(quote.citation.as_ref().unwrap().title, "General terms of sale, section 7");
    assert_eq!(quote.total, euros(1500));
    let expires = START.plus(Duration::from_mins(30));
    assert_eq!(quote.expire_time, Some(time::to_proto(expires)));

    // The tiers, each at its boundary and a second past it.
    for (id, starts, refund, rule) in [
        ("B1", DAY * 14, 3000, "fourteen-days"),
        ("B2", Duration::from_secs(14 * 86_400 - 1), 1500, "two-days"),
        ("B3", DAY * 2, 1500, "two-days"),
        ("B4", Duration::from_secs(2 * 86_400 - 1), 0, "too-late"),
    ] {
        stage.sell(booking(id, vec![ticket("t1", 3000, starts)])).await;
        let quote = stage.quote(id, &[]).await;
        assert_eq!((&*quote.lines[0].rule, quote.total), (rule, euros(refund)), "{id}");
    }
    assert_eq!(stage.sent().await, (0, 0), "an offer moves nothing");
}

async fn scenario_02_a_quote_is_honoured_until_it_expires_and_refused_after(stage: Stage) {
    let starts = DAY * 14 + Duration::from_mins(10);
    for id in ["A1", "A2"] {
        stage.sell(booking(id, vec![ticket("t1", 3000, starts)])).await;
    }
    let (used, left) = (stage.quote("A1", &[]).await, stage.quote("A2", &[]).await);
    assert_eq!((&used.total, &left.total), (&euros(3000), &euros(3000)));

    // 5 minutes past the boundary, 15 before the quotes expire.
    stage.api.clock.advance(Duration::from_mins(15));
    let refund = stage.api.accept(&used).await;
    assert_eq!(refund.requested, euros(3000), "the other tier has begun, the offer stands");
    let crew = stage.hire();
    assert_eq!(stage.at_rest(&refund).await.issued, euros(3000));

    stage.api.clock.advance(Duration::from_mins(15));
    let late = acceptance(&left, &stage.api.request_id());
    let refused = stage.api.refunds("arena").create_refund(late).await.unwrap_err();
    let text = told(&refused);
    assert!(text.starts_with("FailedPrecondition QUOTE_EXPIRED"), "{text}");
    let fresh = stage.quote("A2", &[]).await;
    assert_eq!((&*fresh.lines[0].rule, &fresh.total), ("two-days", &euros(1500)));
    let refund = stage.api.accept(&fresh).await;
    assert_eq!(stage.at_rest(&refund).await.state(), State::Succeeded);
    crew.dismiss().await;
    assert_eq!((stage.sent().await, stage.paid().await), ((2, 2), json!({ "EUR": 4500 })));
    stage.assert_books_balance().await;
}

async fn scenario_03_the_policy_as_it_was_at_purchase_decides(stage: Stage) {
    let sold = || booking("A1", vec![ticket("t1", 3000, DAY * 20)]);
    stage.sell(sold()).await;
    assert_eq!(stage.order("A1").await.policy_version, 1);

    // The seller takes the first tier away, for orders of all dates.
    let harsher = policy("standard", "", "");
    let tier =
        "[[tiers]]\nrule = \"fourteen-days\"\nnotice_hours = 336\nrefund_basis_points = 10000\n";
    assert!(harsher.contains(tier));
    let source = harsher.replace(tier, "");
    let name = "policies/standard".to_owned();
    let applied = stage.api.apply_policy(pb::Policy { name, source, ..Default::default() }).await;
    assert_eq!(applied.version, 2);
    stage.sell(booking("A2", vec![ticket("t1", 3000, DAY * 20)])).await;

    let quote = stage.quote("A1", &[]).await;
    assert_eq!((quote.policy_version, &quote.total), (1, &euros(3000)));
    let after = stage.quote("A2", &[]).await;
    assert_eq!((after.policy_version, after.total), (2, euros(1500)), "sold under the new terms");

    // A later import of the order changes nothing about that.
    stage.import(pb::Order { source_version: 2, ..sold() }).await;
    assert_eq!(stage.order("A1").await.policy_version, 1);
    let crew = stage.hire();
    let refund = stage.refund("A1", &[]).await;
    assert_eq!(stage.at_rest(&refund).await.issued, euros(3000));
    crew.dismiss().await;
    assert_eq!(stage.paid().await, json!({ "EUR": 3000 }));
}

/// Five tickets of 100.00 at 20 % off from five on, 10 % from three on, of which two go back.
async fn scenario_05_the_rule_for_group_discounts_decides_and_what_is_kept_sums_to_what_is_paid(
    stage: Stage,
) {
    let crew = stage.hire();
    for (rule, refunded, dearer) in
        [("KEEP", 16_000, 0), ("RERATE", 13_000, 3_000), ("CLAW_BACK", 10_000, 6_000)]
    {
        stage.apply(rule, &format!("repricing = \"{rule}\""), "").await;
        let five = pb::OrderLine {
            quantity: 5,
            discount: euros(10_000),
            discount_id: "group".to_owned(),
            ..ticket("t1", 40_000, DAY * 20)
        };
        let step = |min_units, basis_points| pb::DiscountStep { min_units, basis_points };
        let group = pb::Discount {
            discount_id: "group".to_owned(),
            steps: vec![step(3, 1000), step(5, 2000)],
        };
        let order = pb::Order {
            policy: format!("policies/{rule}"),
            discounts: vec![group],
            ..booking(rule, vec![five])
        };
        stage.sell(order).await;
        let two = pb::QuoteRefundRequest {
            partial_lines: vec![pb::PartialLine { line_id: "t1".to_owned(), quantity: 2 }],
            ..wanted(rule, &[])
        };
        let quote = stage.ask(two).await.unwrap();
        let [line] = quote.lines.as_slice() else { panic!("{quote:?}") };
        assert_eq!((line.quantity, &line.gross), (2, &euros(16_000)), "{rule}");
        assert_eq!(quote.total, euros(refunded), "{rule}");
        let repriced: i64 = quote.repriced_lines.iter().map(|l| units(l.increase.as_ref())).sum();
        assert_eq!(repriced, dearer, "{rule}");
        let clawback = line.discount_clawback.as_ref().map_or(0, |amount| amount.minor_units);
        assert_eq!(clawback, dearer, "{rule}");
        let refund = stage.api.accept(&quote).await;
        assert_eq!(stage.at_rest(&refund).await.issued, euros(refunded), "{rule}");

        // What is left of the line is what the buyer has still paid, to the cent.
        let rest = stage.quote(rule, &[]).await;
        let [line] = rest.lines.as_slice() else { panic!("{rest:?}") };
        assert_eq!((line.quantity, &line.gross), (3, &euros(40_000 - refunded)), "{rule}");
        assert_eq!(rest.total, euros(40_000 - refunded), "{rule}");
        let refund = stage.api.accept(&rest).await;
        assert_eq!(stage.at_rest(&refund).await.state(), State::Succeeded, "{rule}");
    }
    crew.dismiss().await;
    assert_eq!(stage.paid().await, json!({ "EUR": 120_000 }));
    stage.assert_books_balance().await;
}
