//! Which orders are in scope, on SQLite.

use redress_core::id::{DisruptionId, OrderId, TenantId};
use redress_store::{SqliteDatabase, StoreError};
use sqlx::query::QueryScalar;
use sqlx::sqlite::{SqliteArguments, SqliteRow};
use sqlx::{FromRow, Sqlite};

use super::super::rows::encode_rows;
use super::orders;
use crate::domain::disruption::{Scope, ScopeKey};

/// Ids of orders with a line in scope, after `$4`, at most `$10`. `=` reads the index of one key in
/// order; with several keys the page is sorted, because SQLite has no lateral join.
macro_rules! in_scope {
    ($column:literal, $is_key:literal) => {
        concat!(
            "SELECT DISTINCT l.order_id FROM order_lines l
             WHERE l.tenant = $1 AND l.",
            $column,
            $is_key,
            " AND l.",
            $column,
            " <> '' AND l.order_id > $4 AND NOT l.removed
               AND ($5 IS NULL OR l.event_start >= $5) AND ($6 IS NULL OR l.event_start < $6)
               AND ($7 = '[]' OR l.section IN (SELECT value FROM jsonb_each($7)))
               AND ($8 = '[]' OR l.trip IN (SELECT value FROM jsonb_each($8)))
               AND ($9 = '[]' OR l.carrier IN (SELECT value FROM jsonb_each($9)))
               AND ($3 = '[]' OR EXISTS (
                   SELECT 1 FROM orders o
                   WHERE o.tenant = l.tenant AND o.order_id = l.order_id
                     AND o.sales_channel IN (SELECT value FROM jsonb_each($3))))
               AND ($11 IS NULL OR NOT EXISTS (
                   SELECT 1 FROM disruption_items i
                   WHERE i.tenant = l.tenant AND i.disruption_id = $11
                     AND i.order_id = l.order_id AND i.state <> 'HELD'))
             ORDER BY l.order_id LIMIT $10"
        )
    };
}

/// The statements of a key: the page, and how many there are.
macro_rules! statements {
    ($column:literal, $is_key:literal) => {
        (
            in_scope!($column, $is_key),
            concat!("SELECT count(*) FROM (", in_scope!($column, $is_key), ")"),
        )
    };
}

/// Which part of the scope is asked for.
#[derive(Clone, Copy)]
struct Part<'a> {
    beside: Option<&'a DisruptionId>,
    after: Option<&'a OrderId>,
    limit: i64,
}

/// The page's statement, the count's, and the values of the key.
type Key = ((&'static str, &'static str), String);

/// How a scope is looked for; `None` for an empty one.
fn key_of(scope: &Scope) -> Result<Option<Key>, StoreError> {
    let Some(key) = scope.key() else { return Ok(None) };
    let statements = match key {
        ScopeKey::Events([_]) => statements!("event_id", " = $2 ->> 0"),
        ScopeKey::Trips([_]) => statements!("trip", " = $2 ->> 0"),
        ScopeKey::Carriers([_]) => statements!("carrier", " = $2 ->> 0"),
        ScopeKey::Events(_) => {
            statements!("event_id", " IN (SELECT value FROM jsonb_each($2))")
        }
        ScopeKey::Trips(_) => statements!("trip", " IN (SELECT value FROM jsonb_each($2))"),
        ScopeKey::Carriers(_) => {
            statements!("carrier", " IN (SELECT value FROM jsonb_each($2))")
        }
    };
    let values = match key {
        ScopeKey::Events(events) => encode_rows(events)?,
        ScopeKey::Trips(values) | ScopeKey::Carriers(values) => encode_rows(values)?,
    };
    Ok(Some((statements, values)))
}

fn bound<'q, T>(
    statement: &'static str,
    tenant: &'q TenantId,
    scope: &'q Scope,
    values: String,
    part: Part<'q>,
) -> Result<QueryScalar<'q, Sqlite, T, SqliteArguments>, StoreError>
where
    (T,): for<'r> FromRow<'r, SqliteRow>,
{
    Ok(sqlx::query_scalar(statement)
        .bind(tenant.as_str())
        .bind(values)
        .bind(encode_rows(&scope.sales_channels)?)
        .bind(part.after.map_or("", OrderId::as_str))
        .bind(scope.starts_from.map(|from| from.0))
        .bind(scope.starts_before.map(|before| before.0))
        .bind(encode_rows(&scope.sections)?)
        .bind(encode_rows(&scope.trips)?)
        .bind(encode_rows(&scope.carriers)?)
        .bind(part.limit)
        .bind(part.beside.map(DisruptionId::as_str)))
}

pub(super) async fn orders(
    database: &SqliteDatabase,
    tenant: &TenantId,
    scope: &Scope,
    beside: Option<&DisruptionId>,
    after: Option<&OrderId>,
    limit: i64,
) -> Result<Vec<OrderId>, StoreError> {
    let Some(((page, _), values)) = key_of(scope)? else { return Ok(Vec::new()) };
    let part = Part { beside, after, limit };
    let ids: Vec<String> =
        bound(page, tenant, scope, values, part)?.fetch_all(&database.read).await?;
    ids.into_iter().map(orders::order_id).collect()
}

pub(super) async fn count(
    database: &SqliteDatabase,
    tenant: &TenantId,
    scope: &Scope,
) -> Result<i64, StoreError> {
    let Some(((_, count), values)) = key_of(scope)? else { return Ok(0) };
    let part = Part { beside: None, after: None, limit: i64::MAX };
    Ok(bound(count, tenant, scope, values, part)?.fetch_one(&database.read).await?)
}
