-- Sites, who may ask, and what was asked already.

-- A site: what one operator runs under one calendar. Its number is the shard key of every big table.
CREATE TABLE sites (
    id bigint NOT NULL, -- 1 to 1048575: the high bits of every identifier below
    name text NOT NULL,
    time_zone text NOT NULL, -- IANA name; days, months and friendly hours are its local ones
    currency text NOT NULL, -- ISO 4217 code
    currency_exponent bigint NOT NULL, -- decimal places of the minor unit (CNY: 2)
    automatic_disconnection text NOT NULL, -- off | report_only | on
    version bigint NOT NULL, -- grows by one with every change by an operator
    PRIMARY KEY (id)
);

-- Where a site's next block of identifiers begins.
CREATE TABLE id_counters (
    site_id bigint NOT NULL REFERENCES sites (id),
    next_counter bigint NOT NULL, -- first number not yet handed out
    PRIMARY KEY (site_id)
);

-- Keys of programs and people that use the API.
CREATE TABLE api_keys (
    prefix text NOT NULL, -- the key's public part, by which its row is found
    name text NOT NULL, -- whose it is
    role text NOT NULL, -- admin | operator | cashier | viewer
    hash text NOT NULL, -- SHA-256 of the whole key, hexadecimal
    site_id bigint REFERENCES sites (id), -- the only site it is good for; null: all
    created_at timestamptz NOT NULL,
    revoked_at timestamptz, -- from then on refused
    CONSTRAINT api_keys_prefix PRIMARY KEY (prefix)
);

-- Answers to requests that carried an idempotency key (vends keep their own).
CREATE TABLE idempotency_keys (
    site_id bigint NOT NULL REFERENCES sites (id),
    key text NOT NULL, -- as made by the client
    content_hash text NOT NULL, -- SHA-256 of what was asked, hexadecimal
    status bigint NOT NULL, -- HTTP status answered
    body text NOT NULL, -- JSON answered
    created_at timestamptz NOT NULL,
    CONSTRAINT idempotency_keys_key PRIMARY KEY (site_id, key)
);
