//! What the counter and the office do with an account's money, beside what the model says of it.

use domain::{ledger::Tender, money::Money};
use rand::RngExt;
use wattgate::operations::{
    Error,
    adjust::{NewAdjustment, adjust},
    batch_credit::{self, NewBatchCredit, NewLine},
    change_limits::{ChangeLimits, change},
    debts::{self, NewDebt, WriteOffDebt},
    refund::{RefundMoney, refund},
    reverse_vend::{ReverseVend, WithdrawVend, reverse, withdraw},
    subsidize::{NewSubsidy, subsidize},
    vend::{Vend, vend},
};

use super::{
    books::Debt,
    deeds::{BY, word},
    sequence::{Sequence, Sold},
};

impl Sequence {
    pub async fn vend(&mut self) {
        let (account, amount) = (self.some_account(), self.random.random_range(1..30_000));
        let new = Vend {
            account_id: self.accounts[account],
            amount: Money::new(amount),
            currency: "CNY".to_owned(),
            tender: Tender::Cash,
            terminal: "till-1".to_owned(),
        };
        let key = self.key();
        let sold = vend(&self.app, new.clone(), &key, BY).await;
        if !self.is_active(account) {
            assert_eq!(word(&sold), "account_not_active");
            return;
        }
        let (receipt, _) = sold.unwrap();
        assert_eq!(vend(&self.app, new, &key, BY).await.unwrap(), (receipt.clone(), true));
        let (available, today) = (self.books.balance(&self.books.accounts[account], self.now()).1, self.today());
        let limits = (available, self.books.accounts[account].overdraft);
        let recovered = self.books.accounts[account].debt.recovers(amount, limits, today);
        self.note(format!("account {account}: vend {amount}, of which {recovered} for its debt"));
        assert_eq!(receipt.debt_recovered.get(), recovered);
        self.books.accounts[account].money += amount - recovered;
        self.books.cash += amount;
        self.sold.push(Sold { account, id: receipt.vend_id, key, amount, recovered, on: today, reversed: false });
    }

    pub async fn reverse(&mut self) {
        if self.sold.is_empty() {
            return;
        }
        let nth = self.random.random_range(0..self.sold.len());
        let Sold { account, id, key: vend_key, amount, recovered, on, reversed } = self.sold[nth].clone();
        let how = ReverseVend { terminal: "till-1".to_owned(), reason: Some("typed wrong".to_owned()) };
        let what = WithdrawVend {
            account_id: self.accounts[account],
            vend_key,
            terminal: how.terminal.clone(),
            reason: how.reason.clone(),
        };
        let (key, by_key, app) = (self.key(), self.chance(50), self.app.clone());
        let undo = async || match by_key {
            true => withdraw(&app, what.clone(), &key, BY).await.map(|(done, again)| (done.reversal.unwrap(), again)),
            false => reverse(&app, id, how.clone(), &key, BY).await,
        };
        let undone = undo().await;
        let expected = match (reversed, self.is_active(account)) {
            (true, _) => "already_reversed",
            (false, false) => "account_not_active",
            (false, true) => "done",
        };
        assert_eq!(word(&undone), expected);
        if expected == "done" {
            assert!(undo().await.unwrap().1);
            self.note(format!("account {account}: reversal of {amount}"));
            self.sold[nth].reversed = true;
            self.books.accounts[account].money -= amount - recovered;
            self.books.cash -= amount;
            self.books.accounts[account].debt.restore(recovered, on);
        }
    }

    pub async fn refund(&mut self) {
        let (account, amount) = (self.some_account(), self.random.random_range(1..20_000));
        let available = self.books.balance(&self.books.accounts[account], self.now()).1;
        let new = RefundMoney {
            account_id: self.accounts[account],
            amount: Money::new(amount),
            currency: "CNY".to_owned(),
            tender: Tender::Cash,
            terminal: "till-1".to_owned(),
            reason: "paid too much".to_owned(),
        };
        let key = self.key();
        let paid = refund(&self.app, new, &key, BY).await;
        let expected = match self.is_active(account) {
            false => "account_not_active",
            true if amount > available => "above_available",
            true => "done",
        };
        assert_eq!(word(&paid), expected, "{amount} of {available}");
        if expected == "done" {
            self.note(format!("account {account}: refund {amount}"));
            self.books.accounts[account].money -= amount;
            self.books.cash -= amount;
        }
    }

    pub async fn enter_debt(&mut self) {
        let (account, amount) = (self.some_account(), self.random.random_range(1..20_000));
        let (share_ppm, cap) = (self.random.random_range(1..=1_000_000), self.random.random_range(1..5_000));
        let cap = self.chance(50).then_some(cap);
        let new = NewDebt {
            amount: Money::new(amount),
            currency: "CNY".to_owned(),
            reason: "a loan for the meter".to_owned(),
            share_ppm: Some(share_ppm),
            weekly_cap: cap.map(Money::new),
        };
        let key = self.key();
        let entered = debts::enter(&self.app, self.accounts[account], new.clone(), &key, BY).await;
        let open = self.books.accounts[account].closed.is_none();
        assert_eq!(word(&entered), if open { "done" } else { "account_not_active" });
        if open {
            assert!(debts::enter(&self.app, self.accounts[account], new, &key, BY).await.unwrap().1);
            self.note(format!("account {account}: debt {amount}, {share_ppm} ppm, at most {cap:?} a week"));
            let debt = &mut self.books.accounts[account].debt;
            *debt = Debt { owed: debt.owed + amount, share_ppm: share_ppm.into(), cap, weeks: debt.weeks.clone() };
            assert_eq!(entered.unwrap().0.owed_after.get(), debt.owed);
        }
    }

