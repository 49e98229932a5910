-- A case may close by itself, and be about a refund at a provider. Same shape as in sqlite/.

ALTER TABLE cases ADD COLUMN settled BOOLEAN NOT NULL DEFAULT FALSE;
ALTER TABLE cases ADD COLUMN provider TEXT COLLATE "C";
ALTER TABLE cases ADD COLUMN provider_refund TEXT COLLATE "C";
ALTER TABLE cases DROP CONSTRAINT cases_origin_check;
ALTER TABLE cases ADD CONSTRAINT cases_origin_check CHECK (
    num_nonnulls(coalesce(refund_id, disruption_id), payment_id, line_id, provider_refund) = 1
    AND (provider IS NULL) = (provider_refund IS NULL)
);
ALTER TABLE cases ADD CONSTRAINT cases_settled_check CHECK (state = 'RESOLVED' OR NOT settled);
