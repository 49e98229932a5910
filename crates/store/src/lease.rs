//! Leases: one holder at a time, without trusting that it stops in time.
//!
//! Invariant: the token rises with each new holder and is checked inside every transaction in
//! which a holder writes ([`guard_sqlite`], [`guard_postgres`]); a holder that was slow or paused
//! past its expiry can no longer change anything once another one took over.

use std::time::Duration;

use redress_core::clock::{Clock, Timestamp};
use sqlx::{PgConnection, SqliteConnection};
use tokio_util::sync::CancellationToken;

use crate::database::Database;
use crate::error::StoreError;

/// A lease that was acquired; proof of it only together with a guard.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Lease {
    /// What is held, such as `sequencer` or `relay/cases`.
    pub name: String,
    /// Who holds it; unique per process and worker.
    pub holder: String,
    /// The fencing token, from 1.
    pub token: i64,
    /// From when on somebody else may take it.
    pub expires: Timestamp,
}

// The same statement serves both databases. A row is never deleted, so tokens never repeat.
const ACQUIRE: &str = "INSERT INTO leases (name, holder, token, expires_at) \
     VALUES ($1, $2, 1, $3) \
     ON CONFLICT (name) DO UPDATE SET holder = excluded.holder, token = leases.token + 1, \
     expires_at = excluded.expires_at \
     WHERE leases.expires_at <= $4 \
     RETURNING token";
const RENEW: &str = "UPDATE leases SET expires_at = $3 WHERE name = $1 AND token = $2";
const RELEASE: &str = "UPDATE leases SET expires_at = 0 WHERE name = $1 AND token = $2";

/// Takes the lease `name` for `ttl` when nobody holds it at `now`; `None` when somebody does.
pub async fn acquire(
    database: &Database,
    name: &str,
    holder: &str,
    now: Timestamp,
    ttl: Duration,
) -> Result<Option<Lease>, StoreError> {
    let expires = now.plus(ttl);
    let token: Option<i64> = match database {
        Database::Sqlite(database) => {
            sqlx::query_scalar(ACQUIRE)
                .bind(name)
                .bind(holder)
                .bind(expires.0)
                .bind(now.0)
                .fetch_optional(&database.write)
                .await?
        }
        Database::Postgres(database) => {
            sqlx::query_scalar(ACQUIRE)
                .bind(name)
                .bind(holder)
                .bind(expires.0)
                .bind(now.0)
                .fetch_optional(&database.pool)
                .await?
        }
    };
    Ok(token.map(|token| Lease {
        name: name.to_owned(),
        holder: holder.to_owned(),
        token,
        expires,
    }))
}

/// Moves the lease's expiry to `now` + `ttl`; `LeaseLost` when somebody else holds it.
pub async fn renew(
    database: &Database,
    lease: &Lease,
    now: Timestamp,
    ttl: Duration,
) -> Result<Lease, StoreError> {
    let expires = now.plus(ttl);
    let touched = execute(database, RENEW, lease, Some(expires)).await?;
    if touched == 0 { Err(lost(lease)) } else { Ok(Lease { expires, ..lease.clone() }) }
}

/// Gives the lease back, so that the next holder need not wait for its expiry. Giving back what
/// somebody else holds changes nothing.
pub async fn release(database: &Database, lease: &Lease) -> Result<(), StoreError> {
    execute(database, RELEASE, lease, None).await.map(drop)
}

async fn execute(
    database: &Database,
    sql: &'static str,
    lease: &Lease,
    expires: Option<Timestamp>,
) -> Result<u64, StoreError> {
    Ok(match database {
        Database::Sqlite(database) => {
            let mut query = sqlx::query(sql).bind(&lease.name).bind(lease.token);
            if let Some(expires) = expires {
                query = query.bind(expires.0);
            }
            query.execute(&database.write).await?.rows_affected()
        }
        Database::Postgres(database) => {
            let mut query = sqlx::query(sql).bind(&lease.name).bind(lease.token);
            if let Some(expires) = expires {
                query = query.bind(expires.0);
            }
            query.execute(&database.pool).await?.rows_affected()
        }
    })
}

/// Makes the caller's SQLite transaction depend on the lease: `LeaseLost` when it was taken over.
pub async fn guard_sqlite(conn: &mut SqliteConnection, lease: &Lease) -> Result<(), StoreError> {
    let held: Option<i64> =
        sqlx::query_scalar("SELECT token FROM leases WHERE name = $1 AND token = $2")
            .bind(&lease.name)
            .bind(lease.token)
            .fetch_optional(conn)
            .await?;
    held.map(drop).ok_or_else(|| lost(lease))
}

