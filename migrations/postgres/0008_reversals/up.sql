-- Reversals (冲正): vends undone. From now on transactions have the kind `reversal` as well. Money is in minor units.

CREATE TABLE reversals (
    site_id bigint NOT NULL,
    id bigint NOT NULL,
    vend_id bigint NOT NULL, -- the vend that it undoes, once
    account_id bigint NOT NULL, -- the vend's account
    transaction_id bigint NOT NULL,
    terminal text NOT NULL, -- the counter or machine that reversed
    tender text NOT NULL, -- how the money is given back: cash | wechat | alipay | bank | card, as it was paid
    amount bigint NOT NULL CHECK (amount > 0), -- all of the vend
    balance_before bigint NOT NULL,
    balance_after bigint NOT NULL,
    receipt_number text NOT NULL, -- from the same counter as those of vends
    operator_key text NOT NULL, -- prefix of the API key that asked
    reason text, -- why, in words; null: nobody said, and available stayed at 0 or above
    created_at timestamptz NOT NULL,
    receipt text NOT NULL, -- the receipt as answered, JSON
    PRIMARY KEY (site_id, id),
    FOREIGN KEY (site_id, vend_id) REFERENCES vends (site_id, id),
    FOREIGN KEY (site_id, account_id) REFERENCES accounts (site_id, id),
    FOREIGN KEY (site_id, transaction_id) REFERENCES transactions (site_id, id)
);
CREATE UNIQUE INDEX reversals_vend_id ON reversals (site_id, vend_id);
CREATE UNIQUE INDEX reversals_receipt_number ON reversals (site_id, receipt_number);
CREATE INDEX reversals_by_account ON reversals (site_id, account_id, created_at);

-- Append-only guard.
CREATE TRIGGER reversals_append_only BEFORE UPDATE OR DELETE ON reversals
    FOR EACH ROW EXECUTE FUNCTION refuse_change();
