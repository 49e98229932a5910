//! Closes a case with what was done about it.
//!
//! Invariant: the change of the case and the record of the request are one write. A repetition of
//! the request gets the stored answer, whatever happened to the case since.

use redress_api::etag::check_etag;
use redress_api::request_id::{RequestKey, reused};
use redress_core::clock::Timestamp;
use redress_core::id::CaseId;
use redress_store::StoreError;
use redress_store::idempotency::{self, IdempotencyRecord, Verdict};

use super::{CaseError, get_case};
use crate::domain::case::{Case, Resolution};
use crate::store::CaseStore;

/// What the caller asks for.
pub struct ResolveCase<'a> {
    /// The case.
    pub id: CaseId,
    /// What was done, and by whom.
    pub resolution: Resolution,
    /// The etag last seen; empty skips the check.
    pub etag: String,
    /// The tenant, and what a repetition is recognised by.
    pub request: &'a RequestKey,
    /// Encodes the answer that a repetition gets.
    pub encode: fn(&Case) -> Vec<u8>,
}

/// How a request with an id was answered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Outcome {
    /// It was carried out now.
    Done(Box<Case>),
    /// It was carried out before; the answer of then, as encoded then.
    Replayed(Vec<u8>),
}

/// Closes the case at `now`.
pub async fn resolve_case(
    store: &dyn CaseStore,
    ask: ResolveCase<'_>,
    now: Timestamp,
) -> Result<Outcome, CaseError> {
    if let Some(outcome) = replay(store, ask.request).await? {
        return Ok(outcome);
    }
    let resolved = match decide(store, &ask, now).await {
        Ok(resolved) => resolved,
        // A racing sending of this very request may have closed the case since the look above.
        Err(error) => return replay(store, ask.request).await?.ok_or(error),
    };
    let record = IdempotencyRecord {
        tenant: ask.request.tenant.clone(),
        method: ask.request.method.to_owned(),
        request_id: ask.request.request_id.clone(),
        fingerprint: ask.request.fingerprint.to_vec(),
        response: (ask.encode)(&resolved),
        created: now,
    };
    match store.update(&resolved, &record).await {
        Ok(()) => Ok(Outcome::Done(Box::new(resolved))),
        Err(error) if idempotency::is_duplicate(&error) || lost_race(&error) => {
            replay(store, ask.request).await?.ok_or(CaseError::Conflict(ask.id))
        }
        Err(error) => Err(error.into()),
    }
}

/// The case as it would be closed.
async fn decide(
    store: &dyn CaseStore,
    ask: &ResolveCase<'_>,
    now: Timestamp,
) -> Result<Case, CaseError> {
    let case = get_case(store, &ask.request.tenant, &ask.id).await?;
    check_etag(&ask.etag, &ask.id.resource_name(), case.version)?;
    case.resolve(ask.resolution.clone(), now)
        .map_err(|not_open| CaseError::NotOpen { id: ask.id.clone(), not_open })
}

const fn lost_race(error: &StoreError) -> bool {
    matches!(error, StoreError::VersionMismatch)
}

async fn replay(store: &dyn CaseStore, request: &RequestKey) -> Result<Option<Outcome>, CaseError> {
    let Some(record) = store.outcome(request).await? else { return Ok(None) };
    match record.verdict(&request.fingerprint) {
        Verdict::Replay(answer) => Ok(Some(Outcome::Replayed(answer))),
        Verdict::Mismatch => Err(reused().into()),
    }
}
