-- What people are told.

-- Notices to customers: an outbox, sent from here and nowhere else.
CREATE TABLE notices (
    site_id INTEGER NOT NULL,
    id INTEGER NOT NULL,
    account_id INTEGER NOT NULL,
    kind TEXT NOT NULL, -- low_balance_1, disconnect_warning, ..
    channel TEXT NOT NULL, -- how it is sent: log
    language TEXT NOT NULL, -- which text is sent: zh | en
    text_zh TEXT NOT NULL,
    text_en TEXT NOT NULL,
    state TEXT NOT NULL, -- queued | sent | delivered | failed
    attempts INTEGER NOT NULL,
    created_at INTEGER NOT NULL,
    next_attempt_at INTEGER, -- null: nothing more is tried
    sent_at INTEGER,
    PRIMARY KEY (site_id, id),
    FOREIGN KEY (site_id, account_id) REFERENCES accounts (site_id, id)
) STRICT, WITHOUT ROWID;
CREATE INDEX notices_due ON notices (next_attempt_at) WHERE next_attempt_at IS NOT NULL;
CREATE INDEX notices_by_account ON notices (site_id, account_id, created_at);

-- Alarms to operators. The same thing again is counted on the alarm that stands.
CREATE TABLE alarms (
    site_id INTEGER NOT NULL REFERENCES sites (id),
    id INTEGER NOT NULL,
    kind TEXT NOT NULL, -- what is wrong
    object TEXT NOT NULL, -- with what: meter:.., concentrator:.., account:..
    detail TEXT NOT NULL, -- as last seen
    raised_at INTEGER NOT NULL,
    last_at INTEGER NOT NULL, -- when it was last seen
    count INTEGER NOT NULL, -- how often it was seen
    cleared_at INTEGER, -- null: it stands
    PRIMARY KEY (site_id, id)
) STRICT, WITHOUT ROWID;
CREATE UNIQUE INDEX alarms_kind_object ON alarms (site_id, kind, object) WHERE cleared_at IS NULL;
CREATE INDEX alarms_by_time ON alarms (site_id, raised_at);
