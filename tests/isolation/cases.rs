//! One case a method: what the second tenant asks for, and what it gets.
//!
//! Writes that have an effect of their own come last, because later cases would meet it.

mod disruptions;

use prost::Message;
use redress_core::caller::Role;
use redress_proto::cases::v1 as cases;
use redress_proto::common::v1 as common;
use redress_proto::events::v1 as events;
use redress_proto::feedback::v1 as feedback;
use redress_proto::notifications::v1 as notifications;
use redress_proto::refunds::v1 as refunds;
use tonic::Code;

use super::{EVENT, Names, ORDER};
use crate::harness::calls::{self, request_id};
use crate::harness::orders::paid_by_card;

/// A method, a request that names what belongs to the first tenant, and a role that may call it.
pub(crate) struct Case {
    pub(crate) method: &'static str,
    pub(crate) role: Role,
    pub(crate) request: Vec<u8>,
    pub(crate) expected: Expected,
}

/// What the second tenant gets.
pub(crate) enum Expected {
    /// NOT_FOUND, as for a name that nobody has.
    NotFound,
    /// This code.
    Refused(Code),
    /// Exactly this message, encoded; the empty list, mostly.
    Answer(Vec<u8>),
    /// An answer about itself that holds this text, and no mark of the first tenant.
    Own(&'static str),
}

/// The first fields of every list request.
pub(crate) fn page(size: i32, token: &str) -> Vec<u8> {
    let request = cases::ListCasesRequest {
        page_size: size,
        page_token: token.to_owned(),
        filter: String::new(),
    };
    request.encode_to_vec()
}

fn case(method: &'static str, role: Role, request: &impl Message, expected: Expected) -> Case {
    Case { method, role, request: request.encode_to_vec(), expected }
}

fn nothing<M: Message + Default>() -> Expected {
    Expected::Answer(M::default().encode_to_vec())
}

/// All of them.
pub(crate) fn all(names: &Names) -> Vec<Case> {
    let mut all = of_cases(names);
    all.extend(of_common());
    all.extend(of_events(names));
    all.extend(of_feedback(names));
    all.extend(of_notifications(names));
    all.extend(disruptions::of_disruptions(names));
    all.extend(disruptions::of_steps(names));
    all.extend(of_refunds(names));
    all.extend(of_decisions(names));
    all.extend(of_ledger(names));
    all.extend(of_orders_and_policies(names));
    all
}

fn of_cases(names: &Names) -> Vec<Case> {
    let name = || names.case.clone();
    let filter = format!("disruption = \"{}\"", names.disruption);
    let resolve = cases::ResolveCaseRequest {
        name: name(),
        resolution: "paid by hand".to_owned(),
        etag: String::new(),
        request_id: request_id(),
    };
    vec![
        case(
            "redress.cases.v1.CaseService/GetCase",
            Role::Agent,
            &cases::GetCaseRequest { name: name() },
            Expected::NotFound,
        ),
        case(
            "redress.cases.v1.CaseService/ListCases",
            Role::Agent,
            &cases::ListCasesRequest::default(),
            nothing::<cases::ListCasesResponse>(),
        ),
        case(
            "redress.cases.v1.CaseService/ListCases",
            Role::Auditor,
            &cases::ListCasesRequest { filter, ..Default::default() },
            nothing::<cases::ListCasesResponse>(),
        ),
        case("redress.cases.v1.CaseService/ResolveCase", Role::Agent, &resolve, Expected::NotFound),
    ]
}

fn of_common() -> Vec<Case> {
    let take_over = calls::tenant("arena", "Dome Tickets");
    vec![
        case(
            "redress.common.v1.TenantService/GetTenant",
            Role::Platform,
            &common::GetTenantRequest { name: "tenants/arena".to_owned() },
            Expected::NotFound,
        ),
        case(
            "redress.common.v1.TenantService/ApplyTenant",
            Role::Platform,
            &common::ApplyTenantRequest { tenant: Some(take_over) },
            Expected::NotFound,
        ),
    ]
}

/// No tenant's caller delivers events, whatever its role: here the tenant of the envelope counts.
fn of_events(names: &Names) -> Vec<Case> {
    let event = events::Event {
        id: "e1".to_owned(),
        tenant: "arena".to_owned(),
        r#type: "redress.events.v1.DisruptionItemSettled".to_owned(),
        subject: names.order.clone(),
        time: Some(prost_types::Timestamp { seconds: 1_790_841_600, nanos: 0 }),
        position: 1_000,
        payload_version: 1,
        payload: Vec::new(),
        traceparent: String::new(),
    };
    let request =
        events::DeliverRequest { source: "refunds".to_owned(), partition: 0, events: vec![event] };
    vec![case(
        "redress.events.v1.EventSinkService/Deliver",
        Role::Platform,
        &request,
        Expected::Refused(Code::PermissionDenied),
    )]
}

fn of_feedback(names: &Names) -> Vec<Case> {
    let filter = format!("disruption = \"{}\"", names.disruption);
    let response = feedback::RecordResponseRequest {
        invitation: names.invitation.clone(),
        score: 1,
        comment: String::new(),
        request_id: request_id(),
    };
    // Feedback does not own events: one that nobody answered about has a rating without answers.
    let unrated = feedback::Rating { event: EVENT.to_owned(), ..Default::default() };
    vec![
        case(
            "redress.feedback.v1.RatingService/GetRating",
            Role::Agent,
            &feedback::GetRatingRequest { event: EVENT.to_owned() },
            Expected::Answer(unrated.encode_to_vec()),
        ),
        // The surveys come with the service and are the same for everybody.
        case(
            "redress.feedback.v1.SurveyService/ListSurveys",
            Role::Agent,
            &feedback::ListSurveysRequest::default(),
            Expected::Own("surveys/"),
        ),
        case(
            "redress.feedback.v1.SurveyService/GetInvitation",
            Role::Agent,
            &feedback::GetInvitationRequest { name: names.invitation.clone() },
            Expected::NotFound,
        ),
        case(
            "redress.feedback.v1.SurveyService/ListInvitations",
            Role::Agent,
            &feedback::ListInvitationsRequest { filter, ..Default::default() },
            nothing::<feedback::ListInvitationsResponse>(),
        ),
        case(
            "redress.feedback.v1.SurveyService/RecordResponse",
            Role::Platform,
            &response,
            Expected::NotFound,
        ),
    ]
}

fn of_notifications(names: &Names) -> Vec<Case> {
    let filter = format!("disruption = \"{}\"", names.disruption);
    let preview = notifications::PreviewTemplateRequest {
        name: "templates/refund-issued".to_owned(),
        locale: "en".to_owned(),
    };
    vec![
        case(
            "redress.notifications.v1.NotificationService/GetNotification",
            Role::Agent,
            &notifications::GetNotificationRequest { name: names.notification.clone() },
            Expected::NotFound,
        ),
        case(
            "redress.notifications.v1.NotificationService/ListNotifications",
            Role::Agent,
            &notifications::ListNotificationsRequest { filter, ..Default::default() },
            nothing::<notifications::ListNotificationsResponse>(),
        ),
        // The templates come with the service; the brand in them is the caller's.
        case(
            "redress.notifications.v1.TemplateService/ListTemplates",
            Role::Agent,
            &notifications::ListTemplatesRequest::default(),
            Expected::Own("templates/refund-issued"),
        ),
        case(
            "redress.notifications.v1.TemplateService/PreviewTemplate",
            Role::Agent,
            &preview,
            Expected::Own("Dome Tickets"),
        ),
    ]
}

fn of_refunds(names: &Names) -> Vec<Case> {
    let quote = refunds::QuoteRefundRequest {
        order: "orders/A3".to_owned(),
        request_id: request_id(),
        ..Default::default()
    };
    let create = refunds::CreateRefundRequest {
        quote: names.quote.clone(),
        request_id: request_id(),
        entitlement_voided: true,
        ..Default::default()
    };
    let filter = format!("disruption = \"{}\"", names.disruption);
    let chain_hash = vec![0; 32];
    let empty_books = refunds::LedgerReport { balanced: true, chain_hash, ..Default::default() };
    vec![
        case(
            "redress.refunds.v1.RefundService/QuoteRefund",
            Role::Agent,
            &quote,
            Expected::NotFound,
        ),
        case(
            "redress.refunds.v1.RefundService/CreateRefund",
            Role::Agent,
            &create,
            Expected::NotFound,
        ),
        case(
            "redress.refunds.v1.RefundService/GetRefund",
            Role::Agent,
            &refunds::GetRefundRequest { name: names.refund.clone() },
            Expected::NotFound,
        ),
        case(
            "redress.refunds.v1.RefundService/ListRefunds",
            Role::Agent,
            &refunds::ListRefundsRequest { filter, ..Default::default() },
            nothing::<refunds::ListRefundsResponse>(),
        ),
        case(
            "redress.refunds.v1.RefundService/ListRefundDeadlines",
            Role::Agent,
            &refunds::ListRefundDeadlinesRequest::default(),
            nothing::<refunds::ListRefundDeadlinesResponse>(),
        ),
        case(
            "redress.refunds.v1.RefundService/CheckLedger",
            Role::Finance,
            &refunds::CheckLedgerRequest {},
            Expected::Answer(empty_books.encode_to_vec()),
        ),
    ]
}

/// What people decide about a refund, by those who may decide.
fn of_decisions(names: &Names) -> Vec<Case> {
    let (name, reason) = (|| names.refund.clone(), || "the buyer called".to_owned());
    let not_found = |rpc: &'static str, request: Vec<u8>| Case {
        method: rpc,
        role: Role::Supervisor,
        request,
        expected: Expected::NotFound,
    };
    let approve = refunds::ApproveRefundRequest {
        name: name(),
        request_id: request_id(),
        ..Default::default()
    };
    let reject = refunds::RejectRefundRequest {
        name: name(),
        request_id: request_id(),
        reason: reason(),
        ..Default::default()
    };
    let cancel = refunds::CancelRefundRequest {
        name: name(),
        request_id: request_id(),
        reason: reason(),
        ..Default::default()
    };
    let retry = refunds::RetryRefundRequest {
        name: name(),
        request_id: request_id(),
        ..Default::default()
    };
    let resolve = refunds::ResolveAttemptRequest {
        name: name(),
        attempt_id: names.attempt.clone(),
        outcome: refunds::resolve_attempt_request::Outcome::Paid.into(),
        provider_reference: "re_stolen".to_owned(),
        reason: reason(),
        request_id: request_id(),
        etag: String::new(),
    };
    let watch = refunds::WatchRefundRequest { name: name() };
    vec![
        not_found("redress.refunds.v1.RefundService/ApproveRefund", approve.encode_to_vec()),
        not_found("redress.refunds.v1.RefundService/RejectRefund", reject.encode_to_vec()),
        not_found("redress.refunds.v1.RefundService/CancelRefund", cancel.encode_to_vec()),
        not_found("redress.refunds.v1.RefundService/RetryRefund", retry.encode_to_vec()),
        not_found("redress.refunds.v1.RefundService/ResolveAttempt", resolve.encode_to_vec()),
        not_found("redress.refunds.v1.RefundService/WatchRefund", watch.encode_to_vec()),
    ]
}

