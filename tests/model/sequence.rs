//! One sequence: a site on a clock that is set by hand, and the model beside it.

use std::{collections::BTreeMap, sync::Arc};

use domain::{
    energy::Energy,
    ids::{AccountId, ConcentratorId, CustomerId, MeterId, SiteId, TariffId, VendId},
    money::Money,
    reading::{Kind, Observation, Quality, Registers, TimeSource},
};
use jiff::{SignedDuration, Timestamp, civil::Date, tz::TimeZone};
use rand::{RngExt, SeedableRng, rngs::Xoshiro256PlusPlus};
use store::Db;
use wattgate::{
    app::App,
    operations::{
        balance, fixed_charges, ingest,
        register::{self, NewConcentrator, NewCustomer, NewMeter, NewSite},
        settle,
    },
    settings,
};

use super::{books::Books, truth::Truth};
use crate::support::SetByHand;

/// Steps of a sequence; each is one to five days long.
const STEPS: usize = 20;
/// Meters of a site; those that count for no account lie in the workshop.
const METERS: usize = 5;
/// Days of fixed charges that a run of the job posts at most are caught up in so many runs.
const CAUGHT_UP_IN: usize = 10;
/// Nothing arrives later than this.
const LATEST_DAYS: i64 = 20;
/// A meter that was silent for so long is heard again.
const SILENT_DAYS: i64 = 4;
/// So much more than it was, no meter can have passed since it was heard: 50,000 kWh.
const BEYOND: i64 = 500_000_000;

/// Where and when sequences play: also where clocks are set, one of them at midnight.
const PLACES: [(&str, &str); 4] = [
    ("Asia/Shanghai", "2026-01-20T09:00:00+08:00"),
    ("Europe/Berlin", "2026-03-10T09:00:00+01:00"),
    ("Europe/Berlin", "2026-10-05T09:00:00+02:00"),
    ("America/Santiago", "2026-08-20T09:00:00-04:00"),
];

/// A meter of the site.
pub struct Meter {
    pub id: MeterId,
    pub truth: Truth,
    /// When it was last heard.
    heard: Timestamp,
}

/// A vend that was made.
#[derive(Clone)]
pub struct Sold {
    pub account: usize,
    pub id: VendId,
    /// What it was asked for with.
    pub key: String,
    pub amount: i64,
    /// What of it went to the account's debt, and when.
    pub recovered: i64,
    pub on: Date,
    pub reversed: bool,
}

/// A reading on its way.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Late {
    arrives: Timestamp,
    meter: usize,
    as_of: Timestamp,
    kind: Kind,
}

/// See the module.
pub struct Sequence {
    pub random: Xoshiro256PlusPlus,
    pub app: App,
    pub clock: SetByHand,
    pub site: SiteId,
    pub customer: CustomerId,
    pub books: Books,
    pub meters: Vec<Meter>,
    /// Accounts, in the model's order.
    pub accounts: Vec<AccountId>,
    /// Tariffs, in the model's order.
    pub tariffs: Vec<TariffId>,
    pub sold: Vec<Sold>,
    /// Readings that were rejected: meter and instant.
    pub rejected: Vec<(usize, Timestamp)>,
    /// What was done so far, for whoever looks into a failure.
    pub log: Vec<String>,
    settings: String,
    db: Db,
    late: Vec<Late>,
    keys: u32,
}

impl Sequence {
    /// Runs the sequence of a seed, on a site of its own, the `nth` of its database; its ledger sums to zero at the end.
    pub async fn run(seed: u64, toml: &str, db: Db, nth: u16) {
        let mut sequence = Self::begin(seed, toml, db, nth).await;
        sequence.open_first().await;
        for _ in 0..STEPS {
            let days = sequence.random.random_range(1..=5);
            sequence.days_pass(days);
            sequence.readings_arrive(false).await;
            sequence.settles().await;
            for _ in 0..sequence.random.random_range(1..=3) {
                sequence.clock.pass(SignedDuration::from_mins(7));
                sequence.something_happens().await;
                sequence.agrees(false).await;
            }
        }
        sequence.days_pass(1);
        sequence.readings_arrive(true).await;
        sequence.settles().await;
        sequence.ends_clean().await;
    }

