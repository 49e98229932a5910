//! The books as an auditor meets them: checked, verified and recomputed from what is listed.

use std::fs;
use std::io::Write as _;
use std::path::Path;
use std::process::{Command, Output, Stdio};
use std::time::Duration;

use redress::cli::ServiceName;
use redress_core::chain::{Hash, Head};
use redress_sandbox::SandboxConfig;
use redress_testkit::Backend;
use serde_json::{Value, json};

use crate::harness::orders::paid_by_card;
use crate::harness::processes::{redress, show};
use crate::harness::suite::Suite;
use crate::harness::{ARENA, calls, eventually, on_both_databases};

const EVENT: &str = "events/gala";
/// What the three orders were paid with, in cents.
const PAID: i64 = 5_000 + 6_000 + 700;

on_both_databases! {
    an_auditor_verifies_the_books_and_keeps_their_head,
}

async fn an_auditor_verifies_the_books_and_keeps_their_head(backend: Backend) {
    let started = Suite::start(backend, SandboxConfig::default(), &ServiceName::ALL).await;
    let Some(mut suite) = started else { return };
    let head = pay_three(&mut suite).await;
    let position = head.split_once(':').unwrap().0;
    assert_eq!(position, "6", "each payment is reserved and posted");

    let checked = json_of(&ledger(&suite, &["check"]));
    assert_eq!((&checked["balanced"], &checked["differences"]), (&json!(true), &json!([])));
    let verified = ledger(&suite, &["verify"]);
    assert!(verified.status.success());
    let verified = json_of(&verified);
    assert_eq!((&verified["sound"], &verified["differences"]), (&json!(true), &json!([])));
    let hash = verified["ledger"]["hash"].as_str().unwrap();
    assert_eq!(format!("{}:{hash}", verified["ledger"]["position"]), head);
    let kept = ledger(&suite, &["verify", "--expect", &head]);
    assert!(kept.status.success(), "{kept:?}");

    let forged = format!("{position}:{}", "0".repeat(64));
    let future = format!("9{position}:{hash}");
    for (expected, told) in [(&forged, "the head noted earlier has"), (&future, "was cut off")] {
        let refused = ledger(&suite, &["verify", "--expect", expected]);
        assert_eq!(refused.status.code(), Some(1), "{refused:?}");
        let differences = json_of(&refused)["differences"].clone();
        assert!(differences[0].as_str().unwrap().contains(told), "{differences}");
    }
    let no_head = ledger(&suite, &["verify", "--expect", hash]);
    assert_eq!(no_head.status.code(), Some(2), "a hash alone is no head");

    let accounts = json_of(&ledger(&suite, &["balances"]))["accounts"].clone();
    assert_eq!(accounts[0]["account"], "provider:stripe");
    assert_eq!((&accounts[0]["debits"], &accounts[0]["credits"]), (&json!(0), &json!(PAID)));
    recompute_in_python(&ledger(&suite, &["entries"]).stdout, &head);
}

/// Refunds three orders, and returns the head of the books when every movement has its place.
async fn pay_three(suite: &mut Suite) -> String {
    let orders = [
        paid_by_card("orders/A1", EVENT, "ada", 5_000),
        paid_by_card("orders/A2", EVENT, "ben", 6_000),
        paid_by_card("orders/A3", EVENT, "eve", 700),
    ];
    suite.provider.seed(&orders).await;
    calls::apply_tenant(&suite.platform, "Arena Tickets").await;
    calls::import(&suite.platform, &orders).await;
    calls::cancel(&suite.platform, EVENT).await;
    eventually("the books", Duration::from_secs(30), async || {
        let report = calls::ledger(&suite.platform).await.map_err(|status| status.to_string())?;
        let paid: i64 = report.balances.iter().map(|balance| balance.paid).sum();
        if paid != PAID || report.unchained != 0 {
            return Err(format!("{report:?}"));
        }
        let hash = Hash::try_from(&*report.chain_hash).unwrap();
        Ok(Head { position: report.chain_position, hash }.to_string())
    })
    .await
}

/// Runs `redress ledger` for the tenant, and asks for JSON.
fn ledger(suite: &Suite, arguments: &[&str]) -> Output {
    let data = suite.home.dir().to_str().unwrap();
    let place = ["--data", data, "--tenant", ARENA, "--json"];
    redress(&[&["ledger"], arguments, &place].concat())
}

fn json_of(output: &Output) -> Value {
    serde_json::from_slice(&output.stdout).unwrap_or_else(|error| panic!("{error}: {output:?}"))
}

/// The program of docs/ledger.md, which shares nothing with us, comes to the same head.
fn recompute_in_python(entries: &[u8], head: &str) {
    let page = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/ledger.md");
    let page = fs::read_to_string(page).unwrap();
    let program = page.split("```python\n").nth(1).unwrap().split("```").next().unwrap();
    let python = |entries: &[u8]| {
        let mut command = Command::new("python3");
        command.args(["-c", program]).stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut child = command.stderr(Stdio::piped()).spawn().ok()?;
        child.stdin.take().unwrap().write_all(entries).unwrap();
        Some(child.wait_with_output().unwrap())
    };
    let Some(output) = python(entries) else {
        show("python3 is not installed: the program of docs/ledger.md was not run");
        return;
    };
    let told = String::from_utf8(output.stdout).unwrap();
    let owed = format!("provider:stripe EUR {PAID}\nrefunds_payable EUR 0\n");
    assert!(told.starts_with(&owed) && told.ends_with(&format!("head {head}\n")), "{told}");
    let forged = String::from_utf8(entries.to_vec()).unwrap().replacen("6000", "6001", 1);
    let refused = python(forged.as_bytes()).unwrap();
    assert!(!refused.status.success());
    assert!(String::from_utf8_lossy(&refused.stderr).contains("does not fit"), "{refused:?}");
}
