-- Orders as their shop sold them, and how much of each line refunds have taken up.
CREATE TABLE orders (
    tenant TEXT COLLATE "C" NOT NULL,
    order_id TEXT COLLATE "C" NOT NULL,
    source_version BIGINT NOT NULL,
    -- SHA-256 of the imported content: tells an unchanged order from a changed one.
    digest BYTEA NOT NULL,
    customer TEXT COLLATE "C" NOT NULL,
    email TEXT NOT NULL,
    display_name TEXT NOT NULL,
    locale TEXT NOT NULL,
    purchase_time BIGINT NOT NULL,
    state TEXT NOT NULL,
    policy TEXT,
    currency TEXT NOT NULL,
    total BIGINT NOT NULL CHECK (total >= 0),
    created BIGINT NOT NULL,
    updated BIGINT NOT NULL,
    PRIMARY KEY (tenant, order_id)
);
CREATE INDEX orders_by_customer ON orders (tenant, customer, order_id);

CREATE TABLE order_lines (
    tenant TEXT COLLATE "C" NOT NULL,
    order_id TEXT COLLATE "C" NOT NULL,
    line_id TEXT COLLATE "C" NOT NULL,
    ordinal INTEGER NOT NULL,
    kind TEXT NOT NULL,
    event_id TEXT COLLATE "C" NOT NULL,
    title TEXT NOT NULL,
    event_start BIGINT NOT NULL,
    event_time_zone TEXT NOT NULL,
    gross BIGINT NOT NULL CHECK (gross >= 0),
    tax BIGINT NOT NULL CHECK (tax >= 0 AND tax <= gross),
    -- Taken up by refunds: paid, on its way, or kept as their fee.
    committed BIGINT NOT NULL DEFAULT 0 CHECK (committed >= 0),
    -- The shop no longer lists the line, but refunds refer to it.
    removed BOOLEAN NOT NULL DEFAULT FALSE,
    PRIMARY KEY (tenant, order_id, line_id),
    FOREIGN KEY (tenant, order_id) REFERENCES orders (tenant, order_id),
    CONSTRAINT line_not_over_committed CHECK (removed OR committed <= gross)
);
CREATE INDEX order_lines_by_event ON order_lines (tenant, event_id, order_id);

-- One counter row a payment. The CHECK is the last guard of "never pay back more than captured".
CREATE TABLE payments (
    tenant TEXT COLLATE "C" NOT NULL,
    order_id TEXT COLLATE "C" NOT NULL,
    payment_id TEXT COLLATE "C" NOT NULL,
    ordinal INTEGER NOT NULL,
    tender TEXT NOT NULL,
    provider TEXT NOT NULL,
    provider_reference TEXT NOT NULL,
    currency TEXT NOT NULL,
    captured BIGINT NOT NULL CHECK (captured >= 0),
    refunded_elsewhere BIGINT NOT NULL CHECK (refunded_elsewhere >= 0),
    reserved BIGINT NOT NULL DEFAULT 0 CHECK (reserved >= 0),
    refunded BIGINT NOT NULL DEFAULT 0 CHECK (refunded >= 0),
    disputed BIGINT NOT NULL DEFAULT 0 CHECK (disputed >= 0),
    overdrawn BOOLEAN NOT NULL DEFAULT FALSE,
    capture_time BIGINT NOT NULL,
    PRIMARY KEY (tenant, order_id, payment_id),
    FOREIGN KEY (tenant, order_id) REFERENCES orders (tenant, order_id),
    CONSTRAINT payment_not_over_refunded CHECK (
        overdrawn OR refunded_elsewhere + reserved + refunded + disputed <= captured
    )
);

CREATE TABLE policies (
    tenant TEXT COLLATE "C" NOT NULL,
    policy_id TEXT COLLATE "C" NOT NULL,
    version BIGINT NOT NULL,
    effective BIGINT NOT NULL,
    body BYTEA NOT NULL,
    created BIGINT NOT NULL,
    PRIMARY KEY (tenant, policy_id, version)
);

CREATE TABLE quotes (
    tenant TEXT COLLATE "C" NOT NULL,
    quote_id TEXT COLLATE "C" NOT NULL,
    order_id TEXT COLLATE "C" NOT NULL,
    body BYTEA NOT NULL,
    expires BIGINT NOT NULL,
    -- The refund that accepted it; a quote is accepted once.
    refund_id TEXT COLLATE "C",
    created BIGINT NOT NULL,
    PRIMARY KEY (tenant, quote_id),
    FOREIGN KEY (tenant, order_id) REFERENCES orders (tenant, order_id)
);

CREATE TABLE disruptions (
    tenant TEXT COLLATE "C" NOT NULL,
    disruption_id TEXT COLLATE "C" NOT NULL,
    event_id TEXT COLLATE "C" NOT NULL,
    kind TEXT NOT NULL,
    state TEXT NOT NULL,
    requester TEXT NOT NULL,
    traceparent TEXT,
    version BIGINT NOT NULL,
    created BIGINT NOT NULL,
    updated BIGINT NOT NULL,
    PRIMARY KEY (tenant, disruption_id),
    UNIQUE (tenant, event_id)
);

