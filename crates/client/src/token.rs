//! Credentials of outgoing calls.
//!
//! Invariant: a token names the tenant that the call is for, and its text never reaches a log.

use std::collections::HashMap;
use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use redress_core::clock::{Clock, Timestamp};
use redress_core::id::TenantId;
use secrecy::SecretString;

/// Where the bearer token of a call comes from.
pub trait TokenSource: Send + Sync {
    /// A token for calls in the name of `tenant`, valid for at least as long as a call may take.
    fn token(&self, tenant: &TenantId) -> Result<SecretString, TokenError>;
}

/// There is no token to be had.
#[derive(Debug, thiserror::Error)]
#[error("cannot make a token for the call")]
pub struct TokenError(#[source] pub Box<dyn std::error::Error + Send + Sync>);

/// One token for everything: what the command line was given. Its tenant is whatever it claims.
#[derive(Debug, Clone)]
pub struct StaticToken(SecretString);

impl StaticToken {
    /// Wraps a token as it was given.
    pub fn new(token: SecretString) -> Self {
        Self(token)
    }
}

impl TokenSource for StaticToken {
    fn token(&self, _tenant: &TenantId) -> Result<SecretString, TokenError> {
        Ok(self.0.clone())
    }
}

/// A fresh token.
#[derive(Debug, Clone)]
pub struct MintedToken {
    /// The token's text.
    pub token: SecretString,
    /// When it stops being valid.
    pub expires: Timestamp,
}

/// Signs the token of a tenant.
type Mint = dyn Fn(&TenantId) -> Result<MintedToken, TokenError> + Send + Sync;

/// A service's own tokens: one for each tenant, made when first needed and again before it
/// expires.
pub struct CachedTokens {
    mint: Box<Mint>,
    clock: Arc<dyn Clock>,
    cache: Mutex<HashMap<TenantId, MintedToken>>,
}

impl CachedTokens {
    /// A token is made anew when it has less than this left: a call that starts with it must still
    /// be able to end with it.
    const RENEW_BEFORE: Duration = Duration::from_mins(1);

    /// Tokens made by `mint`, which signs one for the tenant it is given.
    pub fn new(
        clock: Arc<dyn Clock>,
        mint: impl Fn(&TenantId) -> Result<MintedToken, TokenError> + Send + Sync + 'static,
    ) -> Self {
        Self { mint: Box::new(mint), clock, cache: Mutex::default() }
    }
}

impl TokenSource for CachedTokens {
    fn token(&self, tenant: &TenantId) -> Result<SecretString, TokenError> {
        // Entries are inserted whole, so a panic elsewhere cannot have left one half written.
        let mut cache = self.cache.lock().unwrap_or_else(PoisonError::into_inner);
        let needed_until = self.clock.now().plus(Self::RENEW_BEFORE);
        if let Some(known) = cache.get(tenant).filter(|known| known.expires > needed_until) {
            return Ok(known.token.clone());
        }
        let minted = (self.mint)(tenant)?;
        // Old tokens leave here, so that the cache is bounded by the tenants of the last hour.
        cache.retain(|_, known| known.expires > needed_until);
        cache.insert(tenant.clone(), minted.clone());
        Ok(minted.token)
    }
}

impl fmt::Debug for CachedTokens {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("CachedTokens").finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicU32, Ordering};

    use redress_core::clock::ManualClock;
    use secrecy::ExposeSecret as _;

    use super::*;

    #[test]
    fn a_token_is_kept_for_its_tenant_until_shortly_before_it_expires() {
        let clock = Arc::new(ManualClock::at(Timestamp(0)));
        let minted = AtomicU32::new(0);
        let source = CachedTokens::new(clock.clone(), {
            let clock = clock.clone();
            move |tenant| {
                let n = minted.fetch_add(1, Ordering::Relaxed);
                let token = SecretString::from(format!("{tenant}-{n}"));
                Ok(MintedToken { token, expires: clock.now().plus(Duration::from_mins(5)) })
            }
        });
        let read = |tenant: &str| {
            let token = source.token(&TenantId::new(tenant).unwrap()).unwrap();
            token.expose_secret().to_owned()
        };
        assert_eq!(read("arena"), "arena-0");
        assert_eq!(read("opera"), "opera-1");
        clock.advance(Duration::from_secs(239));
        assert_eq!(read("arena"), "arena-0");
        clock.advance(Duration::from_secs(1));
        assert_eq!(read("arena"), "arena-2");
    }

    #[test]
    fn a_token_is_not_shown_by_debug() {
        let text = format!("{:?}", StaticToken::new("eyJhbGciOi".into()));
        assert!(!text.contains("eyJ"), "{text}");
    }
}
