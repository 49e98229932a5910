//! Callers that go away at every await of a call, and processes that end at every step of one.
//!
//! The handler's future is dropped where the server would drop it, without the layer that shields
//! handlers from that: what a shielded handler survives, a bare one has to survive first.

use super::calls::{Desk, Kind, open_desk};
use super::cut_off;
use super::mortal::{Death, Mortal};
use super::mortal_store::MortalStore;

/// How often each call is cut at each await.
const ROUNDS: usize = 2;

redress_testkit::conformance! {
    open = open_desk;
    quote_refund_is_cut_at_every_await,
    create_refund_is_cut_at_every_await,
    approve_refund_is_cut_at_every_await,
    cancel_refund_is_cut_at_every_await,
    retry_refund_is_cut_at_every_await,
    resolve_attempt_is_cut_at_every_await,
    a_process_ends_at_every_step_of_quote_refund,
    scenario_12_a_process_ends_at_every_step_of_create_refund,
    a_process_ends_at_every_step_of_approve_refund,
    a_process_ends_at_every_step_of_cancel_refund,
    a_process_ends_at_every_step_of_retry_refund,
    a_process_ends_at_every_step_of_resolve_attempt,
}

async fn quote_refund_is_cut_at_every_await(desk: Desk) {
    cut_at_every_await(desk, Kind::Quote).await;
}

async fn create_refund_is_cut_at_every_await(desk: Desk) {
    cut_at_every_await(desk, Kind::Create).await;
}

async fn approve_refund_is_cut_at_every_await(desk: Desk) {
    cut_at_every_await(desk, Kind::Approve).await;
}

async fn cancel_refund_is_cut_at_every_await(desk: Desk) {
    cut_at_every_await(desk, Kind::Cancel).await;
}

async fn retry_refund_is_cut_at_every_await(desk: Desk) {
    cut_at_every_await(desk, Kind::Retry).await;
}

async fn resolve_attempt_is_cut_at_every_await(desk: Desk) {
    cut_at_every_await(desk, Kind::Resolve).await;
}

async fn a_process_ends_at_every_step_of_quote_refund(desk: Desk) {
    end_at_every_step(desk, Kind::Quote, &["replay", "orders", "create_quote"]).await;
}

async fn scenario_12_a_process_ends_at_every_step_of_create_refund(desk: Desk) {
    end_at_every_step(desk, Kind::Create, &["quotes", "create_refunds"]).await;
}

async fn a_process_ends_at_every_step_of_approve_refund(desk: Desk) {
    end_at_every_step(desk, Kind::Approve, &["replay", "refund", "act"]).await;
}

async fn a_process_ends_at_every_step_of_cancel_refund(desk: Desk) {
    end_at_every_step(desk, Kind::Cancel, &["replay", "refund", "act"]).await;
}

async fn a_process_ends_at_every_step_of_retry_refund(desk: Desk) {
    end_at_every_step(desk, Kind::Retry, &["replay", "refund", "act"]).await;
}

async fn a_process_ends_at_every_step_of_resolve_attempt(desk: Desk) {
    end_at_every_step(desk, Kind::Resolve, &["replay", "refund", "act"]).await;
}

/// Drops the handler after one poll more each time, until it ends by itself.
async fn cut_at_every_await(mut desk: Desk, kind: Kind) {
    let mut cuts = 0;
    // How many awaits find their answer there already is a matter of chance.
    for _round in 0..ROUNDS {
        for polls in 0.. {
            let scene = desk.scene(kind).await;
            let answer = cut_off(desk.make(&scene, desk.store()), polls).await;
            let answer = answer.map(Result::unwrap);
            let is_over = answer.is_some();
            desk.assert_once(scene, answer, &format!("cut after {polls} polls")).await;
            if is_over {
                break;
            }
            cuts += 1;
        }
    }
    assert!(cuts > ROUNDS, "{kind:?} was cut {cuts} times only");
    desk.assert_paid_once(kind).await;
}

/// Lets the process end a step later each time, until the call is answered. `passes` are steps that
/// it takes, in order, besides others.
async fn end_at_every_step(mut desk: Desk, kind: Kind, passes: &[&str]) {
    for death in Death::all() {
        let scene = desk.scene(kind).await;
        let process = Mortal::until(death);
        let store = MortalStore::shared(&process, desk.store());
        let answer = tokio::select! {
            biased;
            answer = desk.make(&scene, &store) => Some(answer.unwrap()),
            () = process.died() => None,
        };
        let is_over = answer.is_some();
        desk.assert_once(scene, answer, &format!("ended at {death:?}")).await;
        if is_over {
            let done = process.done();
            let mut steps = done.iter();
            assert!(passes.iter().all(|pass| steps.any(|step| step == pass)), "{done:?}");
            break;
        }
    }
    desk.assert_paid_once(kind).await;
}
