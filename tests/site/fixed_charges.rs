//! Fixed charges: in advance, by the day and the month, once, whatever the meter says and however long nobody looked.

use std::sync::Arc;

use domain::{
    ledger::TransactionKind,
    money::Money,
    tariff::{Every, FixedCharge},
};
use jiff::{SignedDuration, Timestamp};
use store::Db;
use wattgate::{
    app::App,
    jobs,
    operations::tariffs::{NewTariff, NewVersion},
    settings,
};

use super::settlement::{CREDIT, kwh};
use crate::support::{Database, Home, SetByHand, Terms, by_blocks, flat, on_both};

on_both!(
    an_account_pays_from_the_day_of_its_opening_on,
    what_was_missed_is_caught_up_once,
    a_new_version_charges_the_rest_of_its_month_in_place_of_the_old_one,
);

fn charges(daily: i64, monthly: i64) -> Vec<FixedCharge> {
    let charge = |name: &str, every, amount| FixedCharge { name: name.to_owned(), every, amount: Money::new(amount) };
    vec![charge("meter", Every::Day, daily), charge("service", Every::Month, monthly)]
}

/// 0.30 CNY a day and 31.00 a month, opened on 4 May at 8 o'clock, when 3 of 31 days are gone.
async fn opened(database: &Database) -> Home {
    let tariff = NewTariff { fixed_charges: Some(charges(30, 3100)), ..by_blocks(flat("1")) };
    let (time_zone, register) = ("Asia/Shanghai", kwh("1000"));
    let terms = Terms { nth: 1, time_zone, tariff, multiplier: 1, register, credit: CREDIT };
    // Without the program's own jobs: on a busy machine their first look would come when the clock stands elsewhere already.
    let settings = settings::read(Some(&database.toml()), None).unwrap();
    let clock = SetByHand::new("2026-05-04T08:00:00+08:00".parse().unwrap());
    let db = Db::open(&settings.database).unwrap();
    let app = App::new(settings, db, Arc::new(clock.clone())).unwrap();
    app.start_writers();
    Home::enter(&app, &clock, terms).await
}

impl Home {
    async fn looks_at(&self, now: &str) -> usize {
        self.clock.set(now.parse::<Timestamp>().unwrap());
        jobs::charge_fixed(&self.app).await.unwrap()
    }

    /// What fixed charges posted, by what for, in their order.
    async fn fixed(&self) -> Vec<(String, i64)> {
        let account = self.account;
        let rows = self.app.db.read(move |conn| store::transaction::of_account(conn, account, 0, 500)).await.unwrap();
        let fixed = rows.iter().zip(rows.iter().skip(1)).filter(|(_, row)| row.kind == TransactionKind::FixedCharge);
        fixed.map(|(before, row)| (row.object.clone(), (before.balance_after - row.balance_after).get())).collect()
    }
}

fn posted(all: &[(&str, i64)]) -> Vec<(String, i64)> {
    all.iter().map(|(what, amount)| (format!("fixed_charge:{what}"), *amount)).collect()
}

async fn an_account_pays_from_the_day_of_its_opening_on(database: Database) {
    let home = opened(&database).await;
    assert_eq!(home.fixed().await, posted(&[("2026-05-04:meter", 30), ("2026-05-04:service", 2800)]));
    assert_eq!(home.used().await, (2830, 0));
    assert_eq!(home.looks_at("2026-05-04T23:59:59+08:00").await, 0, "the day is paid");
    assert_eq!(home.looks_at("2026-05-05T00:00:00+08:00").await, 1);
    assert_eq!(home.looks_at("2026-05-05T00:01:00+08:00").await, 0);
    assert_eq!(home.fixed().await.last(), posted(&[("2026-05-05:meter", 30)]).last());
    assert_eq!(home.used().await, (2860, 0));
    let account = home.account;
    let hot = home.app.hot.get(account).await.unwrap();
    assert_eq!(hot.account.map(|part| part.posted), Some(Money::new(CREDIT - 2860)), "the hot balance follows");
    home.closed().await;
}

async fn what_was_missed_is_caught_up_once(database: Database) {
    let home = opened(&database).await;
    // Nobody looked for a month and a half.
    assert_eq!(home.looks_at("2026-06-20T03:00:00+08:00").await, 1);
    let fixed = home.fixed().await;
    assert_eq!(fixed.len(), 48 + 2, "48 days and two months");
    assert!(fixed.contains(&posted(&[("2026-06-01:service", 3100)]).remove(0)));
    assert_eq!(home.used().await, (48 * 30 + 2800 + 3100, 0));
    assert_eq!(home.looks_at("2026-06-20T03:01:00+08:00").await, 0);

    // A clock that is put back charges nothing again.
    assert_eq!(home.looks_at("2026-06-02T03:00:00+08:00").await, 0);
    assert_eq!(home.looks_at("2026-06-21T03:00:00+08:00").await, 1);
    assert_eq!(home.used().await, (49 * 30 + 2800 + 3100, 0));
    home.closed().await;
}

async fn a_new_version_charges_the_rest_of_its_month_in_place_of_the_old_one(database: Database) {
    let home = opened(&database).await;
    let new = NewVersion {
        valid_from: "2026-05-11".parse().unwrap(),
        blocks: flat("1"),
        time_of_use: None,
        window_start_day: None,
        window_start_month: None,
        prorate_opening: None,
        fixed_charges: Some(charges(50, 6200)),
        tax_rate_ppm: None,
        minimum_vend: None,
    };
    home.price_change(new).await;
    home.looks_at("2026-05-10T12:00:00+08:00").await;
    assert_eq!(home.used().await, (7 * 30 + 2800, 0));
    home.looks_at("2026-05-11T00:00:00+08:00").await;
    // 21 of 31 days are left: 2100 by the old price back, 4200 by the new one.
    assert_eq!(home.fixed().await.last(), posted(&[("2026-05-11:service", 2100)]).last());
    home.clock.pass(SignedDuration::from_hours(24));
    assert_eq!(home.used().await, (7 * 30 + 2800 + 50 + 2100, 0));
    home.closed().await;
}
