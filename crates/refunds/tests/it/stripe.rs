//! The Stripe connector over real HTTP: against the sandbox, and against servers that misbehave.

use std::net::SocketAddr;
use std::time::Duration;

use axum::Router;
use axum::http::StatusCode;
use axum::routing::any;
use redress_core::clock::Timestamp;
use redress_core::id::AttemptId;
use redress_core::money::{Currency, Money};
use redress_refunds::domain::attempt::Reason;
use redress_refunds::provider::stripe::{StripeConnector, StripeSettings, StripeSetupError};
use redress_refunds::provider::{
    BalanceError, LookUp, LookUpOutcome, Provider as _, ProviderRefund, ProviderStatus,
    ProviderTerms, ReadOutcome, RefundOrder, SendOutcome,
};
use redress_sandbox::SandboxConfig;
use serde_json::json;
use tokio::io::AsyncWriteExt as _;
use tokio::net::TcpListener;

use crate::sandbox::{self, Bench, KEY, eventually};

const INCONCLUSIVE: LookUpOutcome = LookUpOutcome::Inconclusive { retry_after: None };
const NOT_SENT: SendOutcome = SendOutcome::NotSent { retry_after: None };

fn quick() -> ProviderTerms {
    ProviderTerms { timeout: Duration::from_millis(500), ..sandbox::terms() }
}

fn connector(base_url: &str) -> StripeConnector {
    sandbox::connector(base_url, quick())
}

fn connector_with_key(base_url: &str, key: &str) -> StripeConnector {
    let settings = StripeSettings {
        base_url: base_url.to_owned(),
        secret_key: key.into(),
        webhook_secrets: Vec::new(),
        terms: quick(),
    };
    StripeConnector::new(&settings).unwrap()
}

fn order(attempt: &str, amount: i64) -> RefundOrder {
    RefundOrder {
        attempt: AttemptId::new(attempt).unwrap(),
        payment_reference: "pi_1".to_owned(),
        currency: "EUR".parse().unwrap(),
        amount,
    }
}

fn query(order: &RefundOrder, provider_refund: &str) -> LookUp {
    LookUp {
        attempt: order.attempt.clone(),
        payment_reference: order.payment_reference.clone(),
        provider_refund: provider_refund.to_owned(),
        currency: order.currency,
        amount: order.amount,
        sent: Timestamp(1),
    }
}

/// A sandbox with 50.00 EUR on `pi_1`, and a connector to it.
async fn stripe() -> (Bench, StripeConnector) {
    let bench = Bench::start().await;
    bench.seed("pi_1", 5_000, "EUR").await;
    let connector = connector(&bench.base_url());
    (bench, connector)
}

fn answered(outcome: SendOutcome) -> ProviderRefund {
    match outcome {
        SendOutcome::Answered(refund) => refund,
        other => panic!("expected an answer, got {other:?}"),
    }
}

fn found(outcome: LookUpOutcome) -> ProviderRefund {
    match outcome {
        LookUpOutcome::Found(refund) => refund,
        other => panic!("expected a refund, got {other:?}"),
    }
}

#[tokio::test]
async fn a_paid_refund_is_answered_and_found_by_id_and_by_its_attempt() {
    let (bench, stripe) = stripe().await;
    let order = order("a1", 1_250);
    let refund = answered(stripe.send(&order).await);
    assert_eq!(refund.status, ProviderStatus::Succeeded);
    assert_eq!(found(stripe.look_up(&query(&order, &refund.id)).await), refund);
    assert_eq!(found(stripe.look_up(&query(&order, "")).await), refund);
    let totals = bench.totals().await;
    assert_eq!(totals["refunded_minor_units_by_currency"], json!({ "EUR": 1250 }));
    assert_eq!(totals["refunds_without_attempt"], 0);
}

#[tokio::test]
async fn the_same_attempt_is_paid_once() {
    let (bench, stripe) = stripe().await;
    let first = answered(stripe.send(&order("a1", 100)).await);
    assert_eq!(answered(stripe.send(&order("a1", 100)).await), first);
    assert_eq!(bench.totals().await["refunds_made"], 1);
    // The same key with another body is an error that says nothing about the first request.
    assert_eq!(stripe.send(&order("a1", 200)).await, SendOutcome::Unknown);
}

