-- A meter's own passwords beside the concentrator's, sealed with the key in the environment.
alter table meters add column passwords text; -- sealed; null: those of its profile
