-- Relay orders: rows first, exchanges second.

-- Orders to disconnect or reconnect a meter.
CREATE TABLE relay_orders (
    site_id INTEGER NOT NULL,
    id INTEGER NOT NULL,
    meter_id INTEGER NOT NULL,
    account_id INTEGER, -- the account it was decided for; null: an operator's, at a meter without one
    action TEXT NOT NULL, -- disconnect | reconnect
    cause TEXT NOT NULL, -- the cause it adds or lifts
    why TEXT NOT NULL, -- in words, for people
    permit INTEGER NOT NULL, -- a reconnect that waits for the customer's button (合闸允许)
    state TEXT NOT NULL, -- ordered | sent | acknowledged | awaiting_customer | confirmed | failed | expired | superseded
    attempts INTEGER NOT NULL, -- commands sent so far
    failures INTEGER NOT NULL, -- failures in a row
    created_at INTEGER NOT NULL,
    sent_at INTEGER, -- when the command was last sent
    acknowledged_at INTEGER, -- when the last command was acknowledged
    read_at INTEGER, -- when the relay was last read since the last command
    next_attempt_at INTEGER, -- nothing is done before; null: at once
    expires_at INTEGER, -- given up then if still ordered
    ended_at INTEGER, -- confirmed, failed, expired or superseded
    vend_id INTEGER, -- the vend that wants supply back
    ordered_by TEXT, -- prefix of the API key; null: the head end itself
    superseded_by INTEGER, -- the newer order
    detail TEXT, -- why it failed, in words
    CHECK ((ended_at IS NULL) = (state IN ('ordered', 'sent', 'acknowledged', 'awaiting_customer'))),
    PRIMARY KEY (site_id, id),
    FOREIGN KEY (site_id, meter_id) REFERENCES meters (site_id, id),
    FOREIGN KEY (site_id, account_id) REFERENCES accounts (site_id, id)
) STRICT, WITHOUT ROWID;
CREATE UNIQUE INDEX relay_orders_meter_id ON relay_orders (site_id, meter_id) WHERE ended_at IS NULL;
CREATE INDEX relay_orders_due ON relay_orders (next_attempt_at) WHERE ended_at IS NULL;
CREATE INDEX relay_orders_by_meter ON relay_orders (site_id, meter_id, created_at);
CREATE INDEX relay_orders_by_time ON relay_orders (site_id, created_at);

-- The history of an order: append-only.
CREATE TABLE relay_order_lines (
    site_id INTEGER NOT NULL,
    order_id INTEGER NOT NULL,
    line INTEGER NOT NULL, -- 1, 2, .. within the order
    at INTEGER NOT NULL,
    state TEXT NOT NULL, -- the state it came to, or stayed in
    detail TEXT NOT NULL, -- the exchange, or the reason
    PRIMARY KEY (site_id, order_id, line),
    FOREIGN KEY (site_id, order_id) REFERENCES relay_orders (site_id, id)
) STRICT, WITHOUT ROWID;
CREATE TRIGGER relay_order_lines_refuse_update BEFORE UPDATE ON relay_order_lines
    BEGIN SELECT RAISE(ABORT, 'relay_order_lines is append-only'); END;
CREATE TRIGGER relay_order_lines_refuse_delete BEFORE DELETE ON relay_order_lines
    BEGIN SELECT RAISE(ABORT, 'relay_order_lines is append-only'); END;
