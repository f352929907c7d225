-- The archive (档案): concentrators and the meters behind them, with what is known of their present state.

-- Concentrators (集中器).
CREATE TABLE concentrators (
    site_id INTEGER NOT NULL REFERENCES sites (id),
    id INTEGER NOT NULL,
    name TEXT NOT NULL,
    region TEXT NOT NULL, -- administrative code A1, four digits
    terminal INTEGER NOT NULL, -- terminal address A2, 1 to 65535
    profile TEXT NOT NULL, -- name of the profile in config
    password TEXT, -- of the message authentication field; null: none is sent
    clock_drift_s INTEGER, -- its clock less ours at clock_read_at, seconds
    clock_read_at INTEGER,
    last_login_at INTEGER,
    last_seen_at INTEGER, -- last frame of any kind
    identity_checked_at INTEGER, -- its archive was last read back and compared
    version INTEGER NOT NULL, -- grows by one with every change by an operator
    PRIMARY KEY (site_id, id)
) STRICT, WITHOUT ROWID;
-- Over all sites, since a login names no site.
CREATE UNIQUE INDEX concentrators_region_terminal ON concentrators (region, terminal);

-- Addresses that logged in and are in no archive. Bounded by the program.
CREATE TABLE unknown_concentrators (
    region TEXT NOT NULL, -- administrative code A1, four digits
    terminal INTEGER NOT NULL, -- terminal address A2
    peer TEXT NOT NULL, -- network address it last came from
    first_seen_at INTEGER NOT NULL,
    last_seen_at INTEGER NOT NULL,
    attempts INTEGER NOT NULL, -- logins so far
    PRIMARY KEY (region, terminal)
) STRICT, WITHOUT ROWID;

-- Meters (电表).
CREATE TABLE meters (
    site_id INTEGER NOT NULL REFERENCES sites (id),
    id INTEGER NOT NULL,
    concentrator_id INTEGER NOT NULL,
    address TEXT NOT NULL, -- DL/T 645 address, twelve digits
    serial INTEGER NOT NULL, -- its number in the concentrator's archive (装置序号)
    point INTEGER NOT NULL, -- measuring point number (测量点号)
    port INTEGER NOT NULL, -- port of the concentrator it is wired to
    profile TEXT NOT NULL, -- name of the profile in config
    name TEXT NOT NULL,
    guarded INTEGER NOT NULL, -- supply guard (保电): never cut
    guard_reason TEXT,
    relay TEXT, -- as last read: connected | disconnected
    relay_command TEXT, -- the command it last took, as last read
    relay_local_prepay INTEGER, -- the meter itself sells electricity, as last read
    relay_read_at INTEGER,
    relay_blocked INTEGER NOT NULL, -- refused us; no automatic order until an operator clears it
    identity TEXT NOT NULL, -- unverified | verified | foreign: the concentrator's archive against ours
    identity_at INTEGER,
    last_seen_at INTEGER, -- last answer of any kind
    seen_again_at INTEGER, -- when it answered again after the last gap
    seen_gaps INTEGER NOT NULL, -- gaps that ended on the local day of seen_again_at
    last_good_as_of INTEGER, -- as_of of its latest good reading
    version INTEGER NOT NULL, -- grows by one with every change by an operator
    PRIMARY KEY (site_id, id),
    FOREIGN KEY (site_id, concentrator_id) REFERENCES concentrators (site_id, id)
) STRICT, WITHOUT ROWID;
CREATE UNIQUE INDEX meters_address ON meters (site_id, address);
CREATE UNIQUE INDEX meters_concentrator_id_point ON meters (site_id, concentrator_id, point);
CREATE UNIQUE INDEX meters_concentrator_id_serial ON meters (site_id, concentrator_id, serial);

-- Why supply is not wanted at a meter; a meter without rows here is wanted on.
CREATE TABLE meter_causes (
    site_id INTEGER NOT NULL,
    meter_id INTEGER NOT NULL,
    cause TEXT NOT NULL, -- credit | operator | customer | schedule | safety | account_closed | unknown
    PRIMARY KEY (site_id, meter_id, cause),
    FOREIGN KEY (site_id, meter_id) REFERENCES meters (site_id, id)
) STRICT, WITHOUT ROWID;