/// The second tenant's chains have no entry yet: their heads are 32 zero bytes.
fn of_ledger(names: &Names) -> Vec<Case> {
    let chain_hash = || vec![0; 32];
    let entries =
        refunds::ListLedgerEntriesResponse { chain_hash: chain_hash(), ..Default::default() };
    let records =
        refunds::ListAuditRecordsResponse { chain_hash: chain_hash(), ..Default::default() };
    let balances =
        refunds::ListAccountBalancesResponse { chain_hash: chain_hash(), ..Default::default() };
    let of_refund = refunds::ListLedgerEntriesRequest {
        filter: format!("refund = \"{}\"", names.refund),
        ..Default::default()
    };
    let about_refund = refunds::ListAuditRecordsRequest {
        filter: format!("resource = \"{}\"", names.refund),
        ..Default::default()
    };
    vec![
        case(
            "redress.refunds.v1.LedgerService/ListLedgerEntries",
            Role::Finance,
            &of_refund,
            Expected::Answer(entries.encode_to_vec()),
        ),
        case(
            "redress.refunds.v1.LedgerService/ListAuditRecords",
            Role::Auditor,
            &about_refund,
            Expected::Answer(records.encode_to_vec()),
        ),
        case(
            "redress.refunds.v1.LedgerService/ListAccountBalances",
            Role::Auditor,
            &refunds::ListAccountBalancesRequest {},
            Expected::Answer(balances.encode_to_vec()),
        ),
    ]
}

