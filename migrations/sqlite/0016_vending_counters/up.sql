-- Vending counters: who sells, where, and in which shift. Money is in minor units.

-- Vendors (售电商): whose terminals sell for us.
CREATE TABLE vendors (
    site_id INTEGER NOT NULL REFERENCES sites (id),
    id INTEGER NOT NULL,
    name TEXT NOT NULL,
    state TEXT NOT NULL, -- active | blocked
    credit_limit INTEGER, -- most of what was sold that it may hold back; null: no limit
    version INTEGER NOT NULL, -- grows by one with every change, and with every sale and deposit under a limit
    PRIMARY KEY (site_id, id)
) STRICT, WITHOUT ROWID;

-- What vendors handed over. Append-only.
CREATE TABLE deposits (
    site_id INTEGER NOT NULL,
    id INTEGER NOT NULL,
    vendor_id INTEGER NOT NULL,
    amount INTEGER NOT NULL CHECK (amount > 0),
    reason TEXT NOT NULL, -- how it was handed over
    operator_key TEXT NOT NULL, -- prefix of the API key that entered it
    created_at INTEGER NOT NULL,
    PRIMARY KEY (site_id, id),
    FOREIGN KEY (site_id, vendor_id) REFERENCES vendors (site_id, id)
) STRICT, WITHOUT ROWID;
CREATE INDEX deposits_by_vendor ON deposits (site_id, vendor_id, id);
CREATE TRIGGER deposits_refuse_update BEFORE UPDATE ON deposits
    BEGIN SELECT RAISE(ABORT, 'deposits is append-only'); END;
CREATE TRIGGER deposits_refuse_delete BEFORE DELETE ON deposits
    BEGIN SELECT RAISE(ABORT, 'deposits is append-only'); END;

-- Terminals: the counters and machines of a vendor.
CREATE TABLE terminals (
    site_id INTEGER NOT NULL,
    id INTEGER NOT NULL,
    vendor_id INTEGER NOT NULL,
    name TEXT NOT NULL, -- as receipts carry it
    state TEXT NOT NULL, -- active | blocked
    version INTEGER NOT NULL, -- grows by one with every change by an operator
    PRIMARY KEY (site_id, id),
    FOREIGN KEY (site_id, vendor_id) REFERENCES vendors (site_id, id)
) STRICT, WITHOUT ROWID;
CREATE UNIQUE INDEX terminals_name ON terminals (site_id, name);

-- Shifts (班次) of terminals. A closed one never changes.
CREATE TABLE shifts (
    site_id INTEGER NOT NULL,
    id INTEGER NOT NULL,
    terminal_id INTEGER NOT NULL,
    vendor_id INTEGER NOT NULL, -- the terminal's vendor when it was opened
    number INTEGER NOT NULL, -- 1, 2, .. of the terminal
    opening_float INTEGER NOT NULL CHECK (opening_float >= 0), -- cash in the drawer at the opening
    receipts INTEGER NOT NULL, -- number of its last receipt
    opened_by TEXT NOT NULL, -- prefix of the API key that opened it
    opened_at INTEGER NOT NULL,
    closed_by TEXT,
    closed_at INTEGER,
    totals TEXT, -- what passed through it by tender, JSON; null while open
    net INTEGER, -- vends less reversals and refunds; null while open
    counted_cash INTEGER, -- cash in the drawer at the closing
    PRIMARY KEY (site_id, id),
    FOREIGN KEY (site_id, terminal_id) REFERENCES terminals (site_id, id)
) STRICT, WITHOUT ROWID;
CREATE UNIQUE INDEX shifts_terminal_id_number ON shifts (site_id, terminal_id, number);
CREATE UNIQUE INDEX shifts_terminal_id ON shifts (site_id, terminal_id) WHERE closed_at IS NULL;
CREATE INDEX shifts_by_vendor ON shifts (site_id, vendor_id);

-- The shift that money passed through; null: a terminal that is not registered.
ALTER TABLE vends ADD COLUMN shift_id INTEGER;
ALTER TABLE reversals ADD COLUMN shift_id INTEGER;
ALTER TABLE refunds ADD COLUMN shift_id INTEGER;
CREATE INDEX vends_by_shift ON vends (site_id, shift_id) WHERE shift_id IS NOT NULL;
CREATE INDEX reversals_by_shift ON reversals (site_id, shift_id) WHERE shift_id IS NOT NULL;
CREATE INDEX refunds_by_shift ON refunds (site_id, shift_id) WHERE shift_id IS NOT NULL;

-- Keys may be for one terminal only.
ALTER TABLE api_keys ADD COLUMN terminal_id INTEGER; -- the only terminal it sells at; null: any
