//! Accounts with several meters: one balance and one window of blocks for all of them, a register and causes for each.

use domain::{
    ids::MeterId,
    reading::{Kind, Observation},
    relay::Action,
    site::AutomaticDisconnection,
};
use wattgate::{
    jobs,
    operations::{
        attach_meter::{AttachMeter, attach},
        balance,
        close_account::{CloseAccount, FinalReading, close},
        notices,
        remove_meter::{RemoveMeter, remove},
        site,
        tariffs::NewBlock,
    },
};

use super::{
    replacement::{code, spare},
    settlement::kwh,
};
use crate::support::{Database, Home, on_both};

on_both!(
    the_meters_of_an_account_go_up_the_same_blocks_and_out_of_one_balance,
    days_of_each_meter_settle_by_its_own_readings,
    a_removed_meter_ends_with_its_last_reading_and_the_others_count_on,
    the_last_meter_is_not_removed_and_no_meter_counts_twice,
    supply_is_cut_and_restored_at_every_meter,
    an_account_closes_with_the_last_readings_of_all_its_meters,
);

/// 10 kWh a month at 1 CNY, the rest at 2.
pub(super) fn tiers() -> Vec<NewBlock> {
    vec![
        NewBlock { upto_kwh: Some(kwh("10")), price: "1".parse().unwrap() },
        NewBlock { upto_kwh: None, price: "2".parse().unwrap() },
    ]
}

fn by_hand(meter_id: MeterId, first: &str, multiplier: u32) -> AttachMeter {
    AttachMeter {
        meter_id,
        multiplier: Some(multiplier),
        initial_reading: Some(kwh(first)),
        initial_registers: Default::default(),
        reason: "a second floor".to_owned(),
        confirmed: false,
    }
}

/// A home whose second meter counts three times what it shows, from 50 kWh on, since 4 May at 9 o'clock.
async fn two_floors(database: &Database) -> (Home, MeterId) {
    let home = Home::priced(database, tiers()).await;
    let second = spare(&home).await;
    home.at("04 09:00");
    attach(&home.app, home.account, by_hand(second, "50", 3), "attach-1", "tests").await.unwrap();
    (home, second)
}

impl Home {
    fn of(&self, meter: MeterId, kind: Kind, as_of: &str, total: &str) -> Observation {
        Observation { meter, ..self.reading(kind, as_of, total) }
    }

    /// The hot balance says what the rows say.
    pub(super) async fn hot_agrees(&self) {
        let hot = self.app.hot.get(self.account).await.unwrap();
        let prices = balance::prices(&self.app, hot.account.as_ref().unwrap()).await.unwrap();
        let available = balance::get(&self.app, self.account).await.unwrap().available;
        assert_eq!(hot.available(&prices), Ok(Some(available)));
    }
}

async fn the_meters_of_an_account_go_up_the_same_blocks_and_out_of_one_balance(database: Database) {
    let (home, second) = two_floors(&database).await;
    home.at("04 20:00");
    home.arrives(&[home.reading(Kind::Instant, "04 20:00", "1006")]).await;
    assert_eq!(home.used().await, (0, 600));
    home.arrives(&[home.of(second, Kind::Instant, "04 20:00", "52")]).await;
    assert_eq!(home.used().await, (0, 1000 + 2 * 200), "6 + 3 x 2 kWh, two of them above ten");
    home.hot_agrees().await;
    let shown = balance::get(&home.app, home.account).await.unwrap();
    assert_eq!(shown.supply.iter().map(|supply| supply.meter_id).collect::<Vec<_>>(), [home.meter, second]);

    home.at("05 00:10");
    let midnight =
        [home.reading(Kind::DailyFreeze, "05 00:00", "1007"), home.of(second, Kind::DailyFreeze, "05 00:00", "53")];
    home.arrives(&midnight).await;
    assert_eq!(home.used().await, (1000 + 6 * 200, 0));
    home.hot_agrees().await;
    assert_eq!(home.closed().await.settled_days, 2);
}

async fn days_of_each_meter_settle_by_its_own_readings(database: Database) {
    let (home, second) = two_floors(&database).await;
    home.at("05 00:10");
    home.arrives(&[home.reading(Kind::DailyFreeze, "05 00:00", "1008")]).await;
    assert_eq!(home.used().await, (800, 0), "the second says nothing yet");
    home.at("06 08:00");
    home.arrives(&[home.of(second, Kind::Instant, "06 08:00", "52")]).await;
    // 47 h from 9 to 8 o'clock. The midnight of the 4th, whose noon is past: 15/47 of 2 kWh, three times: 1.9146.
    assert_eq!(home.used().await, (800 + 191, 9 + 4 * 200), "6 kWh more in all, four above ten");
    home.at("06 12:00");
    assert_eq!(jobs::settle_open(&home.app).await.unwrap(), 1, "the second's next day");
    // By its next midnight: 39/47 of 2 kWh, three times: 4.9785, of which 2.9785 above ten.
    assert_eq!(home.used().await, (800 + 200 + 595, 205));
    home.hot_agrees().await;
    assert_eq!(home.closed().await.settled_days, 3);
}

