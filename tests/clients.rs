//! Clients in other languages, generated from the contracts as docs/clients.md tells their callers.
//!
//! Invariant: what runs is what a caller gets: the contracts and the token come from the command,
//! the program is the page's own example, and the credential is that of another service.

use std::env;
use std::ffi::OsString;
use std::fs;
use std::io::{self, Write as _};
use std::iter;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use prost_types::Timestamp;
use redress::cli::ServiceName;
use redress::home::Home;
use redress_core::caller::Role;
use redress_core::clock::{Clock as _, SystemClock};
use redress_proto::refunds::v1::Order;
use redress_runtime::token::SigningKey;
use redress_sandbox::SandboxConfig;
use redress_testkit::Backend;
use secrecy::ExposeSecret as _;
use tempfile::TempDir;
use tokio::process::Command;
use tokio::time::timeout;

use crate::harness::books::ByCurrency;
use crate::harness::stage::Stage;
use crate::harness::{ARENA, calls, eventually, orders, processes, setup, tokens};

/// The page that a caller reads.
const PAGE: &str = include_str!("../docs/clients.md");
/// Where the tools are, below the target folder.
const PYTHON: &str = "tools/python/bin/python";
const NODE_MODULES: &str = "tools/typescript/node_modules";
/// What each of the programs may take.
const LIMIT: Duration = Duration::from_mins(1);

