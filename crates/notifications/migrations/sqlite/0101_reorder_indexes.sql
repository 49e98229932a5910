-- Indexes beside the key begin with the column that narrows the most, as in postgres/, where plans
-- need that. The unique constraints stay: SQLite prefers the index of which it can use the most
-- columns.

DROP INDEX notifications_order_idx;
CREATE INDEX notifications_order_idx ON notifications (order_id, tenant, id);
DROP INDEX notifications_disruption_idx;
CREATE INDEX notifications_disruption_idx ON notifications (disruption, tenant, state, id)
    WHERE disruption IS NOT NULL;
