//! `PauseDisruption`, `ResumeDisruption`, `AbortDisruption`, `RetryDisruption`, `ExtendDisruption`
//! and `ChooseRemedy`: what each does, and what it refuses.

use std::time::Duration;

use redress_api::time;
use redress_core::caller::Role;
use redress_core::clock::Clock as _;
use redress_proto::common::v1 as common;
use redress_proto::refunds::v1 as pb;
use redress_proto::refunds::v1::disruption::{Kind, State};
use redress_testkit::clock::START;
use tonic::Status;

use super::support::{Api, euros, open_stocked, order, settings_of, told, unpaid};

redress_testkit::conformance! {
    open = open_stocked;
    a_pause_and_its_end_are_answered_with_the_counts,
    an_aborted_disruption_leaves_its_orders_alone_and_frees_its_scope,
    a_step_that_the_state_does_not_allow_is_refused,
    only_what_failed_is_retried,
    orders_that_come_late_are_previewed_and_added,
    above_the_limit_somebody_else_approves,
    sums_that_were_not_agreed_to_are_refused,
    a_postponement_asks_its_buyers,
    what_cannot_be_meant_is_refused_with_every_reason,
    another_tenants_disruption_does_not_exist,
}

const DAY: Duration = Duration::from_hours(24);

impl Api {
    async fn create(&self, request: pb::CreateDisruptionRequest) -> Result<pb::Disruption, Status> {
        let request = pb::CreateDisruptionRequest { request_id: self.request_id(), ..request };
        let created = self.disruptions("arena").create_disruption(request).await;
        created.map(tonic::Response::into_inner)
    }

    async fn approve(&self, name: &str, orders: i64) -> pb::Disruption {
        let request = pb::ApproveDisruptionRequest {
            name: name.to_owned(),
            expected_orders: orders,
            request_id: self.request_id(),
            ..Default::default()
        };
        self.disruptions("arena").approve_disruption(request).await.unwrap().into_inner()
    }

    async fn start(&self, name: &str) -> pb::Disruption {
        let request = pb::StartDisruptionRequest {
            name: name.to_owned(),
            request_id: self.request_id(),
            ..Default::default()
        };
        self.disruptions("arena").start_disruption(request).await.unwrap().into_inner()
    }

    /// A disruption of the derby's orders that runs.
    async fn running(&self, request: pb::CreateDisruptionRequest, orders: i64) -> pb::Disruption {
        let draft = self.create(request).await.unwrap();
        self.approve(&draft.name, orders).await;
        self.start(&draft.name).await
    }

    async fn pause(&self, name: &str) -> Result<pb::Disruption, Status> {
        let request = pb::PauseDisruptionRequest {
            name: name.to_owned(),
            request_id: self.request_id(),
            ..Default::default()
        };
        let done = self.disruptions("arena").pause_disruption(request).await;
        done.map(tonic::Response::into_inner)
    }

    async fn resume(&self, name: &str) -> Result<pb::Disruption, Status> {
        let request = pb::ResumeDisruptionRequest {
            name: name.to_owned(),
            request_id: self.request_id(),
            ..Default::default()
        };
        let done = self.disruptions("arena").resume_disruption(request).await;
        done.map(tonic::Response::into_inner)
    }

    async fn abort(&self, name: &str) -> Result<pb::Disruption, Status> {
        let request = pb::AbortDisruptionRequest {
            name: name.to_owned(),
            request_id: self.request_id(),
            reason: "the rain has stopped".to_owned(),
            ..Default::default()
        };
        let done = self.disruptions("arena").abort_disruption(request).await;
        done.map(tonic::Response::into_inner)
    }

    async fn retry(&self, name: &str, orders: &[&str]) -> Result<pb::Disruption, Status> {
        let request = pb::RetryDisruptionRequest {
            name: name.to_owned(),
            orders: orders.iter().map(|id| format!("orders/{id}")).collect(),
            request_id: self.request_id(),
            ..Default::default()
        };
        let done = self.disruptions("arena").retry_disruption(request).await;
        done.map(tonic::Response::into_inner)
    }

