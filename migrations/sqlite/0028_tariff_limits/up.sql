-- The limits with which accounts of a tariff are entered, in minor units; no row: those of the settings.
CREATE TABLE tariff_limits (
    site_id INTEGER NOT NULL,
    tariff_id INTEGER NOT NULL,
    alarm_1 INTEGER NOT NULL,
    alarm_2 INTEGER NOT NULL,
    rearm_margin INTEGER NOT NULL,
    overdraft INTEGER NOT NULL,
    restore_margin INTEGER NOT NULL,
    emergency_credit INTEGER NOT NULL,
    PRIMARY KEY (site_id, tariff_id),
    FOREIGN KEY (site_id, tariff_id) REFERENCES tariffs (site_id, id)
) STRICT, WITHOUT ROWID;
