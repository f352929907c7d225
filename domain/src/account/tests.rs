//! Credit: levels, episodes and their warning, told as a life of one account.

use proptest::prelude::*;

use super::*;
use crate::{
    fixtures::{at, cny, hours, limits, policy},
    notice::Kind,
};

/// An account watched hour by hour.
struct Watched {
    credit: Credit,
    written: Vec<(i64, Kind)>,
}

impl Watched {
    fn new() -> Self {
        Self { credit: Credit::default(), written: Vec::new() }
    }

    /// In hour `hour` there is `available` minor units; nothing is known of its use.
    fn has(self, hour: i64, available: i64) -> Self {
        self.has_and_uses(hour, available, None)
    }

    /// The same, and `per_hour` minor units are used in an hour.
    fn has_and_uses(mut self, hour: i64, available: i64, per_hour: Option<i64>) -> Self {
        let mean_cost_per_hour = per_hour.map(|cost| Exact::of(Money::new(cost), &cny()));
        let standing = Standing { available: Money::new(available), mean_cost_per_hour };
        let (credit, notices) = watch(&self.credit, &standing, &limits(), &cny(), &policy().credit, instant(hour));
        self.credit = credit;
        self.written.extend(notices.iter().map(|notice| (hour, notice.kind())));
        self
    }

    /// The notices written so far.
    fn wrote(mut self, expected: &[(i64, Kind)]) -> Self {
        assert_eq!(self.written, expected);
        self.written.clear();
        self
    }
}

fn instant(hour: i64) -> Timestamp {
    shift(at("2026-05-01T00:00:00Z"), hours(hour))
}

#[test]
fn each_level_tells_once_and_arms_again_above_its_margin() {
    Watched::new()
        .has(0, 2_001)
        .wrote(&[])
        .has(1, 2_000)
        .wrote(&[(1, Kind::LowBalance1)])
        .has(2, 1_900)
        .has(3, 2_100)
        .has(4, 1_900)
        .wrote(&[])
        .has(5, 2_101)
        .has(6, 2_000)
        .wrote(&[(6, Kind::LowBalance1)]);
}

#[test]
fn an_episode_begins_at_level_2_with_a_warning_and_ends_above_its_margin() {
    let low = Watched::new()
        .has(0, 500)
        .wrote(&[(0, Kind::LowBalance1), (0, Kind::LowBalance2), (0, Kind::DisconnectWarning)])
        .has(1, 600);
    assert_eq!(low.credit.episode.map(|episode| episode.began_at), Some(instant(0)));
    assert_eq!(low.has(2, 601).credit.episode, None);
}

#[test]
fn a_warning_served_stays_served_over_cuts_and_small_vends() {
    let mut account = Watched::new().has(0, 100);
    account.credit = account.credit.warning_served(instant(0), instant(1)).warning_served(instant(0), instant(5));
    let account = account.has(30, -10).has(40, 550).has(50, -20);
    let served = account.credit.episode.map(|episode| (episode.began_at, episode.warning_served_at));
    assert_eq!(served, Some((instant(0), Some(instant(1)))));
}

#[test]
fn a_warning_of_an_episode_that_is_over_serves_no_other() {
    let mut account = Watched::new().has(0, 100).has(1, 5_000).has(2, 100);
    account.credit = account.credit.warning_served(instant(0), instant(3));
    assert_eq!(account.credit.episode.and_then(|episode| episode.warning_served_at), None);
}

#[test]
fn at_most_one_warning_a_day_and_the_next_episode_gets_its_own() {
    let warned = Kind::DisconnectWarning;
    Watched::new()
        .has(0, 400)
        .has(1, 5_000)
        .wrote(&[(0, Kind::LowBalance1), (0, Kind::LowBalance2), (0, warned)])
        .has(2, 400)
        .has(23, 400)
        .wrote(&[(2, Kind::LowBalance1), (2, Kind::LowBalance2)])
        .has(24, 400)
        .has(99, 400)
        .wrote(&[(24, warned)]);
}

#[test]
fn a_forecast_begins_an_episode_at_its_lead_and_holds_it_to_twice_that() {
    let account = Watched::new().has_and_uses(0, 24_001, Some(1_000)).wrote(&[]);
    let account = account.has_and_uses(1, 24_000, Some(1_000)).wrote(&[(1, Kind::DisconnectWarning)]);
    let account = account.has_and_uses(2, 48_000, Some(1_000));
    assert!(account.credit.episode.is_some());
    assert_eq!(account.has_and_uses(3, 48_001, Some(1_000)).credit.episode, None);
}

#[test]
fn a_forecast_repeats_only_a_warning_of_more_than_a_week() {
    let quiet = |account: Watched, hour| account.has_and_uses(hour, 100, Some(1));
    let urgent = |account: Watched, hour| account.has_and_uses(hour, 100, Some(100));
    let account = quiet(Watched::new(), 0);
    let account = quiet(urgent(account, 100), 101);
    let written = account.written.len();
    let mut account = urgent(account, 168);
    assert_eq!(account.written.split_off(written), [(168, Kind::DisconnectWarning)]);
    assert_eq!(account.credit.episode.map(|episode| episode.began_at), Some(instant(0)));
}

#[test]
fn the_mean_needs_a_day_of_readings() {
    let policy = policy().credit;
    let cost = Exact::new(48_000);
    assert_eq!(mean_cost_per_hour(cost, hours(23), &policy), None);
    assert_eq!(mean_cost_per_hour(cost, hours(24), &policy), Some(Exact::new(2_000)));
}

#[test]
fn limits_that_do_not_fit_are_refused_by_name() {
    type Change = fn(&mut Limits);
    let cases: [(&str, Change); 5] = [
        ("overdraft", |limits| limits.overdraft = Money::new(-1)),
        ("alarm_2", |limits| limits.alarm_2 = Money::new(-1)),
        ("alarm_1", |limits| limits.alarm_1 = Money::new(499)),
        ("rearm_margin", |limits| limits.rearm_margin = Money::ZERO),
        ("restore_margin", |limits| limits.restore_margin = Money::ZERO),
    ];
    assert_eq!(limits().validate(), Ok(()));
    for (field, change) in cases {
        let mut limits = limits();
        change(&mut limits);
        assert_eq!(limits.validate().map_err(|bad| bad.field), Err(field));
    }
}

proptest! {
    #[test]
    fn whoever_is_due_stands_in_an_episode_and_warnings_keep_their_distance(
        steps in prop::collection::vec((0_i64..40, -1_000_i64..4_000, prop::option::of(0_i64..300)), 1..60),
    ) {
        let mut account = Watched::new();
        let mut hour = 0;
        for (wait, available, per_hour) in steps {
            hour += wait;
            account = account.has_and_uses(hour, available, per_hour);
            let due = limits().disconnect_due(Money::new(available));
            prop_assert!(!due || account.credit.episode.is_some());
        }
        let warned: Vec<i64> =
            account.written.iter().filter(|(_, kind)| *kind == Kind::DisconnectWarning).map(|(hour, _)| *hour).collect();
        prop_assert!(warned.windows(2).all(|pair| matches!(pair, [a, b] if b - a >= 24)));
    }
}
