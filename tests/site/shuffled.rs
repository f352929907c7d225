//! Readings in any order: what comes late, twice, or before those of an earlier time leaves the rows that it leaves when
//! all of it comes in order. Lots are drawn by seed; days pass by a clock that is set by hand.

use std::sync::Arc;

use actors::ports::Ack;
use domain::{
    calendar::{at, day_of, next_day},
    energy::Energy,
    ledger::TransactionKind,
    money::{Carry, Money},
    reading::{Kind, Observation, Quality, TimeSource},
    tariff::{Block, TariffVersion},
};
use jiff::{SignedDuration, Timestamp, civil::Date, civil::date, tz::TimeZone};
use rand::{RngExt, SeedableRng, rngs::Xoshiro256PlusPlus};
use store::Db;
use wattgate::{
    app::App,
    jobs,
    operations::{balance, ingest, tariffs::NewBlock},
    settings,
};

use crate::support::{Database, Home, SetByHand, Terms, by_blocks, on_both};

on_both!(shuffled_duplicated_and_late_readings_leave_the_same_rows);

/// How often the readings come in an order of their own.
const VARIANTS: u64 = 15;
/// Hours whose readings come in: from 28 April at 8 o'clock to 2 May at 11.
const HOURS: i64 = 99;
/// What the register shows first: 45 kWh later, within two days, it begins at 0 again.
const REGISTER: &str = "999955.1234";
/// Nothing is later than this, and every midnight may still be corrected then.
const LATEST: SignedDuration = SignedDuration::from_hours(24 * 28);
/// The step in which the register answers to a poll; it freezes in full.
const POLLED_STEP: i64 = 100;
/// Jobs are run by the test alone.
const BY_HAND: &str = "[jobs]\ndecide_ms = 3600000\nnotices_ms = 3600000\nsettle_s = 3600\n";

fn zone() -> TimeZone {
    TimeZone::get("Asia/Shanghai").unwrap()
}

fn opened() -> Timestamp {
    "2026-04-28T08:00:00+08:00".parse().unwrap()
}

fn midnight(day: Date) -> Timestamp {
    domain::calendar::midnight(day, &zone())
}

/// What a meter counts, and what it tells of it: each hour has a load of its own.
struct Truth {
    loads_w: Vec<i64>,
    modulus: Energy,
}

/// A reading as it was taken.
#[derive(Debug, Clone, Copy)]
struct Taken {
    kind: Kind,
    as_of: Timestamp,
    shown: Energy,
    /// Whether its meter is proved to be ours when it arrives.
    proved: bool,
}

impl Truth {
    fn drawn(modulus: Energy) -> Self {
        let mut random = Xoshiro256PlusPlus::seed_from_u64(13);
        Self { loads_w: (0..HOURS).map(|_| random.random_range(200..2_600)).collect(), modulus }
    }

    /// The register, as shown at an instant.
    fn shown(&self, at: Timestamp) -> Energy {
        let mut left = at.duration_since(opened()).as_secs() / 60;
        let mut counted = REGISTER.parse::<Energy>().unwrap().get();
        for load_w in &self.loads_w {
            // A W for an hour are 10 units.
            counted += load_w * 10 * left.clamp(0, 60) / 60;
            left -= 60;
        }
        Energy::new(counted % self.modulus.get())
    }

    fn polled(&self, as_of: Timestamp) -> Taken {
        let shown = self.shown(as_of).get();
        Taken { kind: Kind::Instant, as_of, shown: Energy::new(shown - shown % POLLED_STEP), proved: true }
    }

    fn frozen(&self, day: Date) -> Taken {
        let as_of = midnight(day);
        Taken { kind: Kind::DailyFreeze, as_of, shown: self.shown(as_of), proved: true }
    }

    /// All readings by time: a poll every two hours at odd minutes, three freezes, and a poll at the very midnight of one of
    /// them. The last midnight has no reading.
    fn readings(&self) -> Vec<Taken> {
        let polls = (1..=HOURS / 2 - 1).map(|nth| opened() + SignedDuration::from_mins(nth * 120 + nth * 7 % 50));
        let mut all: Vec<Taken> = polls.map(|as_of| self.polled(as_of)).collect();
        all.push(self.polled(midnight(date(2026, 4, 30))));
        all.extend([date(2026, 4, 29), date(2026, 4, 30), date(2026, 5, 1)].map(|day| self.frozen(day)));
        all.sort_by_key(|taken| taken.as_of);
        all
    }
}

/// What happens to a home on one of its days.
#[derive(Debug, Clone)]
enum Happening {
    /// These readings arrive together.
    Arrive(Vec<Taken>),
    /// The job looks for days to settle.
    Settle,
}

