-- What meters showed. Energies are in 0.1 Wh, as on the register, before the multiplier.

-- One wide row per meter, instant and kind. Nothing refers to it by a foreign key: old rows are deleted in chunks.
CREATE TABLE readings (
    site_id INTEGER NOT NULL,
    id INTEGER NOT NULL,
    meter_id INTEGER NOT NULL,
    as_of INTEGER NOT NULL, -- when the registers stood so
    kind TEXT NOT NULL, -- instant | daily_freeze | load_profile | manual | final | initial
    total INTEGER NOT NULL, -- forward active energy as shown
    unwrapped INTEGER NOT NULL, -- total with the rollovers of the register counted
    sharp INTEGER, -- 尖
    peak INTEGER, -- 峰
    flat INTEGER, -- 平
    valley INTEGER, -- 谷
    deep_valley INTEGER, -- 深谷
    reverse INTEGER, -- reverse active energy
    quality TEXT NOT NULL, -- good | suspect | estimated | conflict | superseded
    time_source TEXT NOT NULL, -- whose clock as_of is: meter | concentrator | head_end
    received_at INTEGER NOT NULL,
    copied_at INTEGER, -- when the concentrator copied a freeze from the meter
    resolution INTEGER NOT NULL, -- finest step of the registers as transmitted
    reason TEXT, -- why it is suspect, or who entered it
    PRIMARY KEY (site_id, id),
    FOREIGN KEY (site_id, meter_id) REFERENCES meters (site_id, id)
) STRICT, WITHOUT ROWID;
-- One live row per key; what conflicted with it or was replaced by it lies beside it.
CREATE UNIQUE INDEX readings_meter_id_as_of_kind ON readings (site_id, meter_id, as_of, kind)
    WHERE quality NOT IN ('conflict', 'superseded');
CREATE INDEX readings_by_time ON readings (site_id, meter_id, as_of, id);

-- Read-now requests (召测).
CREATE TABLE read_requests (
    site_id INTEGER NOT NULL,
    id INTEGER NOT NULL,
    meter_id INTEGER NOT NULL,
    state TEXT NOT NULL, -- requested | done | failed
    requested_by TEXT NOT NULL, -- prefix of the API key
    created_at INTEGER NOT NULL,
    ended_at INTEGER,
    reading_id INTEGER, -- what was read
    detail TEXT, -- why it failed
    PRIMARY KEY (site_id, id),
    FOREIGN KEY (site_id, meter_id) REFERENCES meters (site_id, id)
) STRICT, WITHOUT ROWID;
CREATE INDEX read_requests_open ON read_requests (site_id, meter_id) WHERE state = 'requested';
