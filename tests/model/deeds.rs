//! What people do in a sequence; what the counter does stands in `counter`. Each deed is asked of the program and written into the model; what the model says is refused
//! must be refused, and the same key asked twice must do it once.

use domain::{
    energy::Energy,
    ids::MeterId,
    ledger::Tender,
    money::{Money, Price},
    tariff::{Every, FixedCharge},
};
use jiff::{ToSpan, civil::Date};
use rand::RngExt;
use wattgate::operations::{
    Error,
    attach_meter::{AttachMeter, attach},
    change_tariff::{ChangeTariff, change},
    close_account::{CloseAccount, FinalReading, close},
    open_account::{OpenAccount, open},
    register::{self, NewAccount},
    remove_meter::{RemoveMeter, remove},
    replace_meter::{ReplaceMeter, replace},
    suspend_account,
    tariffs::{self, NewBlock, NewTariff, NewVersion},
    transfer_account::{TransferAccount, transfer},
};

use super::{
    books::{Account, Count, Debt, Version},
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
            37..40 => self.write_off_debt().await,
            40..44 => self.subsidize().await,
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
            93..97 => self.open().await,
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

    fn drawn_version(&mut self, from: Date) -> Version {
        let mut price = || self.random.random_range(200_000..1_500_000);
        let (first, second, third) = (price(), price(), price());
        let bound = self.random.random_range(200_000..2_000_000);
        let blocks = match self.random.random_range(0..3) {
            0 => vec![(None, first)],
            1 => vec![(Some(bound), first), (None, second)],
            _ => vec![(Some(bound), first), (Some(bound * 2), second), (None, third)],
        };
        Version {
            from,
            blocks,
            start_day: [1, 1, 15, 28][self.random.random_range(0..4)],
            start_month: self.random.random_ratio(1, 3).then(|| self.random.random_range(1..=12)),
            daily: if self.chance(30) { self.random.random_range(1..50) } else { 0 },
            monthly: if self.chance(30) { self.random.random_range(1..3_000) } else { 0 },
        }
    }

    async fn enter_tariff(&mut self) {
        // It holds for some time already, whatever account comes to it.
        let version = self.drawn_version(jiff::civil::date(2025, 1, 1));
        let terms = terms(&version);
        let new = NewTariff {
            site_id: self.site,
            name: "Homes".to_owned(),
            valid_from: Some(version.from),
            blocks: terms.blocks,
            time_of_use: None,
            window_start_day: terms.window_start_day,
            window_start_month: terms.window_start_month,
            prorate_opening: None,
            fixed_charges: terms.fixed_charges,
            tax_rate_ppm: None,
            minimum_vend: None,
        };
        let id = tariffs::enter(&self.app, new, BY).await.unwrap().0.id;
        self.note(format!("tariff {}: {version:?}", self.tariffs.len()));
        self.tariffs.push(id);
        self.books.tariffs.push(vec![version]);
    }

    async fn enter_version(&mut self) {
        let tariff = self.random.random_range(0..self.tariffs.len());
        let from = self.today().saturating_add(self.random.random_range(1..9).days());
        let version = self.drawn_version(from);
        let entered = tariffs::enter_version(&self.app, self.tariffs[tariff], terms(&version), BY).await;
        let after_the_last = self.books.tariffs[tariff].last().is_none_or(|last| last.from < from);
        assert_eq!(word(&entered), if after_the_last { "done" } else { "tariff" });
        if after_the_last {
            self.note(format!("version of tariff {tariff}: {version:?}"));
            self.books.tariffs[tariff].push(version);
        }
    }

    async fn open(&mut self) {
        let Some(meter) = self.spare() else { return };
        let tariff = self.random.random_range(0..self.tariffs.len());
        let new = NewAccount { customer_id: self.customer, tariff_id: self.tariffs[tariff], number: None };
        let id = register::account(&self.app, new).await.unwrap().id;
        let (credit, multiplier) = (self.random.random_range(-500..20_000), self.random.random_range(1..4));
        let opening = OpenAccount {
            meter_id: self.meters[meter].id,
            multiplier: Some(multiplier),
            initial_reading: Some(Energy::new(self.shown(meter))),
            initial_registers: Default::default(),
            reason: Some("read on site".to_owned()),
            opening_credit: Some(Money::new(credit)),
            opening_debt: None,
            confirmed: false,
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
            debt: Debt::none(),
            counts: vec![self.count_from_now(meter, i64::from(multiplier))],
            tariffs: vec![(Date::MIN, tariff)],
        });
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
        let to = TransferAccount {
            customer_id: self.customer,
            number: None,
            final_readings,
            reason: "sold".to_owned(),
            write_off: true,
        };
        let key = self.key();
        let done = transfer(&self.app, self.accounts[account], to, &key, BY).await.unwrap();
        self.note(format!("account {account} becomes {}", self.accounts.len()));
        let old = &self.books.accounts[account];
        let has = old.tariffs.iter().rev().find(|(from, _)| *from <= today).map(|(_, tariff)| (Date::MIN, *tariff));
        let to_come = old.tariffs.iter().filter(|(from, _)| *from > today).copied();
        let tariffs = has.into_iter().chain(to_come).collect();
        let counts = live.iter().map(|count| self.count_from_now(count.meter, count.multiplier)).collect();
        let (settled, passed) = self.over(account);
        assert_eq!((done.balance.get(), done.debt_settled.get()), (passed, settled));
        self.books.accounts[account].money -= passed;
        self.accounts.push(done.new_account_id);
        let new =
            Account { opened: now, closed: None, suspended: false, money: passed, debt: Debt::none(), counts, tariffs };
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

fn terms(version: &Version) -> NewVersion {
    let block =
        |(upto, price): &(Option<i64>, i64)| NewBlock { upto_kwh: upto.map(Energy::new), price: Price::new(*price) };
    let charge =
        |name: &str, every, amount: i64| FixedCharge { name: name.to_owned(), every, amount: Money::new(amount) };
    let charges = [charge("meter", Every::Day, version.daily), charge("service", Every::Month, version.monthly)];
    NewVersion {
        valid_from: version.from,
        blocks: version.blocks.iter().map(block).collect(),
        time_of_use: None,
        window_start_day: Some(version.start_day),
        window_start_month: version.start_month,
        prorate_opening: None,
        fixed_charges: Some(charges.into_iter().filter(|charge| charge.amount > Money::ZERO).collect()),
        tax_rate_ppm: None,
        minimum_vend: None,
    }
}
