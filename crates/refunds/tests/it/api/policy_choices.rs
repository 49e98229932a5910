//! Policies by what was bought and where it was sold: `TenantService.ApplyTenant`, and what imports
//! and quotes make of it.

use redress_proto::common::v1::{ApplyTenantRequest, GetTenantRequest, PolicyChoice, Tenant};
use redress_proto::refunds::v1 as pb;
use tonic::Status;

use super::support::{Api, euros, line, open_empty, order, policy, settings_of, told};

redress_testkit::conformance! {
    open = open_empty;
    an_import_picks_the_policy_by_kind_and_place,
    a_quote_picks_the_policy_of_an_order_that_has_none_yet,
    a_choice_that_its_policy_does_not_keep_is_refused,
    a_version_that_no_longer_promises_the_law_is_refused,
}

const LAW: &str = "ru-culture-52.1";

/// Terms that give everything back, and so no less than the law that they promise.
const THEATRE: &str = r#"id = "theatre"
display_name = "Theatre"
effective = 2026-01-01T00:00:00+03:00
pay_within_days = 10
at_least = ["ru-culture-52.1"]
tiers = [{ rule = "always", notice_hours = 0, refund_basis_points = 10000 }]
citation = { title = "Terms of sale" }

[[overrides]]
code = "EVENT_CANCELLED"
rule = "cancelled"
[[overrides]]
code = "EVENT_POSTPONED"
rule = "postponed"
[[overrides]]
code = "EVENT_MOVED"
rule = "moved"
[[overrides]]
code = "NOT_AS_DESCRIBED"
rule = "replaced"
[[overrides]]
code = "ILLNESS"
rule = "illness"
[[overrides]]
code = "DEATH"
rule = "death"
[[compensations]]
codes = ["EVENT_CANCELLED", "EVENT_POSTPONED", "EVENT_MOVED", "NOT_AS_DESCRIBED"]
rule = "losses"
claim = true
"#;

fn theatre(source: &str) -> pb::Policy {
    pb::Policy {
        name: "policies/theatre".to_owned(),
        source: source.to_owned(),
        ..pb::Policy::default()
    }
}

fn named(name: &str) -> pb::Policy {
    pb::Policy { name: format!("policies/{name}"), ..policy() }
}

fn choice(kinds: &[&str], places: &[&str], policy: &str, law: &str) -> PolicyChoice {
    let owned = |words: &[&str]| words.iter().map(|word| (*word).to_owned()).collect();
    PolicyChoice {
        kinds: owned(kinds),
        places_of_sale: owned(places),
        policy: format!("policies/{policy}"),
        law: law.to_owned(),
    }
}

async fn apply(api: &Api, policies: Vec<PolicyChoice>) -> Result<Tenant, Status> {
    let tenant = Some(Tenant { policies, ..settings_of("arena") });
    let applied = api.tenants("arena").apply_tenant(ApplyTenantRequest { tenant }).await;
    applied.map(tonic::Response::into_inner)
}

fn sold(id: &str, place_of_sale: &str) -> pb::Order {
    pb::Order { place_of_sale: place_of_sale.to_owned(), ..order(id) }
}

async fn pinned(api: &Api, id: &str) -> (String, i64) {
    let request = pb::GetOrderRequest { name: format!("orders/{id}") };
    let order = api.orders("arena").get_order(request).await.unwrap().into_inner();
    (order.policy, order.policy_version)
}

async fn an_import_picks_the_policy_by_kind_and_place(api: Api) {
    api.apply_policy(theatre(THEATRE)).await;
    for name in ["standard", "rail", "flex"] {
        api.apply_policy(named(name)).await;
    }
    let choices = vec![
        choice(&["TICKET", "SEAT"], &["RU"], "theatre", LAW),
        choice(&["RAIL_LEG"], &[], "rail", ""),
    ];
    let applied = apply(&api, choices.clone()).await.unwrap();
    assert_eq!(applied.policies, choices);
    let request = GetTenantRequest { name: "tenants/arena".to_owned() };
    let read = api.tenants("arena").get_tenant(request).await.unwrap().into_inner();
    assert_eq!(read, applied);

    let mut train = sold("A4", "");
    train.lines = vec![line("l1", pb::order_line::Kind::RailLeg, 5390)];
    let mut mixed = sold("A5", "RU");
    mixed.lines[1].kind = pb::order_line::Kind::RailLeg.into();
    let own = pb::Order { policy: "policies/flex".to_owned(), ..sold("A6", "RU") };
    let chunk = vec![sold("A1", "RU-MOW"), sold("A2", "DE"), sold("A3", ""), train, mixed, own];
    assert_eq!(api.import(chunk).await.created, 6);
    for (id, policy) in [
        ("A1", "theatre"),
        ("A2", "standard"),
        ("A3", "standard"),
        ("A4", "rail"),
        ("A5", "standard"),
        ("A6", "flex"),
    ] {
        assert_eq!(pinned(&api, id).await, (format!("policies/{policy}"), 1), "{id}");
    }
}

