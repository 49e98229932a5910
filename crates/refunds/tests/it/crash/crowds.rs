//! Crowds: one request sent a hundred times by callers that go away, and fifty refunds that race
//! for one payment while workers pay.

use std::hash::{BuildHasher as _, Hasher as _, RandomState};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use futures::future::join_all;
use redress_core::id::{OrderId, RefundId, TenantId};
use redress_proto::refunds::v1 as pb;
use redress_refunds::domain::order::Payment;
use redress_refunds::domain::refund::RefundState;
use serde_json::json;
use tonic::{Code, Request, Status};

use super::cut_off;
use crate::api::support::{
    Api, acceptance, euros, line, open_empty, open_stocked, order, payment, policy,
};
use crate::sandbox::{Bench, connector, terms};
use crate::shop::Shop;
use crate::worker::{Crew, at_rest, hire_for, workshop};

mod one_request {
    use super::{a_hundred_callers_half_of_whom_go_away_make_one_refund, open_stocked};

    redress_testkit::conformance! {
        open = open_stocked;
        a_hundred_callers_half_of_whom_go_away_make_one_refund,
    }
}

mod one_payment {
    use super::{fifty_refunds_never_exceed_one_payment_at_any_instant, open_empty};

    redress_testkit::conformance! {
        open = open_empty;
        fifty_refunds_never_exceed_one_payment_at_any_instant,
    }
}

const REQUEST_ID: &str = "6b2ac7f6-0c53-4f4e-9a35-3f9a0a6f6b01";

/// What the workers of these tests work with.
fn shop(api: &Api) -> Shop {
    Shop {
        database: api.database.clone(),
        store: Arc::clone(&api.store),
        clock: Arc::clone(&api.clock),
        ids: Arc::clone(&api.ids),
        tenant: TenantId::new("arena").unwrap(),
    }
}

fn hire(shop: &Shop, bench: &Bench) -> Crew {
    hire_for(workshop(shop), Arc::new(connector(&bench.base_url(), terms())))
}

/// How a caller bears up.
#[derive(Debug, Clone, Copy)]
enum Caller {
    /// It waits for its answer.
    Patient,
    /// It sends a deadline of so many milliseconds, which the server keeps to as well.
    Hurried(u64),
    /// It hangs up after so many polls of its call.
    Gone(usize),
}

impl Caller {
    /// `None` when it has hung up.
    async fn create(self, api: &Api, quote: &pb::Quote) -> Option<Result<pb::Refund, Status>> {
        let mut request = Request::new(acceptance(quote, REQUEST_ID));
        if let Self::Hurried(millis) = self {
            request.set_timeout(Duration::from_millis(millis));
        }
        let mut client = api.refunds("arena");
        let call = client.create_refund(request);
        let polls = if let Self::Gone(polls) = self { polls } else { usize::MAX };
        let answer = cut_off(call, polls).await?;
        Some(answer.map(tonic::Response::into_inner))
    }
}

/// Every second caller is patient; of the others each second one hurries, for up to 50 ms.
fn callers(seed: u64) -> Vec<Caller> {
    let mut state = seed;
    let mut below = |bound: u64| {
        // The constants of Knuth's MMIX generator.
        state =
            state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (state >> 33) % bound
    };
    let caller = |place: u64| match place % 4 {
        1 => Caller::Hurried(below(51)),
        3 => Caller::Gone(usize::try_from(below(12)).unwrap()),
        _ => Caller::Patient,
    };
    (0..100).map(caller).collect()
}

async fn a_hundred_callers_half_of_whom_go_away_make_one_refund(api: Api) {
    let seed = RandomState::new().build_hasher().finish();
    let bench = Bench::start().await;
    bench.seed("pi_p1", 5_390, "EUR").await;
    let quote = api.quote(&[]).await;
    let api = Arc::new(api);
    let callers = callers(seed);
    let calls = callers.iter().map(|caller| {
        let (api, quote, caller) = (Arc::clone(&api), quote.clone(), *caller);
        tokio::spawn(async move { caller.create(&api, &quote).await })
    });
    let answers = join_all(calls).await;
    let mut told: Option<pb::Refund> = None;
    for (caller, answer) in callers.iter().zip(answers) {
        match (caller, answer.unwrap()) {
            (_, Some(Ok(refund))) => {
                let first = told.get_or_insert_with(|| refund.clone());
                assert_eq!(*first, refund, "seed {seed}: two answers to one request");
            }
            (Caller::Hurried(_), Some(Err(status))) => {
                let is_late = matches!(status.code(), Code::Cancelled | Code::DeadlineExceeded);
                assert!(is_late, "seed {seed}: {status:?}");
            }
            (Caller::Gone(_), None) => {}
            (caller, answer) => panic!("seed {seed}: {caller:?} was told {answer:?}"),
        }
    }
    let shop = shop(&api);
    let listed = api.refunds("arena").list_refunds(pb::ListRefundsRequest::default()).await;
    let refunds = listed.unwrap().into_inner().refunds;
    assert_eq!(refunds, [told.unwrap()], "seed {seed}");
    let id = RefundId::from_resource_name(&refunds[0].name).unwrap();
    let crew = hire(&shop, &bench);
    at_rest(&shop, std::slice::from_ref(&id)).await;
    crew.dismiss().await;
    assert_eq!(shop.stored(&id).await.state, RefundState::Succeeded, "seed {seed}");
    let totals = bench.totals().await;
    assert_eq!(totals["refunds_made"], 1, "seed {seed}: {totals}");
    let paid = &totals["refunded_minor_units_by_currency"];
    assert_eq!(*paid, json!({ "EUR": 4_500 }), "seed {seed}");
}

