-- Indexes beside the keys begin with the column that narrows the most, not with the tenant. A plan
-- that is made while a table is nearly empty, and kept, takes any index that begins with the tenant
-- for as good as the key, and then reads all of the tenant's rows to find one. Same shape as in
-- sqlite/, but for the unique ones.

ALTER TABLE invitations DROP CONSTRAINT invitations_tenant_disruption_id_customer_id_key;
CREATE UNIQUE INDEX invitations_tenant_disruption_id_customer_id_key
    ON invitations (customer_id, disruption_id, tenant);
DROP INDEX invitations_state_idx;
CREATE INDEX invitations_state_idx ON invitations (state, tenant, invitation_id);
DROP INDEX invitations_event_idx;
CREATE INDEX invitations_event_idx ON invitations (event_id, tenant, invitation_id);

ALTER TABLE responses DROP CONSTRAINT responses_tenant_invitation_id_key;
CREATE UNIQUE INDEX responses_tenant_invitation_id_key ON responses (invitation_id, tenant);
DROP INDEX responses_event_idx;
CREATE INDEX responses_event_idx ON responses (event_id, tenant, score);
