-- What every service's database holds beside its own tables. Same shape as in sqlite/, plus the
-- outbox: here commits run side by side, so positions are given after the fact.

-- Whose database this is and which release's migrations it has; one row.
CREATE TABLE schema_release (
    service TEXT   NOT NULL PRIMARY KEY,
    release BIGINT NOT NULL
);

CREATE TABLE tenants (
    tenant         TEXT COLLATE "C" NOT NULL,
    version        BIGINT           NOT NULL,
    display_name   TEXT             NOT NULL,
    locales        TEXT             NOT NULL,
    time_zone      TEXT             NOT NULL,
    sender_email   TEXT             NOT NULL,
    support_url    TEXT             NOT NULL,
    default_policy TEXT             NOT NULL,
    -- JSON: who may refund how much without a second person.
    approval_limits TEXT NOT NULL,
    applied_at     BIGINT           NOT NULL,
    PRIMARY KEY (tenant, version)
);

CREATE TABLE idempotency_records (
    tenant      TEXT COLLATE "C" NOT NULL,
    method      TEXT COLLATE "C" NOT NULL,
    request_id  TEXT COLLATE "C" NOT NULL,
    fingerprint BYTEA            NOT NULL,
    response    BYTEA            NOT NULL,
    created_at  BIGINT           NOT NULL,
    PRIMARY KEY (tenant, method, request_id)
);

CREATE TABLE leases (
    name       TEXT COLLATE "C" NOT NULL PRIMARY KEY,
    holder     TEXT             NOT NULL,
    token      BIGINT           NOT NULL,
    expires_at BIGINT           NOT NULL
);

-- Committed events that have no position yet. A row leaves when it is given one, so a row that
-- becomes visible late is found late, never missed. seq is drawn when the row is written: between
-- transactions that waited for each other it follows their order. It must not be cached per
-- session.
CREATE TABLE outbox (
    seq             BIGINT GENERATED ALWAYS AS IDENTITY (CACHE 1) PRIMARY KEY,
    "partition"     SMALLINT NOT NULL,
    id              TEXT     NOT NULL,
    tenant          TEXT     NOT NULL,
    type            TEXT     NOT NULL,
    subject         TEXT     NOT NULL,
    time            BIGINT   NOT NULL,
    payload_version INTEGER  NOT NULL,
    payload         BYTEA    NOT NULL,
    traceparent     TEXT
) WITH (autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 10000);

-- The last position given in each partition.
CREATE TABLE event_heads (
    "partition" SMALLINT NOT NULL PRIMARY KEY,
    position    BIGINT   NOT NULL
) WITH (fillfactor = 50);
INSERT INTO event_heads ("partition", position) SELECT i, 0 FROM generate_series(0, 15) AS n (i);

CREATE TABLE event_log (
    "partition"     SMALLINT         NOT NULL,
    position        BIGINT           NOT NULL,
    id              TEXT             NOT NULL,
    tenant          TEXT COLLATE "C" NOT NULL,
    type            TEXT             NOT NULL,
    subject         TEXT COLLATE "C" NOT NULL,
    time            BIGINT           NOT NULL,
    payload_version INTEGER          NOT NULL,
    payload         BYTEA            NOT NULL,
    traceparent     TEXT,
    PRIMARY KEY ("partition", position)
);

CREATE TABLE relay_cursors (
    subscriber  TEXT COLLATE "C" NOT NULL,
    "partition" SMALLINT         NOT NULL,
    position    BIGINT           NOT NULL,
    PRIMARY KEY (subscriber, "partition")
) WITH (fillfactor = 50);

CREATE TABLE inbox_cursors (
    source      TEXT COLLATE "C" NOT NULL,
    "partition" SMALLINT         NOT NULL,
    position    BIGINT           NOT NULL,
    PRIMARY KEY (source, "partition")
) WITH (fillfactor = 50);

CREATE TABLE parked_events (
    source          TEXT COLLATE "C" NOT NULL,
    "partition"     SMALLINT         NOT NULL,
    position        BIGINT           NOT NULL,
    id              TEXT             NOT NULL,
    tenant          TEXT COLLATE "C" NOT NULL,
    type            TEXT             NOT NULL,
    subject         TEXT COLLATE "C" NOT NULL,
    time            BIGINT           NOT NULL,
    payload_version INTEGER          NOT NULL,
    payload         BYTEA            NOT NULL,
    traceparent     TEXT,
    error           TEXT             NOT NULL,
    parked_at       BIGINT           NOT NULL,
    PRIMARY KEY (source, "partition", position)
);
CREATE INDEX parked_events_tenant_idx ON parked_events (tenant, subject, source, position);
