//! A year of a home and of a shop, each month's end computed by hand. Days pass by a clock that is set by hand; the
//! operations and the databases are the real ones.
#![expect(clippy::inconsistent_digit_grouping, reason = "minor units are set off from whole ones")]

use domain::{
    calendar::{midnight, next_day},
    energy::Energy,
    ids::MeterId,
    ledger::TransactionKind,
    money::Money,
    reading::{Kind, Observation},
    tariff::{Every, FixedCharge, TimeOfUse},
};
use jiff::{SignedDuration, Timestamp, civil::Date, civil::date, tz::TimeZone};
use serde_json::json;
use wattgate::{
    jobs,
    operations::{
        register::{self, NewMeter},
        replace_meter::{self, ReplaceMeter},
        tariffs::{NewBlock, NewTariff, NewVersion},
    },
};

use super::settlement::{CREDIT, kwh};
use crate::support::{Database, Home, Terms, by_blocks, on_both};

on_both!(a_home_with_blocks_over_a_year, a_shop_with_sharp_peak_flat_and_valley);

fn blocks(all: &[(Option<&str>, &str)]) -> Vec<NewBlock> {
    all.iter().map(|(upto, price)| NewBlock { upto_kwh: upto.map(kwh), price: price.parse().unwrap() }).collect()
}

/// The version that follows `tariff`, as it was but for what it costs.
fn new_prices(tariff: &NewTariff, valid_from: Date, blocks: Vec<NewBlock>) -> NewVersion {
    NewVersion {
        valid_from,
        blocks,
        time_of_use: tariff.time_of_use.clone(),
        window_start_day: tariff.window_start_day,
        window_start_month: tariff.window_start_month,
        prorate_opening: tariff.prorate_opening,
        fixed_charges: tariff.fixed_charges.clone(),
        tax_rate_ppm: tariff.tax_rate_ppm,
        minimum_vend: tariff.minimum_vend,
    }
}

/// A home or a shop, and the zone its days begin in.
struct Place {
    home: Home,
    zone: TimeZone,
}

impl Place {
    /// Opened when the year 2026 began, with nothing on the register.
    async fn open(database: &Database, time_zone: &'static str, tariff: &NewTariff) -> Self {
        let zone = TimeZone::get(time_zone).unwrap();
        let new_year = midnight(date(2026, 1, 1), &zone);
        let tariff = tariff.clone();
        let terms = Terms { nth: 1, time_zone, tariff, multiplier: 1, register: kwh("0"), credit: CREDIT };
        Self { home: Home::start(database, new_year, terms).await, zone }
    }

    fn midnight(&self, day: Date) -> Timestamp {
        midnight(day, &self.zone)
    }

    /// The freeze of the midnight that begins a day, ten minutes later.
    async fn frozen(&self, day: Date, total: Energy) {
        let at = self.midnight(day);
        self.home.clock.set(at + SignedDuration::from_mins(10));
        self.home.arrives(&[self.home.observation(Kind::DailyFreeze, at, total)]).await;
    }

    /// What was posted until now since the opening, in minor units.
    async fn posted(&self) -> i64 {
        self.home.used().await.0
    }

    /// Puts another meter, which shows nothing yet, in the place of the one that shows `last`.
    async fn replaced(&mut self, last: Energy) {
        let old = self.home.meter;
        let concentrator = self.home.app.db.read(move |conn| store::meter::by_id(conn, old)).await.unwrap();
        let new = NewMeter {
            concentrator_id: concentrator.concentrator_id,
            name: "New".to_owned(),
            address: "202600000002".to_owned(),
            point: None,
            port: None,
            profile: "dlt645_direct".to_owned(),
        };
        let new: MeterId = register::meter(&self.home.app, new).await.unwrap().id;
        let by_hand = ReplaceMeter {
            new_meter_id: Some(new),
            multiplier: None,
            final_reading: Some(last),
            final_registers: Default::default(),
            initial_reading: Some(kwh("0")),
            initial_registers: Default::default(),
            reason: Some("verification is due".to_owned()),
            confirmed: false,
        };
        replace_meter::replace(&self.home.app, old, by_hand, "replace-1", "tests").await.unwrap();
        self.home.meter = new;
    }
}

