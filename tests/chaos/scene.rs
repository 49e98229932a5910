//! One cancellation through processes of the refunds service, from its orders to its report.
//!
//! Invariant: the other services are never there; a consumer that is away delays nobody.

use std::fs;
use std::time::Duration;

use redress::cli::ServiceName;
use redress::connect::Connections;
use redress::home::{Home, Layout, Ports};
use redress_core::caller::Role;
use redress_proto::refunds::v1::disruption_service_client::DisruptionServiceClient;
use redress_proto::refunds::v1::ledger_service_client::LedgerServiceClient;
use redress_proto::refunds::v1::{
    DisruptionItem, ListDisruptionItemsRequest, ListLedgerEntriesRequest, disruption,
    disruption_item,
};
use redress_sandbox::{FaultPlan, SandboxConfig};
use tempfile::TempDir;
use tonic::Status;

use super::crowd::{CANCELLED, Crowd};
use super::disk::SmallDisk;
use super::replica::{Place, Replica};
use super::report::{Read, Report};
use crate::harness::processes::show;
use crate::harness::provider::{Provider, SECRET_KEY};
use crate::harness::{ARENA, calls, eventually, ports, tokens};

/// Places for processes of the service.
const PLACES: usize = 3;
/// How long the provider takes for an answer: it has paid by then.
const ANSWER_MS: u64 = 150;
const PAGE: i32 = 1_000;

/// What differs from case to case.
pub(crate) struct Terms {
    pub(crate) sandbox: SandboxConfig,
    /// How long a call of the provider may take.
    pub(crate) timeout_ms: u64,
    /// How long an outcome may stay unclear.
    pub(crate) ask_person_after_ms: u64,
    /// How soon a pending refund is looked up when no webhook tells of it.
    pub(crate) check_first_ms: u64,
    /// Further lines for the section of the provider, and sections after it.
    pub(crate) more: String,
}

impl Default for Terms {
    fn default() -> Self {
        Self {
            sandbox: SandboxConfig { requests_per_s: 0, faults: SLOW, ..Default::default() },
            timeout_ms: 1_000,
            ask_person_after_ms: 900_000,
            check_first_ms: 200,
            more: String::new(),
        }
    }
}

/// The provider pays at once and answers a little later, so that some refunds are always paid
/// without anybody here knowing.
pub(crate) const SLOW: FaultPlan = FaultPlan {
    seed: 5,
    lost_answer: 0,
    error_before: 0,
    error_after: 0,
    slow_answer: 1_000,
    card_closed: 0,
    returned: 0,
    balance_pending: 0,
    balance_refused: 0,
    slow_answer_ms: ANSWER_MS,
    card_closed_ms: 500,
    returned_ms: 0,
    balance_pending_fails_ms: None,
};

/// A cancellation and everything around it.
pub(crate) struct Scene {
    title: String,
    happened: Vec<String>,
    limit: Duration,
    pub(crate) crowd: Crowd,
    pub(crate) provider: Provider,
    pub(crate) places: Vec<Place>,
    callers: Vec<Connections>,
    disruption: String,
    _folder: TempDir,
}

impl Scene {
    /// A folder of settings, a provider, and nobody who works yet.
    pub(crate) async fn set(title: &str, database: &str, terms: Terms) -> Self {
        let crowd = Crowd::gather();
        let provider = Provider::start(terms.sandbox.clone()).await;
        let folder = tempfile::tempdir().unwrap();
        let layout = Layout {
            ports: Ports::From(ports::four_in_a_row()),
            stripe_base_url: provider.base_url(),
            refunds_extra: settings(&terms, crowd.orders.len()),
            databases: vec![(ServiceName::Refunds, database.to_owned())],
        };
        let (home, _) = Home::open_or_create(&folder.path().join("data"), &layout).unwrap();
        let places = places(&home);
        let token = tokens::of_people(&home, ARENA, &[Role::Platform]);
        let connect = |place: &Place| {
            let at = [(ServiceName::Refunds, place.address)];
            Connections::to(&at, tokens::tenant_id(ARENA), token.clone()).unwrap()
        };
        let kind = database.split(':').next().unwrap_or_default();
        Self {
            title: format!("{title} ({kind})"),
            happened: Vec::new(),
            limit: Duration::from_secs(90 + crowd.orders.len() as u64 / 20),
            callers: places.iter().map(connect).collect(),
            crowd,
            provider,
            places,
            disruption: String::new(),
            _folder: folder,
        }
    }

