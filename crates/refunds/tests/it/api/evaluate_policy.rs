//! `PolicyService.EvaluatePolicy` and `ListPolicyPacks`, and quotes under a law: compensation,
//! languages, cases for a person.

use std::collections::BTreeMap;

use redress_api::time;
use redress_calendar::parse_instant;
use redress_proto::common::v1::Money;
use redress_proto::refunds::v1 as pb;
use redress_proto::refunds::v1::evaluate_policy_response::Outcome;
use redress_proto::refunds::v1::evaluated_fact::State;

use super::deeds::REQUEST_ID;
use super::support::{Api, euros, open_empty, order, policy, told};

redress_testkit::conformance! {
    open = open_empty;
    a_law_answers_with_article_facts_and_clock,
    what_is_missing_is_listed_with_its_question_in_the_language_asked_for,
    a_case_for_a_person_is_said_to_be_one,
    what_a_law_is_not_about_is_unsupported,
    a_document_that_would_change_the_answer_is_named,
    a_policy_of_the_tenant_and_a_file_can_be_asked_too,
    a_question_without_rules_or_with_two_is_refused,
    facts_that_do_not_fit_are_refused_by_name,
    a_pack_that_does_not_exist_is_not_found,
    packs_are_listed_page_by_page,
    a_quote_under_a_law_shows_what_is_owed_besides,
    a_quote_that_a_person_has_to_decide_is_refused_with_the_reason,
    terms_that_give_less_than_the_law_they_promise_are_refused,
}

fn at(text: &str) -> prost_types::Timestamp {
    time::to_proto(parse_instant(text).unwrap())
}

fn facts(told: &[(&str, &str)]) -> BTreeMap<String, String> {
    told.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
}

/// Madrid to Frankfurt for 120.00, late.
fn late(told: &[(&str, &str)]) -> pb::EvaluatePolicyRequest {
    pb::EvaluatePolicyRequest {
        pack: "eu-air-261".to_owned(),
        price: euros(12_000),
        start_time: Some(at("2026-05-04T08:00:00Z")),
        time_zone: "Europe/Madrid".to_owned(),
        line_kind: "FLIGHT_LEG".to_owned(),
        request_time: Some(at("2026-05-10T12:00:00Z")),
        override_code: pb::OverrideCode::JourneyDelayed.into(),
        facts: facts(told),
        ..pb::EvaluatePolicyRequest::default()
    }
}

const THREE_HOURS: [(&str, &str); 4] = [
    ("refund_chosen", "false"),
    ("distance_km", "1422"),
    ("intra_eu", "true"),
    ("arrival_delay", "3:00:00"),
];

async fn answer(api: &Api, ask: pb::EvaluatePolicyRequest) -> pb::EvaluatePolicyResponse {
    api.policies("arena").evaluate_policy(ask).await.unwrap().into_inner()
}

async fn refused(api: &Api, ask: pb::EvaluatePolicyRequest) -> String {
    told(&api.policies("arena").evaluate_policy(ask).await.unwrap_err())
}

fn states(found: &pb::EvaluatePolicyResponse) -> Vec<(&str, State, &str)> {
    found.facts.iter().map(|fact| (fact.name.as_str(), fact.state(), fact.value.as_str())).collect()
}

