//! Values that the tests share: an ordinary site, its settings and a few names.
#![expect(clippy::unwrap_used, reason = "tests")]

use jiff::{SignedDuration, Timestamp, civil::Date, tz::TimeZone};

use crate::{
    account::Limits,
    debt::Terms,
    energy::Energy,
    ids::{AccountId, MeterId, OrderId, ReadingId, SiteId},
    money::{Currency, Money, Price},
    notice::Channel,
    site::{
        AutomaticDisconnection, CreditPolicy, DebtPolicy, DisconnectionPolicy, FriendlyHours, MassCutPolicy,
        NoticePolicy, Policy, PollingPolicy, ReadingPolicy, RelayPolicy, SettlementPolicy, VendPolicy,
    },
    tariff::{Block, Period, Season, Switch, Tariff, TariffVersion, TimeOfUse},
};

pub(crate) fn at(text: &str) -> Timestamp {
    text.parse().unwrap()
}

pub(crate) fn day(text: &str) -> Date {
    text.parse().unwrap()
}

pub(crate) fn zone(name: &str) -> TimeZone {
    TimeZone::get(name).unwrap()
}

pub(crate) fn kwh(text: &str) -> Energy {
    text.parse().unwrap()
}

pub(crate) fn price(text: &str) -> Price {
    text.parse().unwrap()
}

pub(crate) fn minutes(count: i64) -> SignedDuration {
    SignedDuration::from_mins(count)
}

pub(crate) fn hours(count: i64) -> SignedDuration {
    SignedDuration::from_hours(count)
}

pub(crate) fn cny() -> Currency {
    Currency::new("CNY", 2).unwrap()
}

pub(crate) fn site_id() -> SiteId {
    SiteId::new(1).unwrap()
}

pub(crate) fn account_id(counter: i64) -> AccountId {
    AccountId::new(site_id(), counter).unwrap()
}

pub(crate) fn meter_id() -> MeterId {
    MeterId::new(site_id(), 1).unwrap()
}

pub(crate) fn order_id() -> OrderId {
    OrderId::new(site_id(), 1).unwrap()
}

pub(crate) fn reading_id(counter: i64) -> ReadingId {
    ReadingId::new(site_id(), counter).unwrap()
}

/// A version with windows from the first of each month; `blocks` as upper bound and price in turn.
pub(crate) fn version(number: i32, valid_from: &str, blocks: &[(Option<&str>, &str)]) -> TariffVersion {
    TariffVersion {
        version: number,
        valid_from: day(valid_from),
        blocks: blocks.iter().map(|(upto, each)| Block { upto: upto.map(kwh), price: price(each) }).collect(),
        time_of_use: None,
        window_start_day: 1,
        window_start_month: None,
        prorate_opening: false,
        fixed_charges: Vec::new(),
        tax_rate_ppm: 130_000,
        minimum_vend: Money::new(100),
    }
}

/// 0.50 up to 240 kWh, 0.55 up to 400 kWh, 0.80 above.
pub(crate) fn tiered() -> Tariff {
    let blocks = [(Some("240"), "0.50"), (Some("400"), "0.55"), (None, "0.80")];
    Tariff { currency: cny(), versions: vec![version(1, "2020-01-01", &blocks)] }
}

/// Alarms at 20.00 and 5.00, no overdraft.
pub(crate) fn limits() -> Limits {
    Limits {
        alarm_1: Money::new(2_000),
        alarm_2: Money::new(500),
        rearm_margin: Money::new(100),
        overdraft: Money::ZERO,
        restore_margin: Money::new(1),
        emergency_credit: Money::ZERO,
    }
}

