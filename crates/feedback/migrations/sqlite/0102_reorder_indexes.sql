-- Indexes beside the keys begin with the column that narrows the most, as in postgres/, where plans
-- need that. The unique constraints stay: SQLite prefers the index of which it can use the most
-- columns.

DROP INDEX invitations_state_idx;
CREATE INDEX invitations_state_idx ON invitations (state, tenant, invitation_id);
DROP INDEX invitations_event_idx;
CREATE INDEX invitations_event_idx ON invitations (event_id, tenant, invitation_id);
DROP INDEX responses_event_idx;
CREATE INDEX responses_event_idx ON responses (event_id, tenant, score);
