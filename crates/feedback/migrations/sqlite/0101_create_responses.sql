-- Answers. Same shape as in postgres/.

CREATE TABLE responses (
    tenant        TEXT   NOT NULL,
    response_id   TEXT   NOT NULL,
    invitation_id TEXT   NOT NULL,
    -- The invitation's event, repeated here so that a rating reads one index.
    event_id      TEXT   NOT NULL,
    score         INTEGER NOT NULL CONSTRAINT responses_score_check CHECK (score BETWEEN 1 AND 5),
    comment       TEXT NOT NULL,
    created_at    BIGINT NOT NULL,
    PRIMARY KEY (tenant, response_id),
    UNIQUE (tenant, invitation_id),
    FOREIGN KEY (tenant, invitation_id) REFERENCES invitations (tenant, invitation_id)
) WITHOUT ROWID;
CREATE INDEX responses_event_idx ON responses (tenant, event_id, score);
