//! From a fact to a message in the mailbox.

use std::collections::HashSet;

use redress_notifications::app::dispatch_batch::Report;
use redress_proto::notifications::v1::notification::State;
use tokio_util::sync::CancellationToken;

use crate::support::{World, contact, open_world, settled, tenant_id};

redress_testkit::conformance! {
    open = open_world;
    each_customer_gets_one_mail_in_their_own_language,
    the_mail_says_what_was_paid_and_where_to_ask,
    each_tenant_writes_to_its_own_customers,
    who_cannot_be_reached_is_told_apart,
    many_orders_are_asked_for_in_chunks,
    a_second_hand_over_replaces_the_first,
    nothing_is_begun_once_the_worker_has_to_stop,
}

async fn each_customer_gets_one_mail_in_their_own_language(world: World) {
    let wanted = [
        ("o1", "zh-hans", "zh"),
        ("o2", "de-informal", "de"),
        ("o3", "ru", "ru"),
        ("o4", "fr", "de"),
        ("o5", "en-GB", "en"),
        ("o6", "", "de"),
    ];
    for (order, locale, _) in wanted {
        let email = format!("{order}@mail.example");
        world.refunds.knows(&tenant_id("arena"), order, contact(&email, locale));
    }
    let facts = || wanted.iter().map(|(order, ..)| settled(order)).collect::<Vec<_>>();
    world.deliver("arena", 1, facts()).await.unwrap();
    world.deliver("arena", 7, facts()).await.unwrap();

    let report = world.dispatch().await;
    assert_eq!(report, Report { claimed: 6, sent: 6, ..Report::default() });
    assert_eq!(world.dispatch().await, Report::default());
    let told = world.list("arena").await;
    assert_eq!(world.mails().len(), 6);
    for (notification, (order, _, locale)) in told.iter().zip(wanted) {
        assert_eq!(notification.order, format!("orders/{order}"));
        assert_eq!(notification.state(), State::Sent);
        assert_eq!(notification.locale, locale, "{order}");
        assert_eq!(notification.send_time, notification.create_time);
        let mail = world.mail_of(notification);
        assert!(mail.contains(&format!("<{order}@mail.example>")), "{mail}");
        assert!(mail.contains(&format!("\r\nContent-Language: {locale}\r\n")), "{mail}");
    }
}

async fn the_mail_says_what_was_paid_and_where_to_ask(world: World) {
    world.refunds.knows(&tenant_id("arena"), "o1", contact("ada@mail.example", "en"));
    world.deliver("arena", 1, vec![settled("o1")]).await.unwrap();
    world.dispatch().await;
    let mail = world.mail_of(&world.only("arena").await);
    insta::assert_snapshot!("mail_in_english", mail.replace("\r\n", "\n"));
}

async fn each_tenant_writes_to_its_own_customers(world: World) {
    for tenant in ["arena", "opera"] {
        let email = format!("{tenant}-fan@mail.example");
        world.refunds.knows(&tenant_id(tenant), "o1", contact(&email, "en"));
    }
    world.deliver("arena", 1, vec![settled("o1")]).await.unwrap();
    world.deliver("opera", 2, vec![settled("o1")]).await.unwrap();
    assert_eq!(world.dispatch().await.sent, 2);
    for tenant in ["arena", "opera"] {
        let mail = world.mail_of(&world.only(tenant).await);
        assert!(mail.contains(&format!("<{tenant}-fan@mail.example>")), "{mail}");
        assert!(
            mail.contains(&format!("From: \"City {tenant}\" <tickets@{tenant}.example>")),
            "{mail}"
        );
    }
}

async fn who_cannot_be_reached_is_told_apart(world: World) {
    let arena = tenant_id("arena");
    world.refunds.knows(&arena, "silent", contact("", "en"));
    world.refunds.knows(&arena, "garbled", contact("not an address", "en"));
    // Known to another tenant only.
    world.refunds.knows(&tenant_id("opera"), "foreign", contact("a@mail.example", "en"));
    let orders = ["silent", "garbled", "foreign"];
    world.deliver("arena", 1, orders.map(settled).to_vec()).await.unwrap();
    let report = world.dispatch().await;
    assert_eq!(report, Report { claimed: 3, failed: 3, ..Report::default() });
    let told = world.list("arena").await;
    let reasons: Vec<&str> = told.iter().map(|n| n.reason_code.as_str()).collect();
    assert_eq!(reasons, ["NO_CONTACT", "INVALID_ADDRESS", "NO_CONTACT"]);
    assert!(told.iter().all(|n| n.state() == State::Failed && n.send_time.is_none()));
    assert_eq!(world.mails().len(), 0);
}

async fn many_orders_are_asked_for_in_chunks(world: World) {
    let arena = tenant_id("arena");
    let orders: Vec<String> = (0..1200).map(|n| format!("o{n}")).collect();
    for order in &orders {
        world.refunds.knows(&arena, order, contact(&format!("{order}@mail.example"), "en"));
    }
    for (index, chunk) in orders.chunks(300).enumerate() {
        let position = 1 + 300 * i64::try_from(index).unwrap();
        let facts = chunk.iter().map(|order| settled(order)).collect();
        world.deliver("arena", position, facts).await.unwrap();
    }
    let mut sent = 0;
    while sent < orders.len() {
        let report = world.dispatch().await;
        assert!(report.sent > 0, "{report:?}");
        sent += report.sent;
    }
    let recipients: HashSet<String> = world
        .mails()
        .values()
        .filter_map(|mail| mail.lines().find_map(|line| line.strip_prefix("To: ")))
        .map(str::to_owned)
        .collect();
    assert_eq!((sent, recipients.len()), (1200, 1200));
    let asked = world.refunds.asked();
    assert_eq!(asked.iter().sum::<usize>(), 1200);
    assert!(asked.iter().all(|&orders| orders <= 500), "{asked:?}");
}

async fn a_second_hand_over_replaces_the_first(world: World) {
    world.refunds.knows(&tenant_id("arena"), "o1", contact("ada@mail.example", "en"));
    world.deliver("arena", 1, vec![settled("o1")]).await.unwrap();
    // A worker that handed the mail over and died before it could say so.
    let name = world.only("arena").await.name.replace("notifications/", "");
    std::fs::write(world.mailbox().join(format!("{name}.eml")), "half a mes").unwrap();
    std::fs::write(world.mailbox().join(format!(".{name}.unfinished")), "hal").unwrap();
    assert_eq!(world.dispatch().await.sent, 1);
    let mails = world.mails();
    assert_eq!(mails.len(), 1);
    assert!(mails.values().all(|mail| mail.contains("Message-ID: <00000001@arena.example>")));
}

async fn nothing_is_begun_once_the_worker_has_to_stop(world: World) {
    world.refunds.knows(&tenant_id("arena"), "o1", contact("ada@mail.example", "en"));
    world.deliver("arena", 1, vec![settled("o1")]).await.unwrap();
    let stop = CancellationToken::new();
    stop.cancel();
    let report = world.dispatch_until(&stop).await;
    assert_eq!(report, Report { claimed: 1, postponed: 1, ..Report::default() });
    assert_eq!(world.mails().len(), 0);
    let left = world.only("arena").await;
    assert_eq!((left.state(), left.reason_code.as_str()), (State::Pending, ""));
    assert_eq!(world.dispatch().await.sent, 1, "the next worker finds it due");
}
