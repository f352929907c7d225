-- Accounts are suspended, closed (销户) and transferred (过户); money is refunded. From now on an account's state is
-- pending | active | suspended | closed, and transactions have the kinds refund, write_off and transfer as well. Money is in
-- minor units.
ALTER TABLE accounts ADD COLUMN closed_at timestamptz; -- when it was closed or transferred

CREATE TABLE refunds (
    site_id bigint NOT NULL,
    id bigint NOT NULL,
    account_id bigint NOT NULL,
    transaction_id bigint NOT NULL,
    terminal text NOT NULL, -- the counter that paid it out
    tender text NOT NULL, -- how: cash | wechat | alipay | bank | card
    amount bigint NOT NULL CHECK (amount > 0),
    balance_before bigint NOT NULL,
    balance_after bigint NOT NULL,
    receipt_number text NOT NULL, -- from the same counter as those of vends
    operator_key text NOT NULL, -- prefix of the API key that asked
    reason text NOT NULL, -- why, in words
    created_at timestamptz NOT NULL,
    receipt text NOT NULL, -- the receipt as answered, JSON
    PRIMARY KEY (site_id, id),
    FOREIGN KEY (site_id, account_id) REFERENCES accounts (site_id, id),
    FOREIGN KEY (site_id, transaction_id) REFERENCES transactions (site_id, id)
);
CREATE UNIQUE INDEX refunds_receipt_number ON refunds (site_id, receipt_number);
CREATE INDEX refunds_by_account ON refunds (site_id, account_id, created_at);

-- Append-only guard.
CREATE TRIGGER refunds_append_only BEFORE UPDATE OR DELETE ON refunds
    FOR EACH ROW EXECUTE FUNCTION refuse_change();

-- Who did what that no receipt tells, kept with it.
CREATE TABLE audit_lines (
    site_id bigint NOT NULL,
    id bigint NOT NULL,
    at timestamptz NOT NULL,
    operator_key text NOT NULL, -- prefix of the API key that asked
    verb text NOT NULL, -- such as close_account
    object text NOT NULL, -- such as account:8796093022208
    detail text NOT NULL, -- in words
    PRIMARY KEY (site_id, id)
);
CREATE TRIGGER audit_lines_append_only BEFORE UPDATE OR DELETE ON audit_lines
    FOR EACH ROW EXECUTE FUNCTION refuse_change();
