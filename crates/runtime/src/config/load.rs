//! From a file and the environment to typed settings.
//!
//! Invariant: what the environment says wins over the file, the file over the defaults.

use std::path::Path;

use config::{Config, Environment, File, FileFormat};
use serde::de::DeserializeOwned;

/// Environment variables count when they start with this and two underscores:
/// `REDRESS__SERVER__LISTEN` is `server.listen`.
const PREFIX: &str = "REDRESS";

/// The settings cannot be read.
#[derive(Debug, thiserror::Error)]
pub enum LoadError {
    /// The file cannot be opened or read.
    #[error("cannot read the settings file {path}")]
    File {
        /// The file's name as given.
        path: String,
        /// What the operating system said.
        #[source]
        source: std::io::Error,
    },
    /// A key is unknown, missing or of the wrong type; the message names it.
    #[error("the settings do not fit")]
    Content(#[from] config::ConfigError),
}

/// Reads settings from a TOML file, if one is given, and from `environment`: names and values,
/// as `std::env::vars` yields them in a binary.
pub fn load<T: DeserializeOwned>(
    path: Option<&Path>,
    environment: impl IntoIterator<Item = (String, String)>,
) -> Result<T, LoadError> {
    let mut builder = Config::builder();
    if let Some(path) = path {
        let read = std::fs::read_to_string(path);
        let text =
            read.map_err(|source| LoadError::File { path: path.display().to_string(), source })?;
        builder = builder.add_source(File::from_str(&text, FileFormat::Toml));
    }
    let variables = environment.into_iter().collect();
    let environment =
        Environment::with_prefix(PREFIX).separator("__").try_parsing(true).source(Some(variables));
    Ok(builder.add_source(environment).build()?.try_deserialize()?)
}
