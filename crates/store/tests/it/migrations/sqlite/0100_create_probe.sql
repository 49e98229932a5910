CREATE TABLE probe_parents (tenant TEXT NOT NULL, id TEXT NOT NULL, PRIMARY KEY (tenant, id));
CREATE TABLE probe_rows (
    tenant TEXT   NOT NULL,
    id     TEXT   NOT NULL,
    parent TEXT   NOT NULL,
    code   TEXT   NOT NULL,
    amount BIGINT NOT NULL,
    PRIMARY KEY (tenant, id),
    UNIQUE (tenant, code),
    CONSTRAINT probe_rows_amount_check CHECK (amount > 0),
    FOREIGN KEY (tenant, parent) REFERENCES probe_parents (tenant, id)
);
CREATE TABLE probe_effects (n INTEGER PRIMARY KEY AUTOINCREMENT, effect TEXT NOT NULL);
