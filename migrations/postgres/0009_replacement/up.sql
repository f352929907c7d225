-- Meters are replaced: a day belongs to a meter's installation, since one meter may count for an account more than once,
-- with another multiplier or again after a repair.
ALTER TABLE settled_days ADD COLUMN installation_id bigint;
ALTER TABLE settled_days DISABLE TRIGGER settled_days_append_only;
UPDATE settled_days d SET installation_id = i.id FROM installations i
    WHERE i.site_id = d.site_id AND i.account_id = d.account_id AND i.meter_id = d.meter_id;
ALTER TABLE settled_days ENABLE TRIGGER settled_days_append_only;
ALTER TABLE settled_days
    ALTER COLUMN installation_id SET NOT NULL,
    DROP CONSTRAINT settled_days_pkey,
    DROP COLUMN meter_id,
    ADD PRIMARY KEY (site_id, account_id, day, installation_id, revision),
    ADD FOREIGN KEY (site_id, installation_id) REFERENCES installations (site_id, id);
