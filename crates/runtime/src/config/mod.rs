//! Settings: one TOML file, overridden by the environment, checked as a whole before anything
//! starts.
//!
//! Invariant: an unknown key is an error, and [`Settings::check`] reports every problem at once,
//! each with the key it stands under; nothing here reads the environment by itself.

mod check;
mod load;
mod sections;
#[cfg(test)]
mod tests;

pub use check::{Finding, Findings, Plan};
pub use load::{LoadError, load};
pub use sections::{
    AuthSettings, DatabaseSettings, IdentitySettings, IssuerSettings, LimitSettings, LogFormat,
    Profile, ServerSettings, TelemetrySettings, TimeSettings, TlsSettings,
};

use std::collections::BTreeMap;

use serde::Deserialize;
use serde::de::DeserializeOwned;

/// The issuer that `redress up` creates for a developer's machine; production refuses it.
pub const DEV_ISSUER: &str = "redress-dev";

/// All settings of one service. `S` is the service's own section, `[service]`.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(deny_unknown_fields, default, bound = "S: DeserializeOwned + Default")]
pub struct Settings<S = NoSettings> {
    /// How strict the checks are.
    pub profile: Profile,
    /// The gRPC server.
    pub server: ServerSettings,
    /// Whose tokens are accepted.
    pub auth: AuthSettings,
    /// What this service signs its own tokens with, when it calls others.
    pub identity: Option<IdentitySettings>,
    /// Where it keeps its data.
    pub database: Option<DatabaseSettings>,
    /// Base URLs of other services by name, such as `refunds = "https://refunds:7401"`.
    pub peers: BTreeMap<String, String>,
    /// Logs and traces.
    pub telemetry: TelemetrySettings,
    /// What only this service knows.
    pub service: S,
}

/// The section of a service without settings of its own.
#[derive(Debug, Clone, Copy, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct NoSettings {}
