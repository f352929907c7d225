//! What stands before a cut and what follows a refused reconnect, by a clock that is set by hand; the operations and the databases
//! are the real ones.

use std::sync::Arc;

use domain::{
    ids::{AccountId, MeterId},
    reading::Kind,
    relay::{
        Action, RelayReading, RelayState,
        decide::Guard,
        order::{Event, Refusal},
    },
};
use jiff::Timestamp;
use store::{Db, supply_wait::SupplyWait};
use wattgate::{
    app::App,
    operations::{
        books::Books,
        decide_relay,
        open_account::{self, OpenAccount},
        order_relay::{self, Done, OrderRelay},
        record_order,
        register::{self, NewAccount},
        tariffs::NewBlock,
    },
    settings,
};

use super::{
    account_life::code,
    settlement::{CREDIT, kwh},
};
use crate::support::{Database, Home, SetByHand, Terms, by_blocks, flat, on_both};

on_both!(
    a_meter_that_sells_by_itself_is_refused_at_its_installation,
    a_due_cut_without_a_fresh_reading_has_the_meter_read_now,
    a_cut_that_waits_for_a_reading_for_a_day_is_told_once_until_the_meter_is_read,
    how_old_a_reading_may_be_is_what_the_meters_profile_says,
    the_quarantines_alarm_is_told_anew_each_day,
    a_refused_reconnect_is_brought_to_an_operator,
    a_forecast_knows_the_blocks_of_the_window_before,
);

const CONNECTED: RelayReading =
    RelayReading { relay: RelayState::Connected, command: RelayState::Connected, local_prepay: false };

impl Home {
    /// What a decision over supply now comes to: meters to be read at once, and guards that hold its cut.
    async fn decided(&self) -> (Vec<MeterId>, Vec<Guard>) {
        let (account, settings, now) = (self.account, self.app.settings.clone(), self.app.clock.now());
        let decide = move |conn: &mut store::Conn| {
            let mut books = Books::lock(conn, account)?;
            decide_relay::in_transaction(conn, &settings, &mut books, None, now)
        };
        let reviewed = self.app.db.write(decide).await.unwrap();
        let guards = reviewed.held.into_iter().flat_map(|(_, guards)| guards).collect();
        (reviewed.read_now.into_iter().map(|(_, meter)| meter).collect(), guards)
    }

    /// All of the credit is used up, by half a kWh.
    async fn uses_all(&self, at: &str) {
        self.at(at);
        self.arrives(&[self.reading(Kind::Instant, at, "1000.5")]).await;
    }

    async fn alarms_of(&self, kind: &'static str) -> Vec<(String, bool)> {
        let site = self.account.site();
        let all = self.app.db.read(move |conn| store::alarm::page(conn, site, false, None, 99)).await.unwrap();
        let ours = all.into_iter().filter(|alarm| alarm.kind == kind);
        ours.map(|alarm| (alarm.object, alarm.cleared_at.is_none())).collect()
    }
}

async fn a_meter_that_sells_by_itself_is_refused_at_its_installation(database: Database) {
    let mut home = Home::priced(&database, flat("1")).await;
    home.at("05 08:00");
    home.closes(super::account_life::closing(&home, "1001"), "close-1").await.unwrap();
    let opens = async |home: &Home, key: &str| {
        let (old, customer_id) = (home.account, home.customer("Wu").await);
        let tariff_id = home.app.db.read(move |conn| store::account::by_id(conn, old)).await.unwrap().tariff_id;
        let account = register::account(&home.app, NewAccount { customer_id, tariff_id, number: None }).await.unwrap();
        let opening = OpenAccount {
            meter_id: home.meter,
            multiplier: None,
            initial_reading: Some(kwh("1001")),
            initial_registers: Default::default(),
            reason: Some("read on site".to_owned()),
            opening_credit: None,
            opening_debt: None,
            confirmed: false,
            relay_waiver: None,
        };
        open_account::open(&home.app, account.id, opening, key, "tests").await.map(|row| row.id)
    };
    let sells = |local_prepay| RelayReading { local_prepay, ..CONNECTED };
    let now = home.app.clock.now();
    record_order::relay_seen(&home.app, home.meter, sells(true), now).await.unwrap();
    assert_eq!(code::<AccountId>(opens(&home, "open-2").await), "local_prepay_meter");
    record_order::relay_seen(&home.app, home.meter, sells(false), now).await.unwrap();
    home.account = opens(&home, "open-3").await.unwrap();
    home.closed().await;
}

