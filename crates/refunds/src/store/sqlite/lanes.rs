//! Lanes on SQLite, whose one writer holds them all.

use async_trait::async_trait;
use redress_core::clock::Timestamp;
use redress_core::money::Currency;
use redress_store::StoreError;
use serde_json::json;
use sqlx::SqliteConnection;
use tokio::time::Instant;

use super::super::Claim;
use super::super::lanes::{Allowance, DatabaseClock, LaneState, LaneStore, Slot, Taken};
use super::super::rows::{ArmedRow, FundsRow, LaneRow, encode_rows, lane_states};
use super::{SqliteStore, attempts};
use crate::domain::lane::{ArmedSum, FundsWait, Lane, LaneNews, RestReason, SlotLog};

#[async_trait]
impl LaneStore for SqliteStore {
    async fn claim_to_send(
        &self,
        claim: &Claim<'_>,
        sends_per_second: Option<u32>,
    ) -> Result<Taken, StoreError> {
        let mut tx = self.database.begin().await?;
        let (lane, slots, clock) = hold(&mut tx, claim.provider).await?;
        let allowance = Allowance::of(lane, slots, clock, claim, sends_per_second);
        let allowed = Claim { limit: allowance.limit, ..*claim };
        let attempts = match allowed.limit {
            0 => Vec::new(),
            _ => attempts::claim_to_send(&mut tx, &allowed).await?,
        };
        let (taken, changed) = allowance.used_for(attempts, claim);
        if let Some((lane, slots)) = changed {
            put(&mut tx, claim.provider, &lane, slots.as_ref()).await?;
        }
        self.database.commit(tx).await?;
        Ok(taken)
    }

    async fn renew_slot(
        &self,
        provider: &str,
        sends_per_second: u32,
        unused: Slot,
    ) -> Result<Option<Slot>, StoreError> {
        let mut tx = self.database.begin().await?;
        let (lane, mut slots, clock) = hold(&mut tx, provider).await?;
        let renewed = clock.renew(&mut slots, sends_per_second, unused);
        put(&mut tx, provider, &lane, Some(&slots)).await?;
        self.database.commit(tx).await?;
        Ok(renewed)
    }

    async fn tell_lane(
        &self,
        provider: &str,
        news: LaneNews,
        now: Timestamp,
    ) -> Result<(Lane, Lane), StoreError> {
        let mut tx = self.database.begin().await?;
        let (before, _, _) = hold(&mut tx, provider).await?;
        let mut after = before.clone();
        after.hear(news, now);
        put(&mut tx, provider, &after, None).await?;
        self.database.commit(tx).await?;
        Ok((before, after))
    }

    async fn take_funds_turn(
        &self,
        provider: &str,
        now: Timestamp,
        until: Timestamp,
    ) -> Result<Option<Vec<FundsWait>>, StoreError> {
        let mut tx = self.database.begin().await?;
        let turn = sqlx::query(
            "INSERT INTO lanes (provider, funds_due)
             SELECT $1, $3
             WHERE EXISTS (SELECT 1 FROM attempts WHERE provider = $1 AND state = 'ARMED')
               AND NOT EXISTS (SELECT 1 FROM lanes WHERE provider = $1 AND funds_due > $2)
             ON CONFLICT (provider) DO UPDATE SET funds_due = EXCLUDED.funds_due
             WHERE lanes.funds_due <= $2",
        )
        .bind(provider)
        .bind(now.0)
        .bind(until.0)
        .execute(&mut *tx)
        .await?;
        if turn.rows_affected() == 0 {
            return Ok(None);
        }
        let waiting: Vec<FundsRow> = sqlx::query_as(
            "SELECT provider, currency, needed, available, since, checks FROM lane_funds
             WHERE provider = $1 ORDER BY currency",
        )
        .bind(provider)
        .fetch_all(&mut *tx)
        .await?;
        self.database.commit(tx).await?;
        waiting.into_iter().map(FundsRow::into_wait).collect::<Result<_, _>>().map(Some)
    }

    async fn armed_sums(&self, provider: &str, next: i64) -> Result<Vec<ArmedSum>, StoreError> {
        let rows: Vec<ArmedRow> = sqlx::query_as(
            "SELECT currency, sum(amount) AS armed,
                    coalesce(sum(amount) FILTER (WHERE place <= $2), 0) AS next
             FROM (SELECT currency, amount,
                          row_number() OVER (PARTITION BY currency ORDER BY bulk, due) AS place
                   FROM attempts WHERE provider = $1 AND state = 'ARMED') AS queue
             GROUP BY currency ORDER BY currency",
        )
        .bind(provider)
        .bind(next)
        .fetch_all(&self.database.read)
        .await?;
        rows.into_iter().map(ArmedRow::into_sum).collect()
    }