async fn a_law_answers_with_article_facts_and_clock(api: Api) {
    let found = answer(&api, late(&THREE_HOURS)).await;
    assert_eq!(found.outcome(), Outcome::Eligible);
    assert_eq!((found.fee.clone(), found.refund.clone()), (euros(12_000), euros(0)));
    let owed = found.compensation.as_ref().unwrap();
    assert_eq!((owed.amount.clone(), owed.rule.as_str()), (euros(25_000), "short"));
    assert!(owed.citation.as_ref().unwrap().title.ends_with("Art. 7(1)(a)"));
    assert_eq!(
        states(&found),
        [
            ("arrival_delay", State::Used, "3:00:00"),
            ("distance_km", State::Used, "1422"),
            ("extraordinary", State::Assumed, "false"),
            ("intra_eu", State::Used, "true"),
            ("refund_chosen", State::Used, "false"),
        ]
    );
    let assumed = found.facts.iter().find(|fact| fact.name == "extraordinary").unwrap();
    assert!(assumed.because.starts_with("Art. 5(3)"), "{assumed:?}");
    assert_eq!(found.legal_deadline_time, Some(at("2026-05-17T12:00:00Z")));
    assert!(found.explanation.iter().any(|s| s.contains("Art. 7(1)(a)")), "{found:?}");
    let late_by_less = [&THREE_HOURS[..3], &[("arrival_delay", "2:59:59")]].concat();
    let nothing = answer(&api, late(&late_by_less)).await;
    assert_eq!((nothing.outcome(), nothing.compensation), (Outcome::NotEligible, None));
}

