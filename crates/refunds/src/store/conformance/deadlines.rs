//! Legal clocks: each is announced once, by whoever looks, and none of a refund that has ended.

use std::time::Duration;

use redress_policy::{Citation, LegalClock, Uncertainty};
use redress_store::Database;

use super::{
    Fixture, announced, arena, at, by_card, clock, found, open_fixture, order, other, paid,
};
use crate::domain::act::Action;
use crate::domain::attempt::Reason;
use crate::domain::deadline::RefundDeadline;
use crate::domain::fact::{Amounts, Fact};
use crate::domain::refund::{Refund, RefundState};
use crate::domain::settle::Finding;
use crate::store::{Announced, CreateOutcome, DeadlinePage, Watch};

redress_testkit::conformance! {
    open = open_fixture;
    a_clock_reads_back,
    a_refund_of_before_clocks_has_one_that_started_with_it,
    each_clock_is_announced_as_ending_and_as_missed_once,
    a_clock_that_nobody_saw_ending_is_announced_as_missed_only,
    a_refund_that_has_ended_is_not_announced,
    a_refund_that_an_older_release_ended_is_stopped_and_not_announced,
    a_step_of_a_payment_leaves_what_was_announced,
    a_limit_bounds_each_look_and_the_earliest_come_first,
    of_many_who_look_at_once_one_announces_each,
    open_refunds_are_listed_by_the_end_of_their_clocks,
    a_look_and_a_list_read_the_index,
}

const WATCH: Watch = Watch { warning: Duration::from_secs(40), limit: 100 };

impl Fixture {
    /// A refund of 1.00 EUR on its own order, due at `due`.
    async fn due(&self, order_id: &str, due: i64) -> Refund {
        self.import([order(order_id)]).await;
        let mut quote = self.offer(order_id, by_card(100)).await;
        quote.legal_clock = clock(at(due));
        let refund = self.acceptance(&quote);
        let created = self.create(&refund, &quote, refund.id.as_str()).await.unwrap();
        assert_eq!(created, CreateOutcome::Created);
        refund
    }

    async fn look(&self, now: i64) -> Announced {
        self.store.announce_deadlines(WATCH, &*self.ids, at(now)).await.unwrap()
    }

    /// What was announced about the clocks of an order's refunds, in short.
    async fn told(&self, order: &str) -> Vec<String> {
        let events = self.events(&format!("orders/{order}")).await.into_iter();
        events
            .filter_map(|(kind, _)| Some(kind.split_once("RefundDeadline")?.1.to_owned()))
            .collect()
    }

    async fn listed(&self, before: Option<i64>) -> Vec<RefundDeadline> {
        let page = DeadlinePage { size: 100, after: None };
        self.store.list_deadlines(&arena(), before.map(at), &page).await.unwrap().rows
    }
}

fn deadline(refund: &Refund) -> RefundDeadline {
    let money = |minor_units| redress_core::money::Money { currency: refund.currency, minor_units };
    RefundDeadline {
        refund: refund.id.clone(),
        order: refund.order.clone(),
        customer: refund.customer.clone(),
        disruption: None,
        state: refund.state,
        amounts: Amounts { requested: money(refund.requested), issued: money(refund.issued) },
        clock: refund.legal_clock.clone(),
    }
}

const fn looked(soon: usize, missed: usize, stopped: usize) -> Announced {
    Announced { soon, missed, stopped }
}

async fn a_clock_reads_back(fixture: Fixture) {
    fixture.import([order("A1")]).await;
    let mut quote = fixture.offer("A1", by_card(100)).await;
    quote.legal_clock = LegalClock {
        start: at(3),
        due: at(70),
        time_zone: "Asia/Tokyo".to_owned(),
        law: Citation { title: "Law".to_owned(), uri: "https://example.com/law".to_owned() },
        uncertainty: Some(Uncertainty::CalendarOutOfRange),
    };
    let refund = fixture.acceptance(&quote);
    fixture.create(&refund, &quote, "a").await.unwrap();
    assert_eq!(fixture.read(&refund.id).await.legal_clock, quote.legal_clock);
    assert_eq!(fixture.listed(None).await, [deadline(&refund)]);
}

async fn a_refund_of_before_clocks_has_one_that_started_with_it(fixture: Fixture) {
    let refund = fixture.due("A1", 70).await;
    let older = "UPDATE refunds SET clock_start = NULL, clock_zone = '', clock_law = ''";
    fixture.execute(older).await.unwrap();
    let clock = fixture.read(&refund.id).await.legal_clock;
    assert_eq!((clock.start, clock.due), (refund.created, at(70)));
    assert_eq!((&*clock.time_zone, &*clock.law.title), ("UTC", ""));
}

