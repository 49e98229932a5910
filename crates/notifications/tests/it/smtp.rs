//! Mail over SMTP: what the server says decides what becomes of the notification.

use std::time::Duration;

use redress_core::clock::Timestamp;
use redress_core::id::NotificationId;
use redress_notifications::app::dispatch_batch::Report;
use redress_notifications::domain::locale::Locale;
use redress_notifications::mail::{
    Mail, MailError, Mailer as _, SmtpMailer, SmtpSettings, SmtpTls,
};
use redress_proto::notifications::v1::notification::State;

use crate::smtp_server::{Manner, SmtpServer};
use crate::support::{World, contact, settled, tenant_id};

redress_testkit::conformance! {
    open = open_world_with_smtp;
    a_refusal_for_now_is_tried_again,
    a_message_that_is_put_off_too_often_is_given_up,
    an_outage_is_waited_for_without_asking_for_every_message,
    a_refusal_for_good_is_final_and_concerns_one_message_only,
}

struct Post {
    world: World,
    server: SmtpServer,
}

async fn open_world_with_smtp(url: String) -> Post {
    let server = SmtpServer::start(Manner::Open).await;
    let world = World::open(url, Some(settings(&server))).await;
    Post { world, server }
}

fn settings(server: &SmtpServer) -> SmtpSettings {
    SmtpSettings {
        host: server.address.ip().to_string(),
        port: server.address.port(),
        tls: SmtpTls::None,
        username: None,
        password: None,
        hello_name: Some("redress.test".to_owned()),
        timeout_ms: 10_000,
        pool_size: 2,
    }
}

fn mail() -> Mail {
    Mail {
        id: NotificationId::new("n1").unwrap(),
        sender_name: "City Arena".to_owned(),
        sender_address: "tickets@arena.example".to_owned(),
        recipient_name: "Ada".to_owned(),
        recipient_address: "ada@mail.example".to_owned(),
        locale: Locale::En,
        subject: "Hello".to_owned(),
        body: "First.\n.\n..dots\n".to_owned(),
        date: Timestamp(1_772_442_000_000_000),
    }
}

async fn a_refusal_for_now_is_tried_again(Post { world, server }: Post) {
    world.refunds.knows(&tenant_id("arena"), "o1", contact("ada@mail.example", "en"));
    world.deliver("arena", 1, vec![settled("o1")]).await.unwrap();
    server.will_say(&["451 4.7.1 greylisted, come back later"]);
    assert_eq!(world.dispatch().await, Report { claimed: 1, postponed: 1, ..Report::default() });
    let waiting = world.only("arena").await;
    assert_eq!(
        (waiting.state(), waiting.reason_code.as_str()),
        (State::Pending, "MAIL_UNAVAILABLE")
    );
    assert_eq!(server.received(), []);

    world.clock.advance(Duration::from_secs(30));
    assert_eq!(world.dispatch().await.sent, 1);
    let received = server.received();
    assert_eq!(received.len(), 1);
    assert_eq!(received[0].from, "tickets@arena.example");
    assert_eq!(received[0].to, "ada@mail.example");
    assert!(received[0].data.contains("\r\nMessage-ID: <00000001@arena.example>\r\n"));
}

async fn a_message_that_is_put_off_too_often_is_given_up(Post { world, server }: Post) {
    world.refunds.knows(&tenant_id("arena"), "o1", contact("ada@mail.example", "en"));
    world.deliver("arena", 1, vec![settled("o1")]).await.unwrap();
    server.will_say(&["450 later"; 3]);
    // Three attempts in all: 30 s after the first, 60 s after the second.
    for wait in [30, 60] {
        assert_eq!(world.dispatch().await.postponed, 1);
        world.clock.advance(Duration::from_secs(wait - 1));
        assert_eq!(world.dispatch().await, Report::default(), "not before {wait} s");
        world.clock.advance(Duration::from_secs(1));
    }
    assert_eq!(world.dispatch().await.failed, 1);
    let failed = world.only("arena").await;
    assert_eq!((failed.state(), failed.reason_code.as_str()), (State::Failed, "MAIL_REFUSED"));
}

