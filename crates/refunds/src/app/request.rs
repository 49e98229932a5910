//! Requests that may come again.
//!
//! Invariant: the record of a request is one write with its effect, and a repetition gets the
//! stored answer, whatever has happened since.

use redress_api::request_id::RequestKey;

use super::RefundError;
use crate::store::{RefundStore, RequestRecord};

/// A request with an id, and how its answer is stored.
#[derive(Debug)]
pub struct Request<'a, T> {
    /// The tenant, and what a repetition is recognised by.
    pub key: &'a RequestKey,
    /// Encodes the answer that a repetition gets.
    pub encode: fn(&T) -> Vec<u8>,
}

/// How a request with an id was answered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Outcome<T> {
    /// It was carried out now.
    Done(T),
    /// It was carried out before; the answer of then, as encoded then.
    Replayed(Vec<u8>),
}

impl<T> Request<'_, T> {
    /// What is stored with the effect.
    pub(super) fn record(&self, answer: &T) -> RequestRecord {
        RequestRecord {
            method: self.key.method,
            request_id: self.key.request_id.clone(),
            fingerprint: self.key.fingerprint,
            response: (self.encode)(answer),
        }
    }
}

/// Does `work` unless the request was answered before.
pub(super) async fn once<T>(
    store: &dyn RefundStore,
    key: &RequestKey,
    work: impl Future<Output = Result<T, RefundError>>,
) -> Result<Outcome<T>, RefundError> {
    match replay(store, key).await? {
        Some(answer) => Ok(Outcome::Replayed(answer)),
        None => or_answered(store, key, work).await,
    }
}

/// Does `work`, which fails if the request was answered before: then that answer counts, and not
/// what kept this one from doing it again.
pub(super) async fn or_answered<T>(
    store: &dyn RefundStore,
    key: &RequestKey,
    work: impl Future<Output = Result<T, RefundError>>,
) -> Result<Outcome<T>, RefundError> {
    match work.await {
        Ok(done) => Ok(Outcome::Done(done)),
        Err(error) => replay(store, key).await?.map(Outcome::Replayed).ok_or(error),
    }
}

async fn replay(store: &dyn RefundStore, key: &RequestKey) -> Result<Option<Vec<u8>>, RefundError> {
    let stored = store.replay(&key.tenant, key.method, &key.request_id).await?;
    let Some(stored) = stored else { return Ok(None) };
    key.check_stored(&stored.fingerprint)?;
    Ok(Some(stored.response))
}
