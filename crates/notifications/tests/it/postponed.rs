//! What cannot be sent now is sent later, or given up with a reason.

use std::time::Duration;

use redress_notifications::app::dispatch_batch::Report;
use redress_proto::notifications::v1::notification::State;

use crate::support::{World, contact, open_world, settled, tenant_id};

redress_testkit::conformance! {
    open = open_world;
    contacts_that_cannot_be_had_are_waited_for,
    a_tenant_without_settings_is_waited_for,
    one_tenants_trouble_does_not_hold_up_another,
    a_mailbox_that_cannot_be_written_is_waited_for,
}

async fn contacts_that_cannot_be_had_are_waited_for(world: World) {
    world.refunds.knows(&tenant_id("arena"), "o1", contact("ada@mail.example", "en"));
    world.deliver("arena", 1, vec![settled("o1")]).await.unwrap();
    world.refunds.set_down(true);
    // More rounds than mail would be tried: this is no fault of the message.
    for _ in 0..5 {
        let report = world.dispatch().await;
        assert_eq!(report, Report { claimed: 1, postponed: 1, blocked: true, ..Report::default() });
        let waiting = world.only("arena").await;
        assert_eq!(waiting.state(), State::Pending);
        assert_eq!(waiting.reason_code, "CONTACTS_UNAVAILABLE");
        world.clock.advance(Duration::from_mins(1));
    }
    world.refunds.set_down(false);
    assert_eq!(world.dispatch().await.sent, 1);
    let sent = world.only("arena").await;
    assert_eq!((sent.state(), sent.reason_code.as_str()), (State::Sent, ""));
}

async fn a_tenant_without_settings_is_waited_for(world: World) {
    world.refunds.knows(&tenant_id("newcomer"), "o1", contact("ada@mail.example", "en"));
    world.deliver("newcomer", 1, vec![settled("o1")]).await.unwrap();
    let report = world.dispatch().await;
    assert_eq!((report.postponed, report.blocked), (1, true));
    assert_eq!(world.only("newcomer").await.reason_code, "TENANT_NOT_READY");
    world.apply_tenant("newcomer").await;
    world.clock.advance(Duration::from_mins(1));
    assert_eq!(world.dispatch().await.sent, 1);
}

async fn one_tenants_trouble_does_not_hold_up_another(world: World) {
    world.refunds.knows(&tenant_id("arena"), "o1", contact("ada@mail.example", "en"));
    world.deliver("newcomer", 1, vec![settled("o1")]).await.unwrap();
    world.deliver("arena", 2, vec![settled("o1")]).await.unwrap();
    let report = world.dispatch().await;
    assert_eq!(report, Report { claimed: 2, sent: 1, failed: 0, postponed: 1, blocked: true });
    assert_eq!(world.only("arena").await.state(), State::Sent);
}

async fn a_mailbox_that_cannot_be_written_is_waited_for(world: World) {
    let orders = ["o1", "o2", "o3", "o4", "o5"];
    for order in orders {
        world.refunds.knows(&tenant_id("arena"), order, contact("ada@mail.example", "en"));
    }
    world.deliver("arena", 1, orders.map(settled).to_vec()).await.unwrap();
    std::fs::remove_dir(world.mailbox()).unwrap();
    // More rounds than a message may be put off: an outage is no message's fault.
    for _ in 0..5 {
        let report = world.dispatch().await;
        assert_eq!(report, Report { claimed: 5, postponed: 5, blocked: true, ..Report::default() });
        let waiting = world.list("arena").await;
        assert!(waiting.iter().all(|n| n.reason_code == "MAIL_UNAVAILABLE"), "{waiting:?}");
        assert_eq!(world.dispatch().await, Report::default(), "not before its time");
        world.clock.advance(Duration::from_mins(1));
    }
    std::fs::create_dir(world.mailbox()).unwrap();
    assert_eq!(world.dispatch().await.sent, 5);
}
