-- Payments that were announced and have not arrived: while one is under way its account is not cut for credit.
CREATE TABLE payments_in_flight (
    site_id bigint NOT NULL,
    id bigint NOT NULL,
    account_id bigint NOT NULL,
    amount bigint NOT NULL CHECK (amount > 0), -- minor units
    tender text NOT NULL, -- cash | wechat | alipay | bank | card
    begun_at timestamptz NOT NULL,
    holds_until timestamptz NOT NULL, -- its end, where it ended before
    operator_key text NOT NULL, -- prefix of the API key that announced it
    PRIMARY KEY (site_id, id),
    FOREIGN KEY (site_id, account_id) REFERENCES accounts (site_id, id)
);
CREATE INDEX payments_in_flight_by_account ON payments_in_flight (site_id, account_id, holds_until);