async fn what_is_missing_is_listed_with_its_question_in_the_language_asked_for(api: Api) {
    for (language, word) in [("zh", "公里"), ("ru", "километров"), ("de-AT", "Kilometer")]
    {
        let mut ask = late(&THREE_HOURS[..1]);
        ask.language_code = language.to_owned();
        let found = answer(&api, ask).await;
        assert_eq!(found.outcome(), Outcome::NeedsFacts);
        let missing = found.facts.iter().filter(|fact| fact.state() == State::Missing);
        let questions: Vec<_> = missing.map(|fact| fact.question.as_str()).collect();
        assert!(questions.iter().any(|question| question.contains(word)), "{questions:?}");
        assert_eq!(found.refund, None);
    }
    let mut ask = late(&THREE_HOURS);
    ask.language_code = "fr".to_owned();
    snapshot!(refused(&api, ask).await, @r"
    InvalidArgument INVALID_FIELD: language_code: is none of the languages of explanations: de, en, ru, zh
    language_code: is none of the languages of explanations: de, en, ru, zh
    ");
}

async fn a_case_for_a_person_is_said_to_be_one(api: Api) {
    let near = [&THREE_HOURS[..1], &[("distance_km", "1503")], &THREE_HOURS[2..]].concat();
    let found = answer(&api, late(&near)).await;
    assert_eq!(found.outcome(), Outcome::ManualReview);
    assert_eq!(found.rule, "distance-near-a-boundary");
    assert!(found.explanation[0].contains("half a percent"), "{found:?}");
}

async fn what_a_law_is_not_about_is_unsupported(api: Api) {
    let mut ask = late(&THREE_HOURS);
    ask.line_kind = "TICKET".to_owned();
    let found = answer(&api, ask).await;
    assert_eq!(
        (found.outcome(), found.refused.as_str()),
        (Outcome::Unsupported, "KIND_NOT_COVERED")
    );
    let mut ask = late(&THREE_HOURS);
    ask.override_code = pb::OverrideCode::Death.into();
    assert_eq!(answer(&api, ask).await.refused, "OVERRIDE_NOT_OFFERED");
}

async fn a_document_that_would_change_the_answer_is_named(api: Api) {
    let ask = pb::EvaluatePolicyRequest {
        pack: "ru-culture-52.1".to_owned(),
        price: Some(Money { currency_code: "RUB".to_owned(), minor_units: 300_000 }),
        start_time: Some(at("2026-12-20T16:00:00Z")),
        time_zone: "Europe/Moscow".to_owned(),
        request_time: Some(at("2026-12-18T10:00:00Z")),
        language_code: "ru".to_owned(),
        ..pb::EvaluatePolicyRequest::default()
    };
    let found = answer(&api, ask).await;
    assert_eq!(found.outcome(), Outcome::NotEligible);
    let ill = found
        .improvements
        .iter()
        .find(|better| better.override_code() == pb::OverrideCode::Illness)
        .unwrap();
    assert!(!ill.evidence_kinds.is_empty() && !ill.description.is_empty(), "{ill:?}");
    assert_eq!(ill.refund.as_ref().map(|refund| refund.minor_units), Some(300_000));
}

async fn a_policy_of_the_tenant_and_a_file_can_be_asked_too(api: Api) {
    api.apply_policy(policy()).await;
    let mut ask = pb::EvaluatePolicyRequest {
        pack: String::new(),
        policy: "policies/standard".to_owned(),
        override_code: 0,
        request_time: Some(at("2026-05-01T07:59:59Z")),
        line_kind: String::new(),
        ..late(&[])
    };
    let found = answer(&api, ask.clone()).await;
    assert_eq!((found.rule.as_str(), found.outcome()), ("early", Outcome::Eligible));
    ask.policy = String::new();
    ask.source = "id = \"draft\"\ndisplay_name = \"Draft\"\neffective = 2026-01-01T00:00:00Z\n\
                  pay_within = \"14 days\"\ncitation = { title = \"Terms\" }\n[[tiers]]\n\
                  rule = \"any\"\nnotice_hours = 0\nfee_basis_points = 2500\n"
        .to_owned();
    let found = answer(&api, ask).await;
    assert_eq!((found.rule.as_str(), found.refund), ("any", euros(9_000)));
}

async fn a_question_without_rules_or_with_two_is_refused(api: Api) {
    let without = pb::EvaluatePolicyRequest { pack: String::new(), ..late(&[]) };
    snapshot!(refused(&api, without).await, @r"
    InvalidArgument INVALID_FIELD: policy: give one of policy, pack and source
    policy: give one of policy, pack and source
    ");
    let two = pb::EvaluatePolicyRequest { policy: "policies/standard".to_owned(), ..late(&[]) };
    assert!(refused(&api, two).await.contains("give one of policy, pack and source"));
    let bad =
        pb::EvaluatePolicyRequest { pack: String::new(), source: "id = 3".to_owned(), ..late(&[]) };
    assert!(refused(&api, bad).await.contains("source: line 1"));
}

async fn facts_that_do_not_fit_are_refused_by_name(api: Api) {
    let ask = late(&[("distance_km", "far"), ("weather", "rain")]);
    snapshot!(refused(&api, ask).await, @r#"
    InvalidArgument INVALID_FIELD: facts["distance_km"]: expected a value of type int (and 1 more)
    facts["distance_km"]: expected a value of type int
    facts["weather"]: is no fact of this policy
    "#);
    let mut nowhere = late(&THREE_HOURS);
    nowhere.time_zone = "Berlin".to_owned();
    assert_eq!(answer(&api, nowhere).await.refused, "NO_LOCAL_TIME");
}

async fn a_pack_that_does_not_exist_is_not_found(api: Api) {
    let ask = pb::EvaluatePolicyRequest { pack: "mars-air".to_owned(), ..late(&[]) };
    assert!(refused(&api, ask).await.starts_with("NotFound RESOURCE_NOT_FOUND"));
}

async fn packs_are_listed_page_by_page(api: Api) {
    let mut ids = Vec::new();
    let mut page_token = String::new();
    loop {
        let request = pb::ListPolicyPacksRequest { page_size: 10, page_token };
        let page = api.policies("arena").list_policy_packs(request).await.unwrap().into_inner();
        assert!(page.packs.len() <= 10);
        ids.extend(page.packs.into_iter().map(|pack| pack.pack));
        page_token = page.next_page_token;
        if page_token.is_empty() {
            break;
        }
    }
    let all: Vec<_> = redress_policy::Pack::all().iter().map(|pack| pack.id).collect();
    assert_eq!(ids, all);
}

/// A tenant that sells under the law, and an order `A1` of two seats on one flight.
async fn sell_flights(api: &Api) {
    api.apply_tenant("arena").await;
    let source = redress_policy::Pack::find("eu-air-261").unwrap().source.to_owned();
    let name = "policies/eu-air-261".to_owned();
    api.apply_policy(pb::Policy { name: name.clone(), source, ..pb::Policy::default() }).await;
    let mut bought = order("A1");
    bought.policy = name;
    for line in &mut bought.lines {
        if line.kind() != pb::order_line::Kind::Fee {
            line.kind = pb::order_line::Kind::FlightLeg.into();
        }
    }
    api.import(vec![bought]).await;
}

fn quote(told: &[(&str, pb::fact_value::Kind)]) -> pb::QuoteRefundRequest {
    let value = |kind: &pb::fact_value::Kind| pb::FactValue { kind: Some(kind.clone()) };
    pb::QuoteRefundRequest {
        order: "orders/A1".to_owned(),
        request_id: REQUEST_ID.to_owned(),
        override_code: pb::OverrideCode::BoardingDenied.into(),
        facts: told.iter().map(|(name, kind)| ((*name).to_owned(), value(kind))).collect(),
        language_code: "de".to_owned(),
        ..pb::QuoteRefundRequest::default()
    }
}

async fn a_quote_under_a_law_shows_what_is_owed_besides(api: Api) {
    use pb::fact_value::Kind;
    sell_flights(&api).await;
    let told = [
        ("refund_chosen", Kind::BoolValue(true)),
        ("distance_km", Kind::IntValue(1_422)),
        ("intra_eu", Kind::BoolValue(true)),
        ("rerouting_offered", Kind::BoolValue(true)),
        ("arrival_delay", Kind::DurationValue(prost_types::Duration { seconds: 7_201, nanos: 0 })),
    ];
    let quoted = api.refunds("arena").quote_refund(quote(&told)).await.unwrap().into_inner();
    let line = &quoted.lines[0];
    assert_eq!(line.rule, "refund-boarding-denied");
    let owed = line.compensation.as_ref().unwrap();
    let each = 25_000 * i64::from(line.quantity);
    assert_eq!(owed.amount, euros(each), "two hours and a second: not halved");
    assert!(line.explanation.iter().any(|step| step.contains("Ausgleichszahlung")), "{line:?}");
    let clock = quoted.legal_clock.unwrap();
    assert!(clock.law.unwrap().title.starts_with("Regulation (EC) No 261/2004"));
    let again = api.refunds("arena").quote_refund(quote(&told)).await.unwrap().into_inner();
    assert_eq!(again.lines, quoted.lines);
}

async fn a_quote_that_a_person_has_to_decide_is_refused_with_the_reason(api: Api) {
    use pb::fact_value::Kind;
    sell_flights(&api).await;
    let told = [
        ("refund_chosen", Kind::BoolValue(true)),
        ("distance_km", Kind::IntValue(1_503)),
        ("intra_eu", Kind::BoolValue(true)),
    ];
    let refused = api.refunds("arena").quote_refund(quote(&told)).await.unwrap_err();
    let text = self::told(&refused);
    assert!(text.starts_with("FailedPrecondition MANUAL_REVIEW"), "{text}");
    assert!(text.contains("rules = distance-near-a-boundary"), "{text}");
    assert!(text.contains("half a percent"), "{text}");
}

async fn terms_that_give_less_than_the_law_they_promise_are_refused(api: Api) {
    let source = "id = \"own\"\ndisplay_name = \"Own\"\neffective = 2026-01-01T00:00:00+03:00\n\
                  kinds = [\"TICKET\", \"SEAT\"]\npay_within = \"10 days\"\n\
                  at_least = [\"ru-culture-52.1\"]\ncitation = { title = \"Terms\" }\n\
                  [[tiers]]\nrule = \"any\"\nnotice_civil_days = 11\nrefund_basis_points = 10000\n"
        .to_owned();
    let name = "policies/own".to_owned();
    let request = pb::ApplyPolicyRequest {
        policy: Some(pb::Policy { name, source, ..pb::Policy::default() }),
    };
    let text = told(&api.policies("arena").apply_policy(request).await.unwrap_err());
    assert!(text.contains("at_least[0]: gives less than ru-culture-52.1"), "{text}");
    assert!(text.contains("Art. 52.1") && text.contains(" less"), "{text}");
}