async fn a_due_cut_without_a_fresh_reading_has_the_meter_read_now(database: Database) {
    let home = Home::priced(&database, flat("2000")).await;
    record_order::relay_seen(&home.app, home.meter, CONNECTED, home.app.clock.now()).await.unwrap();
    home.uses_all("04 12:00").await;
    let (asked, guards) = home.decided().await;
    assert!(asked.is_empty() && !guards.is_empty() && !guards.contains(&Guard::StaleReading), "{guards:?}");
    home.at("04 16:00");
    let (asked, guards) = home.decided().await;
    assert_eq!(asked, [home.meter], "{guards:?}");
    assert!(guards.contains(&Guard::StaleReading));
    home.arrives(&[home.reading(Kind::Instant, "04 16:00", "1000.6")]).await;
    assert_eq!(home.decided().await.0, [], "asked once, it has answered");
    home.closed().await;
}

async fn a_cut_that_waits_for_a_reading_for_a_day_is_told_once_until_the_meter_is_read(database: Database) {
    const UNREAD: &str = "unread_before_cut";
    let home = Home::priced(&database, flat("2000")).await;
    record_order::relay_seen(&home.app, home.meter, CONNECTED, home.app.clock.now()).await.unwrap();
    home.uses_all("04 12:00").await;
    let meter = format!("meter:{}", home.meter);
    // The reading of noon is evidence until two, and no other came within a day from then.
    for (now, stands) in [("04 14:01", 0), ("05 13:59", 0), ("05 14:00", 1), ("05 15:00", 1), ("08 20:00", 1)] {
        home.at(now);
        assert!(home.decided().await.1.contains(&Guard::StaleReading), "{now}");
        assert_eq!(home.alarms_of(UNREAD).await, vec![(meter.clone(), true); stands], "{now}");
    }
    home.arrives(&[home.reading(Kind::Instant, "08 20:00", "1000.6")]).await;
    assert!(!home.decided().await.1.contains(&Guard::StaleReading));
    assert_eq!(home.alarms_of(UNREAD).await, [(meter.clone(), false)], "it was read");

    home.at("08 23:00");
    home.decided().await;
    home.at("10 00:00");
    home.decided().await;
    assert_eq!(home.alarms_of(UNREAD).await, [(meter.clone(), true), (meter.clone(), false)], "another time");
    home.sell(1_000_000, "vend-1").await.unwrap();
    assert_eq!(home.alarms_of(UNREAD).await, [(meter.clone(), false), (meter.clone(), false)], "no cut is due");
    home.closed().await;
}

async fn how_old_a_reading_may_be_is_what_the_meters_profile_says(database: Database) {
    let clock = SetByHand::new("2026-05-04T08:00:00+08:00".parse().unwrap());
    let daily = "[profiles.meter.dlt645_direct]\nreading_freshness = \"30h\"\n";
    let settings = settings::read(Some(&format!("{}{daily}", database.toml())), None).unwrap();
    let db = Db::open(&settings.database).unwrap();
    let app = App::new(settings, db, Arc::new(clock.clone())).unwrap();
    app.start(1).await.unwrap();
    let (time_zone, tariff) = ("Asia/Shanghai", by_blocks(flat("2000")));
    let terms = Terms { nth: 1, time_zone, tariff, multiplier: 1, register: kwh("1000"), credit: CREDIT };
    let home = Home::enter(&app, &clock, terms).await;
    record_order::relay_seen(&home.app, home.meter, CONNECTED, home.app.clock.now()).await.unwrap();
    home.uses_all("04 12:00").await;
    for (now, stale) in [("04 16:00", false), ("05 18:00", false), ("05 18:01", true)] {
        home.at(now);
        let (asked, guards) = home.decided().await;
        assert_eq!((guards.contains(&Guard::StaleReading), !asked.is_empty()), (stale, stale), "{now}: {guards:?}");
    }
    home.closed().await;
}

