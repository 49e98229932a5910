//! gRPC-Web over HTTP/1, as a browser speaks it, and HTTP/1 that is not.

use std::time::Duration;

use prost::Message;
use redress_core::caller::Role;
use redress_proto::common::v1::{GetTenantRequest, Tenant};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::support::{World, soon};

/// Sends `head` and `body` on a connection of their own and returns all that comes back.
async fn exchange(world: &World, head: &str, body: &[u8]) -> Vec<u8> {
    let mut stream = TcpStream::connect(world.addr).await.unwrap();
    let head = format!("{head}content-length: {}\r\nconnection: close\r\n\r\n", body.len());
    stream.write_all(head.as_bytes()).await.unwrap();
    stream.write_all(body).await.unwrap();
    let mut answer = Vec::new();
    soon(stream.read_to_end(&mut answer)).await.unwrap();
    answer
}

fn web_head(token: &str) -> String {
    format!(
        "POST /redress.common.v1.TenantService/GetTenant HTTP/1.1\r\nhost: localhost\r\n\
         content-type: application/grpc-web+proto\r\nx-grpc-web: 1\r\n\
         authorization: Bearer {token}\r\n"
    )
}

fn framed(message: &[u8]) -> Vec<u8> {
    let mut frame = vec![0];
    frame.extend(u32::try_from(message.len()).unwrap().to_be_bytes());
    frame.extend(message);
    frame
}

fn contains(haystack: &[u8], needle: &[u8]) -> bool {
    haystack.windows(needle.len()).any(|window| window == needle)
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

#[tokio::test]
async fn a_browser_gets_its_answer_and_its_trailers_in_the_body() {
    let world = World::start(|_| {}).await;
    let token = world.token(Role::Platform, Duration::ZERO);
    let request = GetTenantRequest { name: "tenants/arena".to_owned() }.encode_to_vec();
    let answer = exchange(&world, &web_head(&token), &framed(&request)).await;
    let shown = text(&answer);
    assert!(shown.starts_with("HTTP/1.1 200"), "{shown}");
    assert!(shown.contains("application/grpc-web+proto"), "{shown}");
    assert!(contains(&answer, b"grpc-status:0"), "{shown}");
    let name = Tenant { name: "tenants/arena".to_owned(), ..Tenant::default() }.encode_to_vec();
    assert!(contains(&answer, &name), "{shown}");
}

#[tokio::test]
async fn a_browser_without_a_token_is_told_in_its_own_protocol() {
    let world = World::start(|_| {}).await;
    let answer = text(&exchange(&world, &web_head("nonsense"), &framed(&[])).await);
    assert!(answer.contains("grpc-status: 16"), "{answer}");
    assert!(answer.contains("content-type: application/grpc-web"), "{answer}");
}

#[tokio::test]
async fn bytes_that_are_no_message_are_the_callers_mistake() {
    let world = World::start(|_| {}).await;
    let token = world.token(Role::Platform, Duration::ZERO);
    let answer = text(&exchange(&world, &web_head(&token), &framed(&[0xff; 9])).await);
    assert!(answer.contains("grpc-status: 3"), "{answer}");
    assert_eq!(world.directory.calls(), 0);
}

#[tokio::test]
async fn http1_that_is_not_grpc_web_is_a_bad_request() {
    let world = World::start(|_| {}).await;
    let answer = text(&exchange(&world, "GET / HTTP/1.1\r\nhost: localhost\r\n", &[]).await);
    assert!(answer.starts_with("HTTP/1.1 400"), "{answer}");
    let long = format!("GET / HTTP/1.1\r\nhost: localhost\r\nx-long: {}\r\n", "x".repeat(9000));
    let answer = text(&exchange(&world, &long, &[]).await);
    assert!(answer.starts_with("HTTP/1.1 431"), "{answer}");
}

#[tokio::test]
async fn a_slow_http1_head_is_not_waited_for() {
    let world = World::start(|settings| settings.server.times.preface_ms = 100).await;
    let mut stream = TcpStream::connect(world.addr).await.unwrap();
    stream
        .write_all(b"POST /redress.common.v1.TenantService/GetTenant HTTP/1.1\r\n")
        .await
        .unwrap();
    let mut answer = Vec::new();
    soon(stream.read_to_end(&mut answer)).await.unwrap();
    assert!(!text(&answer).contains("200 OK"));
}
