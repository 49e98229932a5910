-- One message to one customer each. Facts only: the address is looked up when it is sent. Same
-- shape as in sqlite/.
CREATE TABLE notifications (
    tenant                TEXT COLLATE "C" NOT NULL,
    id                    TEXT COLLATE "C" NOT NULL,
    -- What it was written for; the same occasion again makes no second message.
    occasion              TEXT COLLATE "C" NOT NULL,
    template              TEXT             NOT NULL,
    order_id              TEXT COLLATE "C" NOT NULL,
    customer              TEXT COLLATE "C" NOT NULL,
    disruption            TEXT COLLATE "C",
    refund                TEXT COLLATE "C",
    requested_currency    TEXT,
    requested_minor_units BIGINT,
    issued_currency       TEXT,
    issued_minor_units    BIGINT,
    state                 TEXT             NOT NULL,
    locale                TEXT,
    reason                TEXT,
    -- How often a mail server put this message off.
    attempts              BIGINT           NOT NULL,
    -- While PENDING: not to be claimed before; a claim moves it to the claim's own end.
    due_time              BIGINT           NOT NULL,
    -- The claim under which it is being sent, if any.
    claim_token           TEXT,
    create_time           BIGINT           NOT NULL,
    send_time             BIGINT,
    PRIMARY KEY (tenant, id),
    UNIQUE (tenant, occasion),
    CONSTRAINT notifications_state_check CHECK (state IN ('PENDING', 'SENT', 'FAILED')),
    CONSTRAINT notifications_requested_check
        CHECK ((requested_currency IS NULL) = (requested_minor_units IS NULL)),
    CONSTRAINT notifications_issued_check
        CHECK ((issued_currency IS NULL) = (issued_minor_units IS NULL)),
    CONSTRAINT notifications_sent_check
        CHECK ((state = 'SENT') = (send_time IS NOT NULL) AND (state = 'SENT') = (locale IS NOT NULL))
) WITH (fillfactor = 80, autovacuum_vacuum_scale_factor = 0.05);

CREATE INDEX notifications_due_idx ON notifications (due_time) WHERE state = 'PENDING';
CREATE INDEX notifications_order_idx ON notifications (tenant, order_id, id);
CREATE INDEX notifications_disruption_idx ON notifications (tenant, disruption, state, id)
    WHERE disruption IS NOT NULL;
