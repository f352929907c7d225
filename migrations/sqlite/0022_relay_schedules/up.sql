-- Relay orders by a calendar (定时遥控): meters that are cut at one time of the day and reconnected at another. Each switching is a
-- relay order group.

CREATE TABLE relay_schedules (
    site_id INTEGER NOT NULL,
    id INTEGER NOT NULL,
    calendar TEXT NOT NULL, -- JSON: off_at, on_at, weekdays, except_holidays, from, until
    reason TEXT NOT NULL, -- why, for people; stored with each order
    state TEXT NOT NULL, -- awaiting_approval | running | ending (it only reconnects what it cut) | ended | rejected | expired
    reservations TEXT NOT NULL, -- why a second operator was needed, parted by commas: supply_guard | many_meters
    operator_key TEXT NOT NULL, -- prefix of the API key that entered it
    decided_by TEXT, -- prefix of the API key that approved or rejected it
    created_at INTEGER NOT NULL,
    expires_at INTEGER, -- until then it may be approved; none: it needed nobody
    next_at INTEGER, -- when it switches next
    next_action TEXT, -- what it does then: disconnect | reconnect
    reckoned_at INTEGER, -- when next_at was reckoned; later than now: by a clock that was ahead, and it is reckoned again
    ended_at INTEGER,
    version INTEGER NOT NULL, -- grows by one with each transaction that changes it
    PRIMARY KEY (site_id, id)
) STRICT, WITHOUT ROWID;
-- What is to be switched, and what may have expired, of all sites.
CREATE INDEX relay_schedules_live ON relay_schedules (id) WHERE ended_at IS NULL;
CREATE INDEX relay_schedules_by_time ON relay_schedules (site_id, created_at, id);

CREATE TABLE relay_schedule_meters (
    site_id INTEGER NOT NULL,
    schedule_id INTEGER NOT NULL,
    meter_id INTEGER NOT NULL,
    live INTEGER NOT NULL, -- false once the schedule has ended
    PRIMARY KEY (site_id, schedule_id, meter_id),
    FOREIGN KEY (site_id, schedule_id) REFERENCES relay_schedules (site_id, id),
    FOREIGN KEY (site_id, meter_id) REFERENCES meters (site_id, id)
) STRICT, WITHOUT ROWID;
-- A meter belongs to one live schedule at most.
CREATE UNIQUE INDEX relay_schedule_meters_meter_id ON relay_schedule_meters (site_id, meter_id) WHERE live;

-- The schedule that asked for the group. Groups may have the cause schedule; their meters' outcome may be lifted: the cause
-- ended, and no order was needed or wanted.
ALTER TABLE relay_order_groups ADD COLUMN schedule_id INTEGER;
CREATE INDEX relay_order_groups_of_schedule ON relay_order_groups (site_id, schedule_id) WHERE ended_at IS NULL;
