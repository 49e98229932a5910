//! Cases read back, one by one and in pages.

use redress_core::id::{CaseId, CustomerId, DisruptionId, OrderId, RefundId, TenantId};
use redress_core::money::Money;
use redress_testkit::clock::START;

use super::{Fixture, open_fixture};
use crate::domain::attention::{Attention, Origin};
use crate::domain::case::{Case, CaseFilter};
use crate::domain::state::State;
use crate::events::tests::sample::settled;

redress_testkit::conformance! {
    open = open_fixture;
    a_case_reads_back_as_it_was_opened,
    another_tenants_case_is_missing,
    pages_go_by_name_and_stay_stable_while_cases_open,
    each_filter_narrows_the_list,
}

fn arena() -> TenantId {
    TenantId::new("arena").unwrap()
}

async fn a_case_reads_back_as_it_was_opened(fixture: Fixture) {
    fixture.deliver(3, 0, vec![settled(|_| ())]).await;
    let attention = Attention {
        tenant: arena(),
        origin: Origin::Refund {
            refund: RefundId::new("r1").unwrap(),
            disruption: Some(DisruptionId::new("d1").unwrap()),
        },
        order: OrderId::new("o1").unwrap(),
        customer: CustomerId::new("c1").unwrap(),
        outstanding: Money::new("EUR".parse().unwrap(), 600).unwrap(),
        reason_code: "NO_CONNECTOR".to_owned(),
        next_action: "PAY_BY_HAND".to_owned(),
    };
    let id = CaseId::new("00000001").unwrap();
    let read = fixture.store.get(&arena(), &id).await.unwrap();
    assert_eq!(read, Some(Case::open(attention, id, START)));
}

async fn another_tenants_case_is_missing(fixture: Fixture) {
    fixture.deliver(3, 0, vec![settled(|_| ())]).await;
    let id = CaseId::new("00000001").unwrap();
    let other = TenantId::new("other").unwrap();
    assert_eq!(fixture.store.get(&other, &id).await.unwrap(), None);
    assert_eq!(fixture.cases("other").await, []);
}

async fn pages_go_by_name_and_stay_stable_while_cases_open(fixture: Fixture) {
    let refund = |n: usize| settled(move |fact| fact.refund = format!("refunds/r{n}"));
    fixture.deliver(3, 0, (0..5).map(refund).collect()).await;
    let all = CaseFilter::default();
    let page = |after: Option<CaseId>| {
        let (store, all) = (&fixture.store, &all);
        async move { store.list(&arena(), all, after.as_ref(), 3).await.unwrap() }
    };
    let first = page(None).await;
    fixture.deliver(3, 5, (5..7).map(refund).collect()).await;
    let second = page(first.last().map(|case| case.id.clone())).await;
    let third = page(second.last().map(|case| case.id.clone())).await;
    let ids: Vec<&str> =
        [&first, &second, &third].into_iter().flatten().map(|case| case.id.as_str()).collect();
    let expected: Vec<String> = (1..=7).map(|n| format!("{n:08}")).collect();
    assert_eq!(ids, expected);
}

async fn each_filter_narrows_the_list(fixture: Fixture) {
    fixture
        .deliver(
            3,
            0,
            vec![
                settled(|_| ()),
                settled(|fact| {
                    fact.refund = "refunds/r2".to_owned();
                    fact.order = "orders/o2".to_owned();
                    fact.reason_code = "CARD_CLOSED".to_owned();
                }),
                settled(|fact| {
                    fact.refund.clear();
                    fact.disruption = "disruptions/d2".to_owned();
                }),
            ],
        )
        .await;
    let all = CaseFilter::default();
    for (filter, expected) in [
        (all.clone(), vec!["00000001", "00000002", "00000003"]),
        (CaseFilter { order: OrderId::new("o2").ok(), ..all.clone() }, vec!["00000002"]),
        (CaseFilter { disruption: DisruptionId::new("d2").ok(), ..all.clone() }, vec!["00000003"]),
        (
            CaseFilter { reason_code: Some("NO_CONNECTOR".to_owned()), ..all.clone() },
            vec!["00000001", "00000003"],
        ),
        (CaseFilter { state: Some(State::Resolved), ..all.clone() }, vec![]),
        (
            CaseFilter {
                state: Some(State::Open),
                order: OrderId::new("o1").ok(),
                disruption: DisruptionId::new("d1").ok(),
                ..all
            },
            vec!["00000001"],
        ),
    ] {
        let cases = fixture.list("arena", &filter).await;
        let ids: Vec<&str> = cases.iter().map(|case| case.id.as_str()).collect();
        assert_eq!(ids, expected, "{filter:?}");
    }
}
