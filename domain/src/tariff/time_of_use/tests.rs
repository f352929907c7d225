//! The calendar of periods: which holds when, also where clocks are set.
#![expect(clippy::unwrap_used, clippy::indexing_slicing, reason = "tests")]

use proptest::prelude::*;

use super::*;
use crate::fixtures::{at as instant, day, peak_and_valley, price, switches, zone};

fn shown(time_of_use: &TimeOfUse, date: &str, zone: &TimeZone) -> Vec<(String, Period)> {
    let clock = |at: Timestamp| at.to_zoned(zone.clone()).strftime("%d %H:%M%:z").to_string();
    time_of_use.spans(day(date), zone).into_iter().map(|span| (clock(span.until), span.period)).collect()
}

fn spans(all: &[(&str, Period)]) -> Vec<(String, Period)> {
    all.iter().map(|(until, period)| ((*until).to_owned(), *period)).collect()
}

#[test]
fn season_weekend_and_holiday_say_what_kind_of_day_it_is() {
    let (prices, zone) = (peak_and_valley(), zone("Asia/Shanghai"));
    let usual = |next: &str, date: &str| {
        spans(&[
            (&format!("{date} 08:00+08:00"), Period::Valley),
            (&format!("{date} 22:00+08:00"), Period::Peak),
            (&format!("{next} 00:00+08:00"), Period::Valley),
        ])
    };
    // A Saturday of the season that began last October, a Friday and a Saturday of summer, and a holiday.
    assert_eq!(shown(&prices, "2026-01-03", &zone), usual("04", "03"));
    assert_eq!(shown(&prices, "2026-06-05", &zone), usual("06", "05"));
    assert_eq!(shown(&prices, "2026-06-06", &zone), spans(&[("07 00:00+08:00", Period::Valley)]));
    assert_eq!(shown(&prices, "2026-05-01", &zone), spans(&[("02 00:00+08:00", Period::Valley)]));
    assert_eq!(shown(&prices, "2026-10-03", &zone), usual("04", "03"));
}

#[test]
fn periods_that_touch_in_one_period_are_one_span() {
    let mut prices = peak_and_valley();
    prices.day_types.insert("usual".to_owned(), switches(&[("00:00", Period::Valley), ("12:00", Period::Valley)]));
    assert_eq!(shown(&prices, "2026-01-05", &zone("Asia/Shanghai")), spans(&[("06 00:00+08:00", Period::Valley)]));
}

#[test]
fn where_clocks_are_set_the_period_is_that_of_the_local_time_of_day() {
    let zone = zone("Europe/Berlin");
    let mut prices = peak_and_valley();
    let night = switches(&[("00:00", Period::Flat), ("02:30", Period::Valley), ("06:00", Period::Flat)]);
    prices.day_types.insert("usual".to_owned(), night);
    // 02:30 does not come: the valley begins where the clocks jump to 03:00.
    let spring = spans(&[
        ("29 03:00+02:00", Period::Flat),
        ("29 06:00+02:00", Period::Valley),
        ("30 00:00+02:00", Period::Flat),
    ]);
    assert_eq!(shown(&prices, "2026-03-29", &zone), spring);
    // 02:30 comes twice: half an hour of valley, half an hour of flat again, then the rest.
    let autumn = spans(&[
        ("25 02:30+02:00", Period::Flat),
        ("25 02:00+01:00", Period::Valley),
        ("25 02:30+01:00", Period::Flat),
        ("25 06:00+01:00", Period::Valley),
        ("26 00:00+01:00", Period::Flat),
    ]);
    assert_eq!(shown(&prices, "2026-10-25", &zone), autumn);
}

#[test]
fn every_broken_rule_is_named_by_its_field() {
    type Change = fn(&mut TimeOfUse);
    let cases: [(&str, Change); 13] = [
        ("day_types", |prices| prices.day_types.clear()),
        ("day_types.usual", |prices| prices.day_types.extend([("usual".to_owned(), Vec::new())])),
        ("day_types.usual[0].at", |prices| {
            prices.day_types.get_mut("usual").unwrap()[0].at = Time::constant(1, 0, 0, 0)
        }),
        ("day_types.usual[2].at", |prices| {
            prices.day_types.get_mut("usual").unwrap()[2].at = Time::constant(8, 0, 0, 0)
        }),
        ("day_types.usual[1].at", |prices| {
            prices.day_types.get_mut("usual").unwrap()[1].at = Time::constant(8, 0, 1, 0)
        }),
        ("prices.peak", |prices| prices.prices.retain(|period, _| *period != Period::Peak)),
        ("prices.sharp", |prices| prices.prices.extend([(Period::Sharp, price("2"))])),
        ("prices.peak", |prices| prices.prices.extend([(Period::Peak, price("-1"))])),
        ("seasons", |prices| prices.seasons.clear()),
        ("seasons[0].from_day", |prices| (prices.seasons[0].from_month, prices.seasons[0].from_day) = (2, 29)),
        ("seasons[1].from_day", |prices| prices.seasons[1].from_month = 6),
        ("seasons[1].weekends", |prices| prices.seasons[1].weekends = "nowhere".to_owned()),
        ("holidays.2026-05-02", |prices| prices.holidays.extend([(day("2026-05-02"), "nowhere".to_owned())])),
    ];
    for (field, change) in cases {
        let mut prices = peak_and_valley();
        assert_eq!(prices.validate(), Ok(()));
        change(&mut prices);
        assert_eq!(prices.validate().map_err(|bad| bad.field), Err(field.to_owned()));
    }
}

proptest! {
    #[test]
    fn the_spans_of_a_day_fill_it_and_each_instant_has_its_period(
        days in 0_i64..1_500,
        minute in 0_i64..25 * 60,
        zone in prop::sample::select(vec!["Asia/Shanghai", "Europe/Berlin", "America/Santiago", "Australia/Lord_Howe"]),
        changes in prop::collection::btree_map(1_i8..24, prop::sample::select(Period::ALL.to_vec()), 0..8),
    ) {
        let zone = TimeZone::get(zone).unwrap();
        let mut prices = peak_and_valley();
        let later = changes.iter().map(|(hour, period)| Switch { at: Time::constant(*hour, 30, 0, 0), period: *period });
        let all: Vec<Switch> = switches(&[("00:00", Period::Valley)]).into_iter().chain(later).collect();
        prices.day_types.insert("usual".to_owned(), all.clone());
        let date = day("2024-01-01").saturating_add(jiff::Span::new().days(days));
        let spans = prices.spans(date, &zone);
        let (begin, end) = (midnight(date, &zone), midnight(next_day(date), &zone));
        prop_assert_eq!(spans.last().map(|span| span.until), Some(end));
        prop_assert!(spans.iter().map(|span| span.until).is_sorted_by(|one, next| one < next));
        prop_assert!(spans.iter().zip(spans.iter().skip(1)).all(|(one, next)| one.period != next.period));
        let at = crate::calendar::shift(begin, crate::fixtures::minutes(minute));
        prop_assume!(at < end && instant("2024-01-01T00:00:00Z") < end);
        let found = spans.iter().find(|span| at < span.until).map(|span| span.period);
        prop_assert_eq!(found, Some(period_at(prices.switches(date), at, &zone)));
    }
}
