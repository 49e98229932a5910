//! TLS from PEM files, through rustls with aws-lc-rs.
//!
//! Invariant: when authorities of clients are given, a client without a certificate of theirs does
//! not get past the handshake.

use std::path::Path;
use std::sync::Arc;

use rustls::pki_types::pem::{self, PemObject};
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::server::{VerifierBuilderError, WebPkiClientVerifier};
use rustls::{RootCertStore, ServerConfig};

/// TLS cannot be set up.
#[derive(Debug, thiserror::Error)]
pub(crate) enum TlsError {
    /// The file is missing, unreadable or not PEM.
    #[error("cannot read PEM from {path}")]
    Pem {
        /// The file's name as given.
        path: String,
        #[source]
        source: pem::Error,
    },
    /// The file holds none.
    #[error("{path} holds no certificate")]
    NoCertificate {
        /// The file's name as given.
        path: String,
    },
    /// The certificate, or its fit with the key.
    #[error("the certificate and key cannot be used")]
    Unusable(#[from] rustls::Error),
    /// The authorities.
    #[error("the authorities of client certificates cannot be used")]
    Authorities(#[from] VerifierBuilderError),
}

impl TlsError {
    fn pem(path: &Path) -> impl Fn(pem::Error) -> Self {
        let path = path.display().to_string();
        move |source| Self::Pem { path: path.clone(), source }
    }
}

pub(crate) fn read_certificates(path: &Path) -> Result<Vec<CertificateDer<'static>>, TlsError> {
    let pems = CertificateDer::pem_file_iter(path).map_err(TlsError::pem(path))?;
    let chain: Vec<_> = pems.collect::<Result<_, _>>().map_err(TlsError::pem(path))?;
    if chain.is_empty() {
        return Err(TlsError::NoCertificate { path: path.display().to_string() });
    }
    Ok(chain)
}

pub(crate) fn read_key(path: &Path) -> Result<PrivateKeyDer<'static>, TlsError> {
    PrivateKeyDer::from_pem_file(path).map_err(TlsError::pem(path))
}

pub(crate) fn read_authorities(path: &Path) -> Result<RootCertStore, TlsError> {
    let mut store = RootCertStore::empty();
    for certificate in read_certificates(path)? {
        store.add(certificate)?;
    }
    Ok(store)
}

/// TLS 1.2 and 1.3, offering HTTP/2 and, for gRPC-Web, HTTP/1.1.
pub(crate) fn server_config(
    certificates: Vec<CertificateDer<'static>>,
    key: PrivateKeyDer<'static>,
    client_authorities: Option<RootCertStore>,
) -> Result<Arc<ServerConfig>, TlsError> {
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let builder = ServerConfig::builder_with_provider(Arc::clone(&provider))
        .with_safe_default_protocol_versions()?;
    let builder = match client_authorities {
        None => builder.with_no_client_auth(),
        Some(store) => {
            let verifier = WebPkiClientVerifier::builder_with_provider(Arc::new(store), provider);
            builder.with_client_cert_verifier(verifier.build()?)
        }
    };
    let mut config = builder.with_single_cert(certificates, key)?;
    config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
    Ok(Arc::new(config))
}
