//! A shop whose meter is billed by its four period registers, reckoned by hand.

use std::sync::Arc;

use domain::{
    energy::Energy,
    ids::MeterId,
    ledger::Tender,
    money::Money,
    notice::Language,
    reading::{Kind, Observation, Quality, Registers, registers::ByPeriod},
    tariff::{Period, TimeOfUse},
};
use jiff::{Timestamp, civil::date};
use serde_json::json;
use store::Db;
use wattgate::{
    app::App,
    operations::{
        Error,
        boundary_reading::Shown,
        close_account::{self, CloseAccount, FinalReading},
        explain::{self, Moment, Span},
        ingest,
        open_account::{self, OpenAccount},
        register::{self, NewAccount, NewCustomer, NewMeter},
        replace_meter::{self, ReplaceMeter},
        tariffs::{NewBlock, NewTariff, NewVersion},
        transfer_account::{self, TransferAccount},
    },
    settings,
};

use super::{
    replacement::code,
    settlement::{CREDIT, kwh},
};
use crate::support::{Court, Database, HeadEnd, Home, SetByHand, Terms, by_blocks, on_both};

on_both!(
    a_shop_is_charged_by_its_four_registers,
    what_is_billed_stays_as_it_was_when_the_installation_began,
    registers_go_over_to_another_customer_and_end_with_the_account,
    what_does_not_fit_the_registers_is_refused,
    meters_that_are_read_now_bring_their_registers,
    a_late_freeze_corrects_every_midnight_since_the_last_whole_reading,
);

/// Registers that begin at 0 again after 1000 kWh.
const SHOPS: &str = r#"
[profiles.meter.shop]
relay_control = "plain"
reconnect = "direct"
relay_password = "000000"
relay_password_level = 2
relay_operator = 0
archive_password = "000000000000"
periods = 4
billed = "periods"
rate = 0
line = "6B"
maximum_power_w = 22000
register_modulus = "1000.0000"
"#;

/// An instant in May 2026 in Shanghai: `04 08:00`.
fn may(day_and_time: &str) -> Timestamp {
    let (day, time) = day_and_time.split_once(' ').unwrap();
    format!("2026-05-{day}T{time}:00+08:00").parse().unwrap()
}

/// Its calendar is for meters that keep a total only.
fn prices(sharp: &str, peak: &str) -> TimeOfUse {
    let switches = [("00:00:00", "valley"), ("08:00:00", "flat"), ("12:00:00", "sharp"), ("14:00:00", "peak")];
    let switches: Vec<_> = switches.iter().map(|(at, period)| json!({ "at": at, "period": period })).collect();
    serde_json::from_value(json!({
        "prices": { "sharp": sharp, "peak": peak, "flat": "0.60", "valley": "0.30" },
        "day_types": { "usual": switches },
        "seasons": [{ "from_month": 1, "from_day": 1, "weekdays": "usual", "weekends": "usual" }],
        "holidays": {},
    }))
    .unwrap()
}

/// 0.10 more above 100 kWh of the month.
fn surcharge() -> Vec<NewBlock> {
    let block = |upto: Option<&str>, price: &str| NewBlock { upto_kwh: upto.map(kwh), price: price.parse().unwrap() };
    vec![block(Some("100"), "0"), block(None, "0.10")]
}

/// Sharp, peak, flat and valley.
fn four(values: [&str; 4]) -> ByPeriod {
    Period::ALL.iter().copied().zip(values.map(kwh)).collect()
}

fn shown(values: [&str; 4]) -> Shown {
    let registers = four(values);
    Shown { total: registers.values().copied().sum(), registers, confirmed: false }
}

async fn program(database: &Database, profiles: &str, clock: &SetByHand) -> App {
    let settings = settings::read(Some(&format!("{}{profiles}", database.toml())), None).unwrap();
    let db = Db::open(&settings.database).unwrap();
    let app = App::new(settings, db, Arc::new(clock.clone())).unwrap();
    app.start(1).await.unwrap();
    app
}

async fn shop_meter(app: &App, beside: MeterId, nth: u8) -> MeterId {
    let concentrator_id = app.db.read(move |conn| store::meter::by_id(conn, beside)).await.unwrap().concentrator_id;
    let (address, profile) = (format!("2026000000{nth:02}"), "shop".to_owned());
    let new = NewMeter { concentrator_id, name: format!("Shop {nth}"), address, point: None, port: None, profile };
    register::meter(app, new).await.unwrap().id
}

