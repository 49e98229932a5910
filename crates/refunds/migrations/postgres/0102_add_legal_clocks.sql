-- The clock of the law behind each refund. Its end is legal_deadline. Refunds of before have no
-- start; their clock began when they were created.
ALTER TABLE refunds
    ADD COLUMN clock_start BIGINT,
    -- IANA zone that its days were counted in; empty when nobody kept it.
    ADD COLUMN clock_zone TEXT NOT NULL DEFAULT '',
    -- Title and address of the law or the terms; empty when not known.
    ADD COLUMN clock_law TEXT NOT NULL DEFAULT '',
    ADD COLUMN clock_law_uri TEXT NOT NULL DEFAULT '',
    -- The true end may be later, because a calendar ends before it.
    ADD COLUMN clock_earliest BOOLEAN NOT NULL DEFAULT FALSE,
    -- 0 nothing was announced, 1 that it is due soon, 2 that it was missed; 3 the clock has stopped.
    -- All that are there count as stopped, which costs nothing, and the few open ones are wound up.
    ADD COLUMN deadline_state SMALLINT NOT NULL DEFAULT 3 CHECK (deadline_state BETWEEN 0 AND 3);
ALTER TABLE refunds ALTER COLUMN deadline_state SET DEFAULT 0;
UPDATE refunds SET deadline_state = 0
WHERE state IN ('PENDING_APPROVAL', 'QUEUED', 'PROCESSING', 'ATTENTION');

-- Clocks that run. The state of a refund is not in it, so that the steps of a payment do not keep it
-- up to date: only the end does.
CREATE INDEX refunds_by_deadline ON refunds (legal_deadline, tenant, refund_id, deadline_state)
    WHERE deadline_state < 3;
