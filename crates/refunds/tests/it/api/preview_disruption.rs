//! `DisruptionService.PreviewDisruption`.

use std::time::Duration;

use redress_api::time;
use redress_proto::refunds::v1 as pb;
use redress_testkit::clock::START;
use tonic::Status;

use super::support::{Api, euros, mixed, open_stocked, order, told, unpaid};

redress_testkit::conformance! {
    open = open_stocked;
    a_preview_adds_up_and_writes_nothing,
    a_preview_reads_page_after_page,
    an_event_that_nobody_has_is_missing,
}

async fn preview(
    api: &Api,
    tenant: &'static str,
    event: &str,
) -> Result<pb::DisruptionPreview, Status> {
    let request = pb::PreviewDisruptionRequest { event: event.to_owned(), ..Default::default() };
    api.disruptions(tenant).preview_disruption(request).await.map(tonic::Response::into_inner)
}

async fn a_preview_adds_up_and_writes_nothing(api: Api) {
    let elsewhere =
        pb::Order { lines: order("A9").lines.into_iter().map(elsewhere).collect(), ..order("A9") };
    api.import(vec![mixed("A2"), unpaid("A3"), elsewhere]).await;
    let due = Some(time::to_proto(START.plus(Duration::from_hours(24 * 14))));
    let expected = pb::DisruptionPreview {
        event: "events/derby".to_owned(),
        orders_in_scope: 3,
        refundable: 1,
        attention: 1,
        nothing_due: 1,
        totals: vec![
            pb::PreviewTotal {
                amount: euros(390),
                provider: "giftcard".to_owned(),
                payments: 1,
                connected: false,
                tender: pb::payment::Tender::GiftCard.into(),
                reason_code: "NO_CONNECTOR".to_owned(),
            },
            pb::PreviewTotal {
                amount: euros(10_390),
                provider: "stripe".to_owned(),
                payments: 2,
                connected: true,
                tender: pb::payment::Tender::Card.into(),
                reason_code: String::new(),
            },
        ],
        requested: vec![euros(10_780).unwrap()],
        outcomes: [
            (pb::disruption_item::State::Attention, "NO_CONNECTOR"),
            (pb::disruption_item::State::NothingDue, "NOT_PAID"),
            (pb::disruption_item::State::Pending, ""),
        ]
        .map(|(state, reason_code)| pb::PreviewOutcome {
            state: state.into(),
            reason_code: reason_code.to_owned(),
            orders: 1,
        })
        .to_vec(),
        out_of_window_payments: 0,
        lanes: vec![pb::PreviewLane {
            provider: "stripe".to_owned(),
            refunds: 2,
            refunds_per_second: 25,
            estimate_seconds: 1,
            needed: vec![euros(10_390).unwrap()],
            // Nobody answers at the port of this provider.
            ..Default::default()
        }],
        legal_deadline: due,
        orders_at_risk: 0,
        legal_clock: Some(pb::LegalClock {
            start_time: Some(time::to_proto(START)),
            due_time: due,
            time_zone: "Europe/Berlin".to_owned(),
            law: None,
            earliest: false,
        }),
    };
    assert_eq!(preview(&api, "arena", "events/derby").await.unwrap(), expected);
    assert_eq!(preview(&api, "arena", "events/derby").await.unwrap(), expected, "again");
    let everything = pb::ListDisruptionsRequest::default();
    let listed = api.disruptions("arena").list_disruptions(everything).await.unwrap();
    assert_eq!(listed.into_inner().disruptions, []);
}

fn elsewhere(line: pb::OrderLine) -> pb::OrderLine {
    pb::OrderLine { event: "events/final".to_owned(), ..line }
}

async fn a_preview_reads_page_after_page(api: Api) {
    // Two full pages of 500 and the order that is there.
    api.import((0..1000).map(|n| order(&format!("B{n:04}"))).collect()).await;
    let preview = preview(&api, "arena", "events/derby").await.unwrap();
    assert_eq!((preview.orders_in_scope, preview.refundable), (1001, 1001));
    assert_eq!(preview.totals[0].amount, euros(1001 * 5390));
}

async fn an_event_that_nobody_has_is_missing(api: Api) {
    let missing = preview(&api, "arena", "events/final").await.unwrap_err();
    snapshot!(told(&missing), @r"
    NotFound RESOURCE_NOT_FOUND: events/final not found
    name = events/final
    ");
    let theirs = preview(&api, "other", "events/derby").await.unwrap_err();
    assert_eq!(told(&theirs), told(&missing).replace("final", "derby"));
    let malformed = preview(&api, "arena", "derby").await.unwrap_err();
    snapshot!(told(&malformed), @r"
    InvalidArgument INVALID_FIELD: event: does not match regex pattern `^events/[A-Za-z0-9._~-]{1,64}$`
    event: does not match regex pattern `^events/[A-Za-z0-9._~-]{1,64}$`
    ");
}
