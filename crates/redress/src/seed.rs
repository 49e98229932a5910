//! Tells the payment sandbox of the payments that orders were made with.
//!
//! Invariant: it goes through the sandbox's control plane, as anybody could with curl; telling the
//! same payments again changes nothing.

use std::fmt::Write as _;

use anyhow::{Result, ensure};
use redress_proto::refunds::v1::{Order, payment};
use serde_json::json;

/// Payments told in one request.
const CHUNK: usize = 5_000;

/// Tells the sandbox at `base_url` of every payment that `orders` were paid with at Stripe; returns
/// how many. Earlier refunds count as made there.
pub async fn payments(base_url: &str, orders: impl Iterator<Item = Order>) -> Result<usize> {
    // The sandbox is local, whatever proxy the environment names.
    let http = reqwest::Client::builder().no_proxy().build()?;
    let url = format!("{base_url}/sandbox/payment_intents");
    let mut lines = String::new();
    let (mut pending, mut told) = (0, 0);
    for order in orders {
        for payment in order.payments.iter().filter(|payment| payment.provider == "stripe") {
            writeln!(lines, "{}", record(payment))?;
            pending += 1;
        }
        if pending >= CHUNK {
            put(&http, &url, std::mem::take(&mut lines)).await?;
            told += std::mem::take(&mut pending);
        }
    }
    if pending > 0 {
        put(&http, &url, lines).await?;
    }
    Ok(told + pending)
}

fn record(payment: &redress_proto::refunds::v1::Payment) -> serde_json::Value {
    let captured = payment.captured.clone().unwrap_or_default();
    let earlier = payment.refunded_elsewhere.clone().unwrap_or_default();
    let tender = match payment.tender() {
        payment::Tender::Wallet => "alipay",
        _ => "card",
    };
    json!({
        "id": payment.provider_reference,
        "amount": captured.minor_units,
        "currency": captured.currency_code,
        "amount_refunded": earlier.minor_units,
        "payment_method_type": tender,
    })
}

async fn put(http: &reqwest::Client, url: &str, lines: String) -> Result<()> {
    let response = http.post(url).body(lines).send().await?;
    let status = response.status();
    ensure!(status.is_success(), "the sandbox refused a payment: {}", response.text().await?);
    Ok(())
}