/// A shop beside a home, and its account that is still to be opened.
async fn found(database: &Database) -> Home {
    let clock = SetByHand::new(may("04 08:00"));
    let app = program(database, SHOPS, &clock).await;
    let tariff = NewTariff { time_of_use: Some(prices("1.20", "1.00")), ..by_blocks(surcharge()) };
    let (time_zone, register) = ("Asia/Shanghai", kwh("0"));
    let beside =
        Home::enter(&app, &clock, Terms { nth: 1, time_zone, tariff, multiplier: 1, register, credit: 0 }).await;
    let (home, site_id) = (beside.account, beside.account.site());
    let tariff_id = app.db.read(move |conn| store::account::by_id(conn, home)).await.unwrap().tariff_id;
    let customer = NewCustomer { site_id, name: "Wang Fang".to_owned(), phone: None, language: None };
    let customer_id = register::customer(&app, customer).await.unwrap().id;
    let account = register::account(&app, NewAccount { customer_id, tariff_id, number: None }).await.unwrap().id;
    let meter = shop_meter(&app, beside.meter, 2).await;
    Home { app, clock, meter, account }
}

/// CT 10; opened on 4 May at 8 o'clock.
fn opening(meter_id: MeterId, Shown { total, registers, confirmed }: Shown) -> OpenAccount {
    OpenAccount {
        meter_id,
        multiplier: Some(10),
        initial_reading: Some(total),
        initial_registers: registers,
        reason: Some("read on site".to_owned()),
        opening_credit: Some(Money::new(CREDIT)),
        opening_debt: None,
        confirmed,
        relay_waiver: None,
    }
}

async fn opened(database: &Database) -> Home {
    let shop = found(database).await;
    let opening = opening(shop.meter, shown(["10", "20", "30", "40"]));
    open_account::open(&shop.app, shop.account, opening, "open-shop", "tests").await.unwrap();
    shop
}

impl Home {
    /// What its four registers showed then.
    fn registers(&self, kind: Kind, as_of: &str, values: [&str; 4]) -> Observation {
        let [sharp, peak, flat, valley] = values.map(|value| Some(kwh(value)));
        let total: Energy = [sharp, peak, flat, valley].into_iter().flatten().sum();
        // The total goes round by itself.
        let total = Energy::new(total.get().rem_euclid(kwh("1000").get()));
        let registers = Registers { total, periods: [sharp, peak, flat, valley, None], reverse: None };
        Observation { registers, ..self.observation(kind, may(as_of), total) }
    }

    async fn told(&self) -> explain::Explanation {
        let (account, limits) = (self.account, self.app.settings.explain.clone());
        let span = Span { from: Moment::Date(date(2026, 5, 1)), to: Moment::Date(date(2026, 5, 31)) };
        self.app.db.read(move |conn| explain::explain(conn, account, span, &limits)).await.unwrap()
    }
}

