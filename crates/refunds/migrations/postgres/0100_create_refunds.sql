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
    -- As the shop states it; NULL when it names none.
    policy TEXT,
    -- The policy and version that it was sold under, once known: both or neither.
    pinned_policy TEXT COLLATE "C",
    policy_version BIGINT,
    sales_channel TEXT NOT NULL,
    -- JSON lists of domain types.
    travellers TEXT NOT NULL,
    discounts TEXT NOT NULL,
    currency TEXT NOT NULL,
    total BIGINT NOT NULL CHECK (total >= 0),
    created BIGINT NOT NULL,
    updated BIGINT NOT NULL,
    PRIMARY KEY (tenant, order_id),
    CONSTRAINT policy_pinned_with_its_version CHECK (
        (pinned_policy IS NULL) = (policy_version IS NULL)
    )
);
-- Indexes beside the keys begin with the column that narrows the most, not with the tenant: a plan
-- that is made while a table is nearly empty, and kept, then never prefers one of them to the key.
CREATE INDEX orders_by_customer ON orders (customer, tenant, order_id);

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
    event_end BIGINT,
    place TEXT NOT NULL,
    -- In the shop's words; empty when unknown.
    section TEXT NOT NULL DEFAULT '',
    carrier TEXT COLLATE "C" NOT NULL DEFAULT '',
    -- Without the collection's name.
    trip TEXT COLLATE "C",
    -- Units of the same thing; the amounts are those of all of them.
    units BIGINT NOT NULL CHECK (units >= 1),
    gross BIGINT NOT NULL CHECK (gross >= 0),
    tax BIGINT NOT NULL CHECK (tax >= 0 AND tax <= gross),
    -- By how much the list price was above the gross.
    discount BIGINT NOT NULL CHECK (discount >= 0),
    discount_id TEXT,
    -- JSON list of ids.
    traveller_ids TEXT NOT NULL,
    -- Taken up by refunds: paid, on its way, or kept as their fee.
    committed BIGINT NOT NULL DEFAULT 0 CHECK (committed >= 0),
    committed_units BIGINT NOT NULL DEFAULT 0 CHECK (committed_units >= 0),
    -- The part of `committed` that goes back to the buyer.
    refunding BIGINT NOT NULL DEFAULT 0 CHECK (refunding >= 0 AND refunding <= committed),
    -- By how much refunds of other lines made what is kept of this one dearer.
    repriced BIGINT NOT NULL DEFAULT 0 CHECK (repriced >= 0),
    -- A later version of the order made the line smaller than what refunds have taken up.
    over_refunded BOOLEAN NOT NULL DEFAULT FALSE,
    -- The shop no longer lists the line, but refunds refer to it.
    removed BOOLEAN NOT NULL DEFAULT FALSE,
    PRIMARY KEY (tenant, order_id, line_id),
    FOREIGN KEY (tenant, order_id) REFERENCES orders (tenant, order_id),
    CONSTRAINT line_not_over_committed CHECK (
        removed OR over_refunded OR (committed <= gross + repriced AND committed_units <= units)
    )
) WITH (fillfactor = 70);
CREATE INDEX order_lines_by_event ON order_lines (event_id, tenant, order_id);
CREATE INDEX order_lines_by_trip ON order_lines (tenant, trip, order_id) WHERE trip IS NOT NULL;
CREATE INDEX order_lines_by_carrier ON order_lines (tenant, carrier, order_id) WHERE carrier <> '';

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
    -- How many points of a programme `captured` stands for; 0 for money.
    points BIGINT NOT NULL CHECK (points >= 0),
    -- What the shop last said was given back past Redress, and what of it counts: the part that
    -- Redress has heard of from the provider as well is within `refunded`.
    elsewhere_reported BIGINT NOT NULL,
    refunded_elsewhere BIGINT NOT NULL CHECK (refunded_elsewhere >= 0),
    reserved BIGINT NOT NULL DEFAULT 0 CHECK (reserved >= 0),
    refunded BIGINT NOT NULL DEFAULT 0 CHECK (refunded >= 0),
    -- The part of `refunded` that was made past Redress and reported by the provider.
    external BIGINT NOT NULL DEFAULT 0 CHECK (external >= 0 AND external <= refunded),
    disputed BIGINT NOT NULL DEFAULT 0 CHECK (disputed >= 0),
    overdrawn BOOLEAN NOT NULL DEFAULT FALSE,
    capture_time BIGINT NOT NULL,
    PRIMARY KEY (tenant, order_id, payment_id),
    FOREIGN KEY (tenant, order_id) REFERENCES orders (tenant, order_id),
    CONSTRAINT payment_not_over_refunded CHECK (
        overdrawn OR refunded_elsewhere + reserved + refunded + disputed <= captured
    ),
    CONSTRAINT elsewhere_within_report CHECK (refunded_elsewhere <= elsewhere_reported)
) WITH (fillfactor = 70);
-- A provider's news of a refund that Redress did not make names the payment by its reference.
CREATE INDEX payments_by_reference ON payments (provider, provider_reference)
    WHERE provider_reference <> '';

