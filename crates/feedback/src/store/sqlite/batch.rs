//! The invitations of a batch of facts, in SQLite: a few statements, whatever the size.
//!
//! Invariant: runs in the inbox's transaction, which holds the only write lock.

use std::collections::HashMap;

use redress_core::clock::Timestamp;
use redress_store::StoreError;
use sqlx::query_builder::Separated;
use sqlx::{QueryBuilder, Sqlite, SqliteConnection};

use crate::domain::decide::Known;
use crate::domain::invitation::{Invitation, State};
use crate::domain::settled::Settled;
use crate::store::rows::{AskedRow, InvitationRow};

/// Rows in one statement: 11 values each stay far below SQLite's limit of 32,766 parameters.
const CHUNK: usize = 500;

/// What has been decided before about the customers of `facts`.
pub(in crate::store) async fn known(
    conn: &mut SqliteConnection,
    facts: &[Settled],
) -> Result<Known, StoreError> {
    let mut known = Known { invitations: HashMap::new(), asked: HashMap::new() };
    for chunk in facts.chunks(CHUNK) {
        let mut query = wanted(chunk);
        // CROSS JOIN keeps the order: each wanted row is looked up in the unique index.
        query.push(
            "SELECT DISTINCT i.* FROM wanted AS w CROSS JOIN invitations AS i
             ON i.tenant = w.tenant AND i.disruption_id = w.disruption_id
                 AND i.customer_id = w.customer_id",
        );
        let rows: Vec<InvitationRow> = query.build_query_as().fetch_all(&mut *conn).await?;
        for row in rows {
            let invitation = row.into_invitation()?;
            known.invitations.insert(invitation.occasion(), invitation);
        }
        let mut query = wanted(chunk);
        query.push(
            "SELECT DISTINCT c.tenant, c.customer_id, c.asked_at
             FROM wanted AS w CROSS JOIN customers AS c
             ON c.tenant = w.tenant AND c.customer_id = w.customer_id",
        );
        let rows: Vec<AskedRow> = query.build_query_as().fetch_all(&mut *conn).await?;
        for row in rows {
            let (customer, asked) = row.into_asked()?;
            known.asked.extend(asked.map(|asked| (customer, asked)));
        }
    }
    Ok(known)
}

/// `facts` as a table to join with: one row for each occasion.
fn wanted(facts: &[Settled]) -> QueryBuilder<Sqlite> {
    let mut query = QueryBuilder::new("WITH wanted (tenant, disruption_id, customer_id) AS (");
    query.push_values(facts, |mut row: Separated<'_, Sqlite, _>, fact| {
        row.push_bind(fact.tenant.as_str().to_owned())
            .push_bind(fact.disruption.as_str().to_owned())
            .push_bind(fact.customer.as_str().to_owned());
    });
    query.push(") ");
    query
}

/// Stores `decided`: new invitations, and withheld ones that were decided again; and that the
/// invited among them were asked at `now`.
pub(in crate::store) async fn save(
    conn: &mut SqliteConnection,
    decided: &[Invitation],
    now: Timestamp,
) -> Result<(), StoreError> {
    for chunk in decided.chunks(CHUNK) {
        let mut insert: QueryBuilder<Sqlite> = QueryBuilder::new(
            "INSERT INTO invitations (tenant, invitation_id, survey_id, state, reason_code,
                 customer_id, order_id, event_id, disruption_id, created_at, version) ",
        );
        insert.push_values(chunk, |mut row, invitation| {
            row.push_bind(invitation.tenant.as_str())
                .push_bind(invitation.id.as_str())
                .push_bind(invitation.survey.as_str())
                .push_bind(invitation.state.as_str())
                .push_bind(invitation.state.reason_code())
                .push_bind(invitation.customer.as_str())
                .push_bind(invitation.order.as_str())
                .push_bind(invitation.event.as_str())
                .push_bind(invitation.disruption.as_str())
                .push_bind(invitation.created.0)
                .push_bind(invitation.version);
        });
        insert.push(
            " ON CONFLICT (tenant, disruption_id, customer_id) DO UPDATE SET
                 state = excluded.state, reason_code = excluded.reason_code,
                 order_id = excluded.order_id, version = excluded.version
             WHERE invitations.state = 'SUPPRESSED'",
        );
        insert.build().execute(&mut *conn).await?;
    }
    let invited: Vec<&Invitation> =
        decided.iter().filter(|invitation| invitation.state == State::Invited).collect();
    for chunk in invited.chunks(CHUNK) {
        let mut upsert: QueryBuilder<Sqlite> =
            QueryBuilder::new("INSERT INTO customers (tenant, customer_id, asked_at) ");
        upsert.push_values(chunk, |mut row, invitation| {
            row.push_bind(invitation.tenant.as_str())
                .push_bind(invitation.customer.as_str())
                .push_bind(now.0);
        });
        upsert
            .push(" ON CONFLICT (tenant, customer_id) DO UPDATE SET asked_at = excluded.asked_at");
        upsert.build().execute(&mut *conn).await?;
    }
    Ok(())
}
