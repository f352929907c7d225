-- Reversals (冲正): vends undone. From now on transactions have the kind `reversal` as well. Money is in minor units.

CREATE TABLE reversals (
    site_id INTEGER NOT NULL,
    id INTEGER NOT NULL,
    vend_id INTEGER NOT NULL, -- the vend that it undoes, once
    account_id INTEGER NOT NULL, -- the vend's account
    transaction_id INTEGER NOT NULL,
    terminal TEXT NOT NULL, -- the counter or machine that reversed
    tender TEXT NOT NULL, -- how the money is given back: cash | wechat | alipay | bank | card, as it was paid
    amount INTEGER NOT NULL CHECK (amount > 0), -- all of the vend
    balance_before INTEGER NOT NULL,
    balance_after INTEGER NOT NULL,
    receipt_number TEXT NOT NULL, -- from the same counter as those of vends
    operator_key TEXT NOT NULL, -- prefix of the API key that asked
    reason TEXT, -- why, in words; null: nobody said, and available stayed at 0 or above
    created_at INTEGER NOT NULL,
    receipt TEXT NOT NULL, -- the receipt as answered, JSON
    PRIMARY KEY (site_id, id),
    FOREIGN KEY (site_id, vend_id) REFERENCES vends (site_id, id),
    FOREIGN KEY (site_id, account_id) REFERENCES accounts (site_id, id),
    FOREIGN KEY (site_id, transaction_id) REFERENCES transactions (site_id, id)
) STRICT, WITHOUT ROWID;
CREATE UNIQUE INDEX reversals_vend_id ON reversals (site_id, vend_id);
CREATE UNIQUE INDEX reversals_receipt_number ON reversals (site_id, receipt_number);
CREATE INDEX reversals_by_account ON reversals (site_id, account_id, created_at);

-- Append-only guard.
CREATE TRIGGER reversals_refuse_update BEFORE UPDATE ON reversals
    BEGIN SELECT RAISE(ABORT, 'reversals is append-only'); END;
CREATE TRIGGER reversals_refuse_delete BEFORE DELETE ON reversals
    BEGIN SELECT RAISE(ABORT, 'reversals is append-only'); END;
