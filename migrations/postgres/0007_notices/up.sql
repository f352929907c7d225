-- What people are told.

-- Notices to customers: an outbox, sent from here and nowhere else.
CREATE TABLE notices (
    site_id bigint NOT NULL,
    id bigint NOT NULL,
    account_id bigint NOT NULL,
    kind text NOT NULL, -- low_balance_1, disconnect_warning, ..
    channel text NOT NULL, -- how it is sent: log
    language text NOT NULL, -- which text is sent: zh | en
    text_zh text NOT NULL,
    text_en text NOT NULL,
    state text NOT NULL, -- queued | sent | delivered | failed
    attempts bigint NOT NULL,
    created_at timestamptz NOT NULL,
    next_attempt_at timestamptz, -- null: nothing more is tried
    sent_at timestamptz,
    PRIMARY KEY (site_id, id),
    FOREIGN KEY (site_id, account_id) REFERENCES accounts (site_id, id)
);
CREATE INDEX notices_due ON notices (next_attempt_at) WHERE next_attempt_at IS NOT NULL;
CREATE INDEX notices_by_account ON notices (site_id, account_id, created_at);

-- Alarms to operators. The same thing again is counted on the alarm that stands.
CREATE TABLE alarms (
    site_id bigint NOT NULL REFERENCES sites (id),
    id bigint NOT NULL,
    kind text NOT NULL, -- what is wrong
    object text NOT NULL, -- with what: meter:.., concentrator:.., account:..
    detail text NOT NULL, -- as last seen
    raised_at timestamptz NOT NULL,
    last_at timestamptz NOT NULL, -- when it was last seen
    count bigint NOT NULL, -- how often it was seen
    cleared_at timestamptz, -- null: it stands
    PRIMARY KEY (site_id, id)
);
CREATE UNIQUE INDEX alarms_kind_object ON alarms (site_id, kind, object) WHERE cleared_at IS NULL;
CREATE INDEX alarms_by_time ON alarms (site_id, raised_at);
