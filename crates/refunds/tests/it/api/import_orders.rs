//! `OrderService.ImportOrders`.

use futures::{StreamExt as _, stream};
use redress_proto::refunds::v1 as pb;
use tokio::sync::mpsc;
use tokio_stream::wrappers::ReceiverStream;
use tonic::Status;

use super::support::{Api, euros, line, open_empty, open_stocked, order, policy, told};

redress_testkit::conformance! {
    open = open_empty;
    new_orders_are_stored_as_sent,
    the_same_orders_again_change_nothing,
    a_newer_version_replaces_and_an_older_one_is_ignored,
    another_content_under_the_same_version_is_rejected,
    another_currency_is_rejected,
    good_orders_of_a_chunk_are_stored_beside_bad_ones,
    an_order_twice_in_a_chunk_is_stored_once,
    chunks_are_answered_one_by_one,
    a_chunk_of_the_wrong_size_ends_the_import,
    a_chunk_of_almost_four_mebibytes_is_read,
    text_that_no_database_takes_is_rejected,
    another_tenants_order_of_the_same_name_is_another_order,
    every_field_of_an_order_is_stored_as_sent,
    details_that_contradict_each_other_are_rejected,
    who_is_on_the_waiting_list_has_bought_nothing,
}

mod with_refunds {
    use super::{
        a_line_below_what_was_refunded_is_marked, a_policy_version_that_is_not_stored_is_rejected,
        open_stocked, the_policy_version_at_purchase_is_pinned_and_shown,
    };

    redress_testkit::conformance! {
        open = open_stocked;
        a_line_below_what_was_refunded_is_marked,
        the_policy_version_at_purchase_is_pinned_and_shown,
        a_policy_version_that_is_not_stored_is_rejected,
    }
}

fn counts(answer: &pb::ImportOrdersResponse) -> (i32, i32, i32, i32, usize) {
    let pb::ImportOrdersResponse { created, updated, unchanged, stale, rejections } = answer;
    (*created, *updated, *unchanged, *stale, rejections.len())
}

/// Each rejected order with what is wrong with it.
fn rejections(answer: &pb::ImportOrdersResponse) -> String {
    let mut lines = Vec::new();
    for rejection in &answer.rejections {
        lines.push(format!("{} {}", rejection.index, rejection.order));
        let violations = rejection.violations.iter();
        lines.extend(violations.map(|v| format!("  {}: {}", v.field, v.description)));
    }
    lines.join("\n")
}

async fn get(api: &Api, name: &str) -> Result<pb::Order, Status> {
    let request = pb::GetOrderRequest { name: name.to_owned() };
    api.orders("arena").get_order(request).await.map(tonic::Response::into_inner)
}

async fn new_orders_are_stored_as_sent(api: Api) {
    let orders = vec![order("A1"), order("A2")];
    assert_eq!(counts(&api.import(orders.clone()).await), (2, 0, 0, 0, 0));
    for sent in orders {
        assert_eq!(get(&api, &sent.name).await.unwrap(), sent);
    }
}

async fn the_same_orders_again_change_nothing(api: Api) {
    let orders = vec![order("A1"), order("A2")];
    api.import(orders.clone()).await;
    assert_eq!(counts(&api.import(orders).await), (0, 0, 2, 0, 0));
}

async fn a_newer_version_replaces_and_an_older_one_is_ignored(api: Api) {
    let old = order("A1");
    api.import(vec![old.clone()]).await;
    let mut new = pb::Order { source_version: 2, ..order("A1") };
    new.lines.remove(1);
    new.lines[0].title = "North stand".to_owned();
    new.total = euros(3390);
    assert_eq!(counts(&api.import(vec![new.clone()]).await), (0, 1, 0, 0, 0));
    assert_eq!(counts(&api.import(vec![old]).await), (0, 0, 0, 1, 0));
    assert_eq!(get(&api, "orders/A1").await.unwrap(), new);
}