const GROSS: i64 = 4_150;
/// A tenth is kept.
const FEE_BASIS_POINTS: i32 = 1_000;
const REFUND: i64 = 3_735;
const DAY: i64 = 86_400;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_generated_client_in_python_refunds_orders() {
    let Some(python) = installed(PYTHON) else { return };
    let Some(world) = World::set(&["orders/P1", "orders/P2", "orders/P3"]).await else { return };
    let dir = world.folder.path();

    let contracts = dir.join("contracts.binpb");
    let stubs = dir.join("stubs");
    fs::create_dir(&stubs).unwrap();
    redress(&["contracts", "--out", contracts.to_str().unwrap()]);
    let files = redress(&["contracts", "--list"]);
    let mut generate = Command::new(&python);
    generate.args(["-m", "grpc_tools.protoc"]).args([
        format!("--descriptor_set_in={}", contracts.display()),
        format!("--python_out={}", stubs.display()),
        format!("--grpc_python_out={}", stubs.display()),
    ]);
    run(generate.args(files.split_whitespace())).await;
    fs::write(dir.join("refund_order.py"), example("python")).unwrap();

    let tests = Path::new(env!("CARGO_MANIFEST_DIR")).join("clients/python/client_test.py");
    let path = env::join_paths([&stubs, dir]).unwrap();
    let platform = tokens::of_people(&world.stage.home, ARENA, &[Role::Platform]);
    let mut client = Command::new(&python);
    client
        .arg(tests)
        .env("PYTHONPATH", path)
        .env("PYTHONDONTWRITEBYTECODE", "1")
        .env("REDRESS_REFUNDS", world.stage.address(ServiceName::Refunds).to_string())
        .env("REDRESS_TOKEN", &world.token)
        .env("REDRESS_PLATFORM_TOKEN", platform.expose_secret())
        .env("REDRESS_ORDERS", world.orders.join(" "));
    run(&mut client).await;
    world.assert_paid_once_and_strike().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_generated_client_in_typescript_refunds_orders() {
    let Some(node_modules) = installed(NODE_MODULES) else { return };
    let Some(world) = World::set(&["orders/T1"]).await else { return };
    let dir = world.folder.path();

    redress(&["contracts", "--out", dir.join("contracts.binpb").to_str().unwrap()]);
    // Node looks for packages beside the program and above.
    symlink(&node_modules, dir.join("node_modules")).unwrap();
    fs::write(dir.join("package.json"), r#"{ "type": "module" }"#).unwrap();
    fs::write(dir.join("buf.gen.yaml"), example("yaml")).unwrap();
    fs::write(dir.join("tsconfig.json"), example("json")).unwrap();
    fs::write(dir.join("refund-order.ts"), example("typescript")).unwrap();
    let path = path_with(&node_modules.join(".bin"));
    let program = |name: &str, arguments: &[&str]| {
        let mut command = Command::new(name);
        command.args(arguments).env("PATH", &path).current_dir(dir);
        command
    };
    run(&mut program("buf", &["generate", "contracts.binpb", "--exclude-path", "google/protobuf"]))
        .await;
    run(&mut program("tsc", &[])).await;

    let [order] = world.orders.as_slice() else { panic!("one order was asked for") };
    let refund = async |request_id: &str, token: &str| {
        let mut client = program("node", &["refund-order.js", order, request_id]);
        client
            .env("REDRESS_REFUNDS", world.stage.address(ServiceName::Refunds).to_string())
            .env("REDRESS_TOKEN", token);
        end(&mut client).await
    };
    let request_id = calls::request_id();
    let first = refund(&request_id, &world.token).await.unwrap();
    assert!(first.starts_with("refunds/") && first.ends_with(" QUEUED\n"), "{first}");
    assert_eq!(refund(&request_id, &world.token).await.unwrap(), first);
    let refused = refund(&calls::request_id(), &world.token).await.unwrap_err();
    assert!(refused.contains("FailedPrecondition LINE_NOT_REFUNDABLE "), "{refused}");
    let refused = refund(&request_id, "nonsense").await.unwrap_err();
    assert!(refused.contains("Unauthenticated TOKEN_INVALID "), "{refused}");
    world.assert_paid_once_and_strike().await;
}

/// Running services with orders that can be refunded, and the credential of a service of the
/// tenant's company.
struct World {
    stage: Stage,
    orders: Vec<String>,
    token: String,
    folder: TempDir,
}

impl World {
    async fn set(orders: &[&str]) -> Option<Self> {
        let folder = tempfile::tempdir().unwrap();
        let key_file = folder.path().join("billing.pem");
        let trust_billing = |home: &Home| trust(home, "billing", &key_file);
        let mut stage =
            Stage::set_up(Backend::Sqlite, SandboxConfig::default(), trust_billing).await?;
        let platform = stage.connect(ARENA, &[Role::Platform]);
        let sold: Vec<Order> = orders.iter().copied().map(sold).collect();
        stage.provider.seed(&sold).await;
        calls::apply_tenant(&platform, "Arena Tickets").await;
        calls::apply_policy(&platform, calls::policy(FEE_BASIS_POINTS)).await;
        calls::import(&platform, &sold).await;
        let key_file = key_file.to_str().unwrap();
        let signed_by = ["--issuer", "billing", "--key", key_file];
        let asked = ["token", "--tenant", ARENA, "--role", "service"];
        let token = redress(&[asked.as_slice(), &signed_by].concat());
        let orders = sold.into_iter().map(|order| order.name).collect();
        Some(Self { stage, orders, token: token.trim().to_owned(), folder })
    }

    /// By the provider's own count, each order is refunded, and once.
    async fn assert_paid_once_and_strike(self) {
        let paid = REFUND * i64::try_from(self.orders.len()).unwrap();
        let paid = ByCurrency::from([("EUR".to_owned(), paid)]);
        let totals = eventually("all refunds at the provider", LIMIT, async || {
            let totals = self.stage.provider.totals().await;
            if totals.refunded == paid { Ok(totals) } else { Err(format!("{totals:?}")) }
        })
        .await;
        assert_eq!((totals.max_refunds_per_attempt, totals.refunds_without_attempt), (1, 0));
        self.stage.strike().await;
    }
}

/// Makes a key and has refunds trust it for services of one tenant.
fn trust(home: &Home, issuer: &str, key_file: &Path) {
    let key = SigningKey::generate().unwrap();
    key.write_new(key_file).unwrap();
    let public = key_file.with_extension("pub.pem");
    fs::write(&public, key.public_pem().unwrap()).unwrap();
    let lines = format!(
        "\n[[auth.issuers]]\nissuer = \"{issuer}\"\nroles = [\"service\"]\n\
         tenants = [\"{ARENA}\"]\npublic_key_file = \"{}\"\n",
        public.display()
    );
    setup::append(home, ServiceName::Refunds, &lines);
}

/// An order for an event that is weeks away, whenever the test runs.
fn sold(name: &str) -> Order {
    let now = SystemClock.now().0 / 1_000_000;
    let buyer = name.trim_start_matches("orders/").to_lowercase();
    let mut order = orders::paid_by_card(name, "events/gala", &buyer, GROSS);
    let at = |seconds| Some(Timestamp { seconds, nanos: 0 });
    order.purchase_time = at(now - 10 * DAY);
    order.lines[0].event_start_time = at(now + 60 * DAY);
    order.payments[0].capture_time = at(now - 10 * DAY);
    order
}

/// The first program in `language` on the page.
fn example(language: &str) -> &'static str {
    let start = format!("\n```{language}\n");
    let (_, rest) = PAGE.split_once(&start).unwrap();
    rest.split_once("\n```").unwrap().0
}

/// What the `redress` command prints; it has to succeed.
fn redress(arguments: &[&str]) -> String {
    let output = processes::redress(arguments);
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{arguments:?}: {}\n{said}", output.status);
    String::from_utf8(output.stdout).unwrap()
}

/// Runs a program that has to succeed.
async fn run(command: &mut Command) {
    end(command).await.unwrap();
}

/// What a program prints, or all that it said when it failed. It has to end in time, and sees no
/// environment but the command's own.
async fn end(command: &mut Command) -> Result<String, String> {
    let set = command.as_std().get_envs();
    let own: Vec<(OsString, OsString)> =
        set.filter_map(|(name, value)| Some((name.to_owned(), value?.to_owned()))).collect();
    command.env_clear().envs(own).stdin(Stdio::null()).kill_on_drop(true);
    let output = timeout(LIMIT, command.output()).await.unwrap().unwrap();
    let [out, err] = [output.stdout, output.stderr].map(|text| String::from_utf8(text).unwrap());
    if output.status.success() { Ok(out) } else { Err(format!("{}\n{out}\n{err}", output.status)) }
}

/// The folders of programs, with one more that comes first.
#[expect(clippy::disallowed_methods, reason = "only the environment knows where node is")]
fn path_with(folder: &Path) -> OsString {
    let others = env::var_os("PATH").unwrap_or_default();
    env::join_paths(iter::once(folder.to_owned()).chain(env::split_paths(&others))).unwrap()
}

/// What `cargo xtask clients --install` has put there; `None` when it has not, a panic instead when
/// `REDRESS_REQUIRE_CLIENTS=1`.
#[expect(clippy::disallowed_methods, reason = "the environment says whether a skip is a failure")]
fn installed(path: &str) -> Option<PathBuf> {
    let test = env::current_exe().unwrap();
    // Cargo puts tests into `debug/deps` below the target folder.
    let found = test.ancestors().skip(1).map(|folder| folder.join(path)).find(|f| f.exists());
    if found.is_none() {
        let required = env::var("REDRESS_REQUIRE_CLIENTS").is_ok_and(|value| value == "1");
        assert!(!required, "REDRESS_REQUIRE_CLIENTS=1, but the target folder has no {path}");
        // Straight to stderr: the test harness hides what a passing test prints.
        let notice = format!(
            "A generated client is SKIPPED: the target folder has no {path}. Install it with \
             `cargo xtask clients --install`.\n"
        );
        io::stderr().write_all(notice.as_bytes()).unwrap();
    }
    found
}
