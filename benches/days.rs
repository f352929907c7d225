//! What a day costs: the settlement of one day, and the close of a month, of accounts with a year of daily readings on SQLite.
//! The operations are the real ones: readings are judged as if a concentrator had sent them, each month is settled and
//! charged by its jobs; then three more days are measured: one whose freezes settle it as they arrive, as most days are, one
//! that is settled by the job of noon, and the last of the year with the fixed charges of the next month.
//!
//! `cargo bench --bench days` prints a line for 2,500, 5,000 and 10,000 accounts; other numbers are given behind `--`.
#![expect(clippy::unwrap_used, clippy::indexing_slicing, reason = "a measurement that fails has nothing to tell")]

use std::{
    fs,
    sync::{Arc, Mutex},
    time::{Duration, Instant},
};

use actors::Clock;
use domain::{
    calendar::{at, midnight, next_day},
    energy::Energy,
    ids::{AccountId, ConcentratorId, CustomerId, MeterId, SiteId, TariffId},
    money::Money,
    reading::{Kind, Observation, Registers, TimeSource},
    tariff::{Every, FixedCharge},
};
use jiff::{
    Timestamp,
    civil::{Date, Time, date},
    tz::TimeZone,
};
use store::Db;
use wattgate::{
    app::App,
    jobs,
    operations::{
        ingest,
        open_account::{self, OpenAccount},
        register::{self, NewAccount, NewConcentrator, NewCustomer, NewMeter, NewSite},
        tariffs::{self, NewBlock, NewTariff},
    },
    settings,
};

/// The jobs are run by hand; nothing else runs beside them.
const QUIET: &str = "
[jobs]
decide_ms = 86400000
notices_ms = 86400000
settle_s = 86400
fixed_charges_s = 86400
[outages]
heartbeat_s = 86400
";
/// Accounts that are measured where none are asked for.
const ACCOUNTS: [usize; 3] = [2_500, 5_000, 10_000];
/// Meters behind one concentrator.
const METERS: usize = 500;
/// Readings stored in one transaction.
const READINGS: usize = 500;

/// A clock that stands until it is set.
#[derive(Clone)]
struct SetByHand(Arc<Mutex<Timestamp>>);

impl Clock for SetByHand {
    fn now(&self) -> Timestamp {
        *self.0.lock().unwrap()
    }
}

/// What something took.
#[derive(Clone, Copy)]
struct Cost {
    wall: Duration,
    cpu_ms: u64,
}

/// Processor time of this process so far, in milliseconds. Linux counts it in hundredths of a second.
fn cpu_ms() -> u64 {
    let stat = fs::read_to_string("/proc/self/stat").unwrap();
    let fields: Vec<&str> = stat.rsplit_once(") ").unwrap().1.split(' ').collect();
    let ticks: u64 = fields[11..13].iter().map(|field| field.parse::<u64>().unwrap()).sum();
    ticks * 10
}

async fn measured<T>(work: impl Future<Output = T>) -> (T, Cost) {
    let (began, cpu) = (Instant::now(), cpu_ms());
    let done = work.await;
    (done, Cost { wall: began.elapsed(), cpu_ms: cpu_ms() - cpu })
}

/// A site with many accounts.
struct Town {
    app: App,
    clock: SetByHand,
    zone: TimeZone,
    meters: Vec<MeterId>,
}

impl Town {
    /// Opens all accounts when 2026 begins.
    async fn open(app: App, clock: SetByHand, accounts: usize) -> Self {
        let zone = TimeZone::get("Asia/Shanghai").unwrap();
        let mut town = Self { app, clock, zone, meters: Vec::with_capacity(accounts) };
        town.set(date(2026, 1, 1), Time::midnight());
        let (name, time_zone) = ("Town".to_owned(), "Asia/Shanghai".to_owned());
        let new = NewSite { name, time_zone, currency: None, currency_exponent: None };
        let site = register::site(&town.app, new).await.unwrap().id;
        let tariff = tariffs::enter(&town.app, prices(site), "bench").await.unwrap().0.id;
        let new = NewCustomer { site_id: site, name: "Li Hua".to_owned(), phone: None, language: None };
        let customer = register::customer(&town.app, new).await.unwrap().id;
        let mut concentrator = None;
        for nth in 0..accounts {
            if nth % METERS == 0 {
                concentrator = Some(town.concentrator(site, nth / METERS + 1).await);
            }
            let meter = town.account(concentrator.unwrap(), (customer, tariff), nth).await;
            town.meters.push(meter);
        }
        town
    }