#[tokio::test]
async fn a_lost_answer_is_unknown_until_the_list_shows_the_refund() {
    let (bench, stripe) = stripe().await;
    bench.inject("pi_1", json!(["lost_answer"])).await;
    let order = order("a1", 100);
    assert_eq!(stripe.send(&order).await, SendOutcome::Unknown);
    let refund = found(stripe.look_up(&query(&order, "")).await);
    assert_eq!(refund.status, ProviderStatus::Succeeded);
    assert_eq!(bench.totals().await["refunds_made"], 1);
}

#[tokio::test]
async fn a_server_error_is_unknown_whether_it_paid_or_not() {
    let (bench, stripe) = stripe().await;
    bench.inject("pi_1", json!(["error_before", "error_after"])).await;
    let (before, after) = (order("a1", 100), order("a2", 100));
    assert_eq!(stripe.send(&before).await, SendOutcome::Unknown);
    assert_eq!(stripe.look_up(&query(&before, "")).await, LookUpOutcome::Absent);
    assert_eq!(stripe.send(&after).await, SendOutcome::Unknown);
    assert_eq!(found(stripe.look_up(&query(&after, "")).await).status, ProviderStatus::Succeeded);
    assert_eq!(bench.totals().await["refunds_made"], 1);
}

#[tokio::test]
async fn an_answer_after_the_time_limit_is_unknown() {
    let (bench, stripe) = stripe().await;
    bench.inject("pi_1", json!([{ "kind": "slow_answer", "delay_ms": 60_000 }])).await;
    let order = order("a1", 100);
    assert_eq!(stripe.send(&order).await, SendOutcome::Unknown);
    assert_eq!(found(stripe.look_up(&query(&order, "")).await).status, ProviderStatus::Succeeded);
    // The first request is still under way, so its key is in use.
    assert_eq!(stripe.send(&order).await, SendOutcome::Unknown);
}

#[tokio::test]
async fn refusals_carry_their_reason() {
    let (bench, stripe) = stripe().await;
    bench.inject("pi_1", json!(["balance_refused"])).await;
    let refused = SendOutcome::Refused;
    assert_eq!(stripe.send(&order("a1", 100)).await, refused(Reason::InsufficientBalance));
    assert_eq!(stripe.send(&order("a2", 6_000)).await, refused(Reason::ProviderRefused));
    answered(stripe.send(&order("a3", 5_000)).await);
    assert_eq!(stripe.send(&order("a4", 100)).await, refused(Reason::AlreadyRefunded));
    let unknown = RefundOrder { payment_reference: "pi_9".to_owned(), ..order("a5", 100) };
    assert_eq!(stripe.send(&unknown).await, refused(Reason::ProviderRefused));
}

#[tokio::test]
async fn an_amount_that_stripe_cannot_express_never_leaves() {
    let (bench, stripe) = stripe().await;
    let dinars = RefundOrder { currency: "KWD".parse().unwrap(), ..order("a1", 1_234) };
    assert_eq!(stripe.send(&dinars).await, SendOutcome::Refused(Reason::ProviderRefused));
    assert_eq!(stripe.look_up(&query(&dinars, "")).await, INCONCLUSIVE);
    assert_eq!(bench.totals().await["refund_requests_total"], 0);
}

#[tokio::test]
async fn amounts_arrive_in_stripes_own_units() {
    let (bench, stripe) = stripe().await;
    for (payment, currency, captured, amount, paid) in [
        ("pi_isk", "ISK", 50_000, 5, 500),
        ("pi_jpy", "JPY", 500, 500, 500),
        ("pi_kwd", "KWD", 5_000, 1_230, 1_230),
    ] {
        bench.seed(payment, captured, currency).await;
        let order = RefundOrder {
            attempt: AttemptId::new(payment).unwrap(),
            payment_reference: payment.to_owned(),
            currency: currency.parse().unwrap(),
            amount,
        };
        let refund = answered(stripe.send(&order).await);
        assert_eq!(found(stripe.look_up(&query(&order, &refund.id)).await), refund);
        let totals = bench.totals().await;
        assert_eq!(totals["refunded_minor_units_by_currency"][currency], paid);
    }
}

