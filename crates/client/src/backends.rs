//! The addresses of one peer: kept fresh by a resolver, and chosen from for each call.
//!
//! Invariant: an address that just refused a connection is not chosen while another one is left,
//! and a name that no longer resolves keeps the addresses it had.
//!
//! tonic's own balancer takes no notice of failed connections: of two addresses, a dead one would
//! get half of the calls until the resolver drops it. Hence this one.

use std::collections::BTreeSet;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::sync::{Notify, watch};
use tokio::time::{Instant, timeout};
use tokio_util::sync::{CancellationToken, DropGuard};
use tonic::transport::Channel;

use crate::resolver::Resolver;
use crate::settings::Target;

/// How long an address that refused a connection is passed over.
const PASS_OVER: Duration = Duration::from_secs(1);
/// The resolver is asked at most this often, however many calls fail.
const RESOLVE_PAUSE: Duration = Duration::from_secs(1);
/// A resolver that does not answer in this time counts as failed.
const RESOLVE_LIMIT: Duration = Duration::from_secs(5);

/// One address of a peer.
#[derive(Debug)]
pub(crate) struct Backend {
    address: SocketAddr,
    channel: Channel,
    calls: AtomicUsize,
    passed_over_until: Mutex<Option<Instant>>,
}

impl Backend {
    /// A handle for one call.
    pub(crate) fn channel(&self) -> Channel {
        self.channel.clone()
    }

    /// Notes that the address did not accept a connection.
    pub(crate) fn refused(&self) {
        *self.lock() = Some(Instant::now() + PASS_OVER);
    }

    /// Notes that the address answered.
    pub(crate) fn answered(&self) {
        *self.lock() = None;
    }

    fn is_passed_over(&self, now: Instant) -> bool {
        self.lock().is_some_and(|until| now < until)
    }

    // The value is replaced whole, so a panic elsewhere cannot have left it half written.
    fn lock(&self) -> std::sync::MutexGuard<'_, Option<Instant>> {
        self.passed_over_until.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A call under way: counts for its address until it is dropped.
#[derive(Debug)]
pub(crate) struct Chosen(Arc<Backend>);

impl std::ops::Deref for Chosen {
    type Target = Backend;
    fn deref(&self) -> &Backend {
        &self.0
    }
}

impl Drop for Chosen {
    fn drop(&mut self) {
        self.0.calls.fetch_sub(1, Ordering::Relaxed);
    }
}

type Addresses = Arc<[Arc<Backend>]>;

/// All addresses of one peer. Dropping it ends the resolving.
#[derive(Debug)]
pub(crate) struct Backends {
    /// `None` until the first answer of the resolver; empty when that was a failure.
    addresses: watch::Receiver<Option<Addresses>>,
    turn: AtomicUsize,
    resolve_now: Arc<Notify>,
    _resolving: DropGuard,
}

impl Backends {
    /// Starts to resolve `target` every `interval`, for as long as the result lives.
    pub(crate) fn resolve(target: Target, resolver: Arc<dyn Resolver>, interval: Duration) -> Self {
        let (sender, addresses) = watch::channel(None);
        let resolve_now = Arc::new(Notify::new());
        let stop = CancellationToken::new();
        let work = keep_fresh(target, resolver, interval, sender, Arc::clone(&resolve_now));
        tokio::spawn(stop.clone().run_until_cancelled_owned(work));
        Self { addresses, turn: AtomicUsize::new(0), resolve_now, _resolving: stop.drop_guard() }
    }

    /// The address with the fewest calls under way; `None` while the name resolves to nothing.
    /// Waits for the resolver's first answer.
    pub(crate) async fn choose(&self) -> Option<Chosen> {
        let mut addresses = self.addresses.clone();
        let known = addresses.wait_for(Option::is_some).await.ok()?.clone()?;
        if known.is_empty() {
            self.resolve_soon();
            return None;
        }
        let now = Instant::now();
        let start = self.turn.fetch_add(1, Ordering::Relaxed);
        // min_by_key takes the first of equals: the turn makes idle addresses alternate.
        let chosen = (0..known.len())
            .map(|offset| &known[start.wrapping_add(offset) % known.len()])
            .min_by_key(|b| (b.is_passed_over(now), b.calls.load(Ordering::Relaxed)))?;
        chosen.calls.fetch_add(1, Ordering::Relaxed);
        Some(Chosen(Arc::clone(chosen)))
    }

    /// Asks for a fresh answer of the resolver before its turn: an address has failed.
    pub(crate) fn resolve_soon(&self) {
        self.resolve_now.notify_one();
    }
}

async fn keep_fresh(
    target: Target,
    resolver: Arc<dyn Resolver>,
    interval: Duration,
    sender: watch::Sender<Option<Addresses>>,
    resolve_now: Arc<Notify>,
) {
    loop {
        match look_up(&target, resolver.as_ref()).await {
            Ok(found) => update(&sender, &target, &found),
            Err(reason) => {
                tracing::warn!(peer.host = target.host, reason, "cannot resolve a peer's name");
                sender.send_if_modified(|known| {
                    let first = known.is_none();
                    known.get_or_insert_with(|| Arc::from([]));
                    first
                });
            }
        }
        tokio::time::sleep(RESOLVE_PAUSE.min(interval)).await;
        // A nudge or the end of the interval: either way it is time, so the outcome is no matter.
        let _elapsed =
            timeout(interval.saturating_sub(RESOLVE_PAUSE), resolve_now.notified()).await;
    }
}

async fn look_up(target: &Target, resolver: &dyn Resolver) -> Result<BTreeSet<SocketAddr>, String> {
    let answer = timeout(RESOLVE_LIMIT, resolver.resolve(&target.host, target.port)).await;
    match answer {
        Err(_) => Err(format!("no answer within {} s", RESOLVE_LIMIT.as_secs())),
        Ok(Err(error)) => Err(error.to_string()),
        Ok(Ok(found)) if found.is_empty() => Err("the name has no address".to_owned()),
        Ok(Ok(found)) => Ok(found.into_iter().collect()),
    }
}

/// Takes over the addresses found: those that stay keep their connections.
fn update(
    sender: &watch::Sender<Option<Addresses>>,
    target: &Target,
    found: &BTreeSet<SocketAddr>,
) {
    sender.send_if_modified(|known| {
        let old = known.as_deref().unwrap_or_default();
        if old.iter().map(|backend| backend.address).eq(found.iter().copied()) {
            return false;
        }
        tracing::debug!(
            peer.host = target.host,
            addresses = found.len(),
            "peer's addresses changed"
        );
        let keep = |address: &SocketAddr| old.iter().find(|b| b.address == *address).cloned();
        let open = |address: SocketAddr| {
            Arc::new(Backend {
                address,
                channel: target.open(address),
                calls: AtomicUsize::new(0),
                passed_over_until: Mutex::new(None),
            })
        };
        *known = Some(found.iter().map(|a| keep(a).unwrap_or_else(|| open(*a))).collect());
        true
    });
}
