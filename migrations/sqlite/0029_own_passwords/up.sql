-- A meter's own passwords beside the concentrator's, sealed with the key in the environment.
ALTER TABLE meters ADD COLUMN passwords TEXT; -- sealed; null: those of its profile
