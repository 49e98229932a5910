//! Cases in SQLite.
//!
//! Invariant: reads go to the readers; each write is one IMMEDIATE transaction.

use async_trait::async_trait;
use redress_api::request_id::RequestKey;
use redress_core::id::{CaseId, TenantId};
use redress_store::idempotency::{self, IdempotencyRecord};
use redress_store::{SqliteDatabase, StoreError};
use sqlx::{AssertSqlSafe, QueryBuilder, Sqlite, SqliteConnection};

use super::rows::{COLUMNS, CaseRow, Columns};
use super::{CaseStore, record_key};
use crate::domain::case::{Case, CaseFilter};
use crate::domain::state::State;

/// Rows in one INSERT: 22 values each stay far below SQLite's limit of 32,766 parameters.
const CHUNK: usize = 500;

/// The cases of a SQLite file.
#[derive(Debug)]
pub(super) struct SqliteCases {
    database: SqliteDatabase,
}

impl SqliteCases {
    pub(super) const fn new(database: SqliteDatabase) -> Self {
        Self { database }
    }
}

#[async_trait]
impl CaseStore for SqliteCases {
    async fn get(&self, tenant: &TenantId, id: &CaseId) -> Result<Option<Case>, StoreError> {
        let sql = format!("SELECT {COLUMNS} FROM cases WHERE tenant = $1 AND case_id = $2");
        let row: Option<CaseRow> = sqlx::query_as(AssertSqlSafe(sql))
            .bind(tenant.as_str())
            .bind(id.as_str())
            .fetch_optional(&self.database.read)
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
        let rows: Vec<CaseRow> = query.build_query_as().fetch_all(&self.database.read).await?;
        rows.into_iter().map(CaseRow::into_case).collect()
    }

    async fn count(&self, tenant: &TenantId, filter: &CaseFilter) -> Result<i64, StoreError> {
        let mut query = QueryBuilder::new("SELECT COUNT(*) FROM cases");
        push_where(&mut query, tenant, filter);
        Ok(query.build_query_scalar().fetch_one(&self.database.read).await?)
    }

    async fn outcome(&self, request: &RequestKey) -> Result<Option<IdempotencyRecord>, StoreError> {
        let mut conn = self.database.read.acquire().await?;
        idempotency::find_sqlite(&mut conn, record_key(request)).await
    }

    async fn update(&self, case: &Case, record: &IdempotencyRecord) -> Result<(), StoreError> {
        let mut tx = self.database.begin().await?;
        idempotency::insert_sqlite(&mut tx, std::slice::from_ref(record)).await?;
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

/// The cases of `targets`: tenant, and key of the origin.
pub(super) async fn find(
    conn: &mut SqliteConnection,
    targets: &[(TenantId, String)],
) -> Result<Vec<Case>, StoreError> {
    let mut cases = Vec::new();
    for chunk in targets.chunks(CHUNK) {
        let mut query: QueryBuilder<Sqlite> =
            QueryBuilder::new(format!("SELECT {COLUMNS} FROM cases WHERE (tenant, origin) IN ("));
        query.push_values(chunk, |mut row, (tenant, origin)| {
            row.push_bind(tenant.as_str()).push_bind(origin.as_str());
        });
        query.push(") ORDER BY tenant, origin");
        let rows: Vec<CaseRow> = query.build_query_as().fetch_all(&mut *conn).await?;
        for row in rows {
            cases.push(row.into_case()?);
        }
    }
    Ok(cases)
}

/// Stores `cases`, which the transaction has read, as they stand now.
pub(super) async fn change(conn: &mut SqliteConnection, cases: &[Case]) -> Result<(), StoreError> {
    for case in cases {
        let resolution = case.resolution.as_ref();
        sqlx::query(
            "UPDATE cases SET state = $3, reason_code = $4, next_action = $5, currency = $6,
                outstanding = $7, resolution = $8, resolver = $9, settled = $10, updated_at = $11,
                version = $12
             WHERE tenant = $1 AND case_id = $2",
        )
        .bind(case.tenant.as_str())
        .bind(case.id.as_str())
        .bind(case.state().as_str())
        .bind(case.reason_code.as_str())
        .bind(case.next_action.as_str())
        .bind(case.outstanding.currency.code())
        .bind(case.outstanding.minor_units)
        .bind(resolution.map(|done| done.text.as_str()))
        .bind(resolution.map(|done| done.resolver.as_str()))
        .bind(case.state() == State::Settled)
        .bind(case.updated.0)
        .bind(case.version)
        .execute(&mut *conn)
        .await?;
    }
    Ok(())
}

/// Inserts those of `cases` whose origin has no case yet.
pub(super) async fn insert_missing(
    conn: &mut SqliteConnection,
    cases: &[Case],
) -> Result<(), StoreError> {
    for chunk in cases.chunks(CHUNK) {
        let mut insert: QueryBuilder<Sqlite> =
            QueryBuilder::new(format!("INSERT INTO cases (origin, {COLUMNS}) "));
        insert.push_values(chunk, |mut row, case| {
            let columns = Columns::of(case);
            let resolution = case.resolution.as_ref();
            row.push_bind(case.origin.key(&case.order))
                .push_bind(case.tenant.as_str())
                .push_bind(case.id.as_str())
                .push_bind(case.state().as_str())
                .push_bind(case.reason_code.as_str())
                .push_bind(case.next_action.as_str())
                .push_bind(case.order.as_str())
                .push_bind(case.customer.as_str())
                .push_bind(columns.refund)
                .push_bind(columns.disruption)
                .push_bind(columns.payment)
                .push_bind(columns.line)
                .push_bind(columns.provider)
                .push_bind(columns.provider_refund)
                .push_bind(case.outstanding.currency.code())
                .push_bind(case.outstanding.minor_units)
                .push_bind(resolution.map(|done| done.text.as_str()))
                .push_bind(resolution.map(|done| done.resolver.as_str()))
                .push_bind(case.state() == State::Settled)
                .push_bind(case.created.0)
                .push_bind(case.updated.0)
                .push_bind(case.version);
        });
        insert.push(" ON CONFLICT (tenant, origin) DO NOTHING");
        insert.build().execute(&mut *conn).await?;
    }
    Ok(())
}

fn push_where(query: &mut QueryBuilder<Sqlite>, tenant: &TenantId, filter: &CaseFilter) {
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
