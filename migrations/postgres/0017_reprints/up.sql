-- Receipts printed again (重印). The money is in the vend's row; this only says that its receipt was handed out once more.

CREATE TABLE reprints (
    site_id bigint NOT NULL,
    vend_id bigint NOT NULL,
    number bigint NOT NULL CHECK (number > 0), -- 1, 2, 3, .. for each vend; printed on it
    terminal text NOT NULL, -- the counter or machine that printed
    operator_key text NOT NULL, -- prefix of the API key that asked
    created_at timestamptz NOT NULL,
    PRIMARY KEY (site_id, vend_id, number),
    FOREIGN KEY (site_id, vend_id) REFERENCES vends (site_id, id)
);

-- Append-only guard.
CREATE TRIGGER reprints_append_only BEFORE UPDATE OR DELETE ON reprints
    FOR EACH ROW EXECUTE FUNCTION refuse_change();
