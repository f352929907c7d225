-- The ledger: append-only. A mistake is put right by a further transaction. Money is in minor units.

-- What happened to an account's money.
CREATE TABLE transactions (
    site_id bigint NOT NULL,
    id bigint NOT NULL,
    account_id bigint NOT NULL,
    sequence bigint NOT NULL CHECK (sequence >= 1), -- 1, 2, 3, .. within the account
    kind text NOT NULL, -- opening | vend | charge | correction
    key text NOT NULL, -- makes it happen once
    object text NOT NULL, -- the business object it came from: vend:.., day:..
    at timestamptz NOT NULL,
    cost_before text, -- exact cost of all settled energy before, 1e-10 currency units; null: no charge
    cost_after text, -- the same after
    carry_before bigint, -- the account's carry before, 1e-10 currency units
    carry_after bigint, -- the same after
    balance_after bigint NOT NULL, -- the account's posted balance
    PRIMARY KEY (site_id, id),
    FOREIGN KEY (site_id, account_id) REFERENCES accounts (site_id, id)
);
CREATE UNIQUE INDEX transactions_key ON transactions (site_id, key);
CREATE UNIQUE INDEX transactions_account_id_sequence ON transactions (site_id, account_id, sequence);

-- Movements of money of a transaction. The sum over all ledger accounts is always zero.
CREATE TABLE postings (
    site_id bigint NOT NULL,
    transaction_id bigint NOT NULL,
    line bigint NOT NULL, -- 1, 2, .. within the transaction
    from_account text NOT NULL, -- ledger account that has less afterwards: balance:.., tender:.., revenue:energy, opening
    to_account text NOT NULL, -- ledger account that has more afterwards
    amount bigint NOT NULL CHECK (amount > 0),
    PRIMARY KEY (site_id, transaction_id, line),
    FOREIGN KEY (site_id, transaction_id) REFERENCES transactions (site_id, id)
);

-- Days of a meter that were charged. A correction is a further revision of the day; the highest one counts.
CREATE TABLE settled_days (
    site_id bigint NOT NULL,
    account_id bigint NOT NULL,
    meter_id bigint NOT NULL,
    day text NOT NULL, -- local day, as 2026-03-31
    revision bigint NOT NULL, -- 1, 2, ..
    end_value bigint NOT NULL, -- register at the midnight that ends the day, unwrapped, 0.1 Wh
    reading_id bigint NOT NULL, -- the reading there, or the one before it
    later_reading_id bigint, -- where interpolated: the reading after it
    energy bigint NOT NULL, -- charged for the day, after the multiplier, 0.1 Wh
    block_window text NOT NULL, -- first local day of the window of blocks it counts in
    tariff_version bigint NOT NULL, -- the version that priced it
    transaction_id bigint NOT NULL,
    PRIMARY KEY (site_id, account_id, meter_id, day, revision),
    FOREIGN KEY (site_id, account_id) REFERENCES accounts (site_id, id),
    FOREIGN KEY (site_id, meter_id) REFERENCES meters (site_id, id),
    FOREIGN KEY (site_id, transaction_id) REFERENCES transactions (site_id, id)
);

-- Vends (售电).
CREATE TABLE vends (
    site_id bigint NOT NULL,
    id bigint NOT NULL,
    key text NOT NULL, -- idempotency key made by the client, kept for ever
    content_hash text NOT NULL, -- SHA-256 of what was asked, hexadecimal
    account_id bigint NOT NULL,
    transaction_id bigint NOT NULL,
    terminal text NOT NULL, -- the counter or machine that sold
    tender text NOT NULL, -- cash | wechat | alipay | bank | card
    amount bigint NOT NULL CHECK (amount > 0),
    tax bigint NOT NULL, -- contained in amount
    balance_before bigint NOT NULL,
    balance_after bigint NOT NULL,
    receipt_number text NOT NULL,
    operator_key text NOT NULL, -- prefix of the API key that asked
    created_at timestamptz NOT NULL,
    receipt text NOT NULL, -- the receipt as answered, JSON
    PRIMARY KEY (site_id, id),
    FOREIGN KEY (site_id, account_id) REFERENCES accounts (site_id, id),
    FOREIGN KEY (site_id, transaction_id) REFERENCES transactions (site_id, id)
);
CREATE UNIQUE INDEX vends_key ON vends (site_id, key);
CREATE UNIQUE INDEX vends_receipt_number ON vends (site_id, receipt_number);
CREATE INDEX vends_by_terminal ON vends (site_id, terminal, created_at);
CREATE INDEX vends_by_account ON vends (site_id, account_id, created_at);
CREATE INDEX vends_by_operator ON vends (site_id, operator_key, created_at);
CREATE INDEX vends_by_time ON vends (site_id, created_at);

-- The last receipt of each terminal, so that its receipts are numbered without gaps.
CREATE TABLE receipt_counters (
    site_id bigint NOT NULL REFERENCES sites (id),
    terminal text NOT NULL,
    last bigint NOT NULL,
    PRIMARY KEY (site_id, terminal)
);

-- Append-only guards.
CREATE FUNCTION refuse_change() RETURNS trigger LANGUAGE plpgsql AS
    'BEGIN RAISE EXCEPTION ''% is append-only'', TG_TABLE_NAME; END';
CREATE TRIGGER transactions_append_only BEFORE UPDATE OR DELETE ON transactions
    FOR EACH ROW EXECUTE FUNCTION refuse_change();
CREATE TRIGGER postings_append_only BEFORE UPDATE OR DELETE ON postings
    FOR EACH ROW EXECUTE FUNCTION refuse_change();
CREATE TRIGGER settled_days_append_only BEFORE UPDATE OR DELETE ON settled_days
    FOR EACH ROW EXECUTE FUNCTION refuse_change();
CREATE TRIGGER vends_append_only BEFORE UPDATE OR DELETE ON vends
    FOR EACH ROW EXECUTE FUNCTION refuse_change();
