//! Debts: entered, recovered by a share of vends, restored by reversals, settled or written off at the end.

use domain::{debt::Change, ids::VendId, ledger::TransactionKind, money::Money, reading::Kind};
use wattgate::operations::{
    Error,
    close_account::{CloseAccount, FinalReading},
    debts::{self, DebtLine, NewDebt, WriteOffDebt},
    reverse_vend::{Reversal, ReverseVend, reverse},
    transfer_account::{TransferAccount, transfer},
};

use super::{
    account_life::{closing, code},
    settlement::{CREDIT, kwh},
};
use crate::support::{Database, Home, flat, on_both};

on_both!(
    a_share_of_each_vend_recovers_a_debt_up_to_the_cap_of_its_week,
    what_supply_needs_is_not_taken_for_a_debt,
    an_account_that_ends_settles_its_debt_or_it_is_written_off,
    a_debt_stays_behind_when_an_account_is_transferred,
    a_key_of_a_write_off_that_is_the_accounts_own_number_stands_in_no_closings_way,
);

impl Home {
    async fn owes(&self, amount: i64, share_ppm: u32, weekly_cap: Option<i64>, key: &str) -> Result<DebtLine, Error> {
        let new = NewDebt {
            amount: Money::new(amount),
            currency: "CNY".to_owned(),
            reason: "unpaid bills of 2025".to_owned(),
            share_ppm: Some(share_ppm),
            weekly_cap: weekly_cap.map(Money::new),
        };
        debts::enter(&self.app, self.account, new, key, "tests").await.map(|(line, _)| line)
    }

    /// Sells, and tells what was recovered and is left of the debt.
    async fn recovers(&self, amount: i64, key: &str) -> (i64, i64) {
        let before = self.used().await.0;
        let receipt = self.sell(amount, key).await.unwrap().0;
        assert_eq!(receipt.balance_after, receipt.balance_before + receipt.amount - receipt.debt_recovered);
        assert_eq!(self.used().await.0, before - amount + receipt.debt_recovered.get());
        (receipt.debt_recovered.get(), receipt.debt_left.get())
    }

    async fn reverses(&self, vend: VendId, key: &str) -> Result<Reversal, Error> {
        let how = ReverseVend { terminal: "till-1".to_owned(), reason: None };
        reverse(&self.app, vend, how, key, "tests").await.map(|(receipt, _)| receipt)
    }

    async fn debt(&self) -> i64 {
        let account = self.account;
        self.app.db.read(move |conn| store::account::by_id(conn, account)).await.unwrap().debt.get()
    }

    async fn changes(&self) -> Vec<(Change, i64)> {
        let account = self.account;
        let lines = self.app.db.read(move |conn| store::debt_line::of_account(conn, account)).await.unwrap();
        lines.iter().map(|line| (line.change, line.amount.get())).collect()
    }
}

async fn a_share_of_each_vend_recovers_a_debt_up_to_the_cap_of_its_week(database: Database) {
    let home = Home::priced(&database, flat("1")).await;
    let entered = home.owes(10_000, 200_000, Some(1_500), "debt-1").await.unwrap();
    assert_eq!((entered.change, entered.owed_after, home.used().await), (Change::Entered, Money::new(10_000), (0, 0)));
    assert_eq!(home.owes(10_000, 200_000, Some(1_500), "debt-1").await.unwrap(), entered, "once");

    let first = home.sell(5_000, "vend-1").await.unwrap().0;
    assert_eq!((first.debt_recovered, first.debt_left), (Money::new(1_000), Money::new(9_000)));
    assert_eq!(home.sell(5_000, "vend-1").await.unwrap(), (first.clone(), true));
    assert_eq!(home.recovers(5_000, "vend-2").await, (500, 8_500), "the cap of the week");
    assert_eq!(home.recovers(5_000, "vend-3").await, (0, 8_500));
    let used = home.used().await.0;

    let reversed = home.reverses(first.vend_id, "back-1").await.unwrap();
    assert_eq!((reversed.amount, reversed.debt_restored), (Money::new(5_000), Money::new(1_000)));
    assert_eq!((home.debt().await, home.used().await.0), (9_500, used + 4_000), "what went to the balance leaves it");
    assert_eq!(code(home.reverses(first.vend_id, "back-2").await), "already_reversed");
    assert_eq!(home.recovers(1_000, "vend-4").await, (200, 9_300), "what was restored is free in the week's cap");

    home.at("10 23:59");
    assert_eq!(home.recovers(10_000, "vend-5").await, (800, 8_500), "Sunday");
    home.at("11 00:00");
    assert_eq!(home.recovers(10_000, "vend-6").await, (1_500, 7_000), "the Monday after");
    home.owes(1_000, 1_000_000, None, "debt-2").await.unwrap();
    assert_eq!(home.recovers(9_000, "vend-7").await, (8_000, 0), "the newest terms hold for all of it");
    assert_eq!(home.recovers(9_000, "vend-8").await, (0, 0));
    let changes = home.changes().await;
    assert_eq!(changes[1..4], [(Change::Recovered, 1_000), (Change::Recovered, 500), (Change::Restored, 1_000)]);
    home.closed().await;
}

