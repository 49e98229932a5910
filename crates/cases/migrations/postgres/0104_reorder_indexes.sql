-- Indexes beside the key begin with the column that narrows the most, not with the tenant. A plan
-- that is made while a table is nearly empty, and kept, takes any index that begins with the tenant
-- for as good as the key, and then reads all of the tenant's rows to find one. Same shape as in
-- sqlite/, but for the unique ones.

ALTER TABLE cases DROP CONSTRAINT cases_tenant_origin_key;
CREATE UNIQUE INDEX cases_tenant_origin_key ON cases (origin, tenant);
DROP INDEX cases_state_idx;
CREATE INDEX cases_state_idx ON cases (state, tenant, case_id);
DROP INDEX cases_order_idx;
CREATE INDEX cases_order_idx ON cases (order_id, tenant, case_id);
DROP INDEX cases_disruption_idx;
CREATE INDEX cases_disruption_idx ON cases (disruption_id, tenant, case_id);