/// 12 kWh every day of 2026, 0.5 kWh an hour, at 0.5123 CNY up to 2,165 kWh of the year, 0.5583 up to 4,205, then 0.8083; from
/// 1 September 0.5317, 0.5777, 0.8277. And 5.00 CNY a month in advance. What is posted for energy is the whole fen of its cost;
/// the rest is carried on.
///
/// | until the end of | kWh | CNY |
/// |---|---|---|
/// | January | 372 | 372 x 0.5123 = 190.5756 |
/// | February | 708 | 362.7084 |
/// | March | 1080 | 553.2840 |
/// | April | 1440 | 737.7120 |
/// | May | 1812 | 928.2876 |
/// | June | 2172 | 2165 x 0.5123 + 7 x 0.5583 = 1109.1295 + 3.9081 = 1113.0376; the bound is reached at 10:00 of the 30th |
/// | July | 2544 | 1109.1295 + 379 x 0.5583 = 1320.7252 |
///
/// The freeze that ends August is late. At 18:00 the register was at 9 kWh of the day, at 7:00 the next morning 6.4 higher: 6 of
/// 13 hours on it is at 9 + 2.9538 (2.95384.. cut to 0.1 Wh), so August has 2915.9538 kWh with it: 1109.1295 + 750.9538 x 0.5583 =
/// 1528.38700654. The freeze then says 13.7: 2917.7 kWh, 1109.1295 + 752.7 x 0.5583 = 1529.36191. Since then 1.7 kWh were used:
/// 0.98209, and 0.00191 were carried: 0.98.
///
/// | until the end of | kWh | CNY |
/// |---|---|---|
/// | August | 2917.7 | 1529.36191 |
/// | September | 3276 | 1529.36191 + 358.3 x 0.5777 = 1736.35182 |
/// | October | 3648 | + 372 x 0.5777 = 1951.25622 |
/// | November | 4008 | + 360 x 0.5777 = 2159.22822 |
/// | December | 4380 | + 197 x 0.5777 + 175 x 0.8277 = 2417.88262 |
///
/// At the end of a month the next one's 5.00 are there already: two of them with January, 13 with December.
///
/// The meter is replaced on 15 May at 10:00: 134 days of 12 kWh and 5.
async fn a_home_with_blocks_over_a_year(database: Database) {
    let old_prices = blocks(&[(Some("2165"), "0.5123"), (Some("4205"), "0.5583"), (None, "0.8083")]);
    let service = FixedCharge { name: "service".to_owned(), every: Every::Month, amount: Money::new(5_00) };
    let tariff = NewTariff { window_start_month: Some(1), fixed_charges: Some(vec![service]), ..by_blocks(old_prices) };
    let mut place = Place::open(&database, "Asia/Shanghai", &tariff).await;
    let dearer = blocks(&[(Some("2165"), "0.5317"), (Some("4205"), "0.5777"), (None, "0.8277")]);
    place.home.price_change(new_prices(&tariff, date(2026, 9, 1), dearer)).await;

    let (mut used, mut removed_at) = (kwh("0"), kwh("0"));
    let mut ends = Vec::new();
    let mut day = date(2026, 1, 1);
    while day < date(2027, 1, 1) {
        if day == date(2026, 5, 15) {
            place.home.clock.set(place.midnight(day) + SignedDuration::from_hours(10));
            removed_at = used + kwh("5");
            assert_eq!(removed_at, kwh("1613"));
            place.replaced(removed_at).await;
        }
        used = used + kwh("12");
        let (shown, next) = (used - removed_at, next_day(day));
        if next == date(2026, 9, 1) {
            place.freeze_of_august_is_late(shown).await;
        } else {
            place.frozen(next, shown).await;
        }
        if next.day() == 1 {
            jobs::charge_fixed(&place.home.app).await.unwrap();
            let charged_in_advance = 5_00 * (i64::try_from(ends.len()).unwrap() + 2);
            ends.push(place.posted().await - charged_in_advance);
        }
        day = next;
    }
    let by_hand =
        [190_57, 362_70, 553_28, 737_71, 928_28, 1113_03, 1320_72, 1529_36, 1736_35, 1951_25, 2159_22, 2417_88];
    assert_eq!(ends, by_hand);
    place.home.closed().await;
}

impl Place {
    /// August ends between two readings, and its freeze, which comes last, says more than lies between them. The register would
    /// show `ordinary` at the midnight after a day like any other.
    async fn freeze_of_august_is_late(&self, ordinary: Energy) {
        let (home, midnight) = (&self.home, self.midnight(date(2026, 9, 1)));
        let (hours, in_advance) = (SignedDuration::from_hours, 8 * 5_00);
        let instant = |as_of: Timestamp, total: Energy| -> [Observation; 1] {
            home.clock.set(as_of);
            [home.observation(Kind::Instant, as_of, total)]
        };
        home.arrives(&instant(midnight - hours(6), ordinary - kwh("3"))).await;
        home.arrives(&instant(midnight + hours(7), ordinary + kwh("3.4"))).await;
        home.clock.set(midnight + hours(12));
        assert_eq!(jobs::settle_open(&home.app).await.unwrap(), 1);
        assert_eq!(home.used().await.0 - in_advance, 1528_38);
        home.clock.set(midnight + hours(12) + SignedDuration::from_mins(1));
        home.arrives(&[home.observation(Kind::DailyFreeze, midnight, ordinary + kwh("1.7"))]).await;
        let account = home.account;
        let rows = home.app.db.read(move |conn| store::transaction::of_account(conn, account, 0, 500)).await.unwrap();
        assert_eq!(rows.last().unwrap().kind, TransactionKind::Correction);
        assert_eq!(home.used().await, (1529_36 + in_advance, 98), "and 1.7 kWh of September at 0.5777 are open");
    }
}