fn of_orders_and_policies(names: &Names) -> Vec<Case> {
    let contacts = refunds::BatchGetOrderContactsRequest { names: vec![names.order.clone()] };
    let policy = "policies/standard".to_owned();
    let evaluation = refunds::EvaluatePolicyRequest {
        policy: policy.clone(),
        price: Some(common::Money { currency_code: "EUR".to_owned(), minor_units: 100 }),
        start_time: Some(prost_types::Timestamp { seconds: 1_800_000_000, nanos: 0 }),
        time_zone: "Europe/Berlin".to_owned(),
        ..Default::default()
    };
    let own_policy = refunds::ApplyPolicyRequest { policy: Some(calls::policy(9_900)) };
    // Two shops may number their orders alike: the second tenant's is another order.
    let own_order = paid_by_card(ORDER, EVENT, "dome-zoe", 700);
    let own_orders = refunds::ImportOrdersRequest { orders: vec![own_order] };
    let imported = refunds::ImportOrdersResponse { created: 1, ..Default::default() };
    vec![
        case(
            "redress.refunds.v1.OrderService/GetOrder",
            Role::Agent,
            &refunds::GetOrderRequest { name: names.order.clone() },
            Expected::NotFound,
        ),
        case(
            "redress.refunds.v1.OrderService/ListOrders",
            Role::Agent,
            &refunds::ListOrdersRequest::default(),
            nothing::<refunds::ListOrdersResponse>(),
        ),
        // Another service's credential, for the second tenant.
        case(
            "redress.refunds.v1.OrderService/BatchGetOrderContacts",
            Role::Service,
            &contacts,
            nothing::<refunds::BatchGetOrderContactsResponse>(),
        ),
        case(
            "redress.refunds.v1.PolicyService/GetPolicy",
            Role::Agent,
            &refunds::GetPolicyRequest { name: policy },
            Expected::NotFound,
        ),
        case(
            "redress.refunds.v1.PolicyService/ListPolicies",
            Role::Agent,
            &refunds::ListPoliciesRequest::default(),
            nothing::<refunds::ListPoliciesResponse>(),
        ),
        case(
            "redress.refunds.v1.PolicyService/EvaluatePolicy",
            Role::Agent,
            &evaluation,
            Expected::NotFound,
        ),
        // The laws that come with Redress are the same for every tenant.
        case(
            "redress.refunds.v1.PolicyService/ListPolicyPacks",
            Role::Agent,
            &refunds::ListPolicyPacksRequest { page_size: 1, ..Default::default() },
            Expected::Own("pack: \"cn-air-2021\""),
        ),
        // The first tenant is at version 2 of a policy of this name.
        case(
            "redress.refunds.v1.PolicyService/ApplyPolicy",
            Role::Platform,
            &own_policy,
            Expected::Own("version: 1,"),
        ),
        case(
            "redress.refunds.v1.OrderService/ImportOrders",
            Role::Platform,
            &own_orders,
            Expected::Answer(imported.encode_to_vec()),
        ),
    ]
}