async fn an_outage_is_waited_for_without_asking_for_every_message(Post { world, server }: Post) {
    let orders: Vec<String> = (0..200).map(|n| format!("o{n}")).collect();
    for order in &orders {
        world.refunds.knows(&tenant_id("arena"), order, contact("ada@mail.example", "en"));
    }
    let facts = orders.iter().map(|order| settled(order)).collect();
    world.deliver("arena", 1, facts).await.unwrap();
    server.greet_with(Some("554 no mail from you"));
    for _ in 0..5 {
        let report = world.dispatch().await;
        assert_eq!((report.postponed, report.blocked), (200, true), "{report:?}");
        world.clock.advance(Duration::from_mins(1));
    }
    // Each failure costs two connections: the attempt, and the question whether we are served.
    assert!(server.connections() < 5 * 2 * 40, "{}", server.connections());
    server.greet_with(None);
    assert_eq!(world.dispatch().await.sent, 200);
    assert_eq!(server.received().len(), 200);
}

async fn a_refusal_for_good_is_final_and_concerns_one_message_only(Post { world, server }: Post) {
    for order in ["o1", "o2"] {
        world.refunds.knows(&tenant_id("arena"), order, contact("ada@mail.example", "en"));
    }
    world.deliver("arena", 1, vec![settled("o1"), settled("o2")]).await.unwrap();
    server.will_say(&["550 5.1.1 <ada@mail.example> unknown here"]);
    let report = world.dispatch().await;
    assert_eq!(report, Report { claimed: 2, sent: 1, failed: 1, ..Report::default() });
    let failed: Vec<_> = world.list("arena").await;
    let failed = failed.iter().find(|n| n.state() == State::Failed).unwrap();
    assert_eq!(failed.reason_code, "MAIL_REFUSED");
    assert_eq!(server.received().len(), 1);
    world.clock.advance(Duration::from_hours(24));
    assert_eq!(world.dispatch().await, Report::default(), "neither is tried again");
}

#[tokio::test]
async fn a_message_arrives_whole() {
    let server = SmtpServer::start(Manner::Open).await;
    let mailer = SmtpMailer::new(&settings(&server)).unwrap();
    mailer.send(&mail()).await.unwrap();
    let received = server.received();
    let data = &received[0].data;
    assert!(data.contains("\r\n\r\nFirst.\r\n.\r\n..dots\r\n"), "{data}");
    assert!(data.contains("\r\nDate: Mon, 02 Mar 2026 09:00:00 +0000\r\n"), "{data}");
}

#[tokio::test]
async fn a_server_that_does_not_know_us_fails_no_message_for_good() {
    let server = SmtpServer::start(Manner::WrongPassword).await;
    let settings = SmtpSettings {
        username: Some("redress".to_owned()),
        password: Some("wrong".to_owned().into()),
        ..settings(&server)
    };
    let mailer = SmtpMailer::new(&settings).unwrap();
    assert!(matches!(mailer.send(&mail()).await, Err(MailError::Closed { code: 535 })));
}

#[tokio::test]
async fn without_the_protection_that_was_asked_for_nothing_is_sent() {
    let server = SmtpServer::start(Manner::Open).await;
    let settings = SmtpSettings { tls: SmtpTls::Starttls, ..settings(&server) };
    let sent = SmtpMailer::new(&settings).unwrap().send(&mail()).await;
    assert!(matches!(sent, Err(MailError::Unreachable(_))), "{sent:?}");
    assert_eq!(server.received(), []);
}

#[tokio::test]
async fn a_silent_server_is_given_up_in_time() {
    let server = SmtpServer::start(Manner::Silent).await;
    let settings = SmtpSettings { timeout_ms: 200, ..settings(&server) };
    let sent = SmtpMailer::new(&settings).unwrap().send(&mail()).await;
    assert!(matches!(sent, Err(MailError::Unreachable(_))), "{sent:?}");
}

#[tokio::test]
async fn a_server_that_is_not_there_is_unreachable() {
    let mut server = SmtpServer::start(Manner::Open).await;
    server.address.set_port(free_port().await);
    let sent = SmtpMailer::new(&settings(&server)).unwrap().send(&mail()).await;
    assert!(matches!(sent, Err(MailError::Unreachable(_))), "{sent:?}");
}

/// A port that nobody listens on.
async fn free_port() -> u16 {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    listener.local_addr().unwrap().port()
}

#[tokio::test]
async fn an_error_never_quotes_the_servers_answer() {
    let server = SmtpServer::start(Manner::Open).await;
    server.will_say(&["550 5.1.1 <ada@mail.example> unknown here"]);
    let error = SmtpMailer::new(&settings(&server)).unwrap().send(&mail()).await.unwrap_err();
    let chain = redress_api::status::chain(Some(&error));
    assert_eq!(chain, "the mail server refused the message with code 550");
    assert!(!format!("{error:?}").contains("ada"));
}