/// Tickets of the order that everybody wants refunded.
const TICKETS: usize = 50;
/// What a ticket costs, and what a refund of it pays: a tenth is kept. Minor units.
const PRICE: i64 = 300;
const PAID_BACK: i64 = 270;
/// What the payment still holds when the race begins: enough for 19 refunds.
const LEFT: i64 = 5_390;
const FITS: i64 = LEFT / PAID_BACK;

/// The order, of whose payment `elsewhere` was refunded past Redress.
fn crowded_order(version: i64, elsewhere: i64) -> pb::Order {
    let total = PRICE * i64::try_from(TICKETS).unwrap();
    let mut paid = payment("p1", "stripe", pb::payment::Tender::Card, total);
    paid.refunded_elsewhere = euros(elsewhere);
    let ticket = |place| line(&format!("t{place}"), pb::order_line::Kind::Ticket, PRICE);
    pb::Order {
        source_version: version,
        lines: (0..TICKETS).map(ticket).collect(),
        payments: vec![paid],
        total: euros(total),
        ..order("A1")
    }
}

/// The payment, as one read finds it.
async fn read_payment(shop: &Shop) -> Payment {
    let order = [OrderId::new("A1").unwrap()];
    let mut found = shop.store.orders(&shop.tenant, &order).await.unwrap();
    found.remove(0).payments.remove(0)
}

/// Reads the payment again and again while the race is on. How often it was read, and in how many
/// of these reads money was both reserved and paid back.
async fn watch(shop: Shop, racing: Arc<AtomicBool>) -> (usize, usize) {
    let (mut reads, mut mixed, mut refunded) = (0, 0, 0);
    while racing.load(Ordering::SeqCst) {
        let seen = read_payment(&shop).await;
        let held = seen.counters.reserved + seen.counters.refunded + seen.refunded_elsewhere;
        assert!(held <= seen.captured, "more than was captured: {seen:?}");
        assert!(seen.counters.reserved >= 0, "{seen:?}");
        assert!(seen.counters.refunded >= refunded, "money came back: {seen:?}");
        refunded = seen.counters.refunded;
        reads += 1;
        mixed += usize::from(refunded > 0 && seen.counters.reserved > 0);
        tokio::task::yield_now().await;
    }
    (reads, mixed)
}

async fn fifty_refunds_never_exceed_one_payment_at_any_instant(api: Api) {
    api.apply_tenant("arena").await;
    api.apply_policy(policy()).await;
    let api = Arc::new(api);
    let (bench, shop) = (Bench::start().await, shop(&api));
    assert_eq!(api.import(vec![crowded_order(1, 0)]).await.created, 1);
    let mut quotes = Vec::new();
    for place in 0..TICKETS {
        quotes.push(api.quote(&[&format!("t{place}")]).await);
    }
    // All quotes stand, and the money for most of them goes.
    let captured = read_payment(&shop).await.captured;
    let elsewhere = captured - LEFT;
    assert_eq!(api.import(vec![crowded_order(2, elsewhere)]).await.updated, 1);
    let known = json!([{ "id": "pi_p1", "amount": captured, "currency": "EUR",
        "amount_refunded": elsewhere }]);
    bench.control("payment_intents", known).await;
    // Slow answers spread the payments over several settlements, for the watcher to see between.
    let slow = json!({ "plan": { "slow_answer": 1000, "slow_answer_ms": 60 } });
    bench.control("faults", slow).await;

    let racing = Arc::new(AtomicBool::new(true));
    let watcher = tokio::spawn(watch(shop.clone(), Arc::clone(&racing)));
    let crew = hire(&shop, &bench);
    let calls = quotes.into_iter().map(|quote| {
        let api = Arc::clone(&api);
        tokio::spawn(async move {
            let request = acceptance(&quote, &api.request_id());
            api.refunds("arena").create_refund(request).await
        })
    });
    let mut created = Vec::new();
    for answer in join_all(calls).await {
        match answer.unwrap() {
            Ok(refund) => created.push(refund.into_inner().name),
            Err(status) => assert_eq!(status.code(), Code::FailedPrecondition, "{status:?}"),
        }
    }
    let named = |name: &String| RefundId::from_resource_name(name).unwrap();
    let ids: Vec<RefundId> = created.iter().map(named).collect();
    at_rest(&shop, &ids).await;
    crew.dismiss().await;
    racing.store(false, Ordering::SeqCst);
    let (reads, mixed) = watcher.await.unwrap();
    assert!(reads > 20 && mixed > 0, "a thin sample: {reads} reads, {mixed} in the middle");

    assert_eq!(i64::try_from(ids.len()).unwrap(), FITS);
    let seen = read_payment(&shop).await;
    assert_eq!((seen.counters.reserved, seen.counters.refunded), (0, FITS * PAID_BACK));
    let totals = bench.totals().await;
    assert_eq!(totals["refunds_made"], FITS, "{totals}");
    assert_eq!(totals["max_refunds_per_attempt"], 1, "{totals}");
    let sums = shop.store.ledger_sums(&shop.tenant).await.unwrap().remove(0);
    assert_eq!((sums.differences(), sums.paid), (Vec::new(), FITS * PAID_BACK));
}
