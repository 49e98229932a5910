//! Scenario 28: what buyers are told when a seller keeps fees, and that mail holds up no money.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::time::Duration;

use redress::cli::ServiceName;
use redress_core::caller::Role;
use redress_proto::notifications::v1::notification_service_client::NotificationServiceClient;
use redress_proto::notifications::v1::{ListNotificationsRequest, Notification, notification};
use redress_proto::refunds::v1::{
    CreateDisruptionRequest, DisruptionFees, DisruptionTerms, Order, OrderLine, disruption, order,
    order_line,
};
use redress_sandbox::SandboxConfig;
use redress_testkit::Backend;

use crate::harness::books::{Books, ByCurrency};
use crate::harness::orders::{euros, paid_by_card, unpaid};
use crate::harness::stage::Stage;
use crate::harness::{ARENA, calls, eventually, on_both_databases, setup};

const EVENT: &str = "events/gala";
const LIMIT: Duration = Duration::from_mins(2);

on_both_databases! {
    scenario_28_each_buyer_is_told_what_was_paid_once_in_their_language,
    scenario_28_mail_that_cannot_leave_holds_up_no_money,
}

/// A ticket and a booking fee of 5.00, paid by card.
fn with_fee(number: u32, buyer: &str, locale: &str, ticket: i64) -> Order {
    let name = format!("orders/G{number}");
    let mut order = paid_by_card(&name, EVENT, buyer, ticket + 500);
    locale.clone_into(&mut order.contact.as_mut().unwrap().locale);
    order.lines[0].gross = Some(euros(ticket));
    let fee = OrderLine {
        line_id: "f1".to_owned(),
        kind: order_line::Kind::Fee.into(),
        title: "Booking fee".to_owned(),
        gross: Some(euros(500)),
        ..order.lines[0].clone()
    };
    order.lines.push(fee);
    order
}

/// Somebody who waits for a ticket.
fn waiting(buyer: &str, locale: &str) -> Order {
    let mut entry = unpaid("orders/W1", EVENT, buyer, 0);
    entry.state = order::State::WaitingList.into();
    locale.clone_into(&mut entry.contact.as_mut().unwrap().locale);
    entry
}

/// Fixed, of each ticket, in percent and by kind, all at once.
fn terms() -> DisruptionTerms {
    let fees = DisruptionFees {
        per_order: vec![euros(200)],
        per_unit: vec![euros(100)],
        basis_points: 500,
        kept_kinds: vec![order_line::Kind::Fee.into()],
    };
    DisruptionTerms { fees: Some(fees), ..Default::default() }
}

/// Cancels the gala for these orders.
async fn cancel(stage: &mut Stage, orders: &[Order]) -> (redress::connect::Connections, String) {
    let platform = stage.connect(ARENA, &[Role::Platform]);
    stage.provider.seed(orders).await;
    calls::apply_tenant(&platform, "Arena Tickets").await;
    calls::import(&platform, orders).await;
    let request = CreateDisruptionRequest {
        event: EVENT.to_owned(),
        kind: disruption::Kind::Cancelled.into(),
        terms: Some(terms()),
        ..Default::default()
    };
    let name = calls::cancel_as(&platform, request).await;
    (platform, name)
}

async fn notifications(platform: &redress::connect::Connections, name: &str) -> Vec<Notification> {
    let filter = format!("disruption = \"{name}\"");
    let request = ListNotificationsRequest { page_size: 100, filter, ..Default::default() };
    let channel = platform.unary(ServiceName::Notifications).unwrap();
    let listed = NotificationServiceClient::new(channel).list_notifications(request).await;
    listed.unwrap().into_inner().notifications
}

