-- Double entry: one row debits one account and credits another. An attempt's money is opened once
-- (phase 1, RESERVE) and closed once (phase 2, POST or VOID); what was paid behind our back is only
-- closed (EXTERNAL). A row is never changed and never removed.
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
    FOREIGN KEY (tenant, attempt_id) REFERENCES attempts (tenant, attempt_id),
    CONSTRAINT posting_accounts_fit_kind CHECK (CASE kind
        WHEN 'RESERVE' THEN phase = 1 AND debit = 'sales_returns' AND credit = 'refunds_payable'
        WHEN 'POST' THEN phase = 2 AND debit = 'refunds_payable'
            AND (credit LIKE 'provider:%' OR credit LIKE 'manual:%')
        WHEN 'VOID' THEN phase = 2 AND debit = 'refunds_payable' AND credit = 'sales_returns'
        WHEN 'EXTERNAL' THEN phase = 2 AND debit = 'sales_returns' AND credit LIKE 'provider:%'
        ELSE FALSE
    END)
);

-- Refunds made at a provider that fit several payments: each is announced once.
CREATE TABLE ambiguous_refunds (
    tenant TEXT COLLATE "C" NOT NULL,
    provider TEXT COLLATE "C" NOT NULL,
    provider_refund TEXT COLLATE "C" NOT NULL,
    created BIGINT NOT NULL,
    PRIMARY KEY (tenant, provider, provider_refund)
);
-- What somebody did to money or to its rules, and why. Never changed and never removed.
CREATE TABLE audit_entries (
    tenant TEXT COLLATE "C" NOT NULL,
    entry_id TEXT COLLATE "C" NOT NULL,
    actor TEXT COLLATE "C" NOT NULL,
    -- Names of roles, joined by commas, in the order of the credential.
    roles TEXT NOT NULL,
    action TEXT NOT NULL,
    resource TEXT COLLATE "C" NOT NULL,
    reason TEXT NOT NULL,
    -- A JSON object of texts: ids, amounts, codes.
    details BYTEA NOT NULL,
    created BIGINT NOT NULL,
    PRIMARY KEY (tenant, entry_id),
    CONSTRAINT audit_reason_at_most_1000 CHECK (length(reason) <= 1000)
);
CREATE INDEX audit_entries_by_resource ON audit_entries (resource, tenant);
CREATE INDEX audit_entries_by_actor ON audit_entries (tenant, actor);

-- Rows that wait for their place in a chain ('ledger', 'audit'). Like the outbox: a row leaves when
-- it is given its place, so what becomes visible late is found late, and seq must not be cached.
CREATE TABLE chain_queue (
    chain TEXT NOT NULL,
    seq BIGINT GENERATED ALWAYS AS IDENTITY (CACHE 1),
    tenant TEXT COLLATE "C" NOT NULL,
    -- The attempt of a posting, or the audit entry.
    item TEXT COLLATE "C" NOT NULL,
    -- The phase of a posting; 0 for an audit entry.
    phase SMALLINT NOT NULL,
    PRIMARY KEY (chain, seq)
) WITH (autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 10000);

-- The chains: 1, 2, 3 for each tenant, each link hashed over its row and the link before it.
CREATE TABLE chain_links (
    tenant TEXT COLLATE "C" NOT NULL,
    chain TEXT NOT NULL,
    position BIGINT NOT NULL CHECK (position > 0),
    item TEXT COLLATE "C" NOT NULL,
    phase SMALLINT NOT NULL,
    hash BYTEA NOT NULL CHECK (length(hash) = 32),
    PRIMARY KEY (tenant, chain, position),
    UNIQUE (tenant, chain, item, phase)
);

CREATE TABLE chain_heads (
    tenant TEXT COLLATE "C" NOT NULL,
    chain TEXT NOT NULL,
    position BIGINT NOT NULL,
    hash BYTEA NOT NULL CHECK (length(hash) = 32),
    PRIMARY KEY (tenant, chain)
) WITH (fillfactor = 50);

-- Sums over the chained postings of each account, as of the chain's head.
CREATE TABLE account_balances (
    tenant TEXT COLLATE "C" NOT NULL,
    account TEXT COLLATE "C" NOT NULL,
    currency TEXT COLLATE "C" NOT NULL,
    debits BIGINT NOT NULL CHECK (debits >= 0),
    credits BIGINT NOT NULL CHECK (credits >= 0),
    PRIMARY KEY (tenant, account, currency)
) WITH (fillfactor = 50);

-- Whoever writes a posting: it waits for its place in the chain, and a closing one closes exactly
-- what a reservation opened. One look at all rows of a statement.
CREATE FUNCTION take_postings_in() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF EXISTS (
        SELECT FROM added a
        WHERE a.phase = 2 AND (a.kind = 'EXTERNAL') = EXISTS (
            SELECT FROM postings p
            WHERE p.tenant = a.tenant AND p.attempt_id = a.attempt_id AND p.phase = 1
              AND p.refund_id = a.refund_id AND p.currency = a.currency AND p.amount = a.amount)
    ) THEN
        RAISE EXCEPTION 'a posting does not close what its attempt has opened'
            USING ERRCODE = 'check_violation', CONSTRAINT = 'posting_closes_reservation';
    END IF;
    INSERT INTO chain_queue (chain, tenant, item, phase)
    SELECT 'ledger', tenant, attempt_id, phase FROM added;
    RETURN NULL;
END $$;
CREATE TRIGGER postings_are_taken_in AFTER INSERT ON postings
    REFERENCING NEW TABLE AS added FOR EACH STATEMENT EXECUTE FUNCTION take_postings_in();

CREATE FUNCTION take_audit_entries_in() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO chain_queue (chain, tenant, item, phase)
    SELECT 'audit', tenant, entry_id, 0 FROM added;
    RETURN NULL;
END $$;
CREATE TRIGGER audit_entries_are_taken_in AFTER INSERT ON audit_entries
    REFERENCING NEW TABLE AS added FOR EACH STATEMENT EXECUTE FUNCTION take_audit_entries_in();

CREATE FUNCTION refuse_change() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION '% is append-only: % is refused', TG_TABLE_NAME, TG_OP;
END $$;
CREATE TRIGGER postings_are_kept BEFORE UPDATE OR DELETE OR TRUNCATE ON postings
    FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();
CREATE TRIGGER audit_entries_are_kept BEFORE UPDATE OR DELETE OR TRUNCATE ON audit_entries
    FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();
CREATE TRIGGER chain_links_are_kept BEFORE UPDATE OR DELETE OR TRUNCATE ON chain_links
    FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();
