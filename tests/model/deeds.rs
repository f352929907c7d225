//! What people do in a sequence; what the counter does stands in `counter`. Each deed is asked of the program and written into the model; what the model says is refused
//! must be refused, and the same key asked twice must do it once.

use domain::{
    energy::Energy,
    ids::MeterId,
    ledger::Tender,
    money::Money,
    reading::{Kind, Quality},
};
use jiff::{SignedDuration, ToSpan, civil::Date};
use rand::RngExt;
use wattgate::operations::{
    Error,
    attach_meter::{AttachMeter, attach},
    change_tariff::{ChangeTariff, change},
    close_account::{CloseAccount, FinalReading, close},
    judge_reading::{self, Finding},
    open_account::{OpenAccount, open},
    register::{self, NewAccount, NewCustomer},
    remove_meter::{RemoveMeter, remove},
    replace_meter::{ReplaceMeter, replace},
    suspend_account,
    transfer_account::{PayOut, TransferAccount, transfer},
};

use super::{
    books::{Account, Count, Debt},
    sequence::Sequence,
};

pub const BY: &str = "model";

pub fn word<T>(result: &Result<T, Error>) -> &'static str {
    match result {
        Ok(_) => "done",
        Err(Error::Refused { code, .. } | Error::Conflict { code, .. }) => code,
        Err(other) => panic!("{other:?}"),
    }
}

impl Sequence {
    pub fn note(&mut self, what: String) {
        let now = self.now();
        self.log.push(format!("{now}: {what}"));
    }

    /// Two tariffs and an account, so that there is something to do.
    pub async fn open_first(&mut self) {
        self.enter_tariff().await;
        self.enter_tariff().await;
        self.open().await;
    }

    /// One deed, drawn by chance.
    pub async fn something_happens(&mut self) {
        match self.random.random_range(0..100) {
            0..18 => self.vend().await,
            18..25 => self.reverse().await,
            25..31 => self.refund().await,
            31..37 => self.enter_debt().await,
            37..39 => self.write_off_debt().await,
            39 => self.adjust().await,
            40 | 41 => self.subsidize().await,
            42..44 => self.credit_batch().await,
            44..52 => self.replace().await,
            52..57 => self.change_multiplier().await,
            57..65 => self.attach().await,
            65..70 => self.remove().await,
            70..76 => self.change_tariff().await,
            76..80 => self.enter_version().await,
            80..83 => self.enter_tariff().await,
            83..87 => self.suspend().await,
            87..91 => self.transfer().await,
            91..93 => self.close().await,
            93..96 => self.open().await,
            96 => self.change_overdraft().await,
            97 | 98 => self.judge().await,
            _ => self.restart().await,
        }
    }

    pub fn some_account(&mut self) -> usize {
        self.random.random_range(0..self.accounts.len())
    }

    /// A meter that counts for no account.
    fn spare(&mut self) -> Option<usize> {
        let used: Vec<usize> = self.books.accounts.iter().flat_map(Account::live).map(|count| count.meter).collect();
        (0..self.meters.len()).find(|meter| !used.contains(meter))
    }

    pub fn is_active(&self, account: usize) -> bool {
        let account = &self.books.accounts[account];
        account.closed.is_none() && !account.suspended
    }

    /// Its last readings end all of an account's meters.
    fn end_all(&mut self, account: usize) -> Vec<FinalReading> {
        let live: Vec<usize> = self.books.accounts[account].live().map(|count| count.meter).collect();
        live.iter().for_each(|meter| self.ends(account, *meter));
        let total = |meter: usize| Energy::new(self.shown(meter));
        live.iter()
            .map(|meter| FinalReading {
                meter_id: self.meters[*meter].id,
                total: total(*meter),
                registers: Default::default(),
                confirmed: false,
            })
            .collect()
    }

    fn count_from_now(&self, meter: usize, multiplier: i64) -> Count {
        Count { meter, multiplier, start: (self.now(), self.shown(meter)), end: None }
    }

