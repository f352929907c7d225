-- Payments that were announced and have not arrived: while one is under way its account is not cut for credit.
CREATE TABLE payments_in_flight (
    site_id INTEGER NOT NULL,
    id INTEGER NOT NULL,
    account_id INTEGER NOT NULL,
    amount INTEGER NOT NULL CHECK (amount > 0), -- minor units
    tender TEXT NOT NULL, -- cash | wechat | alipay | bank | card
    begun_at INTEGER NOT NULL,
    holds_until INTEGER NOT NULL, -- its end, where it ended before
    operator_key TEXT NOT NULL, -- prefix of the API key that announced it
    PRIMARY KEY (site_id, id),
    FOREIGN KEY (site_id, account_id) REFERENCES accounts (site_id, id)
) STRICT, WITHOUT ROWID;
CREATE INDEX payments_in_flight_by_account ON payments_in_flight (site_id, account_id, holds_until);