    async fn extend(&self, name: &str, orders: i64) -> Result<pb::Disruption, Status> {
        let request = pb::ExtendDisruptionRequest {
            name: name.to_owned(),
            expected_orders: orders,
            request_id: self.request_id(),
            ..Default::default()
        };
        let done = self.disruptions("arena").extend_disruption(request).await;
        done.map(tonic::Response::into_inner)
    }

    async fn choose(
        &self,
        name: &str,
        order: &str,
        remedy: pb::Remedy,
    ) -> Result<pb::DisruptionItem, Status> {
        let request = pb::ChooseRemedyRequest {
            name: name.to_owned(),
            order: format!("orders/{order}"),
            remedy: remedy.into(),
            request_id: self.request_id(),
        };
        let done = self.disruptions("arena").choose_remedy(request).await;
        done.map(tonic::Response::into_inner)
    }

    /// Does what the item worker does beside taking items on.
    async fn tidy_up(&self) {
        let (store, ids, now) = (&self.store, &*self.ids, self.clock.now());
        while store.lapse_choices(9, ids, now).await.unwrap() > 0 {}
        while store.abort_items(9).await.unwrap() > 0 {}
        self.start_items().await;
        store.complete_disruptions(ids, now).await.unwrap();
    }

    async fn read(&self, name: &str) -> pb::Disruption {
        let request = pb::GetDisruptionRequest { name: name.to_owned() };
        self.disruptions("arena").get_disruption(request).await.unwrap().into_inner()
    }
}

fn cancellation() -> pb::CreateDisruptionRequest {
    pb::CreateDisruptionRequest {
        event: "events/derby".to_owned(),
        kind: Kind::Cancelled.into(),
        ..Default::default()
    }
}

/// Keep, money or a voucher for a week; silence keeps.
fn postponement() -> pb::CreateDisruptionRequest {
    pb::CreateDisruptionRequest {
        event: "events/derby".to_owned(),
        kind: Kind::Postponed.into(),
        change: Some(pb::DisruptionChange {
            new_start_time: Some(time::to_proto(START.plus(DAY * 60))),
            ..Default::default()
        }),
        terms: Some(pb::DisruptionTerms {
            remedies: [pb::Remedy::Keep, pb::Remedy::Refund, pb::Remedy::Voucher]
                .map(i32::from)
                .to_vec(),
            voucher_bonus_percent: 10,
            choose_until: Some(time::to_proto(START.plus(DAY * 7))),
            default_remedy: pb::Remedy::Keep.into(),
            ..Default::default()
        }),
        ..Default::default()
    }
}

fn refusal(refused: &Status, name: &str) -> String {
    told(refused).replace(name, "disruptions/D")
}

async fn a_pause_and_its_end_are_answered_with_the_counts(api: Api) {
    let running = api.running(cancellation(), 1).await;
    let paused = api.pause(&running.name).await.unwrap();
    assert_eq!((paused.state(), paused.counts.unwrap().pending), (State::Paused, 1));
    assert_ne!(paused.etag, running.etag);
    api.start_items().await;
    assert_eq!(api.read(&running.name).await.counts.unwrap().pending, 1);
    assert_eq!(api.resume(&running.name).await.unwrap().state(), State::Running);
    api.start_items().await;
    api.pay_all().await;
    api.tidy_up().await;
    let done = api.read(&running.name).await;
    assert_eq!((done.state(), done.counts.unwrap().succeeded), (State::Completed, 1));
}