/// A calendar of two seasons. Hours of a day by period, of valley, peak, sharp and flat: winter's working days have 10, 8, 0
/// and 6, summer's (July and August) 10, 8, 2 and 4, quiet days (weekends and two holidays) 8, 0, 0 and 16.
fn calendar(peak: &str, valley: &str) -> TimeOfUse {
    let day = |changes: &[(&str, &str)]| {
        changes.iter().map(|(at, period)| json!({ "at": at, "period": period })).collect::<Vec<_>>()
    };
    let winter = [
        ("00:00:00", "valley"),
        ("08:00:00", "peak"),
        ("12:00:00", "flat"),
        ("18:00:00", "peak"),
        ("22:00:00", "valley"),
    ];
    let summer = [&winter[..2], &[("12:00:00", "sharp"), ("14:00:00", "flat")], &winter[3..]].concat();
    serde_json::from_value(json!({
        "prices": { "sharp": "2.00", "peak": peak, "flat": "1.00", "valley": valley },
        "day_types": {
            "winter": day(&winter),
            "summer": day(&summer),
            "quiet": day(&[("00:00:00", "valley"), ("08:00:00", "flat")]),
        },
        "seasons": [
            { "from_month": 7, "from_day": 1, "weekdays": "summer", "weekends": "quiet" },
            { "from_month": 9, "from_day": 1, "weekdays": "winter", "weekends": "quiet" },
        ],
        "holidays": { "2026-05-01": "quiet", "2026-12-25": "quiet" },
    }))
    .unwrap()
}

/// 1 kW, day and night, in Berlin in 2026: a day costs what its hours cost. Sharp 2.00, peak 1.50, flat 1.00, valley 0.40;
/// from 1 October peak 1.60 and valley 0.44. And 0.10 for each kWh above 700 of the month.
///
/// A working day of winter costs 10 x 0.40 + 8 x 1.50 + 6 = 22.00, of summer 4 + 12 + 4 + 4 = 24.00, a quiet day 3.20 + 16 =
/// 19.20; from October 4.40 + 12.80 + 6 = 23.20 and 3.52 + 16 = 19.52. On 29 March the valley has 7 hours: 18.80; on 25
/// October 9: 19.96.
///
/// | month | days | kWh above 700 | cost |
/// |---|---|---|---|
/// | January | 22 + 9 quiet | 44 | 484.00 + 172.80 + 4.40 = 661.20 |
/// | February | 20 + 8 | 0 | 440.00 + 153.60 = 593.60 |
/// | March | 22 + 8 + one of 23 hours | 43 | 484.00 + 153.60 + 18.80 + 4.30 = 660.70 |
/// | April | 22 + 8 | 20 | 484.00 + 153.60 + 2.00 = 639.60 |
/// | May | 20 + 11 | 44 | 440.00 + 211.20 + 4.40 = 655.60 |
/// | June | 22 + 8 | 20 | 639.60 |
/// | July | 23 + 8 | 44 | 552.00 + 153.60 + 4.40 = 710.00 |
/// | August | 21 + 10 | 44 | 504.00 + 192.00 + 4.40 = 700.40 |
/// | September | 22 + 8 | 20 | 639.60 |
/// | October | 22 + 8 + one of 25 hours | 45 | 510.40 + 156.16 + 19.96 + 4.50 = 691.02 |
/// | November | 21 + 9 | 20 | 487.20 + 175.68 + 2.00 = 664.88 |
/// | December | 22 + 9 | 44 | 510.40 + 175.68 + 4.40 = 690.48 |
async fn a_shop_with_sharp_peak_flat_and_valley(database: Database) {
    let surcharge = || blocks(&[(Some("700"), "0"), (None, "0.10")]);
    let tariff = NewTariff { time_of_use: Some(calendar("1.50", "0.40")), ..by_blocks(surcharge()) };
    let place = Place::open(&database, "Europe/Berlin", &tariff).await;
    let dearer = NewTariff { time_of_use: Some(calendar("1.60", "0.44")), ..tariff };
    place.home.price_change(new_prices(&dearer, date(2026, 10, 1), surcharge())).await;

    let (mut months, mut before) = (Vec::new(), 0);
    let mut day = date(2026, 1, 1);
    while day < date(2027, 1, 1) {
        let next = next_day(day);
        let hours = place.midnight(next).duration_since(place.midnight(date(2026, 1, 1))).as_hours();
        place.frozen(next, Energy::new(hours * 10_000)).await;
        if next.day() == 1 {
            let posted = place.posted().await;
            months.push(posted - before);
            before = posted;
        }
        day = next;
    }
    let by_hand = [661_20, 593_60, 660_70, 639_60, 655_60, 639_60, 710_00, 700_40, 639_60, 691_02, 664_88, 690_48];
    assert_eq!(months, by_hand);
    place.home.closed().await;
}