async fn another_content_under_the_same_version_is_rejected(api: Api) {
    api.import(vec![order("A1")]).await;
    let mut other = order("A1");
    other.lines[0].title = "North stand".to_owned();
    let answer = api.import(vec![other]).await;
    snapshot!(rejections(&answer), @r"
    0 orders/A1
      source_version: another content is stored under version 1; raise the version
    ");
    assert_eq!(get(&api, "orders/A1").await.unwrap(), order("A1"));
}

async fn another_currency_is_rejected(api: Api) {
    api.import(vec![order("A1")]).await;
    let mut other = pb::Order { source_version: 2, ..order("A1") };
    let payment = &mut other.payments[0];
    let amounts = other
        .lines
        .iter_mut()
        .flat_map(|line| [&mut line.gross, &mut line.tax, &mut line.discount]);
    let amounts = amounts.chain([&mut payment.captured, &mut payment.refunded_elsewhere]);
    for amount in amounts.chain([&mut other.total]).flatten() {
        amount.currency_code = "CNY".to_owned();
    }
    snapshot!(rejections(&api.import(vec![other]).await), @r"
    0 orders/A1
      total.currency_code: differs from the stored order's currency, which refunds may refer to
    ");
}

async fn good_orders_of_a_chunk_are_stored_beside_bad_ones(api: Api) {
    let mut bad = order("A2");
    bad.name = "A2".to_owned();
    bad.contact.as_mut().unwrap().email = "not an address".to_owned();
    bad.lines[0].gross.as_mut().unwrap().currency_code = "XXX".to_owned();
    bad.payments[0].captured = None;
    let mut contradictory = order("A3");
    contradictory.total = euros(1);
    contradictory.lines[1].tax = euros(-1);
    contradictory.lines.push(line("t1", pb::order_line::Kind::Ticket, 100));
    let answer = api.import(vec![order("A1"), bad, contradictory, order("A4")]).await;
    assert_eq!(counts(&answer), (2, 0, 0, 0, 2));
    snapshot!(rejections(&answer), @r#"
    1 A2
      name: does not match regex pattern `^orders/[A-Za-z0-9._~-]{1,64}$`
      contact.email: breaks the rule string.email
      payments[0].captured: value is required
      lines[0].gross.currency_code: unknown currency "XXX": expected an upper-case ISO 4217 code such as EUR
    2 orders/A3
      lines[1].tax.minor_units: must be between 0 and 1000000000000, is -1
      lines[3].line_id: is used by an earlier line
      total.minor_units: lines sum to 5490 but total is 1
    "#);
    assert!(get(&api, "orders/A4").await.is_ok());
    assert!(get(&api, "orders/A3").await.is_err());
}

async fn an_order_twice_in_a_chunk_is_stored_once(api: Api) {
    let again = pb::Order { source_version: 2, ..order("A1") };
    let answer = api.import(vec![order("A1"), order("A2"), again]).await;
    assert_eq!(counts(&answer), (2, 0, 0, 0, 1));
    snapshot!(rejections(&answer), @r"
    2 orders/A1
      name: stands at index 0 of this chunk: send an order once a chunk
    ");
    assert_eq!(get(&api, "orders/A1").await.unwrap().source_version, 1);
}

async fn chunks_are_answered_one_by_one(api: Api) {
    let (chunks, sent) = mpsc::channel(1);
    let mut client = api.orders("arena");
    let import = client.import_orders(ReceiverStream::new(sent));
    chunks.send(pb::ImportOrdersRequest { orders: vec![order("A1")] }).await.unwrap();
    let mut answers = import.await.unwrap().into_inner();
    let first = answers.message().await.unwrap().unwrap();
    assert_eq!(counts(&first), (1, 0, 0, 0, 0));
    assert!(get(&api, "orders/A1").await.is_ok(), "an answered chunk is stored");
    let orders = vec![order("A1"), order("A2")];
    chunks.send(pb::ImportOrdersRequest { orders }).await.unwrap();
    drop(chunks);
    let second = answers.message().await.unwrap().unwrap();
    assert_eq!(counts(&second), (1, 0, 1, 0, 0));
    assert!(answers.message().await.unwrap().is_none());
}

async fn a_chunk_of_the_wrong_size_ends_the_import(api: Api) {
    for (size, expected) in [(0, "holds 0"), (1001, "holds 1001")] {
        let good = pb::ImportOrdersRequest { orders: vec![order(&format!("before-{size}"))] };
        let orders = (0..size).map(|n| order(&format!("never-{n}"))).collect();
        let after = pb::ImportOrdersRequest { orders: vec![order("after")] };
        let chunks = stream::iter([good, pb::ImportOrdersRequest { orders }, after]);
        let answers = api.orders("arena").import_orders(chunks).await.unwrap().into_inner();
        let answers: Vec<_> = answers.collect().await;
        assert_eq!(answers.len(), 2, "one answer and one error");
        let refused = answers[1].as_ref().unwrap_err();
        assert_eq!(
            told(refused),
            format!(
                "InvalidArgument INVALID_FIELD: orders: must hold 1 to 1000 orders, {expected}\n\
                 orders: must hold 1 to 1000 orders, {expected}"
            )
        );
        assert!(get(&api, &format!("orders/before-{size}")).await.is_ok());
    }
    assert!(get(&api, "orders/never-0").await.is_err());
    assert!(get(&api, "orders/after").await.is_err());
}

async fn a_chunk_of_almost_four_mebibytes_is_read(api: Api) {
    let mut large = order("A1");
    large.lines[0].title = "x".repeat(4 * 1024 * 1024 - 10_000);
    let answer = api.import(vec![large, order("A2")]).await;
    assert_eq!(counts(&answer), (1, 0, 0, 0, 1));
    assert_eq!(answer.rejections[0].violations[0].field, "lines[0].title");
}

async fn text_that_no_database_takes_is_rejected(api: Api) {
    let mut bad = order("A1");
    bad.lines[0].title = "Main\0stand".to_owned();
    bad.payments[0].provider_reference = "pi\0".to_owned();
    bad.contact.as_mut().unwrap().display_name = "\0".to_owned();
    snapshot!(rejections(&api.import(vec![bad]).await), @r"
    0 orders/A1
      contact.display_name: must not contain NUL characters
      lines[0].title: must not contain NUL characters
      payments[0].provider_reference: must not contain NUL characters
    ");
}

async fn another_tenants_order_of_the_same_name_is_another_order(api: Api) {
    api.import(vec![order("A1")]).await;
    let mut theirs = order("A1");
    theirs.lines[0].title = "Their stand".to_owned();
    let chunks = stream::iter([pb::ImportOrdersRequest { orders: vec![theirs.clone()] }]);
    let answers = api.orders("other").import_orders(chunks).await.unwrap().into_inner();
    let answers: Vec<_> = answers.collect().await;
    assert_eq!(counts(answers[0].as_ref().unwrap()), (1, 0, 0, 0, 0));
    assert_eq!(get(&api, "orders/A1").await.unwrap(), order("A1"));
}

/// A journey of ten seats at a group price, paid with points.
fn journey(id: &str) -> pb::Order {
    let mut order = order(id);
    order.sales_channel = "web".to_owned();
    order.place_of_sale = "US-CA".to_owned();
    order.travellers = ["a1", "a2"]
        .map(|id| pb::Traveller {
            traveller_id: id.to_owned(),
            display_name: "A. Buyer".to_owned(),
        })
        .to_vec();
    let step = |min_units, basis_points| pb::DiscountStep { min_units, basis_points };
    order.discounts = vec![pb::Discount {
        discount_id: "group".to_owned(),
        steps: vec![step(10, 500), step(20, 1000)],
    }];
    let line = &mut order.lines[0];
    line.kind = pb::order_line::Kind::RailLeg.into();
    line.quantity = 10;
    line.place = "Berlin Hbf".to_owned();
    line.section = "Coach 7".to_owned();
    line.carrier = "DB".to_owned();
    line.trip = "trips/t-5".to_owned();
    line.discount = euros(158);
    line.discount_id = "group".to_owned();
    line.traveller_ids = vec!["a1".to_owned(), "a2".to_owned()];
    line.event_end_time = line.event_start_time;
    order.payments[0].tender = pb::payment::Tender::Points.into();
    order.payments[0].points = 53_900;
    order
}

async fn every_field_of_an_order_is_stored_as_sent(api: Api) {
    assert_eq!(counts(&api.import(vec![journey("A1")]).await), (1, 0, 0, 0, 0));
    assert_eq!(get(&api, "orders/A1").await.unwrap(), journey("A1"));
    assert_eq!(counts(&api.import(vec![journey("A1")]).await), (0, 0, 1, 0, 0));
}

async fn who_is_on_the_waiting_list_has_bought_nothing(api: Api) {
    let state = i32::from(pb::order::State::WaitingList);
    let bought = pb::Order { state, ..order("A1") };
    let mut waits = pb::Order { state, total: euros(0), payments: vec![], ..order("A2") };
    waits.lines.iter_mut().for_each(|line| line.gross = euros(0));
    waits.lines.iter_mut().for_each(|line| line.tax = euros(0));
    let answer = api.import(vec![bought, waits.clone()]).await;
    assert_eq!(counts(&answer), (1, 0, 0, 0, 1));
    snapshot!(rejections(&answer), @r"
    0 orders/A1
      state: WAITING_LIST goes with a total of 0 and without payments; use PLACED for what was bought
    ");
    assert_eq!(get(&api, "orders/A2").await.unwrap().state(), pb::order::State::WaitingList);
}

async fn details_that_contradict_each_other_are_rejected(api: Api) {
    let mut bad = journey("A1");
    bad.travellers[1].traveller_id = "a1".to_owned();
    bad.discounts[0].steps[1].min_units = 10;
    bad.lines[0].discount = euros(-1);
    bad.lines[0].discount_id = "family".to_owned();
    bad.lines[1].traveller_ids = vec!["a9".to_owned(), "a1".to_owned(), "a1".to_owned()];
    bad.lines[1].quantity = 10_001;
    bad.payments[0].tender = pb::payment::Tender::Card.into();
    let answer = api.import(vec![bad]).await;
    snapshot!(rejections(&answer), @r"
    0 orders/A1
      lines[1].quantity: value must be greater than or equal to 0 and less than or equal to 10000
      lines[0].discount.minor_units: must be between 0 and 1000000000000, is -1
      lines[0].discount_id: is none of the order's discounts
      lines[0].traveller_ids[1]: is none of the order's travellers
      lines[1].traveller_ids[0]: is none of the order's travellers
      lines[1].traveller_ids[2]: stands in the list before
      payments[0].points: must be 0 for CARD: only POINTS have points
      travellers[1].traveller_id: is used by an earlier traveller
      discounts[0].steps[1].min_units: must be above the 10 of the step before it
    ");
    assert!(!rejections(&answer).contains("Buyer"));
}

/// The order as it is shown once the tenant's default policy is pinned.
fn pinned(order: pb::Order) -> pb::Order {
    pb::Order { policy: "policies/standard".to_owned(), policy_version: 1, ..order }
}

async fn a_line_below_what_was_refunded_is_marked(api: Api) {
    let quote = api.quote(&["t1"]).await;
    api.accept(&quote).await;
    let mut less = pb::Order { source_version: 2, ..order("A1") };
    less.lines[0].gross = euros(2999);
    less.total = euros(5389);
    assert_eq!(counts(&api.import(vec![less.clone()]).await), (0, 1, 0, 0, 0));
    let mut marked = pinned(less.clone());
    marked.lines[0].over_refunded = true;
    assert_eq!(get(&api, "orders/A1").await.unwrap(), marked);
    // Nothing more is offered on it.
    let request = pb::QuoteRefundRequest {
        order: "orders/A1".to_owned(),
        line_ids: vec!["t1".to_owned()],
        request_id: api.request_id(),
        ..pb::QuoteRefundRequest::default()
    };
    let refused = api.refunds("arena").quote_refund(request).await.unwrap_err();
    assert_eq!(refused.code(), tonic::Code::FailedPrecondition, "{refused:?}");
    let mut raised = pb::Order { source_version: 3, ..less };
    raised.lines[0].gross = euros(3000);
    raised.total = euros(5390);
    api.import(vec![raised.clone()]).await;
    assert_eq!(get(&api, "orders/A1").await.unwrap(), pinned(raised));
}

async fn the_policy_version_at_purchase_is_pinned_and_shown(api: Api) {
    let shown = get(&api, "orders/A1").await.unwrap();
    assert_eq!(shown, pinned(order("A1")));
    assert_eq!(counts(&api.import(vec![shown]).await), (0, 0, 1, 0, 0), "sent back as shown");
    let back_dated = pb::Policy { pay_within_days: 7, ..policy() };
    assert_eq!(api.apply_policy(back_dated).await.version, 2);
    let update = pb::Order { source_version: 2, ..order("A1") };
    api.import(vec![update.clone(), order("A2")]).await;
    assert_eq!(get(&api, "orders/A1").await.unwrap(), pinned(update));
    let later = pb::Order { policy_version: 2, ..pinned(order("A2")) };
    assert_eq!(get(&api, "orders/A2").await.unwrap(), later);
    let moved = pb::Order { source_version: 3, policy_version: 2, ..order("A1") };
    api.import(vec![moved]).await;
    assert_eq!(get(&api, "orders/A1").await.unwrap().policy_version, 2);
}

async fn a_policy_version_that_is_not_stored_is_rejected(api: Api) {
    let stated = pb::Order { policy_version: 9, ..pinned(order("A2")) };
    let answer = api.import(vec![stated, order("A3")]).await;
    assert_eq!(counts(&answer), (1, 0, 0, 0, 1));
    snapshot!(rejections(&answer), @r"
    0 orders/A2
      policy_version: is no stored version of the order's policy; apply that version first, or leave it 0 for the one in force at purchase
    ");
}
