-- Relay orders by a calendar (定时遥控): meters that are cut at one time of the day and reconnected at another. Each switching is a
-- relay order group.

CREATE TABLE relay_schedules (
    site_id bigint NOT NULL,
    id bigint NOT NULL,
    calendar text NOT NULL, -- JSON: off_at, on_at, weekdays, except_holidays, from, until
    reason text NOT NULL, -- why, for people; stored with each order
    state text NOT NULL, -- awaiting_approval | running | ending (it only reconnects what it cut) | ended | rejected | expired
    reservations text NOT NULL, -- why a second operator was needed, parted by commas: supply_guard | many_meters
    operator_key text NOT NULL, -- prefix of the API key that entered it
    decided_by text, -- prefix of the API key that approved or rejected it
    created_at timestamptz NOT NULL,
    expires_at timestamptz, -- until then it may be approved; none: it needed nobody
    next_at timestamptz, -- when it switches next
    next_action text, -- what it does then: disconnect | reconnect
    reckoned_at timestamptz, -- when next_at was reckoned; later than now: by a clock that was ahead, and it is reckoned again
    ended_at timestamptz,
    version bigint NOT NULL, -- grows by one with each transaction that changes it
    PRIMARY KEY (site_id, id)
);
-- What is to be switched, and what may have expired, of all sites.
CREATE INDEX relay_schedules_live ON relay_schedules (id) WHERE ended_at IS NULL;
CREATE INDEX relay_schedules_by_time ON relay_schedules (site_id, created_at, id);

CREATE TABLE relay_schedule_meters (
    site_id bigint NOT NULL,
    schedule_id bigint NOT NULL,
    meter_id bigint NOT NULL,
    live boolean NOT NULL, -- false once the schedule has ended
    PRIMARY KEY (site_id, schedule_id, meter_id),
    FOREIGN KEY (site_id, schedule_id) REFERENCES relay_schedules (site_id, id),
    FOREIGN KEY (site_id, meter_id) REFERENCES meters (site_id, id)
);
-- A meter belongs to one live schedule at most.
CREATE UNIQUE INDEX relay_schedule_meters_meter_id ON relay_schedule_meters (site_id, meter_id) WHERE live;

-- The schedule that asked for the group. Groups may have the cause schedule; their meters' outcome may be lifted: the cause
-- ended, and no order was needed or wanted.
ALTER TABLE relay_order_groups ADD COLUMN schedule_id bigint;
CREATE INDEX relay_order_groups_of_schedule ON relay_order_groups (site_id, schedule_id) WHERE ended_at IS NULL;
