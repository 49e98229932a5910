-- Invitations and when each customer was last asked. Same shape as in sqlite/.

CREATE TABLE invitations (
    tenant        TEXT COLLATE "C" NOT NULL,
    invitation_id TEXT COLLATE "C" NOT NULL,
    survey_id     TEXT COLLATE "C" NOT NULL,
    state         TEXT COLLATE "C" NOT NULL CONSTRAINT invitations_state_check
        CHECK (state IN ('INVITED', 'SUPPRESSED', 'ANSWERED')),
    -- Why the customer is not asked; empty otherwise.
    reason_code   TEXT COLLATE "C" NOT NULL,
    customer_id   TEXT COLLATE "C" NOT NULL,
    order_id      TEXT COLLATE "C" NOT NULL,
    event_id      TEXT COLLATE "C" NOT NULL,
    disruption_id TEXT COLLATE "C" NOT NULL,
    created_at    BIGINT           NOT NULL,
    version       BIGINT           NOT NULL,
    PRIMARY KEY (tenant, invitation_id),
    UNIQUE (tenant, disruption_id, customer_id),
    CONSTRAINT invitations_reason_check CHECK ((state = 'SUPPRESSED') = (reason_code <> ''))
);
CREATE INDEX invitations_state_idx ON invitations (tenant, state, invitation_id);
CREATE INDEX invitations_event_idx ON invitations (tenant, event_id, invitation_id);

-- One row for each customer who was ever considered, so that the quiet time is looked up in one
-- place. asked_at is null for one who was never asked. Here the row is also the lock that keeps
-- two batches from deciding about one customer at the same moment.
CREATE TABLE customers (
    tenant      TEXT COLLATE "C" NOT NULL,
    customer_id TEXT COLLATE "C" NOT NULL,
    asked_at    BIGINT,
    PRIMARY KEY (tenant, customer_id)
) WITH (fillfactor = 50);