    async fn concentrator(&self, site_id: SiteId, nth: usize) -> ConcentratorId {
        let (name, region, profile) = (format!("C{nth}"), "1101".to_owned(), "standard".to_owned());
        let new = NewConcentrator { site_id, name, region, terminal: u16::try_from(nth).unwrap(), profile };
        register::concentrator(&self.app, new).await.unwrap().id
    }

    async fn account(
        &self,
        concentrator_id: ConcentratorId,
        (customer_id, tariff_id): (CustomerId, TariffId),
        nth: usize,
    ) -> MeterId {
        let (name, address, profile) = (format!("M{nth}"), format!("{:012}", nth + 1), "dlt645_direct".to_owned());
        let new = NewMeter { concentrator_id, name, address, point: None, port: None, profile };
        let meter = register::meter(&self.app, new).await.unwrap().id;
        let new = NewAccount { customer_id, tariff_id, number: None };
        let account: AccountId = register::account(&self.app, new).await.unwrap().id;
        let opening = OpenAccount {
            meter_id: meter,
            multiplier: None,
            initial_reading: Some(Energy::ZERO),
            initial_registers: Default::default(),
            reason: Some("read on site".to_owned()),
            opening_credit: Some(Money::new(1_000_000)),
            opening_debt: None,
            confirmed: false,
            relay_waiver: None,
        };
        open_account::open(&self.app, account, opening, &format!("open-{nth}"), "bench").await.unwrap();
        meter
    }

    fn set(&self, day: Date, time: Time) {
        *self.clock.0.lock().unwrap() = at(day, time, &self.zone);
    }

    /// The freezes of the midnight that ends a day, as many as one transaction stores.
    fn freezes(&self, day: Date) -> Vec<Vec<Observation>> {
        let as_of = midnight(next_day(day), &self.zone);
        let days = date(2026, 1, 1).until(next_day(day)).unwrap().get_days();
        let observation = |(nth, meter): (i64, &MeterId)| Observation {
            meter: *meter,
            as_of,
            time_source: TimeSource::Meter,
            received_at: self.clock.now(),
            copied_at: None,
            kind: Kind::DailyFreeze,
            // 8 to 17.6 kWh a day.
            registers: Registers {
                total: Energy::new(i64::from(days) * (80_000 + nth % 97 * 1_000)),
                periods: [None; 5],
                reverse: None,
            },
            resolution: Energy::new(100),
            identity_verified: true,
        };
        let all: Vec<Observation> = (0..).zip(&self.meters).map(observation).collect();
        all.chunks(READINGS).map(<[Observation]>::to_vec).collect()
    }

    /// The freezes of a day arrive: each is stored, and its account settled.
    async fn arrive(&self, day: Date) {
        for chunk in self.freezes(day) {
            let acks = ingest::ingest(&self.app, chunk, true).await.unwrap();
            assert!(acks.iter().all(|ack| !ack.duplicate));
        }
    }

    /// The freezes of a day are stored, and settle nothing yet: as after a night in which the program was stopped.
    async fn frozen(&self, day: Date) {
        for chunk in self.freezes(day) {
            let (items, settings) = (vec![chunk], self.app.settings.clone());
            let stored = self.app.db.write(move |conn| ingest::write(conn, &settings, &items)).await.unwrap();
            assert!(stored.iter().all(Result::is_ok));
        }
    }