    pub async fn write_off_debt(&mut self) {
        let (account, amount) = (self.some_account(), self.random.random_range(1..10_000));
        let off = WriteOffDebt { amount: Some(Money::new(amount)), reason: "cannot pay".to_owned() };
        let key = self.key();
        let written = debts::write_off(&self.app, self.accounts[account], off, &key, BY).await;
        let account = &mut self.books.accounts[account];
        let expected = match account.closed {
            Some(_) => "account_not_active",
            None if amount > account.debt.owed => "above_debt",
            None => "done",
        };
        assert_eq!(word(&written), expected);
        if expected == "done" {
            account.debt.owed -= amount;
            assert_eq!(written.unwrap().0.owed_after.get(), account.debt.owed);
        }
    }

    /// Terms of a debt that names none.
    pub fn ordinary_debt(&self) -> Debt {
        let terms = self.app.settings.policy.debts.terms;
        Debt { share_ppm: terms.share_ppm.into(), cap: terms.weekly_cap.map(Money::get), ..Debt::none() }
    }

    pub async fn change_overdraft(&mut self) {
        let (account, overdraft) = (self.some_account(), self.random.random_range(0..3_000));
        let to = ChangeLimits {
            alarm_1: None,
            alarm_2: None,
            rearm_margin: None,
            overdraft: Some(Money::new(overdraft)),
            restore_margin: None,
            emergency_credit: None,
            reason: "a hospital".to_owned(),
        };
        let changed = change(&self.app, self.accounts[account], to, None, BY).await;
        let open = self.books.accounts[account].closed.is_none();
        assert_eq!(word(&changed), if open { "done" } else { "account_closed" });
        if open {
            self.note(format!("account {account}: overdraft {overdraft}"));
            self.books.accounts[account].overdraft = overdraft;
        }
    }

    /// All accounts are credited, or none where one of them cannot be.
    pub async fn credit_batch(&mut self) {
        let mut lines = Vec::new();
        for account in 0..self.accounts.len() {
            if self.is_active(account) || self.chance(10) {
                let id = self.accounts[account];
                let row = self.app.db.read(move |conn| store::account::by_id(conn, id)).await.unwrap();
                lines.push((account, row.number, self.random.random_range(1..2_000)));
            }
        }
        let line = |(_, number, amount): &(usize, String, i64)| NewLine {
            account_number: number.clone(),
            amount: Money::new(*amount),
        };
        let batch = NewBatchCredit {
            site_id: self.site,
            currency: "CNY".to_owned(),
            reason: "a cold winter".to_owned(),
            lines: lines.iter().map(line).collect(),
        };
        let (key, good) = (self.key(), lines.iter().all(|(account, ..)| self.is_active(*account)));
        match batch_credit::credit(&self.app, batch.clone(), &key, BY).await {
            Ok(_) => assert!(good && !lines.is_empty()),
            Err(Error::Many { .. }) => assert!(!good),
            Err(_) => assert!(lines.is_empty()),
        }
        if good && !lines.is_empty() {
            assert!(batch_credit::credit(&self.app, batch, &key, BY).await.unwrap().1);
            self.note(format!("a batch of {lines:?}"));
            lines.iter().for_each(|(account, _, amount)| self.books.accounts[*account].money += amount);
        }
    }

    pub async fn adjust(&mut self) {
        let (account, amount) = (self.some_account(), self.random.random_range(1..5_000));
        let amount = if self.random.random_bool(0.5) { amount } else { -amount };
        let new =
            NewAdjustment { amount: Money::new(amount), currency: "CNY".to_owned(), reason: "a wrong bill".to_owned() };
        let key = self.key();
        let put_right = adjust(&self.app, self.accounts[account], new.clone(), &key, BY).await;
        let active = self.is_active(account);
        assert_eq!(word(&put_right), if active { "done" } else { "account_not_active" });
        if active {
            assert!(adjust(&self.app, self.accounts[account], new, &key, BY).await.unwrap().1);
            self.note(format!("account {account}: adjusted by {amount}"));
            self.books.accounts[account].money += amount;
        }
    }

    pub async fn subsidize(&mut self) {
        let (account, amount) = (self.some_account(), self.random.random_range(1..5_000));
        let new =
            NewSubsidy { amount: Money::new(amount), currency: "CNY".to_owned(), reason: "a cold winter".to_owned() };
        let key = self.key();
        let given = subsidize(&self.app, self.accounts[account], new.clone(), &key, BY).await;
        let active = self.is_active(account);
        assert_eq!(word(&given), if active { "done" } else { "account_not_active" });
        if active {
            assert!(subsidize(&self.app, self.accounts[account], new, &key, BY).await.unwrap().1);
            self.note(format!("account {account}: subsidy {amount}"));
            self.books.accounts[account].money += amount;
        }
    }
}
