//! Health and reflection.

use redress_runtime::config::Settings;
use tonic::{Code, Request};
use tonic_health::pb::HealthCheckRequest;
use tonic_health::pb::health_check_response::ServingStatus;
use tonic_health::pb::health_client::HealthClient;
use tonic_reflection::pb::{v1, v1alpha};

use crate::support::{World, soon};

const TENANTS: &str = "redress.common.v1.TenantService";

fn one<T: Send + 'static>(message: T) -> impl futures::Stream<Item = T> + Send + 'static {
    futures::stream::once(std::future::ready(message))
}

#[tokio::test]
async fn health_is_reported_for_the_server_and_each_interface_without_a_token() {
    let world = World::start(|_| {}).await;
    let mut health = HealthClient::new(world.channel().await);
    for service in ["", TENANTS] {
        let request = HealthCheckRequest { service: service.to_owned() };
        let status = soon(health.check(request)).await.unwrap().into_inner().status();
        assert_eq!(status, ServingStatus::Serving, "{service:?}");
    }
    let unknown = HealthCheckRequest { service: "redress.Nothing".to_owned() };
    assert_eq!(soon(health.check(unknown)).await.unwrap_err().code(), Code::NotFound);
}

#[tokio::test]
async fn reflection_version_1_lists_what_is_served_and_gives_its_files() {
    use v1::server_reflection_request::MessageRequest;
    use v1::server_reflection_response::MessageResponse;
    let world = World::start(|_| {}).await;
    let mut client =
        v1::server_reflection_client::ServerReflectionClient::new(world.channel().await);
    let mut ask = async |message_request| {
        let request = v1::ServerReflectionRequest {
            host: String::new(),
            message_request: Some(message_request),
        };
        let mut answers =
            soon(client.server_reflection_info(one(request))).await.unwrap().into_inner();
        soon(answers.message()).await.unwrap().unwrap().message_response.unwrap()
    };
    let MessageResponse::ListServicesResponse(list) =
        ask(MessageRequest::ListServices(String::new())).await
    else {
        panic!("not a list")
    };
    let mut names: Vec<String> = list.service.into_iter().map(|service| service.name).collect();
    names.sort();
    assert_eq!(
        names,
        [
            "grpc.health.v1.Health",
            "grpc.reflection.v1.ServerReflection",
            "grpc.reflection.v1alpha.ServerReflection",
            TENANTS,
        ]
    );
    for name in names {
        let MessageResponse::FileDescriptorResponse(files) =
            ask(MessageRequest::FileContainingSymbol(name.clone())).await
        else {
            panic!("{name} has no file")
        };
        assert!(!files.file_descriptor_proto.is_empty(), "{name}");
    }
}

async fn ask_v1alpha(world: &World) -> Result<usize, Code> {
    use v1alpha::server_reflection_request::MessageRequest;
    use v1alpha::server_reflection_response::MessageResponse;
    let mut client =
        v1alpha::server_reflection_client::ServerReflectionClient::new(world.channel().await);
    let request = v1alpha::ServerReflectionRequest {
        host: String::new(),
        message_request: Some(MessageRequest::ListServices(String::new())),
    };
    let answers = soon(client.server_reflection_info(Request::new(one(request)))).await;
    let mut answers = answers.map_err(|status| status.code())?.into_inner();
    let answer = soon(answers.message()).await.map_err(|status| status.code())?;
    match answer.unwrap().message_response.unwrap() {
        MessageResponse::ListServicesResponse(list) => Ok(list.service.len()),
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn reflection_version_1alpha_answers_too() {
    let world = World::start(|_| {}).await;
    assert_eq!(ask_v1alpha(&world).await, Ok(4));
}

#[tokio::test]
async fn reflection_that_is_off_is_not_there() {
    let off = |settings: &mut Settings| settings.server.reflection = Some(false);
    let world = World::start(off).await;
    assert_eq!(ask_v1alpha(&world).await, Err(Code::Unimplemented));
}
