-- Accounts are suspended, closed (销户) and transferred (过户); money is refunded. From now on an account's state is
-- pending | active | suspended | closed, and transactions have the kinds refund, write_off and transfer as well. Money is in
-- minor units.
ALTER TABLE accounts ADD COLUMN closed_at INTEGER; -- when it was closed or transferred

CREATE TABLE refunds (
    site_id INTEGER NOT NULL,
    id INTEGER NOT NULL,
    account_id INTEGER NOT NULL,
    transaction_id INTEGER NOT NULL,
    terminal TEXT NOT NULL, -- the counter that paid it out
    tender TEXT NOT NULL, -- how: cash | wechat | alipay | bank | card
    amount INTEGER NOT NULL CHECK (amount > 0),
    balance_before INTEGER NOT NULL,
    balance_after INTEGER NOT NULL,
    receipt_number TEXT NOT NULL, -- from the same counter as those of vends
    operator_key TEXT NOT NULL, -- prefix of the API key that asked
    reason TEXT NOT NULL, -- why, in words
    created_at INTEGER NOT NULL,
    receipt TEXT NOT NULL, -- the receipt as answered, JSON
    PRIMARY KEY (site_id, id),
    FOREIGN KEY (site_id, account_id) REFERENCES accounts (site_id, id),
    FOREIGN KEY (site_id, transaction_id) REFERENCES transactions (site_id, id)
) STRICT, WITHOUT ROWID;
CREATE UNIQUE INDEX refunds_receipt_number ON refunds (site_id, receipt_number);
CREATE INDEX refunds_by_account ON refunds (site_id, account_id, created_at);

-- Append-only guard.
CREATE TRIGGER refunds_refuse_update BEFORE UPDATE ON refunds
    BEGIN SELECT RAISE(ABORT, 'refunds is append-only'); END;
CREATE TRIGGER refunds_refuse_delete BEFORE DELETE ON refunds
    BEGIN SELECT RAISE(ABORT, 'refunds is append-only'); END;

-- Who did what that no receipt tells, kept with it.
CREATE TABLE audit_lines (
    site_id INTEGER NOT NULL,
    id INTEGER NOT NULL,
    at INTEGER NOT NULL,
    operator_key TEXT NOT NULL, -- prefix of the API key that asked
    verb TEXT NOT NULL, -- such as close_account
    object TEXT NOT NULL, -- such as account:8796093022208
    detail TEXT NOT NULL, -- in words
    PRIMARY KEY (site_id, id)
) STRICT, WITHOUT ROWID;
CREATE TRIGGER audit_lines_refuse_update BEFORE UPDATE ON audit_lines
    BEGIN SELECT RAISE(ABORT, 'audit_lines is append-only'); END;
CREATE TRIGGER audit_lines_refuse_delete BEFORE DELETE ON audit_lines
    BEGIN SELECT RAISE(ABORT, 'audit_lines is append-only'); END;
