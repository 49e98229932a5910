//! Scenarios 7, 8 and 9: many calls at once, and the cap that they share.

use std::cell::Cell;

use futures::future::join_all;
use redress_core::id::OrderId;
use redress_proto::refunds::v1 as pb;
use redress_proto::refunds::v1::refund::State;
use serde_json::json;

use super::stage::{DAY, Stage, booking, open, ticket, units, wanted};
use crate::api::support::{acceptance, euros, told};

redress_testkit::conformance! {
    open = open;
    scenario_07_one_request_a_hundred_times_is_one_call_to_the_provider_and_one_answer,
    scenario_08_two_partial_refunds_of_equal_amount_both_succeed,
    scenario_09_fifty_refunds_at_once_never_exceed_what_was_captured,
}

const REQUEST_ID: &str = "6b2ac7f6-0c53-4f4e-9a35-3f9a0a6f6b07";

async fn scenario_07_one_request_a_hundred_times_is_one_call_to_the_provider_and_one_answer(
    stage: Stage,
) {
    let lines = vec![ticket("t1", 3000, DAY * 20), ticket("t2", 2000, DAY * 20)];
    stage.sell(booking("A1", lines)).await;
    let (quote, other) = (stage.quote("A1", &["t1"]).await, stage.quote("A1", &["t2"]).await);
    // The workers send while the requests arrive.
    let crew = stage.hire();
    let request = acceptance(&quote, REQUEST_ID);
    let sending = |_| {
        let (mut client, request) = (stage.api.refunds("arena"), request.clone());
        async move { client.create_refund(request).await.map(tonic::Response::into_inner) }
    };
    let answers: Vec<pb::Refund> =
        join_all((0..100).map(sending)).await.into_iter().map(Result::unwrap).collect();
    assert_eq!(answers.len(), 100);
    for answer in &answers {
        assert_eq!(answer, &answers[0]);
    }
    assert_eq!(stage.at_rest(&answers[0]).await.state(), State::Succeeded);
    let again = sending(100).await.unwrap();
    assert_eq!(again, answers[0], "paid by now, and the answer is still that of the request");

    let mut client = stage.api.refunds("arena");
    let refused = client.create_refund(acceptance(&other, REQUEST_ID)).await.unwrap_err();
    assert!(told(&refused).starts_with("InvalidArgument REQUEST_ID_REUSED"), "{}", told(&refused));
    crew.dismiss().await;
    assert_eq!((stage.sent().await, stage.paid().await), ((1, 1), json!({ "EUR": 3000 })));
    assert_eq!(stage.refunds_of("A1").await.len(), 1);
    stage.assert_books_balance().await;
}

async fn scenario_08_two_partial_refunds_of_equal_amount_both_succeed(stage: Stage) {
    let two = pb::OrderLine { quantity: 2, ..ticket("t1", 5000, DAY * 20) };
    stage.sell(booking("A1", vec![two])).await;
    let one = || pb::QuoteRefundRequest {
        partial_lines: vec![pb::PartialLine { line_id: "t1".to_owned(), quantity: 1 }],
        ..wanted("A1", &[])
    };
    let quotes = [stage.ask(one()).await.unwrap(), stage.ask(one()).await.unwrap()];
    let crew = stage.hire();
    let made = join_all(quotes.iter().map(|quote| stage.api.accept(quote))).await;
    for refund in &made {
        let refund = stage.at_rest(refund).await;
        assert_eq!((refund.state(), &refund.issued), (State::Succeeded, &euros(2500)));
    }
    crew.dismiss().await;
    assert_eq!((stage.sent().await, stage.paid().await), ((2, 2), json!({ "EUR": 5000 })));
    let totals = stage.bench.totals().await;
    assert_eq!(totals["max_refunds_per_payment_intent"], 2);
    assert_eq!(totals["attempts_with_several_refunds"], 0);
    let references = made.iter().map(|refund| stage.get(refund));
    let [first, second] = join_all(references).await.try_into().unwrap();
    let reference = |refund: &pb::Refund| refund.attempts[0].provider_reference.clone();
    assert_ne!(reference(&first), reference(&second));
    stage.assert_books_balance().await;
}

/// What stands between a payment and its cap, as two readers see it.
#[derive(Default)]
struct Cap {
    readings: usize,
    most: i64,
}

impl Cap {
    /// Reads the order's only payment, and its refunds over the interface.
    async fn read(&mut self, stage: &Stage, captured: i64) {
        let id = OrderId::new("A1").unwrap();
        let orders = stage.api.store.orders(&stage.shop.tenant, &[id]).await.unwrap();
        let counters = &orders[0].payments[0].counters;
        let counted = counters.reserved + counters.refunded;
        assert!(counted <= captured && !counters.overdrawn, "{counters:?}");
        assert!(!stage.order("A1").await.payments[0].overdrawn);
        let refunds = stage.refunds_of("A1").await;
        let counts = |refund: &&pb::Refund| {
            !matches!(refund.state(), State::Failed | State::Rejected | State::Cancelled)
        };
        let live = refunds.iter().filter(counts);
        let listed: i64 = live.map(|refund| units(refund.requested.as_ref())).sum();
        assert!(listed <= captured, "{listed} refunded and pending of {captured}");
        let issued: i64 = refunds.iter().map(|refund| units(refund.issued.as_ref())).sum();
        assert!(issued <= listed);
        self.readings += 1;
        self.most = self.most.max(counted);
    }
}

/// Fifty tickets of which half were paid; each refund of one was offered while all was there.
async fn scenario_09_fifty_refunds_at_once_never_exceed_what_was_captured(stage: Stage) {
    let ids: Vec<String> = (0..50).map(|number| format!("t{number}")).collect();
    let lines = ids.iter().map(|id| ticket(id, 200, DAY * 20)).collect();
    let mut order = booking("A1", lines);
    order.payments[0].captured = euros(5_000);
    stage.sell(order).await;
    let mut quotes = Vec::new();
    for id in &ids {
        quotes.push(stage.quote("A1", &[id]).await);
    }
    assert!(quotes.iter().all(|quote| quote.total == euros(200)));

    let crew = stage.hire();
    let (done, mut cap) = (Cell::new(false), Cap::default());
    let run = async {
        let accept = |quote| {
            let request = acceptance(quote, &stage.api.request_id());
            let mut client = stage.api.refunds("arena");
            async move { client.create_refund(request).await }
        };
        let answers = join_all(quotes.iter().map(accept)).await;
        let (made, refused): (Vec<_>, Vec<_>) = answers.into_iter().partition(Result::is_ok);
        for refund in &made {
            let refund = stage.at_rest(refund.as_ref().unwrap().get_ref()).await;
            assert_eq!(refund.state(), State::Succeeded);
        }
        done.set(true);
        (made.len(), refused)
    };
    let watch = async {
        while !done.get() {
            cap.read(&stage, 5_000).await;
        }
        cap.read(&stage, 5_000).await;
    };
    let ((made, refused), ()) = tokio::join!(run, watch);
    crew.dismiss().await;
    assert_eq!((made, refused.len()), (25, 25));
    for refused in refused {
        let text = told(&refused.unwrap_err());
        assert!(text.starts_with("FailedPrecondition OVER_REFUND"), "{text}");
    }
    assert!(cap.readings > 2, "only {} readings during the run", cap.readings);
    assert_eq!(cap.most, 5_000, "the cap was reached");
    assert_eq!((stage.sent().await, stage.paid().await), ((25, 25), json!({ "EUR": 5_000 })));
    stage.assert_books_balance().await;
}
