//! `SurveyService.GetInvitation`.

use redress_proto::feedback::v1::{GetInvitationRequest, Invitation, invitation};
use redress_testkit::clock::START;

use crate::support::{Api, open_api, paid, settled, told};

redress_testkit::conformance! {
    open = open_api;
    an_invitation_shows_who_is_asked_about_what,
    a_withheld_one_shows_why,
    another_tenants_invitation_is_missing_like_a_missing_one,
    a_malformed_name_is_refused,
}

fn named(name: &str) -> GetInvitationRequest {
    GetInvitationRequest { name: name.to_owned() }
}

async fn an_invitation_shows_who_is_asked_about_what(api: Api) {
    api.settle(vec![paid("a")]).await;
    let read = api.surveys("arena").get_invitation(named("invitations/00000001")).await.unwrap();
    let expected = Invitation {
        name: "invitations/00000001".to_owned(),
        survey: "surveys/refund-experience".to_owned(),
        state: invitation::State::Invited.into(),
        customer: "customers/a".to_owned(),
        order: "orders/of-a".to_owned(),
        event: "events/derby".to_owned(),
        disruption: "disruptions/d1".to_owned(),
        reason_code: String::new(),
        create_time: Some(redress_api::time::to_proto(START)),
    };
    assert_eq!(read.into_inner(), expected);
}

async fn a_withheld_one_shows_why(api: Api) {
    api.settle(vec![settled("a", "ATTENTION"), settled("b", "NOTHING_DUE")]).await;
    let shown: Vec<(i32, String)> =
        api.all("arena").await.into_iter().map(|one| (one.state, one.reason_code)).collect();
    let suppressed = i32::from(invitation::State::Suppressed);
    let expected =
        [(suppressed, "REFUND_UNRESOLVED".to_owned()), (suppressed, "NOTHING_REFUNDED".to_owned())];
    assert_eq!(shown, expected);
}

async fn another_tenants_invitation_is_missing_like_a_missing_one(api: Api) {
    api.settle(vec![paid("a")]).await;
    let foreign = api.surveys("other").get_invitation(named("invitations/00000001")).await;
    let missing = api.surveys("arena").get_invitation(named("invitations/00000002")).await;
    let foreign = told(&foreign.unwrap_err());
    assert_eq!(
        foreign,
        "NotFound RESOURCE_NOT_FOUND: invitations/00000001 not found\n\
         name = invitations/00000001"
    );
    assert_eq!(foreign.replace("00000001", "00000002"), told(&missing.unwrap_err()));
}

async fn a_malformed_name_is_refused(api: Api) {
    let refused = api.surveys("arena").get_invitation(named("orders/o1")).await.unwrap_err();
    assert_eq!(
        told(&refused),
        "InvalidArgument INVALID_FIELD: name: does not match regex pattern \
         `^invitations/[A-Za-z0-9._~-]{1,64}$`\n\
         name: does not match regex pattern `^invitations/[A-Za-z0-9._~-]{1,64}$`"
    );
}
