-- What meters showed. Energies are in 0.1 Wh, as on the register, before the multiplier.

-- One wide row per meter, instant and kind. Nothing refers to it by a foreign key: old rows are deleted in chunks.
CREATE TABLE readings (
    site_id bigint NOT NULL,
    id bigint NOT NULL,
    meter_id bigint NOT NULL,
    as_of timestamptz NOT NULL, -- when the registers stood so
    kind text NOT NULL, -- instant | daily_freeze | load_profile | manual | final | initial
    total bigint NOT NULL, -- forward active energy as shown
    unwrapped bigint NOT NULL, -- total with the rollovers of the register counted
    sharp bigint, -- 尖
    peak bigint, -- 峰
    flat bigint, -- 平
    valley bigint, -- 谷
    deep_valley bigint, -- 深谷
    reverse bigint, -- reverse active energy
    quality text NOT NULL, -- good | suspect | estimated | conflict | superseded
    time_source text NOT NULL, -- whose clock as_of is: meter | concentrator | head_end
    received_at timestamptz NOT NULL,
    copied_at timestamptz, -- when the concentrator copied a freeze from the meter
    resolution bigint NOT NULL, -- finest step of the registers as transmitted
    reason text, -- why it is suspect, or who entered it
    PRIMARY KEY (site_id, id),
    FOREIGN KEY (site_id, meter_id) REFERENCES meters (site_id, id)
);
-- One live row per key; what conflicted with it or was replaced by it lies beside it.
CREATE UNIQUE INDEX readings_meter_id_as_of_kind ON readings (site_id, meter_id, as_of, kind)
    WHERE quality NOT IN ('conflict', 'superseded');
CREATE INDEX readings_by_time ON readings (site_id, meter_id, as_of, id);

-- Read-now requests (召测).
CREATE TABLE read_requests (
    site_id bigint NOT NULL,
    id bigint NOT NULL,
    meter_id bigint NOT NULL,
    state text NOT NULL, -- requested | done | failed
    requested_by text NOT NULL, -- prefix of the API key
    created_at timestamptz NOT NULL,
    ended_at timestamptz,
    reading_id bigint, -- what was read
    detail text, -- why it failed
    PRIMARY KEY (site_id, id),
    FOREIGN KEY (site_id, meter_id) REFERENCES meters (site_id, id)
);
CREATE INDEX read_requests_open ON read_requests (site_id, meter_id) WHERE state = 'requested';
