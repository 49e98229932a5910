-- JSON: which policy an order gets that names none, by what was bought and where it was sold.
ALTER TABLE tenants ADD COLUMN policies TEXT NOT NULL DEFAULT '[]';
