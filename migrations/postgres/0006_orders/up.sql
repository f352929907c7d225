-- Relay orders: rows first, exchanges second.

-- Orders to disconnect or reconnect a meter.
CREATE TABLE relay_orders (
    site_id bigint NOT NULL,
    id bigint NOT NULL,
    meter_id bigint NOT NULL,
    account_id bigint, -- the account it was decided for; null: an operator's, at a meter without one
    action text NOT NULL, -- disconnect | reconnect
    cause text NOT NULL, -- the cause it adds or lifts
    why text NOT NULL, -- in words, for people
    permit boolean NOT NULL, -- a reconnect that waits for the customer's button (合闸允许)
    state text NOT NULL, -- ordered | sent | acknowledged | awaiting_customer | confirmed | failed | expired | superseded
    attempts bigint NOT NULL, -- commands sent so far
    failures bigint NOT NULL, -- failures in a row
    created_at timestamptz NOT NULL,
    sent_at timestamptz, -- when the command was last sent
    acknowledged_at timestamptz, -- when the last command was acknowledged
    read_at timestamptz, -- when the relay was last read since the last command
    next_attempt_at timestamptz, -- nothing is done before; null: at once
    expires_at timestamptz, -- given up then if still ordered
    ended_at timestamptz, -- confirmed, failed, expired or superseded
    vend_id bigint, -- the vend that wants supply back
    ordered_by text, -- prefix of the API key; null: the head end itself
    superseded_by bigint, -- the newer order
    detail text, -- why it failed, in words
    CHECK ((ended_at IS NULL) = (state IN ('ordered', 'sent', 'acknowledged', 'awaiting_customer'))),
    PRIMARY KEY (site_id, id),
    FOREIGN KEY (site_id, meter_id) REFERENCES meters (site_id, id),
    FOREIGN KEY (site_id, account_id) REFERENCES accounts (site_id, id)
);
CREATE UNIQUE INDEX relay_orders_meter_id ON relay_orders (site_id, meter_id) WHERE ended_at IS NULL;
CREATE INDEX relay_orders_due ON relay_orders (next_attempt_at) WHERE ended_at IS NULL;
CREATE INDEX relay_orders_by_meter ON relay_orders (site_id, meter_id, created_at);
CREATE INDEX relay_orders_by_time ON relay_orders (site_id, created_at);

-- The history of an order: append-only.
CREATE TABLE relay_order_lines (
    site_id bigint NOT NULL,
    order_id bigint NOT NULL,
    line bigint NOT NULL, -- 1, 2, .. within the order
    at timestamptz NOT NULL,
    state text NOT NULL, -- the state it came to, or stayed in
    detail text NOT NULL, -- the exchange, or the reason
    PRIMARY KEY (site_id, order_id, line),
    FOREIGN KEY (site_id, order_id) REFERENCES relay_orders (site_id, id)
);
CREATE TRIGGER relay_order_lines_append_only BEFORE UPDATE OR DELETE ON relay_order_lines
    FOR EACH ROW EXECUTE FUNCTION refuse_change();
