-- Answers. Same shape as in sqlite/.

CREATE TABLE responses (
    tenant        TEXT COLLATE "C" NOT NULL,
    response_id   TEXT COLLATE "C" NOT NULL,
    invitation_id TEXT COLLATE "C" NOT NULL,
    -- The invitation's event, repeated here so that a rating reads one index.
    event_id      TEXT COLLATE "C" NOT NULL,
    score         INTEGER          NOT NULL CONSTRAINT responses_score_check CHECK (score BETWEEN 1 AND 5),
    comment       TEXT NOT NULL,
    created_at    BIGINT           NOT NULL,
    PRIMARY KEY (tenant, response_id),
    UNIQUE (tenant, invitation_id),
    FOREIGN KEY (tenant, invitation_id) REFERENCES invitations (tenant, invitation_id)
);
CREATE INDEX responses_event_idx ON responses (tenant, event_id, score);
