-- A case may be about a payment. Same shape as in sqlite/.

ALTER TABLE cases ADD COLUMN payment_id TEXT COLLATE "C";
ALTER TABLE cases DROP CONSTRAINT cases_origin_check;
ALTER TABLE cases ADD CONSTRAINT cases_origin_check CHECK (
    (payment_id IS NULL) = (refund_id IS NOT NULL OR disruption_id IS NOT NULL)
);
