//! From a host name to its addresses.

use std::io;
use std::net::SocketAddr;

use async_trait::async_trait;

/// Looks up the addresses behind a name, one for each replica.
#[async_trait]
pub trait Resolver: Send + Sync {
    /// All addresses of `host`, each with `port`. An empty answer counts as a failed one.
    async fn resolve(&self, host: &str, port: u16) -> io::Result<Vec<SocketAddr>>;
}

/// The operating system's resolver: hosts file, DNS.
#[derive(Debug, Clone, Copy, Default)]
pub struct SystemResolver;

#[async_trait]
impl Resolver for SystemResolver {
    async fn resolve(&self, host: &str, port: u16) -> io::Result<Vec<SocketAddr>> {
        Ok(tokio::net::lookup_host((host, port)).await?.collect())
    }
}