    async fn begin(seed: u64, toml: &str, db: Db, nth: u16) -> Self {
        let mut random = Xoshiro256PlusPlus::seed_from_u64(seed);
        let (zone, began) = PLACES[random.random_range(0..PLACES.len())];
        let clock = SetByHand::new(began.parse().unwrap());
        let settings = toml.to_owned();
        let app =
            App::new(settings::read(Some(&settings), None).unwrap(), db.clone(), Arc::new(clock.clone())).unwrap();
        app.start_writers();
        let site = NewSite {
            name: format!("Seed {seed}"),
            time_zone: zone.to_owned(),
            currency: None,
            currency_exponent: None,
        };
        let site = register::site(&app, site).await.unwrap().id;
        let new = NewCustomer { site_id: site, name: "Li Hua".to_owned(), phone: None, language: None };
        let customer = register::customer(&app, new).await.unwrap().id;
        let mut sequence = Self {
            random,
            app,
            clock,
            site,
            customer,
            books: Books {
                zone: TimeZone::get(zone).unwrap(),
                tariffs: Vec::new(),
                accounts: Vec::new(),
                readings: Default::default(),
                cash: 0,
            },
            meters: Vec::new(),
            accounts: Vec::new(),
            tariffs: Vec::new(),
            sold: Vec::new(),
            rejected: Vec::new(),
            log: vec![format!("seed {seed} in {zone}")],
            settings,
            db,
            late: Vec::new(),
            keys: 0,
        };
        sequence.enter_meters(seed, nth).await;
        sequence
    }

    async fn enter_meters(&mut self, seed: u64, nth: u16) {
        let new = NewConcentrator {
            site_id: self.site,
            name: "C1".to_owned(),
            region: "1101".to_owned(),
            terminal: nth,
            profile: "standard".to_owned(),
        };
        let concentrator_id: ConcentratorId = register::concentrator(&self.app, new).await.unwrap().id;
        for (meter, draw) in (0..METERS).zip(seed * 31..) {
            let new = NewMeter {
                concentrator_id,
                name: format!("Meter {meter}"),
                address: format!("2026{meter:08}"),
                point: None,
                port: None,
                profile: "dlt645_direct".to_owned(),
            };
            let id = register::meter(&self.app, new).await.unwrap().id;
            let truth = Truth::drawn(draw, self.now());
            self.meters.push(Meter { id, truth, heard: self.now() });
        }
    }

    pub fn now(&self) -> Timestamp {
        domain::calendar::shift(actors::Clock::now(&self.clock), SignedDuration::ZERO)
    }

    pub fn today(&self) -> Date {
        self.books.day(self.now())
    }

    /// What a meter shows now.
    pub fn shown(&self, meter: usize) -> i64 {
        self.meters[meter].truth.at(self.now())
    }

    /// An idempotency key that was never used.
    pub fn key(&mut self) -> String {
        self.keys += 1;
        format!("{}-{}", self.site, self.keys)
    }

    pub fn chance(&mut self, percent: u32) -> bool {
        self.random.random_ratio(percent, 100)
    }

    /// Half past twelve, some days on: days that are not settled by then cannot be.
    fn days_pass(&mut self, days: i64) {
        let day = self.today().checked_add(jiff::Span::new().days(days)).unwrap();
        let noon = day.at(12, 30, 0, 0).to_zoned(self.books.zone.clone()).unwrap();
        self.clock.set(noon.timestamp());
        self.log.push(format!("-- {day}"));
    }

    /// A restart loses everything but the rows.
    pub async fn restart(&mut self) {
        let settings = settings::read(Some(&self.settings), None).unwrap();
        self.app = App::new(settings, self.db.clone(), Arc::new(self.clock.clone())).unwrap();
        self.app.start_writers();
        for account in &self.accounts {
            self.app.hot.forget(*account).await.unwrap();
        }
    }

    /// What was taken since the last step arrives now, or later, or never; what was late and is due; and what is there
    /// already, once more or with another value.
    async fn readings_arrive(&mut self, all: bool) {
        let now = self.now();
        for meter in 0..METERS {
            let since = self.meters[meter].heard;
            let mut taken = Vec::new();
            let mut day = self.books.day(since).tomorrow().unwrap();
            while self.books.midnight(day) <= now {
                taken.push((self.books.midnight(day), Kind::DailyFreeze));
                day = day.tomorrow().unwrap();
            }
            for _ in 0..self.random.random_range(0..=2) {
                let minutes = self.random.random_range(1..=(now.as_second() - since.as_second()) / 60);
                taken.push((since + SignedDuration::from_mins(minutes), Kind::Instant));
            }
            if all || now.duration_since(since) > SignedDuration::from_hours(24 * SILENT_DAYS) {
                taken.push((now, Kind::Instant));
            }
            if taken.iter().any(|(as_of, _)| *as_of == now) || self.chance(70) {
                self.meters[meter].heard = now;
                self.send(meter, taken, all);
            }
        }
        self.doubtful_arrive().await;
        let (due, late) = self.late.drain(..).partition(|late| all || late.arrives <= now);
        self.late = late;
        let mut arriving: Vec<Late> = due;
        arriving.extend(arriving.clone().into_iter().filter(|_| self.random.random_ratio(1, 5)).collect::<Vec<_>>());
        for late in &arriving {
            self.books.readings.insert((late.meter, late.as_of), self.meters[late.meter].truth.at(late.as_of));
        }
        let observed: Vec<Observation> = arriving.iter().map(|late| self.observed(late, 0)).collect();
        let wrong: Vec<Observation> = arriving.iter().take(1).map(|late| self.observed(late, 7)).collect();
        for batch in [observed, wrong] {
            ingest::ingest(&self.app, batch, true).await.unwrap();
        }
    }

