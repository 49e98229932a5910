//! Records the answer to an invitation.
//!
//! Invariant: the answer, the change of the invitation and the record of the request are one write.
//! A repetition of the request gets the stored answer.

use redress_api::request_id::{RequestKey, reused};
use redress_core::clock::Timestamp;
use redress_core::id::{InvitationId, ResponseId};
use redress_store::StoreError;
use redress_store::idempotency::{self, IdempotencyRecord, Verdict};

use super::{FeedbackError, get_invitation};
use crate::domain::invitation::{Answer, Invitation};
use crate::domain::response::Response;
use crate::store::FeedbackStore;

/// What the caller asks for.
pub struct RecordResponse<'a> {
    /// The invitation.
    pub invitation: InvitationId,
    /// What the customer says.
    pub answer: Answer,
    /// A fresh id for the response.
    pub response: ResponseId,
    /// The tenant, and what a repetition is recognised by.
    pub request: &'a RequestKey,
    /// Encodes the answer that a repetition gets.
    pub encode: fn(&Response) -> Vec<u8>,
}

/// How a request with an id was answered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Outcome {
    /// It was carried out now.
    Done(Box<Response>),
    /// It was carried out before; the answer of then, as encoded then.
    Replayed(Vec<u8>),
}

/// Records the answer at `now`.
pub async fn record_response(
    store: &dyn FeedbackStore,
    ask: RecordResponse<'_>,
    now: Timestamp,
) -> Result<Outcome, FeedbackError> {
    if let Some(outcome) = replay(store, ask.request).await? {
        return Ok(outcome);
    }
    let (answered, response) = match decide(store, &ask, now).await {
        Ok(decided) => decided,
        // A racing sending of this very request may have been recorded since the look above.
        Err(error) => return replay(store, ask.request).await?.ok_or(error),
    };
    let record = IdempotencyRecord {
        tenant: ask.request.tenant.clone(),
        method: ask.request.method.to_owned(),
        request_id: ask.request.request_id.clone(),
        fingerprint: ask.request.fingerprint.to_vec(),
        response: (ask.encode)(&response),
        created: now,
    };
    match store.record_response(&answered, &response, &record).await {
        Ok(()) => Ok(Outcome::Done(Box::new(response))),
        Err(error) if idempotency::is_duplicate(&error) || lost_race(&error) => {
            replay(store, ask.request).await?.ok_or(FeedbackError::Conflict(ask.invitation))
        }
        Err(error) => Err(error.into()),
    }
}

/// The invitation as answered, and the response.
async fn decide(
    store: &dyn FeedbackStore,
    ask: &RecordResponse<'_>,
    now: Timestamp,
) -> Result<(Invitation, Response), FeedbackError> {
    let invitation = get_invitation(store, &ask.request.tenant, &ask.invitation).await?;
    invitation
        .answer(ask.answer.clone(), ask.response.clone(), now)
        .map_err(|reason| FeedbackError::CannotAnswer { id: ask.invitation.clone(), reason })
}

const fn lost_race(error: &StoreError) -> bool {
    matches!(error, StoreError::VersionMismatch)
}

async fn replay(
    store: &dyn FeedbackStore,
    request: &RequestKey,
) -> Result<Option<Outcome>, FeedbackError> {
    let Some(record) = store.outcome(request).await? else { return Ok(None) };
    match record.verdict(&request.fingerprint) {
        Verdict::Replay(answer) => Ok(Some(Outcome::Replayed(answer))),
        Verdict::Mismatch => Err(reused().into()),
    }
}
