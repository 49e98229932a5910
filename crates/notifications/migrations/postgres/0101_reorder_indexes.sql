-- Indexes beside the key begin with the column that narrows the most, not with the tenant. A plan
-- that is made while a table is nearly empty, and kept, takes any index that begins with the tenant
-- for as good as the key, and then reads all of the tenant's rows to find one. Same shape as in
-- sqlite/, but for the unique ones.

ALTER TABLE notifications DROP CONSTRAINT notifications_tenant_occasion_key;
CREATE UNIQUE INDEX notifications_tenant_occasion_key ON notifications (occasion, tenant);
DROP INDEX notifications_order_idx;
CREATE INDEX notifications_order_idx ON notifications (order_id, tenant, id);
DROP INDEX notifications_disruption_idx;
CREATE INDEX notifications_disruption_idx ON notifications (disruption, tenant, state, id)
    WHERE disruption IS NOT NULL;
