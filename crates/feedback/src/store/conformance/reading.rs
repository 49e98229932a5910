//! Invitations read back, one by one and in pages.

use redress_core::id::{
    CustomerId, DisruptionId, EventId, InvitationId, OrderId, SurveyId, TenantId,
};
use redress_testkit::clock::START;

use super::{Fixture, arena, open_fixture};
use crate::domain::invitation::{Invitation, InvitationFilter, State, Suppression};
use crate::events::sample::item;

redress_testkit::conformance! {
    open = open_fixture;
    an_invitation_reads_back_as_it_was_decided,
    another_tenants_invitation_is_missing,
    pages_go_by_name_and_stay_stable_while_invitations_come_in,
    each_filter_narrows_the_list,
}

async fn an_invitation_reads_back_as_it_was_decided(fixture: Fixture) {
    fixture.deliver(3, 0, vec![item(|_| ())]).await;
    let expected = Invitation {
        tenant: arena(),
        id: InvitationId::new("00000001").unwrap(),
        survey: SurveyId::new("refund-experience").unwrap(),
        state: State::Invited,
        customer: CustomerId::new("c1").unwrap(),
        order: OrderId::new("o1").unwrap(),
        event: EventId::new("derby").unwrap(),
        disruption: DisruptionId::new("d1").unwrap(),
        created: START,
        version: 1,
    };
    assert_eq!(fixture.read(1).await, Some(expected));
}

async fn another_tenants_invitation_is_missing(fixture: Fixture) {
    fixture.deliver(3, 0, vec![item(|_| ())]).await;
    let (other, id) = (TenantId::new("other").unwrap(), InvitationId::new("00000001").unwrap());
    assert_eq!(fixture.store.invitation(&other, &id).await.unwrap(), None);
    assert_eq!(fixture.invitations("other").await, []);
}

async fn pages_go_by_name_and_stay_stable_while_invitations_come_in(fixture: Fixture) {
    let customer = |n: usize| item(move |fact| fact.customer = format!("customers/c{n}"));
    fixture.deliver(3, 0, (0..5).map(customer).collect()).await;
    let all = InvitationFilter::default();
    let page = |after: Option<InvitationId>| {
        let (store, all) = (&fixture.store, &all);
        async move { store.list_invitations(&arena(), all, after.as_ref(), 3).await.unwrap() }
    };
    let first = page(None).await;
    fixture.deliver(3, 5, (5..7).map(customer).collect()).await;
    let second = page(first.last().map(|invitation| invitation.id.clone())).await;
    let third = page(second.last().map(|invitation| invitation.id.clone())).await;
    let ids: Vec<&str> =
        [&first, &second, &third].into_iter().flatten().map(|one| one.id.as_str()).collect();
    let expected: Vec<String> = (1..=7).map(|n| format!("{n:08}")).collect();
    assert_eq!(ids, expected);
}

async fn each_filter_narrows_the_list(fixture: Fixture) {
    let events = vec![
        item(|_| ()),
        item(|fact| {
            fact.customer = "customers/c2".to_owned();
            fact.outcome = "ATTENTION".to_owned();
        }),
        item(|fact| {
            fact.customer = "customers/c3".to_owned();
            fact.disruption = "disruptions/d2".to_owned();
            fact.event = "events/gala".to_owned();
            fact.outcome = "NOTHING_DUE".to_owned();
        }),
    ];
    fixture.deliver(3, 0, events).await;
    let all = InvitationFilter::default();
    for (filter, expected) in [
        (all.clone(), vec!["00000001", "00000002", "00000003"]),
        (InvitationFilter { state: Some("INVITED"), ..all.clone() }, vec!["00000001"]),
        (
            InvitationFilter { state: Some("SUPPRESSED"), ..all.clone() },
            vec!["00000002", "00000003"],
        ),
        (InvitationFilter { event: EventId::new("gala").ok(), ..all.clone() }, vec!["00000003"]),
        (
            InvitationFilter { disruption: DisruptionId::new("d1").ok(), ..all.clone() },
            vec!["00000001", "00000002"],
        ),
        (
            InvitationFilter { reason_code: Some(Suppression::RefundUnresolved), ..all.clone() },
            vec!["00000002"],
        ),
        (
            InvitationFilter { state: Some("ANSWERED"), event: EventId::new("derby").ok(), ..all },
            vec![],
        ),
    ] {
        let found = fixture.list("arena", &filter).await;
        let ids: Vec<&str> = found.iter().map(|invitation| invitation.id.as_str()).collect();
        assert_eq!(ids, expected, "{filter:?}");
    }
}