    async fn put_funds(
        &self,
        provider: &str,
        waits: &[FundsWait],
        look_again: Timestamp,
    ) -> Result<(), StoreError> {
        let rows: Vec<_> = waits
            .iter()
            .map(|wait| {
                json!({
                    "currency": wait.currency,
                    "needed": wait.needed,
                    "available": wait.available,
                    "since": wait.since.0,
                    "checks": wait.checks,
                })
            })
            .collect();
        let rows = encode_rows(&rows)?;
        let mut tx = self.database.begin().await?;
        sqlx::query("UPDATE lanes SET funds_due = $2 WHERE provider = $1")
            .bind(provider)
            .bind(look_again.0)
            .execute(&mut *tx)
            .await?;
        sqlx::query(
            "DELETE FROM lane_funds WHERE provider = $1
               AND currency NOT IN (SELECT value->>'currency' FROM jsonb_each($2))",
        )
        .bind(provider)
        .bind(&rows)
        .execute(&mut *tx)
        .await?;
        sqlx::query(
            "INSERT INTO lane_funds (provider, currency, needed, available, since, checks)
             SELECT $1, value->>'currency', value->>'needed', value->>'available',
                 value->>'since', value->>'checks'
             FROM jsonb_each($2) WHERE TRUE
             ON CONFLICT (provider, currency) DO UPDATE SET needed = EXCLUDED.needed,
                 available = EXCLUDED.available, checks = EXCLUDED.checks",
        )
        .bind(provider)
        .bind(&rows)
        .execute(&mut *tx)
        .await?;
        self.database.commit(tx).await
    }

    async fn await_funds(
        &self,
        provider: &str,
        currency: Currency,
        needed: i64,
        now: Timestamp,
    ) -> Result<(), StoreError> {
        let mut tx = self.database.begin().await?;
        sqlx::query(
            "INSERT INTO lanes (provider, funds_due) VALUES ($1, 0)
             ON CONFLICT (provider) DO UPDATE SET funds_due = 0",
        )
        .bind(provider)
        .execute(&mut *tx)
        .await?;
        sqlx::query(
            "INSERT INTO lane_funds (provider, currency, needed, available, since, checks)
             VALUES ($1, $2, $3, NULL, $4, 0) ON CONFLICT (provider, currency) DO NOTHING",
        )
        .bind(provider)
        .bind(currency.code())
        .bind(needed)
        .bind(now.0)
        .execute(&mut *tx)
        .await?;
        self.database.commit(tx).await
    }

    async fn lane_states(&self) -> Result<Vec<LaneState>, StoreError> {
        let mut tx = self.database.read.begin().await?;
        let lanes = sqlx::query_as(
            "SELECT provider, slots, breaker, since, reason, trips, rests_until, probe_until,
                    0 AS clock
             FROM lanes ORDER BY provider",
        )
        .fetch_all(&mut *tx)
        .await?;
        let funds = sqlx::query_as(
            "SELECT provider, currency, needed, available, since, checks FROM lane_funds
             ORDER BY provider, currency",
        )
        .fetch_all(&mut *tx)
        .await?;
        let armed = sqlx::query_as(
            "SELECT provider, count(*) FROM attempts WHERE state = 'ARMED' GROUP BY provider",
        )
        .fetch_all(&mut *tx)
        .await?;
        lane_states(lanes, funds, armed)
    }
}

/// Reads the lane's row, and the clock. A lane without a row is open.
async fn hold(
    conn: &mut SqliteConnection,
    provider: &str,
) -> Result<(Lane, SlotLog, DatabaseClock), StoreError> {
    let row: LaneRow = sqlx::query_as(
        "SELECT $1 AS provider, coalesce(slots, '') AS slots,
                coalesce(breaker, 'CLOSED') AS breaker, coalesce(since, 0) AS since, reason,
                coalesce(trips, 0) AS trips, coalesce(rests_until, 0) AS rests_until,
                coalesce(probe_until, 0) AS probe_until,
                CAST(unixepoch('subsec') * 1000 AS INTEGER) * 1000 AS clock
         FROM (SELECT 1) LEFT JOIN lanes ON provider = $1",
    )
    .bind(provider)
    .fetch_one(conn)
    .await?;
    let clock = DatabaseClock { shows: Timestamp(row.clock), read: Instant::now() };
    let (lane, slots) = row.into_lane()?;
    Ok((lane, slots, clock))
}

/// Stores a lane that is held; the slots that were given, where there are new ones.
async fn put(
    conn: &mut SqliteConnection,
    provider: &str,
    lane: &Lane,
    slots: Option<&SlotLog>,
) -> Result<(), StoreError> {
    sqlx::query(
        "INSERT INTO lanes (provider, breaker, since, reason, trips, rests_until, probe_until, slots)
         VALUES ($1, $2, $3, $4, $5, $6, $7, coalesce($8, ''))
         ON CONFLICT (provider) DO UPDATE SET breaker = EXCLUDED.breaker, since = EXCLUDED.since,
             reason = EXCLUDED.reason, trips = EXCLUDED.trips,
             rests_until = EXCLUDED.rests_until, probe_until = EXCLUDED.probe_until,
             slots = coalesce($8, slots)",
    )
    .bind(provider)
    .bind(lane.breaker.as_str())
    .bind(lane.since.0)
    .bind(lane.reason.map(RestReason::code))
    .bind(lane.trips)
    .bind(lane.rests_until.0)
    .bind(lane.probe_until.0)
    .bind(slots.map(SlotLog::encode))
    .execute(conn)
    .await?;
    Ok(())
}
