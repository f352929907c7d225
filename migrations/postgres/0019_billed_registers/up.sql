-- Meters with period registers (尖峰平谷) may be billed by these. JSON objects: sharp | peak | flat | valley | deep_valley, each with
-- kWh unwrapped, before the multiplier, as a decimal string. {} everywhere else: the total is billed.
ALTER TABLE installations
    ADD COLUMN start_registers text NOT NULL DEFAULT '{}', -- the registers that are billed, fixed at the start, and what they showed then; start_value is their sum
    ADD COLUMN end_registers text NOT NULL DEFAULT '{}'; -- what they showed at the end; end_value is their sum
ALTER TABLE readings
    ADD COLUMN unwrapped_registers text NOT NULL DEFAULT '{}'; -- the billed registers, where none of them is missing
ALTER TABLE settled_days
    ADD COLUMN registers text NOT NULL DEFAULT '{}'; -- each billed register, {"from": .., "to": ..}, over the day; end_value is the sum of the latter
