//! Accounts that change their tariff: what was used before stays as it was priced, and blocks go on where windows are alike.

use domain::{
    ids::TariffId,
    money::Money,
    reading::Kind,
    tariff::{Every, FixedCharge},
};
use jiff::civil::date;
use wattgate::{
    jobs,
    operations::{
        change_tariff::{ChangeTariff, change},
        close_account::FinalReading,
        quote::{self, AskQuote},
        tariffs::{self, NewTariff},
        transfer_account::{TransferAccount, transfer},
    },
};

use super::{replacement::code, settlement::kwh, several_meters::tiers};
use crate::support::{Database, Home, by_blocks, flat, on_both};

on_both!(
    energy_is_priced_by_the_tariff_of_its_day_and_blocks_go_on,
    a_late_reading_corrects_days_of_both_tariffs,
    a_month_of_fixed_charges_is_shared_between_the_tariffs,
    a_change_for_the_same_day_takes_the_place_of_the_one_before,
    a_change_is_for_tomorrow_or_later_and_by_a_tariff_that_holds_then,
    who_takes_over_an_account_has_its_tariff_and_its_changes_to_come,
    a_change_that_another_took_the_place_of_does_not_come_back_with_a_transfer,
);

async fn tariff(home: &Home, new: NewTariff) -> TariffId {
    let new = NewTariff { site_id: home.account.site(), name: "Shops".to_owned(), ..new };
    tariffs::enter(&home.app, new, "tests").await.unwrap().0.id
}

/// 10 kWh a month at 3 CNY, the rest at 4.
fn dearer() -> NewTariff {
    let price =
        |index: usize, price: &str| tariffs::NewBlock { price: price.parse().unwrap(), ..tiers()[index].clone() };
    by_blocks(vec![price(0, "3"), price(1, "4")])
}

fn to(tariff_id: TariffId, day: i8) -> ChangeTariff {
    ChangeTariff { tariff_id, valid_from: Some(date(2026, 5, day)), reason: "became a shop".to_owned() }
}

async fn energy_is_priced_by_the_tariff_of_its_day_and_blocks_go_on(database: Database) {
    let home = Home::priced(&database, tiers()).await;
    let shops = tariff(&home, dearer()).await;
    let changed = change(&home.app, home.account, to(shops, 6), "change-1", "tests").await.unwrap();
    assert_eq!((changed.place, changed.valid_from), (1, date(2026, 5, 6)));
    let quoted = async |tariff: TariffId| {
        let ask = AskQuote { account_id: Some(home.account), amount: Some(Money::new(100)), ..Default::default() };
        quote::quote(&home.app, tariff, ask)
            .await
            .map(|quote| (quote.version, quote.parts[0].price.to_string(), quote.used_kwh))
    };
    assert_eq!(code(&quoted(shops).await.unwrap_err()), "account");
    for (now, midnight, total, used) in [
        ("05 00:10", "05 00:00", "1004", 400),
        // By the old one until the midnight of the change.
        ("06 00:10", "06 00:00", "1008", 800),
        // 2 kWh are left of the first block, now at 3; 2 more at 4.
        ("07 00:10", "07 00:00", "1012", 800 + 600 + 800),
    ] {
        home.at(now);
        home.arrives(&[home.reading(Kind::DailyFreeze, midnight, total)]).await;
        assert_eq!(home.used().await, (used, 0), "{now}");
        home.hot_agrees().await;
    }
    assert_eq!(quoted(shops).await.unwrap(), (1, "4.000000".to_owned(), kwh("12")), "by both tariffs");
    home.at("07 09:00");
    home.arrives(&[home.reading(Kind::Instant, "07 09:00", "1013")]).await;
    assert_eq!(home.used().await, (2200, 400), "what is not settled, too");
    home.hot_agrees().await;
    home.closed().await;
}

async fn a_late_reading_corrects_days_of_both_tariffs(database: Database) {
    let home = Home::priced(&database, flat("1")).await;
    let shops = tariff(&home, by_blocks(flat("3"))).await;
    change(&home.app, home.account, to(shops, 6), "change-1", "tests").await.unwrap();
    home.at("06 08:00");
    home.arrives(&[home.reading(Kind::Instant, "06 08:00", "1048")]).await;
    home.at("06 12:00");
    jobs::settle_open(&home.app).await.unwrap();
    // 40 of 48 h lie before the change: 40 kWh at 1, 8 at 3.
    assert_eq!(home.used().await, (4000, 2400));
    home.at("07 10:00");
    home.arrives(&[home.reading(Kind::DailyFreeze, "06 00:00", "1030")]).await;
    assert_eq!(home.used().await, (3000, 5400), "30 kWh before it, 18 after");
    home.hot_agrees().await;
    home.closed().await;
}

async fn a_month_of_fixed_charges_is_shared_between_the_tariffs(database: Database) {
    let monthly = |amount| {
        Some(vec![FixedCharge { name: "service".to_owned(), every: Every::Month, amount: Money::new(amount) }])
    };
    let home = Home::priced(&database, flat("1")).await;
    let shops = tariff(&home, NewTariff { fixed_charges: monthly(3100), ..by_blocks(flat("1")) }).await;
    let shacks = tariff(&home, NewTariff { fixed_charges: monthly(310), ..by_blocks(flat("1")) }).await;
    change(&home.app, home.account, to(shops, 6), "change-1", "tests").await.unwrap();
    change(&home.app, home.account, to(shacks, 17), "change-2", "tests").await.unwrap();
    for (now, used) in [("05 00:10", 0), ("06 00:10", 2600), ("16 00:10", 2600), ("17 00:10", 2600 - 1500 + 150)] {
        home.at(now);
        jobs::charge_fixed(&home.app).await.unwrap();
        assert_eq!(home.used().await, (used, 0), "{now}");
    }
    home.closed().await;
}