CREATE TABLE policies (
    tenant TEXT COLLATE "C" NOT NULL,
    policy_id TEXT COLLATE "C" NOT NULL,
    version BIGINT NOT NULL,
    effective BIGINT NOT NULL,
    -- The file as it was applied; empty when the policy came field by field.
    source TEXT NOT NULL,
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
    created BIGINT NOT NULL,
    PRIMARY KEY (tenant, quote_id),
    FOREIGN KEY (tenant, order_id) REFERENCES orders (tenant, order_id)
);

CREATE TABLE disruptions (
    tenant TEXT COLLATE "C" NOT NULL,
    disruption_id TEXT COLLATE "C" NOT NULL,
    -- JSON of domain types: which orders, what happened, what is offered and kept.
    scope BYTEA NOT NULL,
    change BYTEA NOT NULL,
    terms BYTEA NOT NULL,
    -- SHA-256 of the scope: equal scopes have equal ones.
    scope_digest BYTEA NOT NULL,
    kind TEXT NOT NULL,
    -- When buyers can no longer choose; NULL when there is nothing to choose.
    choose_until BIGINT,
    state TEXT NOT NULL,
    -- Orders in scope when it was opened.
    scope_orders BIGINT NOT NULL CHECK (scope_orders >= 0),
    requester TEXT NOT NULL,
    approver TEXT,
    traceparent TEXT,
    version BIGINT NOT NULL,
    created BIGINT NOT NULL,
    updated BIGINT NOT NULL,
    PRIMARY KEY (tenant, disruption_id)
);
CREATE UNIQUE INDEX disruptions_tenant_scope_digest_key ON disruptions (tenant, scope_digest)
    WHERE state NOT IN ('COMPLETED', 'ABORTED');
-- What workers look after.
CREATE INDEX disruptions_at_work ON disruptions (state, updated)
    WHERE state IN ('RUNNING', 'ABORTING');

-- The events that scopes name, for whoever looks for an event's disruptions.
CREATE TABLE disruption_events (
    tenant TEXT COLLATE "C" NOT NULL,
    event_id TEXT COLLATE "C" NOT NULL,
    disruption_id TEXT COLLATE "C" NOT NULL,
    PRIMARY KEY (tenant, event_id, disruption_id),
    FOREIGN KEY (tenant, disruption_id) REFERENCES disruptions (tenant, disruption_id)
);

-- The lanes that a disruption's items are paid through.
CREATE TABLE disruption_lanes (
    tenant TEXT COLLATE "C" NOT NULL,
    disruption_id TEXT COLLATE "C" NOT NULL,
    lane TEXT COLLATE "C" NOT NULL,
    PRIMARY KEY (tenant, disruption_id, lane),
    FOREIGN KEY (tenant, disruption_id) REFERENCES disruptions (tenant, disruption_id)
);

