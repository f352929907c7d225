-- Sites, who may ask, and what was asked already.

-- A site: what one operator runs under one calendar. Its number is the shard key of every big table.
CREATE TABLE sites (
    id INTEGER NOT NULL, -- 1 to 1048575: the high bits of every identifier below
    name TEXT NOT NULL,
    time_zone TEXT NOT NULL, -- IANA name; days, months and friendly hours are its local ones
    currency TEXT NOT NULL, -- ISO 4217 code
    currency_exponent INTEGER NOT NULL, -- decimal places of the minor unit (CNY: 2)
    automatic_disconnection TEXT NOT NULL, -- off | report_only | on
    version INTEGER NOT NULL, -- grows by one with every change by an operator
    PRIMARY KEY (id)
) STRICT, WITHOUT ROWID;

-- Where a site's next block of identifiers begins.
CREATE TABLE id_counters (
    site_id INTEGER NOT NULL REFERENCES sites (id),
    next_counter INTEGER NOT NULL, -- first number not yet handed out
    PRIMARY KEY (site_id)
) STRICT, WITHOUT ROWID;

-- Keys of programs and people that use the API.
CREATE TABLE api_keys (
    prefix TEXT NOT NULL, -- the key's public part, by which its row is found
    name TEXT NOT NULL, -- whose it is
    role TEXT NOT NULL, -- admin | operator | cashier | viewer
    hash TEXT NOT NULL, -- SHA-256 of the whole key, hexadecimal
    site_id INTEGER REFERENCES sites (id), -- the only site it is good for; null: all
    created_at INTEGER NOT NULL,
    revoked_at INTEGER, -- from then on refused
    CONSTRAINT api_keys_prefix PRIMARY KEY (prefix)
) STRICT, WITHOUT ROWID;

-- Answers to requests that carried an idempotency key (vends keep their own).
CREATE TABLE idempotency_keys (
    site_id INTEGER NOT NULL REFERENCES sites (id),
    key TEXT NOT NULL, -- as made by the client
    content_hash TEXT NOT NULL, -- SHA-256 of what was asked, hexadecimal
    status INTEGER NOT NULL, -- HTTP status answered
    body TEXT NOT NULL, -- JSON answered
    created_at INTEGER NOT NULL,
    CONSTRAINT idempotency_keys_key PRIMARY KEY (site_id, key)
) STRICT, WITHOUT ROWID;