CREATE TABLE refunds (
    tenant TEXT COLLATE "C" NOT NULL,
    refund_id TEXT COLLATE "C" NOT NULL,
    order_id TEXT COLLATE "C" NOT NULL,
    customer TEXT COLLATE "C" NOT NULL,
    disruption_id TEXT COLLATE "C",
    event_id TEXT COLLATE "C",
    state TEXT NOT NULL,
    currency TEXT NOT NULL,
    requested BIGINT NOT NULL CHECK (requested > 0),
    issued BIGINT NOT NULL CHECK (issued >= 0 AND issued <= requested),
    lines BYTEA NOT NULL,
    legal_deadline BIGINT NOT NULL,
    expected_arrival BIGINT,
    reason TEXT,
    requester TEXT NOT NULL,
    traceparent TEXT,
    version BIGINT NOT NULL,
    created BIGINT NOT NULL,
    updated BIGINT NOT NULL,
    PRIMARY KEY (tenant, refund_id),
    FOREIGN KEY (tenant, order_id) REFERENCES orders (tenant, order_id)
);
CREATE INDEX refunds_by_order ON refunds (tenant, order_id, refund_id);
CREATE INDEX refunds_by_disruption ON refunds (tenant, disruption_id, refund_id);

CREATE TABLE attempts (
    tenant TEXT COLLATE "C" NOT NULL,
    attempt_id TEXT COLLATE "C" NOT NULL,
    refund_id TEXT COLLATE "C" NOT NULL,
    order_id TEXT COLLATE "C" NOT NULL,
    payment_id TEXT COLLATE "C" NOT NULL,
    ordinal INTEGER NOT NULL,
    provider TEXT NOT NULL,
    payment_reference TEXT NOT NULL,
    currency TEXT NOT NULL,
    amount BIGINT NOT NULL CHECK (amount > 0),
    state TEXT NOT NULL,
    reason TEXT,
    provider_refund TEXT NOT NULL,
    -- Whoever holds the attempt; empty when nobody does. Every write of a holder checks it.
    claim TEXT NOT NULL,
    -- When somebody may act on it next.
    due BIGINT NOT NULL,
    sent BIGINT NOT NULL,
    absences INTEGER NOT NULL,
    delays INTEGER NOT NULL,
    updated BIGINT NOT NULL,
    PRIMARY KEY (tenant, attempt_id),
    FOREIGN KEY (tenant, refund_id) REFERENCES refunds (tenant, refund_id),
    FOREIGN KEY (tenant, order_id, payment_id) REFERENCES payments (tenant, order_id, payment_id),
    UNIQUE (tenant, refund_id, payment_id, ordinal)
);
-- What a lane's workers look for; settled attempts are not in it.
CREATE INDEX attempts_to_do ON attempts (provider, state, due)
    WHERE state IN ('ARMED', 'SENT', 'ACCEPTED', 'UNKNOWN');
-- The provider's idempotency key is unique over all tenants, and a webhook finds its attempt by it
-- or by the provider's own id.
CREATE UNIQUE INDEX attempts_attempt_id_key ON attempts (attempt_id);
CREATE INDEX attempts_by_provider_refund ON attempts (provider, provider_refund)
    WHERE provider_refund <> '';

CREATE TABLE disruption_items (
    tenant TEXT COLLATE "C" NOT NULL,
    disruption_id TEXT COLLATE "C" NOT NULL,
    order_id TEXT COLLATE "C" NOT NULL,
    state TEXT NOT NULL,
    refund_id TEXT COLLATE "C",
    currency TEXT NOT NULL,
    requested BIGINT NOT NULL CHECK (requested >= 0),
    issued BIGINT NOT NULL DEFAULT 0 CHECK (issued >= 0 AND issued <= requested),
    reason_code TEXT NOT NULL DEFAULT '',
    next_action TEXT NOT NULL DEFAULT '',
    -- The frozen plan: lines and tenders.
    plan BYTEA NOT NULL,
    PRIMARY KEY (tenant, disruption_id, order_id),
    FOREIGN KEY (tenant, disruption_id) REFERENCES disruptions (tenant, disruption_id),
    FOREIGN KEY (tenant, order_id) REFERENCES orders (tenant, order_id)
);
CREATE INDEX disruption_items_open ON disruption_items (tenant, disruption_id, state, order_id);

-- Double entry: one row debits one account and credits another. An attempt's money is opened once
-- (phase 1, RESERVE) and closed once (phase 2, POST or VOID).
CREATE TABLE postings (
    tenant TEXT COLLATE "C" NOT NULL,
    attempt_id TEXT COLLATE "C" NOT NULL,
    phase SMALLINT NOT NULL CHECK (phase IN (1, 2)),
    kind TEXT NOT NULL,
    refund_id TEXT COLLATE "C" NOT NULL,
    debit TEXT NOT NULL,
    credit TEXT NOT NULL CHECK (credit <> debit),
    currency TEXT NOT NULL,
    amount BIGINT NOT NULL CHECK (amount > 0),
    created BIGINT NOT NULL,
    PRIMARY KEY (tenant, attempt_id, phase),
    FOREIGN KEY (tenant, attempt_id) REFERENCES attempts (tenant, attempt_id)
);
