-- Accounts change their tariff: `accounts.tariff_id` prices them until the first change, the other tariffs from their days on.
-- A change is entered before its day comes, and takes the place of those entered before it for that day or later.
CREATE TABLE account_tariffs (
    site_id bigint NOT NULL,
    account_id bigint NOT NULL,
    place bigint NOT NULL CHECK (place BETWEEN 1 AND 999), -- 1, 2, .. in the order of entry; numbers its versions apart
    tariff_id bigint NOT NULL,
    valid_from text NOT NULL, -- first local day, as 2026-03-31
    entered_at timestamptz NOT NULL,
    operator_key text NOT NULL, -- prefix of the API key that asked
    reason text NOT NULL, -- why, in words
    PRIMARY KEY (site_id, account_id, place),
    FOREIGN KEY (site_id, account_id) REFERENCES accounts (site_id, id),
    FOREIGN KEY (site_id, tariff_id) REFERENCES tariffs (site_id, id)
);
CREATE TRIGGER account_tariffs_append_only BEFORE UPDATE OR DELETE ON account_tariffs
    FOR EACH ROW EXECUTE FUNCTION refuse_change();
