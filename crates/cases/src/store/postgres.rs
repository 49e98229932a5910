//! Cases in PostgreSQL.
//!
//! Invariant: each write is one read committed transaction, guarded by the version it was decided
//! on.

use async_trait::async_trait;
use redress_api::request_id::RequestKey;
use redress_core::id::{CaseId, TenantId};
use redress_store::idempotency::{self, IdempotencyRecord};
use redress_store::{PostgresDatabase, StoreError};
use sqlx::{AssertSqlSafe, PgConnection, Postgres, QueryBuilder};

use super::rows::{COLUMNS, CaseRow, Columns};
use super::{CaseStore, record_key};
use crate::domain::case::{Case, CaseFilter};
use crate::domain::state::State;

/// The cases of a PostgreSQL database.
#[derive(Debug)]
pub(super) struct PostgresCases {
    database: PostgresDatabase,
}

impl PostgresCases {
    pub(super) const fn new(database: PostgresDatabase) -> Self {
        Self { database }
    }
}

#[async_trait]
impl CaseStore for PostgresCases {
    async fn get(&self, tenant: &TenantId, id: &CaseId) -> Result<Option<Case>, StoreError> {
        let sql = format!("SELECT {COLUMNS} FROM cases WHERE tenant = $1 AND case_id = $2");
        let row: Option<CaseRow> = sqlx::query_as(AssertSqlSafe(sql))
            .bind(tenant.as_str())
            .bind(id.as_str())
            .fetch_optional(&self.database.pool)
            .await?;
        row.map(CaseRow::into_case).transpose()
    }

    async fn list(
        &self,
        tenant: &TenantId,
        filter: &CaseFilter,
        after: Option<&CaseId>,
        limit: i64,
    ) -> Result<Vec<Case>, StoreError> {
        let mut query = QueryBuilder::new(format!("SELECT {COLUMNS} FROM cases"));
        push_where(&mut query, tenant, filter);
        if let Some(after) = after {
            query.push(" AND case_id > ").push_bind(after.as_str().to_owned());
        }
        query.push(" ORDER BY case_id LIMIT ").push_bind(limit);
        let rows: Vec<CaseRow> = query.build_query_as().fetch_all(&self.database.pool).await?;
        rows.into_iter().map(CaseRow::into_case).collect()
    }

    async fn count(&self, tenant: &TenantId, filter: &CaseFilter) -> Result<i64, StoreError> {
        let mut query = QueryBuilder::new("SELECT COUNT(*) FROM cases");
        push_where(&mut query, tenant, filter);
        Ok(query.build_query_scalar().fetch_one(&self.database.pool).await?)
    }

    async fn outcome(&self, request: &RequestKey) -> Result<Option<IdempotencyRecord>, StoreError> {
        let mut conn = self.database.pool.acquire().await?;
        idempotency::find_postgres(&mut conn, record_key(request)).await
    }

    async fn update(&self, case: &Case, record: &IdempotencyRecord) -> Result<(), StoreError> {
        let mut tx = self.database.begin().await?;
        idempotency::insert_postgres(&mut tx, std::slice::from_ref(record)).await?;
        let resolution = case.resolution.as_ref();
        let updated = sqlx::query(
            "UPDATE cases SET state = $4, resolution = $5, resolver = $6, updated_at = $7,
                settled = $8, version = $3 + 1
             WHERE tenant = $1 AND case_id = $2 AND version = $3",
        )
        .bind(case.tenant.as_str())
        .bind(case.id.as_str())
        .bind(case.version - 1)
        .bind(case.state().as_str())
        .bind(resolution.map(|done| done.text.as_str()))
        .bind(resolution.map(|done| done.resolver.as_str()))
        .bind(case.updated.0)
        .bind(case.state() == State::Settled)
        .execute(&mut *tx)
        .await?;
        if updated.rows_affected() != 1 {
            return Err(StoreError::VersionMismatch);
        }
        self.database.commit(tx).await
    }
}

/// The cases of `targets`: tenant, and key of the origin. Held until the transaction ends.
pub(super) async fn lock(
    conn: &mut PgConnection,
    targets: &[(TenantId, String)],
) -> Result<Vec<Case>, StoreError> {
    if targets.is_empty() {
        return Ok(Vec::new());
    }
    let sql = format!(
        "SELECT {COLUMNS} FROM cases
         WHERE (tenant, origin) IN (SELECT * FROM UNNEST($1::text[], $2::text[]))
         ORDER BY tenant, origin FOR UPDATE"
    );
    let tenants: Vec<&str> = targets.iter().map(|(tenant, _)| tenant.as_str()).collect();
    let origins: Vec<&str> = targets.iter().map(|(_, origin)| origin.as_str()).collect();
    let rows: Vec<CaseRow> =
        sqlx::query_as(AssertSqlSafe(sql)).bind(tenants).bind(origins).fetch_all(conn).await?;
    rows.into_iter().map(CaseRow::into_case).collect()
}

