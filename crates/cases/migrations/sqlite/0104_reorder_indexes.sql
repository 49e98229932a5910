-- Indexes beside the key begin with the column that narrows the most, as in postgres/, where plans
-- need that. The unique constraints stay: SQLite prefers the index of which it can use the most
-- columns.

DROP INDEX cases_state_idx;
CREATE INDEX cases_state_idx ON cases (state, tenant, case_id);
DROP INDEX cases_order_idx;
CREATE INDEX cases_order_idx ON cases (order_id, tenant, case_id);
DROP INDEX cases_disruption_idx;
CREATE INDEX cases_disruption_idx ON cases (disruption_id, tenant, case_id);
