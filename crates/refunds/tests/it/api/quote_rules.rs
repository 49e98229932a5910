//! `RefundService.QuoteRefund` under rules that ask: parts of lines, overrides, evidence and facts;
//! and `PolicyService.ApplyPolicy` with the file that such rules come in.

use redress_api::time;
use redress_proto::refunds::v1 as pb;
use tonic::Status;

use super::deeds::REQUEST_ID;
use super::support::{Api, euros, open_empty, order, told};

redress_testkit::conformance! {
    open = open_with_rules;
    so_many_units_of_a_line_are_priced,
    more_units_than_are_left_are_refused,
    a_line_in_whole_and_in_part_is_refused,
    an_override_with_its_evidence_decides,
    an_override_without_its_evidence_is_refused,
    an_override_that_the_rules_do_not_offer_is_refused,
    a_fact_that_is_missing_is_asked_for,
    a_fact_that_is_told_decides,
    a_fact_of_another_kind_is_refused,
    evidence_without_an_override_is_refused,
    a_file_is_stored_as_it_was_sent,
    a_bad_file_names_its_lines,
    a_file_under_another_name_is_refused,
}

const RULES: &str = r#"id = "standard"
display_name = "Rules that ask"
effective = 2025-12-01T00:00:00Z
pay_within_days = 14
refunds_fees = false

[citation]
title = "Terms of sale, section 7"

[[facts]]
name = "medical_certificate"
type = "bool"
question = "Is there a medical certificate?"

[[tiers]]
rule = "ill"
notice_hours = 0
kinds = ["SEAT"]
condition = "medical_certificate"
fee_basis_points = 1000

[[tiers]]
rule = "early"
notice_hours = 72
fee_basis_points = 1000

[[overrides]]
code = "DEATH"
rule = "mourning"
evidence = ["DEATH_CERTIFICATE"]
"#;

/// A tenant with those rules, and an order `A1` of four tickets at 10.00 and a seat at 20.00.
async fn open_with_rules(url: String) -> Api {
    let api = open_empty(url).await;
    api.apply_tenant("arena").await;
    api.apply_policy(file(RULES)).await;
    let mut bought = order("A1");
    bought.lines[0].quantity = 4;
    bought.lines[0].gross = euros(4000);
    bought.lines[1].kind = pb::order_line::Kind::Seat.into();
    bought.total = euros(6390);
    bought.payments[0].captured = euros(6390);
    api.import(vec![bought]).await;
    api
}

fn file(source: &str) -> pb::Policy {
    pb::Policy {
        name: "policies/standard".to_owned(),
        source: source.to_owned(),
        ..pb::Policy::default()
    }
}

fn request(line_ids: &[&str]) -> pb::QuoteRefundRequest {
    pb::QuoteRefundRequest {
        order: "orders/A1".to_owned(),
        line_ids: line_ids.iter().map(|id| (*id).to_owned()).collect(),
        request_id: REQUEST_ID.to_owned(),
        ..pb::QuoteRefundRequest::default()
    }
}

fn part(quantity: i32) -> Vec<pb::PartialLine> {
    vec![pb::PartialLine { line_id: "t1".to_owned(), quantity }]
}

fn certificate(value: pb::fact_value::Kind) -> pb::QuoteRefundRequest {
    let mut request = request(&["t2"]);
    let value = pb::FactValue { kind: Some(value) };
    request.facts.insert("medical_certificate".to_owned(), value);
    request
}

async fn quote(api: &Api, request: pb::QuoteRefundRequest) -> Result<pb::Quote, Status> {
    api.refunds("arena").quote_refund(request).await.map(tonic::Response::into_inner)
}

async fn refused(api: &Api, request: pb::QuoteRefundRequest) -> String {
    told(&quote(api, request).await.unwrap_err())
}

async fn so_many_units_of_a_line_are_priced(api: Api) {
    let ask = pb::QuoteRefundRequest { partial_lines: part(3), ..request(&[]) };
    let offer = quote(&api, ask).await.unwrap();
    let line = &offer.lines[0];
    assert_eq!((offer.lines.len(), line.quantity, &line.gross), (1, 3, &euros(3000)));
    assert_eq!(offer.total, euros(2700));
    api.accept(&offer).await;
    let request_id = api.request_id();
    let rest = pb::QuoteRefundRequest { request_id, ..request(&["t1"]) };
    let rest = quote(&api, rest).await.unwrap();
    assert_eq!((rest.lines[0].quantity, rest.total), (1, euros(900)), "one unit is left");
}

