//! What was found out about tokens that came before.
//!
//! Invariant: bounded, whatever comes; only what was found to be good is kept, so that nobody fills
//! it without a key; the tokens themselves are not kept, only their digests.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use aws_lc_rs::digest::{SHA256, digest};

/// Tokens that are remembered, at most: far more than a platform's services and agents use at a
/// time. When there are more, all are forgotten and come in again.
const MOST: usize = 4_096;

type Digest = [u8; 32];

/// Findings by token.
pub(super) struct Recent<T>(Mutex<HashMap<Digest, T>>);

impl<T> Default for Recent<T> {
    fn default() -> Self {
        Self(Mutex::default())
    }
}

impl<T: Clone> Recent<T> {
    /// What was found out about `token`.
    pub(super) fn get(&self, token: &str) -> Option<T> {
        self.lock().get(&of(token)?).cloned()
    }

    /// Remembers what was found out about `token`, and gives it back.
    pub(super) fn keep(&self, token: &str, found: T) -> T {
        if let Some(digest) = of(token) {
            let mut kept = self.lock();
            if kept.len() >= MOST {
                kept.clear();
            }
            kept.insert(digest, found.clone());
        }
        found
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<Digest, T>> {
        // Nothing panics while it is held, and a map is whole after each insertion.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// SHA-256 of a token: nobody can make another token with the same.
fn of(token: &str) -> Option<Digest> {
    digest(&SHA256, token.as_bytes()).as_ref().try_into().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_never_holds_more_than_its_most() {
        let recent = Recent::default();
        for token in 0..=MOST {
            recent.keep(&token.to_string(), token);
            assert!(recent.lock().len() <= MOST);
        }
        assert_eq!(recent.get(&MOST.to_string()), Some(MOST));
        assert_eq!(recent.get("0"), None, "forgotten, and looked at again when it comes");
    }
}