#[tokio::test]
async fn a_pending_refund_may_fail_later() {
    let (bench, stripe) = stripe().await;
    bench.inject("pi_1", json!([{ "kind": "card_closed", "delay_ms": 50 }])).await;
    let order = order("a1", 100);
    let pending = answered(stripe.send(&order).await);
    assert_eq!(pending.status, ProviderStatus::Pending);
    let query = query(&order, &pending.id);
    let status = eventually(async || {
        let status = found(stripe.look_up(&query).await).status;
        (status != ProviderStatus::Pending).then_some(status)
    })
    .await;
    assert_eq!(status, ProviderStatus::Failed(Reason::AccountClosed));
}

#[tokio::test]
async fn a_request_above_the_rate_limit_was_not_sent() {
    // The sandbox counts by calendar seconds, and here one never ends.
    let clock = redress_sandbox::Clock::from_fn(|| 1_700_000_000_000_000);
    let config = SandboxConfig { requests_per_s: 1, clock, ..SandboxConfig::default() };
    let bench = Bench::with(config).await;
    bench.seed("pi_1", 5_000, "EUR").await;
    let stripe = connector(&bench.base_url());
    answered(stripe.send(&order("a1", 100)).await);
    let second = Some(Duration::from_secs(1));
    assert_eq!(stripe.send(&order("a2", 100)).await, SendOutcome::NotSent { retry_after: second });
    answered_look_up_is_limited_too(&stripe).await;
    assert_eq!(bench.totals().await["refunds_made"], 1);
}

async fn answered_look_up_is_limited_too(stripe: &StripeConnector) {
    let query = query(&order("a1", 100), "");
    found(stripe.look_up(&query).await);
    let limited = LookUpOutcome::Inconclusive { retry_after: Some(Duration::from_secs(1)) };
    assert_eq!(stripe.look_up(&query).await, limited);
}

#[tokio::test]
async fn a_key_that_stripe_does_not_accept_fails_no_customers_refund() {
    let (bench, _) = stripe().await;
    let stripe = connector_with_key(&bench.base_url(), "sk_test_other");
    let minute = Some(Duration::from_mins(1));
    let order = order("a1", 100);
    assert_eq!(stripe.send(&order).await, SendOutcome::NotSent { retry_after: minute });
    let inconclusive = LookUpOutcome::Inconclusive { retry_after: minute };
    assert_eq!(stripe.look_up(&query(&order, "")).await, inconclusive);
    assert_eq!(bench.totals().await["refunds_made"], 0);
}

#[tokio::test]
async fn a_provider_that_is_down_proves_nothing() {
    let (bench, stripe) = stripe().await;
    bench.control("faults", json!({ "down": true })).await;
    let order = order("a1", 100);
    assert_eq!(stripe.send(&order).await, SendOutcome::Unknown);
    assert_eq!(stripe.look_up(&query(&order, "")).await, INCONCLUSIVE);
}

#[tokio::test]
async fn no_connection_is_the_only_silence_that_proves_something() {
    let order = order("a1", 100);

    let refused = connector(&format!("http://{}", closed_port().await));
    assert_eq!(refused.send(&order).await, NOT_SENT);
    assert_eq!(refused.look_up(&query(&order, "")).await, INCONCLUSIVE);

    let unresolved = connector("http://stripe.invalid");
    assert_eq!(unresolved.send(&order).await, NOT_SENT);

    // Plain HTTP where TLS is expected: the handshake fails before a request is written.
    let bench = Bench::start().await;
    let no_tls = connector(&bench.base_url().replace("http://", "https://"));
    assert_eq!(no_tls.send(&order).await, NOT_SENT);

    for behaviour in [Silent::Closes, Silent::Waits, Silent::Stutters] {
        let address = silent(behaviour).await;
        let stripe = connector(&format!("http://{address}"));
        assert_eq!(stripe.send(&order).await, SendOutcome::Unknown, "{behaviour:?}");
        assert_eq!(stripe.look_up(&query(&order, "")).await, INCONCLUSIVE, "{behaviour:?}");
    }
}

async fn closed_port() -> SocketAddr {
    TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap()
}

#[derive(Debug, Clone, Copy)]
enum Silent {
    /// Accepts and closes.
    Closes,
    /// Accepts and says nothing.
    Waits,
    /// Starts an answer and breaks it off.
    Stutters,
}

