-- Receipts printed again (重印). The money is in the vend's row; this only says that its receipt was handed out once more.

CREATE TABLE reprints (
    site_id INTEGER NOT NULL,
    vend_id INTEGER NOT NULL,
    number INTEGER NOT NULL CHECK (number > 0), -- 1, 2, 3, .. for each vend; printed on it
    terminal TEXT NOT NULL, -- the counter or machine that printed
    operator_key TEXT NOT NULL, -- prefix of the API key that asked
    created_at INTEGER NOT NULL,
    PRIMARY KEY (site_id, vend_id, number),
    FOREIGN KEY (site_id, vend_id) REFERENCES vends (site_id, id)
) STRICT, WITHOUT ROWID;

-- Append-only guard.
CREATE TRIGGER reprints_refuse_update BEFORE UPDATE ON reprints
    BEGIN SELECT RAISE(ABORT, 'reprints is append-only'); END;
CREATE TRIGGER reprints_refuse_delete BEFORE DELETE ON reprints
    BEGIN SELECT RAISE(ABORT, 'reprints is append-only'); END;