    /// Of what is on its way, something that cannot be arrives first: it is doubted, and costs nothing until the true one comes.
    async fn doubtful_arrive(&mut self) {
        let mut doubtful = Vec::new();
        for late in self.late.clone() {
            let lately = late.as_of - SignedDuration::from_hours(24 * LATEST_DAYS);
            let known = self.books.readings.range((late.meter, lately)..(late.meter, late.as_of)).next().is_some();
            if known && late.as_of <= self.now() && self.chance(10) {
                doubtful.push(self.observed(&late, BEYOND));
            }
        }
        for ack in ingest::ingest(&self.app, doubtful, true).await.unwrap() {
            assert_ne!(ack.quality, Quality::Good, "{ack:?}");
        }
    }

    /// Puts readings on their way: one in ten is lost, one in six late.
    fn send(&mut self, meter: usize, taken: Vec<(Timestamp, Kind)>, all: bool) {
        let now = self.now();
        for (as_of, kind) in taken {
            let fate = if as_of == now || all { 99 } else { self.random.random_range(0..100) };
            let arrives = match fate {
                0..10 => continue,
                10..26 => now + SignedDuration::from_hours(self.random.random_range(1..24 * LATEST_DAYS - 24 * 6)),
                _ => now,
            };
            self.late.push(Late { arrives, meter, as_of, kind });
        }
    }

    fn observed(&self, late: &Late, off: i64) -> Observation {
        Observation {
            meter: self.meters[late.meter].id,
            as_of: late.as_of,
            time_source: if late.kind == Kind::DailyFreeze { TimeSource::Meter } else { TimeSource::Concentrator },
            received_at: self.now(),
            copied_at: None,
            kind: late.kind,
            registers: Registers {
                total: Energy::new(self.meters[late.meter].truth.at(late.as_of) + off),
                ..Registers::default()
            },
            resolution: Energy::new(1),
            identity_verified: true,
        }
    }

    /// The daily jobs of this site, then every balance is the model's.
    async fn settles(&mut self) {
        for _ in 0..CAUGHT_UP_IN {
            fixed_charges::post_due(&self.app, self.site, None, None).await.unwrap();
        }
        for account in self.accounts.clone() {
            settle::settle(&self.app, account, None).await.unwrap();
        }
        self.agrees(true).await;
    }

    /// What is available, hot and by the rows, is the model's; what is posted, where everything is `settled`.
    async fn agrees(&self, settled: bool) {
        for (nth, id) in self.accounts.iter().enumerate() {
            let account = &self.books.accounts[nth];
            let (posted, available) = self.books.balance(account, self.now());
            let is = balance::get(&self.app, *id).await.unwrap();
            let told = || format!("account {nth}: {account:?}\n{}", self.log.join("\n"));
            assert_eq!(is.available.get(), available, "available of {}", told());
            assert!(!settled || is.posted.get() == posted, "posted {}, not {posted}, of {}", is.posted, told());
            let hot = self.app.hot.get(*id).await.unwrap();
            if let (Some(part), None) = (&hot.account, account.closed) {
                let prices = balance::prices(&self.app, part).await.unwrap();
                assert_eq!(hot.available(&prices), Ok(Some(Money::new(available))), "hot, of {}", told());
            }
        }
    }

    /// The postings of the whole site are what the model says everybody has: each account, each debt, and the till. What is left is
    /// what was earned, given and written off, and all of it together is nothing.
    async fn ends_clean(&self) {
        let site = self.site;
        let all = self.app.db.read(move |conn| store::transaction::postings_page(conn, site, None, 100_000)).await;
        let mut left: BTreeMap<String, i64> = BTreeMap::new();
        for posting in all.unwrap().iter().map(store::transaction::Entry::posting) {
            assert!(posting.amount > Money::ZERO, "{posting:?}");
            *left.entry(posting.from.to_string()).or_default() -= posting.amount.get();
            *left.entry(posting.to.to_string()).or_default() += posting.amount.get();
        }
        let mut has = |ledger_account: String| left.remove(&ledger_account).unwrap_or_default();
        for (account, id) in self.books.accounts.iter().zip(&self.accounts) {
            let (posted, _) = self.books.balance(account, self.now());
            let told = || format!("{account:?}\n{}", self.log.join("\n"));
            assert_eq!(has(format!("balance:{id}")), posted, "balance of {id}: {}", told());
            assert_eq!(has(format!("debt:{id}")), -account.debt.owed, "debt of {id}: {}", told());
        }
        assert_eq!(has("tender:cash".to_owned()), -self.books.cash, "the till: {}", self.log.join("\n"));
        assert_eq!(has("transfer".to_owned()), 0, "what goes out comes in");
        let owned = ["adjustment", "opening", "revenue:", "subsidy", "write_off"];
        assert!(left.keys().all(|name| owned.iter().any(|own| name.starts_with(own))), "{left:?}");
    }
}