/// Sharp 1.20, peak 1.00, flat 0.60, valley 0.30, and 0.10 more above 100 kWh of the month; from 7 May sharp 1.50, peak 1.10.
///
/// | day | sharp, peak, flat, valley in kWh | cost |
/// |---|---|---|
/// | 4 May | 10, 20, 30, 40 | 12 + 20 + 18 + 12 = 62.00 |
/// | 5 May, interpolated | 24, 0, 48, 12 | 28.80 + 28.80 + 3.60 + 8.40 = 69.60 |
/// | the same, by its late freeze | 20, 0, 50, 14 | 24 + 30 + 4.20 + 8.40 = 66.60 |
/// | 6 May | 18, 20, 36, 10 | 21.60 + 20 + 21.60 + 3 + 8.40 = 74.60 |
/// | 7 May, the old meter | 10, 10, 10, 10 | 15 + 11 + 6 + 3 + 4 = 39.00 |
/// | 7 May, the new one | 15, 10, 10, 0 | 22.50 + 11 + 6 + 3.50 = 43.00 |
async fn a_shop_is_charged_by_its_four_registers(database: Database) {
    let mut shop = opened(&database).await;
    let dearer = NewVersion {
        valid_from: date(2026, 5, 7),
        blocks: surcharge(),
        time_of_use: Some(prices("1.50", "1.10")),
        window_start_day: None,
        window_start_month: None,
        prorate_opening: None,
        fixed_charges: None,
        tax_rate_ppm: None,
        minimum_vend: None,
    };
    shop.price_change(dearer).await;
    shop.at("05 00:10");
    shop.arrives(&[shop.registers(Kind::DailyFreeze, "05 00:00", ["11", "22", "33", "44"])]).await;
    assert_eq!(shop.used().await, (6200, 0));

    // The total alone is good, and tells nothing that is billed.
    shop.at("06 00:10");
    let mut lacking = shop.registers(Kind::DailyFreeze, "06 00:00", ["13", "22", "38", "45.4"]);
    lacking.registers.periods = [None; 5];
    let whole = shop.registers(Kind::DailyFreeze, "06 00:00", ["13", "22", "38", "45.4"]);
    let mut earlier = shop.registers(Kind::Instant, "05 20:00", ["12", "22", "37", "45"]);
    earlier.registers.periods = [None; 5];
    shop.arrives(&[earlier, lacking]).await;
    assert_eq!(shop.used().await, (6200, 0));
    shop.at("06 04:10");
    shop.arrives(&[shop.registers(Kind::Instant, "06 04:00", ["13.8", "22", "38.6", "45.4"])]).await;
    assert_eq!(shop.used().await, (6200, 8120), "28 kWh sharp, 56 flat, 14 valley, and 98 above the bound");
    shop.at("06 12:10");
    shop.arrives(&[shop.registers(Kind::Instant, "06 12:00", ["13.8", "23", "39.6", "45.4"])]).await;
    assert_eq!(shop.used().await, (13_160, 2960));

    // The sum at the midnight is what it was; what the registers say is not. It is the same freeze, whole this time.
    shop.at("06 13:00");
    assert_eq!(shop.arrives(std::slice::from_ref(&whole)).await, [false]);
    assert_eq!(shop.used().await, (12_860, 3260));
    assert_eq!(shop.arrives(&[whole]).await, [true]);
    shop.at("07 00:10");
    shop.arrives(&[shop.registers(Kind::DailyFreeze, "07 00:00", ["14.8", "24", "41.6", "46.4"])]).await;
    assert_eq!(shop.used().await, (20_320, 0));

    shop.at("07 20:00");
    let (last, first) = (shown(["15.8", "25", "42.6", "47.4"]), shown(["999", "0", "0", "0"]));
    let new = ReplaceMeter {
        new_meter_id: Some(shop_meter(&shop.app, shop.meter, 3).await),
        multiplier: None,
        final_reading: Some(last.total),
        final_registers: last.registers,
        initial_reading: Some(first.total),
        initial_registers: first.registers,
        reason: Some("burnt".to_owned()),
        confirmed: false,
    };
    let replaced = replace_meter::replace(&shop.app, shop.meter, new, "replace", "tests").await.unwrap();
    shop.meter = replaced.new_meter_id;
    assert_eq!(shop.used().await, (24_220, 0));
    // Sharp begins at 0 again, like the total, and the others go on.
    shop.at("08 00:10");
    shop.arrives(&[shop.registers(Kind::DailyFreeze, "08 00:00", ["0.5", "1", "1", "0"])]).await;
    assert_eq!(shop.used().await, (28_520, 0));

    let told = shop.told().await;
    let (en, zh) = (explain::text(&told, Language::En), explain::text(&told, Language::Zh));
    for line in
        ["sharp register 11 to 13 (was 13.4)\n", "valley register 44 to 45.4 (was 45.2)\n", "peak register 22 to 22\n"]
    {
        assert!(en.contains(line), "{line} {en}");
    }
    for line in ["尖示值11至13（更正前13.4）\n", "尖示值999至1000.5\n"] {
        assert!(zh.contains(line), "{line} {zh}");
    }
    let told = serde_json::to_value(&told).unwrap();
    let day = &told["transactions"][3]["energy_charge"]["days"][0];
    let sharp = &day["registers"][0];
    assert_eq!(
        (&sharp["period"], &sharp["end"]["value"], &sharp["before"]),
        (&json!("sharp"), &json!("13.0000"), &json!("13.4000"))
    );
    assert_eq!(
        (&sharp["end"]["readings"][0]["total"], &day["ends"][0]["value"]),
        (&json!("13.0000"), &json!("118.4000"))
    );
    assert_eq!(shop.closed().await.settled_days, 6);
}

async fn what_is_billed_stays_as_it_was_when_the_installation_began(database: Database) {
    let shop = opened(&database).await;
    shop.app.stop().await;
    let total_from_now_on = SHOPS.replace("\"periods\"", "\"total\"");
    let shop = Home { app: program(&database, &total_from_now_on, &shop.clock).await, ..shop };
    shop.at("05 00:10");
    shop.arrives(&[shop.registers(Kind::DailyFreeze, "05 00:00", ["11", "22", "33", "44"])]).await;
    assert_eq!(shop.used().await, (6200, 0));
    shop.closed().await;
}

