//! Days that end: settled by the reading at their midnight, by interpolation where it is missing, and corrected when it
//! comes late. Days pass by a clock that is set by hand; the operations and the databases are the real ones.

use std::sync::Arc;

use domain::{
    energy::Energy,
    ledger::TransactionKind,
    reading::{Kind, Observation, Quality},
};
use jiff::Timestamp;
use store::Db;
use wattgate::{
    app::App,
    audit, jobs,
    operations::{balance, ingest, tariffs::NewBlock},
    settings,
};

use crate::support::{Database, Home, SetByHand, Terms, by_blocks, flat, on_both};

on_both!(
    a_freeze_at_midnight_settles_its_day,
    a_day_without_a_freeze_is_interpolated_at_noon_and_corrected_by_a_late_one,
    a_day_interpolated_between_two_readings_is_corrected_by_a_late_one_after_its_midnight,
    a_correction_survives_a_crash_right_after_its_reading_was_committed,
    readings_in_any_order_and_number_come_to_the_same_balance,
    a_clock_that_was_ahead_for_a_while_neither_bills_twice_nor_stops_billing,
);

/// What the account brings along, in fen.
pub(super) const CREDIT: i64 = 100_000;

/// An instant in May 2026 in Shanghai: `04 08:00`.
fn may(day_and_time: &str) -> Timestamp {
    let (day, time) = day_and_time.split_once(' ').unwrap();
    format!("2026-05-{day}T{time}:00+08:00").parse().unwrap()
}

pub(super) fn kwh(text: &str) -> Energy {
    text.parse().unwrap()
}

impl Home {
    /// One meter and its account at 1 CNY per kWh, opened on 4 May at 8 o'clock with 1000 kWh on the register.
    async fn open(database: &Database) -> Self {
        Self::priced(database, flat("1")).await
    }

    /// The same with other prices.
    pub(super) async fn priced(database: &Database, blocks: Vec<NewBlock>) -> Self {
        let (time_zone, tariff) = ("Asia/Shanghai", by_blocks(blocks));
        let terms = Terms { nth: 1, time_zone, tariff, multiplier: 1, register: kwh("1000"), credit: CREDIT };
        Self::start(database, may("04 08:00"), terms).await
    }

    /// The only home of a program that starts now.
    pub(super) async fn start(database: &Database, now: Timestamp, terms: Terms) -> Self {
        let settings = settings::read(Some(&database.toml()), None).unwrap();
        let clock = SetByHand::new(now);
        let db = Db::open(&settings.database).unwrap();
        let app = App::new(settings, db, Arc::new(clock.clone())).unwrap();
        app.start(1).await.unwrap();
        Self::enter(&app, &clock, terms).await
    }

    pub(super) fn at(&self, now: &str) {
        self.clock.set(may(now));
    }

    /// The register stood so then.
    pub(super) fn reading(&self, kind: Kind, as_of: &str, total: &str) -> Observation {
        self.observation(kind, may(as_of), kwh(total))
    }

    /// Readings that arrive now; whether each was there already. None of them may be doubted.
    pub(super) async fn arrives(&self, readings: &[Observation]) -> Vec<bool> {
        let acks = ingest::ingest(&self.app, readings.to_vec(), true).await.unwrap();
        assert!(acks.iter().all(|ack| ack.quality == Quality::Good), "{acks:?}");
        acks.iter().map(|ack| ack.duplicate).collect()
    }

    /// Posted and accrued, in fen used since the opening.
    pub(super) async fn used(&self) -> (i64, i64) {
        let balance = balance::get(&self.app, self.account).await.unwrap();
        assert_eq!(balance.available, balance.posted - balance.accrued);
        (CREDIT - balance.posted.get(), balance.accrued.get())
    }

    /// Kinds and balances of what was posted after the opening.
    async fn posted(&self) -> Vec<(TransactionKind, i64)> {
        let account = self.account;
        let rows = self.app.db.read(move |conn| store::transaction::of_account(conn, account, 0, 100)).await.unwrap();
        rows.iter().skip(1).map(|row| (row.kind, CREDIT - row.balance_after.get())).collect()
    }