async fn a_removed_meter_ends_with_its_last_reading_and_the_others_count_on(database: Database) {
    let (home, second) = two_floors(&database).await;
    home.at("04 20:00");
    home.arrives(&[home.reading(Kind::Instant, "04 20:00", "1006")]).await;
    let how = RemoveMeter {
        final_reading: Some(kwh("52")),
        final_registers: Default::default(),
        reason: "floor let".to_owned(),
        disconnect: false,
        confirmed: false,
    };
    let removed = remove(&home.app, second, how.clone(), "remove-1", "tests").await.unwrap();
    assert_eq!(removed.final_reading, kwh("52"));
    assert_eq!(home.used().await, (600, 800), "posted with the removal; the first meter goes up the blocks from there");
    let again = remove(&home.app, second, how.clone(), "remove-1", "tests").await.unwrap();
    assert_eq!(again, removed);
    let twice = remove(&home.app, second, how, "remove-2", "tests").await.unwrap_err();
    assert_eq!(code(&twice), "meter_not_in_use");

    home.at("04 22:00");
    home.arrives(&[home.of(second, Kind::Instant, "04 22:00", "60")]).await;
    assert_eq!(home.used().await, (600, 800), "what it shows now counts for nobody");
    home.arrives(&[home.reading(Kind::Instant, "04 22:00", "1007")]).await;
    assert_eq!(home.used().await, (600, 1000));
    home.hot_agrees().await;
    home.closed().await;
}

async fn the_last_meter_is_not_removed_and_no_meter_counts_twice(database: Database) {
    let home = Home::priced(&database, tiers()).await;
    home.at("04 09:00");
    let how = RemoveMeter {
        final_reading: Some(kwh("1001")),
        final_registers: Default::default(),
        reason: "why not".to_owned(),
        disconnect: false,
        confirmed: false,
    };
    let refused = remove(&home.app, home.meter, how, "remove-1", "tests").await.unwrap_err();
    assert_eq!(code(&refused), "last_meter");
    let twice = attach(&home.app, home.account, by_hand(home.meter, "50", 1), "attach-1", "tests").await.unwrap_err();
    assert_eq!(code(&twice), "meter_in_use");
    let second = spare(&home).await;
    let huge = attach(&home.app, home.account, by_hand(second, "50", 0), "attach-2", "tests").await.unwrap_err();
    assert_eq!(code(&huge), "multiplier");
    let first = attach(&home.app, home.account, by_hand(second, "50", 1), "attach-3", "tests").await.unwrap();
    let again = attach(&home.app, home.account, by_hand(second, "50", 1), "attach-3", "tests").await.unwrap();
    assert_eq!(first, again);
    home.closed().await;
}

async fn supply_is_cut_and_restored_at_every_meter(database: Database) {
    let (home, second) = two_floors(&database).await;
    site::set_switch(&home.app, home.account.site(), AutomaticDisconnection::On, None, "tests").await.unwrap();
    let live = |meter: MeterId| {
        let app = home.app.clone();
        async move {
            let order = app.db.read(move |conn| store::relay_order::live_of(conn, meter)).await.unwrap();
            order.map(|order| order.action)
        }
    };
    // A cut needs a warning served a day before, in working hours, and fresh readings of both meters.
    home.at("05 10:00");
    home.arrives(&[home.reading(Kind::Instant, "05 10:00", "1500"), home.of(second, Kind::Instant, "05 10:00", "51")])
        .await;
    notices::send_due(&home.app, 10).await.unwrap();
    home.at("06 10:30");
    home.arrives(&[home.reading(Kind::Instant, "06 10:30", "1501"), home.of(second, Kind::Instant, "06 10:30", "52")])
        .await;
    jobs::decide_due(&home.app).await.unwrap();
    home.at("06 11:30");
    jobs::decide_due(&home.app).await.unwrap();
    assert_eq!((live(home.meter).await, live(second).await), (Some(Action::Disconnect), Some(Action::Disconnect)));

    home.sell(100_000, "sale-1").await.unwrap();
    let after = (live(home.meter).await, live(second).await);
    assert!(after.0 != Some(Action::Disconnect) && after.1 != Some(Action::Disconnect), "{after:?}");
    home.closed().await;
}

async fn an_account_closes_with_the_last_readings_of_all_its_meters(database: Database) {
    let (home, second) = two_floors(&database).await;
    home.at("04 20:00");
    let last =
        |meter_id, total| FinalReading { meter_id, total: kwh(total), registers: Default::default(), confirmed: false };
    let how = CloseAccount {
        final_readings: vec![last(home.meter, "1006"), last(second, "52")],
        reason: "moved out".to_owned(),
        tender: domain::ledger::Tender::Cash,
        terminal: "till-1".to_owned(),
        write_off: false,
        disconnect: false,
    };
    let closing = close(&home.app, home.account, how, "close-1", "tests").await.unwrap();
    assert_eq!(closing.balance.get(), super::settlement::CREDIT - 1400);
    assert_eq!(closing.meters.iter().map(|meter| meter.meter_id).collect::<Vec<_>>(), [home.meter, second]);
    home.closed().await;
}
