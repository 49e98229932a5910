//! Which orders are in scope, on PostgreSQL.

use redress_core::id::{DisruptionId, EventId, OrderId, TenantId};
use redress_store::{PostgresDatabase, StoreError};
use sqlx::postgres::{PgArguments, PgRow};
use sqlx::query::QueryScalar;
use sqlx::{FromRow, Postgres};

use super::orders;
use crate::domain::disruption::{Scope, ScopeKey};

/// The statements of one key: the page, and how many there are in all.
macro_rules! statements {
    ($column:literal) => {
        (in_scope!($column), concat!("SELECT count(*) FROM (", in_scope!($column), ") AS every"))
    };
}

/// Ids of orders with a line in scope, after `$4`, at most `$10`. For each value of the key the
/// index gives them in order, so that a page costs a page, however many orders there are.
macro_rules! in_scope {
    ($column:literal) => {
        concat!(
            "SELECT DISTINCT found.order_id FROM UNNEST($2::text[]) AS k (value)
             CROSS JOIN LATERAL (
                 SELECT DISTINCT l.order_id FROM order_lines l
                 WHERE l.tenant = $1 AND l.",
            $column,
            " = k.value AND l.",
            $column,
            " <> '' AND l.order_id > $4 AND NOT l.removed
                   AND ($5::bigint IS NULL OR l.event_start >= $5)
                   AND ($6::bigint IS NULL OR l.event_start < $6)
                   AND (cardinality($7::text[]) = 0 OR l.section = ANY($7))
                   AND (cardinality($8::text[]) = 0 OR l.trip = ANY($8))
                   AND (cardinality($9::text[]) = 0 OR l.carrier = ANY($9))
                   AND (cardinality($3::text[]) = 0 OR EXISTS (
                       SELECT 1 FROM orders o
                       WHERE o.tenant = l.tenant AND o.order_id = l.order_id
                         AND o.sales_channel = ANY($3)))
                   AND ($11::text IS NULL OR NOT EXISTS (
                       SELECT 1 FROM disruption_items i
                       WHERE i.tenant = l.tenant AND i.disruption_id = $11
                         AND i.order_id = l.order_id AND i.state <> 'HELD'))
                 ORDER BY l.order_id LIMIT $10) AS found
             ORDER BY found.order_id LIMIT $10"
        )
    };
}

/// Which of the two is asked for.
#[derive(Clone, Copy)]
struct Part<'a> {
    beside: Option<&'a DisruptionId>,
    after: Option<&'a OrderId>,
    limit: i64,
}

/// The page's statement, the count's, and the values of the key; `None` for an empty scope.
fn key_of(scope: &Scope) -> Option<((&'static str, &'static str), Vec<&str>)> {
    Some(match scope.key()? {
        ScopeKey::Events(events) => {
            (statements!("event_id"), events.iter().map(EventId::as_str).collect())
        }
        ScopeKey::Trips(trips) => (statements!("trip"), texts(trips)),
        ScopeKey::Carriers(carriers) => (statements!("carrier"), texts(carriers)),
    })
}

fn bound<'q, T>(
    statement: &'static str,
    tenant: &'q TenantId,
    scope: &'q Scope,
    values: Vec<&'q str>,
    part: Part<'q>,
) -> QueryScalar<'q, Postgres, T, PgArguments>
where
    (T,): for<'r> FromRow<'r, PgRow>,
{
    sqlx::query_scalar(statement)
        .bind(tenant.as_str())
        .bind(values)
        .bind(texts(&scope.sales_channels))
        .bind(part.after.map_or("", OrderId::as_str))
        .bind(scope.starts_from.map(|from| from.0))
        .bind(scope.starts_before.map(|before| before.0))
        .bind(texts(&scope.sections))
        .bind(texts(&scope.trips))
        .bind(texts(&scope.carriers))
        .bind(part.limit)
        .bind(part.beside.map(DisruptionId::as_str))
}

fn texts(values: &[String]) -> Vec<&str> {
    values.iter().map(String::as_str).collect()
}

pub(super) async fn orders(
    database: &PostgresDatabase,
    tenant: &TenantId,
    scope: &Scope,
    beside: Option<&DisruptionId>,
    after: Option<&OrderId>,
    limit: i64,
) -> Result<Vec<OrderId>, StoreError> {
    let Some(((page, _), values)) = key_of(scope) else { return Ok(Vec::new()) };
    let part = Part { beside, after, limit };
    let ids: Vec<String> =
        bound(page, tenant, scope, values, part).fetch_all(&database.pool).await?;
    ids.into_iter().map(orders::order_id).collect()
}

pub(super) async fn count(
    database: &PostgresDatabase,
    tenant: &TenantId,
    scope: &Scope,
) -> Result<i64, StoreError> {
    let Some(((_, count), values)) = key_of(scope) else { return Ok(0) };
    let part = Part { beside: None, after: None, limit: i64::MAX };
    Ok(bound(count, tenant, scope, values, part).fetch_one(&database.pool).await?)
}
