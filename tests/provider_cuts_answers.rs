//! A provider that pays and does not say so, and one that is away for a while.
//!
//! The preview tells beforehand what a provider without faults would pay; whatever goes wrong on
//! the way, exactly that has been paid in the end, once.

use std::time::Duration;

use redress_core::caller::Role;
use redress_proto::refunds::v1::DisruptionPreview;
use redress_sandbox::SandboxConfig;
use redress_testkit::Backend;
use serde_json::json;

use crate::harness::books::{Books, ByCurrency, in_the_middle};
use crate::harness::stage::Stage;
use crate::harness::{ARENA, calls, eventually, on_both_databases, orders};

/// Requests a second that the provider takes, so that there is a middle to do something in.
const RATE: u32 = 60;
const LIMIT: Duration = Duration::from_mins(3);
/// Answers that are lost in a row: more than the lane's breaker bears, and few enough that the calls
/// with which it then tries the provider soon meet the end of them.
const CUT: u64 = 8;
/// Refunds that are tried while the provider is away, until the breaker lets through one at a time.
const REFUSED: u64 = 5;

on_both_databases! {
    refunds_whose_answers_are_cut_are_paid_once,
    refunds_of_a_provider_that_was_away_are_paid_once,
}

async fn refunds_whose_answers_are_cut_are_paid_once(backend: Backend) {
    let Some(scene) = Scene::begin(backend).await else { return };
    in_the_middle(&scene.platform, &scene.disruption, 20).await;
    scene.stage.provider.set_faults(&json!({ "cut_next_refund_answers": CUT })).await;
    scene.end().await;
}

async fn refunds_of_a_provider_that_was_away_are_paid_once(backend: Backend) {
    let Some(scene) = Scene::begin(backend).await else { return };
    in_the_middle(&scene.platform, &scene.disruption, 20).await;
    let provider = &scene.stage.provider;
    provider.set_faults(&json!({ "down": true })).await;
    let before = provider.totals().await.refund_requests_total;
    eventually("refunds sent to a provider that is away", LIMIT, async || {
        let refused = provider.totals().await.refund_requests_total - before;
        if refused >= REFUSED { Ok(()) } else { Err(format!("{refused} refused")) }
    })
    .await;
    provider.set_faults(&json!({ "down": false })).await;
    scene.end().await;
}

struct Scene {
    stage: Stage,
    platform: redress::connect::Connections,
    preview: DisruptionPreview,
    disruption: String,
}

impl Scene {
    /// Starts the cancellation of the sample's match.
    async fn begin(backend: Backend) -> Option<Self> {
        let sandbox = SandboxConfig { requests_per_s: RATE, ..Default::default() };
        let mut stage = Stage::set(backend, sandbox).await?;
        let platform = stage.connect(ARENA, &[Role::Platform]);
        let orders = orders::sample();
        stage.provider.seed(&orders).await;
        calls::apply_tenant(&platform, "Arena Tickets").await;
        calls::import(&platform, &orders).await;
        let preview = calls::preview(&platform, orders::DERBY).await;
        let disruption = calls::cancel(&platform, orders::DERBY).await;
        Some(Self { stage, platform, preview, disruption })
    }

    /// Waits for the end and compares it with the preview and the provider.
    async fn end(self) {
        let books = Books::at_rest(&self.platform, &self.disruption, LIMIT).await;
        assert_eq!(self.stage.provider.answers_to_cut().await, 0, "not every answer was cut");
        self.stage.provider.assert_agrees(&books).await;
        let preview = &self.preview;
        assert_eq!(
            (books.orders_in_scope, books.succeeded, books.attention, books.nothing_due),
            (preview.orders_in_scope, preview.refundable, preview.attention, preview.nothing_due)
        );
        let mut expected = ByCurrency::new();
        for total in preview.totals.iter().filter(|total| total.connected) {
            let amount = total.amount.clone().unwrap();
            *expected.entry(amount.currency_code).or_default() += amount.minor_units;
        }
        assert_eq!(books.refunded, expected);
        self.stage.strike().await;
    }
}