/// The mails by recipient, with the soft line breaks of quoted-printable text removed; fails when
/// somebody has two.
fn mails(mailbox: &Path) -> BTreeMap<String, String> {
    let mut mails = BTreeMap::new();
    for entry in fs::read_dir(mailbox).unwrap() {
        let mail = fs::read_to_string(entry.unwrap().path()).unwrap().replace("=\r\n", "");
        let to = mail.lines().find_map(|line| line.strip_prefix("To: ")).unwrap().to_owned();
        assert_eq!(mails.insert(to.clone(), mail), None, "two mails for {to}");
    }
    mails
}

async fn scenario_28_each_buyer_is_told_what_was_paid_once_in_their_language(backend: Backend) {
    let Some(mut stage) = Stage::set(backend, SandboxConfig::default()).await else { return };
    // Of 100.00 it keeps 5 %, 1.00 for the ticket and 2.00 for the order; of the fee everything.
    let orders = [
        with_fee(1, "ada", "en", 10_000),
        with_fee(2, "bert", "de", 5_000),
        with_fee(3, "vera", "ru", 2_000),
        with_fee(4, "lei", "zh", 10_000),
        waiting("wim", "de"),
    ];
    let (platform, name) = cancel(&mut stage, &orders).await;
    let books = Books::at_rest(&platform, &name, LIMIT).await;
    assert_eq!((books.succeeded, books.nothing_due), (4, 1));
    let paid = ByCurrency::from([("EUR".to_owned(), 9_200 + 4_450 + 1_600 + 9_200)]);
    assert_eq!(books.refunded, paid);
    stage.provider.assert_agrees(&books).await;

    let told: BTreeMap<_, _> = notifications(&platform, &name)
        .await
        .into_iter()
        .map(|told| (told.order, (told.template, told.locale)))
        .collect();
    let issued = |locale: &str| ("templates/refund-issued".to_owned(), locale.to_owned());
    let expected = [
        ("orders/G1", issued("en")),
        ("orders/G2", issued("de")),
        ("orders/G3", issued("ru")),
        ("orders/G4", issued("zh")),
        ("orders/W1", ("templates/waiting-list-closed".to_owned(), "de".to_owned())),
    ];
    assert_eq!(told, expected.map(|(order, told)| (order.to_owned(), told)).into());

    let mails = mails(&stage.home.mailbox());
    assert_eq!(mails.len(), orders.len());
    for (buyer, text) in [("ada", "EUR=C2=A092.00"), ("bert", "44,50=C2=A0"), ("wim", "Warteliste")]
    {
        let mail = &mails[&format!("{buyer}@mail.example")];
        assert!(mail.contains(text), "{text} in {mail}");
    }
    stage.strike().await;
}

async fn scenario_28_mail_that_cannot_leave_holds_up_no_money(backend: Backend) {
    let nobody_listens = "\n[service.mail.smtp]\nhost = \"127.0.0.1\"\nport = 1\ntls = \"none\"\n";
    let set = Stage::set_up(backend, SandboxConfig::default(), |home| {
        setup::append(home, ServiceName::Notifications, nobody_listens);
    });
    let Some(mut stage) = set.await else { return };
    let orders = [with_fee(1, "ada", "en", 10_000), with_fee(2, "bert", "de", 5_000)];
    let (platform, name) = cancel(&mut stage, &orders).await;
    eventually("all money to be paid while the mails wait", LIMIT, async || {
        let disruption = calls::disruption(&platform, &name).await.map_err(|e| e.to_string())?;
        let paid = disruption.state() == disruption::State::Completed
            && disruption.counts.as_ref().is_some_and(|counts| counts.succeeded == 2);
        let waiting = notifications(&platform, &name).await;
        let wait = waiting.len() == 2
            && waiting.iter().all(|told| {
                told.state() == notification::State::Pending
                    && told.reason_code == "MAIL_UNAVAILABLE"
            });
        if paid && wait { Ok(()) } else { Err(format!("{disruption:?} {waiting:?}")) }
    })
    .await;
    let refunded = ByCurrency::from([("EUR".to_owned(), 9_200 + 4_450)]);
    assert_eq!(stage.provider.totals().await.refunded, refunded);
    stage.strike().await;
}
