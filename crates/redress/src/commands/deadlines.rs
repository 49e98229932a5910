//! `redress deadlines`: which refunds are due soon by law, and which were missed.

use std::time::Duration;

use anyhow::{Context as _, Result};
use redress_api::time;
use redress_calendar::Zone;
use redress_core::clock::{Clock as _, SystemClock, Timestamp};
use redress_proto::refunds::v1::refund_service_client::RefundServiceClient;
use redress_proto::refunds::v1::{LegalClock, ListRefundDeadlinesRequest, RefundDeadline};
use serde_json::{Value, json};

use super::refund::{money, money_json, time_text};
use crate::cli::{DeadlinesArgs, ServiceName};
use crate::connect::Connections;
use crate::output;

pub(super) async fn run(args: &DeadlinesArgs) -> Result<()> {
    let connections = Connections::open(&args.caller)?;
    let now = SystemClock.now();
    let soon = (!args.missed).then(|| time::to_proto(now.plus(args.within)));
    let mut request = ListRefundDeadlinesRequest {
        page_size: 1_000,
        due_before: soon,
        missed_only: args.missed,
        ..ListRefundDeadlinesRequest::default()
    };
    let mut client = RefundServiceClient::new(connections.unary(ServiceName::Refunds)?);
    let mut found: Vec<RefundDeadline> = Vec::new();
    loop {
        let page = client.list_refund_deadlines(request.clone()).await;
        let page = page.context("the deadlines cannot be listed")?.into_inner();
        found.extend(page.deadlines);
        if page.next_page_token.is_empty() {
            break;
        }
        if found.len() >= args.limit {
            output::note("There are more; --limit shows them.");
            break;
        }
        request.page_token = page.next_page_token;
    }
    found.truncate(args.limit);
    if args.caller.json {
        return output::json(&found.iter().map(deadline_json).collect::<Vec<Value>>());
    }
    if found.is_empty() {
        output::line(if args.missed { "Nothing was missed." } else { "Nothing is due so soon." });
        return Ok(());
    }
    let header = ["due", "time left", "refund", "order", "open", "law"];
    output::table(header, found.iter().map(|deadline| row(deadline, now)));
    Ok(())
}

fn row(deadline: &RefundDeadline, now: Timestamp) -> [String; 6] {
    let clock = deadline.legal_clock.as_ref();
    [
        clock.map_or_else(|| "unknown".to_owned(), due_text),
        clock.and_then(due).map_or_else(String::new, |due| left(due, now)),
        deadline.refund.trim_start_matches("refunds/").to_owned(),
        deadline.order.trim_start_matches("orders/").to_owned(),
        money(deadline.outstanding.as_ref()),
        clock.map_or_else(String::new, law),
    ]
}

fn due(clock: &LegalClock) -> Option<Timestamp> {
    time::optional(clock.due_time.as_ref(), "due_time").ok().flatten()
}

/// The end of a clock where it runs, such as `2026-12-19 15:30:00 Europe/Berlin`.
pub(super) fn due_text(clock: &LegalClock) -> String {
    let local = |due| Zone::named(&clock.time_zone).and_then(|zone| zone.in_figures(due)).ok();
    let text = match due(clock).and_then(local) {
        Some(figures) => format!("{figures} {}", clock.time_zone),
        // A zone that is newer than this program.
        None => time_text(clock.due_time.as_ref()),
    };
    if clock.earliest { format!("{text} or later") } else { text }
}

/// The title of the law or the terms; empty when nobody named them.
pub(super) fn law(clock: &LegalClock) -> String {
    clock.law.as_ref().map(|law| law.title.clone()).unwrap_or_default()
}

/// How much time is left, in the two largest units.
fn left(due: Timestamp, now: Timestamp) -> String {
    if due < now { format!("{} overdue", span(now.since(due))) } else { span(due.since(now)) }
}

fn span(time: Duration) -> String {
    let minutes = time.as_secs() / 60;
    let (days, hours, minutes) = (minutes / 1_440, minutes / 60 % 24, minutes % 60);
    match (days, hours) {
        (0, 0) => format!("{minutes} min"),
        (0, _) => format!("{hours} h {minutes} min"),
        _ => format!("{days} d {hours} h"),
    }
}

