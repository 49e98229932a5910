//! Channels to one peer, and what is added to every call on its way out.
//!
//! Invariant: a [`TenantChannel`] is all that leaves this crate: no call goes out without a token
//! for its tenant, the trace and, unless it is a stream, a deadline.

use std::convert::Infallible;
use std::fmt;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use futures::future::BoxFuture;
use http::header::AUTHORIZATION;
use http::{HeaderValue, Request, Response, request};
use http_body_util::{BodyExt as _, Full};
use redress_api::deadline::Deadline;
use redress_core::id::TenantId;
use secrecy::ExposeSecret as _;
use tokio::time::{Instant, timeout_at};
use tonic::body::Body;
use tonic::{Code, Status};
use tonic_types::StatusExt as _;
use tower::{Service, ServiceExt as _};
use tracing::{Instrument as _, Span};

use crate::backends::Backends;
use crate::body::bound;
use crate::outcome::CallError;
use crate::resolver::Resolver;
use crate::retry::{Backoff, MAX_ATTEMPTS, RetryBudget};
use crate::settings::{PeerSettings, SettingsError, Target};
use crate::token::TokenSource;
use crate::{deadline, outcome, trace};

/// All replicas of one service, behind one name. Clones share connections.
#[derive(Clone)]
pub struct PeerChannel(Arc<Peer>);

struct Peer {
    backends: Backends,
    tokens: Arc<dyn TokenSource>,
    default_deadline: Duration,
    budget: RetryBudget,
    backoff: Backoff,
}

impl PeerChannel {
    /// A channel that connects with its first call; the peer need not be up yet. Must be called
    /// within a tokio runtime. Fails only for settings that cannot be used.
    pub fn connect(
        settings: &PeerSettings,
        resolver: Arc<dyn Resolver>,
        tokens: Arc<dyn TokenSource>,
    ) -> Result<Self, SettingsError> {
        let target = Target::new(settings)?;
        Ok(Self(Arc::new(Peer {
            backends: Backends::resolve(target, resolver, settings.resolve_interval),
            tokens,
            default_deadline: settings.default_deadline,
            budget: RetryBudget::new(),
            backoff: Backoff::new(settings.jitter_seed),
        })))
    }

    /// The channel for unary calls in the name of `tenant`, with the default deadline and without
    /// retries.
    pub fn for_tenant(&self, tenant: TenantId) -> TenantChannel {
        let kind = Kind::Unary { deadline: self.0.default_deadline, idempotent: false };
        TenantChannel { peer: Arc::clone(&self.0), tenant, kind }
    }
}

impl fmt::Debug for PeerChannel {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PeerChannel").finish_non_exhaustive()
    }
}

/// How the calls of a channel are made.
#[derive(Debug, Clone, Copy)]
enum Kind {
    Unary { deadline: Duration, idempotent: bool },
    Streaming,
}

/// The transport of generated clients: one peer, one tenant.
///
/// A unary call whose connection fails is sent to another address, because it provably never left.
/// It is sent again after UNAVAILABLE only on an [`idempotent`](Self::idempotent) channel.
#[derive(Clone)]
pub struct TenantChannel {
    peer: Arc<Peer>,
    tenant: TenantId,
    kind: Kind,
}

impl TenantChannel {
    /// States that the calls of this channel may arrive twice: they only read, or carry a
    /// `request_id`.
    #[must_use]
    pub fn idempotent(mut self) -> Self {
        if let Kind::Unary { idempotent, .. } = &mut self.kind {
            *idempotent = true;
        }
        self
    }

    /// Gives each call this long. A client that sets a shorter one on a request gets that.
    #[must_use]
    pub fn with_deadline(mut self, limit: Duration) -> Self {
        if let Kind::Unary { deadline, .. } = &mut self.kind {
            *deadline = limit;
        }
        self
    }

    /// Passes on the deadline of an incoming call, less a tenth of what is left to answer in,
    /// where that is shorter than the channel's own.
    #[must_use]
    pub fn within(mut self, incoming: Deadline) -> Self {
        if let Kind::Unary { deadline, .. } = &mut self.kind {
            *deadline = (*deadline).min(deadline::forwarded(incoming.remaining()));
        }
        self
    }

    /// For streaming calls: no retries, and no deadline but one set on the request. A dead peer is
    /// noticed by keepalive.
    #[must_use]
    pub fn streaming(mut self) -> Self {
        self.kind = Kind::Streaming;
        self
    }
}

impl fmt::Debug for TenantChannel {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TenantChannel")
            .field("tenant", &self.tenant)
            .field("kind", &self.kind)
            .finish_non_exhaustive()
    }
}

impl Service<Request<Body>> for TenantChannel {
    type Response = Response<Body>;
    type Error = Status;
    type Future = BoxFuture<'static, Result<Response<Body>, Status>>;

