-- Customers, tariffs, accounts, and which meter counts for which account when. Money is in minor units.

-- Customers (用户).
CREATE TABLE customers (
    site_id bigint NOT NULL REFERENCES sites (id),
    id bigint NOT NULL,
    name text NOT NULL,
    phone text,
    language text NOT NULL, -- zh | en
    version bigint NOT NULL, -- grows by one with every change by an operator
    PRIMARY KEY (site_id, id)
);

-- Tariffs (电价): a name for price lists that follow each other.
CREATE TABLE tariffs (
    site_id bigint NOT NULL REFERENCES sites (id),
    id bigint NOT NULL,
    name text NOT NULL,
    PRIMARY KEY (site_id, id)
);

-- Price lists. Never changed once in force.
CREATE TABLE tariff_versions (
    site_id bigint NOT NULL,
    tariff_id bigint NOT NULL,
    version bigint NOT NULL, -- from 1, grows with valid_from
    valid_from text NOT NULL, -- first local day it holds for, as 2026-03-31
    terms text NOT NULL, -- the whole version as JSON: blocks, window, tax, minimum vend
    entered_at timestamptz NOT NULL,
    PRIMARY KEY (site_id, tariff_id, version),
    FOREIGN KEY (site_id, tariff_id) REFERENCES tariffs (site_id, id)
);
CREATE UNIQUE INDEX tariff_versions_tariff_id_valid_from ON tariff_versions (site_id, tariff_id, valid_from);

-- Accounts (户). The row is the account's only lock: whoever changes money raises its version first.
CREATE TABLE accounts (
    site_id bigint NOT NULL REFERENCES sites (id),
    id bigint NOT NULL,
    number text NOT NULL, -- as printed on receipts
    customer_id bigint NOT NULL,
    tariff_id bigint NOT NULL,
    state text NOT NULL, -- pending | active
    currency text NOT NULL, -- ISO 4217 code
    guarded boolean NOT NULL, -- supply guard (保电): no meter of it is cut
    guard_reason text,
    alarm_1 bigint NOT NULL, -- available at or below this sends a notice
    alarm_2 bigint NOT NULL, -- available at or below this sends a notice and begins an episode
    rearm_margin bigint NOT NULL, -- a level is armed again above level + margin
    overdraft bigint NOT NULL, -- how far below 0 available may fall
    restore_margin bigint NOT NULL, -- headroom from which supply is restored
    posted bigint NOT NULL, -- the balance: the sum of its postings
    carry bigint NOT NULL, -- used beyond posted minor units, 1e-10 currency units
    alarm_1_armed boolean NOT NULL,
    alarm_2_armed boolean NOT NULL,
    episode_began_at timestamptz, -- the credit episode it stands in
    episode_forecast boolean NOT NULL, -- whether the forecast holds the episode
    episode_warned boolean NOT NULL, -- whether a warning was written in the episode
    warning_served_at timestamptz, -- when the episode's first warning was served
    last_warning_at timestamptz, -- when a warning was last written, in any episode
    decide_at timestamptz, -- when to decide again over its supply, at the latest
    opened_at timestamptz, -- null while pending
    version bigint NOT NULL, -- grows by one with every change of any kind
    PRIMARY KEY (site_id, id),
    FOREIGN KEY (site_id, customer_id) REFERENCES customers (site_id, id),
    FOREIGN KEY (site_id, tariff_id) REFERENCES tariffs (site_id, id)
);
CREATE UNIQUE INDEX accounts_number ON accounts (site_id, number);
CREATE INDEX accounts_due ON accounts (decide_at) WHERE decide_at IS NOT NULL;
CREATE INDEX accounts_by_customer ON accounts (site_id, customer_id);

-- A meter at a supply, from its start reading on. Its multiplier never changes: that takes a new installation.
CREATE TABLE installations (
    site_id bigint NOT NULL,
    id bigint NOT NULL,
    account_id bigint NOT NULL,
    meter_id bigint NOT NULL,
    multiplier bigint NOT NULL CHECK (multiplier >= 1), -- CT x PT (倍率)
    start_at timestamptz NOT NULL,
    start_value bigint NOT NULL, -- register at start_at, unwrapped, 0.1 Wh
    start_reading_id bigint NOT NULL,
    end_at timestamptz, -- null: still there
    end_value bigint, -- register at end_at, unwrapped, 0.1 Wh
    end_reading_id bigint,
    resettle_since timestamptz, -- readings from here on may change settled days, which was not looked into yet
    PRIMARY KEY (site_id, id),
    FOREIGN KEY (site_id, account_id) REFERENCES accounts (site_id, id),
    FOREIGN KEY (site_id, meter_id) REFERENCES meters (site_id, id)
);
CREATE UNIQUE INDEX installations_meter_id ON installations (site_id, meter_id) WHERE end_at IS NULL;
CREATE INDEX installations_by_account ON installations (site_id, account_id);
CREATE INDEX installations_by_meter ON installations (site_id, meter_id, start_at);
