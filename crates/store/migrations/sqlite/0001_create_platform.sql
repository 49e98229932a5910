-- What every service's database holds beside its own tables. Same shape as in postgres/.

-- Whose database this is and which release's migrations it has; one row.
CREATE TABLE schema_release (
    service TEXT   NOT NULL PRIMARY KEY,
    release BIGINT NOT NULL
) WITHOUT ROWID;

CREATE TABLE tenants (
    tenant         TEXT   NOT NULL,
    version        BIGINT NOT NULL,
    display_name   TEXT   NOT NULL,
    locales        TEXT   NOT NULL,
    time_zone      TEXT   NOT NULL,
    sender_email   TEXT   NOT NULL,
    support_url    TEXT   NOT NULL,
    default_policy TEXT   NOT NULL,
    -- JSON: who may refund how much without a second person.
    approval_limits TEXT NOT NULL,
    applied_at     BIGINT NOT NULL,
    PRIMARY KEY (tenant, version)
) WITHOUT ROWID;

CREATE TABLE idempotency_records (
    tenant      TEXT   NOT NULL,
    method      TEXT   NOT NULL,
    request_id  TEXT   NOT NULL,
    fingerprint BLOB   NOT NULL,
    response    BLOB   NOT NULL,
    created_at  BIGINT NOT NULL,
    PRIMARY KEY (tenant, method, request_id)
);

CREATE TABLE leases (
    name       TEXT   NOT NULL PRIMARY KEY,
    holder     TEXT   NOT NULL,
    token      BIGINT NOT NULL,
    expires_at BIGINT NOT NULL
) WITHOUT ROWID;

-- The last position given in each partition.
CREATE TABLE event_heads (
    "partition" SMALLINT NOT NULL PRIMARY KEY,
    position    BIGINT   NOT NULL
);
INSERT INTO event_heads ("partition", position)
WITH RECURSIVE n (i) AS (SELECT 0 UNION ALL SELECT i + 1 FROM n WHERE i < 15)
SELECT i, 0 FROM n;

CREATE TABLE event_log (
    "partition"     SMALLINT NOT NULL,
    position        BIGINT   NOT NULL,
    id              TEXT     NOT NULL,
    tenant          TEXT     NOT NULL,
    type            TEXT     NOT NULL,
    subject         TEXT     NOT NULL,
    time            BIGINT   NOT NULL,
    payload_version INTEGER  NOT NULL,
    payload         BLOB     NOT NULL,
    traceparent     TEXT,
    PRIMARY KEY ("partition", position)
) WITHOUT ROWID;

CREATE TABLE relay_cursors (
    subscriber  TEXT     NOT NULL,
    "partition" SMALLINT NOT NULL,
    position    BIGINT   NOT NULL,
    PRIMARY KEY (subscriber, "partition")
) WITHOUT ROWID;

CREATE TABLE inbox_cursors (
    source      TEXT     NOT NULL,
    "partition" SMALLINT NOT NULL,
    position    BIGINT   NOT NULL,
    PRIMARY KEY (source, "partition")
) WITHOUT ROWID;

CREATE TABLE parked_events (
    source          TEXT     NOT NULL,
    "partition"     SMALLINT NOT NULL,
    position        BIGINT   NOT NULL,
    id              TEXT     NOT NULL,
    tenant          TEXT     NOT NULL,
    type            TEXT     NOT NULL,
    subject         TEXT     NOT NULL,
    time            BIGINT   NOT NULL,
    payload_version INTEGER  NOT NULL,
    payload         BLOB     NOT NULL,
    traceparent     TEXT,
    error           TEXT     NOT NULL,
    parked_at       BIGINT   NOT NULL,
    PRIMARY KEY (source, "partition", position)
);
CREATE INDEX parked_events_tenant_idx ON parked_events (tenant, subject, source, position);