/// The settings of an ordinary site that cuts.
pub(crate) fn policy() -> Policy {
    let time = |text: &str| text.parse().unwrap();
    Policy {
        disconnection: DisconnectionPolicy {
            automatic: AutomaticDisconnection::On,
            friendly_hours: vec![FriendlyHours { from: time("18:00"), to: time("09:00") }],
            protected_weekdays: Vec::new(),
            holidays: Vec::new(),
            reading_freshness: hours(2),
            unread_alarm_after: hours(24),
            seen_again_grace: minutes(10),
            seen_again_gap_slots: 2,
            seen_again_grace_per_day: hours(2),
            clock_tolerance: minutes(5),
            held_recheck: hours(1),
            hold_longest: hours(24 * 90),
            payment_longest: minutes(15),
            payments_per_episode: minutes(30),
            mass_cut: MassCutPolicy { per_hour: 50, per_day: 20, per_day_percent: 5 },
        },
        credit: CreditPolicy {
            warning_lead: hours(24),
            warning_spacing: hours(24),
            warning_repeat_after: hours(7 * 24),
            forecast_window: hours(7 * 24),
            forecast_minimum: hours(24),
            maximum_limit: Money::new(100_000_000),
            limits: limits(),
        },
        reading: ReadingPolicy {
            future_tolerance: minutes(10),
            cross_clock_tolerance: minutes(6),
            overload_percent: 120,
            period_tolerance: kwh("0.02"),
        },
        settlement: SettlementPolicy {
            interpolate_from: time("12:00"),
            correction_horizon: hours(35 * 24),
            meters_per_account: 50,
        },
        relay: RelayPolicy {
            disconnect_expiry: hours(24),
            disconnect_attempts: 3,
            read_back_interval: SignedDuration::from_secs(5),
            read_back_window: SignedDuration::from_secs(60),
            customer_interval: minutes(5),
            retry_first: SignedDuration::from_secs(10),
            retry_cap: minutes(10),
            proven_before_opening: true,
        },
        vending: VendPolicy {
            maximum_per_vend: Money::new(1_000_000),
            maximum_per_cashier_day: Money::new(5_000_000),
            registered_terminals_only: false,
        },
        debts: DebtPolicy { maximum: Money::new(10_000_000), terms: Terms { share_ppm: 200_000, weekly_cap: None } },
        polling: PollingPolicy {
            slot: minutes(15),
            silent_cap: hours(6),
            freeze_from: time("00:05"),
            freeze_until: time("12:00"),
            freeze_retry: hours(1),
            backfill_days: 3,
            round_limit_percent: 80,
        },
        notices: notices(),
    }
}

fn notices() -> NoticePolicy {
    NoticePolicy {
        channel: Channel::Log,
        quiet_from: "22:00".parse().ok(),
        quiet_to: "07:00".parse().ok(),
        retry_first: minutes(1),
        retry_cap: hours(1),
        attempts: 5,
        by_hand_alarm_after: hours(24),
    }
}

/// A day type from its local times of day and periods in turn.
pub(crate) fn switches(all: &[(&str, Period)]) -> Vec<Switch> {
    all.iter().map(|(at, period)| Switch { at: at.parse().unwrap(), period: *period }).collect()
}

/// Peak at 1.00 from 08:00 to 22:00, valley at 0.25 at night and on holidays; valley all day on weekends of summer, which
/// begins on 1 June and ends on 30 September.
pub(crate) fn peak_and_valley() -> TimeOfUse {
    let day_types = [
        ("usual", switches(&[("00:00", Period::Valley), ("08:00", Period::Peak), ("22:00", Period::Valley)])),
        ("quiet", switches(&[("00:00", Period::Valley)])),
    ];
    let season = |from_month, weekends: &str| Season {
        from_month,
        from_day: 1,
        weekdays: "usual".to_owned(),
        weekends: weekends.to_owned(),
    };
    TimeOfUse {
        prices: [(Period::Peak, price("1")), (Period::Valley, price("0.25"))].into(),
        day_types: day_types.into_iter().map(|(name, switches)| (name.to_owned(), switches)).collect(),
        seasons: vec![season(6, "quiet"), season(10, "usual")],
        holidays: [(day("2026-05-01"), "quiet".to_owned())].into(),
    }
}
