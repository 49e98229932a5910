//! `PolicyService`.

use redress_proto::refunds::v1 as pb;

use super::support::{Api, open_empty, policy, told};

redress_testkit::conformance! {
    open = open_empty;
    each_change_is_a_version_and_the_newest_is_read,
    the_same_rules_again_change_nothing,
    contradictory_tiers_are_refused_all_at_once,
    a_malformed_policy_is_refused,
    a_missing_policy_and_another_tenants_look_the_same,
    pages_list_the_newest_version_of_each,
}

fn named(name: &str) -> pb::Policy {
    pb::Policy { name: format!("policies/{name}"), ..policy() }
}

async fn refused(api: &Api, policy: pb::Policy) -> String {
    let request = pb::ApplyPolicyRequest { policy: Some(policy) };
    told(&api.policies("arena").apply_policy(request).await.unwrap_err())
}

async fn each_change_is_a_version_and_the_newest_is_read(api: Api) {
    assert_eq!(api.apply_policy(policy()).await, pb::Policy { version: 1, ..policy() });
    let kinder = pb::Policy { refunds_fees: true, ..policy() };
    let second = api.apply_policy(kinder.clone()).await;
    assert_eq!(second, pb::Policy { version: 2, ..kinder });
    let request = pb::GetPolicyRequest { name: "policies/standard".to_owned() };
    assert_eq!(api.policies("arena").get_policy(request).await.unwrap().into_inner(), second);
}

async fn the_same_rules_again_change_nothing(api: Api) {
    api.apply_policy(policy()).await;
    let again = pb::Policy { version: 7, ..policy() };
    assert_eq!(api.apply_policy(again).await.version, 1, "the version sent is ignored");
}

async fn contradictory_tiers_are_refused_all_at_once(api: Api) {
    let mut bad = policy();
    bad.tiers[1].notice_hours = 100;
    bad.tiers[1].fee_basis_points = 500;
    bad.tiers[1].rule = "early".to_owned();
    snapshot!(refused(&api, bad).await, @r"
    InvalidArgument CONTRADICTORY_TIERS: policy.tiers[1].rule: is used by an earlier rule (and 2 more)
    policy.tiers[1].rule: is used by an earlier rule
    policy.tiers[1].notice_hours: can never apply: tier early comes before it and applies whenever it would
    policy.tiers[1].fee_basis_points: must not cost less than tier early before it: less notice cannot cost less
    ");
}

async fn a_malformed_policy_is_refused(api: Api) {
    let mut bad = policy();
    bad.name = "standard".to_owned();
    bad.tiers[0].fee_basis_points = 10_001;
    bad.citation = None;
    bad.pay_within_days = 0;
    snapshot!(refused(&api, bad).await, @r"
    InvalidArgument INVALID_FIELD: policy.name: does not match regex pattern `^policies/[A-Za-z0-9._~-]{1,64}$` (and 1 more)
    policy.name: does not match regex pattern `^policies/[A-Za-z0-9._~-]{1,64}$`
    policy.tiers[0].fee_basis_points: value must be greater than or equal to 0 and less than or equal to 10000
    ");
    let mut incomplete = policy();
    incomplete.citation = None;
    incomplete.pay_within_days = 0;
    snapshot!(refused(&api, incomplete).await, @r"
    InvalidArgument INVALID_FIELD: policy.citation.title: value is required (and 1 more)
    policy.citation.title: value is required
    policy.pay_within_days: must be at least 1
    ");
    let nothing = pb::ApplyPolicyRequest { policy: None };
    let nothing = api.policies("arena").apply_policy(nothing).await.unwrap_err();
    snapshot!(told(&nothing), @r"
    InvalidArgument INVALID_FIELD: policy: value is required
    policy: value is required
    ");
}

async fn a_missing_policy_and_another_tenants_look_the_same(api: Api) {
    api.apply_policy(policy()).await;
    let missing = async |tenant, name: &str| {
        let request = pb::GetPolicyRequest { name: name.to_owned() };
        told(&api.policies(tenant).get_policy(request).await.unwrap_err())
    };
    let theirs = missing("other", "policies/standard").await;
    snapshot!(theirs, @r"
    NotFound RESOURCE_NOT_FOUND: policies/standard not found
    name = policies/standard
    ");
    assert_eq!(theirs, missing("arena", "policies/none").await.replace("none", "standard"));
}

async fn pages_list_the_newest_version_of_each(api: Api) {
    for name in ["b", "a", "c"] {
        api.apply_policy(named(name)).await;
    }
    api.apply_policy(pb::Policy { refunds_fees: true, ..named("b") }).await;
    let mut request = pb::ListPoliciesRequest { page_size: 2, ..Default::default() };
    let first = api.policies("arena").list_policies(request.clone()).await.unwrap().into_inner();
    let versions: Vec<_> = first.policies.iter().map(|p| (p.name.as_str(), p.version)).collect();
    assert_eq!(versions, [("policies/a", 1), ("policies/b", 2)]);
    request.page_token = first.next_page_token;
    let second = api.policies("arena").list_policies(request.clone()).await.unwrap().into_inner();
    assert_eq!(second.policies.len(), 1);
    assert_eq!(second.next_page_token, "");
    let stolen = api.policies("other").list_policies(request).await.unwrap_err();
    snapshot!(told(&stolen), @r"
    InvalidArgument INVALID_PAGE_TOKEN: page_token: belongs to a list with other arguments; keep them, or start with an empty token
    page_token: belongs to a list with other arguments; keep them, or start with an empty token
    ");
    let theirs = api.policies("other").list_policies(pb::ListPoliciesRequest::default()).await;
    assert_eq!(theirs.unwrap().into_inner().policies, []);
}
