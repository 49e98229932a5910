-- A case may be about a line of an order. Same shape as in sqlite/.

ALTER TABLE cases ADD COLUMN line_id TEXT COLLATE "C";
ALTER TABLE cases DROP CONSTRAINT cases_origin_check;
ALTER TABLE cases ADD CONSTRAINT cases_origin_check CHECK (
    num_nonnulls(coalesce(refund_id, disruption_id), payment_id, line_id) = 1
);
