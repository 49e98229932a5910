//! Hash chains: every entry's hash covers its content and the hash before it.
//!
//! Invariant: the canonical bytes of an entry never change within a form, and no two different
//! entries share them; whoever has the entries can recompute every hash without us. The forms are
//! described in `docs/ledger.md`: what is changed here gets a new name and a new section there.
//!
//! A chain proves that nothing in it was changed, removed or put in between. That nothing was cut
//! off its end, only a head proves that was noted elsewhere.

use std::fmt;
use std::str::FromStr;

use aws_lc_rs::digest::{Context, SHA256};

/// The name of the first form of a movement of money.
pub const LEDGER_FORM: &str = "redress.ledger.v1";
/// The name of the first form of an audit entry.
pub const AUDIT_FORM: &str = "redress.audit.v1";

/// A SHA-256 hash; shown as 64 lower-case hexadecimal digits.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Hash([u8; 32]);

/// The text or the bytes are no hash.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("expected a SHA-256 hash: 32 bytes, or 64 hexadecimal digits")]
pub struct InvalidHash;

impl Hash {
    /// What precedes the first entry of every chain: 32 zero bytes.
    pub const GENESIS: Self = Self([0; 32]);

    /// The hash of an entry: SHA-256 over the hash before it and the entry's canonical bytes.
    #[must_use]
    pub fn followed_by(self, canonical: &[u8]) -> Self {
        let mut context = Context::new(&SHA256);
        context.update(&self.0);
        context.update(canonical);
        let mut hash = [0; 32];
        hash.copy_from_slice(context.finish().as_ref());
        Self(hash)
    }

    /// The 32 bytes.
    pub const fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }
}

impl fmt::Display for Hash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl TryFrom<&[u8]> for Hash {
    type Error = InvalidHash;

    fn try_from(bytes: &[u8]) -> Result<Self, InvalidHash> {
        bytes.try_into().map(Self).map_err(|_| InvalidHash)
    }
}

impl FromStr for Hash {
    type Err = InvalidHash;

    fn from_str(text: &str) -> Result<Self, InvalidHash> {
        let mut hash = [0; 32];
        if text.len() != 64 || !text.bytes().all(|digit| digit.is_ascii_hexdigit()) {
            return Err(InvalidHash);
        }
        for (at, byte) in hash.iter_mut().enumerate() {
            *byte = u8::from_str_radix(&text[2 * at..2 * at + 2], 16).map_err(|_| InvalidHash)?;
        }
        Ok(Self(hash))
    }
}

/// How far a chain goes: position and hash of its last entry; written `3:9f86d0…`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Head {
    /// The last position; 0 before the first entry.
    pub position: i64,
    /// The hash of that entry.
    pub hash: Hash,
}

impl Head {
    /// The head of a chain without entries.
    pub const GENESIS: Self = Self { position: 0, hash: Hash::GENESIS };
}

impl Default for Head {
    fn default() -> Self {
        Self::GENESIS
    }
}

impl fmt::Display for Head {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.position, self.hash)
    }
}

/// The text is no head.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("expected POSITION:HASH, a number from 0 and 64 hexadecimal digits")]
pub struct InvalidHead;

impl FromStr for Head {
    type Err = InvalidHead;

    fn from_str(text: &str) -> Result<Self, InvalidHead> {
        let (position, hash) = text.split_once(':').ok_or(InvalidHead)?;
        let position: i64 = position.parse().map_err(|_| InvalidHead)?;
        let hash = hash.parse().map_err(|_| InvalidHead)?;
        if position < 0 { Err(InvalidHead) } else { Ok(Self { position, hash }) }
    }
}

/// What the hash of a movement of money covers.
#[derive(Debug, Clone, Copy)]
pub struct LedgerFields<'a> {
    /// Whose books.
    pub tenant: &'a str,
    /// Place in the chain, from 1.
    pub position: i64,
    /// `RESERVE`, `POST` and so on.
    pub kind: &'a str,
    /// Id of the attempt.
    pub attempt: &'a str,
    /// 1 opens the attempt's money, 2 closes it.
    pub phase: i32,
    /// Id of the refund.
    pub refund: &'a str,
    /// The account debited.
    pub debit: &'a str,
    /// The account credited.
    pub credit: &'a str,
    /// ISO 4217 code.
    pub currency: &'a str,
    /// In minor units.
    pub amount: i64,
    /// When it became true: microseconds since 1970, UTC.
    pub created: i64,
}

