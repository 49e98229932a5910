//! The command line as people meet it: real processes, given what is no good.
//!
//! Each mistake ends the command with a code that is not zero, is named on standard error by place,
//! field and reason, and leaves nothing half-written. What was sound beside it is imported.

use std::fs::{self, File};
use std::io::{BufWriter, Write as _};
use std::path::{Path, PathBuf};
use std::process::Output;

use redress::cli::ServiceName;
use redress_proto::refunds::v1::ListDisruptionsRequest;
use redress_proto::refunds::v1::disruption_service_client::DisruptionServiceClient;
use redress_sandbox::SandboxConfig;
use redress_testkit::Backend;
use secrecy::ExposeSecret as _;
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::harness::processes::redress;
use crate::harness::suite::Suite;
use crate::harness::{ARENA, calls, tokens};

const LONG_LINE: usize = 100 * 1024 * 1024;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_bad_record_is_named_and_costs_only_itself() {
    let Some(shop) = Shop::open().await else { return };
    let bad: [(&str, Value, &str); 8] = [
        (
            "unknown currency",
            with(order("b1"), "/total/currency_code", json!("XQQ")),
            "total.currency_code: ",
        ),
        (
            "negative price",
            with(order("b2"), "/lines/0/gross/minor_units", json!(-6_200)),
            "lines[0].gross",
        ),
        (
            "negative payment",
            with(order("b3"), "/payments/0/captured/minor_units", json!(-1)),
            "payments[0].captured",
        ),
        (
            "amount beyond all reason",
            with(order("b4"), "/payments/0/captured/minor_units", json!(9_000_000_000_000_i64)),
            "payments[0].captured.minor_units: ",
        ),
        (
            "total that is not the sum of the lines",
            with(order("b5"), "/total/minor_units", json!(6_199)),
            "total.minor_units: lines sum to 6200 but total is 6199",
        ),
        ("name of nothing", with(order("b6"), "/name", json!("a b")), "name: "),
        ("field of another format", with(order("b7"), "/colour", json!("red")), "colour: "),
        (
            "time without a zone",
            with(order("b8"), "/purchase_time", json!("2026-10-01")),
            "purchase_time: ",
        ),
    ];
    for (what, record, field) in bad {
        let good = format!("{}\n", order(&format!("good-before-{}", what.len())));
        let file = shop.file("orders.jsonl", format!("{good}{record}\n").as_bytes());
        let told = shop.refused(&["import", "jsonl", &file], what);
        assert!(told.contains("orders.jsonl:2: "), "{what}: {told}");
        assert!(told.contains(field), "{what}: {told}");
        assert!(!told.contains("mail.example"), "{what}: an address was shown: {told}");
        let stored = calls::has_order(&shop.suite.platform, record["name"].as_str().unwrap()).await;
        assert!(!stored, "{what}: the order was stored");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_file_that_is_damaged_is_imported_as_far_as_it_is_sound() {
    let Some(shop) = Shop::open().await else { return };
    let whole = format!("{}\n{}\n", order("t1"), order("t2"));
    let cut = order("t3").to_string();
    let truncated = [whole.as_bytes(), &cut.as_bytes()[..cut.len() / 2]].concat();
    let file = shop.file("truncated.jsonl", &truncated);
    let told = shop.refused(&["import", "jsonl", &file], "truncated file");
    assert!(told.contains("truncated.jsonl:3: the file is truncated"), "{told}");
    assert_eq!(calls::count_orders(&shop.suite.platform).await, 2);

    let bytes = [order("u1").to_string().as_bytes(), b"\n{\"name\": \"\xff\"}\n"].concat();
    let file = shop.file("latin1.jsonl", &bytes);
    let told = shop.refused(&["import", "jsonl", &file], "invalid UTF-8");
    assert!(told.contains("latin1.jsonl:2: invalid UTF-8 at byte offset"), "{told}");
    assert_eq!(calls::count_orders(&shop.suite.platform).await, 3);

    let file = shop.folder.path().join("long.jsonl");
    write_long_line(&file);
    let told = shop.refused(&["import", "jsonl", file.to_str().unwrap()], "line of 100 MiB");
    // With its line break.
    let length = LONG_LINE + 1;
    assert!(
        told.contains(&format!("long.jsonl:2: the line has {length} bytes; at most")),
        "{told}"
    );
    assert_eq!(calls::count_orders(&shop.suite.platform).await, 5, "the lines around it count");

    let told = shop.refused(&["import", "jsonl", "no-such-file.jsonl"], "missing file");
    assert!(told.contains("no-such-file.jsonl: cannot open: "), "{told}");
    assert_eq!(calls::count_orders(&shop.suite.platform).await, 5);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_event_that_nobody_has_is_not_cancelled() {
    let Some(shop) = Shop::open().await else { return };
    for arguments in
        [&["cancel-event", "nobody-knows"][..], &["cancel-event", "nobody-knows", "--preview"]]
    {
        let told = shop.refused(arguments, "unknown event");
        assert!(told.contains("events/nobody-knows not found"), "{told}");
    }
    let told = shop.refused(&["cancel-event", "no event"], "name of nothing");
    assert!(told.contains("event: "), "{told}");
    assert_eq!(shop.disruptions().await, 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_token_of_another_tenant_or_of_yesterday_moves_nothing() {
    let Some(shop) = Shop::open().await else { return };
    let file = shop.file("orders.jsonl", format!("{}\n", order("k1")).as_bytes());
    let done = shop.run(&["import", "jsonl", &file]);
    assert!(done.status.success(), "{}", stderr(&done));

    let platform = [redress_core::caller::Role::Platform];
    let other = tokens::of_people(&shop.suite.home, "dome", &platform);
    let with_other = ["cancel-event", "gala", "--token", other.expose_secret()];
    let told = shop.refused(&with_other, "token of another tenant");
    assert!(told.contains("events/gala not found"), "{told}");

    let expired = tokens::expired(&shop.suite.home, ARENA);
    let second = shop.file("second.jsonl", format!("{}\n", order("k2")).as_bytes());
    for arguments in [&["cancel-event", "gala"][..], &["import", "jsonl", &second]] {
        let with_expired = [arguments, &["--token", expired.expose_secret()]].concat();
        let told = shop.refused(&with_expired, "expired token");
        assert!(told.contains("Unauthenticated") && told.contains("expired"), "{told}");
        assert!(!told.contains(expired.expose_secret()), "the token was shown: {told}");
    }
    let told = shop.refused(&["cancel-event", "gala", "--token", "nonsense"], "no token at all");
    assert!(told.contains("Unauthenticated"), "{told}");
    assert_eq!(shop.disruptions().await, 0);
    assert_eq!(calls::count_orders(&shop.suite.platform).await, 1);
}

/// Refunds as a process, a tenant, and a folder for files.
struct Shop {
    suite: Suite,
    folder: TempDir,
}

impl Shop {
    async fn open() -> Option<Self> {
        let sandbox = SandboxConfig::default();
        let suite = Suite::start(Backend::Sqlite, sandbox, &[ServiceName::Refunds]).await?;
        Some(Self { suite, folder: tempfile::tempdir().unwrap() })
    }

    fn file(&self, name: &str, content: &[u8]) -> String {
        let path: PathBuf = self.folder.path().join(name);
        fs::write(&path, content).unwrap();
        path.to_str().unwrap().to_owned()
    }

    /// Runs a command for the tenant.
    fn run(&self, arguments: &[&str]) -> Output {
        let data = self.suite.home.dir().to_str().unwrap();
        redress(&[arguments, &["--data", data, "--tenant", ARENA]].concat())
    }

    /// Runs a command that has to be refused; returns what it told.
    fn refused(&self, arguments: &[&str], what: &str) -> String {
        let output = self.run(arguments);
        let told = stderr(&output);
        assert_eq!(output.status.code(), Some(1), "{what}: {told}");
        let service = self.suite.processes.log(ServiceName::Refunds);
        for text in [&told, &service] {
            assert!(!text.contains("panicked"), "{what}: {text}");
        }
        told
    }

    async fn disruptions(&self) -> usize {
        let channel = self.suite.platform.unary(ServiceName::Refunds).unwrap();
        let request = ListDisruptionsRequest::default();
        let listed = DisruptionServiceClient::new(channel).list_disruptions(request).await;
        listed.unwrap().into_inner().disruptions.len()
    }
}

fn stderr(output: &Output) -> String {
    String::from_utf8(output.stderr.clone()).unwrap()
}

/// A sound order in the shape of JSON Lines.
fn order(id: &str) -> Value {
    let euros = |minor_units: i64| json!({ "currency_code": "EUR", "minor_units": minor_units });
    json!({
        "name": format!("orders/{id}"),
        "source_version": 1,
        "customer": format!("customers/of-{id}"),
        "contact": { "email": "ada@mail.example", "display_name": "", "locale": "en" },
        "purchase_time": "2026-10-01T08:00:00Z",
        "state": "PLACED",
        "lines": [{
            "line_id": "t1", "kind": "TICKET", "event": "events/gala", "title": "Main stand",
            "event_start_time": "2026-12-19T15:30:00+01:00", "event_time_zone": "Europe/Berlin",
            "gross": euros(6_200), "tax": euros(990),
        }],
        "payments": [{
            "payment_id": "P-1", "tender": "CARD", "provider": "stripe",
            "provider_reference": format!("pi_{id}"), "captured": euros(6_200),
            "refunded_elsewhere": euros(0), "capture_time": "2026-10-01T08:00:05Z",
        }],
        "total": euros(6_200),
    })
}

/// The same order with another value at `pointer`, or with a further field.
fn with(mut order: Value, pointer: &str, value: Value) -> Value {
    match order.pointer_mut(pointer) {
        Some(place) => *place = value,
        None => order[&pointer[1..]] = value,
    }
    order
}

/// A sound order, a line of 100 MiB, and a sound order.
fn write_long_line(path: &Path) {
    let mut file = BufWriter::new(File::create(path).unwrap());
    writeln!(file, "{}", order("l1")).unwrap();
    let block = [b'x'; 8 * 1024];
    for _ in 0..LONG_LINE / block.len() {
        file.write_all(&block).unwrap();
    }
    writeln!(file).unwrap();
    writeln!(file, "{}", order("l2")).unwrap();
    file.flush().unwrap();
}