async fn more_units_than_are_left_are_refused(api: Api) {
    let ask = pb::QuoteRefundRequest { partial_lines: part(5), ..request(&[]) };
    snapshot!(refused(&api, ask).await, @r"
    InvalidArgument INVALID_FIELD: partial_lines: line t1 has 4 units left, 5 are asked for
    partial_lines: line t1 has 4 units left, 5 are asked for
    ");
}

async fn a_line_in_whole_and_in_part_is_refused(api: Api) {
    let ask = pb::QuoteRefundRequest { partial_lines: part(1), ..request(&["t1"]) };
    snapshot!(refused(&api, ask).await, @r"
    InvalidArgument INVALID_FIELD: partial_lines[0].line_id: stands in the list before
    partial_lines[0].line_id: stands in the list before
    ");
}

fn mourning(kind: &str) -> pb::QuoteRefundRequest {
    let evidence = pb::Evidence { kind: kind.to_owned(), reference: "scan-1".to_owned() };
    pb::QuoteRefundRequest {
        override_code: pb::OverrideCode::Death.into(),
        evidence: vec![evidence],
        ..request(&["t1"])
    }
}

async fn an_override_with_its_evidence_decides(api: Api) {
    let offer = quote(&api, mourning("DEATH_CERTIFICATE")).await.unwrap();
    assert_eq!((&*offer.lines[0].rule, &offer.total), ("mourning", &euros(4000)));
    assert_eq!(offer.override_code(), pb::OverrideCode::Death);
    let refund = api.accept(&offer).await;
    assert_eq!(refund.override_code(), pb::OverrideCode::Death);
    let stored = api.refund(&refund.name).await;
    assert_eq!(stored.decisions[0].details["evidence"], "DEATH_CERTIFICATE=scan-1");
}

async fn an_override_without_its_evidence_is_refused(api: Api) {
    snapshot!(refused(&api, mourning("LETTER")).await, @r"
    FailedPrecondition EVIDENCE_REQUIRED: orders/A1: the override needs evidence of the kinds DEATH_CERTIFICATE
    evidence = DEATH_CERTIFICATE
    order = orders/A1
    ");
}

async fn an_override_that_the_rules_do_not_offer_is_refused(api: Api) {
    let strike = pb::OverrideCode::Strike.into();
    let ask = pb::QuoteRefundRequest { override_code: strike, ..request(&["t1"]) };
    snapshot!(refused(&api, ask).await, @r"
    FailedPrecondition OVERRIDE_NOT_OFFERED: orders/A1: the policy has no override STRIKE; ask without it
    order = orders/A1
    override_code = STRIKE
    ");
}

async fn a_fact_that_is_missing_is_asked_for(api: Api) {
    snapshot!(refused(&api, request(&["t2"])).await, @r#"
    FailedPrecondition NEEDS_FACTS: orders/A1: the rules need to know more: medical_certificate
    facts = medical_certificate
    order = orders/A1
    facts["medical_certificate"].bool_value: Is there a medical certificate?
    "#);
}

async fn a_fact_that_is_told_decides(api: Api) {
    use pb::fact_value::Kind::BoolValue;
    let ill = quote(&api, certificate(BoolValue(true))).await.unwrap();
    assert_eq!((&*ill.lines[0].rule, ill.total), ("ill", euros(1800)));
    let request_id = api.request_id();
    let well = pb::QuoteRefundRequest { request_id, ..certificate(BoolValue(false)) };
    assert_eq!(quote(&api, well).await.unwrap().lines[0].rule, "early");
}

async fn a_fact_of_another_kind_is_refused(api: Api) {
    let told = refused(&api, certificate(pb::fact_value::Kind::IntValue(1))).await;
    snapshot!(told, @r"
    FailedPrecondition FACT_TYPE_MISMATCH: orders/A1: the fact medical_certificate is of type bool, not int
    expected = bool
    fact = medical_certificate
    given = int
    order = orders/A1
    ");
}

async fn evidence_without_an_override_is_refused(api: Api) {
    let ask = pb::QuoteRefundRequest { override_code: 0, ..mourning("DEATH_CERTIFICATE") };
    snapshot!(refused(&api, ask).await, @r"
    InvalidArgument INVALID_FIELD: evidence: belongs to an override_code, which is not set
    evidence: belongs to an override_code, which is not set
    ");
}

async fn a_file_is_stored_as_it_was_sent(api: Api) {
    let read = pb::GetPolicyRequest { name: "policies/standard".to_owned() };
    let stored = api.policies("arena").get_policy(read).await.unwrap().into_inner();
    assert_eq!((stored.version, &*stored.source, stored.pay_within_days), (1, RULES, 14));
    assert_eq!(stored.display_name, "Rules that ask");
    let effective = time::from_proto(stored.effective_time.as_ref().unwrap(), "").unwrap();
    assert_eq!(effective.0, 1_764_547_200_000_000, "the fields show what they can");
    assert_eq!(api.apply_policy(file(RULES)).await.version, 1, "the same file is no new version");
    let commented = format!("# reviewed\n{RULES}");
    let stored = api.apply_policy(file(&commented)).await;
    assert_eq!((stored.version, &*stored.source), (1, RULES), "and neither is a word about them");
}

async fn apply(api: &Api, policy: pb::Policy) -> String {
    let request = pb::ApplyPolicyRequest { policy: Some(policy) };
    told(&api.policies("arena").apply_policy(request).await.unwrap_err())
}

async fn a_bad_file_names_its_lines(api: Api) {
    let bad = RULES
        .replace("pay_within_days = 14", "pay_within_days = 0")
        .replace("condition = \"medical_certificate\"", "condition = \"certificate\"");
    snapshot!(apply(&api, file(&bad)).await, @r"
    InvalidArgument INVALID_FIELD: policy.source: line 4: pay_within_days: expected 1 to 365 days (and 1 more)
    policy.source: line 4: pay_within_days: expected 1 to 365 days
    policy.source: line 19: tiers[0].condition: names the unknown fact certificate; declare it in [[facts]], or use one of kind, event, place, channel, quantity, gross_minor_units, currency, whole_order, now, purchase, start, hours_before_start, days_before_start, hours_since_purchase, buyer_refunds
    ");
    let no_toml = apply(&api, file("id = ")).await;
    let place = "InvalidArgument INVALID_FIELD: policy.source: line 1: the file: ";
    assert!(no_toml.starts_with(place), "{no_toml}");
}

async fn a_file_under_another_name_is_refused(api: Api) {
    let other = pb::Policy { name: "policies/other".to_owned(), ..file(RULES) };
    snapshot!(apply(&api, other).await, @r"
    InvalidArgument INVALID_FIELD: policy.name: differs from the id in source, policies/standard
    policy.name: differs from the id in source, policies/standard
    ");
}
