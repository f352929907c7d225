-- Accounts whose customer may disconnect and reconnect the own meters; no row: may not.
CREATE TABLE customer_controls (
    site_id INTEGER NOT NULL,
    account_id INTEGER NOT NULL,
    allowed_at INTEGER NOT NULL, -- when an operator allowed it
    allowed_by TEXT NOT NULL, -- prefix of the operator's API key
    reason TEXT NOT NULL, -- why, for people
    PRIMARY KEY (site_id, account_id),
    FOREIGN KEY (site_id, account_id) REFERENCES accounts (site_id, id)
) STRICT, WITHOUT ROWID;
