//! The cases of `DisruptionService`.

use prost::Message as _;
use redress_core::caller::Role;
use redress_proto::refunds::v1 as refunds;

use super::super::Names;
use super::{Case, Expected, case, nothing};
use crate::harness::calls::request_id;

/// What is opened, read and compared.
pub(super) fn of_disruptions(names: &Names) -> Vec<Case> {
    let name = || names.disruption.clone();
    let create = refunds::CreateDisruptionRequest {
        event: names.event.clone(),
        kind: refunds::disruption::Kind::Cancelled.into(),
        request_id: request_id(),
        ..Default::default()
    };
    let approve = refunds::ApproveDisruptionRequest {
        name: name(),
        expected_orders: 2,
        etag: String::new(),
        request_id: request_id(),
        ..Default::default()
    };
    let start = refunds::StartDisruptionRequest {
        name: name(),
        etag: String::new(),
        request_id: request_id(),
        ..Default::default()
    };
    let filter = format!("event = \"{}\"", names.event);
    let list = refunds::ListDisruptionsRequest { filter, ..Default::default() };
    let items = refunds::ListDisruptionItemsRequest { parent: name(), ..Default::default() };
    let event = names.event.clone();
    let not_found = |method, request: Vec<u8>| Case {
        method,
        role: Role::Supervisor,
        request,
        expected: Expected::NotFound,
    };
    vec![
        not_found(
            "redress.refunds.v1.DisruptionService/PreviewDisruption",
            refunds::PreviewDisruptionRequest { event, ..Default::default() }.encode_to_vec(),
        ),
        not_found("redress.refunds.v1.DisruptionService/CreateDisruption", create.encode_to_vec()),
        not_found(
            "redress.refunds.v1.DisruptionService/ApproveDisruption",
            approve.encode_to_vec(),
        ),
        not_found("redress.refunds.v1.DisruptionService/StartDisruption", start.encode_to_vec()),
        not_found(
            "redress.refunds.v1.DisruptionService/GetDisruption",
            refunds::GetDisruptionRequest { name: name() }.encode_to_vec(),
        ),
        not_found(
            "redress.refunds.v1.DisruptionService/ListDisruptionItems",
            items.encode_to_vec(),
        ),
        case(
            "redress.refunds.v1.DisruptionService/ListDisruptions",
            Role::Supervisor,
            &list,
            nothing::<refunds::ListDisruptionsResponse>(),
        ),
        not_found(
            "redress.refunds.v1.DisruptionService/WatchDisruption",
            refunds::WatchDisruptionRequest { name: name() }.encode_to_vec(),
        ),
        not_found(
            "redress.refunds.v1.DisruptionService/ReconcileDisruption",
            refunds::ReconcileDisruptionRequest { name: name() }.encode_to_vec(),
        ),
    ]
}

/// What people and buyers do to a disruption that was opened.
pub(super) fn of_steps(names: &Names) -> Vec<Case> {
    let (name, reason) = (|| names.disruption.clone(), || "the buyer called".to_owned());
    let not_found = |method: &'static str, request: Vec<u8>| Case {
        method,
        role: Role::Supervisor,
        request,
        expected: Expected::NotFound,
    };
    let pause = refunds::PauseDisruptionRequest {
        name: name(),
        request_id: request_id(),
        reason: reason(),
        ..Default::default()
    };
    let resume = refunds::ResumeDisruptionRequest {
        name: name(),
        request_id: request_id(),
        reason: reason(),
        ..Default::default()
    };
    let abort = refunds::AbortDisruptionRequest {
        name: name(),
        request_id: request_id(),
        reason: reason(),
        ..Default::default()
    };
    let retry = refunds::RetryDisruptionRequest {
        name: name(),
        request_id: request_id(),
        orders: vec![names.order.clone()],
        ..Default::default()
    };
    let extend = refunds::ExtendDisruptionRequest {
        name: name(),
        request_id: request_id(),
        expected_orders: 1,
        ..Default::default()
    };
    let choose = refunds::ChooseRemedyRequest {
        name: name(),
        order: names.order.clone(),
        remedy: refunds::Remedy::Refund.into(),
        request_id: request_id(),
    };
    vec![
        not_found("redress.refunds.v1.DisruptionService/PauseDisruption", pause.encode_to_vec()),
        not_found("redress.refunds.v1.DisruptionService/ResumeDisruption", resume.encode_to_vec()),
        not_found("redress.refunds.v1.DisruptionService/AbortDisruption", abort.encode_to_vec()),
        not_found("redress.refunds.v1.DisruptionService/RetryDisruption", retry.encode_to_vec()),
        not_found("redress.refunds.v1.DisruptionService/ExtendDisruption", extend.encode_to_vec()),
        not_found("redress.refunds.v1.DisruptionService/ChooseRemedy", choose.encode_to_vec()),
    ]
}
