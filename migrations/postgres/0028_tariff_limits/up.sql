-- The limits with which accounts of a tariff are entered, in minor units; no row: those of the settings.
CREATE TABLE tariff_limits (
    site_id bigint NOT NULL,
    tariff_id bigint NOT NULL,
    alarm_1 bigint NOT NULL,
    alarm_2 bigint NOT NULL,
    rearm_margin bigint NOT NULL,
    overdraft bigint NOT NULL,
    restore_margin bigint NOT NULL,
    emergency_credit bigint NOT NULL,
    PRIMARY KEY (site_id, tariff_id),
    FOREIGN KEY (site_id, tariff_id) REFERENCES tariffs (site_id, id)
);