    /// The energy that a day was settled with.
    async fn day(&self, day: jiff::civil::Date) -> Option<Energy> {
        let account = self.account;
        let days = self.app.db.read(move |conn| store::settled_day::current(conn, account, None)).await.unwrap();
        days.iter().find(|row| row.day == day).map(|row| row.energy)
    }

    pub(super) async fn closed(self) -> audit::Audit {
        self.explained().await;
        let audit = self.audited().await;
        self.app.stop().await;
        audit
    }
}

async fn a_freeze_at_midnight_settles_its_day(database: Database) {
    let home = Home::open(&database).await;
    home.at("04 20:00");
    home.arrives(&[home.reading(Kind::Instant, "04 20:00", "1006")]).await;
    assert_eq!(home.used().await, (0, 600), "used, not posted");

    home.at("05 00:10");
    home.arrives(&[home.reading(Kind::DailyFreeze, "05 00:00", "1008.5")]).await;
    assert_eq!(home.used().await, (850, 0), "posted, not accrued any more");
    assert_eq!(home.posted().await, [(TransactionKind::Charge, 850)]);

    home.at("05 09:00");
    home.arrives(&[home.reading(Kind::Instant, "05 09:00", "1010")]).await;
    assert_eq!(home.used().await, (850, 150));
    let again = home.arrives(&[home.reading(Kind::DailyFreeze, "05 00:00", "1008.5")]).await;
    assert_eq!(again, [true], "the freeze is known already");
    assert_eq!(home.used().await, (850, 150));
    assert_eq!(home.closed().await.settled_days, 1);
}

async fn a_day_without_a_freeze_is_interpolated_at_noon_and_corrected_by_a_late_one(database: Database) {
    let home = Home::open(&database).await;
    home.at("04 22:00");
    home.arrives(&[home.reading(Kind::Instant, "04 22:00", "1008")]).await;
    home.at("05 02:00");
    home.arrives(&[home.reading(Kind::Instant, "05 02:00", "1012")]).await;
    assert_eq!(home.used().await, (0, 1200));

    home.at("05 11:59");
    assert_eq!(jobs::settle_open(&home.app).await.unwrap(), 0, "its freeze may still come");
    home.at("05 12:00");
    assert_eq!(jobs::settle_open(&home.app).await.unwrap(), 1);
    assert_eq!(home.used().await, (1000, 200), "half way between the readings around midnight");

    home.at("05 13:00");
    home.arrives(&[home.reading(Kind::DailyFreeze, "05 00:00", "1011")]).await;
    assert_eq!(home.used().await, (1100, 100), "the freeze is right");

    home.at("06 00:10");
    home.arrives(&[home.reading(Kind::DailyFreeze, "06 00:00", "1020")]).await;
    assert_eq!(home.used().await, (2000, 0));
    let wanted =
        [(TransactionKind::Charge, 1000), (TransactionKind::Correction, 1100), (TransactionKind::Charge, 2000)];
    assert_eq!(home.posted().await, wanted);
    assert_eq!(home.closed().await.settled_days, 3, "one of them settled twice");
}

async fn a_day_interpolated_between_two_readings_is_corrected_by_a_late_one_after_its_midnight(database: Database) {
    let home = Home::open(&database).await;
    home.at("05 12:00");
    let around = [home.reading(Kind::Instant, "04 22:00", "1008"), home.reading(Kind::Instant, "05 06:00", "1016")];
    home.arrives(&around).await;
    assert_eq!(home.used().await, (1000, 600), "a quarter of the way between them");

    home.at("05 13:00");
    home.arrives(&[home.reading(Kind::Instant, "05 01:00", "1014")]).await;
    assert_eq!(home.used().await, (1200, 400), "most of it was used before midnight");
    home.closed().await;
}