async fn a_quote_picks_the_policy_of_an_order_that_has_none_yet(api: Api) {
    api.import(vec![sold("A1", "RU")]).await;
    assert_eq!(pinned(&api, "A1").await, (String::new(), 0));
    api.apply_policy(named("standard")).await;
    api.apply_policy(theatre(THEATRE)).await;
    apply(&api, vec![choice(&["TICKET"], &["RU"], "theatre", LAW)]).await.unwrap();
    let quote = api.quote(&[]).await;
    assert_eq!((quote.policy.as_str(), quote.policy_version), ("policies/theatre", 1));
    assert_eq!(quote.total, euros(5000));
    assert_eq!(pinned(&api, "A1").await, ("policies/theatre".to_owned(), 1));
}

async fn a_choice_that_its_policy_does_not_keep_is_refused(api: Api) {
    api.apply_policy(named("standard")).await;
    let refused = apply(
        &api,
        vec![
            choice(&[], &["RU"], "theatre", LAW),
            choice(&[], &["RU"], "standard", LAW),
            choice(&[], &["RU"], "standard", "ru-theatre"),
            choice(&[], &["GB"], "standard", "uk-star"),
            choice(&[], &["US"], "standard", "us-ticket-act"),
            choice(&[], &["US"], "standard", ""),
        ],
    );
    snapshot!(told(&refused.await.unwrap_err()), @r"
    InvalidArgument INVALID_FIELD: tenant.policies[0].law: nobody knows whether policies/theatre promises ru-culture-52.1, as it has no version yet: apply the policy first (and 4 more)
    tenant.policies[0].law: nobody knows whether policies/theatre promises ru-culture-52.1, as it has no version yet: apply the policy first
    tenant.policies[1].law: version 1 of policies/standard does not promise ru-culture-52.1: apply a version that lists it in at_least
    tenant.policies[2].law: ru-theatre is no law that comes with Redress; `redress policy packs` lists them
    tenant.policies[3].law: uk-star is no law but terms: name a mandatory law, or leave it out for none
    tenant.policies[4].law: us-ticket-act is disabled and not in force: leave it out until it is active
    ");
    let request = GetTenantRequest { name: "tenants/arena".to_owned() };
    api.tenants("arena").get_tenant(request).await.unwrap_err();
    let stored = api.apply_policy(theatre(THEATRE)).await;
    assert_eq!(stored.version, 1);
    apply(&api, vec![choice(&[], &["RU"], "theatre", LAW)]).await.unwrap();
}

async fn a_version_that_no_longer_promises_the_law_is_refused(api: Api) {
    api.apply_policy(theatre(THEATRE)).await;
    apply(&api, vec![choice(&["TICKET"], &["RU"], "theatre", LAW)]).await.unwrap();
    let silent = THEATRE.replace("at_least = [\"ru-culture-52.1\"]\n", "");
    let request = pb::ApplyPolicyRequest { policy: Some(theatre(&silent)) };
    let refused = api.policies("arena").apply_policy(request.clone()).await.unwrap_err();
    snapshot!(told(&refused), @r#"
    FailedPrecondition LAW_NOT_PROMISED: the tenant's settings hold policies/theatre to ru-culture-52.1: list that in at_least, or change the settings first
    laws = ru-culture-52.1
    policy = policies/theatre
    policy.source: must list "ru-culture-52.1" in at_least
    "#);
    let renamed = THEATRE.replace("\"Theatre\"", "\"The theatre\"");
    assert_eq!(api.apply_policy(theatre(&renamed)).await.version, 2, "it still promises it");
    // Of another tenant nobody asks it, and of this one no longer when the choice is gone.
    let theirs = api.policies("other").apply_policy(request.clone()).await.unwrap().into_inner();
    assert_eq!(theirs.version, 1);
    apply(&api, Vec::new()).await.unwrap();
    assert_eq!(api.policies("arena").apply_policy(request).await.unwrap().into_inner().version, 3);
}
