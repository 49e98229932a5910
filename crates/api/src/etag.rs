//! Etags from version columns, as in AIP-154.
//!
//! Invariant: an etag changes with every version of its resource and says nothing else; callers
//! compare it, they never read it.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

use crate::error::ApiError;

/// The etag of one version of a resource.
pub fn etag(name: &str, version: i64) -> String {
    let mut context = aws_lc_rs::digest::Context::new(&aws_lc_rs::digest::SHA256);
    context.update(name.as_bytes());
    context.update(&[0]);
    context.update(&version.to_be_bytes());
    URL_SAFE_NO_PAD.encode(&context.finish().as_ref()[..12])
}

/// Checks the etag that a caller sent against the stored version; an empty one skips the check.
/// A stale one is ABORTED with reason `ETAG_MISMATCH`.
pub fn check_etag(sent: &str, name: &str, version: i64) -> Result<(), ApiError> {
    if sent.is_empty() || sent == etag(name, version) {
        return Ok(());
    }
    Err(ApiError::EtagMismatch { name: name.to_owned() })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_etag_follows_name_and_version() {
        assert_eq!(etag("cases/1", 1), etag("cases/1", 1));
        assert_ne!(etag("cases/1", 1), etag("cases/1", 2));
        assert_ne!(etag("cases/1", 1), etag("cases/2", 1));
    }

    #[test]
    fn a_stale_etag_is_refused_and_an_empty_one_skips_the_check() {
        assert!(check_etag("", "cases/1", 2).is_ok());
        assert!(check_etag(&etag("cases/1", 2), "cases/1", 2).is_ok());
        let stale = check_etag(&etag("cases/1", 1), "cases/1", 2);
        assert!(matches!(stale, Err(ApiError::EtagMismatch { name }) if name == "cases/1"));
    }
}
