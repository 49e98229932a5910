//! Object ids in Stripe's look: a prefix and 24 letters and digits.
//!
//! The first half is drawn once per sandbox, so that two sandboxes never hand out the same id; the
//! second half counts, so that ids of one sandbox sort by creation.

use std::sync::atomic::{AtomicU64, Ordering};

const ALPHABET: &[u8; 62] = b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";
const HALF: usize = 12;

/// Hands out ids that are unique within one sandbox and, by 64 random bits, across sandboxes.
#[derive(Debug)]
pub(crate) struct IdGenerator {
    instance: String,
    next: AtomicU64,
}

impl IdGenerator {
    /// Draws the sandbox's own half from the operating system.
    #[expect(clippy::disallowed_methods, reason = "once at start, an outside system's double")]
    pub(crate) fn random() -> Result<Self, getrandom::Error> {
        Ok(Self { instance: base62(getrandom::u64()?), next: AtomicU64::new(1) })
    }

    /// The next id under `prefix`, for example `re_`.
    pub(crate) fn next(&self, prefix: &str) -> String {
        let number = self.next.fetch_add(1, Ordering::Relaxed);
        format!("{prefix}{}{}", self.instance, base62(number))
    }
}

fn base62(mut number: u64) -> String {
    let mut digits = [b'0'; HALF];
    for digit in digits.iter_mut().rev() {
        *digit = ALPHABET[usize::try_from(number % 62).unwrap_or_default()];
        number /= 62;
    }
    digits.iter().map(|digit| char::from(*digit)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_look_like_stripes_and_never_repeat() {
        let ids = IdGenerator::random().unwrap();
        let first = ids.next("re_");
        let second = ids.next("re_");
        assert_eq!(first.len(), 3 + 2 * HALF);
        assert!(first[3..].bytes().all(|byte| byte.is_ascii_alphanumeric()));
        assert!(second > first, "{second} sorts after {first}");
    }
}