async fn an_aborted_disruption_leaves_its_orders_alone_and_frees_its_scope(api: Api) {
    let running = api.running(cancellation(), 1).await;
    assert_eq!(api.abort(&running.name).await.unwrap().state(), State::Aborting);
    api.tidy_up().await;
    let aborted = api.read(&running.name).await;
    assert_eq!((aborted.state(), aborted.counts.unwrap().aborted), (State::Aborted, 1));
    assert_eq!(aborted.issued, [euros(0).unwrap()]);
    // The scope is free: the same event can be cancelled after all, and is paid once.
    let second = api.running(cancellation(), 1).await;
    api.start_items().await;
    api.pay_all().await;
    api.tidy_up().await;
    assert_eq!(api.read(&second.name).await.issued, [euros(5390).unwrap()]);
    // A draft is called off as well.
    api.import(vec![order("A2")]).await;
    let draft = api.create(cancellation()).await.unwrap();
    api.abort(&draft.name).await.unwrap();
    api.tidy_up().await;
    assert_eq!(api.read(&draft.name).await.state(), State::Aborted);
}

async fn a_step_that_the_state_does_not_allow_is_refused(api: Api) {
    let draft = api.create(cancellation()).await.unwrap();
    let name = &draft.name;
    snapshot!(refusal(&api.pause(name).await.unwrap_err(), name), @r"
    FailedPrecondition DISRUPTION_STATE: disruptions/D is DRAFT, it cannot be paused
    name = disruptions/D
    state = DRAFT
    ");
    api.approve(name, 1).await;
    api.start(name).await;
    api.start_items().await;
    api.pay_all().await;
    api.tidy_up().await;
    snapshot!(refusal(&api.abort(name).await.unwrap_err(), name), @r"
    FailedPrecondition DISRUPTION_STATE: disruptions/D is COMPLETED, it cannot be aborted
    name = disruptions/D
    state = COMPLETED
    ");
    snapshot!(refusal(&api.retry(name, &[]).await.unwrap_err(), name), @r"
    FailedPrecondition NOTHING_TO_RETRY: nothing of disruptions/D has failed in a way that can change
    name = disruptions/D
    ");
    snapshot!(refusal(&api.retry(name, &["A1"]).await.unwrap_err(), name), @r"
    FailedPrecondition NOTHING_TO_RETRY: nothing of disruptions/D has failed in a way that can change
    name = disruptions/D
    ");
    snapshot!(refusal(&api.resume(name).await.unwrap_err(), name), @r"
    FailedPrecondition DISRUPTION_STATE: disruptions/D is COMPLETED, it cannot be resumed
    name = disruptions/D
    state = COMPLETED
    ");
}

async fn only_what_failed_is_retried(api: Api) {
    api.import(vec![order("A2")]).await;
    let running = api.running(cancellation(), 2).await;
    api.start_items().await;
    api.refuse_one("A1").await;
    api.pay_all().await;
    api.tidy_up().await;
    let done = api.read(&running.name).await;
    let counts = done.counts.unwrap();
    assert_eq!((done.state(), counts.succeeded, counts.attention), (State::Completed, 1, 1));
    let name = &running.name;
    snapshot!(refusal(&api.retry(name, &["A1", "A2"]).await.unwrap_err(), name), @r"
    FailedPrecondition NOTHING_TO_RETRY: orders/A2 has not failed in disruptions/D in a way that can change
    name = disruptions/D
    order = orders/A2
    ");
    let retried = api.retry(name, &[]).await.unwrap();
    let counts = retried.counts.unwrap();
    assert_eq!((retried.state(), counts.pending, counts.attention), (State::Running, 1, 0));
    api.start_items().await;
    api.pay_all().await;
    api.tidy_up().await;
    let done = api.read(name).await;
    assert_eq!((done.state(), done.counts.unwrap().succeeded), (State::Completed, 2));
    assert_eq!(done.issued, [euros(2 * 5390).unwrap()]);
}

async fn orders_that_come_late_are_previewed_and_added(api: Api) {
    let running = api.running(cancellation(), 1).await;
    let name = &running.name;
    snapshot!(refusal(&api.extend(name, 1).await.unwrap_err(), name), @r"
    FailedPrecondition TOTALS_CHANGED: 1 orders were agreed to, there are 0 now: look at the preview again
    expected_orders = 1
    orders = 0
    ");
    api.import(vec![order("A2"), unpaid("A3")]).await;
    let request = pb::PreviewDisruptionRequest { extension_of: name.clone(), ..Default::default() };
    let preview = api.disruptions("arena").preview_disruption(request).await.unwrap().into_inner();
    assert_eq!((preview.orders_in_scope, preview.refundable, preview.nothing_due), (2, 1, 1));
    assert_eq!(preview.requested, [euros(5390).unwrap()]);
    let extended = api.extend(name, 2).await.unwrap();
    assert_eq!(extended.counts.unwrap().orders_in_scope, 3);
    assert_eq!(extended, api.read(name).await);
    assert_eq!(extended.requested, [euros(2 * 5390).unwrap()]);
    api.start_items().await;
    api.pay_all().await;
    api.tidy_up().await;
    let counts = api.read(name).await.counts.unwrap();
    assert_eq!((counts.succeeded, counts.nothing_due), (2, 1));
}

async fn above_the_limit_somebody_else_approves(api: Api) {
    let limit = common::ApprovalLimit { role: common::Role::Supervisor.into(), limit: euros(5389) };
    let tenant = common::Tenant { approval_limits: vec![limit], ..settings_of("arena") };
    let request = common::ApplyTenantRequest { tenant: Some(tenant) };
    api.tenants("arena").apply_tenant(request).await.unwrap();
    let mut opener = api.disruptions_of("supervisor-1", &[Role::Supervisor]);
    let request = pb::CreateDisruptionRequest { request_id: api.request_id(), ..cancellation() };
    let draft = opener.create_disruption(request).await.unwrap().into_inner();
    let approval = || pb::ApproveDisruptionRequest {
        name: draft.name.clone(),
        expected_orders: 1,
        request_id: api.request_id(),
        ..Default::default()
    };
    let refused = opener.approve_disruption(approval()).await.unwrap_err();
    snapshot!(refusal(&refused, &draft.name), @r"
    FailedPrecondition OWN_DISRUPTION: EUR 53.90 is above what whoever opened disruptions/D may release alone: somebody else has to approve it
    currency_code = EUR
    minor_units = 5390
    name = disruptions/D
    ");
    let mut second = api.disruptions_of("supervisor-2", &[Role::Supervisor]);
    let approved = second.approve_disruption(approval()).await.unwrap().into_inner();
    assert_eq!((&*approved.requester, &*approved.approver), ("supervisor-1", "supervisor-2"));
}

async fn sums_that_were_not_agreed_to_are_refused(api: Api) {
    let draft = api.create(cancellation()).await.unwrap();
    let approve = async |sums: Vec<common::Money>| {
        let request = pb::ApproveDisruptionRequest {
            name: draft.name.clone(),
            expected_orders: 1,
            expected_totals: sums,
            request_id: api.request_id(),
            ..Default::default()
        };
        api.disruptions("arena").approve_disruption(request).await
    };
    let refused = approve(vec![euros(5389).unwrap()]).await.unwrap_err();
    snapshot!(told(&refused), @r"
    FailedPrecondition TOTALS_CHANGED: EUR 53.89 was agreed to, it is EUR 53.90 now: look at the preview again
    currency_code = EUR
    expected_minor_units = 5389
    minor_units = 5390
    ");
    let other = common::Money { currency_code: "CNY".to_owned(), minor_units: 1 };
    assert!(approve(vec![euros(5390).unwrap(), other]).await.is_err());
    assert!(approve(vec![euros(5390).unwrap()]).await.is_ok());
}

async fn a_postponement_asks_its_buyers(api: Api) {
    api.import(vec![order("A2"), order("A3"), order("A4")]).await;
    let running = api.running(postponement(), 4).await;
    let name = &running.name;
    assert_eq!(running.counts.unwrap().offered, 4);
    api.tidy_up().await;
    assert_eq!(api.read(name).await.state(), State::Running, "buyers have time");
    let kept = api.choose(name, "A1", pb::Remedy::Keep).await.unwrap();
    assert_eq!((kept.state(), kept.remedy()), (pb::disruption_item::State::Kept, pb::Remedy::Keep));
    api.choose(name, "A2", pb::Remedy::Refund).await.unwrap();
    let voucher = api.choose(name, "A3", pb::Remedy::Voucher).await.unwrap();
    assert_eq!(
        (voucher.state(), &*voucher.next_action),
        (pb::disruption_item::State::Attention, "ISSUE_VOUCHER")
    );
    snapshot!(refusal(&api.choose(name, "A3", pb::Remedy::Keep).await.unwrap_err(), name), @r"
    FailedPrecondition CHOICE_CLOSED: orders/A3 has nothing to choose in disruptions/D: it was offered nothing, the time is up, or its choice was carried out
    name = disruptions/D
    order = orders/A3
    ");
    snapshot!(refusal(&api.choose(name, "A4", pb::Remedy::Rebook).await.unwrap_err(), name), @r"
    InvalidArgument INVALID_FIELD: remedy: disruptions/D does not offer REBOOK
    remedy: disruptions/D does not offer REBOOK
    ");
    api.start_items().await;
    api.pay_all().await;
    api.clock.advance(DAY * 7);
    assert!(api.choose(name, "A1", pb::Remedy::Refund).await.is_err(), "it is locked");
    api.tidy_up().await;
    let done = api.read(name).await;
    let counts = done.counts.unwrap();
    assert_eq!(done.state(), State::Completed);
    assert_eq!((counts.succeeded, counts.attention, counts.kept), (1, 1, 2));
    // It is cancelled after all: who kept is paid, and who was paid is not paid again.
    let cancelled = api.running(cancellation(), 4).await;
    api.start_items().await;
    api.pay_all().await;
    api.tidy_up().await;
    let counts = api.read(&cancelled.name).await.counts.unwrap();
    assert_eq!((counts.succeeded, counts.nothing_due), (3, 1));
}

async fn what_cannot_be_meant_is_refused_with_every_reason(api: Api) {
    let mut bad = postponement();
    bad.event = String::new();
    bad.change = Some(pb::DisruptionChange {
        new_start_time: Some(time::to_proto(START)),
        ..Default::default()
    });
    if let Some(terms) = &mut bad.terms {
        terms.choose_until = Some(time::to_proto(START));
        terms.default_remedy = pb::Remedy::Rebook.into();
    }
    snapshot!(told(&api.create(bad).await.unwrap_err()), @r"
    InvalidArgument INVALID_DISRUPTION: scope: name at least one event, trip or carrier: dates, sections and sales channels only narrow them (and 3 more)
    scope: name at least one event, trip or carrier: dates, sections and sales channels only narrow them
    change.new_start_time: expected a time to come
    terms.choose_until: expected a time to come
    terms.default_remedy: expected one of the remedies offered
    ");
    let mut strange = cancellation();
    strange.change = Some(pb::DisruptionChange { delay_minutes: 5, ..Default::default() });
    snapshot!(told(&api.create(strange).await.unwrap_err()), @r"
    InvalidArgument INVALID_FIELD: change.delay_minutes: is for the kind DELAYED only
    change.delay_minutes: is for the kind DELAYED only
    ");
    let nowhere = pb::CreateDisruptionRequest {
        event: String::new(),
        scope: Some(pb::DisruptionScope { carriers: vec!["XX".to_owned()], ..Default::default() }),
        ..cancellation()
    };
    assert_eq!(api.create(nowhere).await.unwrap_err().code(), tonic::Code::NotFound);
}

async fn another_tenants_disruption_does_not_exist(api: Api) {
    let draft = api.create(cancellation()).await.unwrap();
    let request = pb::PauseDisruptionRequest {
        name: draft.name.clone(),
        request_id: api.request_id(),
        ..Default::default()
    };
    let theirs = api.disruptions("other").pause_disruption(request).await.unwrap_err();
    assert_eq!(theirs.code(), tonic::Code::NotFound);
}
