//! The check of all settings, and what comes out of it.
//!
//! Invariant: a [`Plan`] exists only when nothing is wrong: its keys and certificates are parsed,
//! its limits are sane, and a production server is not left open by accident.

use std::fmt;
use std::path::Path;
use std::sync::Arc;

use redress_api::AccessTable;
use redress_core::clock::Clock;
use tracing_subscriber::EnvFilter;

use super::{AuthSettings, DEV_ISSUER, Profile, ServerSettings, Settings, TlsSettings};
use crate::auth::{Issuer, TokenVerifier};
use crate::server::tls;
use crate::token::{PublicKey, SigningKey};

/// One thing that is wrong.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Finding {
    /// The key, such as `server.limits.connections`.
    pub key: String,
    /// What is wrong and what would be right.
    pub problem: String,
}

/// Everything that is wrong with the settings.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub struct Findings(pub Vec<Finding>);

impl fmt::Display for Findings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the settings cannot be used:")?;
        self.0.iter().try_for_each(|finding| write!(f, "\n  {}: {}", finding.key, finding.problem))
    }
}

/// A server's settings, checked and parsed.
#[derive(Debug)]
pub struct Plan {
    pub(crate) server: ServerSettings,
    pub(crate) reflection: bool,
    pub(crate) tls: Option<Arc<rustls::ServerConfig>>,
    pub(crate) verifier: Arc<TokenVerifier>,
    pub(crate) access: Arc<AccessTable>,
}

impl<S> Settings<S> {
    /// Checks everything, files included, and returns all that is wrong at once. `clock` is what
    /// tokens are judged by. The `[service]` section is its service's own matter.
    pub fn check(&self, clock: Arc<dyn Clock>) -> Result<Plan, Findings> {
        let mut findings = Collector::default();
        self.check_server(&mut findings);
        self.check_rest(&mut findings);
        let tls = self.server.tls.as_ref().and_then(|tls| check_tls(tls, &mut findings));
        let issuers = check_issuers(&self.auth, self.profile, &mut findings);
        let access = AccessTable::from_descriptors();
        let access = findings.take("(contracts)", access.map_err(|error| error.to_string()));
        match access {
            Some(access) if findings.0.is_empty() => Ok(Plan {
                server: self.server.clone(),
                reflection: self.server.reflection.unwrap_or(self.profile == Profile::Development),
                tls,
                verifier: Arc::new(TokenVerifier::new(
                    issuers,
                    &self.auth.audience,
                    std::time::Duration::from_secs(self.auth.leeway_s),
                    clock,
                )),
                access: Arc::new(access),
            }),
            _ => Err(Findings(findings.0)),
        }
    }

    fn check_server(&self, findings: &mut Collector) {
        let server = &self.server;
        let production = self.profile == Profile::Production;
        if production && server.tls.is_none() && !server.listen.ip().is_loopback() {
            findings.add("server.tls", "production speaks plaintext on loopback only: set it");
        }
        if production && server.reflection == Some(true) && !server.reflection_in_production {
            findings.add(
                "server.reflection",
                "is off in production, unless server.reflection_in_production is true as well",
            );
        }
        let (limits, times) = (&server.limits, &server.times);
        for (key, value, range) in [
            ("limits.command_bytes", limits.command_bytes as u64, 1024..=4 << 20),
            ("limits.batch_bytes", limits.batch_bytes as u64, 1024..=4 << 20),
            ("limits.header_bytes", u64::from(limits.header_bytes), 1024..=64 << 10),
            ("limits.streams_per_connection", limits.streams_per_connection.into(), 1..=1000),
            ("limits.concurrent_calls", limits.concurrent_calls as u64, 1..=1_000_000),
            ("limits.calls_per_second", limits.calls_per_second.into(), 1..=1_000_000),
            ("limits.call_burst", limits.call_burst.into(), 1..=1_000_000),
            ("limits.connections", limits.connections as u64, 1..=1_000_000),
            ("limits.connections_per_ip", limits.connections_per_ip as u64, 1..=1_000_000),
            ("times.default_deadline_ms", times.default_deadline_ms, 10..=times.max_deadline_ms),
            ("times.max_deadline_ms", times.max_deadline_ms, 10..=3_600_000),
            ("times.tls_handshake_ms", times.tls_handshake_ms, 10..=60_000),
            ("times.preface_ms", times.preface_ms, 10..=60_000),
            ("times.keepalive_interval_ms", times.keepalive_interval_ms, 10..=600_000),
            ("times.keepalive_timeout_ms", times.keepalive_timeout_ms, 10..=600_000),
            ("times.connection_age_s", times.connection_age_s, 1..=86_400),
            ("times.connection_grace_s", times.connection_grace_s, 1..=3_600),
            ("drain_timeout_s", server.drain_timeout_s, 1..=3_600),
        ] {
            if !range.contains(&value) {
                let (low, high) = (range.start(), range.end());
                let problem = format!("is {value}, must be {low} to {high}");
                findings.add(&format!("server.{key}"), &problem);
            }
        }
    }