    /// The jobs of noon; days settled and accounts charged.
    async fn noon(&self, day: Date) -> (usize, usize) {
        self.set(day, Time::constant(12, 0, 0, 0));
        let settled = jobs::settle_open(&self.app).await.unwrap();
        (settled, jobs::charge_fixed(&self.app).await.unwrap())
    }

    /// All days of 2026 up to `last`, settled and charged month by month.
    async fn lives_until(&self, last: Date) {
        let mut day = date(2026, 1, 1);
        while day <= last {
            let end = day.last_of_month().min(last);
            self.set(next_day(end), Time::constant(0, 10, 0, 0));
            while day <= end {
                self.frozen(day).await;
                day = next_day(day);
            }
            self.noon(day).await;
        }
    }
}

/// Three blocks by the month, 0.10 a day and 5.00 a month.
fn prices(site_id: SiteId) -> NewTariff {
    let block = |upto: Option<&str>, price: &str| NewBlock {
        upto_kwh: upto.map(|upto| upto.parse().unwrap()),
        price: price.parse().unwrap(),
    };
    let charge = |name: &str, every, amount| FixedCharge { name: name.to_owned(), every, amount: Money::new(amount) };
    NewTariff {
        site_id,
        name: "Homes".to_owned(),
        valid_from: None,
        blocks: vec![block(Some("240"), "0.5224"), block(Some("400"), "0.5724"), block(None, "0.8224")],
        time_of_use: None,
        window_start_day: None,
        window_start_month: None,
        prorate_opening: None,
        fixed_charges: Some(vec![charge("meter", Every::Day, 10), charge("service", Every::Month, 500)]),
        tax_rate_ppm: None,
        minimum_vend: None,
    }
}

async fn measure(accounts: usize) {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("wattgate.db");
    let url = format!("{QUIET}[database]\nurl = \"sqlite:{}\"\n", file.display());
    let settings = settings::read(Some(&url), None).unwrap();
    let db = Db::open(&settings.database).unwrap();
    db.migrate().await.unwrap();
    let clock = SetByHand(Arc::new(Mutex::new(Timestamp::UNIX_EPOCH)));
    let app = App::new(settings, db, Arc::new(clock.clone())).unwrap();
    app.start(1).await.unwrap();
    let (town, year) = measured(async {
        let town = Town::open(app, clock, accounts).await;
        town.lives_until(date(2026, 12, 28)).await;
        town
    })
    .await;

    let mut costs = Vec::new();
    let day = date(2026, 12, 29);
    town.set(next_day(day), Time::constant(0, 10, 0, 0));
    let ((), cost) = measured(town.arrive(day)).await;
    costs.push(("as they arrive", day, cost));
    assert_eq!(town.noon(next_day(day)).await, (0, accounts), "all were settled by then");
    for day in [date(2026, 12, 30), date(2026, 12, 31)] {
        town.set(next_day(day), Time::constant(0, 10, 0, 0));
        town.frozen(day).await;
        let (done, cost) = measured(town.noon(next_day(day))).await;
        assert_eq!(done, (accounts, accounts), "every account has a day settled and is charged");
        costs.push((if day == day.last_of_month() { "month end" } else { "at noon" }, day, cost));
    }
    let megabytes = fs::metadata(&file).unwrap().len() / 1_000_000;
    println!(
        "{accounts} accounts, {} readings and settled days, {megabytes} MB; the year took {} s",
        accounts * 362,
        year.wall.as_secs()
    );
    for (what, day, cost) in costs {
        let each_us = u128::from(cost.cpu_ms) * 1_000 / u128::try_from(accounts).unwrap();
        println!(
            "  {what:<14} {day}: {accounts} days settled, {} ms, {} ms CPU, {each_us} us CPU each",
            cost.wall.as_millis(),
            cost.cpu_ms,
        );
    }
    town.app.stop().await;
}

fn main() {
    let asked: Vec<usize> = std::env::args().skip(1).filter_map(|argument| argument.parse().ok()).collect();
    for accounts in if asked.is_empty() { ACCOUNTS.to_vec() } else { asked } {
        actix::System::new().block_on(measure(accounts));
    }
}
