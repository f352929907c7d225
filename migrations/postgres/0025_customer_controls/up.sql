-- Accounts whose customer may disconnect and reconnect the own meters; no row: may not.
CREATE TABLE customer_controls (
    site_id bigint NOT NULL,
    account_id bigint NOT NULL,
    allowed_at timestamptz NOT NULL, -- when an operator allowed it
    allowed_by text NOT NULL, -- prefix of the operator's API key
    reason text NOT NULL, -- why, for people
    PRIMARY KEY (site_id, account_id),
    FOREIGN KEY (site_id, account_id) REFERENCES accounts (site_id, id)
);
