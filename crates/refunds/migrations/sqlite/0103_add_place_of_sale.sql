-- Where an order was sold, as US-CA; empty when unknown. The tenant's settings choose its policy by it.
ALTER TABLE orders ADD COLUMN place_of_sale TEXT NOT NULL DEFAULT '';
