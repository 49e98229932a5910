//! Who may call what: every method of the contracts, with every role.

use redress::cli::ServiceName;
use redress_core::caller::Role;
use redress_sandbox::SandboxConfig;
use redress_testkit::Backend;
use tonic::Code;

use crate::harness::dynamic::{self, connect, methods};
use crate::harness::stage::Stage;
use crate::harness::{ARENA, tokens};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_method_takes_the_roles_of_its_access_rule_and_no_other_caller() {
    let Some(stage) = Stage::set(Backend::Sqlite, SandboxConfig::default()).await else { return };
    let mut wrong = Vec::new();
    for host in ServiceName::ALL {
        let channel = connect(stage.address(host)).await;
        for method in methods().iter().filter(|method| method.hosts().contains(&host)) {
            let name = method.name();
            assert!(!method.roles.is_empty(), "{name} can be called by nobody");
            let mut expect = |who: &str, expected: &[Code], got: Code| {
                if !expected.contains(&got) {
                    wrong.push(format!("{}: {name} by {who}: {got:?}", host.as_str()));
                }
            };
            let refused = method.call(&channel, None, Vec::new()).await.unwrap_err();
            expect("nobody", &[Code::Unauthenticated], refused.code());
            let expired = tokens::expired(&stage.home, ARENA);
            let refused = method.call(&channel, Some(&expired), Vec::new()).await.unwrap_err();
            expect("a caller of yesterday", &[Code::Unauthenticated], refused.code());
            for role in Role::ALL {
                let token = tokens::of_role(&stage.home, host, ARENA, role);
                let answer = method.call(&channel, Some(&token), Vec::new()).await;
                let code = answer.map_or_else(|status| status.code(), |_| Code::Ok);
                // An empty request gets past the door and is found wanting behind it.
                let expected: &[Code] = if method.roles.contains(&role) {
                    &[Code::Ok, Code::InvalidArgument]
                } else {
                    &[Code::PermissionDenied]
                };
                expect(role.as_str(), expected, code);
            }
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
    stage.strike().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn events_are_delivered_with_a_services_own_credential_only() {
    let Some(stage) = Stage::set(Backend::Sqlite, SandboxConfig::default()).await else { return };
    let deliver: Vec<dynamic::Method> =
        methods().into_iter().filter(|method| method.name().ends_with("/Deliver")).collect();
    let [deliver] = deliver.as_slice() else { panic!("{deliver:?}") };
    assert_eq!(deliver.roles, [Role::Service]);
    let people: Vec<Role> = Role::ALL.into_iter().filter(|role| *role != Role::Service).collect();
    for host in deliver.hosts() {
        let channel = connect(stage.address(host)).await;
        let everybody = tokens::of_people(&stage.home, ARENA, &people);
        let refused = deliver.call(&channel, Some(&everybody), Vec::new()).await.unwrap_err();
        assert_eq!(refused.code(), Code::PermissionDenied, "{refused}");
        // The local key may not assert that it is a service.
        let pretended = tokens::pretended_service(&stage.home, ARENA);
        let refused = deliver.call(&channel, Some(&pretended), Vec::new()).await.unwrap_err();
        assert_eq!(refused.code(), Code::Unauthenticated, "{refused}");
    }
    stage.strike().await;
}