/// A clock for programs.
pub(super) fn clock_json(clock: Option<&LegalClock>) -> Value {
    clock.map_or(Value::Null, |clock| {
        let law = clock.law.as_ref();
        json!({
            "start_time": clock.start_time.as_ref().map(ToString::to_string),
            "due_time": clock.due_time.as_ref().map(ToString::to_string),
            "time_zone": clock.time_zone,
            "law": law.map(|law| json!({ "title": law.title, "uri": law.uri })),
            "earliest": clock.earliest,
        })
    })
}

fn deadline_json(deadline: &RefundDeadline) -> Value {
    json!({
        "refund": deadline.refund,
        "order": deadline.order,
        "customer": deadline.customer,
        "disruption": deadline.disruption,
        "state": deadline.state,
        "requested": money_json(deadline.requested.as_ref()),
        "issued": money_json(deadline.issued.as_ref()),
        "outstanding": money_json(deadline.outstanding.as_ref()),
        "legal_clock": clock_json(deadline.legal_clock.as_ref()),
        "missed": deadline.missed,
    })
}

#[cfg(test)]
mod tests {
    use redress_proto::common::v1::Money;
    use redress_proto::refunds::v1::Citation;

    use super::*;

    const DUE: Timestamp = Timestamp(1_800_000_000_000_000);

    fn clock() -> LegalClock {
        LegalClock {
            start_time: Some(time::to_proto(Timestamp(0))),
            due_time: Some(time::to_proto(DUE)),
            time_zone: "Asia/Tokyo".to_owned(),
            law: Some(Citation { title: "Terms".to_owned(), uri: String::new() }),
            earliest: false,
        }
    }

    fn deadline() -> RefundDeadline {
        let euros = |minor_units| Some(Money { currency_code: "EUR".to_owned(), minor_units });
        RefundDeadline {
            refund: "refunds/r1".to_owned(),
            order: "orders/ZQR3T".to_owned(),
            outstanding: euros(1_250),
            legal_clock: Some(clock()),
            missed: true,
            ..RefundDeadline::default()
        }
    }

    #[test]
    fn a_row_shows_the_local_time_and_what_is_open() {
        let now = DUE.plus(Duration::from_mins(90));
        let expected = [
            "2027-01-15 17:00:00 Asia/Tokyo",
            "1 h 30 min overdue",
            "r1",
            "ZQR3T",
            "EUR 12.50",
            "Terms",
        ];
        assert_eq!(row(&deadline(), now), expected);
        let unknown = RefundDeadline { legal_clock: None, ..deadline() };
        assert_eq!(row(&unknown, now)[..2], ["unknown", ""]);
    }

    #[test]
    fn what_is_not_certain_or_not_known_is_said() {
        let early = LegalClock { earliest: true, ..clock() };
        assert_eq!(due_text(&early), "2027-01-15 17:00:00 Asia/Tokyo or later");
        let elsewhere = LegalClock { time_zone: "Moon/Base".to_owned(), ..clock() };
        assert_eq!(due_text(&elsewhere), "2027-01-15T08:00:00Z");
        assert_eq!(law(&LegalClock { law: None, ..clock() }), "");
    }

    #[test]
    fn time_is_told_in_its_two_largest_units() {
        let after = |minutes: u64| left(DUE.plus(Duration::from_mins(minutes)), DUE);
        assert_eq!((after(0), after(59)), ("0 min".to_owned(), "59 min".to_owned()));
        assert_eq!((after(61), after(1_501)), ("1 h 1 min".to_owned(), "1 d 1 h".to_owned()));
    }

    #[test]
    fn programs_get_every_field() {
        let told = deadline_json(&deadline());
        assert_eq!(told["legal_clock"]["time_zone"], "Asia/Tokyo");
        assert_eq!(told["legal_clock"]["law"]["title"], "Terms");
        assert_eq!(
            (&told["missed"], &told["outstanding"]["minor_units"]),
            (&json!(true), &json!(1_250))
        );
        assert_eq!(clock_json(None), Value::Null);
    }
}
