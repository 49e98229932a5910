//! Idempotency keys as Stripe's API v1 keeps them.
//!
//! The first request with a key claims it; its status and body are stored once the endpoint has
//! executed, errors included, and replayed to every later request with the same parameters until
//! the window has passed. A claim that ends without being stored (validation failed) frees the key.

use std::collections::{HashMap, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard};

use crate::app::locked;
use crate::error::ApiError;
use crate::reply::Reply;

/// What a request is compared by: the endpoint and the digest of its parameters.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Fingerprint {
    pub(crate) endpoint: &'static str,
    pub(crate) parameters: [u8; 32],
}

/// The answer under a key, with the request that produced it.
#[derive(Debug, Clone)]
pub(crate) struct Stored {
    pub(crate) reply: Reply,
    pub(crate) request_id: Arc<str>,
}

#[derive(Debug)]
struct Entry {
    fingerprint: Fingerprint,
    /// `None` while the first request is still being worked on.
    stored: Option<Stored>,
}

#[derive(Debug, Default)]
struct Keys {
    entries: HashMap<Arc<str>, Entry>,
    /// Stored keys by the time they were stored (microseconds UTC), oldest first.
    by_age: VecDeque<(i64, Arc<str>)>,
}

/// All keys of the sandbox.
#[derive(Debug)]
pub(crate) struct IdempotencyStore {
    window_micros: i64,
    keys: Mutex<Keys>,
}

/// The outcome of presenting a key.
#[derive(Debug)]
pub(crate) enum Begin {
    /// This request is the first and must execute.
    Fresh(Claim),
    /// The answer is known.
    Replay(Stored),
}

impl IdempotencyStore {
    pub(crate) fn new(window_micros: i64) -> Self {
        Self { window_micros, keys: Mutex::default() }
    }

    /// Presents `key` at `now` (microseconds UTC).
    pub(crate) fn begin(
        self: &Arc<Self>,
        key: &str,
        fingerprint: Fingerprint,
        now: i64,
    ) -> Result<Begin, ApiError> {
        if key.is_empty() || key.len() > 255 {
            return Err(ApiError::key_too_long());
        }
        let mut keys = self.keys();
        keys.forget_before(now.saturating_sub(self.window_micros));
        if let Some(entry) = keys.entries.get(key) {
            if entry.fingerprint != fingerprint {
                return Err(ApiError::key_reused(key));
            }
            let Some(stored) = &entry.stored else { return Err(ApiError::key_in_use(key)) };
            return Ok(Begin::Replay(stored.clone()));
        }
        let key: Arc<str> = key.into();
        keys.entries.insert(Arc::clone(&key), Entry { fingerprint, stored: None });
        Ok(Begin::Fresh(Claim { store: Arc::clone(self), key, stored: false }))
    }

    fn keys(&self) -> MutexGuard<'_, Keys> {
        locked(&self.keys)
    }
}

impl Keys {
    fn forget_before(&mut self, limit: i64) {
        while self.by_age.front().is_some_and(|(stored_at, _)| *stored_at <= limit) {
            if let Some((_, key)) = self.by_age.pop_front() {
                self.entries.remove(&key);
            }
        }
    }
}

/// The right to execute under a key. Dropped without [`Claim::store`], it frees the key.
#[derive(Debug)]
pub(crate) struct Claim {
    store: Arc<IdempotencyStore>,
    key: Arc<str>,
    stored: bool,
}

impl Claim {
    /// Keeps the answer from `now` (microseconds UTC) until the window has passed.
    pub(crate) fn store(mut self, stored: Stored, now: i64) {
        let mut keys = self.store.keys();
        if let Some(entry) = keys.entries.get_mut(&self.key) {
            entry.stored = Some(stored);
            keys.by_age.push_back((now, Arc::clone(&self.key)));
        }
        drop(keys);
        self.stored = true;
    }
}

impl Drop for Claim {
    fn drop(&mut self) {
        if !self.stored {
            self.store.keys().entries.remove(&self.key);
        }
    }
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;
    use http::StatusCode;

    use super::*;

    const WINDOW: i64 = 1_000;

    fn print(parameters: u8) -> Fingerprint {
        Fingerprint { endpoint: "/v1/refunds", parameters: [parameters; 32] }
    }

    fn answer() -> Stored {
        let reply = Reply { status: StatusCode::INTERNAL_SERVER_ERROR, body: Bytes::from("{}") };
        Stored { reply, request_id: "req_1".into() }
    }

    fn fresh(store: &Arc<IdempotencyStore>, now: i64) -> Claim {
        match store.begin("key", print(1), now).unwrap() {
            Begin::Fresh(claim) => claim,
            Begin::Replay(stored) => panic!("replayed {stored:?}"),
        }
    }

    #[test]
    fn a_stored_error_is_replayed_until_the_window_has_passed() {
        let store = Arc::new(IdempotencyStore::new(WINDOW));
        fresh(&store, 0).store(answer(), 10);
        match store.begin("key", print(1), 10 + WINDOW - 1).unwrap() {
            Begin::Replay(stored) => assert_eq!(stored.reply, answer().reply),
            Begin::Fresh(_) => panic!("forgotten too early"),
        }
        fresh(&store, 10 + WINDOW);
    }

    #[test]
    fn other_parameters_and_concurrent_use_are_told_apart() {
        let store = Arc::new(IdempotencyStore::new(WINDOW));
        let claim = fresh(&store, 0);
        let in_use = store.begin("key", print(1), 0).unwrap_err();
        assert_eq!(in_use.code(), Some("idempotency_key_in_use"));
        let reused = store.begin("key", print(2), 0).unwrap_err();
        assert_eq!(reused.code(), None);
        claim.store(answer(), 0);
        assert!(store.begin("key", print(2), 0).is_err());
    }

    #[test]
    fn a_dropped_claim_frees_the_key() {
        let store = Arc::new(IdempotencyStore::new(WINDOW));
        drop(fresh(&store, 0));
        fresh(&store, 0);
    }
}
