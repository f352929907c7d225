//! The end of an account: closed with its last reading and refunded, or transferred to another customer; and the pause in
//! between. Days pass by a clock that is set by hand; the operations and the databases are the real ones.

use domain::{
    account::State,
    ids::{AccountId, CustomerId},
    ledger::{Tender, TransactionKind},
    money::Money,
    reading::Kind,
    relay::{Action, Cause, Causes},
    tariff::{Every, FixedCharge},
};
use store::alarm::Alarm;
use wattgate::{
    jobs,
    operations::{
        Error,
        close_account::{CloseAccount, Closing, FinalReading, close},
        guard,
        open_account::{self, OpenAccount},
        refund::{self, RefundMoney},
        register::{self, NewAccount, NewCustomer},
        suspend_account,
        tariffs::NewTariff,
        transfer_account::{PayOut, TransferAccount, transfer},
        vend::{self, Vend},
    },
};

use super::settlement::{CREDIT, kwh};
use crate::support::{Database, Home, Terms, by_blocks, flat, on_both};

on_both!(
    an_account_closes_with_its_last_reading_and_what_is_left_is_paid_out,
    an_account_that_owes_is_not_closed_unless_it_is_written_off,
    what_comes_after_the_closing_costs_nothing_and_is_told,
    a_meter_that_is_read_for_nobody_is_told_once_until_it_counts_for_somebody_again,
    a_closed_meter_is_cut_if_asked_and_the_next_account_restores_it,
    another_customer_goes_on_with_the_meter_and_the_balance,
    a_transfer_pays_the_balance_out_where_that_is_asked_for,
    a_suspended_account_pays_for_energy_and_nothing_else_happens_to_it,
    money_is_refunded_up_to_what_is_available,
);

/// 1 CNY per kWh, 0.10 a day and 3.10 a month; opened on 4 May at 8 o'clock with 1000 kWh, when 28 of 31 days are left: 2.80.
async fn opened(database: &Database) -> Home {
    let charge = |name: &str, every, amount| FixedCharge { name: name.to_owned(), every, amount: Money::new(amount) };
    let fixed = vec![charge("meter", Every::Day, 10), charge("service", Every::Month, 310)];
    let tariff = NewTariff { fixed_charges: Some(fixed), ..by_blocks(flat("1")) };
    let (time_zone, register) = ("Asia/Shanghai", kwh("1000"));
    let terms = Terms { nth: 1, time_zone, tariff, multiplier: 1, register, credit: CREDIT };
    Home::start(database, "2026-05-04T08:00:00+08:00".parse().unwrap(), terms).await
}

/// Two days on: 10 kWh each day and 2 kWh on the third, which began with its fixed charges.
async fn two_days_later(home: &Home) {
    for (now, total) in [("05 00:10", "1010"), ("06 00:10", "1020")] {
        home.at(now);
        let midnight = format!("{} 00:00", &now[..2]);
        home.arrives(&[home.reading(Kind::DailyFreeze, &midnight, total)]).await;
        jobs::charge_fixed(&home.app).await.unwrap();
    }
    assert_eq!(home.used().await, (2000 + 280 + 30, 0));
    home.at("06 09:00");
}

pub(super) fn closing(home: &Home, total: &str) -> CloseAccount {
    CloseAccount {
        final_readings: vec![FinalReading {
            meter_id: home.meter,
            total: kwh(total),
            registers: Default::default(),
            confirmed: false,
        }],
        reason: "moved out".to_owned(),
        tender: Tender::Cash,
        terminal: "till-1".to_owned(),
        write_off: false,
        disconnect: false,
    }
}

impl Home {
    pub(super) async fn closes(&self, how: CloseAccount, key: &str) -> Result<Closing, Error> {
        close(&self.app, self.account, how, key, "tests").await
    }

    /// What becomes of a closing that names a meter twice, and of a transfer to who has the account.
    async fn refuses_what_is_named_twice(&self) {
        let mut twice = closing(self, "1001");
        twice.final_readings.extend(twice.final_readings.clone());
        let refused = self.closes(twice, "close-twice").await.unwrap_err();
        assert!(matches!(refused, Error::Refused { code: "meter", .. }), "{refused:?}");
        let account = self.account;
        let row = self.app.db.read(move |conn| store::account::by_id(conn, account)).await.unwrap();
        let same = TransferAccount {
            customer_id: row.customer_id,
            number: None,
            final_readings: closing(self, "1001").final_readings,
            reason: "sold".to_owned(),
            write_off: false,
            pay_out: None,
        };
        assert_eq!(code(transfer(&self.app, account, same, "transfer-same", "tests").await), "same_customer");
    }

