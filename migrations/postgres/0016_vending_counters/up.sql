-- Vending counters: who sells, where, and in which shift. Money is in minor units.

-- Vendors (售电商): whose terminals sell for us.
CREATE TABLE vendors (
    site_id bigint NOT NULL REFERENCES sites (id),
    id bigint NOT NULL,
    name text NOT NULL,
    state text NOT NULL, -- active | blocked
    credit_limit bigint, -- most of what was sold that it may hold back; null: no limit
    version bigint NOT NULL, -- grows by one with every change, and with every sale and deposit under a limit
    PRIMARY KEY (site_id, id)
);

-- What vendors handed over. Append-only.
CREATE TABLE deposits (
    site_id bigint NOT NULL,
    id bigint NOT NULL,
    vendor_id bigint NOT NULL,
    amount bigint NOT NULL CHECK (amount > 0),
    reason text NOT NULL, -- how it was handed over
    operator_key text NOT NULL, -- prefix of the API key that entered it
    created_at timestamptz NOT NULL,
    PRIMARY KEY (site_id, id),
    FOREIGN KEY (site_id, vendor_id) REFERENCES vendors (site_id, id)
);
CREATE INDEX deposits_by_vendor ON deposits (site_id, vendor_id, id);
CREATE TRIGGER deposits_append_only BEFORE UPDATE OR DELETE ON deposits
    FOR EACH ROW EXECUTE FUNCTION refuse_change();

-- Terminals: the counters and machines of a vendor.
CREATE TABLE terminals (
    site_id bigint NOT NULL,
    id bigint NOT NULL,
    vendor_id bigint NOT NULL,
    name text NOT NULL, -- as receipts carry it
    state text NOT NULL, -- active | blocked
    version bigint NOT NULL, -- grows by one with every change by an operator
    PRIMARY KEY (site_id, id),
    FOREIGN KEY (site_id, vendor_id) REFERENCES vendors (site_id, id)
);
CREATE UNIQUE INDEX terminals_name ON terminals (site_id, name);

-- Shifts (班次) of terminals. A closed one never changes.
CREATE TABLE shifts (
    site_id bigint NOT NULL,
    id bigint NOT NULL,
    terminal_id bigint NOT NULL,
    vendor_id bigint NOT NULL, -- the terminal's vendor when it was opened
    number bigint NOT NULL, -- 1, 2, .. of the terminal
    opening_float bigint NOT NULL CHECK (opening_float >= 0), -- cash in the drawer at the opening
    receipts bigint NOT NULL, -- number of its last receipt
    opened_by text NOT NULL, -- prefix of the API key that opened it
    opened_at timestamptz NOT NULL,
    closed_by text,
    closed_at timestamptz,
    totals text, -- what passed through it by tender, JSON; null while open
    net bigint, -- vends less reversals and refunds; null while open
    counted_cash bigint, -- cash in the drawer at the closing
    PRIMARY KEY (site_id, id),
    FOREIGN KEY (site_id, terminal_id) REFERENCES terminals (site_id, id)
);
CREATE UNIQUE INDEX shifts_terminal_id_number ON shifts (site_id, terminal_id, number);
CREATE UNIQUE INDEX shifts_terminal_id ON shifts (site_id, terminal_id) WHERE closed_at IS NULL;
CREATE INDEX shifts_by_vendor ON shifts (site_id, vendor_id);

-- The shift that money passed through; null: a terminal that is not registered.
ALTER TABLE vends ADD COLUMN shift_id bigint;
ALTER TABLE reversals ADD COLUMN shift_id bigint;
ALTER TABLE refunds ADD COLUMN shift_id bigint;
CREATE INDEX vends_by_shift ON vends (site_id, shift_id) WHERE shift_id IS NOT NULL;
CREATE INDEX reversals_by_shift ON reversals (site_id, shift_id) WHERE shift_id IS NOT NULL;
CREATE INDEX refunds_by_shift ON refunds (site_id, shift_id) WHERE shift_id IS NOT NULL;

-- Keys may be for one terminal only.
ALTER TABLE api_keys ADD COLUMN terminal_id bigint; -- the only terminal it sells at; null: any
