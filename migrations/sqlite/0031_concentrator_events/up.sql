-- What concentrators noted of themselves and of their meters (AFN0E).
CREATE TABLE concentrator_events (
    site_id INTEGER NOT NULL,
    id INTEGER NOT NULL,
    concentrator_id INTEGER NOT NULL,
    list TEXT NOT NULL, -- important, general
    number INTEGER NOT NULL, -- in its list, modulo 256
    code INTEGER NOT NULL, -- ERC
    content TEXT NOT NULL, -- the record behind code and length, in hex digits
    occurred_at INTEGER, -- by the concentrator's clock; null: it does not say
    meter_id INTEGER, -- null: the concentrator itself
    received_at INTEGER NOT NULL,
    PRIMARY KEY (site_id, id),
    FOREIGN KEY (site_id, concentrator_id) REFERENCES concentrators (site_id, id),
    FOREIGN KEY (site_id, meter_id) REFERENCES meters (site_id, id)
) STRICT, WITHOUT ROWID;
CREATE INDEX concentrator_events_of ON concentrator_events (site_id, concentrator_id, list, id);
