-- Meters that should be off and are on, and those that wait to be restored; cuts above the mass-cut limits among them.
CREATE TABLE supply_waits (
    site_id INTEGER NOT NULL,
    meter_id INTEGER NOT NULL,
    account_id INTEGER NOT NULL, -- whose money decides
    wanted TEXT NOT NULL, -- what the relay should be: connected | disconnected
    since INTEGER NOT NULL,
    guards TEXT NOT NULL, -- what held it when it was decided over last, as a JSON list
    quarantined_at INTEGER, -- when its cut was found to be above the day's limit
    released_at INTEGER, -- when an operator let it go on
    released_by TEXT, -- prefix of the operator's API key
    PRIMARY KEY (site_id, meter_id),
    FOREIGN KEY (site_id, meter_id) REFERENCES meters (site_id, id),
    FOREIGN KEY (site_id, account_id) REFERENCES accounts (site_id, id)
) STRICT, WITHOUT ROWID;

-- How many automatic disconnects a site sent in its newest local day and hour with any: locked by each of them.
CREATE TABLE cut_tallies (
    site_id INTEGER NOT NULL PRIMARY KEY REFERENCES sites (id),
    day TEXT NOT NULL, -- local date
    day_cuts INTEGER NOT NULL,
    hour INTEGER NOT NULL, -- when the local hour began
    hour_cuts INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