async fn registers_go_over_to_another_customer_and_end_with_the_account(database: Database) {
    let mut shop = opened(&database).await;
    let last = |Shown { total, registers, confirmed }| {
        vec![FinalReading { meter_id: shop.meter, total, registers, confirmed }]
    };
    shop.at("04 20:00");
    let customer =
        NewCustomer { site_id: shop.account.site(), name: "Zhao Lei".to_owned(), phone: None, language: None };
    let to = TransferAccount {
        customer_id: register::customer(&shop.app, customer).await.unwrap().id,
        number: None,
        final_readings: last(shown(["11", "21", "31", "41"])),
        reason: "sold".to_owned(),
        write_off: false,
        pay_out: None,
    };
    let transfer = transfer_account::transfer(&shop.app, shop.account, to, "transfer", "tests").await.unwrap();
    assert_eq!(transfer.balance, Money::new(CREDIT - 3100), "10 kWh of each");
    let account = transfer.new_account_id;
    let begun = shop.app.db.read(move |conn| store::installation::of_account(conn, account)).await.unwrap();
    assert_eq!(begun[0].start_registers, four(["11", "21", "31", "41"]));
    shop.at("05 00:10");
    shop.account = account;
    shop.arrives(&[shop.registers(Kind::DailyFreeze, "05 00:00", ["11", "22", "33", "44"])]).await;
    assert_eq!(shop.used().await, (3100 + 3100, 0), "10 kWh peak, 20 flat, 30 valley");
    // The same meter goes on with another multiplier, from what its registers show on.
    shop.at("05 09:00");
    let Shown { total, registers, confirmed } = shown(["11", "22.5", "33", "44"]);
    let twice = ReplaceMeter {
        new_meter_id: None,
        multiplier: Some(20),
        final_reading: Some(total),
        final_registers: registers,
        initial_reading: None,
        initial_registers: ByPeriod::new(),
        reason: Some("other transformers".to_owned()),
        confirmed,
    };
    replace_meter::replace(&shop.app, shop.meter, twice, "replace", "tests").await.unwrap();
    shop.at("05 10:00");
    let how = CloseAccount {
        final_readings: vec![FinalReading {
            meter_id: shop.meter,
            total: kwh("111"),
            registers: four(["11", "23", "33", "44"]),
            confirmed: false,
        }],
        reason: "moved out".to_owned(),
        tender: Tender::Cash,
        terminal: "till-1".to_owned(),
        write_off: false,
        disconnect: false,
    };
    let closing = close_account::close(&shop.app, account, how, "close", "tests").await.unwrap();
    assert_eq!(closing.balance, Money::new(CREDIT - 6200 - 500 - 1000));
    shop.closed().await;
}

async fn what_does_not_fit_the_registers_is_refused(database: Database) {
    let shop = found(&database).await;
    let whole = || opening(shop.meter, shown(["10", "20", "30", "40"]));
    let of = |registers: &[(Period, &str)]| -> ByPeriod {
        registers.iter().map(|(period, value)| (*period, kwh(value))).collect()
    };
    let mut five = whole().initial_registers;
    five.insert(Period::DeepValley, kwh("1"));
    for (wrong, refusal) in [
        (OpenAccount { initial_registers: ByPeriod::new(), ..whole() }, "register_missing"),
        (OpenAccount { initial_registers: of(&[(Period::Sharp, "100")]), ..whole() }, "register_missing"),
        (OpenAccount { initial_registers: five, ..whole() }, "register_not_billed"),
        (OpenAccount { initial_registers: four(["10", "20", "30", "1000"]), ..whole() }, "initial_registers"),
        (OpenAccount { initial_reading: Some(kwh("100.0801")), ..whole() }, "implausible_reading"),
        (OpenAccount { initial_reading: None, ..whole() }, "total_missing"),
        (OpenAccount { reason: None, ..whole() }, "reason_missing"),
    ] {
        let refused = open_account::open(&shop.app, shop.account, wrong, refusal, "tests").await.unwrap_err();
        assert_eq!(code(&refused), refusal);
    }
    open_account::open(&shop.app, shop.account, whole(), "open-shop", "tests").await.unwrap();

    // Energy that moves from one register to another is no evidence, though the sum is plausible.
    shop.at("04 09:00");
    let moved = shop.registers(Kind::Instant, "04 09:00", ["7", "20", "34", "40"]);
    let acks = ingest::ingest(&shop.app, vec![moved], true).await.unwrap();
    assert_eq!(acks[0].quality, Quality::Suspect);
    assert_eq!(shop.used().await, (0, 0));
    let back = CloseAccount {
        final_readings: vec![FinalReading {
            meter_id: shop.meter,
            total: kwh("100"),
            registers: four(["10", "19", "31", "40"]),
            confirmed: false,
        }],
        reason: "moved out".to_owned(),
        tender: Tender::Cash,
        terminal: "till-1".to_owned(),
        write_off: false,
        disconnect: false,
    };
    let refused: Error = close_account::close(&shop.app, shop.account, back, "close", "tests").await.unwrap_err();
    assert_eq!(code(&refused), "implausible_reading");
    shop.closed().await;
}