    async fn state(&self) -> State {
        let account = self.account;
        self.app.db.read(move |conn| store::account::by_id(conn, account)).await.unwrap().state
    }

    /// The alarms of a kind, the newest first.
    pub(super) async fn all_alarms(&self, kind: &'static str) -> Vec<Alarm> {
        let site = self.account.site();
        let all = self.app.db.read(move |conn| store::alarm::page(conn, site, false, None, 99)).await.unwrap();
        all.into_iter().filter(|alarm| alarm.kind == kind).collect()
    }

    /// How many alarms of a kind stand.
    pub(super) async fn alarms(&self, kind: &'static str) -> usize {
        self.all_alarms(kind).await.iter().filter(|alarm| alarm.cleared_at.is_none()).count()
    }

    /// The meter begins to count for another account, of somebody new.
    async fn opens_again(&self, total: &str, key: &str) -> AccountId {
        let (old, customer_id) = (self.account, self.customer("Wu").await);
        let tariff_id = self.app.db.read(move |conn| store::account::by_id(conn, old)).await.unwrap().tariff_id;
        let new = NewAccount { customer_id, tariff_id, number: None };
        let account = register::account(&self.app, new).await.unwrap().id;
        let opening = OpenAccount {
            meter_id: self.meter,
            multiplier: None,
            initial_reading: Some(kwh(total)),
            initial_registers: Default::default(),
            reason: Some("read on site".to_owned()),
            opening_credit: Some(Money::new(CREDIT)),
            opening_debt: None,
            confirmed: false,
            relay_waiver: None,
        };
        open_account::open(&self.app, account, opening, key, "tests").await.unwrap();
        account
    }

    async fn causes(&self) -> Causes {
        let meter = self.meter;
        self.app.db.read(move |conn| store::meter::causes(conn, meter)).await.unwrap()
    }

    pub(super) async fn sell(&self, amount: i64, key: &str) -> Result<(vend::Receipt, bool), Error> {
        let vend = Vend {
            account_id: self.account,
            amount: Money::new(amount),
            currency: "CNY".to_owned(),
            tender: Tender::Cash,
            terminal: "till-1".to_owned(),
        };
        vend::vend(&self.app, vend, key, "tests").await
    }

    pub(super) async fn customer(&self, name: &str) -> CustomerId {
        let new = NewCustomer { site_id: self.account.site(), name: name.to_owned(), phone: None, language: None };
        register::customer(&self.app, new).await.unwrap().id
    }
}

fn back(home: &Home, amount: i64) -> RefundMoney {
    RefundMoney {
        account_id: home.account,
        amount: Money::new(amount),
        currency: "CNY".to_owned(),
        tender: Tender::Bank,
        terminal: "till-1".to_owned(),
        reason: "paid too much".to_owned(),
    }
}

pub(super) fn code<T: std::fmt::Debug>(result: Result<T, Error>) -> &'static str {
    match result.unwrap_err() {
        Error::Refused { code, .. } | Error::Conflict { code, .. } => code,
        other => panic!("{other:?}"),
    }
}

async fn an_account_closes_with_its_last_reading_and_what_is_left_is_paid_out(database: Database) {
    let home = opened(&database).await;
    two_days_later(&home).await;
    home.refuses_what_is_named_twice().await;
    let closed = home.closes(closing(&home, "1022"), "close-1").await.unwrap();
    // 22 kWh; two days of 0.10; and 2 of 31 days of the month, from the 4th on: floor(310 x 5/31) - floor(310 x 3/31) = 20.
    let left = CREDIT - 2200 - 20 - 20;
    assert_eq!((closed.balance, closed.written_off), (Money::new(left), Money::ZERO));
    let receipt = closed.refund.clone().unwrap();
    assert_eq!((receipt.amount, receipt.balance_after), (Money::new(left), Money::ZERO));
    assert_eq!(receipt.receipt_number, "till-1-1");
    assert_eq!(receipt.heading.map(|heading| heading.meters.len()), Some(1));
    assert_eq!(closed.meters[0].final_reading, kwh("1022"));
    assert_eq!(home.state().await, State::Closed);
    assert_eq!(home.used().await, (CREDIT, 0), "nothing is left");

    assert_eq!(home.closes(closing(&home, "1022"), "close-1").await.unwrap(), closed, "the same statement");
    assert_eq!(code(home.closes(closing(&home, "1023"), "close-1").await), "idempotency_key_reused");
    assert_eq!(code(home.closes(closing(&home, "1022"), "close-2").await), "account_not_active");
    assert_eq!(code(home.sell(1000, "vend-1").await), "account_not_active");
    let site = home.account.site();
    let lines = home.app.db.read(move |conn| store::audit_line::page(conn, site, None, 9)).await.unwrap();
    assert_eq!(
        (lines[0].verb.as_str(), lines[0].object.clone()),
        ("close_account", format!("account:{}", home.account))
    );
    home.closed().await;
}

