//! Lanes on PostgreSQL.

use async_trait::async_trait;
use redress_core::clock::Timestamp;
use redress_core::money::Currency;
use redress_store::StoreError;
use sqlx::PgConnection;
use tokio::time::Instant;

use super::super::Claim;
use super::super::lanes::{Allowance, DatabaseClock, LaneState, LaneStore, Slot, Taken};
use super::super::rows::{ArmedRow, FundsRow, LaneRow, lane_states};
use super::{PostgresStore, attempts};
use crate::domain::lane::{ArmedSum, FundsWait, Lane, LaneNews, RestReason, SlotLog};

#[async_trait]
impl LaneStore for PostgresStore {
    async fn claim_to_send(
        &self,
        claim: &Claim<'_>,
        sends_per_second: Option<u32>,
    ) -> Result<Taken, StoreError> {
        if sends_per_second.is_none() {
            let mut tx = self.database.begin().await?;
            let attempts = attempts::claim_to_send(&mut tx, claim, false).await?;
            if !attempts.is_empty() {
                self.database.commit(tx).await?;
                return Ok(Taken::of(attempts));
            }
            drop(tx);
            let is_shut: Option<bool> = sqlx::query_scalar(
                "SELECT breaker <> 'CLOSED' OR rests_until > $2 FROM lanes WHERE provider = $1",
            )
            .bind(claim.provider)
            .bind(claim.now.0)
            .fetch_optional(&self.database.pool)
            .await?;
            if is_shut != Some(true) {
                return Ok(Taken::default());
            }
        }
        let mut tx = self.database.begin().await?;
        let (lane, slots, clock) = hold(&mut tx, claim.provider).await?;
        let allowance = Allowance::of(lane, slots, clock, claim, sends_per_second);
        let allowed = Claim { limit: allowance.limit, ..*claim };
        let attempts = match allowed.limit {
            0 => Vec::new(),
            _ => attempts::claim_to_send(&mut tx, &allowed, true).await?,
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
             WHERE EXISTS (SELECT FROM attempts WHERE provider = $1 AND state = 'ARMED')
               AND NOT EXISTS (SELECT FROM lanes WHERE provider = $1 AND funds_due > $2)
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
            "SELECT currency, sum(amount)::bigint AS armed,
                    coalesce(sum(amount) FILTER (WHERE place <= $2), 0)::bigint AS next
             FROM (SELECT currency, amount,
                          row_number() OVER (PARTITION BY currency ORDER BY bulk, due) AS place
                   FROM attempts WHERE provider = $1 AND state = 'ARMED') AS queue
             GROUP BY currency ORDER BY currency",
        )
        .bind(provider)
        .bind(next)
        .fetch_all(&self.database.pool)
        .await?;
        rows.into_iter().map(ArmedRow::into_sum).collect()
    }

    async fn put_funds(
        &self,
        provider: &str,
        waits: &[FundsWait],
        look_again: Timestamp,
    ) -> Result<(), StoreError> {
        let mut tx = self.database.begin().await?;
        sqlx::query("UPDATE lanes SET funds_due = $2 WHERE provider = $1")
            .bind(provider)
            .bind(look_again.0)
            .execute(&mut *tx)
            .await?;
        sqlx::query("DELETE FROM lane_funds WHERE provider = $1 AND currency <> ALL ($2)")
            .bind(provider)
            .bind(column(waits, |wait| wait.currency.code()))
            .execute(&mut *tx)
            .await?;
        sqlx::query(
            "INSERT INTO lane_funds (provider, currency, needed, available, since, checks)
             SELECT $1, * FROM UNNEST($2::text[], $3::bigint[], $4::bigint[], $5::bigint[],
                 $6::integer[])
             ON CONFLICT (provider, currency) DO UPDATE SET needed = EXCLUDED.needed,
                 available = EXCLUDED.available, checks = EXCLUDED.checks",
        )
        .bind(provider)
        .bind(column(waits, |wait| wait.currency.code()))
        .bind(column(waits, |wait| wait.needed))
        .bind(column(waits, |wait| wait.available))
        .bind(column(waits, |wait| wait.since.0))
        .bind(column(waits, |wait| wait.checks))
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
        let mut tx = super::snapshot(&self.database).await?;
        let lanes = sqlx::query_as(
            "SELECT provider, slots, breaker, since, reason, trips, rests_until, probe_until,
                    0::bigint AS clock
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

/// Locks the lane's row, which is made where there is none, until the end of the transaction. The
/// clock is read after the lock is there.
async fn hold(
    conn: &mut PgConnection,
    provider: &str,
) -> Result<(Lane, SlotLog, DatabaseClock), StoreError> {
    const HELD: &str = "WITH held AS MATERIALIZED (
             SELECT provider, slots, breaker, since, reason, trips, rests_until, probe_until
             FROM lanes WHERE provider = $1 FOR NO KEY UPDATE)
         SELECT held.*, (extract(epoch FROM clock_timestamp()) * 1000000)::bigint AS clock
         FROM held";
    let row: Option<LaneRow> =
        sqlx::query_as(HELD).bind(provider).fetch_optional(&mut *conn).await?;
    let row = if let Some(row) = row {
        row
    } else {
        sqlx::query("INSERT INTO lanes (provider) VALUES ($1) ON CONFLICT DO NOTHING")
            .bind(provider)
            .execute(&mut *conn)
            .await?;
        sqlx::query_as(HELD).bind(provider).fetch_one(conn).await?
    };
    let clock = DatabaseClock { shows: Timestamp(row.clock), read: Instant::now() };
    let (lane, slots) = row.into_lane()?;
    Ok((lane, slots, clock))
}

/// Stores a lane that is held; the slots that were given, where there are new ones.
async fn put(
    conn: &mut PgConnection,
    provider: &str,
    lane: &Lane,
    slots: Option<&SlotLog>,
) -> Result<(), StoreError> {
    sqlx::query(
        "UPDATE lanes SET breaker = $2, since = $3, reason = $4, trips = $5, rests_until = $6,
             probe_until = $7, slots = coalesce($8, slots)
         WHERE provider = $1",
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

/// One column of a set of rows.
fn column<'a, C>(waits: &'a [FundsWait], value: impl Fn(&'a FundsWait) -> C) -> Vec<C> {
    waits.iter().map(value).collect()
}
