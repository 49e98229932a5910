//! Killed services come back and end where undisturbed ones end.
//!
//! Two suites of four processes refund the same orders through providers with the same faults. One
//! is left alone; in the other each process is killed with SIGKILL in the middle of the
//! cancellation, refunds three times, and started again on the same settings.
//!
//! Which fault an attempt meets depends on the payment and on how many attempts the provider has
//! seen on it. A kill can only add an attempt of ours that the provider never saw, which changes
//! nothing there, or lose an answer. So the faults here are those whose end does not depend on our
//! having read the answer: money that moved is found in the provider's list, and a card that is
//! closed is told again by every look-up. `balance_refused` is not among them: its refusal leaves
//! no trace at the provider, so an answer lost to a kill is rightly followed by another attempt.

use std::time::Duration;

use redress::cli::ServiceName;
use redress_sandbox::{FaultPlan, SandboxConfig};
use redress_testkit::Backend;

use crate::harness::books::{Books, in_the_middle};
use crate::harness::processes::show;
use crate::harness::suite::Suite;
use crate::harness::{calls, on_both_databases, orders};

/// Decides which payments meet a fault.
const SEED: u64 = 11;

const FAULTS: FaultPlan = FaultPlan {
    seed: SEED,
    lost_answer: 60,
    error_before: 40,
    error_after: 40,
    slow_answer: 30,
    card_closed: 30,
    returned: 0,
    balance_pending: 0,
    balance_refused: 0,
    slow_answer_ms: 1_500,
    card_closed_ms: 500,
    returned_ms: 0,
    balance_pending_fails_ms: None,
};

/// Requests a second that the provider of the disturbed run takes: its orders last long enough to
/// kill somebody in the middle of them.
const RATE: u32 = 40;

/// Who is killed when so many orders in a hundred have come to rest.
const KILLS: [(i64, ServiceName); 6] = [
    (10, ServiceName::Notifications),
    (20, ServiceName::Cases),
    (30, ServiceName::Feedback),
    (40, ServiceName::Refunds),
    (60, ServiceName::Refunds),
    (80, ServiceName::Refunds),
];

/// A killed process leaves leases: attempts for 11 seconds, events for 15, mails for 31.
const LIMIT: Duration = Duration::from_secs(100);

on_both_databases! {
    killed_services_end_where_undisturbed_ones_end,
}

async fn killed_services_end_where_undisturbed_ones_end(backend: Backend) {
    show(&format!("seed {SEED}"));
    let at =
        |requests_per_s| SandboxConfig { requests_per_s, faults: FAULTS, ..Default::default() };
    let Some(calm) = Suite::start(backend, at(0), &ServiceName::ALL).await else { return };
    let Some(rough) = Suite::start(backend, at(RATE), &ServiceName::ALL).await else { return };
    let (expected, books) = tokio::join!(undisturbed(calm), disturbed(rough));
    assert_eq!(books, expected);
    assert!(expected.attention > 0 && expected.nothing_due > 0, "a thin sample: {expected:?}");
}

async fn undisturbed(mut suite: Suite) -> Books {
    let name = begin(&mut suite).await;
    end(&suite, &name).await
}

async fn disturbed(mut suite: Suite) -> Books {
    let name = begin(&mut suite).await;
    for (percent, victim) in KILLS {
        in_the_middle(&suite.platform, &name, percent).await;
        suite.processes.kill(victim);
        suite.processes.start(victim);
    }
    end(&suite, &name).await
}

async fn begin(suite: &mut Suite) -> String {
    let orders = orders::sample();
    suite.provider.seed(&orders).await;
    calls::apply_tenant(&suite.platform, "Arena Tickets").await;
    calls::import(&suite.platform, &orders).await;
    calls::cancel(&suite.platform, orders::DERBY).await
}

async fn end(suite: &Suite, name: &str) -> Books {
    let books = Books::at_rest(&suite.platform, name, LIMIT).await;
    suite.provider.assert_agrees(&books).await;
    let mails = i64::try_from(suite.mails()).unwrap();
    assert_eq!(mails, books.messages, "mails in the mailbox and messages sent");
    for service in ServiceName::ALL {
        let log = suite.processes.log(service);
        assert!(!log.contains("panicked"), "{}:\n{log}", service.as_str());
    }
    books
}