async fn a_change_for_the_same_day_takes_the_place_of_the_one_before(database: Database) {
    let home = Home::priced(&database, flat("1")).await;
    let (wrong, right) = (tariff(&home, by_blocks(flat("9"))).await, tariff(&home, by_blocks(flat("2"))).await);
    change(&home.app, home.account, to(wrong, 6), "change-1", "tests").await.unwrap();
    let again = change(&home.app, home.account, to(wrong, 6), "change-1", "tests").await.unwrap();
    assert_eq!(again.place, 1, "once per key");
    change(&home.app, home.account, to(right, 6), "change-2", "tests").await.unwrap();
    home.at("07 00:10");
    let midnights =
        [home.reading(Kind::DailyFreeze, "06 00:00", "1010"), home.reading(Kind::DailyFreeze, "07 00:00", "1020")];
    home.arrives(&midnights).await;
    assert_eq!(home.used().await, (1000 + 2000, 0));
    home.closed().await;
}

async fn a_change_is_for_tomorrow_or_later_and_by_a_tariff_that_holds_then(database: Database) {
    let home = Home::priced(&database, flat("1")).await;
    let later = NewTariff { valid_from: Some(date(2026, 6, 1)), ..by_blocks(flat("2")) };
    let later = tariff(&home, later).await;
    let today = change(&home.app, home.account, to(later, 4), "change-1", "tests").await.unwrap_err();
    assert_eq!(code(&today), "tariff");
    let early = change(&home.app, home.account, to(later, 31), "change-2", "tests").await.unwrap_err();
    assert_eq!(code(&early), "tariff_not_valid");
    let shops = tariff(&home, by_blocks(flat("2"))).await;
    let unnamed = ChangeTariff { valid_from: None, ..to(shops, 1) };
    let changed = change(&home.app, home.account, unnamed, "change-3", "tests").await.unwrap();
    assert_eq!(changed.valid_from, date(2026, 5, 5), "tomorrow");
    home.closed().await;
}

async fn who_takes_over_an_account_has_its_tariff_and_its_changes_to_come(database: Database) {
    let mut home = Home::priced(&database, flat("1")).await;
    let (second, third) = (tariff(&home, by_blocks(flat("2"))).await, tariff(&home, by_blocks(flat("4"))).await);
    change(&home.app, home.account, to(second, 5), "change-1", "tests").await.unwrap();
    change(&home.app, home.account, to(third, 7), "change-2", "tests").await.unwrap();
    home.at("05 00:10");
    home.arrives(&[home.reading(Kind::DailyFreeze, "05 00:00", "1010")]).await;
    home.at("06 00:00");
    let next = TransferAccount {
        customer_id: home.customer("Wu").await,
        number: None,
        final_readings: vec![FinalReading {
            meter_id: home.meter,
            total: kwh("1020"),
            registers: Default::default(),
            confirmed: false,
        }],
        reason: "sold".to_owned(),
        write_off: false,
        pay_out: None,
    };
    let transfer = transfer(&home.app, home.account, next, "transfer-1", "tests").await.unwrap();
    assert_eq!(transfer.balance.get(), super::settlement::CREDIT - 1000 - 2000);
    home.account = transfer.new_account_id;
    home.at("08 00:10");
    let midnights =
        [home.reading(Kind::DailyFreeze, "07 00:00", "1030"), home.reading(Kind::DailyFreeze, "08 00:00", "1040")];
    home.arrives(&midnights).await;
    assert_eq!(home.used().await, (3000 + 2000 + 4000, 0));
    home.hot_agrees().await;
    home.closed().await;
}

/// 2.00 from the 5th on was entered after 9.00 from the 7th on, and took its place: for the next customer as well.
async fn a_change_that_another_took_the_place_of_does_not_come_back_with_a_transfer(database: Database) {
    let mut home = Home::priced(&database, flat("1")).await;
    let (second, never) = (tariff(&home, by_blocks(flat("2"))).await, tariff(&home, by_blocks(flat("9"))).await);
    change(&home.app, home.account, to(never, 7), "change-1", "tests").await.unwrap();
    change(&home.app, home.account, to(second, 5), "change-2", "tests").await.unwrap();
    home.at("05 00:10");
    home.arrives(&[home.reading(Kind::DailyFreeze, "05 00:00", "1010")]).await;
    home.at("06 00:00");
    let total = kwh("1020");
    let last = FinalReading { meter_id: home.meter, total, registers: Default::default(), confirmed: false };
    let next = TransferAccount {
        customer_id: home.customer("Wu").await,
        number: None,
        final_readings: vec![last],
        reason: "sold".to_owned(),
        write_off: false,
        pay_out: None,
    };
    home.account = transfer(&home.app, home.account, next, "transfer-1", "tests").await.unwrap().new_account_id;
    home.at("08 00:10");
    let midnights =
        [home.reading(Kind::DailyFreeze, "07 00:00", "1030"), home.reading(Kind::DailyFreeze, "08 00:00", "1040")];
    home.arrives(&midnights).await;
    assert_eq!(home.used().await, (1000 + 2000 + 2000 + 2000, 0));
    home.hot_agrees().await;
    home.closed().await;
}