    fn check_rest(&self, findings: &mut Collector) {
        for (name, url) in &self.peers {
            check_url(&format!("peers.{name}"), url, findings);
        }
        if let Some(identity) = &self.identity {
            if identity.issuer.is_empty() {
                findings.add("identity.issuer", "must not be empty");
            }
            let key = SigningKey::read(&identity.key_file);
            findings.take("identity.key_file", key.map_err(|error| explain(&error)));
        }
        if let Some(database) = &self.database
            && !(1..=1000).contains(&database.pool_size)
        {
            findings.add("database.pool_size", "must be 1 to 1000");
        }
        if let Err(error) = EnvFilter::try_new(&self.telemetry.filter) {
            findings.add("telemetry.filter", &error.to_string());
        }
        if let Some(url) = &self.telemetry.otlp_endpoint {
            check_url("telemetry.otlp_endpoint", url, findings);
            if url.starts_with("https") {
                findings.add(
                    "telemetry.otlp_endpoint",
                    "must be http: run a collector beside the service, TLS to it is not built in",
                );
            }
        }
    }
}

#[derive(Default)]
struct Collector(Vec<Finding>);

impl Collector {
    fn add(&mut self, key: &str, problem: &str) {
        self.0.push(Finding { key: key.to_owned(), problem: problem.to_owned() });
    }

    fn take<T>(&mut self, key: &str, result: Result<T, String>) -> Option<T> {
        result.map_err(|problem| self.add(key, &problem)).ok()
    }
}

/// An error with its causes, for a person at a console.
fn explain(error: &(dyn std::error::Error + 'static)) -> String {
    redress_api::status::chain(Some(error))
}

fn check_url(key: &str, url: &str, findings: &mut Collector) {
    let parsed = url.parse::<http::Uri>().ok();
    let usable = parsed.is_some_and(|uri| {
        matches!(uri.scheme_str(), Some("http" | "https")) && uri.authority().is_some()
    });
    if !usable {
        findings
            .add(key, "must be an http or https URL with a host, such as http://127.0.0.1:7401");
    }
}

fn check_tls(tls: &TlsSettings, findings: &mut Collector) -> Option<Arc<rustls::ServerConfig>> {
    let certificates = tls::read_certificates(&tls.certificate_file);
    let certificates =
        findings.take("server.tls.certificate_file", certificates.map_err(|error| explain(&error)));
    let key = tls::read_key(&tls.key_file);
    let key = findings.take("server.tls.key_file", key.map_err(|error| explain(&error)));
    let authorities = tls.client_ca_file.as_deref().map(tls::read_authorities).transpose();
    let authorities =
        findings.take("server.tls.client_ca_file", authorities.map_err(|error| explain(&error)));
    let config = tls::server_config(certificates?, key?, authorities?);
    findings.take("server.tls", config.map_err(|error| explain(&error)))
}

fn check_issuers(auth: &AuthSettings, profile: Profile, findings: &mut Collector) -> Vec<Issuer> {
    if auth.audience.is_empty() {
        findings.add("auth.audience", "must not be empty");
    }
    if auth.leeway_s > 300 {
        findings.add("auth.leeway_s", "must be at most 300: longer would keep dead tokens alive");
    }
    if auth.issuers.is_empty() {
        findings.add("auth.issuers", "must name at least one, or nobody could call");
    }
    let mut issuers = Vec::new();
    for (index, settings) in auth.issuers.iter().enumerate() {
        let key = |name: &str| format!("auth.issuers[{index}].{name}");
        if settings.issuer.is_empty() {
            findings.add(&key("issuer"), "must not be empty");
        }
        if profile == Profile::Production && settings.issuer == DEV_ISSUER {
            findings.add(&key("issuer"), "production refuses the key of `redress up`");
        }
        if settings.roles.is_empty() {
            findings.add(&key("roles"), "must name the roles that it may assert");
        }
        let tenants = Issuer::tenants_from(&settings.tenants);
        let tenants = findings.take(&key("tenants"), tenants);
        let public =
            public_key(settings.public_key.as_deref(), settings.public_key_file.as_deref());
        let public = findings.take(&key("public_key"), public);
        if let (Some(tenants), Some(public)) = (tenants, public) {
            issuers.push(Issuer::new(&settings.issuer, &public, settings.roles.clone(), tenants));
        }
    }
    issuers
}

fn public_key(inline: Option<&str>, file: Option<&Path>) -> Result<PublicKey, String> {
    match (inline, file) {
        (Some(text), None) => PublicKey::parse(text).map_err(|error| explain(&error)),
        (None, Some(path)) => PublicKey::read(path).map_err(|error| explain(&error)),
        _ => Err("exactly one of public_key and public_key_file must be set".to_owned()),
    }
}
