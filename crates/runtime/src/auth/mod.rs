//! Bearer tokens: who calls, and is the issuer entitled to say so?
//!
//! Invariant: a [`Caller`] comes out only for a token that is signed with a key of its own issuer,
//! is meant for this audience, is in its time, and asserts nothing beyond what that issuer may
//! assert. The algorithm is fixed to EdDSA; what the token's header says is compared, never obeyed.
//! Only that a signature holds is remembered; everything else is judged with each call.

mod issuer;
mod recent;
mod refusal;
#[cfg(test)]
mod tests;

pub use issuer::{Issuer, Tenants};
pub use refusal::TokenRefusal;

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use jsonwebtoken::errors::ErrorKind;
use jsonwebtoken::{Algorithm, Validation};
use redress_core::caller::{Caller, Role};
use redress_core::clock::Clock;
use redress_core::id::TenantId;
use serde::Deserialize;

use self::recent::Recent;

/// The longest token that is looked at, in bytes.
pub const MAX_TOKEN_BYTES: usize = 4096;

/// The claims as they must stand in a token. The types are strict: a number as a string is
/// refused.
#[derive(Deserialize)]
struct Claims {
    iss: String,
    sub: String,
    tenant: String,
    roles: Vec<String>,
    exp: i64,
    #[serde(default)]
    nbf: Option<i64>,
}

#[derive(Deserialize)]
struct UnverifiedIssuer {
    iss: String,
}

/// What a token says, once its signature has been found to be that of the issuer at this place.
#[derive(Clone)]
struct Signed {
    claims: Arc<Claims>,
    issuer: usize,
}

/// Verifies bearer tokens.
pub struct TokenVerifier {
    issuers: Vec<Issuer>,
    /// Signatures that held, which they will do as long as the keys are these. A caller sends its
    /// token with each call, and checking a signature costs more than all else that is done here.
    recent: Recent<Signed>,
    audience: String,
    leeway_s: i64,
    clock: Arc<dyn Clock>,
}

impl fmt::Debug for TokenVerifier {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let issuers: Vec<&str> = self.issuers.iter().map(Issuer::name).collect();
        f.debug_struct("TokenVerifier").field("issuers", &issuers).finish_non_exhaustive()
    }
}

impl TokenVerifier {
    /// A verifier for tokens of `issuers` meant for `audience`, with `leeway` between the clocks.
    pub fn new(
        issuers: Vec<Issuer>,
        audience: &str,
        leeway: Duration,
        clock: Arc<dyn Clock>,
    ) -> Self {
        let leeway_s = i64::try_from(leeway.as_secs()).unwrap_or(i64::MAX);
        let recent = Recent::default();
        Self { issuers, recent, audience: audience.to_owned(), leeway_s, clock }
    }

    /// Verifies one token.
    pub fn verify(&self, token: &str) -> Result<Caller, TokenRefusal> {
        if token.len() > MAX_TOKEN_BYTES {
            return Err(TokenRefusal::Invalid);
        }
        let signed = match self.recent.get(token) {
            Some(signed) => signed,
            None => self.recent.keep(token, self.check_signature(token)?),
        };
        self.accept(&signed.claims, &self.issuers[signed.issuer])
    }

    fn check_signature(&self, token: &str) -> Result<Signed, TokenRefusal> {
        // The issuer's name only picks the keys to try; it counts once the signature holds.
        let unverified = jsonwebtoken::dangerous::insecure_decode_claims::<UnverifiedIssuer>(token);
        let issuer_name = unverified.map_err(|_| TokenRefusal::Invalid)?.iss;
        let named = |(_, issuer): &(usize, &Issuer)| issuer.name() == issuer_name;
        let mut candidates = self.issuers.iter().enumerate().filter(named).peekable();
        if candidates.peek().is_none() {
            return Err(TokenRefusal::UnknownIssuer);
        }
        let validation = self.validation(&issuer_name);
        let mut refusal = TokenRefusal::Invalid;
        for (place, issuer) in candidates {
            match jsonwebtoken::decode::<Claims>(token, issuer.key(), &validation) {
                Ok(data) => return Ok(Signed { claims: Arc::new(data.claims), issuer: place }),
                Err(error) if matches!(error.kind(), ErrorKind::InvalidAudience) => {
                    refusal = TokenRefusal::WrongAudience;
                }
                Err(_) => {}
            }
        }
        Err(refusal)
    }

    fn validation(&self, issuer: &str) -> Validation {
        let mut validation = Validation::new(Algorithm::EdDSA);
        validation.set_required_spec_claims(&["exp", "iss", "aud", "sub"]);
        validation.set_audience(&[&self.audience]);
        validation.set_issuer(&[issuer]);
        // Times are judged in `accept`, by the injected clock.
        validation.validate_exp = false;
        validation.validate_nbf = false;
        validation
    }

    fn accept(&self, claims: &Claims, issuer: &Issuer) -> Result<Caller, TokenRefusal> {
        let now = self.clock.now().seconds_and_nanos().0;
        if claims.exp.saturating_add(self.leeway_s) <= now {
            return Err(TokenRefusal::Expired);
        }
        if claims.nbf.is_some_and(|nbf| nbf.saturating_sub(self.leeway_s) > now) {
            return Err(TokenRefusal::NotYetValid);
        }
        let tenant = TenantId::new(claims.tenant.as_str()).map_err(|_| TokenRefusal::Invalid)?;
        let roles: Result<Vec<Role>, _> = claims.roles.iter().map(|role| role.parse()).collect();
        let roles = roles.map_err(|_| TokenRefusal::Invalid)?;
        if roles.is_empty() || claims.sub.is_empty() || claims.sub.len() > 256 {
            return Err(TokenRefusal::Invalid);
        }
        if !issuer.may_assert_tenant(&tenant) {
            return Err(TokenRefusal::TenantNotAllowed);
        }
        if !roles.iter().all(|role| issuer.may_assert_role(*role)) {
            return Err(TokenRefusal::RoleNotAllowed);
        }
        Ok(Caller { tenant, subject: claims.sub.clone(), issuer: claims.iss.clone(), roles })
    }
}
