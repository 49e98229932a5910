//! `CaseService.GetCase`.

use prost::Message as _;
use redress_proto::cases::v1::{Case, GetCaseRequest, case};
use redress_proto::common::v1::Money;
use redress_proto::events::v1::{Event, LineOverRefunded, ProviderRefundAmbiguous};
use redress_testkit::clock::START;

use crate::support::{Api, attention, delivery, event, open_api, told};

redress_testkit::conformance! {
    open = open_api;
    a_case_shows_what_to_do_and_for_whom,
    a_case_without_a_refund_names_none,
    a_case_about_a_line_names_it,
    a_case_about_a_refund_at_the_provider_names_it,
    another_tenants_case_is_missing_like_a_missing_one,
    a_malformed_name_is_refused,
}

fn named(name: &str) -> GetCaseRequest {
    GetCaseRequest { name: name.to_owned() }
}

async fn a_case_shows_what_to_do_and_for_whom(api: Api) {
    api.settle(vec![attention("o1")]).await;
    let case = api.cases("arena").get_case(named("cases/00000001")).await.unwrap().into_inner();
    let time = Some(redress_api::time::to_proto(START));
    let expected = Case {
        name: "cases/00000001".to_owned(),
        state: case::State::Open.into(),
        reason_code: "NO_CONNECTOR".to_owned(),
        next_action: "PAY_BY_HAND".to_owned(),
        order: "orders/o1".to_owned(),
        customer: "customers/buyer-of-o1".to_owned(),
        refund: "refunds/of-o1".to_owned(),
        disruption: "disruptions/d1".to_owned(),
        outstanding: Some(Money { currency_code: "EUR".to_owned(), minor_units: 600 }),
        create_time: time,
        update_time: time,
        resolution: String::new(),
        resolver: String::new(),
        etag: redress_api::etag::etag("cases/00000001", 1),
        line_id: String::new(),
        provider: String::new(),
        provider_refund: String::new(),
    };
    assert_eq!(case, expected);
}

async fn a_case_without_a_refund_names_none(api: Api) {
    let mut fact = attention("o1");
    fact.refund.clear();
    api.settle(vec![fact]).await;
    let case = api.cases("arena").get_case(named("cases/00000001")).await.unwrap().into_inner();
    assert_eq!((case.refund.as_str(), case.disruption.as_str()), ("", "disruptions/d1"));
}

async fn a_case_about_a_line_names_it(api: Api) {
    let fact = LineOverRefunded {
        order: "orders/o1".to_owned(),
        customer: "customers/c1".to_owned(),
        line_id: "t1".to_owned(),
        excess: Some(Money { currency_code: "EUR".to_owned(), minor_units: 100 }),
    };
    let event = Event {
        r#type: "redress.events.v1.LineOverRefunded".to_owned(),
        payload: fact.encode_to_vec(),
        ..event("arena", &attention("o1"), 1)
    };
    api.sink().deliver(delivery(vec![event])).await.unwrap();
    let case = api.cases("arena").get_case(named("cases/00000001")).await.unwrap().into_inner();
    assert_eq!(
        (case.line_id.as_str(), case.order.as_str(), &*case.refund),
        ("t1", "orders/o1", "")
    );
    assert_eq!(case.outstanding.unwrap().minor_units, -100);
    assert_eq!(
        (&*case.reason_code, &*case.next_action),
        ("LINE_OVER_REFUNDED", "COMPARE_WITH_SHOP")
    );
}

async fn a_case_about_a_refund_at_the_provider_names_it(api: Api) {
    let fact = ProviderRefundAmbiguous {
        order: "orders/o1".to_owned(),
        customer: "customers/c1".to_owned(),
        provider: "stripe".to_owned(),
        provider_refund: "re_1".to_owned(),
        amount: Some(Money { currency_code: "EUR".to_owned(), minor_units: 1610 }),
    };
    let event = Event {
        r#type: "redress.events.v1.ProviderRefundAmbiguous".to_owned(),
        payload: fact.encode_to_vec(),
        ..event("arena", &attention("o1"), 1)
    };
    api.sink().deliver(delivery(vec![event])).await.unwrap();
    let case = api.cases("arena").get_case(named("cases/00000001")).await.unwrap().into_inner();
    assert_eq!((&*case.provider, &*case.provider_refund, &*case.refund), ("stripe", "re_1", ""));
    assert_eq!(case.outstanding.unwrap().minor_units, 1610);
    assert_eq!(
        (&*case.reason_code, &*case.next_action),
        ("PROVIDER_REFUND_AMBIGUOUS", "COMPARE_WITH_PROVIDER")
    );
}

async fn another_tenants_case_is_missing_like_a_missing_one(api: Api) {
    api.settle(vec![attention("o1")]).await;
    let foreign = api.cases("other").get_case(named("cases/00000001")).await.unwrap_err();
    let missing = api.cases("arena").get_case(named("cases/00000002")).await.unwrap_err();
    assert_eq!(
        told(&foreign),
        "NotFound RESOURCE_NOT_FOUND: cases/00000001 not found\n\
         name = cases/00000001"
    );
    assert_eq!(told(&foreign).replace("00000001", "00000002"), told(&missing));
}

async fn a_malformed_name_is_refused(api: Api) {
    let refused = api.cases("arena").get_case(named("orders/o1")).await.unwrap_err();
    assert_eq!(
        told(&refused),
        "InvalidArgument INVALID_FIELD: name: does not match regex pattern \
         `^cases/[A-Za-z0-9._~-]{1,64}$`\n\
         name: does not match regex pattern `^cases/[A-Za-z0-9._~-]{1,64}$`"
    );
}
