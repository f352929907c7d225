-- Debts (旧欠), emergency credit and subsidies. From now on transactions have the kinds debt, debt_recovery and subsidy as well.
-- Money is in minor units.

-- Debts: what is owed apart from the balance, recovered by a share of each vend.
ALTER TABLE accounts ADD COLUMN debt INTEGER NOT NULL DEFAULT 0; -- what is owed apart from the balance

-- Emergency credit (应急额度): a limit, never a posting.
ALTER TABLE accounts ADD COLUMN emergency_credit INTEGER NOT NULL DEFAULT 0; -- how much may be used once per episode; 0: none
ALTER TABLE accounts ADD COLUMN episode_emergency TEXT; -- granted | drawn | used in the present episode; none: not asked for

CREATE TABLE debt_lines (
    site_id INTEGER NOT NULL,
    id INTEGER NOT NULL,
    account_id INTEGER NOT NULL,
    transaction_id INTEGER NOT NULL, -- what posted it
    change TEXT NOT NULL, -- entered | recovered | restored | settled | written_off
    amount INTEGER NOT NULL CHECK (amount > 0),
    owed_after INTEGER NOT NULL CHECK (owed_after >= 0),
    share_ppm INTEGER, -- millionths of the rest of each vend that recover it; only where entered
    weekly_cap INTEGER, -- most that a local week's vends recover; none: no such limit
    vend_id INTEGER, -- the vend that recovered it, or whose reversal restored it
    reason TEXT, -- why, where somebody said so
    operator_key TEXT NOT NULL, -- prefix of the API key that asked
    created_at INTEGER NOT NULL,
    PRIMARY KEY (site_id, id),
    FOREIGN KEY (site_id, account_id) REFERENCES accounts (site_id, id),
    FOREIGN KEY (site_id, transaction_id) REFERENCES transactions (site_id, id)
) STRICT, WITHOUT ROWID;
CREATE UNIQUE INDEX debt_lines_vend_id_change ON debt_lines (site_id, vend_id, change);
CREATE INDEX debt_lines_by_account ON debt_lines (site_id, account_id, id);

-- Append-only guard.
CREATE TRIGGER debt_lines_refuse_update BEFORE UPDATE ON debt_lines
    BEGIN SELECT RAISE(ABORT, 'debt_lines is append-only'); END;
CREATE TRIGGER debt_lines_refuse_delete BEFORE DELETE ON debt_lines
    BEGIN SELECT RAISE(ABORT, 'debt_lines is append-only'); END;

-- Subsidies (补贴) to many accounts at once.
CREATE TABLE batch_credits (
    site_id INTEGER NOT NULL,
    id INTEGER NOT NULL,
    currency TEXT NOT NULL, -- ISO 4217
    reason TEXT NOT NULL, -- who gives it, and why
    operator_key TEXT NOT NULL, -- prefix of the API key that asked
    created_at INTEGER NOT NULL,
    version INTEGER NOT NULL, -- grows by one with each transaction that posts lines
    PRIMARY KEY (site_id, id)
) STRICT, WITHOUT ROWID;

CREATE TABLE batch_credit_lines (
    site_id INTEGER NOT NULL,
    batch_id INTEGER NOT NULL,
    line INTEGER NOT NULL, -- its place in the batch, from 1
    account_id INTEGER NOT NULL,
    amount INTEGER NOT NULL CHECK (amount > 0),
    state TEXT NOT NULL, -- waiting | posted | refused
    transaction_id INTEGER, -- what posted it
    detail TEXT, -- why it was refused
    PRIMARY KEY (site_id, batch_id, line),
    FOREIGN KEY (site_id, batch_id) REFERENCES batch_credits (site_id, id),
    FOREIGN KEY (site_id, account_id) REFERENCES accounts (site_id, id)
) STRICT, WITHOUT ROWID;