async fn the_quarantines_alarm_is_told_anew_each_day(database: Database) {
    let home = Home::priced(&database, flat("2000")).await;
    record_order::relay_seen(&home.app, home.meter, CONNECTED, home.app.clock.now()).await.unwrap();
    home.uses_all("04 12:00").await;
    let now = home.app.clock.now();
    let wait = SupplyWait {
        meter_id: home.meter,
        account_id: home.account,
        wanted: RelayState::Disconnected,
        since: now,
        guards: vec![Guard::Quarantine],
        quarantined_at: Some(now),
        released_at: None,
        released_by: None,
    };
    home.app.db.write(move |conn| store::supply_wait::save(conn, &wait)).await.unwrap();
    let site = format!("site:{}", home.account.site());
    for (now, told) in [("04 12:10", 1), ("04 23:00", 1), ("05 00:10", 2), ("05 20:00", 2), ("06 08:00", 3)] {
        home.at(now);
        assert!(home.decided().await.1.contains(&Guard::Quarantine), "{now}");
        let alarms = home.alarms_of("cuts_quarantined").await;
        assert_eq!(alarms.len(), told, "{now}: {alarms:?}");
        assert_eq!(alarms.iter().filter(|alarm| **alarm == (site.clone(), true)).count(), 1, "{now}: one stands");
    }
    home.app.stop().await;
}

async fn a_refused_reconnect_is_brought_to_an_operator(database: Database) {
    let home = Home::priced(&database, flat("1")).await;
    let off = RelayReading { relay: RelayState::Disconnected, command: RelayState::Disconnected, local_prepay: false };
    record_order::relay_seen(&home.app, home.meter, off, home.app.clock.now()).await.unwrap();
    let order = OrderRelay { action: Action::Reconnect, reason: "asked for".to_owned(), cause: Default::default() };
    let done = order_relay::order(&home.app, home.meter, order, "on-1", "operator").await.unwrap();
    let Done::Ordered(order) = done else { panic!("{done:?}") };
    assert_eq!(home.alarms_of("reconnect_refused").await, []);
    record_order::record(&home.app, order.id, Event::Authorized).await.unwrap();
    record_order::record(&home.app, order.id, Event::Refused(Refusal::Other)).await.unwrap();
    assert_eq!(home.alarms_of("reconnect_refused").await, [(format!("meter:{}", home.meter), true)]);
    home.app.stop().await;
}

/// 0.10 for the first 10 kWh of a month, then 10.00; 24 kWh a day since 20 April. Of the seven days before 3 May five are of April,
/// whose cheap block was used up: 5 x 240.00, and 1.00 + 380.00 for the first two of May, in 168 h.
async fn a_forecast_knows_the_blocks_of_the_window_before(database: Database) {
    let block = |upto: Option<&str>, price: &str| NewBlock { upto_kwh: upto.map(kwh), price: price.parse().unwrap() };
    let tariff = by_blocks(vec![block(Some("10"), "0.10"), block(None, "10.00")]);
    let terms =
        Terms { nth: 1, time_zone: "Asia/Shanghai", tariff, multiplier: 1, register: kwh("1000"), credit: 500_000 };
    let home = Home::start(&database, "2026-04-20T00:00:00+08:00".parse().unwrap(), terms).await;
    let days = (21..=30).map(|day| (4, day)).chain((1..=3).map(|day| (5, day)));
    for (nth, (month, day)) in (1..).zip(days) {
        let midnight: Timestamp = format!("2026-{month:02}-{day:02}T00:00:00+08:00").parse().unwrap();
        home.clock.set(midnight);
        home.arrives(&[home.observation(Kind::DailyFreeze, midnight, kwh(&format!("{}", 1000 + 24 * nth)))]).await;
    }
    let (account, now, policy) = (home.account, home.app.clock.now(), home.app.settings.policy.credit.clone());
    let mean = home.app.db.read(move |conn| {
        let row = store::account::by_id(conn, account)?;
        Books::load(conn, row)?.mean_cost_per_hour(conn, &policy, now)
    });
    let mean = mean.await.unwrap().unwrap().to_string();
    assert!(mean.starts_with("9.41"), "{mean} an hour");
    home.closed().await;
}
