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
