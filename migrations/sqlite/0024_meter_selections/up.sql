-- Selections of meters that were given a name, for orders to groups.
CREATE TABLE meter_selections (
    site_id INTEGER NOT NULL REFERENCES sites (id),
    id INTEGER NOT NULL,
    name TEXT NOT NULL,
    selection TEXT NOT NULL, -- which meters, as JSON
    PRIMARY KEY (site_id, id)
) STRICT, WITHOUT ROWID;
CREATE UNIQUE INDEX meter_selections_name ON meter_selections (site_id, name);
