//! The worker that watches legal clocks, as time goes by.

use std::time::Duration;

use redress_refunds::store;
use redress_store::{Database, DatabaseSettings};

use crate::sandbox::eventually;
use crate::shop::{self, Shop};
use crate::worker::{hire_all, workshop};

redress_testkit::conformance! {
    open = open;
    a_deadline_is_announced_before_it_and_when_it_is_missed,
    of_two_processes_one_announces_each_deadline,
}

const DAY: Duration = Duration::from_hours(24);

async fn open(url: String) -> (Shop, Database) {
    let other = Database::connect(&DatabaseSettings::new(url.clone())).await.unwrap();
    (shop::open(url).await, other)
}

/// What was announced about clocks: the order, and the end of the type's name.
async fn told(shop: &Shop) -> Vec<(String, String)> {
    const LOG: &str = "SELECT subject, type FROM event_log WHERE type LIKE '%RefundDeadline%'
        ORDER BY subject, position";
    const OUTBOX: &str = "SELECT subject, type FROM outbox WHERE type LIKE '%RefundDeadline%'
        ORDER BY subject, seq";
    let rows: Vec<(String, String)> = match &shop.database {
        Database::Sqlite(sqlite) => sqlx::query_as(LOG).fetch_all(&sqlite.read).await.unwrap(),
        Database::Postgres(postgres) => {
            sqlx::query_as(OUTBOX).fetch_all(&postgres.pool).await.unwrap()
        }
    };
    let short = |kind: String| kind.split_once("RefundDeadline").unwrap().1.to_owned();
    rows.into_iter().map(|(subject, kind)| (subject, short(kind))).collect()
}

async fn until(shop: &Shop, count: usize) -> Vec<(String, String)> {
    eventually(async || {
        let told = told(shop).await;
        (told.len() >= count).then_some(told)
    })
    .await
}

fn about(order: &str, kind: &str) -> (String, String) {
    (format!("orders/{order}"), kind.to_owned())
}

async fn a_deadline_is_announced_before_it_and_when_it_is_missed((shop, _): (Shop, Database)) {
    shop.refund("A1").await;
    shop.clock.advance(DAY);
    shop.refund("A2").await;
    let crew = hire_all(workshop(&shop), Vec::new());
    shop.clock.advance(DAY * 11);
    assert_eq!(until(&shop, 1).await, [about("A1", "Approaching")]);
    shop.clock.advance(DAY * 2 + Duration::from_secs(1));
    let expected = [about("A1", "Approaching"), about("A1", "Missed"), about("A2", "Approaching")];
    assert_eq!(until(&shop, 3).await, expected);
    crew.dismiss().await;
    shop.clock.advance(DAY * 2);
    assert_eq!(told(&shop).await, expected, "nobody looks any more");
}

async fn of_two_processes_one_announces_each_deadline((shop, other): (Shop, Database)) {
    for n in 0..30 {
        shop.refund(&format!("A{n}")).await;
    }
    let mut second = workshop(&shop);
    second.store = store::open(other);
    let crews = [hire_all(workshop(&shop), Vec::new()), hire_all(second, Vec::new())];
    shop.clock.advance(DAY * 13);
    until(&shop, 30).await;
    shop.clock.advance(DAY * 2);
    let told = until(&shop, 60).await;
    for crew in crews {
        crew.dismiss().await;
    }
    assert_eq!(told.len(), 60);
    for pair in told.chunks(2) {
        assert_eq!(pair[0].0, pair[1].0);
        assert_eq!((&*pair[0].1, &*pair[1].1), ("Approaching", "Missed"));
    }
}
