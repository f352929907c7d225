-- Work that comes once for each local day of a site: claimed by one process at a time, gone on with where a crash left it.
CREATE TABLE jobs (
    site_id bigint NOT NULL,
    id bigint NOT NULL,
    kind text NOT NULL, -- settlement | fixed_charges
    day text NOT NULL, -- the local day it is for, as 2026-03-31
    state text NOT NULL, -- running | done
    attempts bigint NOT NULL, -- how often it was claimed
    claimed_at timestamptz NOT NULL, -- when it was claimed last
    deadline_at timestamptz NOT NULL, -- from then on another may claim it; later with every chunk that is done
    cursor bigint, -- the last account that is done; null: none is
    started_at timestamptz NOT NULL, -- when it was claimed first
    ended_at timestamptz, -- when it was done
    accounts bigint NOT NULL, -- accounts that were changed
    entries bigint NOT NULL, -- what was written for them: settled days, or accounts charged
    failures bigint NOT NULL, -- accounts that did not let themselves be changed
    PRIMARY KEY (site_id, id),
    FOREIGN KEY (site_id) REFERENCES sites (id)
);
CREATE UNIQUE INDEX jobs_kind_day ON jobs (site_id, kind, day);
CREATE INDEX jobs_by_start ON jobs (site_id, started_at);

-- When the program was last up for a site.
CREATE TABLE heartbeats (
    site_id bigint NOT NULL PRIMARY KEY,
    at timestamptz NOT NULL, -- written again and again while it runs
    FOREIGN KEY (site_id) REFERENCES sites (id)
);

-- How the program was down: one row for each start, reported once what it missed is caught up.
CREATE TABLE outages (
    site_id bigint NOT NULL,
    id bigint NOT NULL,
    down_from timestamptz NOT NULL, -- the last heartbeat before
    up_at timestamptz NOT NULL, -- the start
    missed text NOT NULL, -- what was found missing at the start, JSON
    deadline_at timestamptz NOT NULL, -- reported then at the latest, with what is still missing
    reported_at timestamptz, -- null: what was missed is being caught up
    report text, -- what is still missing, and what was posted for days before the start, JSON
    PRIMARY KEY (site_id, id),
    FOREIGN KEY (site_id) REFERENCES sites (id)
);
CREATE INDEX outages_by_start ON outages (site_id, up_at);
