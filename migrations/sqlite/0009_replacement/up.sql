-- Meters are replaced: a day belongs to a meter's installation, since one meter may count for an account more than once,
-- with another multiplier or again after a repair. SQLite changes a primary key by making the table anew.
ALTER TABLE settled_days RENAME TO settled_days_of_meters;

-- Days of an installation that were charged. A correction is a further revision of the day; the highest one counts.
CREATE TABLE settled_days (
    site_id INTEGER NOT NULL,
    account_id INTEGER NOT NULL,
    day TEXT NOT NULL, -- local day, as 2026-03-31
    revision INTEGER NOT NULL, -- 1, 2, ..
    end_value INTEGER NOT NULL, -- register at the midnight that ends the day, or where the meter was removed; unwrapped, 0.1 Wh
    reading_id INTEGER NOT NULL, -- the reading there, or the one before it
    later_reading_id INTEGER, -- where interpolated: the reading after it
    energy INTEGER NOT NULL, -- charged for the day, after the multiplier, 0.1 Wh
    block_window TEXT NOT NULL, -- first local day of the window of blocks it counts in
    tariff_version INTEGER NOT NULL, -- the version that priced it
    transaction_id INTEGER NOT NULL,
    installation_id INTEGER NOT NULL,
    PRIMARY KEY (site_id, account_id, day, installation_id, revision),
    FOREIGN KEY (site_id, account_id) REFERENCES accounts (site_id, id),
    FOREIGN KEY (site_id, installation_id) REFERENCES installations (site_id, id),
    FOREIGN KEY (site_id, transaction_id) REFERENCES transactions (site_id, id)
) STRICT, WITHOUT ROWID;
INSERT INTO settled_days
    SELECT d.site_id, d.account_id, d.day, d.revision, d.end_value, d.reading_id, d.later_reading_id, d.energy,
        d.block_window, d.tariff_version, d.transaction_id, i.id
    FROM settled_days_of_meters d
    JOIN installations i ON i.site_id = d.site_id AND i.account_id = d.account_id AND i.meter_id = d.meter_id;
DROP TABLE settled_days_of_meters;

CREATE TRIGGER settled_days_refuse_update BEFORE UPDATE ON settled_days
    BEGIN SELECT RAISE(ABORT, 'settled_days is append-only'); END;
CREATE TRIGGER settled_days_refuse_delete BEFORE DELETE ON settled_days
    BEGIN SELECT RAISE(ABORT, 'settled_days is append-only'); END;