impl LedgerFields<'_> {
    /// The canonical bytes, in the form [`LEDGER_FORM`].
    pub fn canonical(&self) -> Vec<u8> {
        let mut fields = Fields::of(LEDGER_FORM);
        fields.text(self.tenant);
        fields.number(self.position);
        fields.text(self.kind);
        fields.text(self.attempt);
        fields.number(self.phase.into());
        fields.text(self.refund);
        fields.text(self.debit);
        fields.text(self.credit);
        fields.text(self.currency);
        fields.number(self.amount);
        fields.number(self.created);
        fields.bytes
    }
}

/// What the hash of an audit entry covers.
#[derive(Debug, Clone)]
pub struct AuditFields<'a> {
    /// Whose log.
    pub tenant: &'a str,
    /// Place in the chain, from 1.
    pub position: i64,
    /// Id of the entry.
    pub id: &'a str,
    /// Who did it.
    pub actor: &'a str,
    /// What the actor could act as, in the order of the credential.
    pub roles: Vec<&'a str>,
    /// What was done, UPPER_SNAKE.
    pub action: &'a str,
    /// Resource name of what it was done to.
    pub resource: &'a str,
    /// Why, in the actor's words.
    pub reason: &'a str,
    /// Ids, amounts and codes, sorted by name, byte by byte.
    pub details: Vec<(&'a str, &'a str)>,
    /// When: microseconds since 1970, UTC.
    pub created: i64,
}

impl AuditFields<'_> {
    /// The canonical bytes, in the form [`AUDIT_FORM`].
    pub fn canonical(&self) -> Vec<u8> {
        let mut fields = Fields::of(AUDIT_FORM);
        fields.text(self.tenant);
        fields.number(self.position);
        fields.text(self.id);
        fields.text(self.actor);
        fields.count(self.roles.len());
        self.roles.iter().for_each(|role| fields.text(role));
        fields.text(self.action);
        fields.text(self.resource);
        fields.text(self.reason);
        fields.count(self.details.len());
        for (name, value) in &self.details {
            fields.text(name);
            fields.text(value);
        }
        fields.number(self.created);
        fields.bytes
    }
}

/// Fields one after the other, each as its length in bytes (four bytes, big-endian) and its UTF-8
/// text; numbers and counts are decimal texts.
struct Fields {
    bytes: Vec<u8>,
}

impl Fields {
    fn of(form: &str) -> Self {
        let mut fields = Self { bytes: Vec::with_capacity(256) };
        fields.text(form);
        fields
    }

    fn text(&mut self, text: &str) {
        // No field comes near 4 GiB: requests are far smaller.
        let length = u32::try_from(text.len()).unwrap_or(u32::MAX);
        self.bytes.extend(length.to_be_bytes());
        self.bytes.extend(text.as_bytes());
    }

    fn number(&mut self, number: i64) {
        self.text(&number.to_string());
    }

    fn count(&mut self, count: usize) {
        self.text(&count.to_string());
    }
}

/// Where a chain does not fit.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Break {
    /// The entry is not the next one.
    #[error("position {found} follows {after}: positions count 1, 2, 3 without a gap")]
    OutOfPlace {
        /// The last position that fitted.
        after: i64,
        /// The position of the entry.
        found: i64,
    },
    /// The entry's hash is not that of its content and of what precedes it.
    #[error("position {position} does not fit: its hash is {stored}, its content gives {computed}")]
    Altered {
        /// The entry's position.
        position: i64,
        /// The hash that it bears.
        stored: Hash,
        /// The hash that it should bear.
        computed: Hash,
    },
}

/// Recomputes a chain, entry by entry.
#[derive(Debug, Clone, Copy, Default)]
pub struct Walk {
    head: Head,
}

impl Walk {
    /// The last entry that fitted.
    pub const fn head(&self) -> Head {
        self.head
    }

    /// Checks the next entry and moves on to it.
    pub fn step(&mut self, position: i64, canonical: &[u8], stored: Hash) -> Result<(), Break> {
        let after = self.head.position;
        if position != after + 1 {
            return Err(Break::OutOfPlace { after, found: position });
        }
        let computed = self.head.hash.followed_by(canonical);
        if computed != stored {
            return Err(Break::Altered { position, stored, computed });
        }
        self.head = Head { position, hash: stored };
        Ok(())
    }
}

#[cfg(test)]
mod tests;