async fn an_account_that_owes_is_not_closed_unless_it_is_written_off(database: Database) {
    let home = opened(&database).await;
    home.at("06 09:00");
    let owes = closing(&home, "2100");
    // 1100 kWh, two days and 20 of the month: 40 fen and 100 yuan more than it has.
    assert_eq!(code(home.closes(owes.clone(), "close-1").await), "account_owes");
    assert_eq!(home.state().await, State::Active);
    assert_eq!(home.used().await, (280 + 10, 0), "nothing changed");
    let closed = home.closes(CloseAccount { write_off: true, ..owes }, "close-1").await.unwrap();
    assert_eq!((closed.balance, closed.written_off, closed.refund), (Money::new(-10_040), Money::new(10_040), None));
    home.closed().await;
}

async fn what_comes_after_the_closing_costs_nothing_and_is_told(database: Database) {
    let home = opened(&database).await;
    home.at("05 00:10");
    home.arrives(&[home.reading(Kind::DailyFreeze, "05 00:00", "1010")]).await;
    home.at("06 09:00");
    let closed = home.closes(closing(&home, "1022"), "close-1").await.unwrap();
    assert_eq!(home.alarms("reading_after_closing").await, 0);
    // The midnight in between was interpolated; what it truly was would move the energy to another day.
    home.at("06 12:00");
    home.arrives(&[home.reading(Kind::DailyFreeze, "06 00:00", "1020")]).await;
    assert_eq!(home.alarms("reading_after_closing").await, 1);
    home.arrives(&[home.reading(Kind::Instant, "06 12:00", "1030")]).await;
    jobs::settle_open(&home.app).await.unwrap();
    assert_eq!(jobs::charge_fixed(&home.app).await.unwrap(), 0);
    assert_eq!(home.used().await, (CREDIT, 0));
    assert_eq!(home.closes(closing(&home, "1022"), "close-1").await.unwrap(), closed);
    home.closed().await;
}

async fn a_meter_that_is_read_for_nobody_is_told_once_until_it_counts_for_somebody_again(database: Database) {
    let mut home = opened(&database).await;
    home.at("05 08:00");
    home.closes(closing(&home, "1010"), "close-1").await.unwrap();
    home.arrives(&[home.reading(Kind::DailyFreeze, "05 00:00", "1009")]).await;
    assert_eq!(home.alarms("read_for_nobody").await, 0, "it counted for the account still");
    for (now, total) in [("05 08:15", "1010"), ("05 08:30", "1011"), ("06 12:00", "1030")] {
        home.at(now);
        home.arrives(&[home.reading(Kind::Instant, now, total)]).await;
        let told = home.all_alarms("read_for_nobody").await;
        assert_eq!(told.len(), 1, "{now}: {told:?}");
        assert_eq!((told[0].count, told[0].cleared_at), (1, None), "the first one is told: {told:?}");
    }
    assert_eq!(home.used().await, (CREDIT, 0), "nobody pays for it");
    home.audited().await;

    home.account = home.opens_again("1030", "open-2").await;
    assert_eq!(home.alarms("read_for_nobody").await, 0);
    home.arrives(&[home.reading(Kind::DailyFreeze, "06 00:00", "1020")]).await;
    assert_eq!(home.alarms("read_for_nobody").await, 0, "it is over");
    home.at("06 13:00");
    home.arrives(&[home.reading(Kind::Instant, "06 13:00", "1031")]).await;
    assert_eq!(home.used().await.1, 100, "what it shows counts from 1030 on");
    home.at("06 14:00");
    home.closes(closing(&home, "1032"), "close-2").await.unwrap();
    home.at("06 14:15");
    home.arrives(&[home.reading(Kind::Instant, "06 14:15", "1032")]).await;
    let told = home.all_alarms("read_for_nobody").await;
    assert_eq!((told.len(), told[0].cleared_at), (2, None), "another time: {told:?}");
    home.closed().await;
}