async fn silent(behaviour: Silent) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        let mut kept = Vec::new();
        while let Ok((mut stream, _)) = listener.accept().await {
            match behaviour {
                Silent::Closes => drop(stream),
                Silent::Waits => kept.push(stream),
                Silent::Stutters => {
                    let head = "HTTP/1.1 200 OK\r\ncontent-length: 500\r\n\r\n{\"id\": \"re_1\"";
                    stream.write_all(head.as_bytes()).await.unwrap();
                }
            }
        }
    });
    address
}

/// A server that gives one answer to everything.
async fn stubborn(status: u16, body: String) -> StripeConnector {
    let status = StatusCode::from_u16(status).unwrap();
    let answer = move || async move { (status, [("location", "/v1/refunds")], body) };
    let routes = Router::new().fallback(any(answer));
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move { axum::serve(listener, routes).await });
    connector(&format!("http://{address}"))
}

#[tokio::test]
async fn answers_that_cannot_be_stripes_prove_nothing() {
    let refund = json!({
        "id": "re_1", "object": "refund", "amount": 100, "currency": "eur",
        "payment_intent": "pi_1", "metadata": { "redress_attempt": "a1" }, "status": "succeeded",
    });
    let order = order("a1", 100);
    let stripe = stubborn(200, refund.to_string()).await;
    assert_eq!(answered(stripe.send(&order).await).id, "re_1");

    let other_amount = refund.to_string().replace("100", "101");
    let too_long = format!("{refund}{}", " ".repeat(300 * 1024));
    for (status, body) in [
        (200, other_amount),
        (200, too_long),
        (200, String::new()),
        (302, refund.to_string()),
        (502, "<html>bad gateway</html>".to_owned()),
        (403, "<html>a proxy says no</html>".to_owned()),
    ] {
        let stripe = stubborn(status, body.clone()).await;
        let start = &body[..body.len().min(40)];
        assert_eq!(stripe.send(&order).await, SendOutcome::Unknown, "{status} {start}");
    }
}

#[tokio::test]
async fn a_long_list_is_read_to_its_end_and_each_page_counts_as_a_read() {
    let bench = Bench::start().await;
    bench.seed("pi_1", 100_000, "EUR").await;
    let terms = ProviderTerms { reads_per_second: 2, ..sandbox::terms() };
    let stripe = sandbox::connector(&bench.base_url(), terms);
    for number in 0..230 {
        answered(stripe.send(&order(&format!("a{number}"), 1)).await);
    }
    let oldest = order("a0", 1);
    let never = order("never", 1);
    let (searched, missed) = (query(&oldest, ""), query(&never, ""));
    let (searched, missed) = tokio::join!(stripe.look_up(&searched), stripe.look_up(&missed));
    assert_eq!(found(searched).status, ProviderStatus::Succeeded);
    assert_eq!(missed, LookUpOutcome::Absent);
    let totals = bench.totals().await;
    assert_eq!(totals["reads_total"], 6);
    assert!(totals["peak_reads_per_s"].as_u64().unwrap() <= 2, "{totals}");
}

#[tokio::test]
async fn a_look_up_that_its_budget_holds_up_too_long_is_inconclusive() {
    let bench = Bench::start().await;
    bench.seed("pi_1", 5_000, "EUR").await;
    let terms = ProviderTerms { reads_per_second: 1, ..quick() };
    let stripe = sandbox::connector(&bench.base_url(), terms);
    let order = order("a1", 100);
    answered(stripe.send(&order).await);
    let query = query(&order, "");
    found(stripe.look_up(&query).await);
    assert_eq!(stripe.look_up(&query).await, INCONCLUSIVE);
    assert_eq!(bench.totals().await["reads_total"], 1);
}