/// Over the wire: opened with a reading taken now, cut when the registers have used the money up, restored by a vend, and
/// closed with another reading taken now.
async fn meters_that_are_read_now_bring_their_registers(database: Database) {
    let head_end = HeadEnd::start_with(&database, "[profiles.meter.dlt645_direct]\nbilled = \"periods\"\n").await;
    let rest = &head_end.rest;
    let court = Court::enter(&head_end, 1).await;
    court.read(rest).await;
    let [supply] = &court.supplies[..] else { panic!("one meter") };
    supply.run_out(rest).await;
    supply.vend(rest, "vend", 100_000).await;
    supply.confirmed(rest, "reconnect").await;

    let closing = json!({ "reason": "moved out", "tender": "cash", "terminal": "counter-1" });
    rest.post_once(&format!("/accounts/{}/close", supply.account), "close", &closing).await.ok();
    let meters = rest.get(&format!("/accounts/{}/meters", supply.account)).await;
    let of = |field: &str| -> ByPeriod { serde_json::from_value(meters[0][field].clone()).unwrap() };
    let (start, end) = (of("start_registers"), of("end_registers"));
    assert!(start.keys().eq([Period::Sharp, Period::Peak, Period::Flat, Period::Valley].iter()), "{start:?}");
    assert!(start.iter().all(|(period, value)| end[period] >= *value), "{start:?} {end:?}");
    let sum = |all: &ByPeriod| json!(all.values().copied().sum::<Energy>());
    assert_eq!((&meters[0]["start_value"], &meters[0]["end_value"]), (&sum(&start), &sum(&end)));
    assert!(sum(&start) != sum(&end));
    assert_eq!(court.alarms(rest).await, []);
    head_end.audited().await;
}

/// For two days only the total is heard; the registers pass 0.1 kWh an hour as far as anybody knows. Then the freeze of 7 May
/// says that sharp had passed more by then: also 6 May began otherwise, before which nothing whole was read but on 5 May.
async fn a_late_freeze_corrects_every_midnight_since_the_last_whole_reading(database: Database) {
    let shop = opened(&database).await;
    shop.at("05 00:10");
    shop.arrives(&[shop.registers(Kind::DailyFreeze, "05 00:00", ["11", "22", "33", "44"])]).await;
    for (now, as_of, total) in [("05 20:10", "05 20:00", "118"), ("06 20:10", "06 20:00", "127.6")] {
        shop.at(now);
        shop.arrives(&[shop.reading(Kind::Instant, as_of, total)]).await;
    }
    shop.at("08 12:10");
    shop.arrives(&[shop.registers(Kind::Instant, "08 10:00", ["19.2", "30.2", "41.2", "52.2"])]).await;
    let ends = async || {
        let account = shop.account;
        let days = shop.app.db.read(move |conn| store::settled_day::current(conn, account, None)).await.unwrap();
        days.iter().map(|day| (day.day.day(), day.registers[&Period::Sharp].to)).collect::<Vec<_>>()
    };
    let before = shop.used().await;
    assert_eq!(ends().await, [(4, kwh("11")), (5, kwh("13.4")), (6, kwh("15.8")), (7, kwh("18.2"))]);
    shop.at("08 13:00");
    shop.arrives(&[shop.registers(Kind::DailyFreeze, "07 00:00", ["18.2", "26.8", "37.8", "48.8"])]).await;
    assert_eq!(ends().await, [(4, kwh("11")), (5, kwh("14.6")), (6, kwh("18.2")), (7, kwh("18.9058"))]);
    let after = shop.used().await;
    assert_eq!(after.0 + after.1, before.0 + before.1, "what was used in all is what it was");
    assert!(after.0 > before.0);
    shop.closed().await;
}
