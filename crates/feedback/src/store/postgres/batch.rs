//! The invitations of a batch of facts, in PostgreSQL: four statements, whatever the size.
//!
//! Invariant: runs in the inbox's transaction. [`lock_known`] locks the customers' rows, in the
//! order of their key, before anything is read: two batches that share customers come one after
//! the other and cannot deadlock, and the second sees what the first decided.

use std::collections::{BTreeSet, HashMap};

use redress_core::clock::Timestamp;
use redress_store::StoreError;
use sqlx::PgConnection;

use crate::domain::decide::Known;
use crate::domain::invitation::{Invitation, State};
use crate::domain::settled::Settled;
use crate::store::rows::{AskedRow, InvitationRow};

/// Locks the customers of `facts` and returns what has been decided before about them.
pub(in crate::store) async fn lock_known(
    conn: &mut PgConnection,
    facts: &[Settled],
) -> Result<Known, StoreError> {
    let mut known = Known { invitations: HashMap::new(), asked: HashMap::new() };
    for row in lock_customers(conn, facts).await? {
        let (customer, asked) = row.into_asked()?;
        known.asked.extend(asked.map(|asked| (customer, asked)));
    }
    // A statement of its own: read committed gives it a snapshot taken after the locks.
    let occasions: BTreeSet<(&str, &str, &str)> = facts
        .iter()
        .map(|fact| (fact.tenant.as_str(), fact.disruption.as_str(), fact.customer.as_str()))
        .collect();
    let rows: Vec<InvitationRow> = sqlx::query_as(
        // The tenant is compared as an expression, so that no plan finds rows by it alone: one that
        // is made while the table is nearly empty, and kept, would take the primary key for that.
        "SELECT i.* FROM UNNEST($1::text[], $2::text[], $3::text[])
             AS wanted (tenant, disruption_id, customer_id)
         JOIN invitations AS i ON i.customer_id = wanted.customer_id
             AND i.disruption_id = wanted.disruption_id AND i.tenant || '' = wanted.tenant",
    )
    .bind(occasions.iter().map(|(tenant, _, _)| *tenant).collect::<Vec<_>>())
    .bind(occasions.iter().map(|(_, disruption, _)| *disruption).collect::<Vec<_>>())
    .bind(occasions.iter().map(|(_, _, customer)| *customer).collect::<Vec<_>>())
    .fetch_all(conn)
    .await?;
    for row in rows {
        let invitation = row.into_invitation()?;
        known.invitations.insert(invitation.occasion(), invitation);
    }
    Ok(known)
}

/// Locks the customers' rows and returns them; a customer without one gets it. The update changes
/// nothing: it is what makes ON CONFLICT lock a row and return it as it is now.
async fn lock_customers(
    conn: &mut PgConnection,
    facts: &[Settled],
) -> Result<Vec<AskedRow>, StoreError> {
    // Bytewise order, as the columns' COLLATE "C" has it.
    let customers: BTreeSet<(&str, &str)> =
        facts.iter().map(|fact| (fact.tenant.as_str(), fact.customer.as_str())).collect();
    let rows = sqlx::query_as(
        "INSERT INTO customers AS c (tenant, customer_id)
         SELECT tenant, customer_id FROM UNNEST($1::text[], $2::text[])
             WITH ORDINALITY AS wanted (tenant, customer_id, nth)
         ORDER BY nth
         ON CONFLICT (tenant, customer_id) DO UPDATE SET asked_at = c.asked_at
         RETURNING c.tenant, c.customer_id, c.asked_at",
    )
    .bind(customers.iter().map(|(tenant, _)| *tenant).collect::<Vec<_>>())
    .bind(customers.iter().map(|(_, customer)| *customer).collect::<Vec<_>>())
    .fetch_all(conn)
    .await?;
    Ok(rows)
}

/// Stores `decided`: new invitations, and withheld ones that were decided again; and that the
/// invited among them were asked at `now`.
pub(in crate::store) async fn save(
    conn: &mut PgConnection,
    decided: &[Invitation],
    now: Timestamp,
) -> Result<(), StoreError> {
    if decided.is_empty() {
        return Ok(());
    }
    sqlx::query(
        "INSERT INTO invitations (tenant, invitation_id, survey_id, state, reason_code,
             customer_id, order_id, event_id, disruption_id, created_at, version)
         SELECT * FROM UNNEST($1::text[], $2::text[], $3::text[], $4::text[], $5::text[],
             $6::text[], $7::text[], $8::text[], $9::text[], $10::bigint[], $11::bigint[])
         ON CONFLICT (tenant, disruption_id, customer_id) DO UPDATE SET
             state = excluded.state, reason_code = excluded.reason_code,
             order_id = excluded.order_id, version = excluded.version
         WHERE invitations.state = 'SUPPRESSED'",
    )
    .bind(column(decided, |invitation| invitation.tenant.as_str()))
    .bind(column(decided, |invitation| invitation.id.as_str()))
    .bind(column(decided, |invitation| invitation.survey.as_str()))
    .bind(column(decided, |invitation| invitation.state.as_str()))
    .bind(column(decided, |invitation| invitation.state.reason_code()))
    .bind(column(decided, |invitation| invitation.customer.as_str()))
    .bind(column(decided, |invitation| invitation.order.as_str()))
    .bind(column(decided, |invitation| invitation.event.as_str()))
    .bind(column(decided, |invitation| invitation.disruption.as_str()))
    .bind(column(decided, |invitation| invitation.created.0))
    .bind(column(decided, |invitation| invitation.version))
    .execute(&mut *conn)
    .await?;
    let invited = || decided.iter().filter(|invitation| invitation.state == State::Invited);
    sqlx::query(
        "UPDATE customers SET asked_at = $3
         FROM UNNEST($1::text[], $2::text[]) AS invited (tenant, customer_id)
         WHERE customers.tenant = invited.tenant
             AND customers.customer_id = invited.customer_id",
    )
    .bind(invited().map(|invitation| invitation.tenant.as_str()).collect::<Vec<_>>())
    .bind(invited().map(|invitation| invitation.customer.as_str()).collect::<Vec<_>>())
    .bind(now.0)
    .execute(conn)
    .await?;
    Ok(())
}

/// One column of an UNNEST.
fn column<'a, T>(decided: &'a [Invitation], of: impl Fn(&'a Invitation) -> T) -> Vec<T> {
    decided.iter().map(of).collect()
}
