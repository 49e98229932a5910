//! Follows a refund until it has come to rest.
//!
//! Invariant: the first answer is the refund as it is, each further one a later version, and the last
//! one at rest; a watcher that reads slowly skips versions and never holds anybody up.

use std::time::Duration;

use futures::Stream;
use futures::stream::try_unfold;
use redress_core::id::{RefundId, TenantId};
use tokio::sync::watch;
use tokio::time::timeout;

use super::{RefundError, Refunds, get_refund};
use crate::domain::refund::Refund;

/// How long a change made by another process goes unseen at most.
const POLL: Duration = Duration::from_secs(1);

/// What the watcher waits for next.
struct Watch {
    app: Refunds,
    tenant: TenantId,
    id: RefundId,
    settled: watch::Receiver<()>,
    /// The version told last; 0 before the first one.
    told: i64,
    ended: bool,
}

/// The refund's versions; an error at once when the tenant has no such refund.
pub async fn watch_refund(
    app: &Refunds,
    tenant: TenantId,
    id: RefundId,
) -> Result<impl Stream<Item = Result<Refund, RefundError>> + use<>, RefundError> {
    get_refund(app, &tenant, &id).await?;
    let settled = app.signals.on_settled();
    let watch = Watch { app: app.clone(), tenant, id, settled, told: 0, ended: false };
    Ok(try_unfold(watch, next))
}

async fn next(mut watch: Watch) -> Result<Option<(Refund, Watch)>, RefundError> {
    if watch.ended {
        return Ok(None);
    }
    loop {
        let refund = get_refund(&watch.app, &watch.tenant, &watch.id).await?;
        if refund.version > watch.told {
            watch.told = refund.version;
            watch.ended = refund.state.is_at_rest();
            return Ok(Some((refund, watch)));
        }
        // Woken by this process, or in time to see what another one did.
        let _woken = timeout(POLL, watch.settled.changed()).await;
    }
}
