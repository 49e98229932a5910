//! The sandbox alone: what the provider gives when nothing is stored behind the calls.
//!
//! Invariant: the same calls as the connector's, over as many connections as it has calls under way.

use std::sync::Arc;
use std::time::Duration;

use anyhow::Result;
use redress_core::id::{IdSource as _, RandomIds};
use tonic::Status;

use super::super::load::{Calls, closed_loop};
use super::super::orders;
use super::provider::{Manner, Provider};
use crate::commands::run::SANDBOX_KEY;

/// How long one call may take.
const CALL_LIMIT: Duration = Duration::from_secs(20);

/// Has `callers` refund `count` payments; returns how many a second.
pub(super) async fn measure(manner: Manner, count: usize, callers: usize) -> Result<f64> {
    let provider = Provider::start(manner, count).await?;
    let http = reqwest::Client::builder().no_proxy().timeout(CALL_LIMIT).build()?;
    let url = format!("{}/v1/refunds", provider.base_url());
    let round = closed_loop(Arc::new(Refunds { http, url }), 0..count, callers).await;
    provider.stop().await?;
    Ok(round?.per_second())
}

/// Calls of `POST /v1/refunds`, each for another payment.
struct Refunds {
    http: reqwest::Client,
    url: String,
}

impl Calls for Refunds {
    async fn call(&self, _caller: usize, number: usize) -> Result<(), Status> {
        let id = RandomIds.next_id();
        let form = [
            ("payment_intent", orders::payment(number)),
            ("amount", orders::paid().to_string()),
            ("metadata[redress_attempt]", id.clone()),
        ];
        let request = self.http.post(&self.url).bearer_auth(SANDBOX_KEY);
        let sent = request.header("idempotency-key", id).form(&form).send().await;
        let unavailable = |error: reqwest::Error| Status::unavailable(error.to_string());
        let answer = sent.and_then(reqwest::Response::error_for_status).map_err(unavailable)?;
        answer.bytes().await.map_err(unavailable)?;
        Ok(())
    }
}
