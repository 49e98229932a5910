//! The sections of the settings that all services share, with their defaults.
//!
//! Invariant: every limit has a finite default; durations are whole numbers with their unit in the
//! name.

use std::net::{Ipv4Addr, SocketAddr};
use std::path::PathBuf;

use redress_core::caller::Role;
use secrecy::SecretString;
use serde::Deserialize;

/// How strict the checks are.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Profile {
    /// For a developer's machine: plaintext, reflection and the development key are fine.
    #[default]
    Development,
    /// Refuses plaintext off loopback, reflection unless allowed twice, and the development key.
    Production,
}

/// The gRPC server.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct ServerSettings {
    /// Address to listen on; port 0 takes a free one.
    pub listen: SocketAddr,
    /// TLS; without it the server speaks plaintext.
    pub tls: Option<TlsSettings>,
    /// Whether reflection is served. Unset: yes in development, no in production.
    pub reflection: Option<bool>,
    /// Must be true as well before production serves reflection.
    pub reflection_in_production: bool,
    /// How long calls and workers may take to end after the stop signal, in seconds.
    pub drain_timeout_s: u64,
    /// Spreads the ages of connections; give each replica its own number.
    pub jitter_seed: u64,
    /// What may be used up.
    pub limits: LimitSettings,
    /// What may take how long.
    pub times: TimeSettings,
}

impl Default for ServerSettings {
    fn default() -> Self {
        Self {
            listen: SocketAddr::from((Ipv4Addr::LOCALHOST, 0)),
            tls: None,
            reflection: None,
            reflection_in_production: false,
            drain_timeout_s: 30,
            jitter_seed: 0,
            limits: LimitSettings::default(),
            times: TimeSettings::default(),
        }
    }
}

/// Certificates in PEM files.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TlsSettings {
    /// The server's certificate, followed by its intermediates.
    pub certificate_file: PathBuf,
    /// Its private key (PKCS#8, PKCS#1 or SEC1).
    pub key_file: PathBuf,
    /// Authorities of client certificates; set, every client must present one (mTLS).
    pub client_ca_file: Option<PathBuf>,
}

/// What may be used up.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct LimitSettings {
    /// Largest request of a command, in bytes.
    pub command_bytes: usize,
    /// Largest request that carries a list of messages, in bytes; at most 4 MiB.
    pub batch_bytes: usize,
    /// Largest header list, in bytes.
    pub header_bytes: u32,
    /// Calls in progress on one connection.
    pub streams_per_connection: u32,
    /// Calls in progress on the server; beyond it calls are shed.
    pub concurrent_calls: usize,
    /// Calls a second, in the long run.
    pub calls_per_second: u32,
    /// Calls that may come at once before the rate counts.
    pub call_burst: u32,
    /// Open connections.
    pub connections: usize,
    /// Open connections from one IP address.
    pub connections_per_ip: usize,
}

impl Default for LimitSettings {
    fn default() -> Self {
        Self {
            command_bytes: 256 * 1024,
            batch_bytes: 1024 * 1024,
            header_bytes: 8 * 1024,
            streams_per_connection: 200,
            concurrent_calls: 1024,
            calls_per_second: 10_000,
            call_burst: 10_000,
            connections: 2048,
            connections_per_ip: 256,
        }
    }
}

/// What may take how long.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct TimeSettings {
    /// Deadline of a call that names none, in milliseconds.
    pub default_deadline_ms: u64,
    /// The longest deadline that is granted, in milliseconds; approving a million orders takes
    /// minutes.
    pub max_deadline_ms: u64,
    /// From accepting a connection to the end of the TLS handshake, in milliseconds.
    pub tls_handshake_ms: u64,
    /// From there to the end of the HTTP/2 preface, or an HTTP/1 request's head, in milliseconds.
    pub preface_ms: u64,
    /// Between two HTTP/2 pings, in milliseconds.
    pub keepalive_interval_ms: u64,
    /// From a ping to its answer, in milliseconds.
    pub keepalive_timeout_ms: u64,
    /// Age at which a connection is asked to go, in seconds; spread by ±10 %.
    pub connection_age_s: u64,
    /// What its calls may take from then on, in seconds.
    pub connection_grace_s: u64,
}

impl Default for TimeSettings {
    fn default() -> Self {
        Self {
            default_deadline_ms: 10_000,
            max_deadline_ms: 300_000,
            tls_handshake_ms: 5_000,
            preface_ms: 5_000,
            keepalive_interval_ms: 30_000,
            keepalive_timeout_ms: 10_000,
            connection_age_s: 300,
            connection_grace_s: 30,
        }
    }
}

/// Whose tokens are accepted.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct AuthSettings {
    /// What the `aud` claim must contain.
    pub audience: String,
    /// How far the clocks may differ, in seconds.
    pub leeway_s: u64,
    /// The issuers. One name may stand twice with two keys, while a key is replaced.
    pub issuers: Vec<IssuerSettings>,
}

impl Default for AuthSettings {
    fn default() -> Self {
        Self { audience: "redress".to_owned(), leeway_s: 30, issuers: Vec::new() }
    }
}

/// One issuer with one key, and what it may assert.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct IssuerSettings {
    /// The `iss` claim of its tokens.
    pub issuer: String,
    /// Its Ed25519 public key: PEM (`BEGIN PUBLIC KEY`) or a JWK. Either this or the file.
    #[serde(default)]
    pub public_key: Option<String>,
    /// A file that holds it.
    #[serde(default)]
    pub public_key_file: Option<PathBuf>,
    /// Roles it may assert.
    pub roles: Vec<Role>,
    /// Tenants it may assert; `["*"]` for all.
    pub tenants: Vec<String>,
}

/// What this service signs its own tokens with.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct IdentitySettings {
    /// The `iss` claim that the other services know it by.
    pub issuer: String,
    /// File of its Ed25519 private key (PKCS#8 PEM).
    pub key_file: PathBuf,
}

/// A service's database.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DatabaseSettings {
    /// `sqlite:FILE` or `postgres://...`; a secret, because it may hold a password.
    pub url: SecretString,
    /// Connections of the (reading) pool.
    #[serde(default = "default_pool_size")]
    pub pool_size: u32,
}

const fn default_pool_size() -> u32 {
    8
}

/// Logs and traces.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct TelemetrySettings {
    /// Which logs are written, in the syntax of tracing's `EnvFilter`.
    pub filter: String,
    /// How they are written.
    pub format: LogFormat,
    /// Where spans are sent (OTLP over gRPC), such as `http://127.0.0.1:4317`; unset: nowhere.
    pub otlp_endpoint: Option<String>,
}

impl Default for TelemetrySettings {
    fn default() -> Self {
        Self { filter: "info".to_owned(), format: LogFormat::Text, otlp_endpoint: None }
    }
}

/// How logs are written, always to standard error.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum LogFormat {
    /// Lines for people.
    #[default]
    Text,
    /// One JSON object a line.
    Json,
}
