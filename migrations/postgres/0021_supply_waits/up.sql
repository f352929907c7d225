-- Meters that should be off and are on, and those that wait to be restored; cuts above the mass-cut limits among them.
CREATE TABLE supply_waits (
    site_id bigint NOT NULL,
    meter_id bigint NOT NULL,
    account_id bigint NOT NULL, -- whose money decides
    wanted text NOT NULL, -- what the relay should be: connected | disconnected
    since timestamptz NOT NULL,
    guards text NOT NULL, -- what held it when it was decided over last, as a JSON list
    quarantined_at timestamptz, -- when its cut was found to be above the day's limit
    released_at timestamptz, -- when an operator let it go on
    released_by text, -- prefix of the operator's API key
    PRIMARY KEY (site_id, meter_id),
    FOREIGN KEY (site_id, meter_id) REFERENCES meters (site_id, id),
    FOREIGN KEY (site_id, account_id) REFERENCES accounts (site_id, id)
);

-- How many automatic disconnects a site sent in its newest local day and hour with any: locked by each of them.
CREATE TABLE cut_tallies (
    site_id bigint NOT NULL PRIMARY KEY REFERENCES sites (id),
    day text NOT NULL, -- local date
    day_cuts bigint NOT NULL,
    hour timestamptz NOT NULL, -- when the local hour began
    hour_cuts bigint NOT NULL
);