async fn a_closed_meter_is_cut_if_asked_and_the_next_account_restores_it(database: Database) {
    let mut home = opened(&database).await;
    home.at("04 12:00");
    guard::set(&home.app, guard::Target::Account(home.account), true, Some("clinic".to_owned()), "operator")
        .await
        .unwrap();
    let cut = CloseAccount { disconnect: true, ..closing(&home, "1001") };
    assert_eq!(code(home.closes(cut.clone(), "close-1").await), "supply_guard");
    guard::set(&home.app, guard::Target::Account(home.account), false, None, "operator").await.unwrap();
    home.closes(cut, "close-1").await.unwrap();
    assert_eq!(home.causes().await, Causes::none().with(Cause::AccountClosed));
    let meter = home.meter;
    let live = home.app.db.read(move |conn| store::relay_order::live_of(conn, meter)).await.unwrap().unwrap();
    assert_eq!((live.action, live.cause), (Action::Disconnect, Cause::AccountClosed));

    home.at("05 08:00");
    home.account = home.opens_again("1001", "open-2").await;
    assert_eq!(home.causes().await, Causes::none());
    let live = home.app.db.read(move |conn| store::relay_order::live_of(conn, meter)).await.unwrap();
    assert!(live.is_none_or(|order| order.action == Action::Reconnect), "the cut is not wanted any more");
    home.closed().await;
}

async fn another_customer_goes_on_with_the_meter_and_the_balance(database: Database) {
    let mut home = opened(&database).await;
    two_days_later(&home).await;
    let to = TransferAccount {
        customer_id: home.customer("Wu").await,
        number: Some("W-1".to_owned()),
        final_readings: vec![FinalReading {
            meter_id: home.meter,
            total: kwh("1022"),
            registers: Default::default(),
            confirmed: false,
        }],
        reason: "sold the flat".to_owned(),
        write_off: false,
        pay_out: None,
    };
    let done = transfer(&home.app, home.account, to.clone(), "pass-1", "tests").await.unwrap();
    let left = CREDIT - 2200 - 20 - 20;
    assert_eq!((done.balance, done.new_account_number.as_str()), (Money::new(left), "W-1"));
    assert_eq!(transfer(&home.app, home.account, to.clone(), "pass-1", "tests").await.unwrap(), done);
    assert_eq!(code(transfer(&home.app, home.account, to, "pass-2", "tests").await), "account_not_active");
    assert_eq!((home.state().await, home.used().await), (State::Closed, (CREDIT, 0)));

    home.account = done.new_account_id;
    // The 6th is the new one's: its day, and 26 of 31 days of the month.
    assert_eq!(home.used().await, (CREDIT - left + 10 + 260, 0));
    home.at("07 00:10");
    home.arrives(&[home.reading(Kind::DailyFreeze, "07 00:00", "1030")]).await;
    assert_eq!(home.used().await, (CREDIT - left + 10 + 260 + 800, 0), "8 kWh since");
    let account = home.account;
    let rows = home.app.db.read(move |conn| store::transaction::of_account(conn, account, 0, 9)).await.unwrap();
    assert_eq!(rows[0].kind, TransactionKind::Transfer);
    home.sell(1000, "vend-1").await.unwrap();
    home.closed().await;
}

