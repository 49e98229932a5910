//! TLS and mTLS: the certificate is checked against the name in the URL, not the address.

use redress_client::{CallOutcome, ClientIdentity, PeerSettings, outcome};
use redress_proto::common::v1::tenant_service_server::TenantServiceServer;
use tonic::transport::{Certificate, Identity, Server, ServerTlsConfig};

use crate::peers::{Answers, Recorder, Running, arena, ask, connect_with, run, settings};

struct Authority {
    issuer: rcgen::CertifiedIssuer<'static, rcgen::KeyPair>,
}

impl Authority {
    fn new() -> Self {
        let mut params = rcgen::CertificateParams::new(Vec::new()).unwrap();
        params.is_ca = rcgen::IsCa::Ca(rcgen::BasicConstraints::Unconstrained);
        let key = rcgen::KeyPair::generate().unwrap();
        Self { issuer: rcgen::CertifiedIssuer::self_signed(params, key).unwrap() }
    }

    fn issue(&self, name: &str) -> (String, String) {
        let key = rcgen::KeyPair::generate().unwrap();
        let params = rcgen::CertificateParams::new(vec![name.to_owned()]).unwrap();
        let certificate = params.signed_by(&key, &self.issuer).unwrap();
        (certificate.pem(), key.serialize_pem())
    }

    fn pem(&self) -> String {
        self.issuer.pem()
    }
}

async fn serve_tls(authority: &Authority, name: &str) -> Running {
    let (certificate, key) = authority.issue(name);
    let tls = ServerTlsConfig::new()
        .identity(Identity::from_pem(certificate, key))
        .client_ca_root(Certificate::from_pem(authority.pem()));
    let server = Server::builder().tls_config(tls).unwrap();
    let service = TenantServiceServer::new(Recorder::named("secure"));
    run("127.0.0.1:0".parse().unwrap(), server, service).await
}

fn tls_settings(trusted: &Authority, own: Option<(String, String)>) -> PeerSettings {
    PeerSettings {
        url: "https://peer.internal:9001".to_owned(),
        ca_pem: Some(trusted.pem()),
        identity: own
            .map(|(certificate_pem, key)| ClientIdentity { certificate_pem, key_pem: key.into() }),
        ..settings()
    }
}

#[tokio::test]
async fn both_sides_know_each_other() {
    let authority = Authority::new();
    let running = serve_tls(&authority, "peer.internal").await;
    let settings = tls_settings(&authority, Some(authority.issue("refunds.internal")));
    let peer = connect_with(&settings, &Answers::of(&[running.address]));
    assert_eq!(ask(peer.for_tenant(arena())).await.unwrap(), "secure");
}

#[tokio::test]
async fn a_server_of_another_name_or_authority_is_refused_before_a_call_is_sent() {
    let (authority, stranger) = (Authority::new(), Authority::new());
    let own = authority.issue("refunds.internal");
    for (issuer, name) in [(&authority, "other.internal"), (&stranger, "peer.internal")] {
        let running = serve_tls(issuer, name).await;
        let settings = tls_settings(&authority, Some(own.clone()));
        let peer = connect_with(&settings, &Answers::of(&[running.address]));
        let status = ask(peer.for_tenant(arena())).await.unwrap_err();
        assert_eq!(outcome(&status), CallOutcome::NotSent, "{name}: {status:?}");
    }
}

#[tokio::test]
async fn a_client_without_a_certificate_is_refused() {
    let authority = Authority::new();
    let running = serve_tls(&authority, "peer.internal").await;
    let peer = connect_with(&tls_settings(&authority, None), &Answers::of(&[running.address]));
    ask(peer.for_tenant(arena())).await.unwrap_err();
}
