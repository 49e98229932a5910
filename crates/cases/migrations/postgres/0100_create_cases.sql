-- Cases: work that a person owns. Same shape as in sqlite/.

CREATE TABLE cases (
    tenant        TEXT COLLATE "C" NOT NULL,
    case_id       TEXT COLLATE "C" NOT NULL,
    -- What the case is about; a tenant has one case for it. See domain::attention::Origin::key.
    origin        TEXT COLLATE "C" NOT NULL,
    state         TEXT COLLATE "C" NOT NULL
        CONSTRAINT cases_state_check CHECK (state IN ('OPEN', 'RESOLVED')),
    reason_code   TEXT COLLATE "C" NOT NULL,
    next_action   TEXT COLLATE "C" NOT NULL,
    order_id      TEXT COLLATE "C" NOT NULL,
    customer_id   TEXT COLLATE "C" NOT NULL,
    refund_id     TEXT COLLATE "C",
    disruption_id TEXT COLLATE "C",
    currency      TEXT COLLATE "C" NOT NULL,
    outstanding   BIGINT           NOT NULL,
    resolution    TEXT,
    resolver      TEXT,
    created_at    BIGINT           NOT NULL,
    updated_at    BIGINT           NOT NULL,
    version       BIGINT           NOT NULL,
    PRIMARY KEY (tenant, case_id),
    UNIQUE (tenant, origin),
    CONSTRAINT cases_origin_check CHECK (refund_id IS NOT NULL OR disruption_id IS NOT NULL),
    CONSTRAINT cases_resolution_check CHECK (
        (state = 'RESOLVED') = (resolution IS NOT NULL)
        AND (resolution IS NULL) = (resolver IS NULL)
    )
);
CREATE INDEX cases_state_idx ON cases (tenant, state, case_id);
CREATE INDEX cases_order_idx ON cases (tenant, order_id, case_id);
CREATE INDEX cases_disruption_idx ON cases (tenant, disruption_id, case_id);
