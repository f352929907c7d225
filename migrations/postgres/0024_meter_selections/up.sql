-- Selections of meters that were given a name, for orders to groups.
CREATE TABLE meter_selections (
    site_id bigint NOT NULL REFERENCES sites (id),
    id bigint NOT NULL,
    name text NOT NULL,
    selection text NOT NULL, -- which meters, as JSON
    PRIMARY KEY (site_id, id)
);
CREATE UNIQUE INDEX meter_selections_name ON meter_selections (site_id, name);
