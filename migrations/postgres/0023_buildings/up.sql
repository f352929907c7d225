-- Buildings, with a supply guard for all that is metered in them.
CREATE TABLE buildings (
    site_id bigint NOT NULL REFERENCES sites (id),
    id bigint NOT NULL,
    name text NOT NULL,
    guarded boolean NOT NULL, -- no meter in it is cut
    guard_reason text, -- why
    PRIMARY KEY (site_id, id)
);
CREATE UNIQUE INDEX buildings_name ON buildings (site_id, name);

-- In which building a meter hangs, where that was said.
CREATE TABLE building_meters (
    site_id bigint NOT NULL,
    meter_id bigint NOT NULL,
    building_id bigint NOT NULL,
    PRIMARY KEY (site_id, meter_id),
    FOREIGN KEY (site_id, meter_id) REFERENCES meters (site_id, id),
    FOREIGN KEY (site_id, building_id) REFERENCES buildings (site_id, id)
);
CREATE INDEX building_meters_by_building ON building_meters (site_id, building_id, meter_id);
