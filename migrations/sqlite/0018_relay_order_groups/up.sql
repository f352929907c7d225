-- Relay orders (遥控令) to several meters at once. Where they need a second operator, nothing is sent before that.

CREATE TABLE relay_order_groups (
    site_id INTEGER NOT NULL,
    id INTEGER NOT NULL,
    action TEXT NOT NULL, -- disconnect | reconnect
    cause TEXT NOT NULL, -- whose cause each order adds or lifts: operator | safety
    reason TEXT NOT NULL, -- why, for people
    emergency INTEGER NOT NULL, -- whether it is for safety
    state TEXT NOT NULL, -- awaiting_approval | running | done | rejected | expired
    reservations TEXT NOT NULL, -- why a second operator was needed, parted by commas: supply_guard | many_meters | emergency
    operator_key TEXT NOT NULL, -- prefix of the API key that asked
    decided_by TEXT, -- prefix of the API key that approved or rejected it
    created_at INTEGER NOT NULL,
    expires_at INTEGER, -- until then it may be approved; none: it needed nobody
    ended_at INTEGER, -- when every order was given or refused, or it was rejected, or expired
    version INTEGER NOT NULL, -- grows by one with each transaction that changes it
    PRIMARY KEY (site_id, id)
) STRICT, WITHOUT ROWID;
-- What is to be gone on with, and what may have expired, of all sites.
CREATE INDEX relay_order_groups_live ON relay_order_groups (id) WHERE ended_at IS NULL;
CREATE INDEX relay_order_groups_by_time ON relay_order_groups (site_id, created_at, id);

CREATE TABLE relay_order_group_meters (
    site_id INTEGER NOT NULL,
    group_id INTEGER NOT NULL,
    meter_id INTEGER NOT NULL,
    outcome TEXT NOT NULL, -- waiting | ordered | refused
    order_id INTEGER, -- the order that was given
    code TEXT, -- the rule that refused it
    detail TEXT, -- why it was refused, for people
    PRIMARY KEY (site_id, group_id, meter_id),
    FOREIGN KEY (site_id, group_id) REFERENCES relay_order_groups (site_id, id),
    FOREIGN KEY (site_id, meter_id) REFERENCES meters (site_id, id),
    FOREIGN KEY (site_id, order_id) REFERENCES relay_orders (site_id, id)
) STRICT, WITHOUT ROWID;