#[tokio::test]
async fn any_refund_of_the_account_can_be_read_by_its_id() {
    let (bench, stripe) = stripe().await;
    let ours = answered(stripe.send(&order("a1", 1_250)).await);
    let theirs = bench.refund_in_dashboard("pi_1", 700).await;
    for (id, amount, attempt) in [(&ours.id, 1_250, Some("a1")), (&theirs, 700, None)] {
        let ReadOutcome::Found(refund) = stripe.read_refund(id).await else {
            panic!("{id} was not read");
        };
        assert_eq!((&refund.id, &*refund.payment_reference), (id, "pi_1"));
        assert_eq!(refund.amount, euros(amount));
        assert_eq!(refund.status, ProviderStatus::Succeeded);
        assert_eq!(refund.attempt.as_ref().map(AttemptId::as_str), attempt);
        assert!(refund.created > Timestamp(0));
    }
    for id in ["re_unknown", "", "..", "../balance", "re_1?x=1"] {
        assert_eq!(stripe.read_refund(id).await, ReadOutcome::Missing, "{id}");
    }
    bench.control("faults", json!({ "down": true })).await;
    assert_eq!(stripe.read_refund(&theirs).await, ReadOutcome::Inconclusive);
    let unreachable = connector(&format!("http://{}", closed_port().await));
    assert_eq!(unreachable.read_refund(&theirs).await, ReadOutcome::Inconclusive);
}

fn euros(minor_units: i64) -> Money {
    Money::new("EUR".parse().unwrap(), minor_units).unwrap()
}

#[tokio::test]
async fn the_balance_is_what_refunds_can_draw_on() {
    let (bench, stripe) = stripe().await;
    bench.seed("pi_isk", 50_000, "ISK").await;
    let kronur = Money::new("ISK".parse().unwrap(), 500).unwrap();
    let mut balance = stripe.balance().await.unwrap();
    balance.sort_by_key(|money| money.currency);
    assert_eq!(balance, [euros(5_000), kronur]);
    answered(stripe.send(&order("a1", 1_250)).await);
    assert!(stripe.balance().await.unwrap().contains(&euros(3_750)));

    let stranger = connector_with_key(&bench.base_url(), "sk_test_other");
    assert_eq!(stranger.balance().await, Err(BalanceError::Refused));
    bench.control("faults", json!({ "down": true })).await;
    assert!(matches!(stripe.balance().await, Err(BalanceError::Unavailable { .. })));
}

#[tokio::test]
async fn what_is_paid_lands_on_the_step_of_its_currency() {
    let bench = Bench::start().await;
    let stripe = connector(&bench.base_url());
    for code in ["EUR", "JPY", "ISK", "UGX", "KWD", "BHD", "MGA"] {
        let currency: Currency = code.parse().unwrap();
        let step = stripe.step(currency).unwrap();
        let payment = format!("pi_{code}");
        bench.seed(&payment, 1_000_000, code).await;
        let order = |attempt: &str, amount| RefundOrder {
            attempt: AttemptId::new(format!("{code}-{attempt}")).unwrap(),
            payment_reference: payment.clone(),
            currency,
            amount,
        };
        answered(stripe.send(&order("step", step)).await);
        answered(stripe.send(&order("steps", 3 * step)).await);
        if step > 1 {
            let refused = SendOutcome::Refused(Reason::ProviderRefused);
            assert_eq!(stripe.send(&order("off", step + 1)).await, refused, "{code}");
        }
    }
    assert_eq!(stripe.step("IQD".parse().unwrap()), None);
    assert_eq!(bench.totals().await["refunds_by_status"]["succeeded"], 14);
}

#[tokio::test]
async fn another_refund_under_a_known_id_is_not_ours() {
    let (_bench, stripe) = stripe().await;
    let theirs = answered(stripe.send(&order("a1", 100)).await);
    let ours = order("a2", 100);
    assert_eq!(stripe.look_up(&query(&ours, &theirs.id)).await, INCONCLUSIVE);
    for id in ["re_unknown", "../payment_intents/pi_1", "..", "re_1?x=1"] {
        assert_eq!(stripe.look_up(&query(&ours, id)).await, INCONCLUSIVE, "{id}");
    }
}

#[test]
fn settings_that_lead_nowhere_are_refused_and_the_key_is_not_printed() {
    let terms = quick();
    for base_url in ["", "stripe", "ftp://stripe", "http://", "https://"] {
        let settings = StripeSettings {
            base_url: base_url.to_owned(),
            secret_key: KEY.into(),
            webhook_secrets: Vec::new(),
            terms,
        };
        let refused = matches!(StripeConnector::new(&settings), Err(StripeSetupError::BaseUrl));
        assert!(refused, "{base_url}");
    }
    let printed = format!("{:?}", connector("http://127.0.0.1:1"));
    assert!(!printed.contains(KEY), "{printed}");
}
