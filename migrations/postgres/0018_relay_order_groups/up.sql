-- Relay orders (遥控令) to several meters at once. Where they need a second operator, nothing is sent before that.

CREATE TABLE relay_order_groups (
    site_id bigint NOT NULL,
    id bigint NOT NULL,
    action text NOT NULL, -- disconnect | reconnect
    cause text NOT NULL, -- whose cause each order adds or lifts: operator | safety
    reason text NOT NULL, -- why, for people
    emergency boolean NOT NULL, -- whether it is for safety
    state text NOT NULL, -- awaiting_approval | running | done | rejected | expired
    reservations text NOT NULL, -- why a second operator was needed, parted by commas: supply_guard | many_meters | emergency
    operator_key text NOT NULL, -- prefix of the API key that asked
    decided_by text, -- prefix of the API key that approved or rejected it
    created_at timestamptz NOT NULL,
    expires_at timestamptz, -- until then it may be approved; none: it needed nobody
    ended_at timestamptz, -- when every order was given or refused, or it was rejected, or expired
    version bigint NOT NULL, -- grows by one with each transaction that changes it
    PRIMARY KEY (site_id, id)
);
-- What is to be gone on with, and what may have expired, of all sites.
CREATE INDEX relay_order_groups_live ON relay_order_groups (id) WHERE ended_at IS NULL;
CREATE INDEX relay_order_groups_by_time ON relay_order_groups (site_id, created_at, id);

CREATE TABLE relay_order_group_meters (
    site_id bigint NOT NULL,
    group_id bigint NOT NULL,
    meter_id bigint NOT NULL,
    outcome text NOT NULL, -- waiting | ordered | refused
    order_id bigint, -- the order that was given
    code text, -- the rule that refused it
    detail text, -- why it was refused, for people
    PRIMARY KEY (site_id, group_id, meter_id),
    FOREIGN KEY (site_id, group_id) REFERENCES relay_order_groups (site_id, id),
    FOREIGN KEY (site_id, meter_id) REFERENCES meters (site_id, id),
    FOREIGN KEY (site_id, order_id) REFERENCES relay_orders (site_id, id)
);
