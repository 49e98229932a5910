-- A case may be about a line of an order. Same shape as in postgres/. SQLite changes no constraint of a
-- table, so the table is made again.

CREATE TABLE cases_with_lines (
    tenant        TEXT   NOT NULL,
    case_id       TEXT   NOT NULL,
    -- What the case is about; a tenant has one case for it. See domain::attention::Origin::key.
    origin        TEXT   NOT NULL,
    state         TEXT   NOT NULL CONSTRAINT cases_state_check CHECK (state IN ('OPEN', 'RESOLVED')),
    reason_code   TEXT   NOT NULL,
    next_action   TEXT   NOT NULL,
    order_id      TEXT   NOT NULL,
    customer_id   TEXT   NOT NULL,
    refund_id     TEXT,
    disruption_id TEXT,
    currency      TEXT   NOT NULL,
    outstanding   BIGINT NOT NULL,
    resolution    TEXT,
    resolver      TEXT,
    created_at    BIGINT NOT NULL,
    updated_at    BIGINT NOT NULL,
    version       BIGINT NOT NULL,
    payment_id    TEXT,
    line_id       TEXT,
    PRIMARY KEY (tenant, case_id),
    UNIQUE (tenant, origin),
    CONSTRAINT cases_origin_check CHECK (
        (coalesce(refund_id, disruption_id) IS NOT NULL) + (payment_id IS NOT NULL)
            + (line_id IS NOT NULL) = 1
    ),
    CONSTRAINT cases_resolution_check CHECK (
        (state = 'RESOLVED') = (resolution IS NOT NULL)
        AND (resolution IS NULL) = (resolver IS NULL)
    )
) WITHOUT ROWID;
INSERT INTO cases_with_lines (tenant, case_id, origin, state, reason_code, next_action, order_id,
    customer_id, refund_id, disruption_id, currency, outstanding, resolution, resolver, created_at,
    updated_at, version, payment_id)
SELECT tenant, case_id, origin, state, reason_code, next_action, order_id,
    customer_id, refund_id, disruption_id, currency, outstanding, resolution, resolver, created_at,
    updated_at, version, payment_id
FROM cases;
DROP TABLE cases;
ALTER TABLE cases_with_lines RENAME TO cases;
CREATE INDEX cases_state_idx ON cases (tenant, state, case_id);
CREATE INDEX cases_order_idx ON cases (tenant, order_id, case_id);
CREATE INDEX cases_disruption_idx ON cases (tenant, disruption_id, case_id);