async fn a_transfer_pays_the_balance_out_where_that_is_asked_for(database: Database) {
    let mut home = opened(&database).await;
    two_days_later(&home).await;
    let shows = |total: &str, confirmed| {
        vec![FinalReading { meter_id: home.meter, total: kwh(total), registers: Default::default(), confirmed }]
    };
    let out = |terminal: &str| Some(PayOut { tender: Tender::Bank, terminal: terminal.to_owned() });
    let to = TransferAccount {
        customer_id: home.customer("Wu").await,
        number: None,
        final_readings: shows("1022", false),
        reason: "sold the flat".to_owned(),
        write_off: false,
        pay_out: out("till-1"),
    };
    let pass = async |home: &Home, to: &TransferAccount, key: &str| {
        transfer(&home.app, home.account, to.clone(), key, "tests").await
    };
    assert_eq!(
        code(pass(&home, &TransferAccount { pay_out: out("no till"), ..to.clone() }, "pass-1").await),
        "terminal"
    );
    let owes = TransferAccount { final_readings: shows("2100", true), ..to.clone() };
    assert_eq!(code(pass(&home, &owes, "pass-1").await), "account_owes");
    assert_eq!((home.state().await, home.used().await), (State::Active, (2000 + 280 + 30, 0)), "nothing changed");

    let done = pass(&home, &to, "pass-1").await.unwrap();
    let left = Money::new(CREDIT - 2200 - 20 - 20);
    let refund = done.refund.clone().unwrap();
    assert_eq!((refund.amount, refund.tender, refund.receipt_number.as_str()), (left, Tender::Bank, "till-1-1"));
    assert_eq!((refund.account_id, refund.balance_after, done.balance), (home.account, Money::ZERO, Money::ZERO));
    assert_eq!(pass(&home, &to, "pass-1").await.unwrap(), done, "once");
    let otherwise = TransferAccount { pay_out: None, ..to };
    assert_eq!(code(pass(&home, &otherwise, "pass-1").await), "idempotency_key_reused");
    assert_eq!((home.state().await, home.used().await), (State::Closed, (CREDIT, 0)));
    let old = home.account;
    let rows = home.app.db.read(move |conn| store::transaction::of_account(conn, old, 0, 99)).await.unwrap();
    assert_eq!(rows.iter().filter(|row| row.kind == TransactionKind::Refund).count(), 1);
    home.explained().await;

    home.account = done.new_account_id;
    // The 6th is the new one's: its day, and 26 of 31 days of the month. It begins with nothing.
    assert_eq!(home.used().await, (CREDIT + 10 + 260, 0));
    home.closed().await;
}

async fn a_suspended_account_pays_for_energy_and_nothing_else_happens_to_it(database: Database) {
    let home = opened(&database).await;
    let suspend = async |suspended| suspend_account::set(&home.app, home.account, suspended, "away", "tests").await;
    refund::refund(&home.app, back(&home, 99_000), "back-1", "tests").await.unwrap();
    suspend(true).await.unwrap();
    assert_eq!(home.state().await, State::Suspended);
    assert_eq!(code(home.sell(1000, "vend-1").await), "account_not_active");
    home.at("05 00:10");
    home.arrives(&[home.reading(Kind::DailyFreeze, "05 00:00", "1010")]).await;
    jobs::charge_fixed(&home.app).await.unwrap();
    assert_eq!(home.used().await, (99_000 + 290 + 10 + 1000, 0), "3 yuan more than it had");
    assert_eq!(jobs::decide_due(&home.app).await.unwrap(), 0);
    assert_eq!(home.alarms("would_be_disconnected").await, 0);
    suspend(false).await.unwrap();
    suspend(false).await.unwrap();
    assert_eq!(home.state().await, State::Active);
    home.sell(10_000, "vend-1").await.unwrap();
    home.closed().await;
}

async fn money_is_refunded_up_to_what_is_available(database: Database) {
    let home = opened(&database).await;
    home.at("04 20:00");
    home.arrives(&[home.reading(Kind::Instant, "04 20:00", "1010")]).await;
    let available = CREDIT - 290 - 1000;
    let ask = async |amount, key: &str| refund::refund(&home.app, back(&home, amount), key, "tests").await;
    assert_eq!(code(ask(available + 1, "back-1").await), "above_available");
    assert_eq!(code(ask(0, "back-1").await), "amount_not_positive");
    home.sell(500, "vend-1").await.unwrap();
    let (receipt, repeated) = ask(available, "back-1").await.unwrap();
    assert_eq!(
        (receipt.receipt_number.as_str(), receipt.available_after, repeated),
        ("till-1-2", Money::new(500), false)
    );
    assert_eq!(ask(available, "back-1").await.unwrap(), (receipt, true));
    assert_eq!(code(ask(available - 1, "back-1").await), "idempotency_key_reused");
    assert_eq!(home.used().await, (290 + available - 500, 1000));
    home.closed().await;
}