    async fn open(&mut self) {
        let Some(meter) = self.spare() else { return };
        let tariff = self.random.random_range(0..self.tariffs.len());
        let new = NewAccount { customer_id: self.customer, tariff_id: self.tariffs[tariff], number: None };
        let id = register::account(&self.app, new).await.unwrap().id;
        let (credit, multiplier) = (self.random.random_range(-500..20_000), self.random.random_range(1..4));
        let owed = if self.chance(30) { self.random.random_range(1..5_000) } else { 0 };
        let opening = OpenAccount {
            meter_id: self.meters[meter].id,
            multiplier: Some(multiplier),
            initial_reading: Some(Energy::new(self.shown(meter))),
            initial_registers: Default::default(),
            reason: Some("read on site".to_owned()),
            opening_credit: Some(Money::new(credit)),
            opening_debt: (owed > 0).then(|| Money::new(owed)),
            confirmed: false,
            relay_waiver: None,
        };
        let key = self.key();
        for _ in 0..2 {
            open(&self.app, id, opening.clone(), &key, BY).await.unwrap();
        }
        self.note(format!("account {} opens with meter {meter}, {credit} fen, tariff {tariff}", self.accounts.len()));
        self.accounts.push(id);
        self.books.accounts.push(Account {
            opened: self.now(),
            closed: None,
            suspended: false,
            money: credit,
            debt: Debt { owed, ..self.ordinary_debt() },
            overdraft: 0,
            counts: vec![self.count_from_now(meter, i64::from(multiplier))],
            tariffs: vec![(Date::MIN, tariff)],
        });
    }

    /// A reading between others turns out to be wrong, or to be right after all.
    async fn judge(&mut self) {
        let since = self.now() - SignedDuration::from_hours(24 * 15);
        let good: Vec<_> = self.books.readings.keys().copied().collect();
        // The last one of a meter has nothing behind it to be interpolated with.
        let inner = good.windows(2).filter(|two| two[0].0 == two[1].0 && two[0].1 > since).map(|two| two[0]);
        let inner: Vec<_> = inner.collect();
        let (reading, quality) = match self.rejected.pop() {
            Some(reading) if reading.1 > since => (reading, Quality::Good),
            _ if inner.is_empty() => return,
            _ => (inner[self.random.random_range(0..inner.len())], Quality::Rejected),
        };
        let (meter, at) = (self.meters[reading.0].id, reading.1);
        let rows = move |conn: &mut store::Conn| {
            let at = |kind| store::reading::live_at(conn, meter, at, kind);
            [Kind::DailyFreeze, Kind::Instant, Kind::Final, Kind::Initial]
                .map(at)
                .into_iter()
                .collect::<Result<Vec<_>, _>>()
        };
        let rows: Vec<_> = self.app.db.read(rows).await.unwrap().into_iter().flatten().collect();
        // Where two stand at one instant, the other would go on to count.
        let [row] = rows.as_slice() else { return };
        let finding = Finding { quality, reason: "looked at the meter".to_owned() };
        let found = judge_reading::judge(&self.app, row.id, finding, BY).await;
        assert_eq!(word(&found), "done");
        self.note(format!("{quality}: meter {} at {}", reading.0, reading.1));
        if quality == Quality::Good {
            self.books.readings.insert(reading, self.meters[reading.0].truth.at(reading.1));
        } else {
            self.books.readings.remove(&reading);
            self.rejected.push(reading);
        }
    }

    async fn replace(&mut self) {
        let Some(new) = self.spare() else { return };
        let multiplier = self.random.random_range(1..4);
        self.replaces(Some(new), multiplier).await;
    }

    async fn change_multiplier(&mut self) {
        let multiplier = self.random.random_range(1..4);
        self.replaces(None, multiplier).await;
    }

