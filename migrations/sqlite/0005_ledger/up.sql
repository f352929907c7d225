-- The ledger: append-only. A mistake is put right by a further transaction. Money is in minor units.

-- What happened to an account's money.
CREATE TABLE transactions (
    site_id INTEGER NOT NULL,
    id INTEGER NOT NULL,
    account_id INTEGER NOT NULL,
    sequence INTEGER NOT NULL CHECK (sequence >= 1), -- 1, 2, 3, .. within the account
    kind TEXT NOT NULL, -- opening | vend | charge | correction
    key TEXT NOT NULL, -- makes it happen once
    object TEXT NOT NULL, -- the business object it came from: vend:.., day:..
    at INTEGER NOT NULL,
    cost_before TEXT, -- exact cost of all settled energy before, 1e-10 currency units; null: no charge
    cost_after TEXT, -- the same after
    carry_before INTEGER, -- the account's carry before, 1e-10 currency units
    carry_after INTEGER, -- the same after
    balance_after INTEGER NOT NULL, -- the account's posted balance
    PRIMARY KEY (site_id, id),
    FOREIGN KEY (site_id, account_id) REFERENCES accounts (site_id, id)
) STRICT, WITHOUT ROWID;
CREATE UNIQUE INDEX transactions_key ON transactions (site_id, key);
CREATE UNIQUE INDEX transactions_account_id_sequence ON transactions (site_id, account_id, sequence);

-- Movements of money of a transaction. The sum over all ledger accounts is always zero.
CREATE TABLE postings (
    site_id INTEGER NOT NULL,
    transaction_id INTEGER NOT NULL,
    line INTEGER NOT NULL, -- 1, 2, .. within the transaction
    from_account TEXT NOT NULL, -- ledger account that has less afterwards: balance:.., tender:.., revenue:energy, opening
    to_account TEXT NOT NULL, -- ledger account that has more afterwards
    amount INTEGER NOT NULL CHECK (amount > 0),
    PRIMARY KEY (site_id, transaction_id, line),
    FOREIGN KEY (site_id, transaction_id) REFERENCES transactions (site_id, id)
) STRICT, WITHOUT ROWID;

-- Days of a meter that were charged. A correction is a further revision of the day; the highest one counts.
CREATE TABLE settled_days (
    site_id INTEGER NOT NULL,
    account_id INTEGER NOT NULL,
    meter_id INTEGER NOT NULL,
    day TEXT NOT NULL, -- local day, as 2026-03-31
    revision INTEGER NOT NULL, -- 1, 2, ..
    end_value INTEGER NOT NULL, -- register at the midnight that ends the day, unwrapped, 0.1 Wh
    reading_id INTEGER NOT NULL, -- the reading there, or the one before it
    later_reading_id INTEGER, -- where interpolated: the reading after it
    energy INTEGER NOT NULL, -- charged for the day, after the multiplier, 0.1 Wh
    block_window TEXT NOT NULL, -- first local day of the window of blocks it counts in
    tariff_version INTEGER NOT NULL, -- the version that priced it
    transaction_id INTEGER NOT NULL,
    PRIMARY KEY (site_id, account_id, meter_id, day, revision),
    FOREIGN KEY (site_id, account_id) REFERENCES accounts (site_id, id),
    FOREIGN KEY (site_id, meter_id) REFERENCES meters (site_id, id),
    FOREIGN KEY (site_id, transaction_id) REFERENCES transactions (site_id, id)
) STRICT, WITHOUT ROWID;

-- Vends (售电).
CREATE TABLE vends (
    site_id INTEGER NOT NULL,
    id INTEGER NOT NULL,
    key TEXT NOT NULL, -- idempotency key made by the client, kept for ever
    content_hash TEXT NOT NULL, -- SHA-256 of what was asked, hexadecimal
    account_id INTEGER NOT NULL,
    transaction_id INTEGER NOT NULL,
    terminal TEXT NOT NULL, -- the counter or machine that sold
    tender TEXT NOT NULL, -- cash | wechat | alipay | bank | card
    amount INTEGER NOT NULL CHECK (amount > 0),
    tax INTEGER NOT NULL, -- contained in amount
    balance_before INTEGER NOT NULL,
    balance_after INTEGER NOT NULL,
    receipt_number TEXT NOT NULL,
    operator_key TEXT NOT NULL, -- prefix of the API key that asked
    created_at INTEGER NOT NULL,
    receipt TEXT NOT NULL, -- the receipt as answered, JSON
    PRIMARY KEY (site_id, id),
    FOREIGN KEY (site_id, account_id) REFERENCES accounts (site_id, id),
    FOREIGN KEY (site_id, transaction_id) REFERENCES transactions (site_id, id)
) STRICT, WITHOUT ROWID;
CREATE UNIQUE INDEX vends_key ON vends (site_id, key);
CREATE UNIQUE INDEX vends_receipt_number ON vends (site_id, receipt_number);
CREATE INDEX vends_by_terminal ON vends (site_id, terminal, created_at);
CREATE INDEX vends_by_account ON vends (site_id, account_id, created_at);
CREATE INDEX vends_by_operator ON vends (site_id, operator_key, created_at);
CREATE INDEX vends_by_time ON vends (site_id, created_at);

-- The last receipt of each terminal, so that its receipts are numbered without gaps.
CREATE TABLE receipt_counters (
    site_id INTEGER NOT NULL REFERENCES sites (id),
    terminal TEXT NOT NULL,
    last INTEGER NOT NULL,
    PRIMARY KEY (site_id, terminal)
) STRICT, WITHOUT ROWID;

-- Append-only guards.
CREATE TRIGGER transactions_refuse_update BEFORE UPDATE ON transactions
    BEGIN SELECT RAISE(ABORT, 'transactions is append-only'); END;
CREATE TRIGGER transactions_refuse_delete BEFORE DELETE ON transactions
    BEGIN SELECT RAISE(ABORT, 'transactions is append-only'); END;
CREATE TRIGGER postings_refuse_update BEFORE UPDATE ON postings
    BEGIN SELECT RAISE(ABORT, 'postings is append-only'); END;
CREATE TRIGGER postings_refuse_delete BEFORE DELETE ON postings
    BEGIN SELECT RAISE(ABORT, 'postings is append-only'); END;
CREATE TRIGGER settled_days_refuse_update BEFORE UPDATE ON settled_days
    BEGIN SELECT RAISE(ABORT, 'settled_days is append-only'); END;
CREATE TRIGGER settled_days_refuse_delete BEFORE DELETE ON settled_days
    BEGIN SELECT RAISE(ABORT, 'settled_days is append-only'); END;
CREATE TRIGGER vends_refuse_update BEFORE UPDATE ON vends
    BEGIN SELECT RAISE(ABORT, 'vends is append-only'); END;
CREATE TRIGGER vends_refuse_delete BEFORE DELETE ON vends
    BEGIN SELECT RAISE(ABORT, 'vends is append-only'); END;
