//! TLS and mTLS with certificates made for the test.

use std::path::Path;

use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair};
use redress_proto::common::v1::tenant_service_client::TenantServiceClient;
use redress_runtime::config::{Settings, TlsSettings};
use tempfile::TempDir;
use tokio::net::TcpStream;
use tonic::transport::{Certificate, ClientTlsConfig, Endpoint, Identity};

use crate::raw::is_closed;
use crate::support::{World, soon};

type Authority = CertifiedIssuer<'static, KeyPair>;

fn authority() -> Authority {
    let mut params = CertificateParams::new(Vec::new()).unwrap();
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap()
}

/// A certificate for `localhost` and its key, as PEM.
fn leaf(authority: &Authority) -> (String, String) {
    let key = KeyPair::generate().unwrap();
    let params = CertificateParams::new(vec!["localhost".to_owned()]).unwrap();
    (params.signed_by(&key, authority).unwrap().pem(), key.serialize_pem())
}

fn server_tls(folder: &Path, authority: &Authority, clients: Option<&Authority>) -> TlsSettings {
    let write = |name: &str, text: &str| {
        let path = folder.join(name);
        std::fs::write(&path, text).unwrap();
        path
    };
    let (certificate, key) = leaf(authority);
    TlsSettings {
        certificate_file: write("server.pem", &certificate),
        key_file: write("server.key", &key),
        client_ca_file: clients.map(|clients| write("clients.pem", &clients.pem())),
    }
}

async fn world(authority: &Authority, clients: Option<&Authority>) -> (TempDir, World) {
    let folder = tempfile::tempdir().unwrap();
    let tls = server_tls(folder.path(), authority, clients);
    let change = |settings: &mut Settings| {
        settings.server.tls = Some(tls);
        settings.server.times.tls_handshake_ms = 1000;
    };
    (folder, World::start(change).await)
}

async fn call(world: &World, tls: ClientTlsConfig) -> Result<(), String> {
    let url = format!("https://localhost:{}", world.addr.port());
    let endpoint = Endpoint::from_shared(url).unwrap().tls_config(tls).unwrap();
    let channel = soon(endpoint.connect()).await.map_err(|error| error.to_string())?;
    let mut client = TenantServiceClient::new(channel);
    let answer = soon(client.get_tenant(world.get_tenant())).await;
    answer.map(drop).map_err(|status| status.to_string())
}

fn trusting(authority: &Authority) -> ClientTlsConfig {
    ClientTlsConfig::new()
        .ca_certificate(Certificate::from_pem(authority.pem()))
        .domain_name("localhost")
}

#[tokio::test]
async fn a_client_that_trusts_the_authority_gets_through() {
    let (ours, other) = (authority(), authority());
    let (_folder, world) = world(&ours, None).await;
    call(&world, trusting(&ours)).await.unwrap();
    call(&world, trusting(&other)).await.unwrap_err();
    world.call_plaintext_fails().await;
}

#[tokio::test]
async fn mutual_tls_lets_only_clients_of_its_authority_in() {
    let (ours, clients, other) = (authority(), authority(), authority());
    let (_folder, world) = world(&ours, Some(&clients)).await;
    let with = |issuer: &Authority| {
        let (certificate, key) = leaf(issuer);
        trusting(&ours).identity(Identity::from_pem(certificate, key))
    };
    call(&world, with(&clients)).await.unwrap();
    call(&world, with(&other)).await.unwrap_err();
    call(&world, trusting(&ours)).await.unwrap_err();
    assert_eq!(world.directory.calls(), 1);
}

#[tokio::test]
async fn a_handshake_that_never_comes_is_not_waited_for() {
    let ours = authority();
    let (_folder, world) = world(&ours, None).await;
    let mut silent = TcpStream::connect(world.addr).await.unwrap();
    assert!(is_closed(&mut silent).await);
    call(&world, trusting(&ours)).await.unwrap();
}

impl World {
    async fn call_plaintext_fails(&self) {
        let connected = soon(self.endpoint().connect()).await;
        if let Ok(channel) = connected {
            let mut client = TenantServiceClient::new(channel);
            soon(client.get_tenant(self.get_tenant())).await.unwrap_err();
        }
    }
}