    fn poll_ready(&mut self, _cx: &mut Context<'_>) -> Poll<Result<(), Status>> {
        // Waiting happens inside the call, where its deadline counts.
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<Body>) -> Self::Future {
        let channel = self.clone();
        let span = trace::call_span(request.uri().path());
        Box::pin(
            async move {
                let result = channel.send(request).await;
                let code = match &result {
                    Ok(response) => refusal(response).map_or(Code::Ok, |status| status.code()),
                    Err(status) => status.code(),
                };
                Span::current().record("rpc.grpc.status_code", code as i32);
                result
            }
            .instrument(span),
        )
    }
}

impl TenantChannel {
    async fn send(self, request: Request<Body>) -> Result<Response<Body>, Status> {
        let (mut head, body) = request.into_parts();
        let asked = deadline::from_headers(&head.headers);
        let limit = match self.kind {
            Kind::Unary { deadline, .. } => Some(asked.map_or(deadline, |a| a.min(deadline))),
            Kind::Streaming => asked,
        };
        if limit.is_some_and(|limit| limit < deadline::TOO_SHORT) {
            return Err(CallError::TooLate.into());
        }
        // A deadline too far for the clock to represent is none.
        let deadline = limit.and_then(|limit| Instant::now().checked_add(limit));
        self.authorize(&mut head)?;
        trace::inject(&mut head.headers);
        match self.kind {
            Kind::Streaming => self.attempt(&head, body, deadline).await,
            Kind::Unary { idempotent, .. } => {
                let body = body.collect().await?.to_bytes();
                self.repeat(&head, &body, deadline, idempotent).await
            }
        }
    }

    fn authorize(&self, head: &mut request::Parts) -> Result<(), Status> {
        let token = self.peer.tokens.token(&self.tenant);
        let token = token.map_err(|error| CallError::Unauthorized(Box::new(error)))?;
        let mut value = HeaderValue::from_str(&format!("Bearer {}", token.expose_secret()))
            .map_err(|error| CallError::Unauthorized(Box::new(error)))?;
        value.set_sensitive(true);
        head.headers.insert(AUTHORIZATION, value);
        Ok(())
    }

    /// Sends a unary call until it is answered, refused, in doubt, or out of attempts.
    async fn repeat(
        &self,
        head: &request::Parts,
        body: &Bytes,
        deadline: Option<Instant>,
        idempotent: bool,
    ) -> Result<Response<Body>, Status> {
        self.peer.budget.deposit();
        let mut attempt = 1;
        loop {
            let copy =
                Body::new(Full::new(body.clone()).map_err(|never: Infallible| match never {}));
            let result = self.attempt(head, copy, deadline).await;
            let failure = match &result {
                Err(status) => Some((status.code(), outcome::is_not_sent(status), None)),
                Ok(response) => refusal(response).map(|status| {
                    let asked = status.get_details_retry_info().and_then(|info| info.retry_delay);
                    (status.code(), false, asked)
                }),
            };
            let Some((Code::Unavailable, not_sent, asked)) = failure else { return result };
            if !(not_sent || idempotent) || attempt == MAX_ATTEMPTS || !self.peer.budget.withdraw()
            {
                return result;
            }
            attempt += 1;
            let pause = self.peer.backoff.pause(attempt).max(asked.unwrap_or_default());
            let resume = Instant::now() + pause;
            if deadline.is_some_and(|deadline| resume + deadline::TOO_SHORT >= deadline) {
                return result;
            }
            drop(result);
            tokio::time::sleep_until(resume).await;
        }
    }

    async fn attempt(
        &self,
        head: &request::Parts,
        body: Body,
        deadline: Option<Instant>,
    ) -> Result<Response<Body>, Status> {
        let choosing = within(deadline, self.peer.backends.choose()).await;
        let chosen = choosing.ok().flatten().ok_or(CallError::Unresolved)?;
        let mut request = Request::new(body);
        *request.method_mut() = head.method.clone();
        *request.uri_mut() = head.uri.clone();
        *request.version_mut() = head.version;
        *request.headers_mut() = head.headers.clone();
        if let Some(deadline) = deadline {
            let left = deadline.saturating_duration_since(Instant::now());
            request.headers_mut().insert(deadline::GRPC_TIMEOUT, deadline::to_header(left));
        }
        let answer = within(deadline, chosen.channel().oneshot(request)).await;
        match answer.and_then(|answer| answer.map_err(outcome::from_transport)) {
            Ok(response) => {
                chosen.answered();
                Ok(response.map(|body| bound(body, deadline, chosen)))
            }
            Err(status) => {
                if outcome::is_not_sent(&status) {
                    chosen.refused();
                    self.peer.backends.resolve_soon();
                }
                Err(status)
            }
        }
    }
}

async fn within<F: Future>(deadline: Option<Instant>, work: F) -> Result<F::Output, Status> {
    match deadline {
        Some(deadline) => {
            timeout_at(deadline, work).await.map_err(|_| CallError::Unanswered.into())
        }
        None => Ok(work.await),
    }
}

/// The error an answer consists of: servers put it into the headers when there is no message.
fn refusal(response: &Response<Body>) -> Option<Status> {
    Status::from_header_map(response.headers()).filter(|status| status.code() != Code::Ok)
}
