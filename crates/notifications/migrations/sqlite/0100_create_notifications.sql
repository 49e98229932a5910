-- One message to one customer each. Facts only: the address is looked up when it is sent. Same
-- shape as in postgres/.
CREATE TABLE notifications (
    tenant                TEXT    NOT NULL,
    id                    TEXT    NOT NULL,
    -- What it was written for; the same occasion again makes no second message.
    occasion              TEXT    NOT NULL,
    template              TEXT    NOT NULL,
    order_id              TEXT    NOT NULL,
    customer              TEXT    NOT NULL,
    disruption            TEXT,
    refund                TEXT,
    requested_currency    TEXT,
    requested_minor_units INTEGER,
    issued_currency       TEXT,
    issued_minor_units    INTEGER,
    state                 TEXT    NOT NULL,
    locale                TEXT,
    reason                TEXT,
    -- How often a mail server put this message off.
    attempts              INTEGER NOT NULL,
    -- While PENDING: not to be claimed before; a claim moves it to the claim's own end.
    due_time              INTEGER NOT NULL,
    -- The claim under which it is being sent, if any.
    claim_token           TEXT,
    create_time           INTEGER NOT NULL,
    send_time             INTEGER,
    PRIMARY KEY (tenant, id),
    UNIQUE (tenant, occasion),
    CONSTRAINT notifications_state_check CHECK (state IN ('PENDING', 'SENT', 'FAILED')),
    CONSTRAINT notifications_requested_check
        CHECK ((requested_currency IS NULL) = (requested_minor_units IS NULL)),
    CONSTRAINT notifications_issued_check
        CHECK ((issued_currency IS NULL) = (issued_minor_units IS NULL)),
    CONSTRAINT notifications_sent_check
        CHECK ((state = 'SENT') = (send_time IS NOT NULL) AND (state = 'SENT') = (locale IS NOT NULL))
) STRICT, WITHOUT ROWID;

CREATE INDEX notifications_due_idx ON notifications (due_time) WHERE state = 'PENDING';
CREATE INDEX notifications_order_idx ON notifications (tenant, order_id, id);
CREATE INDEX notifications_disruption_idx ON notifications (tenant, disruption, state, id)
    WHERE disruption IS NOT NULL;
