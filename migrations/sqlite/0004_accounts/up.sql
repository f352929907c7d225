-- Customers, tariffs, accounts, and which meter counts for which account when. Money is in minor units.

-- Customers (用户).
CREATE TABLE customers (
    site_id INTEGER NOT NULL REFERENCES sites (id),
    id INTEGER NOT NULL,
    name TEXT NOT NULL,
    phone TEXT,
    language TEXT NOT NULL, -- zh | en
    version INTEGER NOT NULL, -- grows by one with every change by an operator
    PRIMARY KEY (site_id, id)
) STRICT, WITHOUT ROWID;

-- Tariffs (电价): a name for price lists that follow each other.
CREATE TABLE tariffs (
    site_id INTEGER NOT NULL REFERENCES sites (id),
    id INTEGER NOT NULL,
    name TEXT NOT NULL,
    PRIMARY KEY (site_id, id)
) STRICT, WITHOUT ROWID;

-- Price lists. Never changed once in force.
CREATE TABLE tariff_versions (
    site_id INTEGER NOT NULL,
    tariff_id INTEGER NOT NULL,
    version INTEGER NOT NULL, -- from 1, grows with valid_from
    valid_from TEXT NOT NULL, -- first local day it holds for, as 2026-03-31
    terms TEXT NOT NULL, -- the whole version as JSON: blocks, window, tax, minimum vend
    entered_at INTEGER NOT NULL,
    PRIMARY KEY (site_id, tariff_id, version),
    FOREIGN KEY (site_id, tariff_id) REFERENCES tariffs (site_id, id)
) STRICT, WITHOUT ROWID;
CREATE UNIQUE INDEX tariff_versions_tariff_id_valid_from ON tariff_versions (site_id, tariff_id, valid_from);

-- Accounts (户). The row is the account's only lock: whoever changes money raises its version first.
CREATE TABLE accounts (
    site_id INTEGER NOT NULL REFERENCES sites (id),
    id INTEGER NOT NULL,
    number TEXT NOT NULL, -- as printed on receipts
    customer_id INTEGER NOT NULL,
    tariff_id INTEGER NOT NULL,
    state TEXT NOT NULL, -- pending | active
    currency TEXT NOT NULL, -- ISO 4217 code
    guarded INTEGER NOT NULL, -- supply guard (保电): no meter of it is cut
    guard_reason TEXT,
    alarm_1 INTEGER NOT NULL, -- available at or below this sends a notice
    alarm_2 INTEGER NOT NULL, -- available at or below this sends a notice and begins an episode
    rearm_margin INTEGER NOT NULL, -- a level is armed again above level + margin
    overdraft INTEGER NOT NULL, -- how far below 0 available may fall
    restore_margin INTEGER NOT NULL, -- headroom from which supply is restored
    posted INTEGER NOT NULL, -- the balance: the sum of its postings
    carry INTEGER NOT NULL, -- used beyond posted minor units, 1e-10 currency units
    alarm_1_armed INTEGER NOT NULL,
    alarm_2_armed INTEGER NOT NULL,
    episode_began_at INTEGER, -- the credit episode it stands in
    episode_forecast INTEGER NOT NULL, -- whether the forecast holds the episode
    episode_warned INTEGER NOT NULL, -- whether a warning was written in the episode
    warning_served_at INTEGER, -- when the episode's first warning was served
    last_warning_at INTEGER, -- when a warning was last written, in any episode
    decide_at INTEGER, -- when to decide again over its supply, at the latest
    opened_at INTEGER, -- null while pending
    version INTEGER NOT NULL, -- grows by one with every change of any kind
    PRIMARY KEY (site_id, id),
    FOREIGN KEY (site_id, customer_id) REFERENCES customers (site_id, id),
    FOREIGN KEY (site_id, tariff_id) REFERENCES tariffs (site_id, id)
) STRICT, WITHOUT ROWID;
CREATE UNIQUE INDEX accounts_number ON accounts (site_id, number);
CREATE INDEX accounts_due ON accounts (decide_at) WHERE decide_at IS NOT NULL;
CREATE INDEX accounts_by_customer ON accounts (site_id, customer_id);

-- A meter at a supply, from its start reading on. Its multiplier never changes: that takes a new installation.
CREATE TABLE installations (
    site_id INTEGER NOT NULL,
    id INTEGER NOT NULL,
    account_id INTEGER NOT NULL,
    meter_id INTEGER NOT NULL,
    multiplier INTEGER NOT NULL CHECK (multiplier >= 1), -- CT x PT (倍率)
    start_at INTEGER NOT NULL,
    start_value INTEGER NOT NULL, -- register at start_at, unwrapped, 0.1 Wh
    start_reading_id INTEGER NOT NULL,
    end_at INTEGER, -- null: still there
    end_value INTEGER, -- register at end_at, unwrapped, 0.1 Wh
    end_reading_id INTEGER,
    resettle_since INTEGER, -- readings from here on may change settled days, which was not looked into yet
    PRIMARY KEY (site_id, id),
    FOREIGN KEY (site_id, account_id) REFERENCES accounts (site_id, id),
    FOREIGN KEY (site_id, meter_id) REFERENCES meters (site_id, id)
) STRICT, WITHOUT ROWID;
CREATE UNIQUE INDEX installations_meter_id ON installations (site_id, meter_id) WHERE end_at IS NULL;
CREATE INDEX installations_by_account ON installations (site_id, account_id);
CREATE INDEX installations_by_meter ON installations (site_id, meter_id, start_at);