/// Stores `cases`, which the transaction holds, as they stand now.
pub(super) async fn change(conn: &mut PgConnection, cases: &[Case]) -> Result<(), StoreError> {
    if cases.is_empty() {
        return Ok(());
    }
    sqlx::query(
        "UPDATE cases SET state = now.state, reason_code = now.reason_code,
             next_action = now.next_action, currency = now.currency,
             outstanding = now.outstanding, resolution = now.resolution,
             resolver = now.resolver, settled = now.settled, updated_at = now.updated_at,
             version = now.version
         FROM UNNEST($1::text[], $2::text[], $3::text[], $4::text[], $5::text[], $6::text[],
             $7::bigint[], $8::text[], $9::text[], $10::bool[], $11::bigint[], $12::bigint[])
             AS now (tenant, case_id, state, reason_code, next_action, currency, outstanding,
                 resolution, resolver, settled, updated_at, version)
         WHERE cases.tenant = now.tenant AND cases.case_id = now.case_id",
    )
    .bind(column(cases, |case| case.tenant.as_str()))
    .bind(column(cases, |case| case.id.as_str()))
    .bind(column(cases, |case| case.state().as_str()))
    .bind(column(cases, |case| case.reason_code.as_str()))
    .bind(column(cases, |case| case.next_action.as_str()))
    .bind(column(cases, |case| case.outstanding.currency.code()))
    .bind(column(cases, |case| case.outstanding.minor_units))
    .bind(column(cases, |case| case.resolution.as_ref().map(|done| done.text.as_str())))
    .bind(column(cases, |case| case.resolution.as_ref().map(|done| done.resolver.as_str())))
    .bind(column(cases, |case| case.state() == State::Settled))
    .bind(column(cases, |case| case.updated.0))
    .bind(column(cases, |case| case.version))
    .execute(conn)
    .await?;
    Ok(())
}

/// Inserts those of `cases` whose origin has no case yet, in one statement. The rows are written in
/// the order of their unique key, so that two batches about the same origins wait for each other
/// instead of deadlocking.
pub(super) async fn insert_missing(
    conn: &mut PgConnection,
    cases: &[Case],
) -> Result<(), StoreError> {
    if cases.is_empty() {
        return Ok(());
    }
    sqlx::query(
        "INSERT INTO cases (origin, tenant, case_id, state, reason_code, next_action, order_id,
             customer_id, refund_id, disruption_id, payment_id, line_id, provider,
             provider_refund, currency, outstanding, resolution, resolver, settled, created_at,
             updated_at, version)
         SELECT * FROM UNNEST($1::text[], $2::text[], $3::text[], $4::text[], $5::text[],
             $6::text[], $7::text[], $8::text[], $9::text[], $10::text[], $11::text[],
             $12::text[], $13::text[], $14::text[], $15::text[], $16::bigint[], $17::text[],
             $18::text[], $19::bool[], $20::bigint[], $21::bigint[], $22::bigint[])
             AS fresh (origin, tenant, case_id)
         ORDER BY fresh.tenant, fresh.origin, fresh.case_id
         ON CONFLICT (tenant, origin) DO NOTHING",
    )
    .bind(column(cases, |case| case.origin.key(&case.order)))
    .bind(column(cases, |case| case.tenant.as_str()))
    .bind(column(cases, |case| case.id.as_str()))
    .bind(column(cases, |case| case.state().as_str()))
    .bind(column(cases, |case| case.reason_code.as_str()))
    .bind(column(cases, |case| case.next_action.as_str()))
    .bind(column(cases, |case| case.order.as_str()))
    .bind(column(cases, |case| case.customer.as_str()))
    .bind(column(cases, |case| Columns::of(case).refund))
    .bind(column(cases, |case| Columns::of(case).disruption))
    .bind(column(cases, |case| Columns::of(case).payment))
    .bind(column(cases, |case| Columns::of(case).line))
    .bind(column(cases, |case| Columns::of(case).provider))
    .bind(column(cases, |case| Columns::of(case).provider_refund))
    .bind(column(cases, |case| case.outstanding.currency.code()))
    .bind(column(cases, |case| case.outstanding.minor_units))
    .bind(column(cases, |case| case.resolution.as_ref().map(|done| done.text.as_str())))
    .bind(column(cases, |case| case.resolution.as_ref().map(|done| done.resolver.as_str())))
    .bind(column(cases, |case| case.state() == State::Settled))
    .bind(column(cases, |case| case.created.0))
    .bind(column(cases, |case| case.updated.0))
    .bind(column(cases, |case| case.version))
    .execute(conn)
    .await?;
    Ok(())
}

/// One column of an UNNEST.
fn column<'a, T>(cases: &'a [Case], of: impl Fn(&'a Case) -> T) -> Vec<T> {
    cases.iter().map(of).collect()
}

fn push_where(query: &mut QueryBuilder<Postgres>, tenant: &TenantId, filter: &CaseFilter) {
    query.push(" WHERE tenant = ").push_bind(tenant.as_str().to_owned());
    if let Some(state) = filter.state {
        query.push(" AND state = ").push_bind(state.as_str());
    }
    if let Some(reason) = &filter.reason_code {
        query.push(" AND reason_code = ").push_bind(reason.clone());
    }
    if let Some(order) = &filter.order {
        query.push(" AND order_id = ").push_bind(order.as_str().to_owned());
    }
    if let Some(disruption) = &filter.disruption {
        query.push(" AND disruption_id = ").push_bind(disruption.as_str().to_owned());
    }
}
