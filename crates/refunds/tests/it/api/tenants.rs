//! `TenantService`.

use redress_proto::common::v1::{ApplyTenantRequest, GetTenantRequest, Tenant};

use super::support::{Api, open_empty, settings_of, told};

redress_testkit::conformance! {
    open = open_empty;
    a_tenant_is_applied_and_read_by_itself_only,
}

async fn a_tenant_is_applied_and_read_by_itself_only(api: Api) {
    let get = async |tenant| {
        let request = GetTenantRequest { name: "tenants/arena".to_owned() };
        api.tenants(tenant).get_tenant(request).await.map(tonic::Response::into_inner)
    };
    let before = told(&get("arena").await.unwrap_err());
    snapshot!(before, @r"
    NotFound RESOURCE_NOT_FOUND: tenants/arena not found
    name = tenants/arena
    ");
    api.apply_tenant("arena").await;
    assert_eq!(get("arena").await.unwrap(), Tenant { version: 1, ..settings_of("arena") });
    assert_eq!(told(&get("other").await.unwrap_err()), before);
    let request = ApplyTenantRequest { tenant: Some(settings_of("arena")) };
    let refused = api.tenants("other").apply_tenant(request).await.unwrap_err();
    assert_eq!(told(&refused), before);
}