/// The readings on their ways, by seed: in one third of the variants each is late by a time of its own, or not at all. In
/// another all come in any order after the last was taken, and in the last third so do all but those of the last morning,
/// which come after them. Three of ten come twice, some of them not proved the first time.
fn on_their_ways(readings: &[Taken], seed: u64) -> Vec<(Timestamp, Happening)> {
    let mut random = Xoshiro256PlusPlus::seed_from_u64(seed);
    let all_taken = opened() + SignedDuration::from_hours(HOURS);
    let (last_midnight, others_came) = (midnight(date(2026, 5, 2)), all_taken + SignedDuration::from_hours(24 * 20));
    let mut arrivals = Vec::new();
    for taken in readings {
        let mut arrives = || {
            let (soon, late) = (random.random_range(0..60 * 12), random.random_range(0..60 * 24 * 20));
            let minutes = SignedDuration::from_mins;
            match (seed % 3, random.random_range(0..10)) {
                (0, 0..4) => taken.as_of + minutes(soon % 3),
                (0, 4..7) => taken.as_of + minutes(soon),
                (0, _) => taken.as_of + minutes(late),
                (1, _) if taken.as_of > last_midnight => others_came + minutes(late / 10),
                _ => all_taken + minutes(late),
            }
        };
        let (first, again) = (arrives(), arrives());
        let (twice, at_once) = (random.random_ratio(3, 10), random.random_ratio(1, 2));
        let proved = !(twice && random.random_ratio(1, 3));
        arrivals.push((first, Taken { proved, ..*taken }));
        arrivals.extend(twice.then_some((if at_once { first } else { again }, *taken)));
    }
    arrivals.sort_by_key(|(arrives, taken)| (*arrives, std::cmp::Reverse(taken.as_of)));
    let mut happenings = Vec::new();
    while !arrivals.is_empty() {
        let batch: Vec<_> = arrivals.drain(..random.random_range(1..=9).min(arrivals.len())).collect();
        let at = batch.last().unwrap().0;
        happenings.push((at, Happening::Arrive(batch.into_iter().map(|(_, taken)| taken).collect())));
    }
    let mut day = day_of(opened(), &zone());
    while midnight(day) < all_taken {
        happenings.push((at(day, "12:00".parse().unwrap(), &zone()), Happening::Settle));
        day = next_day(day);
    }
    let minutes = LATEST.as_secs() / 60;
    happenings.extend((0..6).map(|_| {
        let after = SignedDuration::from_mins(random.random_range(0..minutes));
        (opened() + after, Happening::Settle)
    }));
    happenings.sort_by_key(|(at, _)| *at);
    happenings
}

/// What is left in the rows of a home, as far as it must not depend on the order of arrival.
#[derive(Debug, PartialEq, Eq)]
struct Left {
    /// Those that cost money: when, what, shown, unwrapped, good for what.
    readings: Vec<(Timestamp, Kind, Energy, Energy, Quality)>,
    /// Day, value at its end, energy, window of blocks, version of the tariff.
    days: Vec<(Date, Energy, Energy, Date, i64)>,
    posted: Money,
    carry: Carry,
    available: Money,
}

async fn start(database: &Database) -> (App, SetByHand) {
    let settings = settings::read(Some(&format!("{BY_HAND}{}", database.toml())), None).unwrap();
    let clock = SetByHand::new(opened());
    let db = Db::open(&settings.database).unwrap();
    let app = App::new(settings, db, Arc::new(clock.clone())).unwrap();
    app.start(1).await.unwrap();
    (app, clock)
}

fn priced(first: &str, bound: &str, further: &str) -> [(Option<Energy>, domain::money::Price); 2] {
    [(Some(bound.parse().unwrap()), first.parse().unwrap()), (None, further.parse().unwrap())]
}

/// A home at a CT of 3 and a tariff of two blocks that becomes dearer on 30 April; with May its blocks begin anew.
async fn moved_in(app: &App, clock: &SetByHand, nth: u16) -> Home {
    clock.set(opened());
    let blocks = priced("0.5889", "90", "0.6389").map(|(upto_kwh, price)| NewBlock { upto_kwh, price });
    let register = REGISTER.parse().unwrap();
    let terms = Terms {
        nth,
        time_zone: "Asia/Shanghai",
        tariff: by_blocks(blocks.into()),
        multiplier: 3,
        register,
        credit: 100_000,
    };
    let home = Home::enter(app, clock, terms).await;
    let dearer = TariffVersion {
        version: 2,
        valid_from: date(2026, 4, 30),
        blocks: priced("0.6113", "90", "0.7007").map(|(upto, price)| Block { upto, price }).into(),
        time_of_use: None,
        window_start_day: 1,
        window_start_month: None,
        prorate_opening: false,
        fixed_charges: Vec::new(),
        tax_rate_ppm: 0,
        minimum_vend: Money::new(1),
    };
    let account = home.account;
    app.db
        .write(move |conn| {
            let tariff = store::account::by_id(conn, account)?.tariff_id;
            store::tariff::insert_version(conn, tariff, &dearer, opened())
        })
        .await
        .unwrap();
    home
}

