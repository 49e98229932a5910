-- Double entry: one row debits one account and credits another. An attempt's money is opened once
-- (phase 1, RESERVE) and closed once (phase 2, POST or VOID); what was paid behind our back is only
-- closed (EXTERNAL). A row is never changed and never removed.
CREATE TABLE postings (
    tenant TEXT NOT NULL,
    attempt_id TEXT NOT NULL,
    phase SMALLINT NOT NULL CHECK (phase IN (1, 2)),
    kind TEXT NOT NULL,
    refund_id TEXT NOT NULL,
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
    tenant TEXT NOT NULL,
    provider TEXT NOT NULL,
    provider_refund TEXT NOT NULL,
    created BIGINT NOT NULL,
    PRIMARY KEY (tenant, provider, provider_refund)
);
-- What somebody did to money or to its rules, and why. Never changed and never removed.
CREATE TABLE audit_entries (
    tenant TEXT NOT NULL,
    entry_id TEXT NOT NULL,
    actor TEXT NOT NULL,
    -- Names of roles, joined by commas, in the order of the credential.
    roles TEXT NOT NULL,
    action TEXT NOT NULL,
    resource TEXT NOT NULL,
    reason TEXT NOT NULL,
    -- A JSON object of texts: ids, amounts, codes.
    details BLOB NOT NULL,
    created BIGINT NOT NULL,
    PRIMARY KEY (tenant, entry_id),
    CONSTRAINT audit_reason_at_most_1000 CHECK (length(reason) <= 1000)
);
CREATE INDEX audit_entries_by_resource ON audit_entries (resource, tenant);
CREATE INDEX audit_entries_by_actor ON audit_entries (tenant, actor);

-- Rows that wait for their place in a chain ('ledger', 'audit'). Like the outbox: a row leaves when
-- it is given its place.
CREATE TABLE chain_queue (
    seq INTEGER PRIMARY KEY,
    chain TEXT NOT NULL,
    tenant TEXT NOT NULL,
    -- The attempt of a posting, or the audit entry.
    item TEXT NOT NULL,
    -- The phase of a posting; 0 for an audit entry.
    phase SMALLINT NOT NULL
);

-- The chains: 1, 2, 3 for each tenant, each link hashed over its row and the link before it.
CREATE TABLE chain_links (
    tenant TEXT NOT NULL,
    chain TEXT NOT NULL,
    position BIGINT NOT NULL CHECK (position > 0),
    item TEXT NOT NULL,
    phase SMALLINT NOT NULL,
    hash BLOB NOT NULL CHECK (length(hash) = 32),
    PRIMARY KEY (tenant, chain, position),
    UNIQUE (tenant, chain, item, phase)
);

CREATE TABLE chain_heads (
    tenant TEXT NOT NULL,
    chain TEXT NOT NULL,
    position BIGINT NOT NULL,
    hash BLOB NOT NULL CHECK (length(hash) = 32),
    PRIMARY KEY (tenant, chain)
);

-- Sums over the chained postings of each account, as of the chain's head.
CREATE TABLE account_balances (
    tenant TEXT NOT NULL,
    account TEXT NOT NULL,
    currency TEXT NOT NULL,
    debits BIGINT NOT NULL CHECK (debits >= 0),
    credits BIGINT NOT NULL CHECK (credits >= 0),
    PRIMARY KEY (tenant, account, currency)
);

-- Whoever writes a posting: it waits for its place in the chain, and a closing one closes exactly
-- what a reservation opened.
CREATE TRIGGER postings_close_reservations BEFORE INSERT ON postings
WHEN NEW.phase = 2 AND (NEW.kind = 'EXTERNAL') = EXISTS (
    SELECT 1 FROM postings p
    WHERE p.tenant = NEW.tenant AND p.attempt_id = NEW.attempt_id AND p.phase = 1
      AND p.refund_id = NEW.refund_id AND p.currency = NEW.currency AND p.amount = NEW.amount)
BEGIN
    SELECT RAISE(ABORT, 'a posting does not close what its attempt has opened');
END;
CREATE TRIGGER postings_are_taken_in AFTER INSERT ON postings BEGIN
    INSERT INTO chain_queue (chain, tenant, item, phase)
    VALUES ('ledger', NEW.tenant, NEW.attempt_id, NEW.phase);
END;
CREATE TRIGGER audit_entries_are_taken_in AFTER INSERT ON audit_entries BEGIN
    INSERT INTO chain_queue (chain, tenant, item, phase)
    VALUES ('audit', NEW.tenant, NEW.entry_id, 0);
END;
CREATE TRIGGER postings_are_never_changed BEFORE UPDATE ON postings BEGIN
    SELECT RAISE(ABORT, 'postings is append-only: UPDATE is refused');
END;
CREATE TRIGGER postings_are_kept BEFORE DELETE ON postings BEGIN
    SELECT RAISE(ABORT, 'postings is append-only: DELETE is refused');
END;
CREATE TRIGGER audit_entries_are_never_changed BEFORE UPDATE ON audit_entries BEGIN
    SELECT RAISE(ABORT, 'audit_entries is append-only: UPDATE is refused');
END;
CREATE TRIGGER audit_entries_are_kept BEFORE DELETE ON audit_entries BEGIN
    SELECT RAISE(ABORT, 'audit_entries is append-only: DELETE is refused');
END;
CREATE TRIGGER chain_links_are_never_changed BEFORE UPDATE ON chain_links BEGIN
    SELECT RAISE(ABORT, 'chain_links is append-only: UPDATE is refused');
END;
CREATE TRIGGER chain_links_are_kept BEFORE DELETE ON chain_links BEGIN
    SELECT RAISE(ABORT, 'chain_links is append-only: DELETE is refused');
END;
