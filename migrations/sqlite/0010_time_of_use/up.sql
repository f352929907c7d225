-- Prices may depend on the time of day: a settled day is cut where its period changes. And windows of blocks may last a
-- year: what was settled in them is kept as sums, so that no balance needs a year of days.
ALTER TABLE settled_days ADD COLUMN period TEXT NOT NULL DEFAULT 'flat'; -- in which the day ends: sharp | peak | flat | valley | deep_valley
ALTER TABLE settled_days ADD COLUMN cuts TEXT NOT NULL DEFAULT '[]'; -- the changes of the period before that, JSON: when, which ends, the register then (0.1 Wh), from which readings

-- Settled energies of an account, kept in the transaction that settles.
CREATE TABLE settled_energies (
    site_id INTEGER NOT NULL,
    account_id INTEGER NOT NULL,
    block_window TEXT NOT NULL, -- first local day of the window of blocks, as 2026-03-31
    tariff_version INTEGER NOT NULL, -- the version that prices it
    period TEXT NOT NULL, -- sharp | peak | flat | valley | deep_valley
    energy INTEGER NOT NULL, -- sum over all days of all meters, after the multiplier, 0.1 Wh
    PRIMARY KEY (site_id, account_id, block_window, tariff_version, period),
    FOREIGN KEY (site_id, account_id) REFERENCES accounts (site_id, id)
) STRICT, WITHOUT ROWID;
INSERT INTO settled_energies
    SELECT d.site_id, d.account_id, d.block_window, d.tariff_version, 'flat', sum(d.energy)
    FROM settled_days d
    WHERE d.revision = (SELECT max(n.revision) FROM settled_days n WHERE n.site_id = d.site_id
        AND n.account_id = d.account_id AND n.day = d.day AND n.installation_id = d.installation_id)
    GROUP BY d.site_id, d.account_id, d.block_window, d.tariff_version;