CREATE TABLE refunds (
    tenant TEXT COLLATE "C" NOT NULL,
    refund_id TEXT COLLATE "C" NOT NULL,
    order_id TEXT COLLATE "C" NOT NULL,
    -- The quote that it accepts; a quote is accepted once.
    quote_id TEXT COLLATE "C",
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
    -- Who asked for it, and who approved or rejected it.
    requester TEXT NOT NULL,
    approver TEXT,
    -- REQUESTED, DISRUPTION, or PROVIDER for what was given back there past Redress.
    origin TEXT NOT NULL,
    override_code TEXT,
    -- What it made dearer of the lines that the buyer keeps, to be undone with it.
    repriced BYTEA NOT NULL,
    traceparent TEXT,
    version BIGINT NOT NULL,
    created BIGINT NOT NULL,
    updated BIGINT NOT NULL,
    -- Nobody approves their own.
    CONSTRAINT refund_not_self_approved CHECK (approver IS NULL OR approver <> requester),
    PRIMARY KEY (tenant, refund_id),
    UNIQUE (tenant, quote_id),
    FOREIGN KEY (tenant, quote_id) REFERENCES quotes (tenant, quote_id),
    FOREIGN KEY (tenant, order_id) REFERENCES orders (tenant, order_id)
) WITH (fillfactor = 60);
CREATE INDEX refunds_by_order ON refunds (order_id, tenant, refund_id);
CREATE INDEX refunds_by_disruption ON refunds (tenant, disruption_id, refund_id)
    WHERE disruption_id IS NOT NULL;
CREATE INDEX refunds_by_customer ON refunds (customer, tenant, refund_id);

-- Which refund used up what a policy gives each buyer once for an event.
CREATE TABLE buyer_refunds (
    tenant TEXT COLLATE "C" NOT NULL,
    customer TEXT COLLATE "C" NOT NULL,
    event_id TEXT COLLATE "C" NOT NULL,
    refund_id TEXT COLLATE "C" NOT NULL,
    PRIMARY KEY (tenant, customer, event_id),
    FOREIGN KEY (tenant, refund_id) REFERENCES refunds (tenant, refund_id)
);
CREATE INDEX buyer_refunds_by_refund ON buyer_refunds (refund_id, tenant);

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
    -- 1 when a webhook told of news while somebody held it, who may have asked before there was any.
    hinted INTEGER NOT NULL DEFAULT 0,
    updated BIGINT NOT NULL,
    -- 1 for an attempt of a disruption, which lets those of single customers go first; 0 for theirs.
    bulk SMALLINT NOT NULL DEFAULT 0 CHECK (bulk IN (0, 1)),
    PRIMARY KEY (tenant, attempt_id),
    FOREIGN KEY (tenant, refund_id) REFERENCES refunds (tenant, refund_id),
    FOREIGN KEY (tenant, order_id, payment_id) REFERENCES payments (tenant, order_id, payment_id),
    UNIQUE (tenant, refund_id, payment_id, ordinal)
);
-- What a lane's workers look for; settled attempts are in neither.
CREATE INDEX attempts_to_send ON attempts (provider, bulk, due) WHERE state = 'ARMED';
CREATE INDEX attempts_to_look_up ON attempts (provider, state, due)
    WHERE state IN ('SENT', 'ACCEPTED', 'UNKNOWN');
-- The provider's idempotency key is unique over all tenants, and a webhook finds its attempt by it
-- or by the provider's own id.
CREATE UNIQUE INDEX attempts_attempt_id_key ON attempts (attempt_id);
CREATE INDEX attempts_by_provider_refund ON attempts (provider, provider_refund)
    WHERE provider_refund <> '';

-- The lanes of payment providers, shared by all processes and all tenants. A lane without a row has
-- never rested and has no limit.
CREATE TABLE lanes (
    provider TEXT COLLATE "C" NOT NULL,
    -- The slots that were given lately, by this database's clock.
    slots TEXT NOT NULL DEFAULT '',
    breaker TEXT NOT NULL DEFAULT 'CLOSED',
    -- Since when the breaker is in that state.
    since BIGINT NOT NULL DEFAULT 0,
    -- Why it rests, or last did.
    reason TEXT,
    trips INTEGER NOT NULL DEFAULT 0,
    rests_until BIGINT NOT NULL DEFAULT 0,
    probe_until BIGINT NOT NULL DEFAULT 0,
    -- When the provider's balance is to be looked at again.
    funds_due BIGINT NOT NULL DEFAULT 0,
    PRIMARY KEY (provider)
) WITH (fillfactor = 50);

