//! `redress sandbox`: the payment provider to practise on.

use std::fs;

use anyhow::{Context as _, Result};
use redress_runtime::signals;
use redress_sandbox::{
    FaultPlan, Sandbox, SandboxConfig, SecretKey, WebhookConfig, WebhookEndpoint,
};
use tokio_util::sync::CancellationToken;

use super::run::SANDBOX_KEY;
use crate::cli::SandboxArgs;
use crate::import::Sample;
use crate::{output, seed};

pub(super) async fn run(args: &SandboxArgs) -> Result<()> {
    let endpoint = match (&args.webhook_url, &args.webhook_secret_file) {
        (Some(url), Some(file)) => {
            let secret = fs::read_to_string(file)
                .with_context(|| format!("cannot read {}", file.display()))?;
            Some(WebhookEndpoint { url: url.clone(), secret: SecretKey::new(secret.trim()) })
        }
        _ => None,
    };
    let config = SandboxConfig {
        listen: args.listen,
        requests_per_s: args.rate,
        secret_key: SecretKey::new(SANDBOX_KEY),
        faults: FaultPlan {
            seed: args.seed,
            lost_answer: args.lost_answers,
            error_before: args.server_errors,
            card_closed: args.closed_cards,
            balance_refused: args.insufficient_balance,
            slow_answer: args.slow_answers,
            ..FaultPlan::default()
        },
        webhooks: WebhookConfig { endpoint, ..WebhookConfig::default() },
        ..SandboxConfig::default()
    };
    let stop = CancellationToken::new();
    signals::cancel_on_signal(stop.clone())?;
    let sandbox = Sandbox::start(config).await?;
    if args.sample {
        let sample = Sample::load().map_err(anyhow::Error::msg)?;
        let orders = sample.orders().iter().cloned();
        let payments = seed::payments(&sandbox.base_url(), orders).await?;
        output::note(format!("{payments} payments of the sample orders can be refunded"));
    }
    output::line(sandbox.base_url());
    output::note(format!("payment sandbox with the key {SANDBOX_KEY}; stop it with ctrl-c"));
    stop.cancelled().await;
    sandbox.shutdown().await;
    Ok(())
}