impl Home {
    /// Readings that arrive now, in one batch; how many of them were there already. None may be doubted that is proved.
    async fn takes(&self, batch: &[Taken]) -> usize {
        let observed = |taken: &Taken| {
            let plain = self.observation(taken.kind, taken.as_of, taken.shown);
            let plain = Observation { identity_verified: taken.proved, ..plain };
            match taken.kind {
                Kind::DailyFreeze => Observation { time_source: TimeSource::Meter, ..plain },
                _ => Observation { resolution: Energy::new(POLLED_STEP), ..plain },
            }
        };
        let acks = ingest::ingest(&self.app, batch.iter().map(observed).collect(), true).await.unwrap();
        let good = |(taken, ack): (&Taken, &Ack)| ack.quality == Quality::Good || !taken.proved;
        assert!(batch.iter().zip(&acks).all(good), "{acks:?}");
        acks.iter().filter(|ack| ack.duplicate).count()
    }

    async fn left(&self) -> Left {
        let (account, meter) = (self.account, self.meter);
        let read = move |conn: &mut store::Conn| {
            let readings = store::reading::page(conn, meter, None, None, None, 500)?;
            Ok::<_, store::Error>((readings, store::settled_day::current(conn, account, None)?))
        };
        let (readings, days) = self.app.db.read(read).await.unwrap();
        let row = self.app.db.read(move |conn| store::account::by_id(conn, account)).await.unwrap();
        let readings = readings
            .into_iter()
            .filter(|row| row.quality.counts(row.kind))
            .map(|row| (row.as_of, row.kind, row.total, row.unwrapped, row.quality));
        let mut readings: Vec<_> = readings.collect();
        readings.sort_by_key(|(as_of, kind, ..)| (*as_of, kind.precedence()));
        let day = |row: store::settled_day::SettledDay| {
            (row.day, row.end_value, row.energy, row.block_window, row.tariff_version)
        };
        Left {
            readings,
            days: days.into_iter().map(day).collect(),
            posted: row.posted,
            carry: row.carry,
            available: balance::get(&self.app, account).await.unwrap().available,
        }
    }

    /// The hot balance says what the rows say, whatever came in which order.
    async fn agrees(&self) {
        let account = self.account;
        let row = self.app.db.read(move |conn| store::account::by_id(conn, account)).await.unwrap();
        let tariff = self.app.tariff(row.tariff_id).await.unwrap();
        let hot = self.app.hot.get(account).await.unwrap().available(&tariff).unwrap();
        assert_eq!(hot, Some(balance::get(&self.app, account).await.unwrap().available));
    }

    async fn corrections(&self) -> usize {
        let account = self.account;
        let posted = self.app.db.read(move |conn| store::transaction::of_account(conn, account, 0, 500)).await.unwrap();
        posted.iter().filter(|row| row.kind == TransactionKind::Correction).count()
    }
}

/// The comparison is worth something: the register began anew, prices and windows changed, a midnight had no reading.
fn is_telling(left: &Left, modulus: Energy) {
    let (_, _, shown, unwrapped, _) = left.readings.last().unwrap();
    assert_eq!(*unwrapped, *shown + modulus);
    let days: Vec<_> = left.days.iter().map(|(day, _, _, window, version)| (*day, *window, *version)).collect();
    let (april, may) = (date(2026, 4, 1), date(2026, 5, 1));
    let wanted = [(28, april, 1), (29, april, 1), (30, april, 2)]
        .map(|(day, window, version)| (date(2026, 4, day), window, version));
    assert_eq!(days, [&wanted[..], &[(may, may, 2)]].concat());
    assert!(left.readings.iter().all(|(as_of, ..)| *as_of != midnight(date(2026, 5, 2))));
    assert_ne!((left.carry, left.available), (Carry::ZERO, left.posted));
}

async fn shuffled_duplicated_and_late_readings_leave_the_same_rows(database: Database) {
    let (app, clock) = start(&database).await;
    let modulus = app.settings.meter_profile("dlt645_direct").unwrap().limits.register_modulus;
    let readings = Truth::drawn(modulus).readings();
    let end = opened() + LATEST;

    let in_order = moved_in(&app, &clock, 1).await;
    clock.set(end);
    assert_eq!(in_order.takes(&readings).await, 0);
    jobs::settle_open(&app).await.unwrap();
    let wanted = in_order.left().await;
    is_telling(&wanted, modulus);

    let mut homes = Vec::new();
    let (mut again, mut corrections) = (0, 0);
    for seed in 1..=VARIANTS {
        let home = moved_in(&app, &clock, u16::try_from(seed).unwrap() + 1).await;
        for (at, happening) in on_their_ways(&readings, seed) {
            clock.set(at);
            match happening {
                Happening::Arrive(batch) => again += home.takes(&batch).await,
                Happening::Settle => drop(jobs::settle_open(&app).await.unwrap()),
            }
            home.agrees().await;
        }
        corrections += home.corrections().await;
        homes.push((seed, home));
    }
    clock.set(end);
    jobs::settle_open(&app).await.unwrap();
    for (seed, home) in &homes {
        let left = home.left().await;
        assert_eq!(left.readings, wanted.readings, "readings by seed {seed}");
        assert_eq!(left.days, wanted.days, "settled days by seed {seed}");
        assert_eq!(left, wanted, "by seed {seed}");
        home.explained().await;
    }
    assert!(again > 100 && corrections > 10, "{again} came twice, {corrections} corrections");
    assert_eq!(in_order.audited().await.accounts, homes.len() + 1);
    app.stop().await;
}
