//! Two tenants, and nothing of the one through any method for the other.
//!
//! Each method of the contracts has a case: a request that names what belongs to the first tenant.
//! Reads are made by both: the first tenant has to see what it asked for, which proves that the
//! request is right, and the second must not. A method without a case fails the test by its name.

mod cases;

use std::collections::BTreeSet;
use std::time::Duration;

use redress::cli::ServiceName;
use redress_core::caller::Role;
use redress_proto::cases::v1::ListCasesRequest;
use redress_proto::cases::v1::case_service_client::CaseServiceClient;
use redress_proto::feedback::v1::ListInvitationsRequest;
use redress_proto::feedback::v1::survey_service_client::SurveyServiceClient;
use redress_proto::notifications::v1::ListNotificationsRequest;
use redress_proto::notifications::v1::notification_service_client::NotificationServiceClient;
use redress_proto::refunds::v1::refund_service_client::RefundServiceClient;
use redress_proto::refunds::v1::{ListRefundsRequest, QuoteRefundRequest};
use redress_sandbox::SandboxConfig;
use redress_testkit::Backend;
use secrecy::SecretString;
use tonic::transport::Channel;
use tonic::{Code, Status};

use crate::harness::books::Books;
use crate::harness::dynamic::{Method, connect, methods};
use crate::harness::orders::{paid_by_card, paid_by_two};
use crate::harness::stage::Stage;
use crate::harness::{ARENA, calls, on_both_databases, tokens};
use cases::{Case, Expected};

/// The tenant that may not see anything of the other.
const DOME: &str = "dome";
const EVENT: &str = "events/gala";
const ORDER: &str = "orders/A1";

on_both_databases! {
    a_tenant_reaches_nothing_of_another_through_any_method,
}

/// Names of what belongs to the first tenant.
pub(crate) struct Names {
    order: String,
    event: String,
    quote: String,
    refund: String,
    attempt: String,
    disruption: String,
    case: String,
    notification: String,
    invitation: String,
}

async fn a_tenant_reaches_nothing_of_another_through_any_method(backend: Backend) {
    let Some(mut stage) = Stage::set(backend, SandboxConfig::default()).await else { return };
    let names = fill(&mut stage).await;
    let dome = stage.connect(DOME, &[Role::Platform]);
    calls::apply_tenant(&dome, "Dome Tickets").await;

    let walk = Walk { stage: &stage, marks: marks(&names) };
    let cases = cases::all(&names);
    let methods = methods();
    let known: BTreeSet<&str> = cases.iter().map(|case| case.method).collect();
    let met: BTreeSet<String> = methods.iter().map(Method::name).collect();
    let without: Vec<_> = met.iter().filter(|name| !known.contains(name.as_str())).collect();
    assert!(without.is_empty(), "methods without a case in tests/isolation/cases.rs: {without:#?}");
    assert!(known.iter().all(|name| met.contains(*name)), "a case of a method that is gone");

    let before = walk.see_own(&methods, &cases).await;
    for case in &cases {
        let method = methods.iter().find(|method| method.name() == case.method).unwrap();
        for host in method.hosts() {
            walk.check(method, host, case).await;
        }
    }
    let after = walk.see_own(&methods, &cases).await;
    assert_eq!(before, after, "what the second tenant did has changed what the first one sees");
    walk.list_again(&methods).await;
    stage.strike().await;
}

/// Gives the first tenant one of everything.
async fn fill(stage: &mut Stage) -> Names {
    let arena = stage.connect(ARENA, &[Role::Platform, Role::Agent]);
    let orders = [
        paid_by_two(ORDER, EVENT, "arena-ada", 2_000, 4_000),
        paid_by_card("orders/A2", EVENT, "arena-ben", 5_000),
        paid_by_card("orders/A3", "events/opera", "arena-eve", 6_000),
    ];
    stage.provider.seed(&orders).await;
    calls::apply_tenant(&arena, "Arena Tickets").await;
    calls::apply_policy(&arena, calls::policy(1_000)).await;
    calls::apply_policy(&arena, calls::policy(1_500)).await;
    calls::import(&arena, &orders).await;
    let disruption = calls::cancel(&arena, EVENT).await;
    Books::at_rest(&arena, &disruption, Duration::from_secs(30)).await;
    calls::chained(&arena).await;

    let mut refunds = RefundServiceClient::new(arena.unary(ServiceName::Refunds).unwrap());
    let request_id = calls::request_id();
    let order = "orders/A3".to_owned();
    let quote = QuoteRefundRequest { order, request_id, ..Default::default() };
    let quote = refunds.quote_refund(quote).await.unwrap().into_inner().name;
    let listed = refunds.list_refunds(ListRefundsRequest::default()).await.unwrap().into_inner();
    let mut cases = CaseServiceClient::new(arena.unary(ServiceName::Cases).unwrap());
    let case = cases.list_cases(ListCasesRequest::default()).await.unwrap().into_inner();
    let channel = arena.unary(ServiceName::Notifications).unwrap();
    let mut messages = NotificationServiceClient::new(channel);
    let message = messages.list_notifications(ListNotificationsRequest::default()).await;
    let channel = arena.unary(ServiceName::Feedback).unwrap();
    let invited =
        ListInvitationsRequest { filter: "state = \"INVITED\"".to_owned(), ..Default::default() };
    let invitation = SurveyServiceClient::new(channel).list_invitations(invited).await;
    Names {
        order: ORDER.to_owned(),
        event: EVENT.to_owned(),
        quote,
        refund: listed.refunds[0].name.clone(),
        attempt: listed.refunds[0].attempts[0].attempt_id.clone(),
        disruption,
        case: case.cases[0].name.clone(),
        notification: message.unwrap().into_inner().notifications[0].name.clone(),
        invitation: invitation.unwrap().into_inner().invitations[0].name.clone(),
    }
}

