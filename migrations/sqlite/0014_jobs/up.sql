-- Work that comes once for each local day of a site: claimed by one process at a time, gone on with where a crash left it.
CREATE TABLE jobs (
    site_id INTEGER NOT NULL,
    id INTEGER NOT NULL,
    kind TEXT NOT NULL, -- settlement | fixed_charges
    day TEXT NOT NULL, -- the local day it is for, as 2026-03-31
    state TEXT NOT NULL, -- running | done
    attempts INTEGER NOT NULL, -- how often it was claimed
    claimed_at INTEGER NOT NULL, -- when it was claimed last
    deadline_at INTEGER NOT NULL, -- from then on another may claim it; later with every chunk that is done
    cursor INTEGER, -- the last account that is done; null: none is
    started_at INTEGER NOT NULL, -- when it was claimed first
    ended_at INTEGER, -- when it was done
    accounts INTEGER NOT NULL, -- accounts that were changed
    entries INTEGER NOT NULL, -- what was written for them: settled days, or accounts charged
    failures INTEGER NOT NULL, -- accounts that did not let themselves be changed
    PRIMARY KEY (site_id, id),
    FOREIGN KEY (site_id) REFERENCES sites (id)
) STRICT, WITHOUT ROWID;
CREATE UNIQUE INDEX jobs_kind_day ON jobs (site_id, kind, day);
CREATE INDEX jobs_by_start ON jobs (site_id, started_at);

-- When the program was last up for a site.
CREATE TABLE heartbeats (
    site_id INTEGER NOT NULL PRIMARY KEY,
    at INTEGER NOT NULL, -- written again and again while it runs
    FOREIGN KEY (site_id) REFERENCES sites (id)
) STRICT, WITHOUT ROWID;

-- How the program was down: one row for each start, reported once what it missed is caught up.
CREATE TABLE outages (
    site_id INTEGER NOT NULL,
    id INTEGER NOT NULL,
    down_from INTEGER NOT NULL, -- the last heartbeat before
    up_at INTEGER NOT NULL, -- the start
    missed TEXT NOT NULL, -- what was found missing at the start, JSON
    deadline_at INTEGER NOT NULL, -- reported then at the latest, with what is still missing
    reported_at INTEGER, -- null: what was missed is being caught up
    report TEXT, -- what is still missing, and what was posted for days before the start, JSON
    PRIMARY KEY (site_id, id),
    FOREIGN KEY (site_id) REFERENCES sites (id)
) STRICT, WITHOUT ROWID;
CREATE INDEX outages_by_start ON outages (site_id, up_at);
