//! Creates refunds that are asked for at the same moment together.
//!
//! Invariant: a refund is answered for only after the transaction that stores it has committed, and
//! with the outcome it would have had alone. See [`Gather`] for who waits for whom.

use async_trait::async_trait;
use redress_core::id::{Ids, QuoteId, TenantId};
use redress_store::{Gather, Pace, StoreError, Together};

use super::RefundError;
use crate::store::{CreateOutcome, NewRefund, SharedStore, StoredQuote};

/// A second transaction at once starts for a real crowd only: with 32 callers, two or three at once
/// gave hardly more refunds a second than one (`docs/performance.md`).
const PACE: Pace = Pace { turns: 2, crowd: 64, most: 100 };

/// A refund that waits for the offer that it accepts.
pub trait Draft: Send + Sync + 'static {
    /// The offer, when it is a stored one.
    fn quote(&self) -> Option<(TenantId, QuoteId)>;

    /// The refund, once that is read; `None` when the tenant has no such quote. May be asked more
    /// than once.
    fn accept(&self, stored: Option<StoredQuote>) -> Result<NewRefund, RefundError>;
}

/// A refund as it was written, or kept from being.
#[derive(Debug)]
pub struct Created {
    /// The refund.
    pub new: NewRefund,
    /// What became of it.
    pub outcome: CreateOutcome,
}

/// Shared handle to what creates refunds.
#[derive(Debug, Clone)]
pub struct Batches(Gather<Create>);

struct Create {
    store: SharedStore,
    ids: Ids,
}

#[async_trait]
impl Together for Create {
    type Ask = Box<dyn Draft>;
    type Answer = Result<Created, RefundError>;

    async fn answer(&self, drafts: &[Self::Ask]) -> Result<Vec<Self::Answer>, StoreError> {
        let keys: Vec<_> = drafts.iter().filter_map(|draft| draft.quote()).collect();
        let quotes = if keys.is_empty() { Vec::new() } else { self.store.quotes(&keys).await? };
        let mut quotes = quotes.into_iter();
        let mut news = Vec::with_capacity(drafts.len());
        let mut refused = Vec::with_capacity(drafts.len());
        for draft in drafts {
            let stored = draft.quote().and_then(|_| quotes.next().flatten());
            match draft.accept(stored) {
                Ok(new) => {
                    news.push(new);
                    refused.push(None);
                }
                Err(error) => refused.push(Some(error)),
            }
        }
        let outcomes = self.store.create_refunds(&news, &*self.ids).await?;
        if outcomes.len() != news.len() {
            // Nobody may be given the answer of another.
            return Err(StoreError::Internal("a refund has no outcome".into()));
        }
        let mut created =
            news.into_iter().zip(outcomes).map(|(new, outcome)| Created { new, outcome });
        let answer = |refused: Option<RefundError>| match refused {
            Some(error) => Some(Err(error)),
            None => created.next().map(Ok),
        };
        Ok(refused.into_iter().filter_map(answer).collect())
    }
}

impl Batches {
    /// Batches for `store`.
    pub fn new(store: SharedStore, ids: Ids) -> Self {
        Self(Gather::new(Create { store, ids }, PACE))
    }

    /// Creates a refund, unless its offer cannot be accepted. When the caller is dropped it is
    /// created all the same, unless the process ends; the record of its request tells.
    pub async fn create(&self, draft: impl Draft) -> Result<Created, RefundError> {
        self.0.ask(Box::new(draft)).await?
    }
}