async fn a_correction_survives_a_crash_right_after_its_reading_was_committed(database: Database) {
    let home = Home::open(&database).await;
    home.at("05 02:00");
    home.arrives(&[home.reading(Kind::Instant, "04 22:00", "1008")]).await;
    home.arrives(&[home.reading(Kind::Instant, "05 02:00", "1012")]).await;
    home.at("05 12:00");
    assert_eq!(jobs::settle_open(&home.app).await.unwrap(), 1);
    home.at("06 00:10");
    home.arrives(&[home.reading(Kind::DailyFreeze, "06 00:00", "1020")]).await;
    assert_eq!(home.used().await, (2000, 0));

    // What the batch writer does, and nothing of what follows a commit.
    let late = vec![vec![home.reading(Kind::DailyFreeze, "05 00:00", "1011")]];
    let settings = home.app.settings.clone();
    let written = home.app.db.write(move |conn| ingest::write(conn, &settings, &late)).await.unwrap();
    assert!(written.iter().all(Result::is_ok));
    assert_eq!(home.posted().await.len(), 2, "not corrected yet");

    assert_eq!(jobs::settle_open(&home.app).await.unwrap(), 2, "the day and the one after it");
    assert_eq!(home.used().await, (2000, 0), "the total stands, its days have moved");
    assert_eq!(jobs::settle_open(&home.app).await.unwrap(), 0, "once");
    let account = home.account;
    let days = home.app.db.read(move |conn| store::settled_day::current(conn, account, None)).await.unwrap();
    assert_eq!(days.iter().map(|day| day.energy).collect::<Vec<_>>(), [kwh("11"), kwh("9")]);
    home.closed().await;
}

async fn readings_in_any_order_and_number_come_to_the_same_balance(database: Database) {
    let home = Home::open(&database).await;
    home.at("07 00:30");
    let backfill = [
        home.reading(Kind::DailyFreeze, "07 00:00", "1030"),
        home.reading(Kind::DailyFreeze, "05 00:00", "1008"),
        home.reading(Kind::Instant, "06 18:00", "1026"),
        home.reading(Kind::DailyFreeze, "06 00:00", "1020"),
        home.reading(Kind::Instant, "05 18:00", "1016"),
    ];
    for reading in &backfill {
        home.arrives(std::slice::from_ref(reading)).await;
    }
    jobs::settle_open(&home.app).await.unwrap();
    assert_eq!(home.used().await, (3000, 0));
    assert_eq!(home.arrives(&backfill).await, [true; 5]);
    assert_eq!(home.used().await, (3000, 0));
    let account = home.account;
    let days = home.app.db.read(move |conn| store::settled_day::current(conn, account, None)).await.unwrap();
    assert_eq!(days.iter().map(|day| day.energy).collect::<Vec<_>>(), [kwh("8"), kwh("12"), kwh("10")]);
    home.closed().await;
}

async fn a_clock_that_was_ahead_for_a_while_neither_bills_twice_nor_stops_billing(database: Database) {
    let home = Home::open(&database).await;
    home.at("04 20:00");
    home.arrives(&[home.reading(Kind::Instant, "04 20:00", "1006")]).await;
    let ahead: Timestamp = "2027-05-04T20:05:00+08:00".parse().unwrap();
    home.clock.set(ahead);
    home.arrives(&[home.observation(Kind::Instant, ahead, kwh("1006.1"))]).await;
    jobs::settle_open(&home.app).await.unwrap();

    home.at("04 22:00");
    home.arrives(&[home.reading(Kind::Instant, "04 22:00", "1007")]).await;
    home.at("05 00:10");
    home.arrives(&[home.reading(Kind::DailyFreeze, "05 00:00", "1008.5")]).await;
    let day: jiff::civil::Date = "2026-05-04".parse().unwrap();
    assert_eq!(home.day(day).await, Some(kwh("8.5")));
    home.at("06 00:10");
    home.arrives(&[home.reading(Kind::DailyFreeze, "06 00:00", "1012")]).await;
    let (posted, accrued) = home.used().await;
    assert_eq!(posted + accrued, 1200, "whatever that year settled, all of it is 12 kWh");
    home.closed().await;
}
