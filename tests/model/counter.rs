//! What the counter and the office do with an account's money, beside what the model says of it.

use domain::{ledger::Tender, money::Money};
use rand::RngExt;
use wattgate::operations::{
    debts::{self, NewDebt, WriteOffDebt},
    refund::{RefundMoney, refund},
    reverse_vend::{ReverseVend, reverse},
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
        let recovered = self.books.accounts[account].debt.recovers(amount, available, today);
        self.note(format!("account {account}: vend {amount}, of which {recovered} for its debt"));
        assert_eq!(receipt.debt_recovered.get(), recovered);
        self.books.accounts[account].money += amount - recovered;
        self.sold.push(Sold { account, id: receipt.vend_id, amount, recovered, on: today, reversed: false });
    }

    pub async fn reverse(&mut self) {
        if self.sold.is_empty() {
            return;
        }
        let nth = self.random.random_range(0..self.sold.len());
        let Sold { account, id, amount, recovered, on, reversed } = self.sold[nth];
        let how = ReverseVend { terminal: "till-1".to_owned(), reason: Some("typed wrong".to_owned()) };
        let key = self.key();
        let undone = reverse(&self.app, id, how.clone(), &key, (BY, false)).await;
        let expected = match (reversed, self.is_active(account)) {
            (true, _) => "already_reversed",
            (false, false) => "account_not_active",
            (false, true) => "done",
        };
        assert_eq!(word(&undone), expected);
        if expected == "done" {
            assert!(reverse(&self.app, id, how, &key, (BY, false)).await.unwrap().1);
            self.note(format!("account {account}: reversal of {amount}"));
            self.sold[nth].reversed = true;
            self.books.accounts[account].money -= amount - recovered;
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
