//! Refunds that were made somewhere else: in the provider's dashboard, by another system.
//!
//! Invariant: what a webhook says of such a refund is recorded only as the provider's API confirms
//! it, and only on the one payment that it belongs to.

use async_trait::async_trait;
use redress_store::StoreError;

use crate::provider::SharedProvider;

/// Who records refunds that were made somewhere else.
#[async_trait]
pub trait ForeignRefunds: Send + Sync {
    /// Reads the refund from its provider and records it on its payment. Doing so again changes
    /// nothing.
    ///
    /// Where a provider's refunds carry no reference of ours
    /// ([`finds_by_reference`](crate::provider::ProviderTerms::finds_by_reference) is false), a
    /// refund on a payment with an attempt that awaits its answer may be that attempt's: it is
    /// [`ForeignOutcome::Ambiguous`].
    async fn record(
        &self,
        provider: &SharedProvider,
        provider_refund: &str,
    ) -> Result<ForeignOutcome, StoreError>;
}

/// What became of a refund that was made somewhere else.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ForeignOutcome {
    /// It is recorded now, or what is recorded of it has changed.
    Recorded,
    /// It was recorded exactly so.
    Known,
    /// Several payments could be meant: nothing changed, and a person is told.
    Ambiguous,
    /// No payment of ours is meant, or the provider does not have such a refund: nothing changed.
    Unmatched,
    /// The provider could not be asked: nothing changed, and it is worth another try.
    Inconclusive,
}