-- Currencies of a lane that wait until the provider's balance covers what is sent next.
CREATE TABLE lane_funds (
    provider TEXT COLLATE "C" NOT NULL,
    currency TEXT COLLATE "C" NOT NULL,
    needed BIGINT NOT NULL,
    -- NULL while the provider has not been asked since it refused for want of funds.
    available BIGINT,
    since BIGINT NOT NULL,
    checks INTEGER NOT NULL,
    PRIMARY KEY (provider, currency)
);

CREATE TABLE disruption_items (
    tenant TEXT COLLATE "C" NOT NULL,
    disruption_id TEXT COLLATE "C" NOT NULL,
    order_id TEXT COLLATE "C" NOT NULL,
    state TEXT NOT NULL,
    -- What the buyer, or silence, chose.
    remedy TEXT,
    -- The provider that its money goes through first; empty when Redress sends nothing.
    lane TEXT COLLATE "C" NOT NULL,
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
-- What the workers take on next.
CREATE INDEX disruption_items_pending ON disruption_items (tenant, disruption_id, lane, order_id)
    WHERE state = 'PENDING';
-- What waits for somebody. Items on their way and those that are paid are not in it, so that paying
-- does not keep it up to date.
CREATE INDEX disruption_items_waiting ON disruption_items (disruption_id, tenant, state, order_id)
    WHERE state IN ('HELD', 'OFFERED', 'PENDING', 'ATTENTION');

-- How many items of a disruption are in a state, and what they come to: whoever watches a stadium
-- asks again and again, and counting its items would cost more than paying them. Triggers keep it.
-- Each statement adds its differences, so that nobody waits for anybody else's row; the sums count,
-- and workers fold the rows of one disruption together now and then.
CREATE TABLE disruption_tallies (
    tenant TEXT COLLATE "C" NOT NULL,
    disruption_id TEXT COLLATE "C" NOT NULL,
    seq BIGINT GENERATED ALWAYS AS IDENTITY (CACHE 1),
    state TEXT NOT NULL,
    lane TEXT COLLATE "C" NOT NULL,
    currency TEXT NOT NULL,
    items BIGINT NOT NULL,
    requested BIGINT NOT NULL,
    issued BIGINT NOT NULL,
    PRIMARY KEY (tenant, disruption_id, seq)
) WITH (autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 10000);

-- Items of disruptions are counted as they change. One look at all rows of a statement.
CREATE FUNCTION tally_items() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF TG_OP <> 'DELETE' THEN
        INSERT INTO disruption_tallies (tenant, disruption_id, state, lane, currency, items,
            requested, issued)
        SELECT tenant, disruption_id, state, lane, currency, count(*), sum(requested), sum(issued)
        FROM added GROUP BY tenant, disruption_id, state, lane, currency;
    END IF;
    IF TG_OP <> 'INSERT' THEN
        INSERT INTO disruption_tallies (tenant, disruption_id, state, lane, currency, items,
            requested, issued)
        SELECT tenant, disruption_id, state, lane, currency, -count(*), -sum(requested),
            -sum(issued)
        FROM removed GROUP BY tenant, disruption_id, state, lane, currency;
    END IF;
    RETURN NULL;
END $$;
CREATE TRIGGER disruption_items_are_counted AFTER INSERT ON disruption_items
    REFERENCING NEW TABLE AS added FOR EACH STATEMENT EXECUTE FUNCTION tally_items();
CREATE TRIGGER disruption_items_are_recounted AFTER UPDATE ON disruption_items
    REFERENCING OLD TABLE AS removed NEW TABLE AS added
    FOR EACH STATEMENT EXECUTE FUNCTION tally_items();
CREATE TRIGGER disruption_items_are_discounted AFTER DELETE ON disruption_items
    REFERENCING OLD TABLE AS removed FOR EACH STATEMENT EXECUTE FUNCTION tally_items();
