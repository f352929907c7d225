-- Further versions of tariffs whose accounts' customers are told of the new prices: some accounts in each transaction, which
-- moves the cursor on.
CREATE TABLE price_changes (
    site_id INTEGER NOT NULL,
    tariff_id INTEGER NOT NULL,
    version INTEGER NOT NULL,
    entered_at INTEGER NOT NULL,
    cursor INTEGER, -- the last account that was looked at; null: none was
    told INTEGER NOT NULL, -- accounts whose notice was written
    ended_at INTEGER, -- when all were looked at
    PRIMARY KEY (site_id, tariff_id, version),
    FOREIGN KEY (site_id, tariff_id, version) REFERENCES tariff_versions (site_id, tariff_id, version)
) STRICT, WITHOUT ROWID;
CREATE INDEX price_changes_open ON price_changes (site_id, tariff_id, version) WHERE ended_at IS NULL;

-- The newest version of the tariff that was there when the change was entered: its own notices told of all of them up to it.
-- Null: it was entered before changes told of anything.
ALTER TABLE account_tariffs ADD COLUMN told_version INTEGER;

-- Warnings that no channel takes are served by hand: `channel` may also be none.
ALTER TABLE notices ADD COLUMN by_hand_since INTEGER; -- since when somebody is to serve it by hand; null: nobody ever was
ALTER TABLE notices ADD COLUMN by_hand_ended_at INTEGER; -- when it was recorded as served, or nothing was left to be warned of
ALTER TABLE notices ADD COLUMN served_at INTEGER; -- when it was handed over, as somebody recorded
ALTER TABLE notices ADD COLUMN served_how TEXT; -- how, in words
ALTER TABLE notices ADD COLUMN served_by TEXT; -- prefix of the API key that recorded it
CREATE INDEX notices_by_hand ON notices (site_id, id) WHERE by_hand_since IS NOT NULL AND by_hand_ended_at IS NULL;
