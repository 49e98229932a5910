//! Request ids, as in AIP-155: the same id with the same body replays the stored outcome.
//!
//! Invariant: a request id belongs to one tenant and one method, and to the body it was first
//! sent with; another body under it is refused.

use prost::Message;
use redress_core::id::TenantId;

use crate::error::ApiError;
use crate::problem::FieldViolation;

/// SHA-256 of a method and a request body.
pub type Fingerprint = [u8; 32];

/// The fingerprint of a request. Clear its `request_id` before, and anything else that may differ
/// between two sendings of the same request.
pub fn fingerprint(method: &str, message: &impl Message) -> Fingerprint {
    let mut context = aws_lc_rs::digest::Context::new(&aws_lc_rs::digest::SHA256);
    context.update(method.as_bytes());
    context.update(&[0]);
    context.update(&message.encode_to_vec());
    let mut bytes = [0; 32];
    bytes.copy_from_slice(context.finish().as_ref());
    bytes
}

/// What a mutating call is stored under, so that its repetition is recognised.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RequestKey {
    /// The tenant of the call.
    pub tenant: TenantId,
    /// Full name of the method, such as `redress.refunds.v1.RefundService/CreateRefund`.
    pub method: &'static str,
    /// The caller's id of the request: a UUID, in lower case.
    pub request_id: String,
    /// What the body must match on a repetition.
    pub fingerprint: Fingerprint,
}

impl RequestKey {
    /// The key of one request; `message` with its `request_id` cleared.
    pub fn new(
        tenant: &TenantId,
        method: &'static str,
        request_id: &str,
        message: &impl Message,
    ) -> Self {
        Self {
            tenant: tenant.clone(),
            method,
            request_id: request_id.to_ascii_lowercase(),
            fingerprint: fingerprint(method, message),
        }
    }

    /// Checks a stored record of the same key: its fingerprint must be this one's, else the caller
    /// gets INVALID_ARGUMENT with reason `REQUEST_ID_REUSED`.
    pub fn check_stored(&self, stored_fingerprint: &[u8]) -> Result<(), ApiError> {
        if stored_fingerprint == self.fingerprint { Ok(()) } else { Err(reused()) }
    }
}

/// The refusal of a request id that was used for another body before.
pub fn reused() -> ApiError {
    ApiError::InvalidArgument {
        reason: "REQUEST_ID_REUSED",
        violations: vec![FieldViolation::new(
            "request_id",
            "was used for a request with another body; repeat that body or draw a new id",
        )],
    }
}

#[cfg(test)]
mod tests {
    use redress_proto::common::v1::GetTenantRequest;

    use super::*;

    const METHOD: &str = "redress.common.v1.TenantService/GetTenant";
    const ID: &str = "0198A0C4-7D2B-7C11-8C6E-2F0C7E5D1A10";

    fn key(id: &str, name: &str) -> RequestKey {
        let tenant = TenantId::new("arena").unwrap();
        RequestKey::new(&tenant, METHOD, id, &GetTenantRequest { name: name.to_owned() })
    }

    #[test]
    fn the_same_body_replays_and_another_is_refused() {
        let stored = key(ID, "tenants/arena").fingerprint;
        assert!(key(ID, "tenants/arena").check_stored(&stored).is_ok());
        let error = key(ID, "tenants/other").check_stored(&stored).unwrap_err();
        assert!(matches!(error, ApiError::InvalidArgument { reason: "REQUEST_ID_REUSED", .. }));
    }

    #[test]
    fn ids_are_compared_without_case_and_methods_do_not_mix() {
        assert_eq!(key(ID, "a").request_id, key(&ID.to_lowercase(), "a").request_id);
        let message = GetTenantRequest::default();
        assert_ne!(fingerprint("a", &message), fingerprint("b", &message));
    }
}
