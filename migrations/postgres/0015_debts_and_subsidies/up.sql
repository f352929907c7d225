-- Debts (旧欠), emergency credit and subsidies. From now on transactions have the kinds debt, debt_recovery and subsidy as well.
-- Money is in minor units.

-- Debts: what is owed apart from the balance, recovered by a share of each vend.
ALTER TABLE accounts ADD COLUMN debt bigint NOT NULL DEFAULT 0; -- what is owed apart from the balance

-- Emergency credit (应急额度): a limit, never a posting.
ALTER TABLE accounts ADD COLUMN emergency_credit bigint NOT NULL DEFAULT 0; -- how much may be used once per episode; 0: none
ALTER TABLE accounts ADD COLUMN episode_emergency text; -- granted | drawn | used in the present episode; none: not asked for

CREATE TABLE debt_lines (
    site_id bigint NOT NULL,
    id bigint NOT NULL,
    account_id bigint NOT NULL,
    transaction_id bigint NOT NULL, -- what posted it
    change text NOT NULL, -- entered | recovered | restored | settled | written_off
    amount bigint NOT NULL CHECK (amount > 0),
    owed_after bigint NOT NULL CHECK (owed_after >= 0),
    share_ppm bigint, -- millionths of the rest of each vend that recover it; only where entered
    weekly_cap bigint, -- most that a local week's vends recover; none: no such limit
    vend_id bigint, -- the vend that recovered it, or whose reversal restored it
    reason text, -- why, where somebody said so
    operator_key text NOT NULL, -- prefix of the API key that asked
    created_at timestamptz NOT NULL,
    PRIMARY KEY (site_id, id),
    FOREIGN KEY (site_id, account_id) REFERENCES accounts (site_id, id),
    FOREIGN KEY (site_id, transaction_id) REFERENCES transactions (site_id, id)
);
CREATE UNIQUE INDEX debt_lines_vend_id_change ON debt_lines (site_id, vend_id, change);
CREATE INDEX debt_lines_by_account ON debt_lines (site_id, account_id, id);

-- Append-only guard.
CREATE TRIGGER debt_lines_append_only BEFORE UPDATE OR DELETE ON debt_lines
    FOR EACH ROW EXECUTE FUNCTION refuse_change();

-- Subsidies (补贴) to many accounts at once.
CREATE TABLE batch_credits (
    site_id bigint NOT NULL,
    id bigint NOT NULL,
    currency text NOT NULL, -- ISO 4217
    reason text NOT NULL, -- who gives it, and why
    operator_key text NOT NULL, -- prefix of the API key that asked
    created_at timestamptz NOT NULL,
    version bigint NOT NULL, -- grows by one with each transaction that posts lines
    PRIMARY KEY (site_id, id)
);

CREATE TABLE batch_credit_lines (
    site_id bigint NOT NULL,
    batch_id bigint NOT NULL,
    line bigint NOT NULL, -- its place in the batch, from 1
    account_id bigint NOT NULL,
    amount bigint NOT NULL CHECK (amount > 0),
    state text NOT NULL, -- waiting | posted | refused
    transaction_id bigint, -- what posted it
    detail text, -- why it was refused
    PRIMARY KEY (site_id, batch_id, line),
    FOREIGN KEY (site_id, batch_id) REFERENCES batch_credits (site_id, id),
    FOREIGN KEY (site_id, account_id) REFERENCES accounts (site_id, id)
);