/// Makes the caller's PostgreSQL transaction depend on the lease: `LeaseLost` when it was taken
/// over; until the commit nobody can take it over.
pub async fn guard_postgres(conn: &mut PgConnection, lease: &Lease) -> Result<(), StoreError> {
    let held: Option<i64> =
        sqlx::query_scalar("SELECT token FROM leases WHERE name = $1 AND token = $2 FOR SHARE")
            .bind(&lease.name)
            .bind(lease.token)
            .fetch_optional(conn)
            .await?;
    held.map(drop).ok_or_else(|| lost(lease))
}

/// As [`guard_postgres`], and one after the other even for several tasks with the same lease.
pub(crate) async fn guard_postgres_alone(
    conn: &mut PgConnection,
    lease: &Lease,
) -> Result<(), StoreError> {
    let held: Option<i64> =
        sqlx::query_scalar("SELECT token FROM leases WHERE name = $1 AND token = $2 FOR UPDATE")
            .bind(&lease.name)
            .bind(lease.token)
            .fetch_optional(conn)
            .await?;
    held.map(drop).ok_or_else(|| lost(lease))
}

fn lost(lease: &Lease) -> StoreError {
    StoreError::LeaseLost { name: lease.name.clone() }
}

/// Runs `work` whenever this process holds the lease `name`, until `cancel`. `work` gets the lease
/// and a token that is cancelled when the lease is lost or `cancel` is; when it returns, the lease
/// is given back. Renews the lease at each third of `ttl`.
pub async fn hold<F>(
    claim: &Claim<'_>,
    cancel: &CancellationToken,
    work: impl Fn(Lease, CancellationToken) -> F,
) where
    F: Future<Output = ()>,
{
    while !cancel.is_cancelled() {
        let now = claim.clock.now();
        match acquire(claim.database, claim.name, claim.holder, now, claim.ttl).await {
            Ok(Some(lease)) => {
                tracing::info!(lease.name = claim.name, lease.token = lease.token, "lease taken");
                let stop = cancel.child_token();
                let working = async {
                    work(lease.clone(), stop.clone()).await;
                    stop.cancel();
                };
                tokio::join!(working, keep(claim, &lease, &stop));
                if let Err(error) = release(claim.database, &lease).await {
                    tracing::warn!(
                        lease.name = claim.name,
                        error = &error as &dyn std::error::Error,
                        "the lease could not be given back; it will expire"
                    );
                }
            }
            Ok(None) => {}
            Err(error) => tracing::warn!(
                lease.name = claim.name,
                error = &error as &dyn std::error::Error,
                "the lease could not be asked for; trying again"
            ),
        }
        pause(claim.ttl / 3, cancel).await;
    }
}

/// Who wants to hold what.
#[derive(Debug)]
pub struct Claim<'a> {
    /// Where the lease is kept.
    pub database: &'a Database,
    /// Dates it.
    pub clock: &'a dyn Clock,
    /// What is to be held.
    pub name: &'a str,
    /// Who holds it; unique per process and worker.
    pub holder: &'a str,
    /// How long a silent holder blocks others.
    pub ttl: Duration,
}

/// Renews `lease` until `stop`; stops the work when the lease is lost, or when it ran out before
/// it could be renewed.
async fn keep(claim: &Claim<'_>, lease: &Lease, stop: &CancellationToken) {
    let mut expires = lease.expires;
    loop {
        pause(claim.ttl / 3, stop).await;
        if stop.is_cancelled() {
            return;
        }
        match renew(claim.database, lease, claim.clock.now(), claim.ttl).await {
            Ok(renewed) => expires = renewed.expires,
            Err(error) => {
                tracing::warn!(
                    lease.name = claim.name,
                    error = &error as &dyn std::error::Error,
                    "the lease could not be renewed"
                );
                if matches!(error, StoreError::LeaseLost { .. }) || claim.clock.now() >= expires {
                    stop.cancel();
                }
            }
        }
    }
}

/// Waits for `time`, or less when told to stop.
pub(crate) async fn pause(time: Duration, stop: &CancellationToken) {
    tokio::select! {
        () = stop.cancelled() => {}
        () = tokio::time::sleep(time) => {}
    }
}
