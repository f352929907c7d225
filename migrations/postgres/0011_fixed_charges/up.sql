-- Fixed charges of accounts, posted day by day in advance.
ALTER TABLE accounts ADD COLUMN fixed_to text; -- the first local day whose fixed charges are not posted, as 2026-03-31; null: the day of the opening
CREATE INDEX accounts_fixed_to ON accounts (site_id, fixed_to);