async fn what_supply_needs_is_not_taken_for_a_debt(database: Database) {
    let home = Home::priced(&database, flat("1")).await;
    home.owes(5_000, 200_000, None, "debt-1").await.unwrap();
    home.at("08 08:00");
    home.arrives(&[home.reading(Kind::Instant, "08 08:00", "2010")]).await;
    let (posted, accrued) = home.used().await;
    assert_eq!(posted + accrued, CREDIT + 1_000, "10 yuan below zero");
    assert_eq!(home.recovers(600, "vend-1").await, (0, 5_000));
    let receipt = home.sell(901, "vend-2").await.unwrap().0;
    assert_eq!((receipt.debt_recovered, receipt.available_after), (Money::new(100), Money::new(401)), "401 came first");
    assert!(receipt.restores);

    let off = WriteOffDebt { amount: Some(Money::new(4_901)), reason: "hardship".to_owned() };
    let write_off = async |off: WriteOffDebt, key: &str| {
        debts::write_off(&home.app, home.account, off, key, "tests").await.map(|(line, _)| line.owed_after.get())
    };
    assert_eq!(code(write_off(off.clone(), "off-1").await), "above_debt");
    let part = WriteOffDebt { amount: Some(Money::new(900)), ..off };
    assert_eq!(write_off(part.clone(), "off-1").await.unwrap(), 4_000);
    assert_eq!(write_off(part.clone(), "off-1").await.unwrap(), 4_000, "once");
    assert_eq!(write_off(WriteOffDebt { amount: None, ..part.clone() }, "off-2").await.unwrap(), 0);
    assert_eq!(code(write_off(WriteOffDebt { amount: None, ..part }, "off-3").await), "above_debt");
    assert_eq!(home.debt().await, 0);
    home.closed().await;
}

async fn an_account_that_ends_settles_its_debt_or_it_is_written_off(database: Database) {
    let home = Home::priced(&database, flat("1")).await;
    home.owes(CREDIT, 200_000, None, "debt-1").await.unwrap();
    home.at("05 08:00");
    let owes = closing(&home, "1010");
    assert_eq!(code(home.closes(owes.clone(), "close-1").await), "account_owes");
    assert_eq!((home.debt().await, home.used().await), (CREDIT, (0, 0)), "nothing has changed");
    let closed = home.closes(CloseAccount { write_off: true, ..owes }, "close-1").await.unwrap();
    let left = CREDIT - 1_000;
    assert_eq!(
        (closed.balance, closed.debt_settled, closed.debt_written_off),
        (Money::new(left), Money::new(left), Money::new(1_000))
    );
    assert_eq!((closed.refund, closed.written_off, home.debt().await), (None, Money::ZERO, 0));
    let account = home.account;
    let rows = home.app.db.read(move |conn| store::transaction::of_account(conn, account, 0, 9)).await.unwrap();
    let kinds: Vec<TransactionKind> = rows.iter().rev().take(2).map(|row| row.kind).collect();
    assert_eq!(kinds, [TransactionKind::WriteOff, TransactionKind::DebtRecovery]);
    home.closed().await;
}

async fn a_debt_stays_behind_when_an_account_is_transferred(database: Database) {
    let mut home = Home::priced(&database, flat("1")).await;
    home.owes(3_000, 200_000, None, "debt-1").await.unwrap();
    home.at("05 08:00");
    let to = TransferAccount {
        customer_id: home.customer("Wu").await,
        number: None,
        final_readings: vec![FinalReading {
            meter_id: home.meter,
            total: kwh("1010"),
            registers: Default::default(),
            confirmed: false,
        }],
        reason: "sold the flat".to_owned(),
        write_off: false,
        pay_out: None,
    };
    let done = transfer(&home.app, home.account, to, "pass-1", "tests").await.unwrap();
    assert_eq!((done.debt_settled, done.balance), (Money::new(3_000), Money::new(CREDIT - 4_000)));
    assert_eq!(home.debt().await, 0);
    home.account = done.new_account_id;
    assert_eq!((home.debt().await, home.used().await), (0, (4_000, 0)));
    assert_eq!(home.recovers(1_000, "vend-1").await, (0, 0), "the next customer owes nothing");
    home.at("05 09:00");
    let more = CREDIT * 2;
    home.owes(more, 200_000, None, "debt-2").await.unwrap();
    let back = TransferAccount {
        customer_id: home.customer("Sun").await,
        number: None,
        final_readings: vec![FinalReading {
            meter_id: home.meter,
            total: kwh("1010"),
            registers: Default::default(),
            confirmed: false,
        }],
        reason: "sold again".to_owned(),
        write_off: false,
        pay_out: None,
    };
    assert_eq!(code(transfer(&home.app, home.account, back.clone(), "pass-2", "tests").await), "account_owes");
    let back = TransferAccount { write_off: true, ..back };
    let done = transfer(&home.app, home.account, back, "pass-3", "tests").await.unwrap();
    assert_eq!((done.balance, done.debt_settled + done.debt_written_off), (Money::ZERO, Money::new(more)));
    home.closed().await;
}

async fn a_key_of_a_write_off_that_is_the_accounts_own_number_stands_in_no_closings_way(database: Database) {
    let home = Home::priced(&database, flat("1")).await;
    home.owes(1_000, 200_000, None, "debt-1").await.unwrap();
    let part = WriteOffDebt { amount: Some(Money::new(400)), reason: "hardship".to_owned() };
    debts::write_off(&home.app, home.account, part, &home.account.to_string(), "tests").await.unwrap();
    home.owes(CREDIT, 200_000, None, "debt-2").await.unwrap();
    home.at("04 12:00");
    let closed = home.closes(CloseAccount { write_off: true, ..closing(&home, "1001") }, "close-1").await.unwrap();
    assert_eq!(closed.debt_written_off.get(), 600 + 100);
    home.closed().await;
}