    /// Starts a process in a place.
    pub(crate) async fn start(&self, place: usize) -> Replica {
        self.places[place].start(None).await
    }

    /// Starts a process in a place whose database is on a small disk.
    pub(crate) async fn start_on(&self, place: usize, disk: &SmallDisk) -> Replica {
        self.places[place].start(Some(disk)).await
    }

    /// The service as it is reached in a place.
    pub(crate) fn caller(&self, place: usize) -> &Connections {
        &self.callers[place]
    }

    /// Imports the orders and cancels their event; the process in `place` is told.
    pub(crate) async fn begin(&mut self, place: usize) {
        self.prepare(place).await;
        self.cancel(place).await;
    }

    /// Makes the orders known to everybody.
    pub(crate) async fn prepare(&mut self, place: usize) {
        self.provider.seed(&self.crowd.orders).await;
        let caller = &self.callers[place];
        calls::apply_tenant_to(ServiceName::Refunds, caller, "Arena Tickets").await;
        calls::import(caller, &self.crowd.orders).await;
    }

    /// Cancels the event, up to the start of the payments.
    pub(crate) async fn cancel(&mut self, place: usize) {
        let caller = &self.callers[place];
        let preview = calls::preview(caller, CANCELLED).await;
        assert_eq!(usize::try_from(preview.orders_in_scope), Ok(self.crowd.due.len()));
        self.disruption = calls::cancel(caller, CANCELLED).await;
    }

    /// Writes down what is done to the run, for the report.
    pub(crate) fn note(&mut self, what: impl Into<String>) {
        self.happened.push(what.into());
    }

    /// Waits until the provider has paid at least `percent` of the payments, and fails when it has
    /// paid all: then it is too late for whatever was to happen in the middle.
    pub(crate) async fn paid(&self, percent: usize) -> u64 {
        let all = self.crowd.payments() as u64;
        let enough = all * percent as u64 / 100;
        let what = format!("{percent} % of the payments");
        let made = eventually(&what, self.limit, async || {
            let made = self.provider.totals().await.refunds_made;
            if made >= enough { Ok(made) } else { Err(format!("{made} of {all}")) }
        });
        let made = made.await;
        assert!(made < all, "all was paid before {percent} % were seen");
        made
    }

    /// Waits until the disruption is completed, as the process in `place` says.
    pub(crate) async fn completed(&self, place: usize) {
        eventually("the cancellation", self.limit, async || {
            let read = calls::disruption(&self.callers[place], &self.disruption).await;
            let disruption = read.map_err(|status| tell(&status))?;
            if disruption.state() == disruption::State::Completed {
                return Ok(());
            }
            Err(format!("{:?} with {:?}", disruption.state(), disruption.counts))
        })
        .await;
    }

    /// Ends it, of a run in which nothing is refused: everybody got everything that can be sent.
    pub(crate) async fn end_all_paid(self, place: usize) {
        let by_hand = self.crowd.by_hand();
        let report = self.end(place).await;
        assert_eq!(report.in_state(disruption_item::State::Attention), by_hand, "{report}");
    }

    /// Waits for the end, compares everything as the process in `place` tells it, and prints the
    /// report; what does not fit fails the test.
    pub(crate) async fn end(self, place: usize) -> Report {
        self.completed(place).await;
        let caller = &self.callers[place];
        calls::chained(caller).await;
        let read = Read {
            disruption: calls::disruption(caller, &self.disruption).await.unwrap(),
            items: items(caller, &self.disruption).await,
            ledger: calls::ledger(caller).await.unwrap(),
            paid: movements_that_paid(caller).await,
            refunds: self.provider.refunds().await,
            totals: self.provider.totals().await,
        };
        let report = Report::of(self.title.clone(), self.happened.clone(), &self.crowd, &read);
        show(&report.to_string());
        report.assert_sound();
        for place in &self.places {
            let written = place.written();
            assert!(!written.contains("panicked"), "{written}");
        }
        report
    }
}

