//! `TenantService`, as every service has it.

use redress_proto::common::v1::{ApplyTenantRequest, GetTenantRequest, Tenant};
use tonic::Code;

use crate::support::{Api, open_api};

redress_testkit::conformance! {
    open = open_api;
    a_tenant_is_applied_and_only_seen_by_itself,
}

async fn a_tenant_is_applied_and_only_seen_by_itself(api: Api) {
    let tenant = Tenant {
        name: "tenants/arena".to_owned(),
        display_name: "Arena".to_owned(),
        locales: vec!["de".to_owned()],
        time_zone: "Europe/Berlin".to_owned(),
        sender_email: "tickets@arena.example".to_owned(),
        support_url: "https://arena.example/help".to_owned(),
        default_policy: "policies/standard".to_owned(),
        approval_limits: Vec::new(),
        policies: Vec::new(),
        version: 0,
    };
    let request = ApplyTenantRequest { tenant: Some(tenant.clone()) };
    let applied = api.tenants("arena").apply_tenant(request).await.unwrap().into_inner();
    assert_eq!(applied, Tenant { version: 1, ..tenant });
    let ask = GetTenantRequest { name: "tenants/arena".to_owned() };
    let read = api.tenants("arena").get_tenant(ask.clone()).await.unwrap().into_inner();
    assert_eq!(read, applied);
    let refused = api.tenants("other").get_tenant(ask).await.unwrap_err();
    assert_eq!(refused.code(), Code::NotFound);
}