    async fn replaces(&mut self, new: Option<usize>, multiplier: u32) {
        let account = self.some_account();
        let Some(old) = self.books.accounts[account].live().map(|count| count.meter).next() else { return };
        let id = |meter: usize| -> MeterId { self.meters[meter].id };
        let how = ReplaceMeter {
            new_meter_id: new.map(id),
            multiplier: Some(multiplier),
            final_reading: Some(Energy::new(self.shown(old))),
            final_registers: Default::default(),
            initial_reading: new.map(|meter| Energy::new(self.shown(meter))),
            initial_registers: Default::default(),
            reason: Some("burnt".to_owned()),
            confirmed: false,
        };
        let key = self.key();
        let replaced = replace(&self.app, self.meters[old].id, how.clone(), &key, BY).await;
        if !self.is_active(account) {
            assert_eq!(word(&replaced), "account_not_active");
            return;
        }
        let replaced = replaced.unwrap();
        assert_eq!(replace(&self.app, self.meters[old].id, how, &key, BY).await.unwrap(), replaced);
        self.note(format!("account {account}: meter {old} is replaced by {new:?} x {multiplier}"));
        let begun = self.count_from_now(new.unwrap_or(old), i64::from(multiplier));
        self.ends(account, old);
        self.books.accounts[account].counts.push(begun);
    }

    fn ends(&mut self, account: usize, meter: usize) {
        let end = Some((self.now(), self.shown(meter)));
        let counts = self.books.accounts[account].counts.iter_mut();
        counts.filter(|count| count.meter == meter && count.end.is_none()).for_each(|count| count.end = end);
    }

    async fn attach(&mut self) {
        let (account, multiplier) = (self.some_account(), self.random.random_range(1..4));
        let Some(meter) = self.spare() else { return };
        let new = AttachMeter {
            meter_id: self.meters[meter].id,
            multiplier: Some(multiplier),
            initial_reading: Some(Energy::new(self.shown(meter))),
            initial_registers: Default::default(),
            reason: "a second floor".to_owned(),
            confirmed: false,
        };
        let key = self.key();
        let attached = attach(&self.app, self.accounts[account], new, &key, BY).await;
        let active = self.is_active(account);
        assert_eq!(word(&attached), if active { "done" } else { "account_not_active" });
        if active {
            self.note(format!("account {account}: meter {meter} x {multiplier} is attached"));
            let begun = self.count_from_now(meter, i64::from(multiplier));
            self.books.accounts[account].counts.push(begun);
        }
    }

    async fn remove(&mut self) {
        let account = self.some_account();
        let live: Vec<usize> = self.books.accounts[account].live().map(|count| count.meter).collect();
        let Some(meter) = live.last().copied() else { return };
        let how = RemoveMeter {
            final_reading: Some(Energy::new(self.shown(meter))),
            final_registers: Default::default(),
            reason: "floor let".to_owned(),
            disconnect: false,
            confirmed: false,
        };
        let key = self.key();
        let removed = remove(&self.app, self.meters[meter].id, how, &key, BY).await;
        assert_eq!(word(&removed), if live.len() > 1 { "done" } else { "last_meter" });
        if live.len() > 1 {
            self.note(format!("account {account}: meter {meter} is removed"));
            self.ends(account, meter);
        }
    }

    async fn change_tariff(&mut self) {
        let (account, tariff) = (self.some_account(), self.random.random_range(0..self.tariffs.len()));
        let from = self.today().saturating_add(self.random.random_range(0..9).days());
        let to = ChangeTariff {
            tariff_id: self.tariffs[tariff],
            valid_from: Some(from),
            reason: "became a shop".to_owned(),
        };
        let key = self.key();
        let changed = change(&self.app, self.accounts[account], to, &key, BY).await;
        let expected = match self.books.accounts[account].closed {
            Some(_) => "account_not_active",
            None if from <= self.today() => "tariff",
            None => "done",
        };
        assert_eq!(word(&changed), expected);
        if expected == "done" {
            self.note(format!("account {account}: tariff {tariff} from {from} on"));
            self.books.accounts[account].tariffs.push((from, tariff));
        }
    }

    async fn suspend(&mut self) {
        let account = self.some_account();
        let suspended = !self.books.accounts[account].suspended;
        let set = suspend_account::set(&self.app, self.accounts[account], suspended, "away", BY).await;
        let open = self.books.accounts[account].closed.is_none();
        assert_eq!(word(&set), if open { "done" } else { "account_not_active" });
        if open {
            self.note(format!("account {account}: suspended {suspended}"));
            self.books.accounts[account].suspended = suspended;
        }
    }