impl Drop for Scene {
    fn drop(&mut self) {
        if std::thread::panicking() {
            for place in &self.places {
                let written = place.written();
                // That the consumers are away is said all the time, and meant to be.
                let lines = written.lines().filter(|line| !line.contains("relay.subscriber"));
                let lines: Vec<&str> = lines.collect();
                let last = lines[lines.len().saturating_sub(60)..].join("\n");
                show(&format!("--- {} of {} ---\n{last}", place.address, self.title));
            }
        }
    }
}

/// Calls under way at once: so few that a small crowd takes some seconds.
fn width(orders: usize) -> usize {
    (orders / 30).clamp(4, 128)
}

fn settings(terms: &Terms, orders: usize) -> String {
    format!(
        "secret_key = \"{SECRET_KEY}\"\nvisibility_window_ms = 500\ntimeout_ms = {}\n\
         concurrency = {}\nreads_per_second = 1000\n{}\n\n[service.worker]\npoll_ms = 200\n\
         look_up_first_ms = 200\nlook_up_cap_ms = 1000\ncheck_first_ms = {}\n\
         ask_person_after_ms = {}\n",
        terms.timeout_ms,
        width(orders),
        terms.more,
        terms.check_first_ms,
        terms.ask_person_after_ms
    )
}

/// The place of the folder's own settings, and others that differ in the port only.
fn places(home: &Home) -> Vec<Place> {
    let first = Place::new(home.settings_file(ServiceName::Refunds));
    let text = fs::read_to_string(&first.settings).unwrap();
    let port = ports::four_in_a_row();
    let others = (1_u16..).take(PLACES - 1).map(|number| {
        let listen = format!("127.0.0.1:{}", port + number);
        let settings = home.dir().join(format!("refunds-{number}.toml"));
        fs::write(&settings, text.replacen(&first.address.to_string(), &listen, 1)).unwrap();
        Place::new(settings)
    });
    let others: Vec<Place> = others.collect();
    std::iter::once(first).chain(others).collect()
}

/// Every item of a disruption.
async fn items(caller: &Connections, disruption: &str) -> Vec<DisruptionItem> {
    let channel = caller.unary(ServiceName::Refunds).unwrap();
    let mut client = DisruptionServiceClient::new(channel);
    let mut items = Vec::new();
    let mut page_token = String::new();
    loop {
        let request = ListDisruptionItemsRequest {
            parent: disruption.to_owned(),
            page_size: PAGE,
            page_token,
            ..Default::default()
        };
        let page = client.list_disruption_items(request).await.unwrap().into_inner();
        items.extend(page.items);
        page_token = page.next_page_token;
        if page_token.is_empty() {
            return items;
        }
    }
}

/// Every movement by which money left through a provider: its refund, currency and minor units.
async fn movements_that_paid(caller: &Connections) -> Vec<(String, String, i64)> {
    let channel = caller.unary(ServiceName::Refunds).unwrap();
    let mut client = LedgerServiceClient::new(channel);
    let mut paid = Vec::new();
    let mut page_token = String::new();
    loop {
        let request =
            ListLedgerEntriesRequest { page_size: PAGE, page_token, ..Default::default() };
        let page = client.list_ledger_entries(request).await.unwrap().into_inner();
        let left = page.entries.into_iter().filter(|entry| entry.credit.starts_with("provider:"));
        paid.extend(left.map(|entry| (entry.refund, entry.currency_code, entry.amount)));
        page_token = page.next_page_token;
        if page_token.is_empty() {
            return paid;
        }
    }
}

fn tell(status: &Status) -> String {
    format!("{:?}: {}", status.code(), status.message())
}
