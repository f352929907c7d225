-- What concentrators noted of themselves and of their meters (AFN0E).
CREATE TABLE concentrator_events (
    site_id bigint NOT NULL,
    id bigint NOT NULL,
    concentrator_id bigint NOT NULL,
    list text NOT NULL, -- important, general
    number bigint NOT NULL, -- in its list, modulo 256
    code bigint NOT NULL, -- ERC
    content text NOT NULL, -- the record behind code and length, in hex digits
    occurred_at timestamptz, -- by the concentrator's clock; null: it does not say
    meter_id bigint, -- null: the concentrator itself
    received_at timestamptz NOT NULL,
    PRIMARY KEY (site_id, id),
    FOREIGN KEY (site_id, concentrator_id) REFERENCES concentrators (site_id, id),
    FOREIGN KEY (site_id, meter_id) REFERENCES meters (site_id, id)
);
CREATE INDEX concentrator_events_of ON concentrator_events (site_id, concentrator_id, list, id);
