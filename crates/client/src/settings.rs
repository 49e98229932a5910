//! How to reach one peer: its URL, TLS, and the timings of its connections.
//!
//! Invariant: settings are checked when the channel is made; nothing later can fail for a setting.

use std::net::SocketAddr;
use std::time::Duration;
use std::{fmt, io};

use http::Uri;
use hyper_util::rt::TokioIo;
use secrecy::{ExposeSecret as _, SecretString};
use tokio::net::TcpStream;
use tokio::time::timeout;
use tonic::transport::{Certificate, Channel, ClientTlsConfig, Endpoint, Identity};

/// Everything about one peer that an operator may want to change.
#[derive(Debug, Clone)]
pub struct PeerSettings {
    /// Where the peer listens: `http://host:port` or `https://host:port`. The host is resolved
    /// again and again; all its addresses share the calls.
    pub url: String,
    /// PEM of the certificate authorities that may vouch for the peer; required with https.
    pub ca_pem: Option<String>,
    /// What this side shows when the peer asks who calls (mTLS).
    pub identity: Option<ClientIdentity>,
    /// How long one address may take to accept a connection.
    pub connect_timeout: Duration,
    /// How often a quiet connection is asked whether its peer still lives.
    pub keepalive_interval: Duration,
    /// How long the answer may take before the connection is given up.
    pub keepalive_timeout: Duration,
    /// How often the host name is resolved again.
    pub resolve_interval: Duration,
    /// Deadline of a call that names none.
    pub default_deadline: Duration,
    /// Where the jitter of retries starts. Replicas should differ in it, so that they do not retry
    /// in step.
    pub jitter_seed: u64,
}

/// A client certificate and its key, PEM.
#[derive(Clone)]
pub struct ClientIdentity {
    /// The certificate chain, leaf first.
    pub certificate_pem: String,
    /// The private key.
    pub key_pem: SecretString,
}

impl fmt::Debug for ClientIdentity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ClientIdentity").finish_non_exhaustive()
    }
}

impl PeerSettings {
    /// Settings for `url` with the house's timings.
    pub fn new(url: impl Into<String>) -> Self {
        Self {
            url: url.into(),
            ca_pem: None,
            identity: None,
            connect_timeout: Duration::from_millis(1500),
            keepalive_interval: Duration::from_secs(5),
            keepalive_timeout: Duration::from_secs(3),
            resolve_interval: Duration::from_secs(10),
            default_deadline: Duration::from_secs(5),
            jitter_seed: 0,
        }
    }
}

/// A setting of a peer cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum SettingsError {
    /// The URL is not one.
    #[error("peer url is not a URL of the form http://host:port or https://host:port")]
    NotAUrl(#[source] http::uri::InvalidUri),
    /// The URL lacks a part, or has one too many.
    #[error("peer url has {0}; expected the form http://host:port or https://host:port")]
    Url(&'static str),
    /// The certificates do not fit.
    #[error("peer TLS settings: {0}")]
    Tls(&'static str),
    /// rustls refuses the certificates or the key.
    #[error("peer TLS settings cannot be used")]
    TlsMaterial(#[source] tonic::transport::Error),
}

/// Checked settings: opens the channel of any of the peer's addresses.
#[derive(Debug, Clone)]
pub(crate) struct Target {
    pub(crate) host: String,
    pub(crate) port: u16,
    connect_timeout: Duration,
    endpoint: Endpoint,
}

impl Target {
    /// Checks `settings`.
    pub(crate) fn new(settings: &PeerSettings) -> Result<Self, SettingsError> {
        let url: Uri = settings.url.parse().map_err(SettingsError::NotAUrl)?;
        let secure = match url.scheme_str() {
            Some("http") => false,
            Some("https") => true,
            _ => return Err(SettingsError::Url("no scheme http or https")),
        };
        if !matches!(url.path(), "" | "/") || url.query().is_some() {
            return Err(SettingsError::Url("a path or query"));
        }
        let host = url.host().filter(|host| !host.is_empty());
        // A literal IPv6 address stands in brackets in a URL and without them in a socket address.
        let host = host.ok_or(SettingsError::Url("no host"))?;
        let host = host.trim_start_matches('[').trim_end_matches(']').to_owned();
        let port = url.port_u16().ok_or(SettingsError::Url("no port"))?;

        let mut endpoint = Endpoint::from(url)
            .http2_keep_alive_interval(settings.keepalive_interval)
            .keep_alive_timeout(settings.keepalive_timeout)
            .keep_alive_while_idle(true);
        if secure {
            endpoint = endpoint.tls_config(tls(settings)?).map_err(SettingsError::TlsMaterial)?;
        } else if settings.ca_pem.is_some() || settings.identity.is_some() {
            return Err(SettingsError::Tls("certificates are given but the url is not https"));
        }
        Ok(Self { host, port, connect_timeout: settings.connect_timeout, endpoint })
    }

    /// A channel to one address, connected at its first call. Only the TCP connection knows the
    /// address: TLS and the `:authority` of each call keep to the URL.
    pub(crate) fn open(&self, address: SocketAddr) -> Channel {
        let limit = self.connect_timeout;
        self.endpoint.connect_with_connector_lazy(tower::service_fn(move |_: Uri| async move {
            let stream = timeout(limit, TcpStream::connect(address)).await??;
            stream.set_nodelay(true)?;
            io::Result::Ok(TokioIo::new(stream))
        }))
    }
}

fn tls(settings: &PeerSettings) -> Result<ClientTlsConfig, SettingsError> {
    let ca = settings.ca_pem.as_deref();
    let ca = ca.ok_or(SettingsError::Tls("an https url needs the peer's CA certificate"))?;
    let tls = ClientTlsConfig::new()
        .ca_certificate(Certificate::from_pem(ca))
        .timeout(settings.connect_timeout);
    Ok(match &settings.identity {
        Some(identity) => tls.identity(Identity::from_pem(
            &identity.certificate_pem,
            identity.key_pem.expose_secret(),
        )),
        None => tls,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bad_url_is_refused_with_what_is_missing() {
        let cases = [
            ("refunds:9001/x", "not a URL"),
            ("ftp://refunds:9001", "no scheme http or https"),
            ("http://refunds", "no port"),
            ("http://refunds:9001/v1", "a path or query"),
            ("http://refunds:9001/?a=b", "a path or query"),
            ("https://refunds:9001", "needs the peer's CA certificate"),
        ];
        for (url, reason) in cases {
            let error = Target::new(&PeerSettings::new(url)).unwrap_err().to_string();
            assert!(error.contains(reason), "{url}: {error}");
        }
    }

    #[test]
    fn certificates_for_a_plaintext_url_are_refused() {
        let settings = PeerSettings {
            ca_pem: Some("-----BEGIN CERTIFICATE-----".to_owned()),
            ..PeerSettings::new("http://refunds:9001")
        };
        let error = Target::new(&settings).unwrap_err().to_string();
        assert!(error.contains("the url is not https"), "{error}");
    }

    #[test]
    fn a_literal_address_loses_its_brackets() {
        let target = Target::new(&PeerSettings::new("http://[::1]:9001")).unwrap();
        assert_eq!((target.host.as_str(), target.port), ("::1", 9001));
    }
}