/// The answer without what it counts from the moment of the call: the deadline of a preview, and
/// the clock behind it, which comes last.
fn timeless(answer: &str) -> String {
    const DEADLINE: &str = "legal_deadline: {";
    let is_preview = answer.contains("orders_in_scope") && !answer.contains("counts: {");
    let answer = match answer.split_once("legal_clock: {").filter(|_| is_preview) {
        Some((before, _)) => before,
        None => answer,
    };
    match answer.split_once(DEADLINE).filter(|_| is_preview) {
        Some((before, rest)) => {
            let after = rest.split_once('}').map_or("", |(_, after)| after);
            format!("{before}{after}")
        }
        None => answer.to_owned(),
    }
}

/// Texts that stand in answers about the first tenant and may stand in none to the second. Names
/// that a shop chooses are not among them: two shops may choose the same.
fn marks(names: &Names) -> Vec<String> {
    let mut marks = ["Arena", "arena.example", "arena-ada", "arena-ben", "arena-eve"]
        .map(str::to_owned)
        .to_vec();
    let Names { quote, refund, disruption, case, notification, invitation, .. } = names;
    for name in [quote, refund, disruption, case, notification, invitation] {
        marks.push(name.clone());
    }
    marks
}

struct Walk<'a> {
    stage: &'a Stage,
    marks: Vec<String>,
}

impl Walk<'_> {
    async fn channel(&self, host: ServiceName) -> Channel {
        connect(self.stage.address(host)).await
    }

    fn token(&self, host: ServiceName, tenant: &str, role: Role) -> SecretString {
        tokens::of_role(&self.stage.home, host, tenant, role)
    }

    /// What the first tenant gets for the reads among the cases.
    async fn see_own(&self, methods: &[Method], cases: &[Case]) -> Vec<(String, String)> {
        let mut seen = Vec::new();
        for case in cases {
            let method = methods.iter().find(|method| method.name() == case.method).unwrap();
            for host in method.hosts().into_iter().filter(|_| method.is_read()) {
                let token = self.token(host, ARENA, case.role);
                let channel = self.channel(host).await;
                let answer = method.call(&channel, Some(&token), case.request.clone()).await;
                let answer = answer.unwrap_or_else(|refusal| {
                    panic!("{} refused its own tenant: {refusal}", case.method)
                });
                assert!(!answer.is_empty(), "{} shows its own tenant nothing", case.method);
                seen.push((case.method.to_owned(), timeless(&method.tell(&answer))));
            }
        }
        seen
    }

    /// The case as the second tenant.
    async fn check(&self, method: &Method, host: ServiceName, case: &Case) {
        let token = self.token(host, DOME, case.role);
        let channel = self.channel(host).await;
        let answer = method.call(&channel, Some(&token), case.request.clone()).await;
        let what = format!("{} of {}", case.method, host.as_str());
        match (&case.expected, answer) {
            (Expected::NotFound, Err(status)) => assert_not_found(&what, &status),
            (Expected::Refused(code), Err(status)) => assert_eq!(status.code(), *code, "{what}"),
            (Expected::Answer(expected), Ok(answer)) => {
                assert_eq!(method.tell(&answer), method.tell(expected), "{what}");
            }
            (Expected::Own(about), Ok(answer)) => {
                let told = method.tell(&answer);
                assert!(told.contains(about), "{what}: {told}");
                self.assert_unmarked(&what, &told);
            }
            (_, Ok(answer)) => panic!("{what} answered {}", method.tell(&answer)),
            (_, Err(status)) => panic!("{what} was refused: {status}"),
        }
    }

    /// Every list, and with the page tokens of the first tenant.
    async fn list_again(&self, methods: &[Method]) {
        for method in methods.iter().filter(|method| method.is_list()) {
            for host in method.hosts() {
                self.list(method, host).await;
            }
        }
    }

    async fn list(&self, method: &Method, host: ServiceName) {
        let role = method.roles[0];
        let channel = self.channel(host).await;
        let (arena, dome) = (self.token(host, ARENA, role), self.token(host, DOME, role));
        let Ok(answer) = method.call(&channel, Some(&dome), Vec::new()).await else {
            // Items have a parent, which is the first tenant's: they were asked for as a case.
            assert!(method.name().ends_with("/ListDisruptionItems"), "{}", method.name());
            return;
        };
        self.assert_unmarked(&method.name(), &method.tell(&answer));

        let page = method.call(&channel, Some(&arena), cases::page(1, "")).await.unwrap();
        let token = method.text(&page, "next_page_token");
        if !token.is_empty() {
            let request = cases::page(1, &token);
            let refused = method.call(&channel, Some(&dome), request).await.unwrap_err();
            assert_eq!(refused.code(), Code::InvalidArgument, "{}: {refused}", method.name());
        }
    }

    fn assert_unmarked(&self, what: &str, told: &str) {
        for mark in &self.marks {
            assert!(!told.contains(mark), "{what} shows {mark:?}: {told}");
        }
    }
}

/// Exactly like a missing resource: nothing tells that somebody else has it.
fn assert_not_found(what: &str, status: &Status) {
    assert_eq!(status.code(), Code::NotFound, "{what}: {status}");
    assert!(status.message().ends_with("not found"), "{what}: {status}");
}
