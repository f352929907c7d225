-- Buildings, with a supply guard for all that is metered in them.
CREATE TABLE buildings (
    site_id INTEGER NOT NULL REFERENCES sites (id),
    id INTEGER NOT NULL,
    name TEXT NOT NULL,
    guarded INTEGER NOT NULL, -- no meter in it is cut
    guard_reason TEXT, -- why
    PRIMARY KEY (site_id, id)
) STRICT, WITHOUT ROWID;
CREATE UNIQUE INDEX buildings_name ON buildings (site_id, name);

-- In which building a meter hangs, where that was said.
CREATE TABLE building_meters (
    site_id INTEGER NOT NULL,
    meter_id INTEGER NOT NULL,
    building_id INTEGER NOT NULL,
    PRIMARY KEY (site_id, meter_id),
    FOREIGN KEY (site_id, meter_id) REFERENCES meters (site_id, id),
    FOREIGN KEY (site_id, building_id) REFERENCES buildings (site_id, id)
) STRICT, WITHOUT ROWID;
CREATE INDEX building_meters_by_building ON building_meters (site_id, building_id, meter_id);