async fn each_clock_is_announced_as_ending_and_as_missed_once(fixture: Fixture) {
    let refund = fixture.due("A1", 70).await;
    assert_eq!(fixture.look(29).await, looked(0, 0, 0));
    assert_eq!(fixture.look(30).await, looked(1, 0, 0));
    assert_eq!(fixture.look(70).await, looked(0, 0, 0), "its end is in time");
    assert_eq!(fixture.look(71).await, looked(0, 1, 0));
    assert_eq!(fixture.look(72).await, looked(0, 0, 0));
    let about = |make: fn(_, _, _) -> Fact| make(arena(), None, deadline(&refund));
    let facts = [
        Fact::refund_state(&refund),
        about(Fact::deadline_approaching),
        about(Fact::deadline_missed),
    ];
    assert_eq!(fixture.events("orders/A1").await, announced(&facts));
    assert_eq!(fixture.read(&refund.id).await, refund, "it is the same refund");
}

async fn a_clock_that_nobody_saw_ending_is_announced_as_missed_only(fixture: Fixture) {
    fixture.due("A1", 70).await;
    assert_eq!(fixture.look(500).await, looked(0, 1, 0));
    assert_eq!(fixture.look(501).await, looked(0, 0, 0));
    assert_eq!(fixture.told("A1").await, ["Missed"]);
}

async fn a_refund_that_has_ended_is_not_announced(fixture: Fixture) {
    let cancelled = fixture.due("A1", 70).await;
    fixture.decide(&cancelled.id, &Action::Cancel, "boss").await;
    fixture.due("A2", 70).await;
    fixture.look(40).await;
    let attempts = fixture.send("w1", 9, at(41)).await;
    assert_eq!(fixture.settle(&[paid(&attempts[0])], at(42)).await, 1);
    assert_eq!(fixture.listed(None).await, []);
    assert_eq!(fixture.look(500).await, looked(0, 0, 0));
    assert_eq!(fixture.told("A1").await, [] as [&str; 0]);
    assert_eq!(fixture.told("A2").await, ["Approaching"]);
    fixture.assert_books().await;
}

async fn a_refund_that_an_older_release_ended_is_stopped_and_not_announced(fixture: Fixture) {
    fixture.due("A1", 70).await;
    fixture.execute("UPDATE refunds SET state = 'CANCELLED'").await.unwrap();
    assert_eq!(fixture.listed(None).await, []);
    assert_eq!(fixture.look(50).await, looked(0, 0, 1));
    assert_eq!(fixture.look(500).await, looked(0, 0, 0));
    assert_eq!(fixture.told("A1").await, [] as [&str; 0]);
}

async fn a_step_of_a_payment_leaves_what_was_announced(fixture: Fixture) {
    let refund = fixture.due("A1", 70).await;
    fixture.look(40).await;
    let attempts = fixture.send("w1", 9, at(41)).await;
    assert_eq!(fixture.look(42).await, looked(0, 0, 0));
    let refused =
        Finding::Refused { reason: Reason::AccountClosed, provider_refund: "re_1".to_owned() };
    assert_eq!(fixture.settle(&[found(&attempts[0], refused)], at(43)).await, 1);
    assert_eq!(fixture.read(&refund.id).await.state, RefundState::Attention);
    assert_eq!(fixture.look(44).await, looked(0, 0, 0));
    assert_eq!(fixture.look(71).await, looked(0, 1, 0), "a person has not seen to it");
    assert_eq!(fixture.told("A1").await, ["Approaching", "Missed"]);
}

async fn a_limit_bounds_each_look_and_the_earliest_come_first(fixture: Fixture) {
    for (order, due) in [("A3", 73), ("A1", 71), ("A2", 72), ("A4", 101), ("A5", 102)] {
        fixture.due(order, due).await;
    }
    let watch = Watch { limit: 1, ..WATCH };
    let look =
        async || fixture.store.announce_deadlines(watch, &*fixture.ids, at(90)).await.unwrap();
    assert_eq!(look().await, looked(1, 1, 0));
    assert_eq!(fixture.told("A1").await, ["Missed"]);
    assert_eq!(fixture.told("A4").await, ["Approaching"]);
    assert_eq!((look().await, look().await), (looked(1, 1, 0), looked(0, 1, 0)));
    assert_eq!(look().await, looked(0, 0, 0));
}