    async fn transfer(&mut self) {
        let (account, now, today) = (self.some_account(), self.now(), self.today());
        if self.books.accounts[account].closed.is_some() {
            return;
        }
        let live: Vec<Count> = self.books.accounts[account].live().cloned().collect();
        let final_readings = self.end_all(account);
        let heir = NewCustomer { site_id: self.site, name: "Wu".to_owned(), phone: None, language: None };
        let to = TransferAccount {
            customer_id: register::customer(&self.app, heir).await.unwrap().id,
            number: None,
            final_readings,
            reason: "sold".to_owned(),
            write_off: true,
            pay_out: self.chance(50).then(|| PayOut { tender: Tender::Cash, terminal: "till-1".to_owned() }),
        };
        let (key, id, pays_out) = (self.key(), self.accounts[account], to.pay_out.is_some());
        let (owes, done) = match transfer(&self.app, id, to.clone(), &key, BY).await {
            Err(refused) => {
                assert_eq!((word::<()>(&Err(refused)), pays_out), ("account_owes", true));
                (true, transfer(&self.app, id, TransferAccount { pay_out: None, ..to }, &key, BY).await.unwrap())
            }
            Ok(done) => (false, done),
        };
        self.note(format!("account {account} becomes {}", self.accounts.len()));
        let old = &self.books.accounts[account];
        let has = old.tariffs.iter().rev().find(|(from, _)| *from <= today).map(|(_, tariff)| (Date::MIN, *tariff));
        // Of two changes the one that was entered last holds from its day on, whatever the other said.
        let holds = |nth: usize, from: Date| old.tariffs.iter().skip(nth + 1).all(|(later, _)| *later > from);
        let to_come = old.tariffs.iter().enumerate().filter(|(nth, (from, _))| *from > today && holds(*nth, *from));
        let tariffs = has.into_iter().chain(to_come.map(|(_, change)| *change)).collect();
        let counts = live.iter().map(|count| self.count_from_now(count.meter, count.multiplier)).collect();
        let (settled, passed) = self.over(account);
        assert!(!pays_out || owes == (passed < 0), "{passed} is left");
        let paid = if pays_out { passed.max(0) } else { 0 };
        let refunded = done.refund.map_or(0, |refund| refund.amount.get());
        assert_eq!((done.balance.get(), refunded, done.debt_settled.get()), (passed - paid, paid, settled));
        self.books.accounts[account].money -= passed;
        self.books.cash -= paid;
        self.accounts.push(done.new_account_id);
        let new = Account {
            opened: now,
            closed: None,
            suspended: false,
            money: passed - paid,
            debt: Debt::none(),
            overdraft: self.books.accounts[account].overdraft,
            counts,
            tariffs,
        };
        self.books.accounts.push(new);
    }

    async fn close(&mut self) {
        let account = self.some_account();
        if self.books.accounts[account].closed.is_some() {
            return;
        }
        let how = CloseAccount {
            final_readings: self.end_all(account),
            reason: "moved out".to_owned(),
            tender: Tender::Cash,
            terminal: "till-1".to_owned(),
            write_off: true,
            disconnect: false,
        };
        let key = self.key();
        let closing = close(&self.app, self.accounts[account], how.clone(), &key, BY).await.unwrap();
        assert_eq!(close(&self.app, self.accounts[account], how, &key, BY).await.unwrap(), closing);
        self.note(format!("account {account} closes"));
        let (settled, left) = self.over(account);
        assert_eq!((closing.balance.get(), closing.debt_settled.get()), (settled + left, settled));
        self.books.accounts[account].money -= left;
        self.books.cash -= left.max(0);
    }

    /// An account whose meters have ended is over: its debt is settled as far as there is money, the rest is written off.
    /// What was settled, and what it has left.
    fn over(&mut self, account: usize) -> (i64, i64) {
        let now = self.now();
        let cost = self.books.energy(&self.books.accounts[account]).0;
        self.books.accounts[account].closed = Some((now, cost));
        let left = self.books.balance(&self.books.accounts[account], now).0;
        let settled = left.clamp(0, self.books.accounts[account].debt.owed);
        self.books.accounts[account].money -= settled;
        self.books.accounts[account].debt = Debt::none();
        (settled, left - settled)
    }
}
