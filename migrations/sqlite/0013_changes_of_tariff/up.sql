-- Accounts change their tariff: `accounts.tariff_id` prices them until the first change, the other tariffs from their days on.
-- A change is entered before its day comes, and takes the place of those entered before it for that day or later.
CREATE TABLE account_tariffs (
    site_id INTEGER NOT NULL,
    account_id INTEGER NOT NULL,
    place INTEGER NOT NULL CHECK (place BETWEEN 1 AND 999), -- 1, 2, .. in the order of entry; numbers its versions apart
    tariff_id INTEGER NOT NULL,
    valid_from TEXT NOT NULL, -- first local day, as 2026-03-31
    entered_at INTEGER NOT NULL,
    operator_key TEXT NOT NULL, -- prefix of the API key that asked
    reason TEXT NOT NULL, -- why, in words
    PRIMARY KEY (site_id, account_id, place),
    FOREIGN KEY (site_id, account_id) REFERENCES accounts (site_id, id),
    FOREIGN KEY (site_id, tariff_id) REFERENCES tariffs (site_id, id)
) STRICT, WITHOUT ROWID;
CREATE TRIGGER account_tariffs_refuse_update BEFORE UPDATE ON account_tariffs
    BEGIN SELECT RAISE(ABORT, 'account_tariffs is append-only'); END;
CREATE TRIGGER account_tariffs_refuse_delete BEFORE DELETE ON account_tariffs
    BEGIN SELECT RAISE(ABORT, 'account_tariffs is append-only'); END;