async fn of_many_who_look_at_once_one_announces_each(fixture: Fixture) {
    for n in 0..40 {
        fixture.due(&format!("A{n}"), if n % 2 == 0 { 70 } else { 120 }).await;
    }
    let watch = Watch { limit: 7, ..WATCH };
    let look = async || {
        let mut sum = Announced::default();
        loop {
            let seen = super::patiently(|| {
                fixture.store.announce_deadlines(watch, &*fixture.ids, at(100))
            });
            let seen = seen.await.unwrap();
            // Whoever finds only rows that others hold is done: those others announce them.
            if seen.total() == 0 {
                return sum;
            }
            sum.soon += seen.soon;
            sum.missed += seen.missed;
        }
    };
    let seen = futures::future::join_all([look(), look(), look(), look()]).await;
    let sums = seen.iter().fold((0, 0), |sum, seen| (sum.0 + seen.soon, sum.1 + seen.missed));
    let rest = look().await;
    assert_eq!((sums.0 + rest.soon, sums.1 + rest.missed), (20, 20), "{seen:?}");
    for n in 0..40 {
        let expected = if n % 2 == 0 { "Missed" } else { "Approaching" };
        assert_eq!(fixture.told(&format!("A{n}")).await, [expected]);
    }
}

async fn open_refunds_are_listed_by_the_end_of_their_clocks(fixture: Fixture) {
    let mut expected = Vec::new();
    for (order, due) in [("A1", 70), ("A2", 50), ("A3", 70), ("A4", 90)] {
        expected.push(deadline(&fixture.due(order, due).await));
    }
    expected.sort_by_key(|open| (open.clock.due, open.refund.clone()));
    fixture.look(60).await;
    assert_eq!(fixture.listed(None).await, expected, "whatever was announced");
    assert_eq!(fixture.listed(Some(90)).await, expected[..3]);
    let mut after = None;
    for (n, open) in expected.iter().enumerate() {
        let page = DeadlinePage { size: 1, after };
        let listed = fixture.store.list_deadlines(&arena(), None, &page).await.unwrap();
        assert_eq!((listed.rows.as_slice(), listed.more), (std::slice::from_ref(open), n < 3));
        after = Some((open.clock.due, open.refund.clone()));
    }
    let page = DeadlinePage { size: 9, after };
    assert!(fixture.store.list_deadlines(&arena(), None, &page).await.unwrap().rows.is_empty());
    let page = DeadlinePage { size: 9, after: None };
    assert!(fixture.store.list_deadlines(&other(), None, &page).await.unwrap().rows.is_empty());
}

/// How the database would carry a statement out.
async fn plan(fixture: &Fixture, sql: &'static str, arguments: &[&str]) -> String {
    match &fixture.database {
        Database::Sqlite(sqlite) => {
            let sql = sqlx::AssertSqlSafe(format!("EXPLAIN QUERY PLAN {sql}"));
            let mut query = sqlx::query_as::<_, (i64, i64, i64, String)>(sql);
            for argument in arguments {
                query = query.bind((*argument).to_owned());
            }
            let rows = query.fetch_all(&sqlite.read).await.unwrap();
            rows.into_iter().map(|row| row.3 + "\n").collect()
        }
        Database::Postgres(postgres) => {
            let mut literal = sql.to_owned();
            for (n, argument) in arguments.iter().enumerate().rev() {
                literal = literal.replace(&format!("${}", n + 1), argument);
            }
            let mut tx = postgres.begin().await.unwrap();
            // Of a table with few rows a scan is always the cheapest.
            sqlx::query("SET LOCAL enable_seqscan = off").execute(&mut *tx).await.unwrap();
            let sql = sqlx::AssertSqlSafe(format!("EXPLAIN {literal}"));
            let rows: Vec<(String,)> = sqlx::query_as(sql).fetch_all(&mut *tx).await.unwrap();
            rows.into_iter().map(|row| row.0 + "\n").collect()
        }
    }
}

async fn a_look_and_a_list_read_the_index(fixture: Fixture) {
    let (mark, list) = match &fixture.database {
        Database::Sqlite(_) => crate::store::sqlite::DEADLINE_STATEMENTS,
        Database::Postgres(_) => crate::store::postgres::DEADLINE_STATEMENTS,
    };
    let marked = plan(&fixture, mark, &["10", "50", "100"]).await;
    assert_eq!(marked.matches("refunds_by_deadline").count(), 2, "{marked}");
    let listed = plan(&fixture, list, &["'arena'", "10", "5", "'r'", "100"]).await;
    assert!(listed.contains("refunds_by_deadline"), "{listed}");
    assert!(!listed.to_uppercase().contains("SORT") && !listed.contains("TEMP B-TREE"), "{listed}");
}
