-- The archive (档案): concentrators and the meters behind them, with what is known of their present state.

-- Concentrators (集中器).
CREATE TABLE concentrators (
    site_id bigint NOT NULL REFERENCES sites (id),
    id bigint NOT NULL,
    name text NOT NULL,
    region text NOT NULL, -- administrative code A1, four digits
    terminal bigint NOT NULL, -- terminal address A2, 1 to 65535
    profile text NOT NULL, -- name of the profile in config
    password text, -- of the message authentication field; null: none is sent
    clock_drift_s bigint, -- its clock less ours at clock_read_at, seconds
    clock_read_at timestamptz,
    last_login_at timestamptz,
    last_seen_at timestamptz, -- last frame of any kind
    identity_checked_at timestamptz, -- its archive was last read back and compared
    version bigint NOT NULL, -- grows by one with every change by an operator
    PRIMARY KEY (site_id, id)
);
-- Over all sites, since a login names no site.
CREATE UNIQUE INDEX concentrators_region_terminal ON concentrators (region, terminal);

-- Addresses that logged in and are in no archive. Bounded by the program.
CREATE TABLE unknown_concentrators (
    region text NOT NULL, -- administrative code A1, four digits
    terminal bigint NOT NULL, -- terminal address A2
    peer text NOT NULL, -- network address it last came from
    first_seen_at timestamptz NOT NULL,
    last_seen_at timestamptz NOT NULL,
    attempts bigint NOT NULL, -- logins so far
    PRIMARY KEY (region, terminal)
);

-- Meters (电表).
CREATE TABLE meters (
    site_id bigint NOT NULL REFERENCES sites (id),
    id bigint NOT NULL,
    concentrator_id bigint NOT NULL,
    address text NOT NULL, -- DL/T 645 address, twelve digits
    serial bigint NOT NULL, -- its number in the concentrator's archive (装置序号)
    point bigint NOT NULL, -- measuring point number (测量点号)
    port bigint NOT NULL, -- port of the concentrator it is wired to
    profile text NOT NULL, -- name of the profile in config
    name text NOT NULL,
    guarded boolean NOT NULL, -- supply guard (保电): never cut
    guard_reason text,
    relay text, -- as last read: connected | disconnected
    relay_command text, -- the command it last took, as last read
    relay_local_prepay boolean, -- the meter itself sells electricity, as last read
    relay_read_at timestamptz,
    relay_blocked boolean NOT NULL, -- refused us; no automatic order until an operator clears it
    identity text NOT NULL, -- unverified | verified | foreign: the concentrator's archive against ours
    identity_at timestamptz,
    last_seen_at timestamptz, -- last answer of any kind
    seen_again_at timestamptz, -- when it answered again after the last gap
    seen_gaps bigint NOT NULL, -- gaps that ended on the local day of seen_again_at
    last_good_as_of timestamptz, -- as_of of its latest good reading
    version bigint NOT NULL, -- grows by one with every change by an operator
    PRIMARY KEY (site_id, id),
    FOREIGN KEY (site_id, concentrator_id) REFERENCES concentrators (site_id, id)
);
CREATE UNIQUE INDEX meters_address ON meters (site_id, address);
CREATE UNIQUE INDEX meters_concentrator_id_point ON meters (site_id, concentrator_id, point);
CREATE UNIQUE INDEX meters_concentrator_id_serial ON meters (site_id, concentrator_id, serial);

-- Why supply is not wanted at a meter; a meter without rows here is wanted on.
CREATE TABLE meter_causes (
    site_id bigint NOT NULL,
    meter_id bigint NOT NULL,
    cause text NOT NULL, -- credit | operator | customer | schedule | safety | account_closed | unknown
    PRIMARY KEY (site_id, meter_id, cause),
    FOREIGN KEY (site_id, meter_id) REFERENCES meters (site_id, id)
);
