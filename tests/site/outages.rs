//! Reports of outages: the program ends and starts again on the same database, by a clock that is set by hand.

use std::sync::Arc;

use domain::{
    ledger::TransactionKind,
    money::Money,
    reading::Kind,
    tariff::{Every, FixedCharge},
};
use jiff::{SignedDuration, Timestamp};
use store::{Db, outage::Outage};
use wattgate::{
    app::App,
    jobs,
    operations::{
        notices,
        outage::{self, Missed, Posted, Report},
        tariffs::NewTariff,
    },
    settings,
};

use super::settlement::{CREDIT, kwh};
use crate::support::{Database, Home, SOON, Terms, by_blocks, eventually, flat, on_both};

on_both!(
    what_was_missed_is_reported_with_what_was_posted_because_of_it,
    what_is_not_caught_up_by_the_deadline_is_reported_as_missing,
    a_start_that_missed_nothing_is_reported_at_once,
);

fn may(now: &str) -> Timestamp {
    format!("2026-05-{}:00+08:00", now.replace(' ', "T")).parse().unwrap()
}

/// 1 CNY per kWh and 0.30 a day, opened on 4 May at 8 o'clock; 10 kWh on that day, which is settled by its freeze.
async fn open(database: &Database) -> Home {
    let daily = FixedCharge { name: "service".to_owned(), every: Every::Day, amount: Money::new(30) };
    let tariff = NewTariff { fixed_charges: Some(vec![daily]), ..by_blocks(flat("1")) };
    let (time_zone, register) = ("Asia/Shanghai", kwh("1000"));
    let terms = Terms { nth: 1, time_zone, tariff, multiplier: 1, register, credit: CREDIT };
    let home = Home::start(database, may("04 08:00"), terms).await;
    // By day: at night it would wait for the end of quiet hours.
    notices::send_due(&home.app, 100).await.unwrap();
    home.clock.set(may("05 00:10"));
    home.frozen("05", "1010").await;
    jobs::charge_fixed(&home.app).await.unwrap();
    home
}

impl Home {
    async fn frozen(&self, day: &str, total: &str) {
        let freeze = self.observation(Kind::DailyFreeze, may(&format!("{day} 00:00")), kwh(total));
        self.arrives(&[freeze]).await;
    }

    /// Its program ends without a word after its last heartbeat, and another starts on the same database.
    async fn down(self, database: &Database, from: &str, until: &str) -> Self {
        self.clock.set(may(from));
        outage::beat(&self.app).await.unwrap();
        self.clock.set(may(until));
        let settings = settings::read(Some(&database.toml()), None).unwrap();
        let db = Db::open(&settings.database).unwrap();
        let app = App::new(settings, db, Arc::new(self.clock.clone())).unwrap();
        app.start(1).await.unwrap();
        Self { app, ..self }
    }

    async fn outages(&self) -> Vec<Outage> {
        let site = self.account.site();
        self.app.db.read(move |conn| store::outage::page(conn, site, None, 10)).await.unwrap()
    }

    /// What is told of the last outage, once it is reported. The program's own looks may have a job just now.
    async fn reported(&self) -> Report {
        eventually(SOON, "the outage is reported", async || {
            jobs::charge_fixed(&self.app).await.unwrap();
            jobs::settle_open(&self.app).await.unwrap();
            outage::beat(&self.app).await.unwrap();
            outage::reported(&self.outages().await[0]).unwrap()
        })
        .await
    }
}

fn posted(kind: TransactionKind, transactions: i64, amount: i64) -> Posted {
    Posted { kind, transactions, amount: Money::new(amount) }
}

async fn what_was_missed_is_reported_with_what_was_posted_because_of_it(database: Database) {
    // Down from 20:00 on 5 May until 9:00 on 7 May, over two midnights.
    let home = open(&database).await.down(&database, "05 20:00", "07 09:00").await;
    let [told] = &home.outages().await[..] else { panic!("one outage") };
    assert_eq!((told.down_from, told.up_at), (may("05 20:00"), may("07 09:00")));
    let missed = Missed { freezes: 2, days: 2, fixed_charge_days: 2, notices: 0, orders: 0 };
    assert_eq!(outage::missed(told).unwrap(), missed);

    outage::beat(&home.app).await.unwrap();
    assert_eq!(home.outages().await[0].reported_at, None, "its freezes are being asked for");
    home.frozen("06", "1022").await;
    home.frozen("07", "1035").await;
    let report = home.reported().await;
    // 12 and 13 kWh; 0.30 for 6 May and for 7 May.
    let caught_up = [posted(TransactionKind::Charge, 2, 2500), posted(TransactionKind::FixedCharge, 2, 60)];
    assert_eq!(report, Report { left: Missed::default(), posted: caught_up.to_vec() });

    // What comes later is not because of it.
    home.clock.set(may("08 00:10"));
    home.frozen("08", "1040").await;
    jobs::charge_fixed(&home.app).await.unwrap();
    assert_eq!(outage::beat(&home.app).await.unwrap(), 0, "it is reported once");
    assert_eq!(home.reported().await, report);
    home.closed().await;
}

async fn what_is_not_caught_up_by_the_deadline_is_reported_as_missing(database: Database) {
    let home = open(&database).await.down(&database, "05 20:00", "07 09:00").await;
    home.frozen("06", "1022").await;
    home.clock.set(may("08 08:59"));
    outage::beat(&home.app).await.unwrap();
    assert_eq!(home.outages().await[0].reported_at, None);
    jobs::charge_fixed(&home.app).await.unwrap();
    // 24 hours after the start.
    home.clock.pass(SignedDuration::from_mins(1));
    let report = home.reported().await;
    assert_eq!((report.left.freezes, report.left.days), (1, 1), "of 6 May nothing is known");
    assert!(report.posted.contains(&posted(TransactionKind::Charge, 1, 1200)), "{report:?}");
    home.closed().await;
}

async fn a_start_that_missed_nothing_is_reported_at_once(database: Database) {
    let home = open(&database).await.down(&database, "05 20:00", "05 20:01").await;
    let nothing = Report { left: Missed::default(), posted: Vec::new() };
    assert_eq!(home.reported().await, nothing);
    // The clock had been ahead: it never was down for less than nothing.
    let home = home.down(&database, "05 21:00", "05 20:30").await;
    let last = home.outages().await.into_iter().min_by_key(|told| told.up_at != may("05 20:30")).unwrap();
    assert_eq!((last.down_from, last.up_at), (may("05 20:30"), may("05 20:30")));
    home.app.stop().await;
}
